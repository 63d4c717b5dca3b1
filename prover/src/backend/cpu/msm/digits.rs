//! Signed digits of scalars, and points sorted by digit.
//!
//! With windows of `c` bits, adding `2^(c−1)` at each window but the last makes every digit an
//! independent field of bits: `digit = field − 2^(c−1)`, between `−2^(c−1)` and `2^(c−1) − 1`, without
//! a carry from window to window. The last window keeps its own, unsigned bits: there are at most
//! `c − 1` of them, because `c · windows ≥ 255` and the modulus has 254 bits, so it needs no more
//! buckets than the others. The sum has at most 255 bits: the offset is below `2^254`.

use std::ops::Range;

use tacit_protocol::field::FIELD_BITS;

use super::super::field::{Limbs, add};

/// How scalars are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Windows {
    width: usize,
    count: usize,
    offset: Limbs,
}

/// Products per addition within a bucket, and per bucket for summing the buckets.
const ADDITION: usize = 6;
const BUCKET: usize = 14;

impl Windows {
    /// Windows of `width` bits, 4 to 20.
    pub(in super::super) fn of_width(width: usize) -> Self {
        let count = (FIELD_BITS + 1).div_ceil(width);
        let mut offset = [0u64; 4];
        for window in 0..count - 1 {
            let bit = window * width + width - 1;
            offset[bit / 64] |= 1 << (bit % 64);
        }
        Self { width, count, offset }
    }

    /// The width with the least work for so many points.
    pub(in super::super) fn for_points(points: usize) -> Self {
        let work = |width: &usize| {
            (FIELD_BITS + 1).div_ceil(*width) * (points * ADDITION + (BUCKET << (*width - 1)))
        };
        Self::of_width((4..=17).min_by_key(work).expect("a range that is not empty"))
    }

    /// Bits of a window.
    pub(in super::super) fn width(&self) -> usize {
        self.width
    }

    /// Number of windows.
    pub(in super::super) fn count(&self) -> usize {
        self.count
    }

    /// Number of buckets of a window, for the magnitudes `1..=2^(c−1)`.
    pub(in super::super) fn buckets(&self) -> usize {
        1 << (self.width - 1)
    }

    /// A digit of a scalar below the modulus.
    #[inline(always)]
    pub(in super::super) fn digit(&self, scalar: &Limbs, window: usize) -> i32 {
        let prepared = add(scalar, &self.offset);
        let from = window * self.width;
        let (limb, shift) = (from / 64, from % 64);
        let mut bits = prepared[limb] >> shift;
        if shift + self.width > 64 && limb < 3 {
            bits |= prepared[limb + 1] << (64 - shift);
        }
        let half = 1 << (self.width - 1);
        let field = i32::try_from(bits & ((2 * half) - 1)).expect("at most 20 bits");
        if window + 1 < self.count {
            field - i32::try_from(half).expect("at most 19 bits")
        } else {
            field
        }
    }
}

/// A point with a sign: its index, doubled, plus one if it is to be subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Signed(u32);

impl Signed {
    /// A point that is added.
    #[inline(always)]
    pub(in super::super) fn plus(index: u32) -> Self {
        Self(index << 1)
    }

    /// The point's index.
    #[inline(always)]
    pub(in super::super) fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// Whether it is to be subtracted.
    #[inline(always)]
    pub(in super::super) fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The points of one window sorted by bucket.
pub(in super::super) struct Sorted {
    /// Bucket `k` (magnitude `k + 1`) has the points `ends[k]..ends[k + 1]`.
    ends: Vec<u32>,
    points: Vec<Signed>,
}

impl Sorted {
    /// Counts, then places: two passes over the scalars.
    pub(in super::super) fn new<'s>(
        windows: Windows,
        window: usize,
        points: &[u32],
        scalar: impl Fn(usize) -> &'s Limbs,
    ) -> Self {
        let digits: Vec<i32> = points
            .iter()
            .map(|&p| windows.digit(scalar(p as usize), window))
            .collect();
        let mut ends = vec![0u32; windows.buckets() + 2];
        for digit in &digits {
            ends[digit.unsigned_abs() as usize + 1] += 1;
        }
        // Magnitude zero takes no place; the start of magnitude k is at k + 1 while placing.
        ends[1] = 0;
        for k in 1..ends.len() {
            ends[k] += ends[k - 1];
        }
        let mut sorted = vec![Signed::default(); ends[ends.len() - 1] as usize];
        for (digit, &point) in digits.iter().zip(points) {
            if *digit != 0 {
                let place = &mut ends[digit.unsigned_abs() as usize];
                sorted[*place as usize] = Signed(point << 1 | u32::from(*digit < 0));
                *place += 1;
            }
        }
        // Placing moved every start to its end, which is the next one's start.
        ends.pop();
        Self { ends, points: sorted }
    }

    /// Number of buckets.
    pub(in super::super) fn buckets(&self) -> usize {
        self.ends.len() - 1
    }

    /// All points, bucket after bucket.
    pub(in super::super) fn points(&self) -> &[Signed] {
        &self.points
    }

    /// Which of them are in bucket `k`, which counts `k + 1` times.
    #[inline(always)]
    pub(in super::super) fn bucket(&self, k: usize) -> Range<usize> {
        self.ends[k] as usize..self.ends[k + 1] as usize
    }
}
