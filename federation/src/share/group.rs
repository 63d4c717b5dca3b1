//! The public part of a key as bytes: what a coordinator needs to put signatures together.

use super::{GroupKey, ShareError, framed, put, put_roster, read_public, read_roster, unframed};
use crate::wire::Message;

const MAGIC: &[u8; 8] = b"tacitgrp";

impl GroupKey {
    /// All of it as bytes; nothing in it is secret.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = framed(MAGIC, |out| {
            put_roster(out, &self.roster);
            put(out, &self.public.encode());
        });
        bytes.to_vec()
    }

    /// From the bytes of [`GroupKey::to_bytes`] and no others.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let (roster, public) = unframed(MAGIC, ShareError::NotAGroup, bytes, |reader| {
            Ok((read_roster(reader)?, read_public(reader)?))
        })?;
        Self::new(roster, public)
    }
}
