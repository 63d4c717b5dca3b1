//! Nullifiers: 160 bits that say "this note is spent" and nothing about which note.

use std::cmp::Ordering;
use std::fmt;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::{self, F};

/// Bits of a nullifier.
pub const NULLIFIER_BITS: usize = 160;

/// The mark a spent note leaves: 160 bits as 20 little-endian bytes, ordered as an integer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nullifier([u8; 20]);

impl Nullifier {
    /// The value of an unused slot; no transfer may carry it.
    pub const ZERO: Self = Self([0; 20]);

    /// Takes 20 bytes; all are valid encodings, though zero is refused in transfers.
    #[must_use]
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The low 160 bits of a field element.
    #[must_use]
    pub fn from_low_bits(x: &F) -> Self {
        let mut out = [0; 20];
        out.copy_from_slice(&field::to_bytes(x)[..20]);
        Self(out)
    }

    /// The bytes, little-endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The integer as a field element.
    ///
    /// # Panics
    /// Never: 160 bits are below the modulus.
    #[must_use]
    pub fn to_field(&self) -> F {
        let mut bytes = [0; 32];
        bytes[..20].copy_from_slice(&self.0);
        field::from_bytes(&bytes).expect("160 bits are below the modulus")
    }

    /// Whether this is zero, which no transfer may carry: the batch statement reads it as "none".
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 20]
    }
}

impl Ord for Nullifier {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

impl PartialOrd for Nullifier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Encode for Nullifier {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Nullifier {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

impl fmt::Display for Nullifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Nullifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nullifier({self})")
    }
}
