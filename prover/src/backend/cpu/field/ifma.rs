//! The vector operations of [`super::octet`] as AVX-512 instructions.

#![allow(unsafe_code, reason = "instructions that not every x86-64 processor has")]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_or_si512, _mm512_permutex2var_epi64, _mm512_set1_epi64, _mm512_slli_epi64,
    _mm512_srai_epi64, _mm512_srli_epi64, _mm512_sub_epi64, _mm512_xor_si512,
};

use super::super::engine::Kernel;
use super::adx::Adx;
use super::octet::{Octet, Vector};

/// Eight elements of the prime field `M` with AVX-512 IFMA.
pub(in super::super) type Ifma<M> = Octet<Avx512, M, Adx<M>>;

/// The same beside a portable lane, for testing the eight where an emulator errs in the carry chains of the
/// other: Bochs 2.7 has ADOX set the wrong flag.
#[cfg(test)]
pub(in super::super) type IfmaAlone<M> = Octet<Avx512, M, super::portable::Portable<M>>;

/// Whether this processor, and the system it runs, have the instructions.
pub(in super::super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512ifma")
        && super::adx::is_available()
}

/// Compiles a kernel for these instructions, and runs it.
///
/// # Safety
/// The processor has them: [`is_available`].
#[target_feature(enable = "avx512f,avx512ifma,bmi2,adx")]
pub(in super::super) fn enter<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// A vector register.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(in super::super) struct Avx512(__m512i);

/// Runs one instruction.
macro_rules! instruction {
    ($call:expr) => {
        // SAFETY: this type is used only inside kernels that `enter` runs, on processors that have the
        // instruction; it works on registers alone.
        unsafe { $call }
    };
}

impl Vector for Avx512 {
    #[inline(always)]
    fn splat(x: u64) -> Self {
        Self(instruction!(_mm512_set1_epi64(x.cast_signed())))
    }

    #[inline(always)]
    fn load(numbers: [u64; 8]) -> Self {
        // SAFETY: both are 64 bytes, and any bytes are valid for either.
        Self(unsafe { std::mem::transmute::<[u64; 8], __m512i>(numbers) })
    }

    #[inline(always)]
    fn store(self) -> [u64; 8] {
        // SAFETY: both are 64 bytes, and any bytes are valid for either.
        unsafe { std::mem::transmute::<__m512i, [u64; 8]>(self.0) }
    }

    #[inline(always)]
    fn pick(self, lanes: [u64; 8], other: Self) -> Self {
        Self(instruction!(_mm512_permutex2var_epi64(
            self.0,
            Self::load(lanes).0,
            other.0
        )))
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(instruction!(_mm512_add_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(instruction!(_mm512_sub_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(instruction!(_mm512_and_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(instruction!(_mm512_or_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(instruction!(_mm512_xor_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn left<const N: u32>(self) -> Self {
        Self(instruction!(_mm512_slli_epi64::<N>(self.0)))
    }

    #[inline(always)]
    fn right<const N: u32>(self) -> Self {
        Self(instruction!(_mm512_srli_epi64::<N>(self.0)))
    }

    #[inline(always)]
    fn right_signed<const N: u32>(self) -> Self {
        Self(instruction!(_mm512_srai_epi64::<N>(self.0)))
    }

    #[inline(always)]
    fn add_low(self, a: Self, b: Self) -> Self {
        Self(instruction!(_mm512_madd52lo_epu64(self.0, a.0, b.0)))
    }

    #[inline(always)]
    fn add_high(self, a: Self, b: Self) -> Self {
        Self(instruction!(_mm512_madd52hi_epu64(self.0, a.0, b.0)))
    }

    #[inline(always)]
    fn zeros(self) -> u32 {
        u32::from(instruction!(_mm512_cmpeq_epi64_mask(self.0, Self::splat(0).0)))
    }
}

#[cfg(test)]
mod tests;
