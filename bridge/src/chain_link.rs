//! What has become of a transaction that spends the tip of one of our chains of UTXOs.
//!
//! Anchors and vault transactions live alike: each spends a tip and makes the next one in its
//! output 0. Whoever follows blocks says where the tip is now; from that, and from what was known
//! before, [`Fate::next`] tells whether the spend is still awaited, confirmed, or was beaten by
//! another. Entries are kept until their fate is `k` deep, so that a reorganisation finds the very
//! bytes again.

use bitcoin::{OutPoint, Txid};
use tacit_protocol::encoding::{DecodeError, Reader};

/// The fate of a spend of a tip, as of the block it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The tip is still there.
    Waiting,
    /// The spend is in the chain, first seen at this height.
    Confirmed(u32),
    /// Another transaction spent the tip, first seen at this height.
    Beaten(u32),
}

impl Fate {
    /// The fate when the chain's tip is `tip` at `height`, for a spend of `spends` whose versions
    /// have the identifiers `versions`.
    pub(crate) fn next(self, spends: OutPoint, versions: &[Txid], tip: OutPoint, height: u32) -> Self {
        if tip == spends {
            return Self::Waiting;
        }
        let ours = tip.vout == 0 && versions.contains(&tip.txid);
        match self {
            Self::Confirmed(_) => self,
            Self::Waiting | Self::Beaten(_) if ours => Self::Confirmed(height),
            Self::Waiting => Self::Beaten(height),
            Self::Beaten(_) => self,
        }
    }

    /// Whether it is settled and `depth` blocks were built on it since.
    pub(crate) fn is_buried(self, height: u32, depth: u32) -> bool {
        match self {
            Self::Waiting => false,
            Self::Confirmed(at) | Self::Beaten(at) => {
                height.checked_sub(at).is_some_and(|built| built >= depth)
            }
        }
    }

    pub(crate) fn encode_to(self, out: &mut Vec<u8>) {
        let (code, height) = match self {
            Self::Waiting => (0, 0),
            Self::Confirmed(height) => (1, height),
            Self::Beaten(height) => (2, height),
        };
        out.push(code);
        out.extend_from_slice(&u32::to_le_bytes(height));
    }

    pub(crate) fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match (reader.u8()?, reader.u32()?) {
            (0, 0) => Ok(Self::Waiting),
            (1, height) => Ok(Self::Confirmed(height)),
            (2, height) => Ok(Self::Beaten(height)),
            _ => Err(DecodeError::Unknown("fate")),
        }
    }
}

#[cfg(test)]
mod tests;
