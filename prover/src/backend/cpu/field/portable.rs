//! One lane in plain Rust.

use std::marker::PhantomData;

use super::inverse::inverse;
use super::{Element, Lanes, Limbs, Modulus, add, add_limbs, subtract};

/// An element of the prime field `M` in memory: four limbs of a representative below 2p.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(in super::super) struct Word<M>(pub(in super::super) Limbs, PhantomData<M>);

impl<M> Word<M> {
    /// The element with this Montgomery representative below 2p.
    #[inline(always)]
    pub(in super::super) const fn new(limbs: Limbs) -> Self {
        Self(limbs, PhantomData)
    }
}

impl<M: Modulus> Default for Word<M> {
    fn default() -> Self {
        Self::ZERO
    }
}

impl<M: Modulus> PartialEq for Word<M> {
    fn eq(&self, other: &Self) -> bool {
        self.reduced().0 == other.reduced().0
    }
}

impl<M: Modulus> Eq for Word<M> {}

impl<M: Modulus> Element for Word<M> {
    const ZERO: Self = Self::new([0; 4]);
    const ONE: Self = Self::new(M::ONE);

    #[inline(always)]
    fn is_blank(&self) -> bool {
        let [a, b, c, d] = self.0;
        a | b | c | d == 0
    }

    #[inline(always)]
    fn negated(&self) -> Self {
        Self::new(sub::<M>(&[0; 4], &self.0))
    }

    #[inline(always)]
    fn negated_if(&self, negate: bool) -> Self {
        let (mask, negated) = (u64::from(negate).wrapping_neg(), self.negated());
        let mut limbs = self.0;
        for (limb, negated) in limbs.iter_mut().zip(negated.0) {
            *limb ^= (*limb ^ negated) & mask;
        }
        Self::new(limbs)
    }

    fn reduced(&self) -> Self {
        Self::new(M::reduce(self.0))
    }
}

/// `a + b`, below 2p.
#[inline(always)]
pub(super) fn sum<M: Modulus>(a: &Limbs, b: &Limbs) -> Limbs {
    let sum = add(a, b); // below 4p, which is below 2^256
    let (difference, borrow) = subtract(&sum, &M::TWICE);
    if borrow { sum } else { difference }
}

/// `a − b`, below 2p.
#[inline(always)]
pub(super) fn sub<M: Modulus>(a: &Limbs, b: &Limbs) -> Limbs {
    let (difference, borrow) = subtract(a, b);
    let mask = u64::from(borrow).wrapping_neg();
    add(&difference, &M::TWICE.map(|limb| limb & mask))
}

/// Whether a representative below 2p is one of zero's two.
#[inline(always)]
pub(super) fn is_zero<M: Modulus>(x: &Limbs) -> bool {
    let equals = |y: &Limbs| (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) == 0;
    equals(&[0; 4]) || equals(&M::P)
}

/// `low + a·b + carry` as a limb and what is above it; always fits.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "both halves are taken")]
const fn multiply_add(low: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let sum = a as u128 * b as u128 + low as u128 + carry as u128;
    (sum as u64, (sum >> 64) as u64)
}

/// Montgomery's product, below 2p: one row of the schoolbook product and one step of reduction in
/// turn. The running sum stays below 2^256 + 2^64·2p, so its fifth limb takes all carries.
#[inline(always)]
pub(super) fn product<M: Modulus>(a: &Limbs, b: &Limbs) -> Limbs {
    let mut t = [0u64; 4];
    for &limb in b {
        let (t0, c) = multiply_add(t[0], a[0], limb, 0);
        let (t1, c) = multiply_add(t[1], a[1], limb, c);
        let (t2, c) = multiply_add(t[2], a[2], limb, c);
        let (t3, t4) = multiply_add(t[3], a[3], limb, c);
        let m = t0.wrapping_mul(M::INVERSE);
        let (_, c) = multiply_add(t0, m, M::P[0], 0);
        let (t0, c) = multiply_add(t1, m, M::P[1], c);
        let (t1, c) = multiply_add(t2, m, M::P[2], c);
        let (t2, c) = multiply_add(t3, m, M::P[3], c);
        t = [t0, t1, t2, add_limbs(t4, c, false).0];
    }
    t
}

/// One lane, whatever the processor.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Portable<M>(Word<M>);

impl<M: Modulus> Lanes for Portable<M> {
    type Element = Word<M>;
    type Single = Self;
    const N: usize = 1;

    #[inline(always)]
    fn gather<'a>(at: impl Fn(usize) -> &'a Word<M>) -> Self {
        Self(*at(0))
    }

    #[inline(always)]
    fn scatter(self, mut to: impl FnMut(usize, Word<M>)) {
        to(0, self.0);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(Word::new(sum::<M>(&self.0.0, &other.0.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(Word::new(sub::<M>(&self.0.0, &other.0.0)))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(Word::new(product::<M>(&self.0.0, &other.0.0)))
    }

    #[inline(always)]
    fn zeros(self) -> u32 {
        u32::from(is_zero::<M>(&self.0.0))
    }

    fn inverse(self) -> Self {
        Self(Word::new(inverse::<M>(&self.0.0, product::<M>)))
    }
}
