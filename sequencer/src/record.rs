//! What a sequencer keeps on disk besides the chain's state, with canonical bytes.

use tacit_protocol::batch::Batch;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::note::Nullifier;
use tacit_protocol::params::ChainParams;
use tacit_protocol::transfer::{ProofBytes, Transfer, TransferId};
use thiserror::Error;

use crate::config::Time;

/// The batch proof of a batch that has none yet.
pub(crate) const NO_PROOF: ProofBytes = ProofBytes([0; 128]);

/// A transfer that was acknowledged and waits for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// When it came.
    pub arrived: Time,
    /// The batch it was promised for.
    pub target: u32,
    /// The transfer.
    pub transfer: Transfer,
}

impl Encode for Queued {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.arrived.millis().to_le_bytes());
        out.extend_from_slice(&self.target.to_le_bytes());
        self.transfer.encode_to(out);
    }
}

impl Decode for Queued {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let arrived = Time::from_millis(reader.u64()?);
        Ok(Self {
            arrived,
            target: reader.u32()?,
            transfer: Transfer::decode_from(reader)?,
        })
    }
}

/// A sealed batch: its content never changes again. The proof is kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Height of the last Bitcoin block when it was sealed; deposits were deep enough then.
    pub height: u32,
    /// The batch, with zeros for its proof.
    pub batch: Batch,
    /// The batch that each transfer was promised for, in slot order.
    pub targets: Vec<u32>,
}

impl Sealed {
    /// The record of a batch that was found on Bitcoin.
    #[must_use]
    pub fn found(batch: &Batch, number: u32, height: u32) -> Self {
        let targets = vec![number; batch.transfers.len()];
        Self {
            height,
            batch: Batch {
                proof: NO_PROOF,
                ..batch.clone()
            },
            targets,
        }
    }

    /// Whether this is the content of `batch`, whatever its proof.
    #[must_use]
    pub fn is_content_of(&self, batch: &Batch) -> bool {
        self.batch
            == Batch {
                proof: NO_PROOF,
                ..batch.clone()
            }
    }

    /// The batch with its proof.
    #[must_use]
    pub fn with_proof(&self, proof: ProofBytes) -> Batch {
        Batch {
            proof,
            ..self.batch.clone()
        }
    }

    /// The identifiers of its transfers; `None` if one breaks a native rule.
    #[must_use]
    pub fn ids(&self, params: &ChainParams) -> Option<Vec<TransferId>> {
        self.batch
            .transfers
            .iter()
            .map(|t| t.body.id(params).ok())
            .collect()
    }
}

impl Encode for Sealed {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.height.to_le_bytes());
        self.batch.encode_to(out);
        for target in &self.targets {
            out.extend_from_slice(&target.to_le_bytes());
        }
    }
}

impl Decode for Sealed {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let height = reader.u32()?;
        let batch = Batch::decode_from(reader)?;
        let targets = batch
            .transfers
            .iter()
            .map(|_| reader.u32())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            height,
            batch,
            targets,
        })
    }
}

/// Why a transfer that was acknowledged is in no batch after all.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DropReason {
    /// No batch took it in time.
    #[error("it expired with batch {expiry}")]
    Expired {
        /// The last batch that could include it.
        expiry: u32,
    },
    /// A note was spent by a transfer that this sequencer never saw.
    #[error("nullifier {0} was spent by a batch")]
    Spent(Nullifier),
    /// The state that its proof is about is not the one recorded now.
    #[error("its anchor, state {0}, was replaced; prove it again")]
    AnchorReplaced(u32),
    /// Its fee or exit does not fit what is shielded.
    #[error("its exit or fee exceeds what is shielded")]
    Supply,
    /// It does not verify any more, after damage on disk or new chain parameters.
    #[error("it does not verify under the chain's parameters")]
    Invalid,
}

impl DropReason {
    /// A stable word for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired { .. } => "expired",
            Self::Spent(_) => "spent",
            Self::AnchorReplaced(_) => "anchor-replaced",
            Self::Supply => "supply",
            Self::Invalid => "invalid",
        }
    }
}

/// A transfer that was acknowledged and then dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The batch that would have been next.
    pub batch: u32,
    /// Why.
    pub reason: DropReason,
}

impl Encode for Rejection {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.batch.to_le_bytes());
        match &self.reason {
            DropReason::Expired { expiry } => {
                out.push(1);
                out.extend_from_slice(&expiry.to_le_bytes());
            }
            DropReason::Spent(nf) => {
                out.push(2);
                nf.encode_to(out);
            }
            DropReason::AnchorReplaced(anchor) => {
                out.push(3);
                out.extend_from_slice(&anchor.to_le_bytes());
            }
            DropReason::Supply => out.push(4),
            DropReason::Invalid => out.push(5),
        }
    }
}

impl Decode for Rejection {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let batch = reader.u32()?;
        let reason = match reader.u8()? {
            1 => DropReason::Expired {
                expiry: reader.u32()?,
            },
            2 => DropReason::Spent(Nullifier::decode_from(reader)?),
            3 => DropReason::AnchorReplaced(reader.u32()?),
            4 => DropReason::Supply,
            5 => DropReason::Invalid,
            _ => return Err(DecodeError::Unknown("reason of a rejection")),
        };
        Ok(Self { batch, reason })
    }
}

#[cfg(test)]
mod tests;
