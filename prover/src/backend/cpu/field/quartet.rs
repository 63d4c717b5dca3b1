//! Four lanes of 51-bit limbs in doubles, for AVX2 with fused multiply-add.
//!
//! AVX2 multiplies integers of 32 bits only, but its doubles have 53 bits, and a fused multiply-add
//! rounds once, so it can give the upper and the lower half of a product exactly (Emmart, Zheng and
//! Weems, "Faster modular exponentiation using double precision floating point arithmetic", 2018). Let
//! `c = 1.5·2^103`: doubles around it are 2^51 apart. For `|ab| ≤ 2^102`,
//!
//! * `h = fma(a, b, c)` is `c` plus the multiple of 2^51 next to `ab`, so the bits of `h` as an integer
//!   are those of `c` plus the upper half of the product, a signed number;
//! * `c + m − h` with `m = 1.5·2^52` is exact, and `l = fma(a, b, c + m − h)` is `m` plus what is left,
//!   between −2^50 and 2^50; the bits of `l` are those of `m` plus the lower half.
//!
//! The bits of all halves that belong to one place are added up as integers, which wrap around
//! harmlessly; what the bits of so many `c` and `m` come to is known beforehand and subtracted by the
//! sum's initial value. No rounding mode is changed. See [`product`].
//!
//! **R.** Five limbs of 51 bits have 255 bits, so products are divided by R' = 2^255, not by the
//! R = 2^256 that elements in memory are multiplied by. Nothing is converted: a gathered element simply
//! stands for twice itself ([`Lanes::scaled`]).
//!
//! **Ranges.** Limbs have signs. "Tidy" are
//! * gathered elements: limbs at least 0 and below 2^51, value below 2p; what [`Lanes::tidied`] gives, too;
//! * products: limbs up to 2^50 + 2^7 in magnitude, value up to 2.14p (0.53p for the sums of two products).
//!
//! A product of two limbs has to stay within 2^102. So one factor may be a sum or a difference, of two
//! gathered elements (below 2^51 for a difference) or of two products, if the other is a product; and
//! both may be gathered. That is what the kernels do.

#![allow(unsafe_code, reason = "instructions that not every x86-64 processor has")]

use std::arch::x86_64::{
    __m256d, __m256i, _mm256_add_epi64, _mm256_add_pd, _mm256_and_si256, _mm256_castpd_si256,
    _mm256_castsi256_pd, _mm256_cmpeq_epi64, _mm256_fmadd_pd, _mm256_loadu_pd, _mm256_loadu_si256,
    _mm256_movemask_pd, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_slli_epi64, _mm256_srli_epi64, _mm256_storeu_si256, _mm256_sub_pd, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi64,
};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::super::engine::Kernel;
use super::adx::Adx;
use super::inverse;
use super::portable::Word;
use super::{Lanes, Limbs, Modulus};

mod constants;
mod product;

use constants::{HasConstants, LOWER, QUARTER, UPPER};

/// Whether this processor has the instructions.
pub(in super::super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && super::adx::is_available()
}

/// Compiles a kernel for these instructions, and runs it.
///
/// # Safety
/// The processor has them: [`is_available`].
#[target_feature(enable = "avx2,fma,bmi2,adx")]
pub(in super::super) fn enter<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

const BITS: u32 = 51;
const MASK: u64 = (1 << BITS) - 1;
const LIMBS: usize = 5;

/// 2^52: around it doubles are the integers, and their low bits, too.
const INTEGER: f64 = (1u64 << 52) as f64;
/// One limb higher.
const DOWN: f64 = 1.0 / (1u64 << BITS) as f64;

/// Five limbs of 51 bits.
const fn split(x: &Limbs) -> [u64; LIMBS] {
    [
        x[0] & MASK,
        (x[0] >> 51 | x[1] << 13) & MASK,
        (x[1] >> 38 | x[2] << 26) & MASK,
        (x[2] >> 25 | x[3] << 39) & MASK,
        x[3] >> 12,
    ]
}

/// Limbs of four elements.
#[derive(Clone, Copy)]
#[repr(C)]
struct Doubles([__m256d; LIMBS]);

/// Runs one instruction.
macro_rules! instruction {
    ($call:expr) => {
        // SAFETY: this type is used only inside kernels that `enter` runs, on processors that have the
        // instruction; it works on registers alone.
        unsafe { $call }
    };
}

#[inline(always)]
fn number(x: f64) -> __m256d {
    instruction!(_mm256_set1_pd(x))
}

#[inline(always)]
fn constant(x: &'static [f64; 4]) -> __m256d {
    // SAFETY: as for `instruction`; 32 bytes are read from an array of 32 bytes.
    unsafe { _mm256_loadu_pd(x.as_ptr()) }
}

#[inline(always)]
fn bits(x: u64) -> __m256i {
    instruction!(_mm256_set1_epi64x(x.cast_signed()))
}

