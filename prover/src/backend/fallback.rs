//! An engine that may fail, and one that steps in.
//!
//! A device can vanish, run out of memory or compute wrongly. [`WithFallback`] verifies what the first
//! engine returns; where that fails, it warns and has the second prove the same thing. After several
//! failures in a row the first engine is left alone. Specification: `docs/spec/gpu.md`.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tacit_circuits::r1cs::Assignment;
use tacit_verifier::groth16::{self, Proof};

use super::{Backend, Blinding};
use crate::ProveError;
use crate::keys::ProvingKey;
use crate::progress::Progress;

/// Failures in a row after which the first engine is not asked again.
pub const PATIENCE: u32 = 3;

/// A first engine, and a second that proves what the first could not.
pub struct WithFallback {
    name: String,
    first: Box<dyn Backend>,
    second: Box<dyn Backend>,
    in_a_row: AtomicU32,
    fallbacks: AtomicU64,
}

impl std::fmt::Debug for WithFallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithFallback")
            .field("engine", &self.name)
            .field("fallbacks", &self.fallbacks())
            .finish_non_exhaustive()
    }
}

impl WithFallback {
    /// `first`, with `second` behind it.
    #[must_use]
    pub fn new(first: Box<dyn Backend>, second: Box<dyn Backend>) -> Self {
        Self {
            name: format!("{}, else {}", first.name(), second.name()),
            first,
            second,
            in_a_row: AtomicU32::new(0),
            fallbacks: AtomicU64::new(0),
        }
    }

    /// Proofs that the second engine had to make, for a metric.
    #[must_use]
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }

    /// Whether the first engine is still asked.
    #[must_use]
    pub fn is_trying(&self) -> bool {
        self.in_a_row.load(Ordering::Relaxed) < PATIENCE
    }

    /// The first engine's proof, if it verifies.
    fn try_first(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        let proof = self.first.prove(key, assignment, blinding, progress)?;
        let wrong = |_| ProveError::SelfVerification {
            engine: self.first.name().to_owned(),
        };
        groth16::verify(key.verifier(), assignment.public_inputs(), &proof).map_err(wrong)?;
        Ok(proof)
    }
}

impl Backend for WithFallback {
    fn name(&self) -> &str {
        &self.name
    }

    fn prove(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        if self.is_trying() {
            match self.try_first(key, assignment, blinding, progress) {
                Ok(proof) => {
                    self.in_a_row.store(0, Ordering::Relaxed);
                    return Ok(proof);
                }
                Err(error) => {
                    let failures = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
                    let (first, second) = (self.first.name(), self.second.name());
                    tracing::warn!(%error, failures, "{first} made no proof, {second} makes it");
                    if failures == PATIENCE {
                        tracing::warn!("{first} is not asked again; restart to use it");
                    }
                }
            }
        }
        self.fallbacks.fetch_add(1, Ordering::Relaxed);
        self.second.prove(key, assignment, blinding, progress)
    }
}

#[cfg(test)]
mod tests;
