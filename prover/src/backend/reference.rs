//! The reference engine: arkworks' arithmetic on all cores.
//!
//! With `z = (1, public, witness)`, blinding `r`, `s` and the key's points,
//!
//! ```text
//! A = α + Σ z_i·A_i(τ) + r·δ
//! B = β + Σ z_i·B_i(τ) + s·δ                         (in G2; B₁ is the same in G1)
//! C = Σ_witness z_i·L_i + Σ_k p_k·H_k + s·A + r·B₁ − r·s·δ
//! ```
//!
//! where `p_k` are the values of `A(X)·B(X) − C(X)` on the odd coset ([`qap`]): 6 transforms and
//! 5 multi-scalar multiplications ([`msm`]).

use ark_bn254::{g1, g2};
use ark_ec::short_weierstrass::Projective;
use ark_ff::{BigInt, PrimeField};
use rayon::prelude::*;
use tacit_circuits::r1cs::Assignment;
use tacit_protocol::F;
use tacit_verifier::groth16::Proof;

use super::sums::Sums;
use super::{Backend, Blinding};
use crate::ProveError;
use crate::keys::{ProvingKey, Query, RawCurve};
use crate::progress::{Progress, Stage};

pub mod msm;
pub mod qap;

/// The reference engine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl Backend for Reference {
    fn name(&self) -> &str {
        "reference"
    }

    fn prove(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        let parts = key.parts();
        let p = qap::odd_values(assignment, parts.sizes.domain, progress);

        let counts = [
            parts.a.index(),
            parts.b_g1.index(),
            parts.b_g2.index(),
            parts.l.index(),
        ]
        .map(<[u32]>::len);
        progress.begin(
            Stage::Multiply,
            (counts.iter().sum::<usize>() + parts.h.len()) as u64,
        );
        let z: Vec<BigInt<4>> = assignment
            .public
            .par_iter()
            .chain(&assignment.witness)
            .map(|x| x.into_bigint())
            .collect();
        let p: Vec<BigInt<4>> = p.into_par_iter().map(F::into_bigint).collect();
        let witness = &z[parts.sizes.num_public..];
        let sums = Sums {
            a: query::<g1::Config>(&parts.a, &z, progress),
            b_g1: query::<g1::Config>(&parts.b_g1, &z, progress),
            b_g2: query::<g2::Config>(&parts.b_g2, &z, progress),
            l: query::<g1::Config>(&parts.l, witness, progress),
            h: msm::msm::<g1::Config>(&parts.h.points().collect::<Vec<_>>(), &p),
        };
        progress.advance(parts.h.len() as u64);
        sums.proof(parts, blinding, self.name())
    }
}

/// The combination of a query's points with the scalars of their variables.
fn query<C: RawCurve<ScalarField = F>>(
    query: &Query<C>,
    scalars: &[BigInt<4>],
    progress: &dyn Progress,
) -> Projective<C> {
    let scalars: Vec<BigInt<4>> = query.index().iter().map(|&i| scalars[i as usize]).collect();
    let sum = msm::msm(&query.points().points().collect::<Vec<_>>(), &scalars);
    progress.advance(scalars.len() as u64);
    sum
}

#[cfg(test)]
mod tests;
