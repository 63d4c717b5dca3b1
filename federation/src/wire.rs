//! Bytes that members send each other: decoded strictly.

use frost_secp256k1_tr as frost;
use zeroize::Zeroizing;

/// Longer than any message: a package with the most signers has 10,339 bytes.
const LONGEST: usize = 16 * 1024;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A value that FROST's library encodes.
pub(crate) trait Message: Sized {
    /// The library's bytes.
    fn bytes(&self) -> Result<Vec<u8>, frost::Error>;
    /// From the library's bytes.
    fn parse(bytes: &[u8]) -> Result<Self, frost::Error>;

    /// The bytes to send.
    fn encode(&self) -> Vec<u8> {
        self.bytes().expect("values that the library made can be encoded")
    }

    /// Only bytes that encoding gives back, and not too many.
    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > LONGEST {
            return Err(Malformed);
        }
        let value = Self::parse(bytes).map_err(|_| Malformed)?;
        // Some messages are secret.
        match value.bytes().map(Zeroizing::new) {
            Ok(again) if *again == bytes => Ok(value),
            _ => Err(Malformed),
        }
    }
}

macro_rules! message {
    ($($type:ty),* $(,)?) => {$(
        impl Message for $type {
            fn bytes(&self) -> Result<Vec<u8>, frost::Error> {
                self.serialize()
            }
            fn parse(bytes: &[u8]) -> Result<Self, frost::Error> {
                Self::deserialize(bytes)
            }
        }
    )*};
}

message!(
    frost::keys::dkg::round1::Package,
    frost::keys::dkg::round2::Package,
    frost::keys::KeyPackage,
    frost::keys::PublicKeyPackage,
    frost::round1::SigningCommitments,
    frost::SigningPackage,
);

impl Message for frost::round2::SignatureShare {
    fn bytes(&self) -> Result<Vec<u8>, frost::Error> {
        Ok(self.serialize())
    }
    fn parse(bytes: &[u8]) -> Result<Self, frost::Error> {
        Self::deserialize(bytes)
    }
}

#[cfg(test)]
mod tests;
