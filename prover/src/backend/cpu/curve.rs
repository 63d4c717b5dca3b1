//! Affine points, added many at a time.
//!
//! An affine addition needs the inverse of a difference. Montgomery's trick shares one inversion among
//! a whole batch, which leaves 5 products and 1 square per addition, against 8 and 2 (and a larger
//! result) for a mixed addition in extended Jacobian coordinates.
//!
//! The curves are `y² = x³ + b` of odd order with `b ≠ 0`: no point has `y = 0`, and the blank point
//! (0, 0) is on neither, so it stands for the identity.

use ark_bn254::{Fq, Fq2, g1, g2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, Field};
use tacit_protocol::F;

use super::engine::{Engine, Kernel};
use super::field::portable::Word;
use super::field::quadratic::{Pair, Quadratic};
use super::field::{Base, Element, Lanes, Limbs, MOST_LANES};

/// A point: its coordinates, or two blank elements for the identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Point<E> {
    /// The first coordinate.
    pub(super) x: E,
    /// The second coordinate.
    pub(super) y: E,
}

impl<E: Element> Point<E> {
    /// The identity.
    pub(super) const IDENTITY: Self = Self {
        x: E::ZERO,
        y: E::ZERO,
    };

    /// Whether this is the identity.
    #[inline(always)]
    pub(super) fn is_identity(&self) -> bool {
        self.x.is_blank() && self.y.is_blank()
    }

    /// The inverse of the point, if `negate`.
    #[inline(always)]
    pub(super) fn negated_if(&self, negate: bool) -> Self {
        Self {
            x: self.x,
            y: self.y.negated_if(negate),
        }
    }
}

/// Bytes that a cache fetches at once.
const CACHE_LINE: usize = 64;

#[inline(always)]
#[allow(unsafe_code, reason = "the instruction has no safe name")]
fn prefetch(line: &[Limbs]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; it neither reads nor writes as far as the program can tell, and never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// A group of arkworks and its points here.
pub(super) trait Group: SWCurveConfig<ScalarField = F, BaseField: Field<BasePrimeField = Fq>> {
    /// A coordinate of its points.
    type Element: Element;
    /// The lanes that add its points, over lanes of the base field.
    type Lanes<B: Lanes<Element = Word<Base>>>: Lanes<Element = Self::Element>;

    /// Point `i` of a table of raw coordinates, none of which is the identity.
    fn point(table: &[Limbs], i: usize) -> Point<Self::Element>;

    /// Has point `i` of a table on its way into the cache.
    #[inline(always)]
    fn prefetch(table: &[Limbs], i: usize) {
        let words = size_of::<Point<Self::Element>>() / size_of::<Limbs>();
        for line in table[i * words..(i + 1) * words].chunks(CACHE_LINE / size_of::<Limbs>()) {
            prefetch(line);
        }
    }

    /// A point for arkworks.
    fn affine(p: &Point<Self::Element>) -> Affine<Self>;
}

fn fq(x: &Word<Base>) -> Fq {
    Fq::new_unchecked(BigInt::new(x.reduced().0))
}

impl Group for g1::Config {
    type Element = Word<Base>;
    type Lanes<B: Lanes<Element = Word<Base>>> = B;

    #[inline(always)]
    fn point(table: &[Limbs], i: usize) -> Point<Word<Base>> {
        let [x, y] = [table[2 * i], table[2 * i + 1]].map(Word::new);
        Point { x, y }
    }

    fn affine(p: &Point<Word<Base>>) -> Affine<Self> {
        if p.is_identity() {
            return Affine::identity();
        }
        Affine::new_unchecked(fq(&p.x), fq(&p.y))
    }
}

impl Group for g2::Config {
    type Element = Pair<Word<Base>>;
    type Lanes<B: Lanes<Element = Word<Base>>> = Quadratic<B>;

    #[inline(always)]
    fn point(table: &[Limbs], i: usize) -> Point<Pair<Word<Base>>> {
        let pair = |at: usize| Pair {
            c0: Word::new(table[at]),
            c1: Word::new(table[at + 1]),
        };
        Point {
            x: pair(4 * i),
            y: pair(4 * i + 2),
        }
    }

    fn affine(p: &Point<Pair<Word<Base>>>) -> Affine<Self> {
        if p.is_identity() {
            return Affine::identity();
        }
        let fq2 = |x: &Pair<Word<Base>>| Fq2::new(fq(&x.c0), fq(&x.c1));
        Affine::new_unchecked(fq2(&p.x), fq2(&p.y))
    }
}

/// One addition of a batch: `output[to] = input[a] + input[b]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addition {
    /// Index of the first summand.
    pub(super) a: u32,
    /// Index of the second.
    pub(super) b: u32,
    /// Index of the sum.
    pub(super) to: u32,
}

