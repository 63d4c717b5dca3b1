//! Bytes as hexadecimal digits in JSON: 32 of them, and in [`vec`] any number.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

use crate::encoding::DecodeError;

/// Reads 64 hexadecimal digits.
pub(super) fn parse(text: &str) -> Result<[u8; 32], DecodeError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| DecodeError::Unknown("hexadecimal"))?;
    Ok(bytes)
}

pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(|_| D::Error::custom("expected 64 hexadecimal digits"))
}

/// Any number of bytes.
pub(super) mod vec {
    use super::{Deserialize, Deserializer, Error, Serializer};

    pub(in crate::params) fn serialize<S: Serializer>(
        bytes: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(in crate::params) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map_err(|_| D::Error::custom("expected hexadecimal digits"))
    }
}
