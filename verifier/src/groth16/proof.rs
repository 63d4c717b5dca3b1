//! A proof: three points, 128 bytes.

use ark_bn254::{G1Affine, G2Affine, g1, g2};
use tacit_protocol::DecodeError;
use tacit_protocol::encoding::{Decode, Encode, Reader};

use super::point;

/// A Groth16 proof `(A, B, C)`. Its points are in their groups and none is the identity.
///
/// Bytes: `A` (32), `B` (64), `C` (32), compressed. A proof can be re-randomised by anybody, so its
/// bytes identify nothing: identifiers are computed from the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    a: G1Affine,
    b: G2Affine,
    c: G1Affine,
}

impl Proof {
    /// Length of the encoding.
    pub const BYTES: usize = 128;

    /// A proof from its points.
    ///
    /// # Errors
    /// [`DecodeError::BadPoint`] names the point that is off its curve, outside the subgroup or the
    /// identity.
    pub fn new(a: G1Affine, b: G2Affine, c: G1Affine) -> Result<Self, DecodeError> {
        for (good, name) in [
            (point::is_sound(&a), "proof A"),
            (point::is_sound(&b), "proof B"),
            (point::is_sound(&c), "proof C"),
        ] {
            if !good {
                return Err(DecodeError::BadPoint(name));
            }
        }
        Ok(Self { a, b, c })
    }

    /// The point `A`.
    pub fn a(&self) -> G1Affine {
        self.a
    }

    /// The point `B`.
    pub fn b(&self) -> G2Affine {
        self.b
    }

    /// The point `C`.
    pub fn c(&self) -> G1Affine {
        self.c
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out.copy_from_slice(&self.encode());
        out
    }

    /// Decodes the canonical bytes.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }
}

impl Encode for Proof {
    fn encode_to(&self, out: &mut Vec<u8>) {
        point::encode(&self.a, out);
        point::encode(&self.b, out);
        point::encode(&self.c, out);
    }
}

impl Decode for Proof {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let a = point::decode::<g1::Config>(reader, "proof A")?;
        let b = point::decode::<g2::Config>(reader, "proof B")?;
        let c = point::decode::<g1::Config>(reader, "proof C")?;
        Ok(Self { a, b, c })
    }
}
