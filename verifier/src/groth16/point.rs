//! Strict decoding of curve points.
//!
//! Compressed form: the x coordinate, little-endian, with the sign of y in the top bit. arkworks
//! alone accepts the point at infinity with any x, an infinity flag beside a sign flag, and more
//! bytes than it reads, so every point is encoded again and compared with the bytes it came from.

use ark_ec::AffineRepr;
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_serialize::{Compress, Validate};
use tacit_protocol::DecodeError;
use tacit_protocol::encoding::Reader;

/// Whether `point` is on its curve, in the prime-order subgroup and not the identity.
pub(super) fn is_sound<C: SWCurveConfig>(point: &Affine<C>) -> bool {
    !point.is_zero() && point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve()
}

/// Appends the compressed form.
pub(super) fn encode<C: SWCurveConfig>(point: &Affine<C>, out: &mut Vec<u8>) {
    C::serialize_with_mode(point, out, Compress::Yes).expect("writing to a vector cannot fail");
}

/// Reads a compressed point that is canonical, on the curve, in the subgroup and not the identity.
pub(super) fn decode<C: SWCurveConfig>(
    reader: &mut Reader<'_>,
    name: &'static str,
) -> Result<Affine<C>, DecodeError> {
    let bytes = reader.take(C::serialized_size(Compress::Yes))?;
    let point = C::deserialize_with_mode(bytes, Compress::Yes, Validate::No)
        .map_err(|_| DecodeError::BadPoint(name))?;
    let mut again = Vec::with_capacity(bytes.len());
    encode(&point, &mut again);
    if again == bytes && is_sound(&point) {
        Ok(point)
    } else {
        Err(DecodeError::BadPoint(name))
    }
}
