//! The extension field `F[u]/(u² + 1)` over any lanes: the coordinates of G2.

use super::portable::Word;
use super::{Base, Element, Lanes, MOST_LANES};

/// `c0 + c1·u` in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(in super::super) struct Pair<E> {
    /// The rational part.
    pub(in super::super) c0: E,
    /// The coefficient of u.
    pub(in super::super) c1: E,
}

impl Element for Pair<Word<Base>> {
    const ZERO: Self = Self {
        c0: Word::ZERO,
        c1: Word::ZERO,
    };
    const ONE: Self = Self {
        c0: Word::ONE,
        c1: Word::ZERO,
    };

    #[inline(always)]
    fn is_blank(&self) -> bool {
        self.c0.is_blank() && self.c1.is_blank()
    }

    #[inline(always)]
    fn negated(&self) -> Self {
        Self {
            c0: self.c0.negated(),
            c1: self.c1.negated(),
        }
    }

    #[inline(always)]
    fn negated_if(&self, negate: bool) -> Self {
        Self {
            c0: self.c0.negated_if(negate),
            c1: self.c1.negated_if(negate),
        }
    }

    fn reduced(&self) -> Self {
        Self {
            c0: self.c0.reduced(),
            c1: self.c1.reduced(),
        }
    }
}

/// `N` elements of the extension side by side.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Quadratic<L> {
    c0: L,
    c1: L,
}

impl<L: Lanes<Element = Word<Base>>> Lanes for Quadratic<L> {
    type Element = Pair<Word<Base>>;
    type Single = Quadratic<L::Single>;
    const N: usize = L::N;

    #[inline(always)]
    fn gather<'a>(at: impl Fn(usize) -> &'a Self::Element) -> Self {
        Self {
            c0: L::gather(|i| &at(i).c0),
            c1: L::gather(|i| &at(i).c1),
        }
    }

    #[inline(always)]
    fn scatter(self, mut to: impl FnMut(usize, Self::Element)) {
        let mut c0 = [Word::ZERO; MOST_LANES];
        self.c0.scatter(|i, c| c0[i] = c);
        self.c1.scatter(|i, c1| to(i, Pair { c0: c0[i], c1 }));
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self {
            c0: self.c0.add(other.c0),
            c1: self.c1.add(other.c1),
        }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self {
            c0: self.c0.sub(other.c0),
            c1: self.c1.sub(other.c1),
        }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let [c0, c1] = L::mul_extension([self.c0, self.c1], [other.c0, other.c1]);
        Self { c0, c1 }
    }

    #[inline(always)]
    fn square(self) -> Self {
        let [c0, c1] = L::square_extension([self.c0, self.c1]);
        Self { c0, c1 }
    }

    #[inline(always)]
    fn tidied(self) -> Self {
        Self {
            c0: self.c0.tidied(),
            c1: self.c1.tidied(),
        }
    }

    #[inline(always)]
    fn scaled(self) -> Self {
        Self {
            c0: self.c0.scaled(),
            c1: self.c1.scaled(),
        }
    }

    #[inline(always)]
    fn zeros(self) -> u32 {
        self.c0.zeros() & self.c1.zeros()
    }

    /// The conjugate over the norm `c0² + c1²`.
    #[inline(always)]
    fn inverse(self) -> Self {
        let norm = self.c0.square().add(self.c1.square()).inverse();
        let zero = L::splat(Word::ZERO);
        Self {
            c0: self.c0.mul(norm),
            c1: zero.sub(self.c1.mul(norm)),
        }
    }
}
