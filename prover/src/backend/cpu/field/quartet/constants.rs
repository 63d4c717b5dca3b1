//! What a product needs of a prime, computed by the compiler.

use std::mem::offset_of;

use super::super::{Base, Limbs, Modulus, Scalar};
use super::{BITS, Doubles, INTEGER, LIMBS, MASK};

/// The distance of doubles around it is 2^51: adding a product to it rounds it to its upper half.
pub(super) const UPPER: f64 = 1.5 * (1u128 << 103) as f64;

/// Around it doubles are the integers; a lower half added to it is positive, whatever its sign.
pub(super) const LOWER: f64 = 1.5 * (1u64 << 52) as f64;

/// Initial value of a column, so that its carry can be cut off by a shift that knows no signs.
const POSITIVE: u64 = 1 << 60;
/// What that adds to the carry.
const CARRIED: u64 = POSITIVE >> BITS;

/// The same number in four lanes.
type Splat<T> = [T; 4];

/// Read by the code in [`super::product`] and [`super::Quartet`]; 32 bytes each, in this order.
#[repr(C, align(32))]
pub(in super::super) struct Constants {
    /// The prime p; limbs between −2^50 and 2^50.
    pub(super) prime: [Splat<f64>; LIMBS],
    /// `(n·p + 1)/2^51` with `n = −p⁻¹` modulo 2^51, between −p/2 and p/2.
    pub(super) shifted: [Splat<f64>; LIMBS],
    /// [`UPPER`].
    pub(super) upper: Splat<f64>,
    /// [`UPPER`] + [`LOWER`].
    pub(super) both: Splat<f64>,
    /// `n`, between −2^50 and 2^50.
    pub(super) inverse: Splat<f64>,
    /// The bits of 2^52 as a double.
    pub(super) exponent: Splat<u64>,
    /// 51 bits set.
    pub(super) mask: Splat<u64>,
    /// 2^52.
    pub(super) integer: Splat<f64>,
    /// [`LOWER`].
    pub(super) lower: Splat<f64>,
    /// −2^204/p: a multiple of it is how often p has to be added to a number with that highest limb.
    pub(super) per_prime: Splat<f64>,
    /// What takes the offsets of the limbs of a result away.
    pub(super) offsets: [Splat<f64>; LIMBS],
    /// Initial values of the columns of a product.
    pub(super) product: [Splat<u64>; 2 * LIMBS],
    /// Initial values of the columns of a sum of two products.
    pub(super) sum: [Splat<u64>; 2 * LIMBS],
}

/// The constants of a prime.
pub(super) trait HasConstants {
    /// They have to be in memory.
    const CONSTANTS: &'static Constants;
}

impl<M: Modulus> HasConstants for M {
    const CONSTANTS: &'static Constants = &Constants::of(&M::P, M::INVERSE);
}

/// The element 1/4 as it is kept in registers: 2^253, which is below p.
pub(super) const QUARTER: [f64; LIMBS] = [0.0, 0.0, 0.0, 0.0, (1u64 << (253 - 4 * BITS)) as f64];

impl Constants {
    const fn of(p: &Limbs, inverse: u64) -> Self {
        let prime = balanced(p);
        let n = nearest(inverse & MASK);
        Self {
            prime: splat(&prime),
            shifted: splat(&shifted(&prime, n)),
            upper: [UPPER; 4],
            both: [UPPER + LOWER; 4],
            inverse: [n as f64; 4],
            exponent: [INTEGER.to_bits(); 4],
            mask: [MASK; 4],
            integer: [INTEGER; 4],
            lower: [LOWER; 4],
            per_prime: [-1.0 / prime[LIMBS - 1] as f64; 4],
            offsets: offsets(),
            product: columns(1),
            sum: columns(2),
        }
    }
}

/// `x` modulo 2^51, between −2^50 and 2^50.
const fn nearest(x: u64) -> i64 {
    let x = x.cast_signed();
    if x >> (BITS - 1) == 1 { x - (1 << BITS) } else { x }
}

/// Limbs between −2^50 and 2^50, the last what it is.
const fn balanced(x: &Limbs) -> [i64; LIMBS] {
    let limbs = super::split(x);
    let (mut balanced, mut carry, mut i) = ([0; LIMBS], 0, 0);
    while i < LIMBS - 1 {
        let limb = limbs[i] + carry;
        balanced[i] = nearest(limb & MASK);
        carry = (limb.cast_signed() - balanced[i]).cast_unsigned() >> BITS;
        i += 1;
    }
    balanced[i] = (limbs[i] + carry).cast_signed();
    balanced
}

