//! The transforms of a proof: from values on the domain to coefficients, and from those to values on
//! the odd coset.
//!
//! The way to coefficients runs by decimation in frequency, from natural to bit-reversed order; the
//! way back by decimation in time, from bit-reversed to natural: nothing is ever permuted. A stage
//! with blocks of 2m splits `f(x) = f₀(x²) + x·f₁(x²)`, and at the odd coset's points the factors `x`
//! of that stage are the odd powers of a root of order 4m: shifting to the coset costs nothing. The
//! division by n is left to the caller, who has other factors to multiply with ([`super::quotient`]).
//!
//! Two stages are done in one pass over memory, and blocks are finished one after another once they
//! fit a core's cache.

use std::marker::PhantomData;

use ark_ff::{FftField, Field};
use rayon::prelude::*;
use tacit_protocol::F;

use super::engine::{Engine, Kernel};
use super::field::portable::Word;
use super::field::{Lanes, Scalar};

type Value = Word<Scalar>;

/// Values that stay in a core's cache.
const CACHED: usize = 1 << 13;

/// Butterflies that one task does in a pass over memory.
const TASK: usize = 1 << 11;

/// A domain and its factors. Those of the stage with blocks of 2m stand at `m..2m`.
#[derive(Debug)]
pub(super) struct Domain {
    size: usize,
    /// `ω^{−i}` with ω of order 2m.
    to_coefficients: Vec<Value>,
    /// `ω^{2i+1}` with ω of order 4m.
    to_coset: Vec<Value>,
}

impl Domain {
    /// The domain of `size` points.
    ///
    /// # Panics
    /// If the field has no domain of twice the size; the set-up sees to that.
    pub(super) fn new(size: usize) -> Self {
        let root = F::get_root_of_unity(2 * size as u64).expect("twice the domain is in the field");
        let value = |x: F| Value::new(x.0.0);
        let mut to_coefficients = vec![Value::default(); size.max(2)];
        let mut to_coset = to_coefficients.clone();
        let inverse = root.square().inverse().expect("a root of unity is not zero");
        let half = size / 2;
        powers(F::ONE, inverse, &mut to_coefficients[half.max(1)..]);
        powers(root, root.square(), &mut to_coset[half.max(1)..]);
        let mut m = half / 2;
        while m > 0 {
            let (smaller, larger) = to_coefficients.split_at_mut(2 * m);
            for i in 0..m {
                smaller[m + i] = larger[2 * i];
            }
            let (smaller, larger) = to_coset.split_at_mut(2 * m);
            for i in 0..m {
                let x = F::new_unchecked(ark_ff::BigInt::new(larger[i].0));
                smaller[m + i] = value(x.square());
            }
            m /= 2;
        }
        Self {
            size,
            to_coefficients,
            to_coset,
        }
    }

    /// Number of points.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// From values on the domain to n times the values on the odd coset.
    ///
    /// # Panics
    /// If there are not as many values as points.
    pub(super) fn to_odd_coset<E: Engine>(&self, values: &mut [Value]) {
        assert_eq!(values.len(), self.size, "a value for every point");
        self.coefficients::<E>(values);
        self.coset::<E>(values);
    }

    fn coefficients<E: Engine>(&self, x: &mut [Value]) {
        if x.len() < 4 {
            return to_coefficients_halves::<E>(x);
        }
        let quarter = x.len() / 4;
        let (small, large) = self.factors(&self.to_coefficients, quarter);
        pass(x, small, large, |x, small, large| {
            E::enter(ToCoefficients::<E::Scalar>(Pass::new(x, small, large)));
        });
        each_quarter(x, |x| self.coefficients::<E>(x));
    }

    fn coset<E: Engine>(&self, x: &mut [Value]) {
        if x.len() < 4 {
            return to_coset_halves::<E>(x, &self.to_coset[1]);
        }
        let quarter = x.len() / 4;
        each_quarter(x, |x| self.coset::<E>(x));
        let (small, large) = self.factors(&self.to_coset, quarter);
        pass(x, small, large, |x, small, large| {
            E::enter(ToCoset::<E::Scalar>(Pass::new(x, small, large)));
        });
    }

    /// The factors of the stages with blocks of 2m and 4m.
    fn factors<'a>(&self, all: &'a [Value], m: usize) -> (&'a [Value], &'a [Value]) {
        (&all[m..2 * m], &all[2 * m..4 * m])
    }
}

/// `first · ratio^i`.
fn powers(first: F, ratio: F, out: &mut [Value]) {
    out.par_chunks_mut(TASK).enumerate().for_each(|(chunk, out)| {
        let mut x = first * ratio.pow([(chunk * TASK) as u64]);
        for value in out {
            *value = Value::new(x.0.0);
            x *= ratio;
        }
    });
}

/// The four blocks of a block one after another, or at the same time while they are large.
fn each_quarter(x: &mut [Value], each: impl Fn(&mut [Value]) + Send + Sync) {
    let quarter = x.len() / 4;
    if quarter >= CACHED {
        x.par_chunks_mut(quarter).for_each(each);
    } else {
        x.chunks_mut(quarter).for_each(each);
    }
}

type Quarters<'a> = [&'a mut [Value]; 4];

