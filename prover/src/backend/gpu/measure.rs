//! Measurements of the parts of a proof, each checked against a known result.
//!
//! For `make bench-gpu` and for tuning on a new card; proofs never go through here. Times are those a
//! caller waits, from submission until results are there; stages are timed on the device as well where
//! [`super::Options::timed`] says so. Specification: `docs/spec/gpu.md`.

use std::time::{Duration, Instant};

use ark_bn254::{Fq, Fr, g1, g2};
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use rayon::prelude::*;
use tacit_circuits::r1cs::Assignment;

use super::Gpu;
use super::error::GpuError;
use super::job::{Job, Slice, StageTime};
use super::memory::{self, DeviceCurve};
use super::msm::{self, Bases, Index, Tuning, Workspace};
use super::transform::Domain;
use super::wgsl;
use crate::backend::reference::qap;
use crate::keys::Table;
use crate::progress::Silent;

/// Repeated timings of one piece of work.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Every run, in order.
    pub runs: Vec<Duration>,
    /// Stages of the fastest run, if they are timed.
    pub stages: Vec<StageTime>,
}

impl Measured {
    /// The fastest run.
    #[must_use]
    pub fn best(&self) -> Duration {
        self.runs.iter().min().copied().unwrap_or_default()
    }

    /// The middle run.
    #[must_use]
    pub fn median(&self) -> Duration {
        let mut runs = self.runs.clone();
        runs.sort_unstable();
        runs.get(runs.len() / 2).copied().unwrap_or_default()
    }

    /// Times `run` after it ran once for compilers and caches.
    ///
    /// # Errors
    /// What `run` returns.
    pub fn of<E>(count: u32, mut run: impl FnMut() -> Result<Vec<StageTime>, E>) -> Result<Self, E> {
        run()?;
        let mut measured = Self {
            runs: Vec::new(),
            stages: Vec::new(),
        };
        for _ in 0..count {
            let start = Instant::now();
            let stages = run()?;
            let time = start.elapsed();
            if measured.runs.iter().all(|&other| time < other) {
                measured.stages = stages;
            }
            measured.runs.push(time);
        }
        Ok(measured)
    }
}

/// A group whose sums are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The first.
    G1,
    /// The second.
    G2,
}

/// Bases and scalars whose sum is known: base `k` is `k + 1` times the generator.
pub struct Terms(Inner);

enum Inner {
    G1(Known<g1::Config>),
    G2(Known<g2::Config>),
}

impl Terms {
    /// `count` terms.
    #[must_use]
    pub fn new(group: Group, count: usize) -> Self {
        Self(match group {
            Group::G1 => Inner::G1(Known::new(count)),
            Group::G2 => Inner::G2(Known::new(count)),
        })
    }
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Terms(…)")
    }
}

struct Known<C: DeviceCurve> {
    bases: Vec<Affine<C>>,
    scalars: Vec<Fr>,
}

impl<C: DeviceCurve> Known<C> {
    fn new(count: usize) -> Self {
        const CHUNK: usize = 1 << 10;
        let generator = Affine::<C>::generator();
        let bases = (0..count.div_ceil(CHUNK))
            .into_par_iter()
            .flat_map_iter(|chunk| {
                let mut point = generator * Fr::from((chunk * CHUNK) as u64);
                let points: Vec<_> = (chunk * CHUNK..count.min((chunk + 1) * CHUNK))
                    .map(|_| {
                        point += generator;
                        point
                    })
                    .collect();
                Projective::normalize_batch(&points)
            })
            .collect();
        let seed = Fr::from(3u64).pow([0x1234_5678_9abc_def1]);
        Self {
            bases,
            scalars: memory::powers(seed, count),
        }
    }

    fn expected(&self, count: usize) -> Projective<C> {
        let terms = self.scalars[..count].par_iter().enumerate();
        let sum: Fr = terms.map(|(k, s)| *s * Fr::from(k as u64 + 1)).sum();
        Affine::<C>::generator() * sum
    }
}

impl Gpu {
    /// Times the sum of the first `count` terms, bases and scalars on the device.
    ///
    /// # Errors
    /// [`GpuError`]; [`GpuError::SelfTest`] if the sum is wrong.
    pub fn measure_sum(
        &self,
        terms: &Terms,
        count: usize,
        tuning: Tuning,
        runs: u32,
    ) -> Result<Measured, GpuError> {
        match &terms.0 {
            Inner::G1(terms) => self.sum(terms, count, tuning, runs),
            Inner::G2(terms) => self.sum(terms, count, tuning, runs),
        }
    }

