//! Eight lanes of 52-bit limbs, written over the few vector operations that it needs.
//!
//! AVX-512 IFMA multiplies the low 52 bits of eight 64-bit numbers at once and adds the low or the high
//! half of each product. In registers an element is therefore five limbs of 52 bits, each in a vector
//! of eight lanes; in memory it stays what it is for every engine, four limbs of 64 bits with R = 2^256.
//! Five steps of 52 bits would divide by 2^260: one factor is multiplied by 16 on its way in, which is a
//! shift. With `a, b < 2p` the product `16ab/2^260 + p` is below 2p again.
//!
//! [`Vector`] has two implementations: the instructions ([`super::ifma`]), and an emulation with which
//! tests check everything but the instructions on every machine.

use std::marker::PhantomData;

use super::portable::Word;
use super::{Lanes, Limbs, Modulus, inverse};

/// Eight 64-bit numbers.
pub(in super::super) trait Vector: Copy + Send + Sync + 'static {
    /// The same number eight times.
    fn splat(x: u64) -> Self;
    /// Number i in lane i.
    fn load(numbers: [u64; 8]) -> Self;
    /// Lane i as number i.
    fn store(self) -> [u64; 8];
    /// In lane i the lane `lanes[i]` of `self` (0 to 7) or of `other` (8 to 15).
    fn pick(self, lanes: [u64; 8], other: Self) -> Self;
    /// `a + b` modulo 2^64.
    fn add(self, other: Self) -> Self;
    /// `a − b` modulo 2^64.
    fn sub(self, other: Self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;
    /// Shift towards higher bits.
    fn left<const N: u32>(self) -> Self;
    /// Shift towards lower bits, zeros coming in.
    fn right<const N: u32>(self) -> Self;
    /// Shift towards lower bits, the sign coming in.
    fn right_signed<const N: u32>(self) -> Self;
    /// `self +` the low 52 bits of the product of the low 52 bits of `a` and `b`.
    fn add_low(self, a: Self, b: Self) -> Self;
    /// `self +` bits 52 to 103 of that product.
    fn add_high(self, a: Self, b: Self) -> Self;
    /// Bit i is set if lane i is zero.
    fn zeros(self) -> u32;
}

const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;

/// Five limbs of 52 bits of an element.
const fn split(x: &Limbs) -> [u64; 5] {
    [
        x[0] & MASK,
        (x[0] >> 52 | x[1] << 12) & MASK,
        (x[1] >> 40 | x[2] << 24) & MASK,
        (x[2] >> 28 | x[3] << 36) & MASK,
        x[3] >> 16,
    ]
}

/// With rows of two elements of four limbs: the first two limbs of four elements, limb by limb; or the
/// way back, the first two of four elements from two limbs each.
const FIRST: [u64; 8] = [0, 4, 8, 12, 1, 5, 9, 13];
/// The last two, likewise.
const LAST: [u64; 8] = [2, 6, 10, 14, 3, 7, 11, 15];
/// The lower halves of two vectors.
const LOW: [u64; 8] = [0, 1, 2, 3, 8, 9, 10, 11];
/// The upper halves.
const HIGH: [u64; 8] = [4, 5, 6, 7, 12, 13, 14, 15];

/// Limb k of all eight elements as vector k.
#[inline(always)]
fn transpose<V: Vector>(elements: &[Limbs; 8]) -> [V; 4] {
    let two = |i: usize| {
        let ([a, b, c, d], [e, f, g, h]) = (elements[i], elements[i + 1]);
        V::load([a, b, c, d, e, f, g, h])
    };
    let [r0, r1, r2, r3] = [two(0), two(2), two(4), two(6)];
    let (first0, first1) = (r0.pick(FIRST, r1), r2.pick(FIRST, r3));
    let (last0, last1) = (r0.pick(LAST, r1), r2.pick(LAST, r3));
    [
        first0.pick(LOW, first1),
        first0.pick(HIGH, first1),
        last0.pick(LOW, last1),
        last0.pick(HIGH, last1),
    ]
}

/// The inverse of [`transpose`].
#[inline(always)]
fn restore<V: Vector>(limbs: [V; 4]) -> [Limbs; 8] {
    let [w0, w1, w2, w3] = limbs;
    let (low, high) = (w0.pick(LOW, w1), w2.pick(LOW, w3)); // elements 0 to 3
    let (low_rest, high_rest) = (w0.pick(HIGH, w1), w2.pick(HIGH, w3)); // elements 4 to 7
    let pairs = [
        low.pick(FIRST, high),
        low.pick(LAST, high),
        low_rest.pick(FIRST, high_rest),
        low_rest.pick(LAST, high_rest),
    ];
    let mut elements = [[0; 4]; 8];
    for (pair, v) in pairs.into_iter().enumerate() {
        let [a, b, c, d, e, f, g, h] = v.store();
        elements[2 * pair] = [a, b, c, d];
        elements[2 * pair + 1] = [e, f, g, h];
    }
    elements
}