#[inline(always)]
fn load<M>(x: &Word<M>) -> __m256i {
    // SAFETY: as for `instruction`; 32 bytes are read from an array of 32 bytes.
    unsafe { _mm256_loadu_si256(x.0.as_ptr().cast()) }
}

#[inline(always)]
fn store(x: __m256i) -> Limbs {
    let mut limbs = [0; 4];
    // SAFETY: as for `instruction`; 32 bytes are written to an array of 32 bytes.
    unsafe { _mm256_storeu_si256(limbs.as_mut_ptr().cast(), x) };
    limbs
}

/// Limb k of all four elements as vector k; its own inverse.
#[inline(always)]
fn transpose(x: [__m256i; 4]) -> [__m256i; 4] {
    let [x0, x1, x2, x3] = x;
    let (even0, odd0) = (
        instruction!(_mm256_unpacklo_epi64(x0, x1)),
        instruction!(_mm256_unpackhi_epi64(x0, x1)),
    );
    let (even1, odd1) = (
        instruction!(_mm256_unpacklo_epi64(x2, x3)),
        instruction!(_mm256_unpackhi_epi64(x2, x3)),
    );
    [
        instruction!(_mm256_permute2x128_si256::<0x20>(even0, even1)),
        instruction!(_mm256_permute2x128_si256::<0x20>(odd0, odd1)),
        instruction!(_mm256_permute2x128_si256::<0x31>(even0, even1)),
        instruction!(_mm256_permute2x128_si256::<0x31>(odd0, odd1)),
    ]
}

/// The lower bits `x >> RIGHT` together with the higher bits `y << LEFT`.
#[inline(always)]
fn join<const RIGHT: i32, const LEFT: i32>(x: __m256i, y: __m256i) -> __m256i {
    instruction!(_mm256_or_si256(
        _mm256_srli_epi64::<RIGHT>(x),
        _mm256_slli_epi64::<LEFT>(y)
    ))
}

#[inline(always)]
fn masked(x: __m256i) -> __m256i {
    instruction!(_mm256_and_si256(x, bits(MASK)))
}

/// Integers below 2^52 as doubles.
#[inline(always)]
fn to_number(x: __m256i) -> __m256d {
    instruction!(_mm256_sub_pd(
        _mm256_castsi256_pd(_mm256_or_si256(x, bits(INTEGER.to_bits()))),
        number(INTEGER)
    ))
}

/// The low 51 bits of `x + offset` for integral doubles; the sum is between 2^52 and 2^53.
#[inline(always)]
fn low_bits(x: __m256d, offset: f64) -> __m256i {
    masked(instruction!(_mm256_castpd_si256(_mm256_add_pd(
        x,
        number(offset)
    ))))
}

/// Four elements of a prime field; see the [module](self) for the ranges.
#[derive(Clone, Copy)]
pub(in super::super) struct Quartet<M> {
    limbs: Doubles,
    field: PhantomData<M>,
}

impl<M: Modulus> Quartet<M> {
    #[inline(always)]
    fn new(limbs: Doubles) -> Self {
        Self {
            limbs,
            field: PhantomData,
        }
    }

    /// Moves what is beyond 51 bits of each limb to the next; rounds, so limbs are up to 2^50 and a bit.
    #[inline(always)]
    fn carry(mut limbs: [__m256d; LIMBS]) -> [__m256d; LIMBS] {
        let (upper, down) = (number(UPPER), number(DOWN));
        let [x0, x1, x2, x3, _] = limbs;
        for (i, x) in [x0, x1, x2, x3].into_iter().enumerate() {
            // Next to `UPPER` there are only multiples of 2^51.
            let carry = instruction!(_mm256_sub_pd(_mm256_add_pd(x, upper), upper));
            limbs[i] = instruction!(_mm256_sub_pd(limbs[i], carry));
            limbs[i + 1] = instruction!(_mm256_fmadd_pd(carry, down, limbs[i + 1]));
        }
        limbs
    }
}

/// Runs one of the functions of [`product`].
macro_rules! multiply {
    ($function:ident($($factor:expr),*)) => {{
        let mut result = MaybeUninit::<Doubles>::uninit();
        // SAFETY: as for `instruction`; the function writes all of the result.
        unsafe {
            product::$function(result.as_mut_ptr(), M::CONSTANTS, $(&$factor.limbs),*);
            Self::new(result.assume_init())
        }
    }};
}

impl<M: Modulus> Lanes for Quartet<M> {
    type Element = Word<M>;
    type Single = Adx<M>;
    const N: usize = 4;

