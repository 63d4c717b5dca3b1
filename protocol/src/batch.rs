//! A batch: what a sequencer anchors on Bitcoin, as bytes, and the public data of its statement.
//!
//! Bytes: header (shape, flags, counts, new state root, proof, anchors' batch numbers, the
//! operator's key if it changed), then transfers, then deposit claims. Every count is bounded by the
//! shape before anything is read. Specification: `docs/spec/batch.md`.

use bitcoin::XOnlyPublicKey;
use bitcoin::hashes::Hash;

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader, put_u24};
use crate::field::{self, F};
use crate::hash::{B2, Label, Tag, hash};
use crate::note::{self, Commitment, Nullifier};
use crate::transfer::{ProofBytes, Transfer, out_field};
use crate::tree::SUBTREE_LEAVES;

mod payload;

pub use payload::{MAX_PARTIAL, Payload};

/// The shapes of the batch statement: slots, deposits, anchors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BatchShape {
    /// 4 transfers, 4 deposits, 2 anchors.
    B4x4,
    /// 20 transfers, 8 deposits, 4 anchors.
    B20x8,
    /// 48 transfers, 16 deposits, 8 anchors.
    B48x16,
    /// 192 transfers, 32 deposits, 8 anchors.
    B192x32,
}

impl BatchShape {
    /// All shapes, smallest first.
    pub const ALL: [Self; 4] = [Self::B4x4, Self::B20x8, Self::B48x16, Self::B192x32];

    /// Transfers a batch can hold (`N`).
    #[must_use]
    pub fn slots(self) -> usize {
        match self {
            Self::B4x4 => 4,
            Self::B20x8 => 20,
            Self::B48x16 => 48,
            Self::B192x32 => 192,
        }
    }

    /// Deposits a batch can hold (`D`).
    #[must_use]
    pub fn deposits(self) -> usize {
        match self {
            Self::B4x4 => 4,
            Self::B20x8 => 8,
            Self::B48x16 => 16,
            Self::B192x32 => 32,
        }
    }

    /// Anchors a batch opens (`K`), always all of them.
    #[must_use]
    pub fn anchors(self) -> usize {
        match self {
            Self::B4x4 => 2,
            Self::B20x8 => 4,
            Self::B48x16 | Self::B192x32 => 8,
        }
    }

    /// The byte that names the shape on Bitcoin.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::B4x4 => 1,
            Self::B20x8 => 2,
            Self::B48x16 => 3,
            Self::B192x32 => 4,
        }
    }

    /// The shape of a code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.code() == code)
    }

    /// Name of the circuit.
    #[must_use]
    pub fn circuit_name(self) -> &'static str {
        match self {
            Self::B4x4 => "batch-4-4-v1",
            Self::B20x8 => "batch-20-8-v1",
            Self::B48x16 => "batch-48-16-v1",
            Self::B192x32 => "batch-192-32-v1",
        }
    }

    /// The shape as the digest names it: `N + 2^32·D`.
    #[must_use]
    pub fn field(self) -> F {
        F::from(self.slots() as u64 + ((self.deposits() as u64) << 32))
    }

    /// Leaves of the notes subtree: two per slot, the deposits, the fee note.
    #[must_use]
    pub fn note_leaves(self) -> usize {
        2 * self.slots() + self.deposits() + 1
    }
}

const _: () = assert!(
    2 * 192 + 32 < SUBTREE_LEAVES,
    "the largest shape fits its subtree"
);

/// A deposit that a batch credits: which swept deposit, and the two leaves of its script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositClaim {
    /// Running number of the deposit among all that were swept into the vault.
    pub sweep: u32,
    /// The note's inner commitment.
    pub inner: F,
    /// The refund key.
    pub refund: XOnlyPublicKey,
}

impl Encode for DepositClaim {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sweep.to_le_bytes());
        out.extend_from_slice(&field::to_bytes(&self.inner));
        out.extend_from_slice(&self.refund.serialize());
    }
}

impl Decode for DepositClaim {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let sweep = reader.u32()?;
        let inner = reader.field()?;
        let refund =
            XOnlyPublicKey::from_slice(reader.take(32)?).map_err(|_| DecodeError::BadPoint("refund key"))?;
        Ok(Self { sweep, inner, refund })
    }
}

