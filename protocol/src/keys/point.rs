//! Points of Baby Jubjub from outside: on the curve, in the prime-order subgroup, not the identity.
//!
//! The library's own deserialisers accept encodings we must refuse, so points travel as two
//! canonical field elements `x ‖ y` (64 bytes) and pass [`check_point`]. The curve has cofactor 8:
//! without the subgroup check a point of small order could be added to a key unnoticed.

use ark_ec::AffineRepr;
use ark_ed_on_bn254::EdwardsAffine;
use thiserror::Error;

use crate::encoding::{DecodeError, Reader};
use crate::field;

/// Which rule a point breaks.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PointError {
    /// The coordinates do not satisfy the curve equation.
    #[error("is not on the curve")]
    OffCurve,
    /// The point has a component of small order.
    #[error("is not in the prime-order subgroup")]
    OutsideSubgroup,
    /// The point is the neutral element.
    #[error("is the identity")]
    Identity,
}

/// Checks that a point is a non-identity element of the prime-order subgroup.
///
/// # Errors
/// The [`PointError`] of the first rule broken.
pub fn check_point(point: &EdwardsAffine) -> Result<(), PointError> {
    if !point.is_on_curve() {
        Err(PointError::OffCurve)
    } else if point.is_zero() {
        Err(PointError::Identity)
    } else if !point.is_in_correct_subgroup_assuming_on_curve() {
        Err(PointError::OutsideSubgroup)
    } else {
        Ok(())
    }
}

/// Appends `x ‖ y`, 64 bytes.
pub fn encode_point(point: &EdwardsAffine, out: &mut Vec<u8>) {
    out.extend_from_slice(&field::to_bytes(&point.x));
    out.extend_from_slice(&field::to_bytes(&point.y));
}

/// Reads `x ‖ y` and checks the point; `what` names it in errors.
///
/// # Errors
/// [`DecodeError::NonCanonicalField`], [`DecodeError::BadPoint`], [`DecodeError::UnexpectedEnd`].
pub fn decode_point(reader: &mut Reader<'_>, what: &'static str) -> Result<EdwardsAffine, DecodeError> {
    let (x, y) = (reader.field()?, reader.field()?);
    let point = EdwardsAffine::new_unchecked(x, y);
    check_point(&point).map_err(|_| DecodeError::BadPoint(what))?;
    Ok(point)
}
