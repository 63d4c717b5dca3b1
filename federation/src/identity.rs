//! The keys by which members and the coordinator know each other.
//!
//! An identity is an X25519 secret for the handshake of a [`crate::channel`]. It has nothing to do with
//! shares of the vault's key: whoever gets it can pose as its owner on connections, and sign nothing.
//! Keys are exchanged outside of these connections, as 64 digits in a configuration. One key has one
//! encoding: what honest key generation cannot make is refused. Specification: `docs/spec/federation.md`.

use std::fmt;
use std::str::FromStr;

use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::scalar::clamp_integer;
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;
use zeroize::Zeroizing;

/// Why bytes or text are not an identity or the key of one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum IdentityError {
    /// Other text than a key's.
    #[error(
        "the key of an identity is 64 hexadecimal digits, letters small; copy it as its owner's program prints it"
    )]
    Digits,
    /// A point that no secret leads to: one of low order, off the curve, or in another encoding.
    #[error("these digits are no key of an identity; copy it as its owner's program prints it")]
    Point,
    /// Bytes that are not as a secret is stored.
    #[error("these bytes are no secret of an identity; restore it from its backup, or make a new identity")]
    Secret,
}

/// A member's or the coordinator's public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey([u8; 32]);

impl IdentityKey {
    /// The key with these bytes, if there can be a secret to it.
    ///
    /// # Errors
    /// [`IdentityError::Point`].
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, IdentityError> {
        // Only points of the prime-order group; either sign will do. Encoding again refuses numbers that
        // are not reduced.
        let point = MontgomeryPoint(bytes)
            .to_edwards(0)
            .filter(|point| point.is_torsion_free() && point.to_montgomery().to_bytes() == bytes);
        point.map(|_| Self(bytes)).ok_or(IdentityError::Point)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({self})")
    }
}

impl FromStr for IdentityKey {
    type Err = IdentityError;
    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| IdentityError::Digits)?;
        if hex::encode(bytes) != text {
            return Err(IdentityError::Digits);
        }
        Self::from_bytes(bytes)
    }
}

/// A secret with its key. The secret is wiped from memory at the end and never printed.
pub struct Identity {
    secret: Zeroizing<[u8; 32]>,
    public: IdentityKey,
}

impl Identity {
    /// A new identity.
    #[must_use]
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *secret);
        *secret = clamp_integer(*secret);
        Self::of(secret)
    }

    fn of(secret: Zeroizing<[u8; 32]>) -> Self {
        let public = IdentityKey(MontgomeryPoint::mul_base_clamped(*secret).to_bytes());
        Self { secret, public }
    }

    /// From the bytes of [`Identity::to_bytes`]. They are clamped as X25519 does it, and no others are
    /// taken: a file of zeros is not an identity.
    ///
    /// # Errors
    /// [`IdentityError::Secret`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, IdentityError> {
        let secret = Zeroizing::new(*bytes);
        if *Zeroizing::new(clamp_integer(*bytes)) != *secret {
            return Err(IdentityError::Secret);
        }
        Ok(Self::of(secret))
    }

    /// The secret as bytes, not encrypted.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.clone()
    }

    /// The key that others know this identity by.
    #[must_use]
    pub fn public(&self) -> IdentityKey {
        self.public
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public)
    }
}

#[cfg(test)]
mod tests;