/// Eight elements of a prime field, below 2p, limbs below 2^52.
#[derive(Clone, Copy)]
pub(in super::super) struct Octet<V, M, S> {
    limbs: [V; 5],
    field: PhantomData<(M, S)>,
}

impl<V: Vector, M: Modulus, S> Octet<V, M, S> {
    #[inline(always)]
    fn new(limbs: [V; 5]) -> Self {
        Self {
            limbs,
            field: PhantomData,
        }
    }

    #[inline(always)]
    fn constant(x: &Limbs) -> [V; 5] {
        split(x).map(V::splat)
    }

    /// Moves what is above 52 bits of each limb to the next; the last keeps its sign.
    #[inline(always)]
    fn carry(mut t: [V; 5]) -> [V; 5] {
        let mask = V::splat(MASK);
        for i in 0..4 {
            t[i + 1] = t[i + 1].add(t[i].right_signed::<BITS>());
            t[i] = t[i].and(mask);
        }
        t
    }

    /// `t + 2p` where t is negative, t elsewhere.
    #[inline(always)]
    fn correct(t: [V; 5]) -> [V; 5] {
        let negative = t[4].right_signed::<63>();
        let twice = Self::constant(&M::TWICE);
        let mut sum = t;
        for i in 0..5 {
            sum[i] = t[i].add(twice[i].and(negative));
        }
        Self::carry(sum)
    }
}

impl<V: Vector, M: Modulus, S: Lanes<Element = Word<M>>> Lanes for Octet<V, M, S> {
    type Element = Word<M>;
    type Single = S;
    const N: usize = 8;

    #[inline(always)]
    fn gather<'a>(at: impl Fn(usize) -> &'a Word<M>) -> Self {
        let elements: [Limbs; 8] = std::array::from_fn(|i| at(i).0);
        let [w0, w1, w2, w3] = transpose::<V>(&elements);
        let mask = V::splat(MASK);
        Self::new([
            w0.and(mask),
            w0.right::<52>().or(w1.left::<12>()).and(mask),
            w1.right::<40>().or(w2.left::<24>()).and(mask),
            w2.right::<28>().or(w3.left::<36>()).and(mask),
            w3.right::<16>(),
        ])
    }

    #[inline(always)]
    fn scatter(self, mut to: impl FnMut(usize, Word<M>)) {
        let [l0, l1, l2, l3, l4] = self.limbs;
        let elements = restore([
            l0.or(l1.left::<52>()),
            l1.right::<12>().or(l2.left::<40>()),
            l2.right::<24>().or(l3.left::<28>()),
            l3.right::<36>().or(l4.left::<16>()),
        ]);
        for (i, element) in elements.into_iter().enumerate() {
            to(i, Word::new(element));
        }
    }

    /// `a + b − 2p`, corrected where that is negative.
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let twice = Self::constant(&M::TWICE);
        let mut t = self.limbs;
        for i in 0..5 {
            t[i] = t[i].add(other.limbs[i]).sub(twice[i]);
        }
        Self::new(Self::correct(Self::carry(t)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let mut t = self.limbs;
        for (t, other) in t.iter_mut().zip(other.limbs) {
            *t = t.sub(other);
        }
        Self::new(Self::correct(Self::carry(t)))
    }

    /// Montgomery's product in five steps; sums of at most 22 numbers below 2^52 fit a lane.
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let (a, b) = (&self.limbs, &other.limbs);
        let (mask, zero) = (V::splat(MASK), V::splat(0));
        let p = Self::constant(&M::P);
        let inverse = V::splat(M::INVERSE & MASK);
        // 16b: below 2^259, so five limbs still hold it.
        let mut shifted = [b[0].left::<4>().and(mask), zero, zero, zero, zero];
        for i in 1..5 {
            shifted[i] = b[i].left::<4>().or(b[i - 1].right::<48>()).and(mask);
        }
        let mut t = [zero; 6];
        for factor in shifted {
            for j in 0..5 {
                t[j] = t[j].add_low(a[j], factor);
                t[j + 1] = t[j + 1].add_high(a[j], factor);
            }
            let m = zero.add_low(t[0], inverse);
            for j in 0..5 {
                t[j] = t[j].add_low(m, p[j]);
                t[j + 1] = t[j + 1].add_high(m, p[j]);
            }
            // The lowest 52 bits are zero now.
            let carry = t[0].right::<BITS>();
            t = [t[1].add(carry), t[2], t[3], t[4], t[5], zero];
        }
        Self::new(Self::carry([t[0], t[1], t[2], t[3], t[4]]))
    }

    #[inline(always)]
    fn zeros(self) -> u32 {
        let p = Self::constant(&M::P);
        let [l0, l1, l2, l3, l4] = self.limbs;
        let zero = l0.or(l1).or(l2).or(l3).or(l4).zeros();
        let modulus = l0
            .xor(p[0])
            .or(l1.xor(p[1]))
            .or(l2.xor(p[2]))
            .or(l3.xor(p[3]))
            .or(l4.xor(p[4]));
        zero | modulus.zeros()
    }

    #[inline(always)]
    fn inverse(self) -> Self {
        inverse::each_lane(self)
    }
}