/// A batch as it stands on Bitcoin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The circuit it is proven with.
    pub shape: BatchShape,
    /// The operator's `pk_d` for fee notes, if it changes with this batch.
    pub operator: Option<F>,
    /// The new state commitment.
    pub state: F,
    /// The batch proof.
    pub proof: ProofBytes,
    /// Batch numbers of the anchors, as many as the shape opens.
    pub anchors: Vec<u32>,
    /// The transfers, in slot order.
    pub transfers: Vec<Transfer>,
    /// The deposits credited.
    pub deposits: Vec<DepositClaim>,
}

impl Encode for Batch {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(self.shape.code());
        out.push(u8::from(self.operator.is_some()));
        out.push(u8::try_from(self.transfers.len()).expect("at most 192 transfers"));
        out.push(u8::try_from(self.deposits.len()).expect("at most 32 deposits"));
        out.extend_from_slice(&field::to_bytes(&self.state));
        out.extend_from_slice(&self.proof.0);
        for anchor in &self.anchors {
            put_u24(out, *anchor);
        }
        if let Some(operator) = &self.operator {
            out.extend_from_slice(&field::to_bytes(operator));
        }
        for transfer in &self.transfers {
            let index = self
                .anchor_index(transfer.anchor)
                .expect("a batch opens its transfers' anchors");
            transfer.encode_in_batch(index, out);
        }
        for deposit in &self.deposits {
            deposit.encode_to(out);
        }
    }
}

impl Decode for Batch {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let shape = BatchShape::from_code(reader.u8()?).ok_or(DecodeError::Unknown("batch shape"))?;
        let has_operator = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::Unknown("batch flags")),
        };
        let n_transfers = usize::from(reader.u8()?);
        let n_deposits = usize::from(reader.u8()?);
        if n_transfers > shape.slots() || n_deposits > shape.deposits() {
            return Err(DecodeError::OutOfRange("batch counts"));
        }
        let state = reader.field()?;
        let proof = ProofBytes(reader.array()?);
        let anchors = (0..shape.anchors())
            .map(|_| reader.u24())
            .collect::<Result<Vec<_>, _>>()?;
        let operator = if has_operator { Some(reader.field()?) } else { None };
        let transfers = (0..n_transfers)
            .map(|_| Transfer::decode_in_batch(reader, &anchors))
            .collect::<Result<Vec<_>, _>>()?;
        let deposits = (0..n_deposits)
            .map(|_| DepositClaim::decode_from(reader))
            .collect::<Result<_, _>>()?;
        let batch = Self {
            shape,
            operator,
            state,
            proof,
            anchors,
            transfers,
            deposits,
        };
        batch.check_anchor_indices()?;
        Ok(batch)
    }
}

impl Batch {
    /// The index by which a transfer with this anchor names it: the first that matches.
    #[must_use]
    pub fn anchor_index(&self, anchor: u32) -> Option<u8> {
        self.anchors
            .iter()
            .position(|a| *a == anchor)
            .and_then(|i| u8::try_from(i).ok())
    }

    /// Padding repeats the last anchor, so that one list of anchors has one encoding.
    fn check_anchor_indices(&self) -> Result<(), DecodeError> {
        let distinct = self
            .anchors
            .iter()
            .enumerate()
            .take_while(|(i, a)| !self.anchors[..*i].contains(a));
        let n = distinct.count();
        let padded = self.anchors[n..].iter().all(|a| *a == self.anchors[n - 1]);
        if padded {
            Ok(())
        } else {
            Err(DecodeError::Unknown("padding of the anchors"))
        }
    }

    /// The canonical list of `shape.anchors()` anchors for these distinct ones; `None` if too many.
    #[must_use]
    pub fn pad_anchors(shape: BatchShape, distinct: &[u32]) -> Option<Vec<u32>> {
        let mut anchors = distinct.to_vec();
        let last = *anchors.last()?;
        (anchors.len() <= shape.anchors()).then(|| {
            anchors.resize(shape.anchors(), last);
            anchors
        })
    }
}

/// The public data of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index of the transfer's anchor among the batch's.
    pub anchor_index: u8,
    /// Nullifiers.
    pub nf: [Nullifier; 2],
    /// Commitments.
    pub cm: [Commitment; 2],
    /// Fee.
    pub fee: Amount,
    /// Amount that leaves.
    pub exit: Amount,
    /// The transfer's context.
    pub ctx: F,
}

