//! Points as raw Montgomery limbs, little-endian: what arithmetic uses, so loading is a copy.
//!
//! A point is x then y (64 bytes in G1, 128 in G2, each coordinate of G2 as c0 then c1). There is no
//! identity: a [`super::Query`] leaves it out. Reading checks that coordinates are below the modulus
//! and nothing else; that the points are those of the set-up is what the file's hash is for.

use ark_bn254::{Fq, Fq2, g1, g2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, Field, PrimeField};

/// A coordinate with a fixed-size raw form.
pub(super) trait RawCoordinate: Field {
    /// Bytes of the raw form.
    const BYTES: usize;

    /// Appends the raw form.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads the raw form; `None` if it is not below the modulus.
    fn get(bytes: &[u8]) -> Option<Self>;
}

impl RawCoordinate for Fq {
    const BYTES: usize = 32;

    fn put(&self, out: &mut Vec<u8>) {
        for limb in self.0.0 {
            out.extend_from_slice(&limb.to_le_bytes());
        }
    }

    fn get(bytes: &[u8]) -> Option<Self> {
        let mut limbs = [0u64; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
            *limb = u64::from_le_bytes(chunk.try_into().ok()?);
        }
        let montgomery = BigInt::new(limbs);
        (montgomery < Self::MODULUS).then(|| Self::new_unchecked(montgomery))
    }
}

impl RawCoordinate for Fq2 {
    const BYTES: usize = 64;

    fn put(&self, out: &mut Vec<u8>) {
        self.c0.put(out);
        self.c1.put(out);
    }

    fn get(bytes: &[u8]) -> Option<Self> {
        let (c0, c1) = bytes.split_at_checked(Fq::BYTES)?;
        Some(Self::new(Fq::get(c0)?, Fq::get(c1)?))
    }
}

/// A curve whose points have a raw form.
pub(super) trait RawCurve: SWCurveConfig<BaseField: RawCoordinate> {
    /// Bytes of a point.
    const BYTES: usize = 2 * <Self::BaseField as RawCoordinate>::BYTES;
}

impl RawCurve for g1::Config {}
impl RawCurve for g2::Config {}

/// The raw forms of many points.
pub(super) fn put_all<C: RawCurve>(points: &[Affine<C>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(points.len() * C::BYTES);
    for p in points {
        p.x.put(&mut out);
        p.y.put(&mut out);
    }
    out
}

/// Reads as many points as the bytes hold.
pub(super) fn get_all<C: RawCurve>(bytes: &[u8]) -> Option<Vec<Affine<C>>> {
    let coordinate = <C::BaseField as RawCoordinate>::get;
    let point = |raw: &[u8]| {
        let (x, y) = raw.split_at_checked(C::BYTES / 2)?;
        Some(Affine::new_unchecked(coordinate(x)?, coordinate(y)?))
    };
    bytes.chunks_exact(C::BYTES).map(point).collect()
}

/// A set of variables as a bitmap over `n` of them.
pub(super) fn put_index(index: &[u32], n: usize) -> Vec<u8> {
    let mut map = vec![0u8; n.div_ceil(8)];
    for &i in index {
        map[i as usize / 8] |= 1 << (i % 8);
    }
    map
}

/// Reads a bitmap over `n` variables; `None` if a bit beyond them is set.
pub(super) fn get_index(map: &[u8], n: usize) -> Option<Vec<u32>> {
    let mut index = Vec::new();
    for (at, byte) in map.iter().enumerate() {
        for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
            let variable = 8 * at + bit;
            if variable >= n {
                return None;
            }
            index.push(u32::try_from(variable).ok()?);
        }
    }
    Some(index)
}
