//! Serde helpers: protocol values as hexadecimal strings of their canonical bytes.
//!
//! JSON never carries consensus values in a form of its own: a string is decoded to bytes and the
//! bytes go through the protocol's strict decoder, so what is refused on Bitcoin is refused here.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};
use tacit_protocol::encoding::{Decode, Encode};

fn bytes_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    hex::decode(&text).map_err(|_| D::Error::custom("expected hexadecimal digits"))
}

/// Any value with canonical bytes.
pub(crate) fn serialize<T: Encode, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(value.encode()))
}

/// Reads any value from its canonical bytes.
pub(crate) fn deserialize<'de, T: Decode, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::decode(&bytes_of(deserializer)?).map_err(D::Error::custom)
}

/// Field elements: 32 little-endian bytes below the modulus.
pub(crate) mod field {
    use super::{Deserializer, Error, Serializer, bytes_of};
    use tacit_protocol::{F, field};

    pub(crate) fn serialize<S: Serializer>(value: &F, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(field::to_bytes(value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
        let bytes: [u8; 32] = bytes_of(deserializer)?
            .try_into()
            .map_err(|_| D::Error::custom("expected 32 bytes"))?;
        field::from_bytes(&bytes).map_err(D::Error::custom)
    }
}

/// Lists of field elements.
pub(crate) mod fields {
    use serde::ser::SerializeSeq;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tacit_protocol::F;

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct One(#[serde(with = "super::field")] F);

    pub(crate) fn serialize<S: Serializer>(values: &[F], serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(values.len()))?;
        for value in values {
            seq.serialize_element(&One(*value))?;
        }
        seq.end()
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<F>, D::Error> {
        Ok(Vec::<One>::deserialize(deserializer)?
            .into_iter()
            .map(|one| one.0)
            .collect())
    }
}

/// Two values with canonical bytes, as a list of two strings.
pub(crate) mod pair {
    use super::{Decode, Deserialize, Deserializer, Encode, Error, Serializer};
    use serde::Serialize;

    pub(crate) fn serialize<T: Encode, S: Serializer>(
        pair: &[T; 2],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        [hex::encode(pair[0].encode()), hex::encode(pair[1].encode())].serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: Decode, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[T; 2], D::Error> {
        let [first, second] = <[String; 2]>::deserialize(deserializer)?;
        let one = |text: String| {
            let bytes = hex::decode(text).map_err(|_| D::Error::custom("expected hexadecimal digits"))?;
            T::decode(&bytes).map_err(D::Error::custom)
        };
        Ok([one(first)?, one(second)?])
    }
}

/// Transfer identifiers: 64 digits.
pub(crate) mod txid {
    use super::{Deserialize, Deserializer, Error, Serializer};
    use tacit_protocol::transfer::TransferId;

    pub(crate) fn serialize<S: Serializer>(id: &TransferId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TransferId, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// Bitcoin transactions: their consensus bytes.
pub(crate) mod transaction {
    use super::{Deserializer, Error, Serializer, bytes_of};
    use bitcoin::Transaction;
    use bitcoin::consensus::encode;

    pub(crate) fn serialize<S: Serializer>(tx: &Transaction, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode::serialize_hex(tx))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Transaction, D::Error> {
        encode::deserialize(&bytes_of(deserializer)?).map_err(D::Error::custom)
    }
}

/// Batch shapes: their code.
pub(crate) mod shape {
    use super::{Deserialize, Deserializer, Error, Serializer};
    use tacit_protocol::batch::BatchShape;

    pub(crate) fn serialize<S: Serializer>(shape: &BatchShape, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(shape.code())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BatchShape, D::Error> {
        BatchShape::from_code(u8::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("unknown batch shape"))
    }
}
