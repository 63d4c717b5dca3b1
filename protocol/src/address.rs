//! Payment addresses: what a payer needs, and nothing that links two of them.
//!
//! Address = `(d, pk_d, P_d)` with `pk_d = H[addr](ok, d)` and `P_d = ivk·g_d`, where `g_d` is the
//! hash of the diversifier `d` to ristretto255. On paper it is a Bech32m string over an
//! all-or-nothing mixing of 73 bytes, see [`Address::to_string_for`] and [`Address::parse`].
//! Specification: `docs/spec/addresses.md`.

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::Identity;
use std::fmt;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::{self, F};
use crate::hash::{B2, Label};

mod jumble;
mod text;

pub use text::AddressError;

/// Eight bytes that tell the addresses of one account apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diversifier([u8; 8]);

impl Diversifier {
    /// Takes eight bytes; all are valid.
    #[must_use]
    pub fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Takes the bytes of a little-endian integer.
    #[must_use]
    pub fn from_u64(x: u64) -> Self {
        Self(x.to_le_bytes())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The bytes as a little-endian integer.
    #[must_use]
    pub fn to_u64(&self) -> u64 {
        u64::from_le_bytes(self.0)
    }

    /// The integer as a field element.
    #[must_use]
    pub fn to_field(&self) -> F {
        F::from(self.to_u64())
    }

    /// The diversified base `g_d`: the hash of the diversifier to ristretto255.
    #[must_use]
    pub fn g_d(&self) -> RistrettoPoint {
        RistrettoPoint::from_uniform_bytes(&B2::new(Label::Diversify).bytes(&self.0).finish())
    }
}

/// The diversified base of `d`; see [`Diversifier::g_d`].
#[must_use]
pub fn g_d(d: &Diversifier) -> RistrettoPoint {
    d.g_d()
}

/// A payment address. Only valid ones exist: `P_d` is a canonical, non-identity group element.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    d: Diversifier,
    pk_d: F,
    p_d: [u8; 32],
}

impl Address {
    /// Number of bytes of an encoded address.
    pub const LENGTH: usize = 72;

    /// Assembles an address.
    ///
    /// # Errors
    /// [`DecodeError::BadPoint`] if `p_d` is not the canonical encoding of a non-identity point.
    pub fn new(d: Diversifier, pk_d: F, p_d: [u8; 32]) -> Result<Self, DecodeError> {
        match decompress(&p_d) {
            Some(_) => Ok(Self { d, pk_d, p_d }),
            None => Err(DecodeError::BadPoint("P_d")),
        }
    }

    /// Assembles an address around a point; `None` if it is the identity.
    pub(crate) fn from_point(d: Diversifier, pk_d: F, p_d: &RistrettoPoint) -> Option<Self> {
        (*p_d != RistrettoPoint::identity()).then(|| Self {
            d,
            pk_d,
            p_d: p_d.compress().0,
        })
    }

    /// The diversifier.
    #[must_use]
    pub fn d(&self) -> &Diversifier {
        &self.d
    }

    /// The owner's diversified key, the one inside notes.
    #[must_use]
    pub fn pk_d(&self) -> F {
        self.pk_d
    }

    /// The encryption key `P_d`, compressed.
    #[must_use]
    pub fn p_d(&self) -> CompressedRistretto {
        CompressedRistretto(self.p_d)
    }

    /// The encryption key `P_d`.
    ///
    /// # Panics
    /// Never: the encoding was checked when the address was made.
    #[must_use]
    pub fn p_d_point(&self) -> RistrettoPoint {
        self.p_d()
            .decompress()
            .expect("checked when the address was made")
    }
}

/// The point behind a canonical encoding, unless it is the identity.
pub(crate) fn decompress(bytes: &[u8; 32]) -> Option<RistrettoPoint> {
    CompressedRistretto(*bytes)
        .decompress()
        .filter(|p| *p != RistrettoPoint::identity())
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", hex::encode(self.d.as_bytes()))
    }
}

impl Encode for Address {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.d.as_bytes());
        out.extend_from_slice(&field::to_bytes(&self.pk_d));
        out.extend_from_slice(&self.p_d);
    }
}

impl Decode for Address {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let d = Diversifier(reader.array()?);
        let pk_d = reader.field()?;
        Self::new(d, pk_d, reader.array()?)
    }
}

#[cfg(test)]
mod tests;
