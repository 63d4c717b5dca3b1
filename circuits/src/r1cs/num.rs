//! Values with the linear combination that computes them.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

use ark_ff::{AdditiveGroup, Field, Zero};
use tacit_protocol::F;

/// Index of a variable: 0 is the constant one, then the public inputs, then the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Var(pub(super) u32);

impl Var {
    /// The constant one.
    pub const ONE: Self = Self(0);

    /// Position in `(1, public, witness)`.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A linear combination: terms in ascending order of variables, no zero coefficients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lc(Vec<(Var, F)>);

impl Lc {
    pub(super) fn variable(var: Var) -> Self {
        Self(vec![(var, F::ONE)])
    }

    fn constant(c: F) -> Self {
        if c.is_zero() {
            Self::default()
        } else {
            Self(vec![(Var::ONE, c)])
        }
    }

    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &[(Var, F)] {
        &self.0
    }

    /// `self + k·other`, merging two sorted lists.
    fn add_scaled(&self, other: &Self, k: F) -> Self {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut out = Vec::with_capacity(self.0.len() + other.0.len());
        loop {
            match (a.peek(), b.peek()) {
                (Some(&&(x, cx)), Some(&&(y, cy))) if x == y => {
                    let c = cx + cy * k;
                    if !c.is_zero() {
                        out.push((x, c));
                    }
                    a.next();
                    b.next();
                }
                (Some(&&(x, cx)), Some(&&(y, _))) if x < y => {
                    out.push((x, cx));
                    a.next();
                }
                (Some(&&(x, cx)), None) => {
                    out.push((x, cx));
                    a.next();
                }
                (_, Some(&&(y, cy))) => {
                    out.push((y, cy * k));
                    b.next();
                }
                (None, None) => return Self(out),
            }
        }
    }

    /// Sorts terms by variable and merges those of one variable.
    fn collect(mut terms: Vec<(Var, F)>) -> Self {
        terms.sort_by_key(|(var, _)| *var);
        terms.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        terms.retain(|(_, c)| !c.is_zero());
        Self(terms)
    }

    fn scaled(&self, k: F) -> Self {
        if k.is_zero() {
            Self::default()
        } else {
            Self(self.0.iter().map(|(v, c)| (*v, *c * k)).collect())
        }
    }
}

/// A value in a statement: its assignment and, while recording, its linear combination.
#[derive(Clone, Debug)]
pub struct Num {
    value: F,
    lc: Option<Lc>,
}

impl Num {
    pub(super) fn new(value: F, lc: Option<Lc>) -> Self {
        Self { value, lc }
    }

    /// A constant.
    #[must_use]
    pub fn constant(c: F) -> Self {
        Self {
            value: c,
            lc: Some(Lc::constant(c)),
        }
    }

    /// The constant zero.
    #[must_use]
    pub fn zero() -> Self {
        Self {
            value: F::ZERO,
            lc: Some(Lc::default()),
        }
    }

    /// The constant one.
    #[must_use]
    pub fn one() -> Self {
        Self::constant(F::ONE)
    }

    /// The assigned value.
    #[must_use]
    pub fn value(&self) -> F {
        self.value
    }

    /// The linear combination; `None` while only values are recorded.
    #[must_use]
    pub fn lc(&self) -> Option<&Lc> {
        self.lc.as_ref()
    }

    /// `self · k` for a constant `k`.
    #[must_use]
    pub fn scale(&self, k: F) -> Self {
        Self {
            value: self.value * k,
            lc: self.lc.as_ref().map(|lc| lc.scaled(k)),
        }
    }

    /// `self + k·other` for a constant `k`.
    #[must_use]
    pub fn add_scaled(&self, other: &Self, k: F) -> Self {
        let lc = match (&self.lc, &other.lc) {
            (Some(a), Some(b)) => Some(a.add_scaled(b, k)),
            (None, _) | (_, None) => None,
        };
        Self {
            value: self.value + other.value * k,
            lc,
        }
    }

    /// `self + c` for a constant `c`.
    #[must_use]
    pub fn add_constant(&self, c: F) -> Self {
        Self {
            value: self.value + c,
            lc: self.lc.as_ref().map(|lc| lc.add_scaled(&Lc::constant(F::ONE), c)),
        }
    }

    /// The linear combination `constant + Σ k·x` of many, built in one pass.
    #[must_use]
    pub fn linear<'a>(constant: F, terms: impl IntoIterator<Item = (F, &'a Self)>) -> Self {
        let mut value = constant;
        let mut lc = Some(Lc::constant(constant).0);
        for (k, x) in terms {
            value += k * x.value;
            match (&mut lc, &x.lc) {
                (Some(all), Some(more)) => all.extend(more.0.iter().map(|(var, c)| (*var, *c * k))),
                (Some(_), None) => lc = None,
                (None, _) => {}
            }
        }
        Self {
            value,
            lc: lc.map(Lc::collect),
        }
    }

    /// The sum of many.
    #[must_use]
    pub fn sum<'a>(nums: impl IntoIterator<Item = &'a Self>) -> Self {
        nums.into_iter().fold(Self::zero(), |acc, x| &acc + x)
    }
}

impl Add for &Num {
    type Output = Num;
    fn add(self, other: Self) -> Num {
        self.add_scaled(other, F::ONE)
    }
}

impl Sub for &Num {
    type Output = Num;
    fn sub(self, other: Self) -> Num {
        self.add_scaled(other, -F::ONE)
    }
}

impl Mul<F> for &Num {
    type Output = Num;
    fn mul(self, k: F) -> Num {
        self.scale(k)
    }
}

impl Neg for &Num {
    type Output = Num;
    fn neg(self) -> Num {
        self.scale(-F::ONE)
    }
}

impl AddAssign<&Self> for Num {
    fn add_assign(&mut self, other: &Self) {
        *self = &*self + other;
    }
}
