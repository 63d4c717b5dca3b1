//! Baby Jubjub points as constraints.
//!
//! The curve is `x² + y² = 1 + d·x²·y²` (a = 1 in arkworks' form). One is a square and `d` is not,
//! so the addition law is complete: it has no exceptional inputs on the curve, identity and points
//! of small order included, and no gadget here has a side condition beyond "on the curve".
//!
//! | gadget | constraints |
//! |---|---|
//! | [`Point::alloc`], on the curve | 3 |
//! | [`Point::add`] | 6 |
//! | [`Point::double`] | 5 |
//! | [`Point::mul_by_cofactor`] | 15 |
//! | [`mul_generator`](fixed::mul_generator), any scalar | 876 |
//! | [`Point::mul_halved`], 128-bit scalar | 1,292, booleans of the scalar not counted |
//!
//! Specification: `docs/spec/curve.md`.

use ark_ec::twisted_edwards::TECurveConfig;
use ark_ed_on_bn254::{EdwardsAffine, EdwardsConfig};
use ark_ff::{AdditiveGroup, Field};
use tacit_protocol::F;

use crate::bits::Bit;
use crate::r1cs::{Cs, Num};

pub mod fixed;

/// A point proven to lie on the curve, by its own equation or as the result of an addition.
#[derive(Clone, Debug)]
pub struct Point {
    x: Num,
    y: Num,
}

impl Point {
    /// Allocates a point and enforces the curve equation; 3 constraints.
    pub fn alloc(cs: &mut Cs, point: &EdwardsAffine) -> Self {
        let (x, y) = (cs.alloc(point.x), cs.alloc(point.y));
        let (xx, yy) = (cs.mul(&x, &x), cs.mul(&y, &y));
        let right = &(&xx + &yy).add_constant(-F::ONE);
        cs.enforce(&xx.scale(EdwardsConfig::COEFF_D), &yy, right);
        Self { x, y }
    }

    /// A constant point, on the curve by construction.
    #[must_use]
    pub fn constant(point: &EdwardsAffine) -> Self {
        Self {
            x: Num::constant(point.x),
            y: Num::constant(point.y),
        }
    }

    /// The first coordinate.
    #[must_use]
    pub fn x(&self) -> &Num {
        &self.x
    }

    /// The second coordinate.
    #[must_use]
    pub fn y(&self) -> &Num {
        &self.y
    }

    /// The assigned point.
    pub fn value(&self) -> EdwardsAffine {
        EdwardsAffine::new_unchecked(self.x.value(), self.y.value())
    }

    /// `−self`; free.
    #[must_use]
    pub fn negate(&self) -> Self {
        Self {
            x: -&self.x,
            y: self.y.clone(),
        }
    }

    /// `self + other`; 6 constraints, complete.
    ///
    /// With `A = x1·y2`, `B = y1·x2` and `C = A·B`: `x3·(1 + d·C) = A + B` and
    /// `y3·(1 − d·C) = y1·y2 − x1·x2`, the right side being `(x1 + y1)·(y2 − x2) − A + B`.
    #[must_use]
    pub fn add(&self, cs: &mut Cs, other: &Self) -> Self {
        let a = cs.mul(&self.x, &other.y);
        let b = cs.mul(&self.y, &other.x);
        let cross = cs.mul(&(&self.x + &self.y), &(&other.y - &other.x));
        let c = cs.mul(&a, &b).scale(EdwardsConfig::COEFF_D);
        let x = Fraction {
            top: &a + &b,
            bottom: c.add_constant(F::ONE),
        };
        let y = Fraction {
            top: &(&cross - &a) + &b,
            bottom: (-&c).add_constant(F::ONE),
        };
        Self::from_fractions(cs, &x, &y)
    }

