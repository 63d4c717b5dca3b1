//! The payload of an anchor: magic, version, batches. One verdict for all of it.

use super::Batch;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::envelope::MAX_PAYLOAD;
use crate::transfer::MAX_TRANSFER_BYTES;

const MAGIC: [u8; 4] = *b"TACT";
const VERSION: u8 = 1;

/// Batches of one anchor that may be less than full, so that batch numbers cannot be burned cheaply.
pub const MAX_PARTIAL: usize = 32;

const _: () = assert!(
    192 * (MAX_TRANSFER_BYTES + 68) < MAX_PAYLOAD,
    "the largest batch, all exits and memos, fits an anchor"
);

/// The batches of one anchor, in order, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Vec<Batch>);

impl Payload {
    /// A payload of these batches.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] if there is none, or too many are less than full.
    pub fn new(batches: Vec<Batch>) -> Result<Self, DecodeError> {
        if batches.is_empty() || batches.len() > usize::from(u16::MAX) {
            return Err(DecodeError::OutOfRange("number of batches"));
        }
        let partial = batches
            .iter()
            .filter(|b| b.transfers.len() < b.shape.slots())
            .count();
        if partial > MAX_PARTIAL {
            return Err(DecodeError::OutOfRange("number of batches that are not full"));
        }
        Ok(Self(batches))
    }

    /// The batches.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.0
    }

    /// The batches, owned.
    #[must_use]
    pub fn into_batches(self) -> Vec<Batch> {
        self.0
    }
}

impl Encode for Payload {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.extend_from_slice(
            &u16::try_from(self.0.len())
                .expect("checked when made")
                .to_le_bytes(),
        );
        for batch in &self.0 {
            batch.encode_to(out);
        }
    }
}

impl Decode for Payload {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.array()? != MAGIC {
            return Err(DecodeError::Unknown("payload magic"));
        }
        if reader.u8()? != VERSION {
            return Err(DecodeError::Unknown("payload version"));
        }
        let n = reader.u16()?;
        let batches = (0..n)
            .map(|_| Batch::decode_from(reader))
            .collect::<Result<_, _>>()?;
        Self::new(batches)
    }
}
