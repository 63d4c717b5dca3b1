//! What a wallet reads to find its notes: transfers without anchors and proofs, deposits, states.
//!
//! A transfer is one hexadecimal string, the fields of its body in the order of a batch:
//!
//! ```text
//! nf0 20 | nf1 20 | cm0 32 | cm1 32 | epk 32 | ct_pay 32 | ct_change 16 | fee 1 | expiry 3 | flags 1 | exit | memo
//! ```
//! The whole body is there, 189 bytes without exit and memo, so that a wallet computes the transfer's
//! identifier itself instead of believing one. A memo takes its 128 bytes where there is one: asking
//! for it later would tell the node whose it is.

use bitcoin::BlockHash;
use serde::{Deserialize, Serialize};
use tacit_protocol::batch::{BatchData, BatchShape, Slot};
use tacit_protocol::note;
use tacit_protocol::params::ChainParams;
use tacit_protocol::state::State;
use tacit_protocol::transfer::{TransferBody, TransferRule};
use tacit_protocol::{Amount, F};

use super::codec;

/// The body of a transfer as wallets read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CompactTransfer(#[serde(with = "codec")] TransferBody);

impl CompactTransfer {
    /// Keeps what wallets need of a transfer.
    #[must_use]
    pub fn new(body: TransferBody) -> Self {
        Self(body)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &TransferBody {
        &self.0
    }
}

/// A credited deposit as wallets read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompactDeposit {
    /// Satoshi credited.
    pub v: Amount,
    /// The note's inner commitment.
    #[serde(with = "codec::field")]
    pub inner: F,
}

/// Where on Bitcoin a batch is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Anchored {
    /// Height of the block.
    pub height: u32,
    /// Hash of the block.
    pub block: BlockHash,
    /// Time of the block, seconds since 1970.
    pub time: u32,
}

/// A batch as wallets read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompactBatch {
    /// Number of the batch.
    pub number: u32,
    /// Code of the circuit's shape; it decides where deposits and the fee note stand.
    #[serde(with = "codec::shape")]
    pub shape: BatchShape,
    /// The operator's `pk_d`, owner of the fee note.
    #[serde(with = "codec::field")]
    pub operator: F,
    /// The transfers in slot order.
    pub transfers: Vec<CompactTransfer>,
    /// The credited deposits in order.
    pub deposits: Vec<CompactDeposit>,
    /// The state after the batch, opened (hexadecimal of its canonical bytes).
    #[serde(with = "codec")]
    pub state: State,
    /// The block it is anchored in; absent while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchored: Option<Anchored>,
}

impl CompactBatch {
    /// Leaves of the batch's notes subtree, recomputed: outputs by slot, deposits, the fee note.
    ///
    /// # Errors
    /// [`CompactError`] if the batch exceeds its shape or its fees are no amount.
    pub fn note_leaves(&self, params: &ChainParams) -> Result<Vec<F>, CompactError> {
        if self.transfers.len() > self.shape.slots() || self.deposits.len() > self.shape.deposits() {
            return Err(CompactError::Shape);
        }
        let slots = self
            .transfers
            .iter()
            .map(|transfer| {
                let body = transfer.body();
                Ok(Slot {
                    anchor_index: 0,
                    nf: body.nf,
                    cm: body.cm,
                    fee: body.fee_amount(params)?,
                    exit: body.exit_amount(),
                    ctx: F::from(0u64),
                })
            })
            .collect::<Result<_, TransferRule>>()?;
        let credits = self.deposits.iter().map(|deposit| tacit_protocol::batch::Credit {
            v: deposit.v,
            inner: deposit.inner,
            outpoint: F::from(0u64),
        });
        let data = BatchData {
            shape: self.shape,
            number: self.number,
            operator: self.operator,
            anchors: Vec::new(),
            slots,
            credits: credits.collect(),
        };
        data.note_leaves().map_err(|_| CompactError::Fees)
    }

    /// Sum of the fees, the amount of the fee note.
    ///
    /// # Errors
    /// [`CompactError`] if a fee is not in the table or the sum is no amount.
    pub fn total_fee(&self, params: &ChainParams) -> Result<Amount, CompactError> {
        self.transfers.iter().try_fold(Amount::ZERO, |sum, transfer| {
            let fee = transfer.body().fee_amount(params)?;
            sum.checked_add(fee).ok_or(CompactError::Fees)
        })
    }

    /// `inner` of the fee note.
    #[must_use]
    pub fn fee_inner(&self) -> F {
        note::inner(&self.operator, &note::fee_rcm(self.number))
    }

    /// Leaf number of the fee note.
    #[must_use]
    pub fn fee_leaf(&self) -> usize {
        2 * self.shape.slots() + self.shape.deposits()
    }

    /// Leaf number of deposit `j`.
    #[must_use]
    pub fn deposit_leaf(&self, j: usize) -> usize {
        2 * self.shape.slots() + j
    }
}

/// Why a compact batch cannot be what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    /// More transfers or deposits than the shape has.
    #[error("the batch holds more than its shape has room for")]
    Shape,
    /// The fees are no amount.
    #[error("the sum of the fees is no amount")]
    Fees,
    /// A transfer breaks a rule.
    #[error(transparent)]
    Transfer(#[from] TransferRule),
}
