//! Multi-scalar multiplication by buckets (Pippenger) with signed digits, on all cores.
//!
//! Scalars zero and one are split off: most witness variables are bits. The others are cut into
//! windows of `c` bits, digits between −2^(c−1) and 2^(c−1), so a window has 2^(c−1) buckets and a
//! negative digit subtracts. Every (window, slice of the points) is one task: it fills its own
//! buckets, in extended Jacobian coordinates, and sums them up. Work depends on how many scalars are
//! zero or one: proving time is not independent of the witness.

use ark_ec::short_weierstrass::{Affine, Bucket, Projective, SWCurveConfig};
use ark_ff::{AdditiveGroup, BigInt};
use rayon::prelude::*;
use tacit_protocol::F;
use tacit_protocol::field::FIELD_BITS;

/// `Σ scalars_i · bases_i`.
///
/// # Panics
/// If there are not as many scalars as bases.
pub fn msm<C: SWCurveConfig<ScalarField = F>>(bases: &[Affine<C>], scalars: &[BigInt<4>]) -> Projective<C> {
    assert_eq!(bases.len(), scalars.len(), "one scalar per base");
    let is = |i: usize, k: u64| scalars[i].0 == [k, 0, 0, 0];
    let ones: Bucket<C> = (0..bases.len())
        .into_par_iter()
        .filter(|&i| is(i, 1))
        .fold(
            || Bucket::ZERO,
            |mut sum, i| {
                sum += &bases[i];
                sum
            },
        )
        .reduce(|| Bucket::ZERO, |a, b| a + &b);
    let others: Vec<usize> = (0..bases.len())
        .into_par_iter()
        .filter(|&i| !is(i, 0) && !is(i, 1))
        .collect();
    Projective::from(ones) + by_windows(bases, scalars, &others)
}

fn by_windows<C: SWCurveConfig<ScalarField = F>>(
    bases: &[Affine<C>],
    scalars: &[BigInt<4>],
    indices: &[usize],
) -> Projective<C> {
    if indices.is_empty() {
        return Projective::ZERO;
    }
    let width = window_width(indices.len());
    let windows = (FIELD_BITS + 1).div_ceil(width);
    let digits: Vec<i16> = indices
        .par_iter()
        .flat_map_iter(|&i| signed_digits(&scalars[i], width))
        .collect();

    // Enough tasks to keep all cores busy to the end, but slices no shorter than their buckets.
    let slices = (4 * rayon::current_num_threads())
        .div_ceil(windows)
        .min(indices.len() >> width)
        .max(1);
    let length = indices.len().div_ceil(slices);
    let sums: Vec<Projective<C>> = (0..windows * slices)
        .into_par_iter()
        .map(|task| {
            let (window, from) = (task / slices, (task % slices) * length);
            let slice = from.min(indices.len())..(from + length).min(indices.len());
            let pairs = slice.map(|at| (&bases[indices[at]], digits[at * windows + window]));
            window_sum(pairs, width)
        })
        .collect();
    sums.chunks(slices)
        .rev()
        .fold(Projective::ZERO, |mut total, window| {
            for _ in 0..width {
                total.double_in_place();
            }
            total + window.iter().sum::<Projective<C>>()
        })
}

/// The width with the least work: per window one addition per point and two per bucket.
fn window_width(points: usize) -> usize {
    let work = |width: &usize| (FIELD_BITS + 1).div_ceil(*width) * (points + (2 << (*width - 1)));
    (2..=15).min_by_key(work).expect("a range that is not empty")
}

/// The digits of a scalar below the modulus, least significant first. No carry leaves the last one:
/// it has at most `width − 1` bits, and the modulus starts with the bits 11000.
fn signed_digits(scalar: &BigInt<4>, width: usize) -> impl Iterator<Item = i16> {
    let limbs = scalar.0;
    let windows = (FIELD_BITS + 1).div_ceil(width);
    let mut carry = 0;
    (0..windows).map(move |window| {
        let (limb, shift) = (window * width / 64, window * width % 64);
        let mut bits = limbs.get(limb).map_or(0, |x| x >> shift);
        if shift + width > 64 {
            bits |= limbs.get(limb + 1).map_or(0, |x| x << (64 - shift));
        }
        let digit = i32::try_from(bits & ((1 << width) - 1)).expect("at most 15 bits") + carry;
        carry = i32::from(digit >= 1 << (width - 1));
        debug_assert!(carry == 0 || window + 1 < windows, "a scalar below the modulus");
        i16::try_from(digit - (carry << width)).expect("between -2^14 and 2^14")
    })
}

/// `Σ digit · base` over one window.
fn window_sum<'a, C: SWCurveConfig>(
    pairs: impl Iterator<Item = (&'a Affine<C>, i16)>,
    width: usize,
) -> Projective<C> {
    let mut buckets = vec![Bucket::<C>::ZERO; 1 << (width - 1)];
    for (base, digit) in pairs {
        let magnitude = usize::from(digit.unsigned_abs());
        match digit {
            1.. => buckets[magnitude - 1] += base,
            0 => {}
            ..0 => buckets[magnitude - 1] -= base,
        }
    }
    let (mut running, mut sum) = (Bucket::ZERO, Bucket::ZERO);
    for bucket in buckets.iter().rev() {
        running += bucket;
        sum += &running;
    }
    sum.into()
}

#[cfg(test)]
mod tests;
