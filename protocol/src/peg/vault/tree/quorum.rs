//! A quorum: `t` of these keys, after a relative timelock. What a leaf of the vault asks for.
//!
//! ```text
//!   <timelock> OP_CSV OP_DROP <k1> OP_CHECKSIG <k2> OP_CHECKSIGADD … <t> OP_NUMEQUAL
//! ```
//!
//! Part of the genesis, so it has canonical bytes: one quorum has one leaf and one encoding.
//! Specification: `docs/spec/bitcoin.md`, `docs/spec/chain.md`.

use bitcoin::opcodes::all::{OP_CHECKSIG, OP_CHECKSIGADD, OP_CSV, OP_DROP, OP_NUMEQUAL};
use bitcoin::script::Builder;
use bitcoin::{ScriptBuf, XOnlyPublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::peg::exit::read_x_only;

/// The most keys of a quorum: a federation has no more members.
pub const MAX_QUORUM_KEYS: usize = 100;

/// Why keys make no quorum.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum QuorumError {
    /// More keys than a federation has members.
    #[error("a quorum of {0} keys has too many; name at most {MAX_QUORUM_KEYS}")]
    TooManyKeys(usize),
    /// No signature would be enough, or not even all of them.
    #[error("{threshold} of {keys} keys is no quorum; let the threshold be between 1 and the number of keys")]
    Threshold {
        /// Signatures asked for.
        threshold: u16,
        /// Keys named.
        keys: usize,
    },
    /// A key twice, or not in order: one quorum would have several leaves.
    #[error("the keys of a quorum do not ascend; sort them by their bytes and name each once")]
    KeyOrder,
    /// A leaf that is open at once.
    #[error("a quorum without a timelock could spend at once; let it be at least 1 block")]
    Timelock,
}

/// `threshold` of `keys`, `timelock` blocks after the output was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Quorum {
    threshold: u16,
    keys: Vec<XOnlyPublicKey>,
    timelock: u16,
}

/// A quorum as `chain.json` has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    threshold: u16,
    keys: Vec<XOnlyPublicKey>,
    timelock: u16,
}

impl Quorum {
    /// `threshold` of `keys`, which ascend by their bytes, after `timelock` blocks.
    ///
    /// # Errors
    /// [`QuorumError`]: the first rule broken.
    pub fn new(threshold: u16, keys: Vec<XOnlyPublicKey>, timelock: u16) -> Result<Self, QuorumError> {
        if keys.len() > MAX_QUORUM_KEYS {
            return Err(QuorumError::TooManyKeys(keys.len()));
        }
        if threshold == 0 || usize::from(threshold) > keys.len() {
            let keys = keys.len();
            return Err(QuorumError::Threshold { threshold, keys });
        }
        if !keys.is_sorted_by(|a, b| a.serialize() < b.serialize()) {
            return Err(QuorumError::KeyOrder);
        }
        if timelock == 0 {
            return Err(QuorumError::Timelock);
        }
        Ok(Self {
            threshold,
            keys,
            timelock,
        })
    }

    /// Signatures that it takes.
    #[must_use]
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// The keys, ascending.
    #[must_use]
    pub fn keys(&self) -> &[XOnlyPublicKey] {
        &self.keys
    }

    /// Blocks after which the leaf opens, counted from the output's own block.
    #[must_use]
    pub fn timelock(&self) -> u16 {
        self.timelock
    }

    /// The leaf: the timelock, then every key in order, then the number of good signatures.
    #[must_use]
    pub fn leaf(&self) -> ScriptBuf {
        let mut script = Builder::new()
            .push_int(i64::from(self.timelock))
            .push_opcode(OP_CSV)
            .push_opcode(OP_DROP);
        for (i, key) in self.keys.iter().enumerate() {
            let check = if i == 0 { OP_CHECKSIG } else { OP_CHECKSIGADD };
            script = script.push_x_only_key(key).push_opcode(check);
        }
        script
            .push_int(i64::from(self.threshold))
            .push_opcode(OP_NUMEQUAL)
            .into_script()
    }

    /// Appends a quorum behind a byte that says whether there is one.
    pub(crate) fn put_option(quorum: Option<&Self>, out: &mut Vec<u8>) {
        out.push(u8::from(quorum.is_some()));
        if let Some(quorum) = quorum {
            quorum.encode_to(out);
        }
    }

    /// Reads a quorum, if there is one.
    pub(crate) fn read_option(reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        match reader.u8()? {
            0 => Ok(None),
            1 => Self::decode_from(reader).map(Some),
            _ => Err(DecodeError::Unknown("presence of a quorum")),
        }
    }
}

impl TryFrom<Fields> for Quorum {
    type Error = QuorumError;
    fn try_from(fields: Fields) -> Result<Self, QuorumError> {
        Self::new(fields.threshold, fields.keys, fields.timelock)
    }
}

impl From<Quorum> for Fields {
    fn from(quorum: Quorum) -> Self {
        Self {
            threshold: quorum.threshold,
            keys: quorum.keys,
            timelock: quorum.timelock,
        }
    }
}

impl Encode for Quorum {
    fn encode_to(&self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.keys.len()).expect("at most 100 keys");
        for number in [self.timelock, self.threshold, count] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for key in &self.keys {
            out.extend_from_slice(&key.serialize());
        }
    }
}

impl Decode for Quorum {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let refused = DecodeError::OutOfRange("quorum");
        let (timelock, threshold) = (reader.u16()?, reader.u16()?);
        let count = usize::from(reader.u16()?);
        if count > MAX_QUORUM_KEYS {
            return Err(refused);
        }
        let keys: Result<Vec<XOnlyPublicKey>, DecodeError> =
            (0..count).map(|_| read_x_only(reader)).collect();
        Self::new(threshold, keys?, timelock).map_err(|_| refused)
    }
}

#[cfg(test)]
mod tests;
