//! What a coordinator asks members of two federations to sign, so that one follows the other: an epoch, in
//! the voice of the federation in office or in that of the one to come.
//!
//! It travels where a proposal does, and begins with a byte that no proposal begins with.
//! Specification: `docs/spec/federation.md`, `docs/spec/handover.md`.

use tacit_federation::signer::Input;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::params::ChainId;
use tacit_protocol::peg::epoch::{Epoch, Voice};
use tacit_protocol::peg::vault::VaultKeys;

/// The first byte; that of a proposal is its layout, which is far below.
const KIND: u8 = 100;

/// An epoch to sign, and in whose voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Which of the two federations is asked.
    pub voice: Voice,
    /// The epoch to come.
    pub epoch: Epoch,
}

impl Succession {
    /// Whether these bytes mean to be a succession, and no proposal.
    #[must_use]
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.first() == Some(&KIND)
    }

    /// What is signed: the message of the epoch, under the key of the vault's output with these keys.
    #[must_use]
    pub fn input(&self, chain: ChainId, keys: &VaultKeys) -> Input {
        let message = self.epoch.message(chain, self.voice);
        Input::key_path(*message.as_ref(), keys.merkle_root())
    }
}

impl Encode for Succession {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(KIND);
        out.push(match self.voice {
            Voice::Incumbent => 0,
            Voice::Successor => 1,
        });
        self.epoch.encode_to(out);
    }
}

impl Decode for Succession {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != KIND {
            return Err(DecodeError::Unknown("kind of request"));
        }
        let voice = match reader.u8()? {
            0 => Voice::Incumbent,
            1 => Voice::Successor,
            _ => return Err(DecodeError::Unknown("voice")),
        };
        let epoch = Epoch::decode_from(reader)?;
        Ok(Self { voice, epoch })
    }
}

#[cfg(test)]
mod tests;
