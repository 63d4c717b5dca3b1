//! The fast engine: all of a proof's arithmetic is our own, on all cores.
//!
//! It computes what [`super::reference`] computes, in these steps:
//! 1. the quotient's values on the odd coset (`quotient`), by 6 transforms (`ntt`);
//! 2. five multi-scalar multiplications (`msm`) cut into one set of tasks, the longest first, by
//!    batches of affine additions (`curve`) over points that stay where the key file is mapped;
//! 3. a few group operations for the blinding factors.
//!
//! The kernels are written once, over lanes of field elements (`field`); `engine` names the sets
//! of instructions they are compiled for, and [`Cpu::detect`] chooses one when the program runs.
//! Specification: `docs/prover.md`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ark_bn254::{g1, g2};
use rayon::prelude::*;
use tacit_circuits::r1cs::Assignment;
use tacit_verifier::groth16::Proof;

use super::sums::Sums;
use super::{Backend, Blinding};
use crate::ProveError;
use crate::keys::{Parts, ProvingKey, Query};
use crate::progress::{Progress, Stage};

mod curve;
mod engine;
mod field;
mod msm;
mod ntt;
mod quotient;

use engine::{Engine, Plain};
use field::Limbs;
use msm::{Msm, Partial, Terms};
use ntt::Domain;

/// A set of instructions that proofs can be made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Nothing beyond what every processor has.
    Portable,
    /// x86-64 with BMI2 and ADX.
    Adx,
    /// x86-64 with AVX2 and fused multiply-add.
    Fma,
    /// x86-64 with AVX-512 IFMA.
    Ifma,
}

impl Instructions {
    /// All of them, the fastest first.
    pub const ALL: [Self; 4] = [Self::Ifma, Self::Fma, Self::Adx, Self::Portable];

    /// Whether this processor has them.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Adx => field::adx::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Fma => field::quartet::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => field::ifma::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Adx | Self::Fma | Self::Ifma => false,
        }
    }
}

/// The fast engine.
#[derive(Debug)]
pub struct Cpu {
    instructions: Instructions,
    /// Factors of the transforms, by size.
    domains: Mutex<HashMap<usize, Arc<Domain>>>,
}

impl Default for Cpu {
    fn default() -> Self {
        Self::detect()
    }
}

impl Cpu {
    /// The engine with the fastest instructions that this processor has.
    #[must_use]
    pub fn detect() -> Self {
        let fastest = Instructions::ALL.into_iter().find(|i| i.is_available());
        Self::new(fastest.unwrap_or(Instructions::Portable))
    }

    fn new(instructions: Instructions) -> Self {
        Self {
            instructions,
            domains: Mutex::default(),
        }
    }

    /// The engine with certain instructions; `None` if this processor lacks them.
    #[must_use]
    pub fn with(instructions: Instructions) -> Option<Self> {
        instructions.is_available().then(|| Self::new(instructions))
    }

    fn domain(&self, size: usize) -> Arc<Domain> {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        let domain = domains.entry(size).or_insert_with(|| Arc::new(Domain::new(size)));
        Arc::clone(domain)
    }

    fn prove_with<E: Engine>(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        let parts = key.parts();
        let p = quotient::odd_values::<E>(assignment, &self.domain(parts.sizes.domain), progress);
        let z = quotient::standard::<E>(&assignment.public, &assignment.witness);
        let sums = Multiplications::plan(parts, &z, &p).run::<E>(progress);
        sums.proof(parts, blinding, E::NAME)
    }
}

impl Backend for Cpu {
    fn name(&self) -> &str {
        match self.instructions {
            Instructions::Portable => Plain::NAME,
            #[cfg(target_arch = "x86_64")]
            Instructions::Adx => engine::TwoCarries::NAME,
            #[cfg(target_arch = "x86_64")]
            Instructions::Fma => engine::FusedDoubles::NAME,
            #[cfg(target_arch = "x86_64")]
            Instructions::Ifma => engine::Vectors::NAME,
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Adx | Instructions::Fma | Instructions::Ifma => unreachable!("not available here"),
        }
    }