/// Lanes of coordinates of a group's points on an engine.
type LanesOf<E, G> = <G as Group>::Lanes<<E as Engine>::Base>;

/// Adds in batches; keeps its memory between them.
pub(super) struct Adder<E: Engine, G: Group> {
    /// Per step of `N` additions: the product of all denominators before it, and its own.
    steps: Vec<(LanesOf<E, G>, LanesOf<E, G>)>,
    /// Steps in which a lane is not a sum of two different points with different `x`.
    exceptions: Vec<u32>,
}

impl<E: Engine, G: Group> Adder<E, G> {
    /// An adder with room for batches of `capacity` additions.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            steps: Vec::with_capacity(capacity.div_ceil(LanesOf::<E, G>::N)),
            exceptions: Vec::new(),
        }
    }

    /// Does all additions. Any point may be the identity, equal to its partner or its inverse. Fills the
    /// last step up: its last addition is done more than once.
    ///
    /// # Panics
    /// If an index is out of range.
    pub(super) fn add(
        &mut self,
        additions: &mut Vec<Addition>,
        input: &[Point<G::Element>],
        output: &mut [Point<G::Element>],
    ) {
        if let Some(&last) = additions.last() {
            additions.resize(additions.len().next_multiple_of(LanesOf::<E, G>::N), last);
            E::enter(Batch {
                steps: &mut self.steps,
                exceptions: &mut self.exceptions,
                additions,
                input,
                output,
            });
        }
    }
}

/// The additions of one batch.
struct Batch<'a, L: Lanes> {
    steps: &'a mut Vec<(L, L)>,
    exceptions: &'a mut Vec<u32>,
    /// Whole steps.
    additions: &'a [Addition],
    input: &'a [Point<L::Element>],
    output: &'a mut [Point<L::Element>],
}

/// What is added in one step.
struct Operands<'a, E> {
    a: [&'a Point<E>; MOST_LANES],
    b: [&'a Point<E>; MOST_LANES],
}

impl<'a, E> Operands<'a, E> {
    #[inline(always)]
    fn of<L: Lanes<Element = E>>(group: &[Addition], input: &'a [Point<E>]) -> Self {
        let first = &input[group[0].a as usize];
        let mut operands = Self {
            a: [first; MOST_LANES],
            b: [first; MOST_LANES],
        };
        for i in 0..L::N {
            operands.a[i] = &input[group[i].a as usize];
            operands.b[i] = &input[group[i].b as usize];
        }
        operands
    }
}

impl<L: Lanes> Kernel for Batch<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        let total = self.denominators();
        let mut inverse = total.inverse();
        for (step, group) in self.additions.chunks_exact(L::N).enumerate().rev() {
            let Operands { a, b } = Operands::of::<L>(group, self.input);
            let (before, denominator) = self.steps[step];
            let own = inverse.mul(before);
            inverse = inverse.mul(denominator);

            let (ax, ay) = (L::gather(|i| &a[i].x), L::gather(|i| &a[i].y));
            let (bx, by) = (L::gather(|i| &b[i].x), L::gather(|i| &b[i].y));
            let slope = by.sub(ay).mul(own);
            let x = slope.square().scaled().sub(ax).sub(bx).tidied();
            let y = slope.mul(ax.sub(x)).sub(ay).tidied();
            let output = &mut *self.output;
            x.scatter(|i, x| {
                output[group[i].to as usize].x = x;
            });
            y.scatter(|i, y| {
                output[group[i].to as usize].y = y;
            });
            if self.exceptions.last().is_some_and(|&last| last as usize == step) {
                self.exceptions.pop();
                // As a product of no gathered elements but an inverse of one, it is scaled twice.
                own.scaled().tidied().scaled().tidied().scatter(|i, own| {
                    if let Some(sum) = exceptional::<L::Single>(a[i], b[i], own) {
                        output[group[i].to as usize] = sum;
                    }
                });
            }
        }
    }
}