    /// `2·self`; 5 constraints, complete.
    ///
    /// On the curve `1 + d·x²·y²` is `x² + y²`, hence `x3·(x² + y²) = 2·x·y` and
    /// `y3·(2 − x² − y²) = y² − x²`.
    #[must_use]
    pub fn double(&self, cs: &mut Cs) -> Self {
        let twice_product = cs.mul(&self.x, &self.y).scale(F::from(2u64));
        let sum = &self.x + &self.y;
        let squares = &cs.mul(&sum, &sum) - &twice_product;
        let difference = cs.mul(&(&self.y - &self.x), &sum);
        let y_bottom = (-&squares).add_constant(F::from(2u64));
        let x = Fraction {
            top: twice_product,
            bottom: squares,
        };
        let y = Fraction {
            top: difference,
            bottom: y_bottom,
        };
        Self::from_fractions(cs, &x, &y)
    }

    /// Allocates the point of two quotients, sharing one inversion; 2 constraints.
    ///
    /// The completeness of the law keeps the denominators from vanishing on the curve.
    fn from_fractions(cs: &mut Cs, x: &Fraction, y: &Fraction) -> Self {
        let (p, q) = (x.bottom.value(), y.bottom.value());
        let inverse = (p * q).inverse().unwrap_or(F::ZERO);
        let x3 = cs.alloc(x.top.value() * inverse * q);
        cs.enforce(&x3, &x.bottom, &x.top);
        let y3 = cs.alloc(y.top.value() * inverse * p);
        cs.enforce(&y3, &y.bottom, &y.top);
        Self { x: x3, y: y3 }
    }

    /// `4·self` and `8·self`, which lies in the prime-order subgroup; 15 constraints.
    #[must_use]
    pub fn mul_by_cofactor(&self, cs: &mut Cs) -> (Self, Self) {
        let four = self.double(cs).double(cs);
        let eight = four.double(cs);
        (four, eight)
    }

    /// `scalar · whole`, where `whole = 2·self` and the scalar is `bits`, an even number of them,
    /// lowest first; 20 constraints per two bits and 12 more.
    ///
    /// Two bits `b0, b1` stand for the odd digit `2·(b0 + 2·b1) − 3 ∈ {−3, −1, 1, 3}`, so no table
    /// entry is the identity and `Σ 4^i·digit_i = 2·scalar − (4^n − 1)`. Horner's rule starts from
    /// `self`, which adds `4^n·self`, and ends at `(2·scalar + 1)·self`; one `self` is taken off.
    ///
    /// # Panics
    /// If the number of bits is odd: a caller's constant.
    #[must_use]
    pub fn mul_halved(&self, cs: &mut Cs, whole: &Self, bits: &[Bit]) -> Self {
        let (windows, rest) = bits.as_chunks::<2>();
        assert!(rest.is_empty(), "an even number of bits");
        let three = whole.add(cs, self);
        let scaled = windows.iter().rev().fold(self.clone(), |sum, window| {
            let digit = self.odd_digit(cs, &three, window);
            sum.double(cs).double(cs).add(cs, &digit)
        });
        scaled.add(cs, &self.negate())
    }

    /// `(2·b0 + 4·b1 − 3) · self`, given `three = 3·self`; 4 constraints.
    ///
    /// The first coordinate is odd in the digit: `−x3 + b0·(x3 − x1) + b1·(x3 + x1)` takes the values
    /// `−x3, −x1, x1, x3`. The second is even: `y1` where the bits differ, else `y3`.
    fn odd_digit(&self, cs: &mut Cs, three: &Self, [b0, b1]: &[Bit; 2]) -> Self {
        let low = cs.mul(b0.num(), &(&three.x - &self.x));
        let high = cs.mul(b1.num(), &(&three.x + &self.x));
        let differ = b0.xor(cs, b1);
        let y = differ.select(cs, &self.y, &three.y);
        Self {
            x: &(&low + &high) - &three.x,
            y,
        }
    }
}

/// A quotient to be allocated.
struct Fraction {
    top: Num,
    bottom: Num,
}

#[cfg(test)]
mod tests;
