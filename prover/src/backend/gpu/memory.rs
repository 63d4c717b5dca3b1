//! What goes to the device and comes back: field elements and points as raw limbs.
//!
//! An element travels as `ark-ff` keeps it, as a Montgomery residue of four 64-bit limbs; written
//! little-endian these are the eight limbs of 32 bits that kernels use. What comes back is below twice
//! the modulus and is reduced here. Specification: `docs/spec/gpu.md`.

use ark_bn254::{Fq, Fq2, Fr};
use ark_ec::short_weierstrass::Projective;
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, Fp, MontBackend, MontConfig, PrimeField};
use rayon::prelude::*;
use wgpu::{Buffer, BufferSize, WriteOnly};

use super::device::Device;
use super::error::GpuError;
use super::wgsl::Group;
use crate::keys::RawCurve;

/// Most bytes that are staged at once.
const STAGED: usize = 32 << 20;

/// Bytes that one task writes; a whole number of elements of any kind.
const SHARE: usize = 1 << 16;

/// The raw limbs of an element.
pub(super) fn field_bytes<P: MontConfig<4>>(x: &Fp<MontBackend<P, 4>, 4>) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(x.0.0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

/// The element with these raw limbs, which may be anything below twice the modulus.
pub(super) fn field_of<P: MontConfig<4>>(bytes: &[u8]) -> Fp<MontBackend<P, 4>, 4> {
    let mut limbs = BigInt::new([0; 4]);
    for (limb, chunk) in limbs.0.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
    }
    let modulus = Fp::<MontBackend<P, 4>, 4>::MODULUS;
    while limbs >= modulus {
        limbs.sub_with_borrow(&modulus);
    }
    Fp::new_unchecked(limbs)
}

/// Bytes as the 32-bit words that they are.
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
}

/// `1, x, x², …`
pub(super) fn powers(x: Fr, count: usize) -> Vec<Fr> {
    let mut powers = vec![Fr::from(0u64); count];
    powers.par_chunks_mut(1 << 12).enumerate().for_each(|(k, chunk)| {
        let mut power = x.pow([(k << 12) as u64]);
        for slot in chunk {
            *slot = power;
            power *= x;
        }
    });
    powers
}

/// Writes elements into a buffer, the first at place `at`. They are there before the next submission.
pub(super) fn upload<T: Sync, const N: usize>(
    device: &Device,
    buffer: &Buffer,
    at: usize,
    elements: &[T],
    bytes: impl Fn(&T) -> [u8; N] + Sync,
) -> Result<(), GpuError> {
    for (k, staged) in elements.chunks(STAGED / N).enumerate() {
        let offset = ((at + k * (STAGED / N)) * N) as u64;
        let Some(size) = BufferSize::new((staged.len() * N) as u64) else {
            continue;
        };
        let view = device.queue.write_buffer_with(buffer, offset, size);
        device.sound()?;
        let mut view = view.ok_or_else(|| GpuError::Failed {
            during: "upload".to_owned(),
            reason: "no staging memory".to_owned(),
        })?;
        // Whole shares on all cores, then the rest.
        let (shares, rest) = view.slice(..).into_chunks::<SHARE>();
        let (shared, others) = staged.split_at(shares.len() * (SHARE / N));
        let shares: Vec<_> = shares.into_iter().collect();
        shares
            .into_par_iter()
            .zip(shared.par_chunks(SHARE / N))
            .for_each(|(share, elements)| write(share.into(), elements, &bytes));
        write(rest, others, &bytes);
    }
    Ok(())
}

fn write<T, const N: usize>(to: WriteOnly<'_, [u8]>, elements: &[T], bytes: &impl Fn(&T) -> [u8; N]) {
    let (rows, _) = to.into_chunks::<N>();
    rows.write_iter(elements.iter().map(bytes));
}

/// A curve whose points travel.
pub(super) trait DeviceCurve: RawCurve<ScalarField = Fr> {
    /// Its kernels.
    const GROUP: Group;

    /// A coordinate from its raw limbs.
    fn coordinate(bytes: &[u8]) -> Self::BaseField;
}

impl DeviceCurve for ark_bn254::g1::Config {
    const GROUP: Group = Group::G1;

    fn coordinate(bytes: &[u8]) -> Fq {
        field_of(bytes)
    }
}

impl DeviceCurve for ark_bn254::g2::Config {
    const GROUP: Group = Group::G2;

    fn coordinate(bytes: &[u8]) -> Fq2 {
        let (c0, c1) = bytes.split_at(32);
        Fq2::new(field_of(c0), field_of(c1))
    }
}

/// A point in extended Jacobian coordinates, from its raw limbs.
pub(super) fn point_of<C: DeviceCurve>(bytes: &[u8]) -> Projective<C> {
    let size = bytes.len() / 4;
    let coordinate = |k: usize| C::coordinate(&bytes[k * size..(k + 1) * size]);
    let (x, y, zz, zzz) = (coordinate(0), coordinate(1), coordinate(2), coordinate(3));
    if zz == C::BaseField::ZERO {
        return Projective::ZERO;
    }
    // Jacobian with Z = ZZ: X·ZZ/ZZ² = X/ZZ, and Y·ZZZ/ZZ³ = Y/ZZZ because ZZ³ = ZZZ².
    Projective::new_unchecked(x * zz, y * zzz, zz)
}

#[cfg(test)]
mod tests;