/// The public data of one credited deposit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    /// Amount credited.
    pub v: Amount,
    /// The note's inner commitment.
    pub inner: F,
    /// Hash of the deposit's outpoint.
    pub outpoint: F,
}

/// The hash of a Bitcoin outpoint as a field element.
#[must_use]
pub fn outpoint_field(outpoint: &bitcoin::OutPoint) -> F {
    B2::new(Label::Outpoint)
        .bytes(outpoint.txid.as_byte_array())
        .bytes(&outpoint.vout.to_le_bytes())
        .to_field()
}

/// Everything that determines the step from `S_{b-1}` to `S_b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchData {
    /// The circuit's shape.
    pub shape: BatchShape,
    /// The batch's number.
    pub number: u32,
    /// The operator's `pk_d`.
    pub operator: F,
    /// The anchors' batch numbers, `shape.anchors()` of them.
    pub anchors: Vec<u32>,
    /// Enabled slots, a prefix.
    pub slots: Vec<Slot>,
    /// Enabled deposits, a prefix.
    pub credits: Vec<Credit>,
}

impl BatchData {
    /// Sum of all fees; `None` if it is no amount.
    #[must_use]
    pub fn total_fee(&self) -> Option<Amount> {
        self.slots
            .iter()
            .try_fold(Amount::ZERO, |sum, slot| sum.checked_add(slot.fee))
    }

    /// Leaves of the batch's notes subtree: outputs by slot, deposits, the fee note.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] if the fees sum to no amount.
    pub fn note_leaves(&self) -> Result<Vec<F>, DecodeError> {
        let mut leaves = vec![F::from(0u64); self.shape.note_leaves()];
        for (i, slot) in self.slots.iter().enumerate() {
            leaves[2 * i] = slot.cm[0].to_field();
            leaves[2 * i + 1] = slot.cm[1].to_field();
        }
        for (i, credit) in self.credits.iter().enumerate() {
            leaves[2 * self.shape.slots() + i] = Commitment::new(credit.v, &credit.inner).to_field();
        }
        let fees = self.total_fee().ok_or(DecodeError::OutOfRange("sum of fees"))?;
        let inner = note::inner(&self.operator, &note::fee_rcm(self.number));
        leaves[2 * self.shape.slots() + self.shape.deposits()] = Commitment::new(fees, &inner).to_field();
        Ok(leaves)
    }

    /// The public digest: a sponge over all the data, padded with zeros to the shape.
    ///
    /// `anchor_roots` are the notes roots of `anchors`.
    #[must_use]
    pub fn digest(&self, chain: F, anchor_roots: &[F]) -> F {
        let anchors = self
            .anchors
            .iter()
            .rev()
            .fold(F::from(0u64), |acc, a| acc * field::pow2(24) + F::from(*a));
        let mut inputs = vec![
            chain,
            F::from(self.number),
            self.shape.field(),
            self.operator,
            anchors,
        ];
        inputs.extend_from_slice(anchor_roots);
        for slot in &self.slots {
            inputs.extend(slot.digest_inputs());
        }
        inputs.resize(
            5 + self.shape.anchors() + Slot::DIGEST_INPUTS * self.shape.slots(),
            F::from(0u64),
        );
        for credit in &self.credits {
            inputs.extend([
                credit.v.to_field() + field::pow2(64),
                credit.inner,
                credit.outpoint,
            ]);
        }
        inputs.resize(Self::digest_len(self.shape), F::from(0u64));
        hash(Tag::Digest, &inputs)
    }

    /// Number of field elements in the digest of `shape`.
    #[must_use]
    pub fn digest_len(shape: BatchShape) -> usize {
        5 + shape.anchors() + Slot::DIGEST_INPUTS * shape.slots() + 3 * shape.deposits()
    }
}

impl Slot {
    /// Field elements of one slot in the digest.
    pub const DIGEST_INPUTS: usize = 6;

    /// `(fee + 2^64·exit + 2^128·enabled + 2^129·anchor index, nf0, nf1, cm0, cm1, ctx)`.
    fn digest_inputs(&self) -> [F; Self::DIGEST_INPUTS] {
        let word =
            out_field(self.fee, self.exit) + field::pow2(128) + F::from(self.anchor_index) * field::pow2(129);
        [
            word,
            self.nf[0].to_field(),
            self.nf[1].to_field(),
            self.cm[0].to_field(),
            self.cm[1].to_field(),
            self.ctx,
        ]
    }
}

#[cfg(test)]
mod tests;
