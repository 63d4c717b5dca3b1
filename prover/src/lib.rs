//! Groth16 proving for Tacit: set-up, keys, engines, self-verification.
//!
//! * [`setup`] makes development keys from a constraint system.
//! * [`keys`] keeps them on disk and checks them when they are loaded.
//! * [`backend`] has the engines behind one trait: [`backend::reference`] is the readable one,
//!   [`backend::cpu`] the fast one.
//! * [`Prover`] is what callers use: it refuses an unsatisfied assignment, proves with fresh blinding
//!   and verifies the proof before it hands it out.
//!
//! Conventions are circom's and snarkjs's. Specification: `docs/spec/proofs.md`.

use rand_core::CryptoRngCore;
use tacit_circuits::r1cs::{Assignment, R1cs, Statement};
use tacit_verifier::groth16::{self, Proof};
use thiserror::Error;

pub mod backend;
pub mod circuits;
pub mod interop;
pub mod keys;
pub mod progress;
pub mod setup;

pub use backend::{Backend, Blinding};
pub use keys::{CircuitId, KeyError, KeyStore, ProvingKey};
pub use progress::{Progress, Silent, Stage};

/// Why there is no proof.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProveError {
    /// The key's circuit has other sizes than the assignment's.
    #[error("the key of {key} is for another circuit: {what} {expected}, the statement has {found}")]
    OtherCircuit {
        /// Name of the key's circuit.
        key: String,
        /// What differs.
        what: &'static str,
        /// The key's number.
        expected: usize,
        /// The statement's number.
        found: usize,
    },
    /// The witness does not satisfy the statement.
    #[error("the witness breaks constraint {constraint}{}", in_paragraph(*paragraph))]
    Unsatisfied {
        /// Index of the first constraint that fails.
        constraint: usize,
        /// The paragraph of the specification it belongs to, where it was looked up.
        paragraph: Option<&'static str>,
    },
    /// The engine broke down: its device is gone, or has no memory left.
    #[error("the {engine} engine failed: {reason}")]
    Engine {
        /// The engine.
        engine: String,
        /// Its own words.
        reason: String,
    },
    /// The engine's proof does not verify. The engine, the key or the machine is at fault, not the
    /// statement.
    #[error("a proof made by the {engine} engine did not verify and was discarded")]
    SelfVerification {
        /// The engine.
        engine: String,
    },
}

fn in_paragraph(paragraph: Option<&'static str>) -> String {
    paragraph.map(|name| format!(" ({name})")).unwrap_or_default()
}

impl ProveError {
    /// Adds the paragraph of an unsatisfied constraint; other errors stay as they are.
    #[must_use]
    pub fn in_system(self, system: &R1cs) -> Self {
        match self {
            Self::Unsatisfied { constraint, .. } => Self::Unsatisfied {
                constraint,
                paragraph: Some(system.paragraph_of(constraint)),
            },
            other @ (Self::OtherCircuit { .. } | Self::Engine { .. } | Self::SelfVerification { .. }) => {
                other
            }
        }
    }
}

/// Makes proofs with one engine.
pub struct Prover {
    backend: Box<dyn Backend>,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prover").field("engine", &self.engine()).finish()
    }
}

impl Default for Prover {
    fn default() -> Self {
        Self::new(Box::new(backend::cpu::Cpu::detect()))
    }
}

impl Prover {
    /// A prover on the given engine.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>) -> Self {
        Self { backend }
    }

    /// A prover on this machine's processor.
    #[must_use]
    pub fn cpu() -> Self {
        Self::default()
    }

    /// The engine's name.
    #[must_use]
    pub fn engine(&self) -> &str {
        self.backend.name()
    }

    /// Proves a statement. Where the witness does not satisfy it, the error names the paragraph.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove_statement<R: CryptoRngCore + ?Sized>(
        &self,
        key: &ProvingKey,
        statement: &impl Statement,
        rng: &mut R,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        let proved = self.prove(key, &statement.assignment(), rng, progress);
        proved.map_err(|error| match error {
            ProveError::Unsatisfied { .. } => error.in_system(&statement.r1cs()),
            ProveError::OtherCircuit { .. }
            | ProveError::Engine { .. }
            | ProveError::SelfVerification { .. } => error,
        })
    }

    /// Proves an assignment with fresh blinding factors from `rng`, and verifies the proof.
    ///
    /// # Errors
    /// [`ProveError`]; nothing is proved for an assignment that does not satisfy its system or does
    /// not fit the key, and no proof leaves that does not verify.
    pub fn prove<R: CryptoRngCore + ?Sized>(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        rng: &mut R,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        check_sizes(key, assignment)?;
        if let Some(constraint) = assignment.first_unsatisfied() {
            return Err(ProveError::Unsatisfied {
                constraint,
                paragraph: None,
            });
        }
        let blinding = Blinding {
            r: setup::random_field(rng),
            s: setup::random_field(rng),
        };
        let proof = self.backend.prove(key, assignment, blinding, progress)?;
        progress.begin(Stage::SelfVerify, 1);
        groth16::verify(key.verifier(), assignment.public_inputs(), &proof).map_err(|error| {
            tracing::error!(engine = self.engine(), circuit = key.circuit().name(), %error, "discarded a proof");
            ProveError::SelfVerification { engine: self.engine().to_owned() }
        })?;
        progress.advance(1);
        Ok(proof)
    }
}

fn check_sizes(key: &ProvingKey, assignment: &Assignment) -> Result<(), ProveError> {
    let sizes = key.sizes();
    for (what, expected, found) in [
        ("public inputs", sizes.num_public, assignment.public.len()),
        ("witness variables", sizes.num_witness, assignment.witness.len()),
        ("constraints", sizes.num_constraints, assignment.az.len()),
    ] {
        if expected != found {
            return Err(ProveError::OtherCircuit {
                key: key.circuit().name().to_owned(),
                what,
                expected,
                found,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
