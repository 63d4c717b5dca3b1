//! Where a note stands: the leaf position that its nullifier and its membership path share.

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::F;

/// Bits of a batch number, the part of a position above [`LEAF_BITS`].
pub const BATCH_BITS: u32 = 24;
/// Bits of the leaf number inside a batch's subtree.
pub const LEAF_BITS: u32 = 10;

/// A leaf position in the note tree, below 2^34: batch number · 1024 + leaf number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Leaf `leaf` of batch `batch`.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] unless `batch` < 2^24 and `leaf` < 1024.
    pub fn new(batch: u32, leaf: u16) -> Result<Self, DecodeError> {
        if batch >> BATCH_BITS != 0 || leaf >> LEAF_BITS != 0 {
            return Err(DecodeError::OutOfRange("position"));
        }
        Ok(Self(u64::from(batch) << LEAF_BITS | u64::from(leaf)))
    }

    /// The position with this number.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] from 2^34 on.
    pub fn from_u64(pos: u64) -> Result<Self, DecodeError> {
        if pos >> (BATCH_BITS + LEAF_BITS) != 0 {
            return Err(DecodeError::OutOfRange("position"));
        }
        Ok(Self(pos))
    }

    /// The number of the position.
    #[must_use]
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The number as a field element.
    #[must_use]
    pub fn to_field(self) -> F {
        F::from(self.0)
    }

    /// The batch.
    ///
    /// # Panics
    /// Never: a position has 24 bits above the leaf number.
    #[must_use]
    pub fn batch(self) -> u32 {
        u32::try_from(self.0 >> LEAF_BITS).expect("24 bits")
    }

    /// The leaf inside the batch's subtree.
    ///
    /// # Panics
    /// Never: a leaf number has 10 bits.
    #[must_use]
    pub fn leaf(self) -> u16 {
        u16::try_from(self.0 & ((1 << LEAF_BITS) - 1)).expect("10 bits")
    }
}

impl Encode for Position {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }
}

impl Decode for Position {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_u64(reader.u64()?)
    }
}
