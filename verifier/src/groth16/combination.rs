//! Linear combinations of points, single-threaded: fixed bases by table, proof points by buckets.
//!
//! The verifier takes neither a thread pool nor a general multi-scalar multiplication: its public
//! inputs are few and their bases fixed ([`FixedBases`]), and the weights of a batch are only 128
//! bits long ([`weighted_sum`]).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ark_bn254::{G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, PrimeField};
use tacit_protocol::F;

/// Bits per digit of a fixed-base table.
const DIGIT: usize = 4;
/// Digits of a scalar.
const DIGITS: usize = 64;
/// Non-zero values of a digit.
const VALUES: usize = (1 << DIGIT) - 1;

/// Combinations without tables: about as many as take the time to make them.
const WITHOUT_TABLES: u32 = 16;

/// Points that are combined again and again. Their tables cost much more than a combination without them, so
/// they are made when it shows that they pay: whoever verifies now and then, such as a prover its own proofs,
/// goes without.
#[derive(Debug)]
pub(super) struct FixedBases {
    bases: Vec<G1Affine>,
    /// Combinations made without tables.
    used: AtomicU32,
    /// For every base `P`, digit position `i` and digit value `d`, the point `d·16^i·P`; 60 KiB per base.
    tables: OnceLock<Vec<Vec<G1Affine>>>,
}

impl FixedBases {
    /// These bases, without tables yet.
    pub(super) fn new(bases: &[G1Affine]) -> Self {
        Self {
            bases: bases.to_vec(),
            used: AtomicU32::new(0),
            tables: OnceLock::new(),
        }
    }

    /// Whether the tables are made.
    #[cfg(test)]
    pub(super) fn has_tables(&self) -> bool {
        self.tables.get().is_some()
    }

    /// `Σ scalars_i · bases_(first + i)`.
    pub(super) fn combine(&self, first: usize, scalars: &[F]) -> G1Projective {
        if self.tables.get().is_none() && self.used.fetch_add(1, Ordering::Relaxed) < WITHOUT_TABLES {
            return by_halves(&self.bases[first..], scalars);
        }
        let tables = self.tables.get_or_init(|| self.bases.iter().map(table).collect());
        let mut sum = G1Projective::ZERO;
        for (table, scalar) in tables[first..].iter().zip(scalars) {
            let limbs = scalar.into_bigint().0;
            for position in 0..DIGITS {
                let byte = limbs[position / 16].to_le_bytes()[position % 16 / 2];
                let digit = usize::from(byte >> (DIGIT * (position % 2))) & VALUES;
                if digit != 0 {
                    sum += table[position * VALUES + digit - 1];
                }
            }
        }
        sum
    }
}

impl Clone for FixedBases {
    fn clone(&self) -> Self {
        Self {
            bases: self.bases.clone(),
            used: AtomicU32::new(self.used.load(Ordering::Relaxed)),
            tables: self.tables.clone(),
        }
    }
}

/// `Σ scalars_i · points_i` without tables: the lower and the upper 128 bits of the scalars apart.
fn by_halves(points: &[G1Affine], scalars: &[F]) -> G1Projective {
    let half = |at: usize| {
        let limb = |scalar: &F, i: usize| u128::from(scalar.into_bigint().0[i]);
        let weight = |scalar| limb(scalar, at) | limb(scalar, at + 1) << 64;
        weighted_sum(points, &scalars.iter().map(weight).collect::<Vec<_>>())
    };
    let mut sum = half(2);
    for _ in 0..128 {
        sum.double_in_place();
    }
    sum + half(0)
}

fn table(base: &G1Affine) -> Vec<G1Affine> {
    let mut points = Vec::with_capacity(DIGITS * VALUES);
    let mut power = base.into_group();
    for _ in 0..DIGITS {
        let mut multiple = power;
        for _ in 0..VALUES {
            points.push(multiple);
            multiple += power;
        }
        power = multiple;
    }
    G1Projective::normalize_batch(&points)
}

/// `Σ weights_i · points_i` by buckets (Pippenger), window width chosen from the length.
pub(super) fn weighted_sum(points: &[G1Affine], weights: &[u128]) -> G1Projective {
    let width = (points.len().max(4).ilog2() as usize - 1).clamp(1, 12);
    let mut total = G1Projective::ZERO;
    for window in (0..128usize.div_ceil(width)).rev() {
        for _ in 0..width {
            total.double_in_place();
        }
        let mut buckets = vec![G1Projective::ZERO; (1 << width) - 1];
        for (p, w) in points.iter().zip(weights) {
            let digit = (w >> (window * width)) & ((1 << width) - 1);
            if digit != 0 {
                buckets[usize::try_from(digit - 1).expect("a digit of at most 12 bits")] += p;
            }
        }
        let (mut running, mut sum) = (G1Projective::ZERO, G1Projective::ZERO);
        for bucket in buckets.iter().rev() {
            running += bucket;
            sum += running;
        }
        total += sum;
    }
    total
}
