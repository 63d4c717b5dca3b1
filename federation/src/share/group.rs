//! The public part of a key as bytes: what a coordinator needs to put signatures together.

use bitcoin::hashes::{Hash, sha256};
use frost_secp256k1_tr::keys::PublicKeyPackage;
use tacit_protocol::encoding::Reader;

use super::{GroupKey, ShareError, VERSION, get, put, put_roster, read_roster};
use crate::wire::Message;

const MAGIC: &[u8; 8] = b"tacitgrp";

impl GroupKey {
    /// All of it as bytes; nothing in it is secret.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        put_roster(&mut out, &self.roster);
        put(&mut out, &self.public.encode());
        let checksum = sha256::Hash::hash(&out);
        out.extend_from_slice(checksum.as_ref());
        out
    }

    /// From the bytes of [`GroupKey::to_bytes`] and no others.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let mut reader = Reader::new(bytes);
        if reader.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(ShareError::NotAGroup);
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(ShareError::Version(version));
        }
        let roster = read_roster(&mut reader)?;
        let public = PublicKeyPackage::decode(get(&mut reader)?)
            .map_err(|_| ShareError::Inconsistent("the group's key"))?;
        let content = &bytes[..bytes.len() - reader.remaining()];
        let checksum: [u8; 32] = reader.array()?;
        reader.finish()?;
        if sha256::Hash::hash(content).to_byte_array() != checksum {
            return Err(ShareError::Inconsistent("its checksum"));
        }
        Self::new(roster, public)
    }
}
