//! The rollup's state commitment `S_b = H[state](notes_root, nullifier_root, history_root, supply, b)`.
//!
//! Specification: `docs/spec/state.md`.

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::{self, F};
use crate::hash::{Tag, hash};
use crate::tree::BATCH_LIMIT;

/// The state after batch `batch`; `batch = 0` is the genesis state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Number of the batch that produced this state.
    pub batch: u32,
    /// Root of the notes tree.
    pub notes_root: F,
    /// Root of the nullifier tree.
    pub nullifier_root: F,
    /// Root of the history, which holds `S_0..S_{batch-1}`.
    pub history_root: F,
    /// All shielded satoshi.
    pub supply: Amount,
}

impl State {
    /// The commitment `S_b`.
    #[must_use]
    pub fn commitment(&self) -> F {
        hash(
            Tag::State,
            &[
                self.notes_root,
                self.nullifier_root,
                self.history_root,
                self.supply.to_field(),
                F::from(self.batch),
            ],
        )
    }
}

impl Encode for State {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.batch.to_le_bytes());
        for root in [&self.notes_root, &self.nullifier_root, &self.history_root] {
            out.extend_from_slice(&field::to_bytes(root));
        }
        self.supply.encode_to(out);
    }
}

impl Decode for State {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let batch = reader.u32()?;
        if batch >= BATCH_LIMIT {
            return Err(DecodeError::OutOfRange("batch number"));
        }
        Ok(Self {
            batch,
            notes_root: reader.field()?,
            nullifier_root: reader.field()?,
            history_root: reader.field()?,
            supply: Amount::decode_from(reader)?,
        })
    }
}
