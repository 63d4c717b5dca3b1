//! Amounts in satoshi, never above all the bitcoin there can be.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::F;

/// An amount in satoshi, at most [`Amount::MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

impl Amount {
    /// 21 million bitcoin in satoshi.
    pub const MAX: Self = Self(2_100_000_000_000_000);
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount of `sats` satoshi.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] above 21 million bitcoin.
    pub fn from_sat(sats: u64) -> Result<Self, DecodeError> {
        if sats > Self::MAX.0 {
            Err(DecodeError::OutOfRange("amount"))
        } else {
            Ok(Self(sats))
        }
    }

    /// The number of satoshi.
    #[must_use]
    pub fn to_sat(self) -> u64 {
        self.0
    }

    /// The amount as a field element.
    #[must_use]
    pub fn to_field(self) -> F {
        F::from(self.0)
    }

    /// The sum, if it is an amount.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0
            .checked_add(other.0)
            .and_then(|sum| Self::from_sat(sum).ok())
    }

    /// The difference, if it is not negative.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl TryFrom<u64> for Amount {
    type Error = DecodeError;
    fn try_from(sats: u64) -> Result<Self, DecodeError> {
        Self::from_sat(sats)
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat", self.0)
    }
}

impl Encode for Amount {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }
}

impl Decode for Amount {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_sat(reader.u64()?)
    }
}