    fn prove(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        match self.instructions {
            Instructions::Portable => self.prove_with::<Plain>(key, assignment, blinding, progress),
            #[cfg(target_arch = "x86_64")]
            Instructions::Adx => self.prove_with::<engine::TwoCarries>(key, assignment, blinding, progress),
            #[cfg(target_arch = "x86_64")]
            Instructions::Fma => self.prove_with::<engine::FusedDoubles>(key, assignment, blinding, progress),
            #[cfg(target_arch = "x86_64")]
            Instructions::Ifma => self.prove_with::<engine::Vectors>(key, assignment, blinding, progress),
            #[cfg(not(target_arch = "x86_64"))]
            Instructions::Adx | Instructions::Fma | Instructions::Ifma => unreachable!("not available here"),
        }
    }
}

/// The multiplications of a proof, planned.
struct Multiplications<'a> {
    /// A, B in G1, L, H.
    g1: Vec<Msm<'a, g1::Config>>,
    b_g2: Msm<'a, g2::Config>,
}

/// The result of one task, with the multiplication it belongs to.
enum Outcome {
    G1(usize, Partial<g1::Config>),
    G2(Partial<g2::Config>),
}

impl<'a> Multiplications<'a> {
    fn plan(parts: &'a Parts, z: &'a [Limbs], p: &'a [Limbs]) -> Self {
        let parallel = rayon::current_num_threads();
        let witness = &z[parts.sizes.num_public..];
        fn terms<'a, C: crate::keys::RawCurve>(query: &'a Query<C>, scalars: &'a [Limbs]) -> Terms<'a> {
            Terms {
                bases: query.points().limbs(),
                index: Some(query.index()),
                scalars,
            }
        }
        let h = Terms {
            bases: parts.h.limbs(),
            index: None,
            scalars: p,
        };
        let queries = [
            terms(&parts.a, z),
            terms(&parts.b_g1, z),
            terms(&parts.l, witness),
            h,
        ];
        let (g1, b_g2) = rayon::join(
            || {
                queries
                    .into_par_iter()
                    .map(|terms| Msm::new(terms, parallel))
                    .collect()
            },
            || Msm::new(terms(&parts.b_g2, z), parallel),
        );
        Self { g1, b_g2 }
    }

    fn run<E: Engine>(&self, progress: &dyn Progress) -> Sums {
        // (cost, multiplication, task); the one in G2 comes after those in G1.
        let g1_tasks = self
            .g1
            .iter()
            .enumerate()
            .flat_map(|(which, msm)| (0..msm.tasks()).map(move |task| (msm.cost(task), which, task)));
        let g2_tasks = (0..self.b_g2.tasks()).map(|task| (self.b_g2.cost(task), self.g1.len(), task));
        let mut tasks: Vec<_> = g1_tasks.chain(g2_tasks).collect();
        tasks.sort_by_key(|&(cost, ..)| std::cmp::Reverse(cost));
        progress.begin(Stage::Multiply, tasks.iter().map(|&(cost, ..)| cost as u64).sum());

        // One task at a time for each core, in this order.
        let results: Vec<Outcome> = tasks
            .into_par_iter()
            .with_max_len(1)
            .map(|(cost, which, task)| {
                let result = match self.g1.get(which) {
                    Some(msm) => Outcome::G1(which, msm.run::<E>(task)),
                    None => Outcome::G2(self.b_g2.run::<E>(task)),
                };
                progress.advance(cost as u64);
                result
            })
            .collect();
        let (mut g1, mut g2) = ([(); 4].map(|()| Vec::new()), Vec::new());
        for result in results {
            match result {
                Outcome::G1(which, partial) => g1[which].push(partial),
                Outcome::G2(partial) => g2.push(partial),
            }
        }
        let mut sums = self.g1.iter().zip(g1).map(|(msm, partials)| msm.finish(partials));
        let mut next = || sums.next().expect("four multiplications in G1");
        Sums {
            a: next(),
            b_g1: next(),
            l: next(),
            h: next(),
            b_g2: self.b_g2.finish(g2),
        }
    }
}

#[cfg(test)]
mod tests;
