//! Booleans, ranges, comparisons and the low bits of a field element.
//!
//! [`low`] is the delicate one. 254 booleans that recompose to `x` have two solutions for small
//! `x`: the bits of `x` and those of `x + r`. It therefore also proves that the top 94 bits, as an
//! integer, are below `⌊r / 2^160⌋`, hence the whole below `r`. That is always sound. It is
//! complete except for the elements in the last partial block below `r`; a hash output falls there
//! with probability below 2^-90. Specification: `docs/spec/bits.md`.

use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use tacit_protocol::F;
use tacit_protocol::field::FIELD_BITS;

use crate::r1cs::{Cs, Num};

/// Lowest bit that the canonicity check of [`low`] looks at.
const CANONICITY_BIT: usize = 160;

/// A number that is 0 or 1: by its constraint, or because it follows from others that are.
#[derive(Clone, Debug)]
pub struct Bit(Num);

impl Bit {
    /// Allocates a boolean; one constraint, `b · b = b`.
    pub fn alloc(cs: &mut Cs, value: bool) -> Self {
        Self::alloc_number(cs, F::from(value))
    }

    /// As [`Bit::alloc`] for a number that may break the constraint.
    fn alloc_number(cs: &mut Cs, value: F) -> Self {
        let bit = cs.alloc(value);
        cs.enforce(&bit, &bit, &bit);
        Self(bit)
    }

    /// A constant.
    #[must_use]
    pub fn constant(value: bool) -> Self {
        Self(Num::constant(F::from(value)))
    }

    /// The number.
    #[must_use]
    pub fn num(&self) -> &Num {
        &self.0
    }

    /// The assigned value.
    #[must_use]
    pub fn value(&self) -> bool {
        self.0.value() == F::ONE
    }

    /// The negation; free.
    #[must_use]
    pub fn not(&self) -> Self {
        Self((-&self.0).add_constant(F::ONE))
    }

    /// Both; one constraint.
    #[must_use]
    pub fn and(&self, cs: &mut Cs, other: &Self) -> Self {
        Self(cs.mul(&self.0, &other.0))
    }

    /// Either; one constraint.
    #[must_use]
    pub fn or(&self, cs: &mut Cs, other: &Self) -> Self {
        let both = cs.mul(&self.0, &other.0);
        Self(&(&self.0 + &other.0) - &both)
    }

    /// Exactly one; one constraint.
    #[must_use]
    pub fn xor(&self, cs: &mut Cs, other: &Self) -> Self {
        let both = cs.mul(&self.0, &other.0);
        Self(&(&self.0 + &other.0) - &both.scale(F::from(2u64)))
    }

    /// `if self { yes } else { no }`; one constraint.
    #[must_use]
    pub fn select(&self, cs: &mut Cs, yes: &Num, no: &Num) -> Num {
        let step = cs.mul(&self.0, &(yes - no));
        no + &step
    }
}

/// The `n` low bits of a value, lowest first.
fn value_bits(x: F, n: usize) -> impl Iterator<Item = bool> {
    let bits = x.into_bigint();
    (0..n).map(move |i| bits.get_bit(i))
}

/// The number that bits write, lowest first; free.
#[must_use]
pub fn pack(bits: &[Bit]) -> Num {
    let powers = std::iter::successors(Some(F::ONE), |p| Some(p.double()));
    Num::linear(F::ZERO, powers.zip(bits.iter().map(Bit::num)))
}

/// The bits of a value below `2^n`, `1 ≤ n ≤ 253`, not tied to anything yet; `n` constraints.
///
/// They always recompose to the value: what does not fit stays in the top bit, which is then no
/// boolean, so that of all constraints the range check is the one that fails.
///
/// # Panics
/// If `n` is 0: a caller's constant.
pub fn alloc_bits(cs: &mut Cs, value: F, n: usize) -> Vec<Bit> {
    let mut bits: Vec<Bit> = value_bits(value, n - 1).map(|bit| Bit::alloc(cs, bit)).collect();
    let excess = value.into_bigint() >> u32::try_from(n - 1).expect("at most 253 bits");
    let top = F::from_bigint(excess).expect("not above the value");
    bits.push(Bit::alloc_number(cs, top));
    bits
}

/// Allocates a number below `2^n` (`n` ≤ 253) as its bits; `n` constraints.
pub fn alloc_ranged(cs: &mut Cs, value: F, n: usize) -> Num {
    pack(&alloc_bits(cs, value, n))
}

/// The bits of `x`, which must be below `2^n`, `n` ≤ 253; `n + 1` constraints.
pub fn range_bits(cs: &mut Cs, x: &Num, n: usize) -> Vec<Bit> {
    debug_assert!(n < FIELD_BITS, "a range check must not wrap around the modulus");
    let bits = alloc_bits(cs, x.value(), n);
    cs.enforce_equal(&pack(&bits), x);
    bits
}