impl<L: Lanes> Batch<'_, L> {
    /// The running products of the denominators; returns the product of all.
    #[inline(always)]
    fn denominators(&mut self) -> L {
        self.steps.clear();
        self.exceptions.clear();
        let mut product = L::one();
        for (step, group) in self.additions.chunks_exact(L::N).enumerate() {
            let Operands { a, b } = Operands::of::<L>(group, self.input);
            let (ax, bx) = (L::gather(|i| &a[i].x), L::gather(|i| &b[i].x));
            let mut denominator = bx.sub(ax);
            // The identity has x = 0; whether a point with x = 0 is the identity is seen to later.
            if ax.zeros() | bx.zeros() | denominator.zeros() != 0 {
                self.exceptions
                    .push(u32::try_from(step).expect("fewer than 2^32 steps"));
                let mut elements = [L::Element::ZERO; MOST_LANES];
                for i in 0..L::N {
                    elements[i] = exceptional_denominator::<L::Single>(a[i], b[i]);
                }
                denominator = L::gather(|i| &elements[i]);
            }
            self.steps.push((product, denominator));
            product = product.mul(denominator);
        }
        product
    }
}

/// The kinds of addition that the formula of two different points does not cover.
enum Exception {
    /// The first is the identity.
    First,
    /// The second is the identity.
    Second,
    /// Two equal points.
    Equal,
    /// A point and its inverse.
    Opposite,
}

fn exception<S: Lanes>(a: &Point<S::Element>, b: &Point<S::Element>) -> Option<Exception> {
    if a.is_identity() {
        Some(Exception::First)
    } else if b.is_identity() {
        Some(Exception::Second)
    } else if a.x != b.x {
        None
    } else if a.y == b.y {
        Some(Exception::Equal)
    } else {
        Some(Exception::Opposite)
    }
}

/// A denominator that is never zero, for any addition.
#[inline(never)]
fn exceptional_denominator<S: Lanes>(a: &Point<S::Element>, b: &Point<S::Element>) -> S::Element {
    let denominator = match exception::<S>(a, b) {
        None => S::splat(b.x).sub(S::splat(a.x)),
        Some(Exception::Equal) => S::splat(a.y).add(S::splat(a.y)),
        Some(Exception::First | Exception::Second | Exception::Opposite) => S::one(),
    };
    denominator.first()
}

/// The sum, where the common formula does not give it; `inverse` is that of the denominator.
#[inline(never)]
fn exceptional<S: Lanes>(
    a: &Point<S::Element>,
    b: &Point<S::Element>,
    inverse: S::Element,
) -> Option<Point<S::Element>> {
    exception::<S>(a, b).map(|kind| match kind {
        Exception::First => *b,
        Exception::Second => *a,
        Exception::Opposite => Point::IDENTITY,
        Exception::Equal => {
            let (x, y) = (S::splat(a.x), S::splat(a.y));
            let square = x.square();
            let slope = square.add(square).add(square).mul(S::splat(inverse));
            let doubled = slope.square().sub(x).sub(x);
            Point {
                x: doubled.first(),
                y: slope.mul(x.sub(doubled)).sub(y).first(),
            }
        }
    })
}

#[cfg(test)]
mod tests;
