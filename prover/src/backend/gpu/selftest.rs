//! What a device has to get right before it is used: transforms and sums with known results.
//!
//! Every kernel that a proof can need runs, and every path through the curve's formulas: equal,
//! opposite and identity operands, a bucket with most of the entries, negative digits.
//! Specification: `docs/spec/gpu.md`.

use ark_bn254::{Fr, g1, g2};
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field};
use tacit_circuits::r1cs::Assignment;

use super::device::Device;
use super::error::GpuError;
use super::job::{Job, Slice};
use super::memory::{self, DeviceCurve};
use super::msm::{self, Bases, Index, Tuning, Workspace};
use super::transform::Domain;
use crate::backend::reference::qap;
use crate::keys::Table;
use crate::progress::Silent;

/// Sizes whose transforms need passes of one, two and three stages in every direction.
const LOG_SIZES: [u32; 3] = [3, 4, 5];

/// Bases of the sums.
const COUNT: usize = 48;

/// Tests the device.
pub(super) fn run(device: &Device, tuning: Tuning) -> Result<(), GpuError> {
    for log_size in LOG_SIZES {
        transforms(device, 1 << log_size)?;
    }
    let tuning = cut_up(tuning);
    sums::<g1::Config>(device, tuning, "sums in G1")?;
    sums::<g2::Config>(device, tuning, "sums in G2")
}

/// Narrow digits, short slices: fat buckets and several chunks even with few bases.
fn cut_up(tuning: Tuning) -> Tuning {
    Tuning {
        width: Some(5),
        slice: 2,
        chunk: 2,
        ..tuning
    }
}

/// Numbers that fill all limbs.
fn numbers(count: usize, seed: u64) -> Vec<Fr> {
    memory::powers(Fr::from(seed).pow([0x1234_5678_9abc_def1]), count)
}

fn transforms(device: &Device, size: usize) -> Result<(), GpuError> {
    let rows = size - 3;
    let assignment = Assignment {
        public: numbers(2, 2),
        witness: Vec::new(),
        az: numbers(rows, 3),
        bz: numbers(rows, 5),
        cz: numbers(rows, 7),
    };
    let domain = Domain::new(device, size)?;
    let products = [&assignment.az, &assignment.bz, &assignment.cz].map(Vec::as_slice);
    domain.upload(device, products, &assignment.public)?;
    let mut job = Job::new(device);
    domain.odd_values(&mut job)?;
    job.read(Slice::whole(domain.values()));
    let (found, _) = job.submit()?.finish()?;
    let found = found.chunks_exact(32).map(memory::field_of);
    let right = found.eq(qap::odd_values(&assignment, size, &Silent));
    right
        .then_some(())
        .ok_or(GpuError::SelfTest { what: "transforms" })
}

/// Small multiples of the generator, so that equal and opposite points meet in buckets, with scalars
/// that are mostly one; and the sum.
fn terms<C: DeviceCurve>() -> (Vec<Affine<C>>, Vec<Fr>, Projective<C>) {
    let generator = Affine::<C>::generator();
    let multiple = |k: usize| match k % 8 {
        // Equal points.
        0 | 1 => Fr::from(1u64),
        // Opposite points.
        2 => Fr::from(5u64),
        3 => -Fr::from(5u64),
        k => Fr::from(k as u64),
    };
    let wild = numbers(COUNT, 11);
    let scalar = |k: usize| match k {
        0 => Fr::ZERO,
        1 => -Fr::ONE,
        2..=30 => Fr::ONE,
        _ => wild[k],
    };
    let sum: Fr = (0..COUNT).map(|k| multiple(k) * scalar(k)).sum();
    let points: Vec<_> = (0..COUNT).map(|k| generator * multiple(k)).collect();
    let scalars = (0..COUNT).map(scalar).collect();
    (Projective::normalize_batch(&points), scalars, generator * sum)
}

fn sums<C: DeviceCurve>(device: &Device, tuning: Tuning, what: &'static str) -> Result<(), GpuError> {
    let (points, scalars, expected) = terms::<C>();
    let buffer = device.buffer("scalars", 32 * COUNT as u64)?;
    memory::upload(device, &buffer, 0, &scalars, memory::field_bytes)?;
    let places: Vec<u32> = (0..).take(COUNT).collect();
    let index = Index::new(device, &places)?;
    let bases = Bases::new(device, &Table::new(&points), tuning)?;
    let mut job = Job::new(device);
    let input = (Slice::whole(&buffer), &index);
    let sums = msm::multiply(&mut job, &mut Workspace::default(), tuning, input, &[&bases])?;
    let (results, _) = job.submit()?.finish()?;
    let right = sums[0].total::<C>(&results) == expected;
    right.then_some(()).ok_or(GpuError::SelfTest { what })
}

#[cfg(test)]
mod tests;
