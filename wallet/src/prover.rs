//! The seam to the prover: a wallet asks for a proof and does not care which engine makes it.

use std::sync::Arc;

use rand_core::CryptoRngCore;
use tacit_circuits::transfer::TransferStatement;
use tacit_protocol::transfer::ProofBytes;
use tacit_prover::{ProveError, Prover, ProvingKey, Silent};

/// Proves transfers.
pub trait TransferProver {
    /// A proof of the statement; it was verified before it is handed out.
    ///
    /// # Errors
    /// [`ProveError`]; its variant names the paragraph of the statement that the witness breaks.
    fn prove_transfer(
        &self,
        statement: &TransferStatement,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<ProofBytes, ProveError>;
}

/// Groth16 with a proving key in memory.
#[derive(Debug)]
pub struct Groth16TransferProver {
    prover: Prover,
    key: Arc<ProvingKey>,
}

impl Groth16TransferProver {
    /// A prover with the transfer circuit's key.
    #[must_use]
    pub fn new(prover: Prover, key: Arc<ProvingKey>) -> Self {
        Self { prover, key }
    }
}

impl TransferProver for Groth16TransferProver {
    fn prove_transfer(
        &self,
        statement: &TransferStatement,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<ProofBytes, ProveError> {
        let proof = self.prover.prove_statement(&self.key, statement, rng, &Silent)?;
        Ok(ProofBytes(proof.to_bytes()))
    }
}
