//! Groth16 over BN254: strict decoding, key rules, single and batched verification.
//!
//! A proof `(A, B, C)` of public inputs `x_1 … x_n` is valid under a key iff
//! `e(A, B) = e(α, β) · e(IC_0 + Σ x_i·IC_i, γ) · e(C, δ)`.
//!
//! * [`Proof`] — 128 bytes, decoded from canonical encodings only.
//! * [`VerifyingKey`] — canonical bytes, a hash to pin, and the rules of [`VerifyingKey::validate`].
//! * [`PreparedVerifyingKey`] — a validated key with everything that does not depend on the proof
//!   computed once, when it first verifies; only it can verify.
//! * [`verify`] checks one proof, [`verify_batch`] many at once and names the bad ones.
//!
//! Nothing here uses threads, a clock or randomness: the weights of a batch are hashed from
//! everything being verified. Specification: `docs/spec/proofs.md`.

use std::sync::OnceLock;

use ark_bn254::{Bn254, Fq12, G1Affine, G2Affine};
use ark_ec::CurveGroup;
use ark_ec::pairing::Pairing;
use tacit_protocol::F;
use thiserror::Error;

mod batch;
mod combination;
mod point;
mod proof;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod vk;

pub use batch::{BatchError, verify_batch};
pub use proof::Proof;
pub use vk::{KeyRule, VerifyingKey};

use combination::FixedBases;

type G2Prepared = <Bn254 as Pairing>::G2Prepared;

/// A verifying key that passed every rule, with its pairing inputs prepared when it first verifies: a prover
/// that loads a key need not wait for them.
#[derive(Clone, Debug)]
pub struct PreparedVerifyingKey {
    vk: VerifyingKey,
    hash: [u8; 32],
    pairings: OnceLock<Pairings>,
    /// `IC_0 … IC_n`, and their multiples once they are used often.
    ic: FixedBases,
}

/// What the pairings of all proofs under a key have in common.
#[derive(Clone, Debug)]
struct Pairings {
    /// `e(α, β)`.
    alpha_beta: Fq12,
    beta: G2Prepared,
    neg_gamma: G2Prepared,
    neg_delta: G2Prepared,
}

impl Pairings {
    fn new(vk: &VerifyingKey) -> Self {
        let neg = |p: &G2Affine| G2Prepared::from(-*p);
        Self {
            alpha_beta: Bn254::pairing(vk.alpha_g1(), vk.beta_g2()).0,
            beta: G2Prepared::from(vk.beta_g2()),
            neg_gamma: neg(&vk.gamma_g2()),
            neg_delta: neg(&vk.delta_g2()),
        }
    }
}

impl PreparedVerifyingKey {
    /// Validates `vk` for a circuit with `n_public` public inputs.
    ///
    /// # Errors
    /// The first rule that the key breaks.
    pub fn new(vk: VerifyingKey, n_public: usize) -> Result<Self, KeyRule> {
        vk.validate(n_public)?;
        Ok(Self {
            hash: vk.hash(),
            pairings: OnceLock::new(),
            ic: FixedBases::new(vk.ic()),
            vk,
        })
    }

    /// The key itself.
    #[must_use]
    pub fn key(&self) -> &VerifyingKey {
        &self.vk
    }

    /// The hash of the key's canonical bytes, the one that is pinned.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Public inputs a proof under this key has.
    #[must_use]
    pub fn num_public(&self) -> usize {
        self.vk.ic().len() - 1
    }

    fn pairings(&self) -> &Pairings {
        self.pairings.get_or_init(|| Pairings::new(&self.vk))
    }

    fn check_count(&self, public: &[F]) -> Result<(), VerifyError> {
        let (expected, found) = (self.num_public(), public.len());
        if expected == found {
            Ok(())
        } else {
            Err(VerifyError::PublicInputCount { expected, found })
        }
    }
}

/// Why a proof was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VerifyError {
    /// The number of public inputs is not the circuit's.
    #[error("the circuit has {expected} public inputs, {found} were given")]
    PublicInputCount {
        /// The circuit's number.
        expected: usize,
        /// The number given.
        found: usize,
    },
    /// The pairing equation does not hold.
    #[error("the proof does not verify for these public inputs")]
    Invalid,
}

/// Verifies one proof for the given public inputs (without the leading one).
///
/// # Errors
/// The rule that was broken.
pub fn verify(pvk: &PreparedVerifyingKey, public: &[F], proof: &Proof) -> Result<(), VerifyError> {
    pvk.check_count(public)?;
    let inputs = (pvk.vk.ic()[0] + pvk.ic.combine(1, public)).into_affine();
    let left: [G1Affine; 3] = [proof.a(), inputs, proof.c()];
    let fixed = pvk.pairings();
    let right = [
        G2Prepared::from(proof.b()),
        fixed.neg_gamma.clone(),
        fixed.neg_delta.clone(),
    ];
    let product = Bn254::final_exponentiation(Bn254::multi_miller_loop(left, right));
    match product {
        Some(value) if value.0 == fixed.alpha_beta => Ok(()),
        Some(_) | None => Err(VerifyError::Invalid),
    }
}

#[cfg(test)]
mod tests;