    fn sum<C: DeviceCurve>(
        &self,
        terms: &Known<C>,
        count: usize,
        tuning: Tuning,
        runs: u32,
    ) -> Result<Measured, GpuError> {
        let device = &self.device;
        let scalars = device.buffer("scalars", 32 * count as u64)?;
        memory::upload(device, &scalars, 0, &terms.scalars[..count], memory::field_bytes)?;
        let places: Vec<u32> = (0..).take(count).collect();
        let index = Index::new(device, &places)?;
        let bases = Bases::new(device, &Table::new(&terms.bases[..count]), tuning)?;
        let (expected, mut workspace) = (terms.expected(count), Workspace::default());
        Measured::of(runs, || {
            let mut job = Job::new(device);
            let input = (Slice::whole(&scalars), &index);
            let sums = msm::multiply(&mut job, &mut workspace, tuning, input, &[&bases])?;
            let (results, stages) = job.submit()?.finish()?;
            let right = sums[0].total::<C>(&results) == expected;
            right
                .then_some(stages)
                .ok_or(GpuError::SelfTest { what: "a sum" })
        })
    }

    /// Times the transforms of a proof over a domain of `size` points, without the upload.
    ///
    /// # Errors
    /// [`GpuError`]; [`GpuError::SelfTest`] if a value is wrong.
    ///
    /// # Panics
    /// If `size` is no power of two, or below 4.
    pub fn measure_transforms(&self, size: usize, runs: u32) -> Result<Measured, GpuError> {
        let device = &self.device;
        let values = |seed: u64| memory::powers(Fr::from(seed).pow([0x1234_5678_9abc_def1]), size - 2);
        let assignment = Assignment {
            public: vec![Fr::ONE, Fr::from(2u64)],
            witness: Vec::new(),
            az: values(3),
            bz: values(5),
            cz: values(7),
        };
        let domain = Domain::new(device, size)?;
        let expected = qap::odd_values(&assignment, size, &Silent);
        let products = [&assignment.az, &assignment.bz, &assignment.cz].map(Vec::as_slice);
        let run = |check: bool| {
            let mut job = Job::new(device);
            domain.odd_values(&mut job)?;
            if check {
                job.read(Slice::whole(domain.values()));
            }
            job.submit()?.finish()
        };
        domain.upload(device, products, &assignment.public)?;
        let (found, _) = run(true)?;
        if !found.chunks_exact(32).map(memory::field_of).eq(expected) {
            return Err(GpuError::SelfTest { what: "transforms" });
        }
        // From here on values are transformed again and again, which takes as long.
        Measured::of(runs, || run(false).map(|(_, stages)| stages))
    }

    /// Products in the base field per second, with nothing else to do: the limit of all arithmetic.
    /// `threads` threads make `rounds` dependent products each.
    ///
    /// # Errors
    /// [`GpuError`]; [`GpuError::SelfTest`] if a product is wrong.
    pub fn measure_products(&self, threads: u32, rounds: u32, runs: u32) -> Result<f64, GpuError> {
        let device = &self.device;
        let x = Fq::from(7u64).pow([0x1234_5678_9abc_def1]);
        let values = device.buffer("values", 32 * u64::from(threads))?;
        let kernel = device.kernel("products", "", wgsl::products)?;
        let expected = x.pow([u64::from(rounds) + 1]);
        let measured = Measured::of(runs, || {
            let mut job = Job::new(device);
            job.stage("products", &[]);
            let mut parameters = vec![threads, rounds];
            parameters.extend(memory::words(&memory::field_bytes(&x)));
            job.dispatch(&kernel, &[Slice::whole(&values)], &parameters, threads.into(), 1);
            job.read(Slice::of(&values, 32));
            let (found, stages) = job.submit()?.finish()?;
            let right = memory::field_of::<ark_bn254::FqConfig>(&found) == expected;
            right
                .then_some(stages)
                .ok_or(GpuError::SelfTest { what: "products" })
        })?;
        let time = measured
            .stages
            .first()
            .map_or(measured.best(), |stage| stage.time);
        Ok(f64::from(threads) * f64::from(rounds) / time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
