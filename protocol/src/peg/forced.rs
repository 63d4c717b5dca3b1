//! Forced requests: what anybody can post on Bitcoin so that no sequencer can keep him out.
//!
//! A request is an [envelope](crate::envelope) of its own kind in a tapscript input of any transaction.
//! Its body is a whole [`Transfer`] with the highest expiry, a [`ForcedClaim`] of a deposit, or a
//! [`FeeRaise`] of a withdrawal. This file says what the bytes are and finds them in a transaction; which
//! transfers and claims enter a queue, when a batch must honour them, and which raises count, followers
//! decide. [`post`] builds the transactions that post one.
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid, XOnlyPublicKey};

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::envelope::{Envelope, EnvelopeError, EnvelopeKind};
use crate::field::{self, F};
use crate::peg::anchor::envelopes;
use crate::peg::block::TxInput;
use crate::transfer::{MAX_TRANSFER_BYTES, Transfer};
use crate::tree::BATCH_LIMIT;

pub mod post;
pub mod raise;

pub use post::{Post, PostPlan, Reveal, RevealPlan, plan_post, plan_reveal};
pub use raise::FeeRaise;

/// The expiry of every forced transfer: the last batch of all.
pub const FORCED_EXPIRY: u32 = BATCH_LIMIT - 1;

/// The longest body of a forced transfer; its anchor takes three bytes, one in a batch.
const MAX_BODY: usize = MAX_TRANSFER_BYTES + 2;

/// The claim of a swept deposit that was never credited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedClaim {
    /// The deposit.
    pub outpoint: OutPoint,
    /// The note's inner commitment.
    pub inner: F,
    /// The refund key.
    pub refund: XOnlyPublicKey,
}

impl Encode for ForcedClaim {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.outpoint.txid.as_byte_array());
        out.extend_from_slice(&self.outpoint.vout.to_le_bytes());
        out.extend_from_slice(&field::to_bytes(&self.inner));
        out.extend_from_slice(&self.refund.serialize());
    }
}

impl Decode for ForcedClaim {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let txid = Txid::from_byte_array(reader.array()?);
        let outpoint = OutPoint {
            txid,
            vout: reader.u32()?,
        };
        let inner = reader.field()?;
        let refund =
            XOnlyPublicKey::from_slice(reader.take(32)?).map_err(|_| DecodeError::BadPoint("refund key"))?;
        Ok(Self {
            outpoint,
            inner,
            refund,
        })
    }
}

/// A request whose bytes are sound. Whether it can be honoured is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForcedRequest {
    /// A transfer that expires with the last batch of all.
    Transfer(Box<Transfer>),
    /// The claim of a deposit.
    Claim(ForcedClaim),
    /// A higher fee limit of a withdrawal.
    Raise(FeeRaise),
}

impl ForcedRequest {
    /// The kind of its envelope.
    #[must_use]
    pub fn kind(&self) -> EnvelopeKind {
        match self {
            Self::Transfer(_) => EnvelopeKind::ForcedTransfer,
            Self::Claim(_) => EnvelopeKind::DepositClaim,
            Self::Raise(_) => EnvelopeKind::RaiseFee,
        }
    }

    /// The body of its envelope.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        match self {
            Self::Transfer(transfer) => transfer.encode(),
            Self::Claim(claim) => claim.encode(),
            Self::Raise(raise) => raise.encode(),
        }
    }

    /// The envelope that `key` can publish.
    ///
    /// # Errors
    /// Never for a request that was decoded or built by the rules: its body is short.
    pub fn envelope(&self, key: XOnlyPublicKey) -> Result<Envelope, EnvelopeError> {
        Envelope::new(key, self.kind(), self.body())
    }

    /// Reads the body of an envelope of this kind; `None` for the kinds that are no requests.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not canonical, or a transfer's expiry is not [`FORCED_EXPIRY`].
    pub fn read(kind: EnvelopeKind, body: &[u8]) -> Result<Option<Self>, DecodeError> {
        match kind {
            EnvelopeKind::ForcedTransfer => {
                let transfer = Transfer::decode(body)?;
                if transfer.body.expiry != FORCED_EXPIRY {
                    return Err(DecodeError::OutOfRange("expiry of a forced transfer"));
                }
                Ok(Some(Self::Transfer(Box::new(transfer))))
            }
            EnvelopeKind::DepositClaim => ForcedClaim::decode(body).map(|claim| Some(Self::Claim(claim))),
            EnvelopeKind::RaiseFee => FeeRaise::decode(body).map(|raise| Some(Self::Raise(raise))),
            EnvelopeKind::Anchor | EnvelopeKind::Epoch => Ok(None),
        }
    }
}

/// The requests in the inputs of a confirmed transaction, with the inputs' numbers. What is malformed is
/// passed over.
pub fn requests(tx: &TxInput) -> impl Iterator<Item = (u32, ForcedRequest)> + '_ {
    let wanted = |kind, length| match kind {
        EnvelopeKind::ForcedTransfer | EnvelopeKind::DepositClaim | EnvelopeKind::RaiseFee => {
            length <= MAX_BODY
        }
        EnvelopeKind::Anchor | EnvelopeKind::Epoch => false,
    };
    envelopes(tx, wanted).filter_map(|(number, envelope)| {
        let request = ForcedRequest::read(envelope.kind(), envelope.body()).ok()??;
        Some((number, request))
    })
}

#[cfg(test)]
mod tests;
