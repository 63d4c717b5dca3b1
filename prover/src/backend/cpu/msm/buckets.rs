//! Sums of buckets, and of all buckets of a window.

use std::ops::Range;

use ark_ec::short_weierstrass::Projective;
use ark_ff::AdditiveGroup;

use super::super::curve::{Adder, Addition, Group, Point};
use super::super::engine::Engine;
use super::super::field::Limbs;
use super::digits::{Signed, Sorted};

/// Bytes of points that are added up together: they and what they need stay in a core's cache.
const CHUNK_BYTES: usize = 1 << 17;

/// How many points before its turn a point is fetched into the cache: they lie anywhere in the table.
const AHEAD: usize = 16;

/// Adds up runs of points in rounds: each round adds neighbours of the same run, all in one batch.
struct Tree<'a, E: Engine, G: Group> {
    bases: &'a [Limbs],
    adder: Adder<E, G>,
    additions: Vec<Addition>,
    points: Vec<Point<G::Element>>,
    halved: Vec<Point<G::Element>>,
    /// Bucket and number of points of each run.
    runs: Vec<(usize, usize)>,
    capacity: usize,
}

impl<'a, E: Engine, G: Group> Tree<'a, E, G> {
    fn new(bases: &'a [Limbs]) -> Self {
        let capacity = CHUNK_BYTES / size_of::<Point<G::Element>>();
        Self {
            bases,
            adder: Adder::new(capacity / 2),
            additions: Vec::with_capacity(capacity / 2),
            points: Vec::with_capacity(capacity),
            halved: Vec::with_capacity(capacity),
            runs: Vec::new(),
            capacity,
        }
    }

    /// Takes in the points `range` of `all`, which are all of one bucket; whatever fills the chunk is
    /// added up into `buckets`.
    fn extend(
        &mut self,
        bucket: usize,
        all: &[Signed],
        range: Range<usize>,
        buckets: &mut [Point<G::Element>],
    ) {
        let (mut points, mut run) = (range, 0);
        while !points.is_empty() {
            let room = self.capacity - self.points.len();
            for i in points.by_ref().take(room) {
                let signed = all[i];
                if let Some(later) = all.get(i + AHEAD) {
                    G::prefetch(self.bases, later.index());
                }
                let point = G::point(self.bases, signed.index());
                self.points.push(point.negated_if(signed.is_negative()));
                run += 1;
            }
            if self.points.len() == self.capacity {
                self.runs.push((bucket, run));
                self.flush(buckets);
                // What this bucket has so far is the first of its remaining points.
                run = 0;
                if !points.is_empty() {
                    self.points.push(std::mem::take(&mut buckets[bucket]));
                    run = 1;
                }
            }
        }
        if run > 0 {
            self.runs.push((bucket, run));
        }
    }

    /// Adds every run up and leaves its sum in its bucket.
    fn flush(&mut self, buckets: &mut [Point<G::Element>]) {
        while self.runs.iter().any(|&(_, length)| length > 1) {
            self.halve();
        }
        for (&(bucket, _), &sum) in self.runs.iter().zip(&self.points) {
            buckets[bucket] = sum;
        }
        self.runs.clear();
        self.points.clear();
    }

    /// One round: half as many points, the odd ones kept.
    fn halve(&mut self) {
        let index = |i: usize| u32::try_from(i).expect("a chunk is small");
        self.additions.clear();
        self.halved.clear();
        self.halved.resize(self.points.len(), Point::IDENTITY);
        let (mut from, mut to) = (0, 0);
        for (_, length) in &mut self.runs {
            for pair in 0..*length / 2 {
                self.additions.push(Addition {
                    a: index(from + 2 * pair),
                    b: index(from + 2 * pair + 1),
                    to: index(to + pair),
                });
            }
            if *length % 2 == 1 {
                self.halved[to + *length / 2] = self.points[from + *length - 1];
            }
            from += *length;
            *length = length.div_ceil(2);
            to += *length;
        }
        self.adder
            .add(&mut self.additions, &self.points, &mut self.halved);
        self.halved.truncate(to);
        std::mem::swap(&mut self.points, &mut self.halved);
    }
}

/// The sum of the points `indices` of a table.
pub(super) fn sum<E: Engine, G: Group>(bases: &[Limbs], indices: &[u32]) -> Projective<G> {
    let mut total = [Point::IDENTITY];
    let mut tree = Tree::<E, G>::new(bases);
    let points: Vec<Signed> = indices.iter().map(|&i| Signed::plus(i)).collect();
    tree.extend(0, &points, 0..points.len(), &mut total);
    tree.flush(&mut total);
    G::affine(&total[0]).into()
}

/// `Σ_k (k + 1) · Σ points of bucket k`.
pub(super) fn window_sum<E: Engine, G: Group>(bases: &[Limbs], sorted: &Sorted) -> Projective<G> {
    let mut buckets = vec![Point::IDENTITY; sorted.buckets()];
    let mut tree = Tree::<E, G>::new(bases);
    for k in 0..sorted.buckets() {
        tree.extend(k, sorted.points(), sorted.bucket(k), &mut buckets);
    }
    tree.flush(&mut buckets);
    weighted_sum::<E, G>(buckets)
}

/// `Σ_k (k + 1) · bucket_k`: segments of buckets side by side, each by running sums from its top, so
/// that the additions of one step are a batch. A step costs an inversion and a segment a few additions
/// that are not in batches, which is about as much: so there are as many segments as steps.
fn weighted_sum<E: Engine, G: Group>(buckets: Vec<Point<G::Element>>) -> Projective<G> {
    let count = buckets.len();
    debug_assert!(count.is_power_of_two(), "windows of whole bits");
    let segments = 1 << (count.ilog2() / 2);
    let length = count / segments;
    let index = |i: usize| u32::try_from(i).expect("buckets are few");

    // Behind the buckets stand the running sum and the total of each segment. A total takes in the
    // running sum of the step before, so that both additions of a step are independent.
    let (running, total) = (count, count + segments);
    let mut points = buckets;
    points.resize(count + 2 * segments, Point::IDENTITY);
    let mut results = vec![Point::IDENTITY; 2 * segments];
    let mut adder = Adder::<E, G>::new(2 * segments);
    let mut additions = Vec::with_capacity(2 * segments);
    for step in (0..length).rev() {
        additions.clear();
        additions.extend((0..segments).map(|s| Addition {
            a: index(running + s),
            b: index(s * length + step),
            to: index(s),
        }));
        additions.extend((0..segments).map(|s| Addition {
            a: index(total + s),
            b: index(running + s),
            to: index(segments + s),
        }));
        adder.add(&mut additions, &points, &mut results);
        points[count..].copy_from_slice(&results);
    }

    let at = |i: usize| G::affine(&points[i]);
    let (mut above, mut weighted) = (Projective::<G>::ZERO, Projective::<G>::ZERO);
    for s in (1..segments).rev() {
        above += at(running + s);
        weighted += above;
    }
    for _ in 0..length.ilog2() {
        weighted.double_in_place();
    }
    (0..segments).fold(weighted, |sum, s| sum + at(total + s) + at(running + s))
}
