//! Field arithmetic of the fast engine: the same operations on one or more elements at once.
//!
//! In memory an element is four 64-bit limbs, little-endian, of a Montgomery representative (R = 2^256)
//! **below 2p**, so that arkworks' elements are elements as they are and no product ends with a
//! subtraction: from `a, b < 2p` Montgomery's reduction gives `ab/R + p < 2p`, because `4p < R` for both
//! primes. Zero therefore has two representatives, 0 and p. [`Modulus::reduce`] brings a result back
//! below p.
//!
//! [`Lanes`] is what the kernels are written in: `N` elements side by side, in registers.
//! * [`portable`] — one lane, in plain Rust; everywhere.
//! * `adx` — one lane, with x86-64's two carry chains.
//! * `quartet` — four lanes of 51-bit limbs in doubles, with AVX2's fused multiply-add.
//! * `octet` — eight lanes of 52-bit limbs; `ifma` has its instructions, AVX-512 IFMA.
//! * [`quadratic`] — the extension field of G2 over any of them.

use std::fmt::Debug;

use ark_bn254::{FqConfig, FrConfig};
use ark_ff::{MontConfig, PrimeField};

#[cfg(target_arch = "x86_64")]
pub(super) mod adx;
#[cfg(test)]
pub(super) mod emulated;
#[cfg(target_arch = "x86_64")]
pub(super) mod ifma;
mod inverse;
#[cfg(any(test, target_arch = "x86_64"))]
mod octet;
pub(super) mod portable;
pub(super) mod quadratic;
#[cfg(target_arch = "x86_64")]
pub(super) mod quartet;

/// Four limbs, little-endian.
pub(super) type Limbs = [u64; 4];

/// One of the two primes of BN254.
pub(super) trait Modulus: Copy + Debug + Send + Sync + 'static {
    /// The prime p.
    const P: Limbs;
    /// 2p.
    const TWICE: Limbs;
    /// −p⁻¹ modulo 2^64.
    const INVERSE: u64;
    /// R modulo p: one.
    const ONE: Limbs;
    /// R² modulo p.
    const R_SQUARED: Limbs;

    /// The representative below p.
    fn reduce(x: Limbs) -> Limbs {
        let (difference, borrow) = subtract(&x, &Self::P);
        if borrow { x } else { difference }
    }
}

/// The prime of the curve's coordinates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base;

/// The prime of the scalars.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scalar;

impl Modulus for Base {
    const P: Limbs = ark_bn254::Fq::MODULUS.0;
    const TWICE: Limbs = twice(Self::P);
    const INVERSE: u64 = <FqConfig as MontConfig<4>>::INV;
    const ONE: Limbs = <FqConfig as MontConfig<4>>::R.0;
    const R_SQUARED: Limbs = <FqConfig as MontConfig<4>>::R2.0;
}

impl Modulus for Scalar {
    const P: Limbs = ark_bn254::Fr::MODULUS.0;
    const TWICE: Limbs = twice(Self::P);
    const INVERSE: u64 = <FrConfig as MontConfig<4>>::INV;
    const ONE: Limbs = <FrConfig as MontConfig<4>>::R.0;
    const R_SQUARED: Limbs = <FrConfig as MontConfig<4>>::R2.0;
}

const fn twice(x: Limbs) -> Limbs {
    [
        x[0] << 1,
        x[1] << 1 | x[0] >> 63,
        x[2] << 1 | x[1] >> 63,
        x[3] << 1 | x[2] >> 63,
    ]
}

/// `a + b + carry` as a limb and the carry out.
#[inline(always)]
pub(super) const fn add_limbs(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry as u64);
    (sum, first | second)
}

/// `a − b − borrow` as a limb and the borrow out.
#[inline(always)]
pub(super) const fn subtract_limbs(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (difference, first) = a.overflowing_sub(b);
    let (difference, second) = difference.overflowing_sub(borrow as u64);
    (difference, first | second)
}

/// `a − b` modulo 2^256, and whether it went below zero.
#[inline(always)]
pub(super) const fn subtract(a: &Limbs, b: &Limbs) -> (Limbs, bool) {
    let (r0, borrow) = subtract_limbs(a[0], b[0], false);
    let (r1, borrow) = subtract_limbs(a[1], b[1], borrow);
    let (r2, borrow) = subtract_limbs(a[2], b[2], borrow);
    let (r3, borrow) = subtract_limbs(a[3], b[3], borrow);
    ([r0, r1, r2, r3], borrow)
}