/// Enforces `a < b` for `a, b < 2^n`, `n` ≤ 252; `n + 1` constraints.
///
/// `b − a − 1` must lie in `[0, 2^n)`. The caller owes the ranges of `a` and `b`.
pub fn assert_less_than(cs: &mut Cs, a: &Num, b: &Num, n: usize) {
    range_bits(cs, &(b - a).add_constant(-F::ONE), n);
}

/// Whether `a < b` for `a, b < 2^n`, `n` ≤ 252; `n + 2` constraints.
///
/// The bit `n` of `2^n + a − b` is set iff `a ≥ b`. The caller owes the ranges of `a` and `b`.
pub fn is_less_than(cs: &mut Cs, a: &Num, b: &Num, n: usize) -> Bit {
    let shifted = (a - b).add_constant(tacit_protocol::field::pow2(n));
    let bits = range_bits(cs, &shifted, n + 1);
    bits[n].not()
}

/// Enforces `x ≠ 0` by its inverse; one constraint.
pub fn assert_nonzero(cs: &mut Cs, x: &Num) {
    let inverse = cs.alloc(x.value().inverse().unwrap_or(F::ZERO));
    cs.enforce(x, &inverse, &Num::one());
}

/// Enforces `flag ⇒ x = 0`; one constraint.
pub fn assert_zero_if(cs: &mut Cs, flag: &Bit, x: &Num) {
    cs.enforce(flag.num(), x, &Num::zero());
}

/// The low `n` bits of the canonical representative of `x`, as a number and as bits.
///
/// Fails for the elements that the module documentation names; see there for why that is sound.
pub fn low(cs: &mut Cs, x: &Num, n: usize) -> (Num, Vec<Bit>) {
    let bits: Vec<Bit> = value_bits(x.value(), n).map(|bit| Bit::alloc(cs, bit)).collect();
    bind_low(cs, x, &bits);
    (pack(&bits), bits)
}

/// Enforces that `low_bits` are the low bits of the canonical representative of `x`.
///
/// The remaining bits are allocated here, up to the 254 of the field; `low_bits` end below the bits
/// that the canonicity check looks at.
///
/// # Panics
/// If there are more than 160 low bits: a caller's constant.
pub fn bind_low(cs: &mut Cs, x: &Num, low_bits: &[Bit]) {
    assert!(
        low_bits.len() <= CANONICITY_BIT,
        "the canonicity check owns the top bits"
    );
    let values: Vec<bool> = value_bits(x.value(), FIELD_BITS).collect();
    let mut bits = low_bits.to_vec();
    bits.extend(
        values[bits.len()..CANONICITY_BIT]
            .iter()
            .map(|&bit| Bit::alloc(cs, bit)),
    );
    bits.extend(canonical_top(cs, &values[CANONICITY_BIT..]));
    cs.enforce_equal(&pack(&bits), x);
}

/// Booleans of the top bits, proven to write an integer of at most `⌊r / 2^160⌋ − 1`.
///
/// From the top, `equal` says whether all bits so far at ones of the bound are one, that is, whether
/// the integer still follows the bound. At a one of the bound, `equal` is multiplied by the bit. At
/// a zero, `(1 − equal − b) · b = 0` makes `b` zero while following and a mere boolean afterwards,
/// so that the comparison costs nothing there.
fn canonical_top(cs: &mut Cs, values: &[bool]) -> Vec<Bit> {
    let mut bound = F::MODULUS >> u32::try_from(CANONICITY_BIT).expect("a small constant");
    bound.sub_with_borrow(&1u64.into());
    let mut equal: Option<Bit> = None;
    let mut bits = Vec::with_capacity(values.len());
    for i in (0..values.len()).rev() {
        let bit = match &equal {
            Some(equal) if !bound.get_bit(i) => {
                let bit = cs.alloc(F::from(values[i]));
                let either = (-&(equal.num() + &bit)).add_constant(F::ONE);
                cs.enforce(&either, &bit, &Num::zero());
                Bit(bit)
            }
            Some(_) | None => Bit::alloc(cs, values[i]),
        };
        if bound.get_bit(i) {
            // Below the last zero of the bound nothing reads `equal` any more.
            let read_later = (0..i).any(|j| !bound.get_bit(j));
            equal = match equal {
                Some(so_far) if read_later => Some(so_far.and(cs, &bit)),
                Some(so_far) => Some(so_far),
                None => Some(bit.clone()),
            };
        }
        bits.push(bit);
    }
    bits.reverse();
    bits
}

#[cfg(test)]
pub(crate) mod tests;
