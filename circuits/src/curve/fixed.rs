//! Multiples of the generator: 63 signed windows of four bits, 876 constraints.
//!
//! A witness scalar enters only through `s·G`, so nothing ties its digits to any integer and the
//! prover may write it as it likes. It writes the odd one of `s` and `s + l` with odd digits
//! `−15, −13, …, 15` to base 16: no digit is zero, a digit is a sign and one of eight table entries,
//! and the sign is one multiplication of the first coordinate. Every choice of the 252 booleans is
//! some multiple of `G`, which is all that a caller may rely on.

use std::sync::OnceLock;

use ark_ec::{AffineRepr, CurveGroup};
use ark_ed_on_bn254::{EdwardsAffine, EdwardsProjective, Fr as Scalar};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, PrimeField};
use tacit_protocol::F;

use super::Point;
use crate::bits::Bit;
use crate::r1cs::{Cs, Num};

/// Windows of four bits; `16^63 = 2^252` exceeds `2·l`.
const WINDOWS: usize = 63;

/// `scalar · G` for a scalar known to the prover; 14 constraints per window less the first addition.
///
/// # Panics
/// Never: there are 63 windows.
#[must_use]
pub fn mul_generator(cs: &mut Cs, scalar: &Scalar) -> Point {
    let digits = digits(scalar);
    let mut windows = Window::table().iter().zip(digits);
    let (window, digit) = windows.next().expect("63 windows");
    let first = window.lookup(cs, digit);
    windows.fold(first, |sum, (window, digit)| {
        let term = window.lookup(cs, digit);
        sum.add(cs, &term)
    })
}

/// A digit `±(2·magnitude + 1)`.
#[derive(Clone, Copy, Debug)]
struct Digit {
    positive: bool,
    magnitude: u8,
}

/// The odd digits whose sum `Σ 16^i·digit_i` is congruent to `scalar`.
///
/// With `digit_i = 2·w_i − 15` the sum is `2·w − (16^63 − 1)`, so `w = (s' − 1)/2 + 2^251` for the odd
/// representative `s'` of the scalar.
fn digits(scalar: &Scalar) -> [Digit; WINDOWS] {
    let mut w = scalar.into_bigint();
    if w.is_even() {
        w.add_with_carry(&Scalar::MODULUS);
    }
    w.div2();
    w.add_with_carry(&(BigInt::from(1u64) << 251));
    std::array::from_fn(|i| {
        let nibble = (0..4u8).fold(0, |n, j| n | u8::from(w.get_bit(4 * i + usize::from(j))) << j);
        let positive = nibble >= 8;
        Digit {
            positive,
            magnitude: if positive { nibble - 8 } else { 7 - nibble },
        }
    })
}

/// One window: eight odd multiples of `16^i·G`, as polynomials in three bits.
///
/// Entry `j` belongs to the digit `2·j + 1`. A coordinate is `Σ c_S·Π_{k∈S} b_k` over the subsets
/// `S` of the three bits, in binary order.
struct Window {
    x: [F; 8],
    y: [F; 8],
}

impl Window {
    /// All windows, computed once.
    fn table() -> &'static [Self] {
        static TABLE: OnceLock<Vec<Window>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut base = EdwardsAffine::generator().into_group();
            (0..WINDOWS)
                .map(|_| {
                    let twice = base.double();
                    let odd: Vec<_> = std::iter::successors(Some(base), |p| Some(*p + twice))
                        .take(8)
                        .collect();
                    base = twice.double().double().double();
                    Self::new(&EdwardsProjective::normalize_batch(&odd))
                })
                .collect()
        })
    }

    fn new(points: &[EdwardsAffine]) -> Self {
        Self {
            x: multilinear(std::array::from_fn(|j| points[j].x)),
            y: multilinear(std::array::from_fn(|j| points[j].y)),
        }
    }

    /// The point of a digit: three booleans of the magnitude, one of the sign; 8 constraints.
    fn lookup(&self, cs: &mut Cs, digit: Digit) -> Point {
        let [b0, b1, b2] = std::array::from_fn(|k| Bit::alloc(cs, digit.magnitude >> k & 1 == 1));
        let positive = Bit::alloc(cs, digit.positive);
        let both = b0.and(cs, &b1);
        let monomials = [&Num::one(), b0.num(), b1.num(), both.num()];
        let [x, y] = [&self.x, &self.y].map(|c| {
            let base = Num::linear(F::ZERO, c[..4].iter().copied().zip(monomials));
            let step = Num::linear(F::ZERO, c[4..].iter().copied().zip(monomials));
            &base + &cs.mul(b2.num(), &step)
        });
        let sign = positive.num().scale(F::from(2u64)).add_constant(-F::ONE);
        Point {
            x: cs.mul(&sign, &x),
            y,
        }
    }
}

/// Coefficients of the multilinear polynomial through eight values.
fn multilinear(mut values: [F; 8]) -> [F; 8] {
    for k in [1, 2, 4] {
        for i in 0..8 {
            if i & k != 0 {
                values[i] -= values[i ^ k];
            }
        }
    }
    values
}