/// `(n·p + 1)/2^51`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "low bits are wanted, and the last limb is small"
)]
const fn shifted(p: &[i64; LIMBS], n: i64) -> [i64; LIMBS] {
    let mut carry = (p[0] as i128 * n as i128 + 1) >> BITS;
    let (mut result, mut i) = ([0; LIMBS], 1);
    while i < LIMBS {
        let sum = p[i] as i128 * n as i128 + carry;
        result[i - 1] = nearest(sum as u64 & MASK);
        carry = (sum - result[i - 1] as i128) >> BITS;
        i += 1;
    }
    result[LIMBS - 1] = carry as i64;
    result
}

const fn splat(x: &[i64; LIMBS]) -> [Splat<f64>; LIMBS] {
    let (mut result, mut i) = ([[0.0; 4]; LIMBS], 0);
    while i < LIMBS {
        result[i] = [x[i] as f64; 4];
        i += 1;
    }
    result
}

/// The halves that are added to each column: `(lower, upper)`.
struct Halves([(u64, u64); 2 * LIMBS]);

impl Halves {
    /// A limb times five limbs, the lowest of which counts for the column `from`.
    const fn add_row(&mut self, from: usize) {
        let mut column = from;
        while column < from + LIMBS {
            self.0[column].0 += 1;
            self.0[column + 1].1 += 1;
            column += 1;
        }
    }
}

/// Initial values of the columns of a sum of so many products: minus the bits that the halves bring with
/// them, and the offsets that carries and limbs are expected with.
const fn columns(products: usize) -> [Splat<u64>; 2 * LIMBS] {
    let mut halves = Halves([(0, 0); 2 * LIMBS]);
    let mut i = 0;
    while i < LIMBS {
        let mut product = 0;
        while product < products {
            halves.add_row(i);
            product += 1;
        }
        // The first three steps of the reduction add multiples of the shifted prime.
        halves.add_row(if i < 3 { i + 1 } else { i });
        i += 1;
    }
    let (mut result, mut i) = ([[0; 4]; 2 * LIMBS], 0);
    while i < 2 * LIMBS {
        let (mut lower, upper) = halves.0[i];
        if products > 1 && i >= LIMBS {
            lower += 1; // the multiple of p that brings a sum near zero
        }
        let bits = lower
            .wrapping_mul(LOWER.to_bits())
            .wrapping_add(upper.wrapping_mul(UPPER.to_bits()));
        let highest = i == 2 * LIMBS - 1;
        let offset = if highest { LOWER.to_bits() } else { POSITIVE };
        // A result's limbs are balanced: rounded, not cut off.
        let half = if i >= LIMBS && !highest {
            1 << (BITS - 1)
        } else {
            0
        };
        let carried = if i > 0 && i <= LIMBS { CARRIED } else { 0 };
        result[i] = [offset.wrapping_add(half).wrapping_sub(carried).wrapping_sub(bits); 4];
        i += 1;
    }
    result
}

const fn offsets() -> [Splat<f64>; LIMBS] {
    let half = (1u64 << (BITS - 1)) as f64;
    let limb = [INTEGER + half + CARRIED as f64; 4];
    [[INTEGER + half; 4], limb, limb, limb, [LOWER + CARRIED as f64; 4]]
}

/// The primes' limbs leave room in the sums that [`super::Quartet`] tidies.
const _: () = {
    let (base, scalar) = (balanced(&Base::P), balanced(&Scalar::P));
    let mut i = 0;
    while i < LIMBS {
        let most = if i + 1 < LIMBS { 56 } else { 76 } * (1i64 << (BITS - 1)) / 100;
        assert!(base[i].abs() <= most && scalar[i].abs() <= most);
        i += 1;
    }
};

/// The places that [`super::product`] reads from.
const _: () = {
    assert!(offset_of!(Constants, prime) == 0 && offset_of!(Constants, shifted) == 160);
    assert!(offset_of!(Constants, upper) == 320 && offset_of!(Constants, both) == 352);
    assert!(offset_of!(Constants, inverse) == 384 && offset_of!(Constants, exponent) == 416);
    assert!(offset_of!(Constants, mask) == 448 && offset_of!(Constants, integer) == 480);
    assert!(offset_of!(Constants, lower) == 512 && offset_of!(Constants, per_prime) == 544);
    assert!(offset_of!(Constants, offsets) == 576 && offset_of!(Constants, product) == 736);
    assert!(offset_of!(Constants, sum) == 1056 && size_of::<Constants>() == 1376);
    assert!(size_of::<Doubles>() == 160 && align_of::<Doubles>() == 32);
};