/// `a + b` modulo 2^256.
#[inline(always)]
pub(super) const fn add(a: &Limbs, b: &Limbs) -> Limbs {
    let (r0, carry) = add_limbs(a[0], b[0], false);
    let (r1, carry) = add_limbs(a[1], b[1], carry);
    let (r2, carry) = add_limbs(a[2], b[2], carry);
    let (r3, _) = add_limbs(a[3], b[3], carry);
    [r0, r1, r2, r3]
}

/// No engine has more lanes.
pub(super) const MOST_LANES: usize = 8;

/// `N` elements of a field side by side.
///
/// An engine may work with larger numbers than it keeps in memory, in two ways that kernels mind:
///
/// * Gathered elements, products and what [`tidied`](Lanes::tidied) gives are *tidy*. One factor of every
///   product is a product or one; the other may be any tidy element, or the difference of two that are
///   no products. Whatever else is multiplied or scattered is tidied first.
/// * An element gathered from memory may stand for `s` times itself, with a constant `s`, and is divided
///   by it when it is scattered. Sums do not notice; where a product meets gathered elements, it is of a
///   higher degree and has to be [`scaled`](Lanes::scaled).
///
/// For most engines all elements are below 2p and `s` is one.
pub(super) trait Lanes: Copy + Send + Sync + 'static {
    /// One element in memory.
    type Element: Element;
    /// The same field, one lane.
    type Single: Lanes<Element = Self::Element>;
    /// How many lanes: at most [`MOST_LANES`].
    const N: usize;

    /// The element `at(i)` in lane `i`.
    fn gather<'a>(at: impl Fn(usize) -> &'a Self::Element) -> Self;
    /// Hands out lane `i` as `to(i, element)`.
    fn scatter(self, to: impl FnMut(usize, Self::Element));
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self − other`.
    fn sub(self, other: Self) -> Self;
    /// `self · other`.
    fn mul(self, other: Self) -> Self;
    /// `self²`.
    #[inline(always)]
    fn square(self) -> Self {
        self.mul(self)
    }
    /// Bit `i` is set if lane `i` is zero, and hardly ever if it is not: what depends on it has to look
    /// closer.
    fn zeros(self) -> u32;
    /// The inverses; zero for zero.
    fn inverse(self) -> Self;

    /// A sum of up to five elements, tidy.
    #[inline(always)]
    fn tidied(self) -> Self {
        self
    }
    /// `s · self`.
    #[inline(always)]
    fn scaled(self) -> Self {
        self
    }

    /// `(a0 + a1·u)(b0 + b1·u)` with `u² = −1`. Three products instead of four (Karatsuba).
    #[inline(always)]
    fn mul_extension([a0, a1]: [Self; 2], [b0, b1]: [Self; 2]) -> [Self; 2] {
        let (low, high) = (a0.mul(b0), a1.mul(b1));
        let cross = a0.add(a1).mul(b0.add(b1));
        [low.sub(high), cross.sub(low).sub(high)]
    }
    /// `(a0 + a1·u)² = (a0 + a1)(a0 − a1) + 2·a0·a1·u`.
    #[inline(always)]
    fn square_extension([a0, a1]: [Self; 2]) -> [Self; 2] {
        let product = a0.mul(a1);
        [a0.add(a1).mul(a0.sub(a1)), product.add(product)]
    }

    /// The same element in every lane.
    #[inline(always)]
    fn splat(element: Self::Element) -> Self {
        Self::gather(|_| &element)
    }
    /// One in every lane.
    #[inline(always)]
    fn one() -> Self {
        Self::splat(Self::Element::ONE)
    }
    /// The only lane's element, or the first of several.
    #[inline(always)]
    fn first(self) -> Self::Element {
        let mut first = Self::Element::ZERO;
        self.scatter(|i, element| {
            if i == 0 {
                first = element;
            }
        });
        first
    }
}

/// A field element in memory.
pub(super) trait Element: Copy + Debug + Default + Eq + Send + Sync + 'static {
    /// Zero, as no limb set.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Whether no limb is set. This is one of zero's two representatives.
    fn is_blank(&self) -> bool;
    /// The additive inverse.
    fn negated(&self) -> Self;
    /// The additive inverse if `negate`, without a branch: signs of digits cannot be foreseen.
    fn negated_if(&self, negate: bool) -> Self;
    /// The representative below p.
    fn reduced(&self) -> Self;
}

#[cfg(test)]
mod tests;
