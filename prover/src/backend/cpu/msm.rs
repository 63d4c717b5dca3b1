//! Multi-scalar multiplications by buckets (Pippenger), several at once as one set of tasks.
//!
//! Scalars zero are dropped and ones are added up apart: many witness variables are bits. The others
//! are cut into windows of `c` bits with signed digits ([`digits`]). A task is one window of one
//! multiplication (or a slice of its points, if there are many cores): it sorts the points by digit,
//! adds the points of each bucket up in a tree, and sums the buckets ([`buckets`]); every addition is
//! affine and part of a batch ([`super::curve`]). Tasks are scheduled longest first.
//!
//! Work depends on how many scalars are zero or one: proving time is not independent of the witness.

use std::marker::PhantomData;

use ark_ec::short_weierstrass::Projective;
use ark_ff::AdditiveGroup;

use super::curve::Group;
use super::engine::Engine;
use super::field::Limbs;

pub(super) mod buckets;
pub(super) mod digits;

use digits::{Sorted, Windows};

/// What is multiplied: raw points, each with the scalar of a variable.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// The raw coordinates of the points.
    pub(super) bases: &'a [Limbs],
    /// Which scalar each point has; `None` if they have the same order.
    pub(super) index: Option<&'a [u32]>,
    /// The scalars in standard form, below the modulus.
    pub(super) scalars: &'a [Limbs],
}

impl Terms<'_> {
    #[inline(always)]
    fn scalar(&self, point: usize) -> &Limbs {
        let at = self.index.map_or(point, |index| index[point] as usize);
        &self.scalars[at]
    }

    /// Number of points.
    pub(super) fn len(&self) -> usize {
        self.index.map_or(self.scalars.len(), <[u32]>::len)
    }
}

/// A multiplication `Σ scalar · point`, planned.
pub(super) struct Msm<'a, G: Group> {
    terms: Terms<'a>,
    /// Points with scalar one.
    ones: Vec<u32>,
    /// Points with other scalars than zero and one.
    others: Vec<u32>,
    windows: Windows,
    slices: usize,
    group: PhantomData<G>,
}

/// What one task gave: a part of the sum of one window, or of the ones.
pub(super) struct Partial<G: Group> {
    /// The window; `None` for the ones.
    window: Option<usize>,
    sum: Projective<G>,
}

impl<'a, G: Group> Msm<'a, G> {
    /// Sorts the scalars and plans the work for about `parallel` tasks at the same time.
    ///
    /// # Panics
    /// If there are 2^31 points or more.
    pub(super) fn new(terms: Terms<'a>, parallel: usize) -> Self {
        assert!(terms.len() < 1 << 31, "fewer than 2^31 points");
        let (mut ones, mut others) = (Vec::new(), Vec::new());
        for i in 0..terms.len() {
            let point = u32::try_from(i).expect("fewer than 2^31 points");
            match terms.scalar(i) {
                [0, 0, 0, 0] => {}
                [1, 0, 0, 0] => ones.push(point),
                _ => others.push(point),
            }
        }
        let windows = Windows::for_points(others.len());
        // Enough tasks to keep all cores busy, but slices not shorter than their buckets.
        let slices = (2 * parallel)
            .div_ceil(windows.count())
            .min(others.len() >> windows.width())
            .max(1);
        Self {
            terms,
            ones,
            others,
            windows,
            slices,
            group: PhantomData,
        }
    }

    /// Number of tasks.
    pub(super) fn tasks(&self) -> usize {
        1 + self.windows.count() * self.slices
    }

    /// About how long a task takes, in products of the base field.
    pub(super) fn cost(&self, task: usize) -> usize {
        let points = if task == 0 {
            self.ones.len()
        } else {
            self.others.len() / self.slices + 2 * self.windows.buckets()
        };
        points * size_of::<G::Element>().pow(2)
    }

    /// Runs one task.
    pub(super) fn run<E: Engine>(&self, task: usize) -> Partial<G> {
        let Some(task) = task.checked_sub(1) else {
            return Partial {
                window: None,
                sum: buckets::sum::<E, G>(self.terms.bases, &self.ones),
            };
        };
        let (window, slice) = (task / self.slices, task % self.slices);
        let length = self.others.len().div_ceil(self.slices);
        let from = (slice * length).min(self.others.len());
        let range = from..(from + length).min(self.others.len());
        let others = &self.others[range];
        let sorted = Sorted::new(self.windows, window, others, |point| self.terms.scalar(point));
        Partial {
            window: Some(window),
            sum: buckets::window_sum::<E, G>(self.terms.bases, &sorted),
        }
    }

    /// Puts the results of all tasks together.
    pub(super) fn finish(&self, partials: impl IntoIterator<Item = Partial<G>>) -> Projective<G> {
        let mut windows = vec![Projective::<G>::ZERO; self.windows.count()];
        let mut ones = Projective::<G>::ZERO;
        for partial in partials {
            match partial.window {
                Some(window) => windows[window] += partial.sum,
                None => ones += partial.sum,
            }
        }
        let weighted = windows
            .iter()
            .rev()
            .fold(Projective::<G>::ZERO, |mut total, window| {
                for _ in 0..self.windows.width() {
                    total.double_in_place();
                }
                total + window
            });
        weighted + ones
    }
}

#[cfg(test)]
mod tests;
