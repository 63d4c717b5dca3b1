//! Proving engines behind one trait.
//!
//! An engine turns a key, an assignment and two blinding factors into a proof. Engines stand side by
//! side: [`mod@reference`] is the readable one, the faster [`cpu`] and [`gpu`] have to give the same proof for
//! the same blinding factors. [`conformance`] holds the checks that every engine passes. What an engine returns is verified by [`crate::Prover`] before it leaves, so a
//! faulty engine costs time, not soundness.

use tacit_circuits::r1cs::Assignment;
use tacit_protocol::F;
use tacit_verifier::groth16::Proof;

use crate::ProveError;
use crate::keys::ProvingKey;
use crate::progress::Progress;

pub mod choice;
pub mod conformance;
pub mod cpu;
pub mod fallback;
pub mod gpu;
pub mod reference;
mod sums;

/// The two field elements that make a proof reveal nothing but its statement. Each proof has fresh
/// ones: two proofs with the same pair, or a known pair, can reveal the witness.
#[derive(Clone, Copy)]
pub struct Blinding {
    /// Multiplies δ in `A`.
    pub r: F,
    /// Multiplies δ in `B`.
    pub s: F,
}

impl std::fmt::Debug for Blinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blinding(…)")
    }
}

/// A proving engine.
pub trait Backend: Send + Sync {
    /// The engine's name, for logs.
    fn name(&self) -> &str;

    /// The proof of `assignment` under `key` with the given blinding factors.
    ///
    /// The caller has checked that the assignment satisfies the circuit and fits the key.
    ///
    /// # Errors
    /// [`ProveError`] if the engine cannot go on.
    fn prove(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError>;
}