/// Two stages in one pass, in parallel where that is worth it.
fn pass(
    x: &mut [Value],
    small: &[Value],
    large: &[Value],
    each: impl Fn(Quarters<'_>, &[Value], [&[Value]; 2]) + Send + Sync,
) {
    let quarter = x.len() / 4;
    let (low, high) = x.split_at_mut(2 * quarter);
    let ((x0, x1), (x2, x3)) = (low.split_at_mut(quarter), high.split_at_mut(quarter));
    let (large0, large1) = large.split_at(quarter);
    if quarter < CACHED {
        return each([x0, x1, x2, x3], small, [large0, large1]);
    }
    let factors = small
        .par_chunks(TASK)
        .zip(large0.par_chunks(TASK))
        .zip(large1.par_chunks(TASK));
    let low = x0.par_chunks_mut(TASK).zip(x1.par_chunks_mut(TASK));
    let high = x2.par_chunks_mut(TASK).zip(x3.par_chunks_mut(TASK));
    low.zip(high)
        .zip(factors)
        .for_each(|(((x0, x1), (x2, x3)), ((small, large0), large1))| {
            each([x0, x1, x2, x3], small, [large0, large1]);
        });
}

#[inline(always)]
fn load<L: Lanes<Element = Value>>(x: &[Value], at: usize) -> L {
    L::gather(|i| &x[at + i])
}

#[inline(always)]
fn store<L: Lanes<Element = Value>>(value: L, x: &mut [Value], at: usize) {
    value.scatter(|i, value| x[at + i] = value);
}

/// What a pass over a block, or a part of one, works on.
struct Pass<'a, L> {
    x: Quarters<'a>,
    /// Factors of the stage with blocks of 2m, one for each position in a quarter.
    small: &'a [Value],
    /// Factors of the stage with blocks of 4m, for the first and the second half of its halves.
    large: [&'a [Value]; 2],
    lanes: PhantomData<L>,
}

impl<'a, L> Pass<'a, L> {
    fn new(x: Quarters<'a>, small: &'a [Value], large: [&'a [Value]; 2]) -> Self {
        Self {
            x,
            small,
            large,
            lanes: PhantomData,
        }
    }

    /// The same pass over other lanes.
    fn over<M>(self) -> Pass<'a, M> {
        Pass::new(self.x, self.small, self.large)
    }
}

/// Decimation in frequency: the stage with blocks of 4m, then the one with blocks of 2m.
struct ToCoefficients<'a, L>(Pass<'a, L>);

impl<L: Lanes<Element = Value>> Kernel for ToCoefficients<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if self.0.small.len() < L::N {
            to_coefficients(self.0.over::<L::Single>());
        } else {
            to_coefficients(self.0);
        }
    }
}

#[inline(always)]
fn to_coefficients<L: Lanes<Element = Value>>(pass: Pass<'_, L>) {
    let Pass { x, small, large, .. } = pass;
    let [x0, x1, x2, x3] = x;
    for at in (0..small.len()).step_by(L::N) {
        let (a, b) = (load::<L>(x0, at), load::<L>(x1, at));
        let (c, d) = (load::<L>(x2, at), load::<L>(x3, at));
        let (sum0, sum1) = (a.add(c), b.add(d));
        let difference0 = a.sub(c).mul(load(large[0], at));
        let difference1 = b.sub(d).mul(load(large[1], at));
        let factor = load::<L>(small, at);
        store(sum0.add(sum1), x0, at);
        store(sum0.sub(sum1).mul(factor), x1, at);
        store(difference0.add(difference1), x2, at);
        store(difference0.sub(difference1).mul(factor), x3, at);
    }
}

/// Decimation in time: the stage with blocks of 2m, then the one with blocks of 4m.
struct ToCoset<'a, L>(Pass<'a, L>);

impl<L: Lanes<Element = Value>> Kernel for ToCoset<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if self.0.small.len() < L::N {
            to_coset(self.0.over::<L::Single>());
        } else {
            to_coset(self.0);
        }
    }
}

#[inline(always)]
fn to_coset<L: Lanes<Element = Value>>(pass: Pass<'_, L>) {
    let Pass { x, small, large, .. } = pass;
    let [x0, x1, x2, x3] = x;
    for at in (0..small.len()).step_by(L::N) {
        let factor = load::<L>(small, at);
        let (a, c) = (load::<L>(x0, at), load::<L>(x2, at));
        let (b, d) = (load::<L>(x1, at).mul(factor), load::<L>(x3, at).mul(factor));
        let (even0, even1) = (a.add(b), a.sub(b));
        let odd0 = c.add(d).mul(load(large[0], at));
        let odd1 = c.sub(d).mul(load(large[1], at));
        store(even0.add(odd0), x0, at);
        store(even1.add(odd1), x1, at);
        store(even0.sub(odd0), x2, at);
        store(even1.sub(odd1), x3, at);
    }
}

type Single<E> = <<E as Engine>::Scalar as Lanes>::Single;

/// A block of two, where the number of stages is odd.
fn to_coefficients_halves<E: Engine>(x: &mut [Value]) {
    if let [x0, x1] = x {
        let (a, b) = (Single::<E>::splat(*x0), Single::<E>::splat(*x1));
        (*x0, *x1) = (a.add(b).first(), a.sub(b).first());
    }
}

/// The same on the way to the coset.
fn to_coset_halves<E: Engine>(x: &mut [Value], factor: &Value) {
    if let [x0, x1] = x {
        let a = Single::<E>::splat(*x0);
        let b = Single::<E>::splat(*x1).mul(Single::<E>::splat(*factor));
        (*x0, *x1) = (a.add(b).first(), a.sub(b).first());
    }
}

#[cfg(test)]
mod tests;
