//! Why a sequencer stops acting until its operator agrees.
//!
//! A halt concerns actions only: following Bitcoin goes on, nothing is deleted. It survives
//! restarts. [`crate::Sequencer::acknowledge`] ends it.

use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use thiserror::Error;

/// The reason of a halt.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Halt {
    /// Bitcoin shows another batch than the one sealed here, or one that was never sealed here: a
    /// second sequencer runs with the same key, or this one was restored from an old backup.
    #[error(
        "another writer anchored batch {number}; make sure that only one sequencer runs, then acknowledge"
    )]
    AnotherWriter {
        /// The batch.
        number: u32,
    },
    /// A sealed batch can never be anchored: Bitcoin undid something it stands on, such as a deposit
    /// that was deep enough.
    #[error(
        "a Bitcoin reorganisation undid what batch {number} stands on; check the deposits, then acknowledge"
    )]
    Unreachable {
        /// The batch.
        number: u32,
    },
}

impl Halt {
    /// A stable word for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AnotherWriter { .. } => "another-writer",
            Self::Unreachable { .. } => "unreachable-batch",
        }
    }
}

impl Encode for Halt {
    fn encode_to(&self, out: &mut Vec<u8>) {
        let (code, number) = match self {
            Self::AnotherWriter { number } => (1, number),
            Self::Unreachable { number } => (2, number),
        };
        out.push(code);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

impl Decode for Halt {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match (reader.u8()?, reader.u32()?) {
            (1, number) => Ok(Self::AnotherWriter { number }),
            (2, number) => Ok(Self::Unreachable { number }),
            _ => Err(DecodeError::Unknown("reason of a halt")),
        }
    }
}
