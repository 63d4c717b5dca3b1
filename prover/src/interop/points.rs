//! Curve points as `.zkey` files hold them, and the checks on each of them.
//!
//! A point is x then y, each coordinate as Montgomery limbs (little-endian, `R = 2^256`), in G2 c0
//! before c1; the identity is all zeros. Every point is checked: coordinates below the modulus, on
//! the curve, in the subgroup, and the identity exactly where it is expected.

use ark_bn254::{Fq, Fq2, g1, g2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, PrimeField};
use rayon::prelude::*;

use super::error::{InteropError, PointFault};
use super::sections::{FIELD_BYTES, Section, SectionReader};

/// A curve whose points have the raw form.
pub(super) trait RawPoint: SWCurveConfig {
    /// Bytes of a point.
    const BYTES: usize;

    /// Reads a coordinate of half that many bytes; `None` if it is not below the modulus.
    fn coordinate(bytes: &[u8]) -> Option<Self::BaseField>;
}

impl RawPoint for g1::Config {
    const BYTES: usize = 2 * FIELD_BYTES;

    fn coordinate(bytes: &[u8]) -> Option<Fq> {
        montgomery(bytes)
    }
}

impl RawPoint for g2::Config {
    const BYTES: usize = 4 * FIELD_BYTES;

    fn coordinate(bytes: &[u8]) -> Option<Fq2> {
        let (c0, c1) = bytes.split_at(FIELD_BYTES);
        Some(Fq2::new(montgomery(c0)?, montgomery(c1)?))
    }
}

fn montgomery(bytes: &[u8]) -> Option<Fq> {
    let limbs = limbs(bytes);
    (limbs < Fq::MODULUS).then(|| Fq::new_unchecked(limbs))
}

/// An integer of 32 bytes, little-endian.
pub(super) fn limbs(bytes: &[u8]) -> BigInt<4> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
    }
    BigInt::new(limbs)
}

/// Decodes one point that has to be, or not to be, the identity.
fn decode<C: RawPoint>(bytes: &[u8], used: bool) -> Result<Affine<C>, PointFault> {
    if bytes.iter().all(|&byte| byte == 0) {
        return if used {
            Err(PointFault::Identity)
        } else {
            Ok(Affine::identity())
        };
    }
    if !used {
        return Err(PointFault::NotIdentity);
    }
    let (x, y) = bytes.split_at(C::BYTES / 2);
    let coordinates = C::coordinate(x).zip(C::coordinate(y));
    let (x, y) = coordinates.ok_or(PointFault::NotReduced)?;
    let point = Affine::new_unchecked(x, y);
    if !point.is_on_curve() {
        Err(PointFault::OffCurve)
    } else if !point.is_in_correct_subgroup_assuming_on_curve() {
        Err(PointFault::OutsideSubgroup)
    } else {
        Ok(point)
    }
}

/// Reads the next point of a section, which is not the identity; `index` is its place there.
pub(super) fn read<C: RawPoint>(
    reader: &mut SectionReader<'_>,
    index: usize,
) -> Result<Affine<C>, InteropError> {
    let section = reader.section();
    decode(reader.bytes(C::BYTES)?, true).map_err(|fault| InteropError::Point {
        section,
        index,
        fault,
    })
}

/// Reads a section that holds one point per entry of `used` and nothing else. The points of entries
/// in use are returned, in order; all others have to be the identity.
pub(super) fn read_all<C: RawPoint>(
    mut reader: SectionReader<'_>,
    used: &[bool],
) -> Result<Vec<Affine<C>>, InteropError> {
    let section: Section = reader.section();
    reader.expect_left((used.len() * C::BYTES) as u64)?;
    let bytes = reader.bytes(used.len() * C::BYTES)?;
    let decoded: Vec<Result<Affine<C>, PointFault>> = bytes
        .par_chunks_exact(C::BYTES)
        .zip(used)
        .map(|(raw, &used)| decode(raw, used))
        .collect();
    let mut points = Vec::with_capacity(used.iter().filter(|&&used| used).count());
    for (index, (point, &used)) in decoded.into_iter().zip(used).enumerate() {
        let point = point.map_err(|fault| InteropError::Point {
            section,
            index,
            fault,
        })?;
        if used {
            points.push(point);
        }
    }
    Ok(points)
}
