//! The proving thread: one sealed batch at a time, the oldest first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::OsRng;
use tacit_circuits::batch::BatchStatement;
use tacit_circuits::version::CircuitId;
use tacit_protocol::transfer::ProofBytes;
use tacit_prover::circuits;
use tacit_sequencer::ProofError;

use super::operator::{CrashPoint, Operator};
use super::wait;
use crate::progress::Bars;

/// Pause while there is nothing to prove.
const IDLE: Duration = Duration::from_millis(200);

impl Operator {
    /// Proves what waits for a proof until told to stop.
    ///
    /// # Errors
    /// An unusable key, an engine whose proofs do not verify, a failing database.
    pub(super) fn prove_until(&self, stop: &AtomicBool) -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let job = self.sequencer().next_to_prove()?;
            let Some(job) = job else {
                wait(IDLE, stop);
                continue;
            };
            let shape = job.trace.data.shape;
            let bars = Bars::new(format!("batch {}", job.number));
            let key = circuits::load_key(&self.keys, CircuitId::Batch(shape), &bars)?;
            let started = std::time::Instant::now();
            let statement = BatchStatement::from_trace(&job.trace);
            let proof = self.prover.prove_statement(&key, &statement, &mut OsRng, &bars)?;
            if stop.load(Ordering::Relaxed) {
                // The node may be closing its database; the proof is made again after the next start.
                return Ok(());
            }
            let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                batch = job.number,
                circuit = shape.circuit_name(),
                millis,
                "proved"
            );
            match self
                .sequencer()
                .store_proof(job.number, ProofBytes(proof.to_bytes()))
            {
                Ok(()) => self.crash_point(CrashPoint::Proof),
                // A reorganisation may have changed the batch meanwhile.
                Err(ProofError::NotPending(_) | ProofError::Invalid) => {
                    tracing::warn!(
                        batch = job.number,
                        "the batch changed while it was proved; proving again"
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