    #[inline(always)]
    fn gather<'a>(at: impl Fn(usize) -> &'a Word<M>) -> Self {
        let [w0, w1, w2, w3] = transpose([load(at(0)), load(at(1)), load(at(2)), load(at(3))]);
        Self::new(Doubles([
            to_number(masked(w0)),
            to_number(masked(join::<51, 13>(w0, w1))),
            to_number(masked(join::<38, 26>(w1, w2))),
            to_number(masked(join::<25, 39>(w2, w3))),
            to_number(instruction!(_mm256_srli_epi64::<12>(w3))),
        ]))
    }

    #[inline(always)]
    fn scatter(self, mut to: impl FnMut(usize, Word<M>)) {
        let [l0, l1, l2, l3, l4] = self.limbs.0;
        let (l0, l1, l2) = (
            low_bits(l0, INTEGER),
            low_bits(l1, INTEGER),
            low_bits(l2, INTEGER),
        );
        let (l3, l4) = (low_bits(l3, INTEGER), low_bits(l4, INTEGER));
        let [e0, e1, e2, e3] = transpose([
            join::<0, 51>(l0, l1),
            join::<13, 38>(l1, l2),
            join::<26, 25>(l2, l3),
            join::<39, 12>(l3, l4),
        ]);
        to(0, Word::new(store(e0)));
        to(1, Word::new(store(e1)));
        to(2, Word::new(store(e2)));
        to(3, Word::new(store(e3)));
    }

    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for i in 0..LIMBS {
            self.limbs.0[i] = instruction!(_mm256_add_pd(self.limbs.0[i], other.limbs.0[i]));
        }
        self
    }

    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for i in 0..LIMBS {
            self.limbs.0[i] = instruction!(_mm256_sub_pd(self.limbs.0[i], other.limbs.0[i]));
        }
        self
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        multiply!(product(self, other))
    }

    /// Products of sums would be too large, so this is not Karatsuba's way; but four products need only
    /// two reductions, which is as much work.
    #[inline(always)]
    fn mul_extension(a: [Self; 2], b: [Self; 2]) -> [Self; 2] {
        let ([a0, a1], [b0, b1]) = (a, b);
        [
            multiply!(difference(a0, b0, a1, b1)),
            multiply!(sum(a0, b1, a1, b0)),
        ]
    }

    #[inline(always)]
    fn square_extension(a: [Self; 2]) -> [Self; 2] {
        let [a0, a1] = a;
        [multiply!(difference(a0, a0, a1, a1)), a0.add(a0).mul(a1)]
    }

    #[inline(always)]
    fn scaled(self) -> Self {
        self.add(self)
    }

    /// From limbs up to 1.5·2^52 and a bit, and a value between −8.3p and 4.3p.
    #[inline(always)]
    fn tidied(self) -> Self {
        let k = M::CONSTANTS;
        let two = number(2.0);
        let mut limbs = self.limbs.0;
        for (limb, prime) in limbs.iter_mut().zip(&k.prime) {
            // Now between −6.3p and 6.3p.
            *limb = instruction!(_mm256_fmadd_pd(two, constant(prime), *limb));
        }
        limbs = Self::carry(limbs);
        // The nearest multiple of p is at most 6p; what is left is up to p/2 and a bit, and one more p
        // makes it positive. Each sum is below 2^53, so exact.
        let nearest = instruction!(_mm256_fmadd_pd(
            limbs[LIMBS - 1],
            constant(&k.per_prime),
            number(LOWER)
        ));
        let factor = instruction!(_mm256_sub_pd(nearest, number(LOWER - 1.0)));
        for (limb, prime) in limbs.iter_mut().zip(&k.prime) {
            *limb = instruction!(_mm256_fmadd_pd(factor, constant(prime), *limb));
        }
        limbs = Self::carry(limbs);
        // `LOWER` adds 2^51 to a limb, so that it is positive and its carry one too high.
        let mut carry = bits(0);
        let mut offset = LOWER;
        for limb in &mut limbs {
            let sum = instruction!(_mm256_castpd_si256(_mm256_add_pd(*limb, number(offset))));
            offset = LOWER - 1.0;
            let sum = instruction!(_mm256_add_epi64(_mm256_and_si256(sum, bits(2 * MASK + 1)), carry));
            carry = instruction!(_mm256_srli_epi64::<51>(sum));
            *limb = to_number(masked(sum));
        }
        Self::new(Doubles(limbs))
    }

    /// Looks at the lowest limb only, which no other element in 2^48 has.
    #[inline(always)]
    fn zeros(self) -> u32 {
        let lowest = low_bits(self.limbs.0[0], LOWER);
        let mut zeros = bits(0);
        for multiple in 0..5u64 {
            // −2p to 2p
            let zero = M::P[0].wrapping_mul(multiple.wrapping_sub(2)) & MASK;
            zeros = instruction!(_mm256_or_si256(zeros, _mm256_cmpeq_epi64(lowest, bits(zero))));
        }
        let lanes = instruction!(_mm256_movemask_pd(_mm256_castsi256_pd(zeros)));
        lanes.cast_unsigned()
    }

    /// An element stands for twice itself, so its inverse as it is in memory comes back four times too
    /// large.
    #[inline(always)]
    fn inverse(self) -> Self {
        let [q0, q1, q2, q3, q4] = QUARTER;
        let quarter = Doubles([number(q0), number(q1), number(q2), number(q3), number(q4)]);
        inverse::each_lane(self.tidied()).mul(Self::new(quarter))
    }
}

#[cfg(test)]
mod tests;
