//! The vector operations of [`super::octet`] emulated, so that tests check its eight lanes, and the
//! kernels over them, on every machine. Never inlined: the kernels would take long to compile.

use super::octet::{Octet, Vector};
use super::portable::Portable;

/// The vector operations as they are defined, for checking everything but the instructions.
#[derive(Clone, Copy)]
pub(in super::super) struct Emulated([u64; 8]);

impl Emulated {
    fn with(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

/// The product of the low 52 bits.
fn product52(a: u64, b: u64) -> u128 {
    let low = |x: u64| u128::from(x & ((1 << 52) - 1));
    low(a) * low(b)
}

impl Vector for Emulated {
    #[inline(never)]
    fn splat(x: u64) -> Self {
        Self([x; 8])
    }

    #[inline(never)]
    fn load(numbers: [u64; 8]) -> Self {
        Self(numbers)
    }

    #[inline(never)]
    fn store(self) -> [u64; 8] {
        self.0
    }

    #[inline(never)]
    fn pick(self, lanes: [u64; 8], other: Self) -> Self {
        let both = [self.0, other.0].concat();
        Self(lanes.map(|lane| both[usize::try_from(lane).unwrap()]))
    }

    #[inline(never)]
    fn add(self, other: Self) -> Self {
        self.with(other, u64::wrapping_add)
    }

    #[inline(never)]
    fn sub(self, other: Self) -> Self {
        self.with(other, u64::wrapping_sub)
    }

    #[inline(never)]
    fn and(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    #[inline(never)]
    fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    #[inline(never)]
    fn xor(self, other: Self) -> Self {
        self.with(other, |a, b| a ^ b)
    }

    #[inline(never)]
    fn left<const N: u32>(self) -> Self {
        Self(self.0.map(|x| x << N))
    }

    #[inline(never)]
    fn right<const N: u32>(self) -> Self {
        Self(self.0.map(|x| x >> N))
    }

    #[inline(never)]
    fn right_signed<const N: u32>(self) -> Self {
        Self(self.0.map(|x| (x.cast_signed() >> N).cast_unsigned()))
    }

    #[inline(never)]
    fn add_low(self, a: Self, b: Self) -> Self {
        let mask = (1 << 52) - 1;
        let low = a.with(b, |a, b| u64::try_from(product52(a, b) & mask).unwrap());
        // No lane may overflow: the product's bound depends on it.
        self.with(low, |sum, low| sum.checked_add(low).unwrap())
    }

    #[inline(never)]
    fn add_high(self, a: Self, b: Self) -> Self {
        let high = a.with(b, |a, b| u64::try_from(product52(a, b) >> 52).unwrap());
        self.with(high, |sum, high| sum.checked_add(high).unwrap())
    }

    #[inline(never)]
    fn zeros(self) -> u32 {
        (0..8).map(|i| u32::from(self.0[i] == 0) << i).sum()
    }
}

/// Eight elements of the prime field `M`, emulated.
pub(in super::super) type EmulatedOctet<M> = Octet<Emulated, M, Portable<M>>;
