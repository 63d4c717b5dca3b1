//! The field `F` (the BN254 scalar field) and the ways in and out of it.
//!
//! Decoding is canonical: 32 little-endian bytes below the modulus, nothing else. Reduction is only
//! ever done on 512 uniform bits ([`from_uniform`]), never on untrusted encodings.

use ark_ff::{BigInteger, PrimeField};

use crate::encoding::DecodeError;

/// The BN254 scalar field, order `r`; circuits are R1CS over it.
pub type F = ark_bn254::Fr;

/// Number of bits of the modulus of [`F`].
pub const FIELD_BITS: usize = 254;

/// Decodes a canonical field element from 32 little-endian bytes.
///
/// # Errors
/// [`DecodeError::NonCanonicalField`] if the integer is not below the modulus.
///
/// # Panics
/// Never: 32 bytes are four times eight.
pub fn from_bytes(bytes: &[u8; 32]) -> Result<F, DecodeError> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
    }
    F::from_bigint(ark_ff::BigInt::new(limbs)).ok_or(DecodeError::NonCanonicalField)
}

/// Encodes a field element as 32 little-endian bytes.
#[must_use]
pub fn to_bytes(x: &F) -> [u8; 32] {
    let mut out = [0u8; 32];
    out.copy_from_slice(&x.into_bigint().to_bytes_le());
    out
}

/// Reduces 512 uniform bits (little-endian) modulo `r`; the bias is below 2^-256.
#[must_use]
pub fn from_uniform(bytes: &[u8; 64]) -> F {
    F::from_le_bytes_mod_order(bytes)
}

/// The low `n` bits of the canonical representative of `x`, as a field element (`n` ≤ 253).
///
/// # Panics
/// If `n` is above 253 and the value does not fit.
#[must_use]
pub fn low(x: &F, n: usize) -> F {
    let mut limbs = x.into_bigint().0;
    for (i, limb) in limbs.iter_mut().enumerate() {
        let keep = n.saturating_sub(64 * i).min(64);
        *limb &= if keep == 64 { u64::MAX } else { (1u64 << keep) - 1 };
    }
    F::from_bigint(ark_ff::BigInt::new(limbs)).expect("fewer bits than the modulus")
}

/// `2^n` as a field element (`n` ≤ 253).
///
/// # Panics
/// If `n` is above 253.
#[must_use]
pub fn pow2(n: usize) -> F {
    let mut limbs = [0u64; 4];
    limbs[n / 64] = 1 << (n % 64);
    F::from_bigint(ark_ff::BigInt::new(limbs)).expect("a power of two below the modulus")
}

/// The value as a `u64`, if it fits.
#[must_use]
pub fn to_u64(x: &F) -> Option<u64> {
    let limbs = x.into_bigint().0;
    (limbs[1..] == [0, 0, 0]).then_some(limbs[0])
}
