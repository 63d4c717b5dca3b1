//! From sealed to anchored: jobs for the prover, proofs back, payloads for the publisher.

use tacit_protocol::DecodeError;
use tacit_protocol::batch::{Batch, MAX_PARTIAL, Payload};
use tacit_protocol::encoding::Encode;
use tacit_protocol::envelope::MAX_PAYLOAD;
use tacit_protocol::kv::{Delta, KvError};
use tacit_protocol::ledger::BatchTrace;
use tacit_protocol::transfer::ProofBytes;
use tacit_verifier::chain::table as chain_table;
use tacit_verifier::groth16::{self, Proof};
use thiserror::Error;

use super::{Sequencer, SequencerError};
use crate::state::PendingBatch;
use crate::table;

/// Bytes of a payload around its batches: magic, version, count.
const PAYLOAD_FRAME: usize = 4 + 1 + 2;

/// A batch to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofJob {
    /// The batch.
    pub number: u32,
    /// The statement's witness.
    pub trace: BatchTrace,
}

/// Why a batch proof is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    /// No sealed batch waits under this number: it was anchored, returned to the mempool, or never was.
    #[error("batch {0} does not wait for a proof")]
    NotPending(u32),
    /// The chain has no key for the shape.
    #[error("the chain has no verifying key for {0}")]
    NoKey(&'static str),
    /// The bytes are not a proof.
    #[error("the batch proof does not decode: {0}")]
    Encoding(DecodeError),
    /// The proof is not one of this batch.
    #[error("the batch proof does not verify")]
    Invalid,
    /// The store failed; the proof was not taken.
    #[error(transparent)]
    Kv(#[from] KvError),
}

impl Sequencer {
    /// The oldest sealed batch without a proof, with the witness of its statement. Asked again, it
    /// gives the same job, also after a restart.
    ///
    /// # Errors
    /// [`SequencerError`] if the store fails.
    pub fn next_to_prove(&self) -> Result<Option<ProofJob>, SequencerError> {
        match self.unproven().next() {
            Some(number) => self.proof_job(number),
            None => Ok(None),
        }
    }

    /// The sealed batches without a proof, oldest first.
    pub fn unproven(&self) -> impl Iterator<Item = u32> {
        self.pending
            .batches()
            .iter()
            .filter(|batch| batch.proof().is_none())
            .map(PendingBatch::number)
    }

    /// The job of one sealed batch; `None` if there is no such batch, or the sequencer does not act.
    ///
    /// # Errors
    /// [`SequencerError`] if the store fails.
    pub fn proof_job(&self, number: u32) -> Result<Option<ProofJob>, SequencerError> {
        self.check_current()?;
        if self.halt.is_some() {
            return Ok(None);
        }
        let trace = self.pending.trace(&self.rules, &*self.store, number)?;
        Ok(trace.map(|trace| ProofJob { number, trace }))
    }

    /// Verifies and keeps the proof of a sealed batch. A batch keeps its first proof: a payload with
    /// it may be on its way to Bitcoin.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn store_proof(&mut self, number: u32, proof: ProofBytes) -> Result<(), ProofError> {
        self.check_current()?;
        let batch = self
            .pending
            .get_mut(number)
            .ok_or(ProofError::NotPending(number))?;
        if batch.proof().is_some() {
            return Ok(());
        }
        let shape = batch.sealed().batch.shape;
        let key = self
            .rules
            .batch_key(shape)
            .ok_or(ProofError::NoKey(shape.circuit_name()))?;
        let decoded = Proof::from_bytes(&proof.0).map_err(ProofError::Encoding)?;
        groth16::verify(key, &batch.public_inputs(), &decoded).map_err(|_| ProofError::Invalid)?;
        let mut delta = Delta::default();
        table::put_proof(&mut delta, number, &proof);
        self.store.commit(&delta)?;
        batch.set_proof(proof);
        Ok(())
    }

    /// What the next anchor should carry: the proven batches that follow Bitcoin's state without a
    /// gap, as many as `max_bytes` and the rules allow; `None` if there is none.
    ///
    /// # Errors
    /// [`KvError`] if the store fails.
    ///
    /// # Panics
    /// Never: the rules of payloads are kept while choosing.
    pub fn anchorable(&self, max_bytes: usize) -> Result<Option<Payload>, KvError> {
        self.check_current()?;
        if self.halt.is_some() || !self.synced {
            return Ok(None);
        }
        let limit = max_bytes.min(MAX_PAYLOAD);
        let left_out = self.pending.first_left_out(&self.rules, &*self.store)?;
        let (mut batches, mut bytes, mut partial) = (Vec::new(), PAYLOAD_FRAME, 0);
        for pending in self.pending.batches() {
            if left_out == Some(pending.number()) {
                break;
            }
            let Some(proof) = pending.proof() else { break };
            let batch = pending.sealed().with_proof(proof);
            bytes += batch.encode().len();
            partial += usize::from(batch.transfers.len() < batch.shape.slots());
            let fits = bytes <= limit && partial <= MAX_PARTIAL && batches.len() < usize::from(u16::MAX);
            if !fits || !self.deposits_are_deep(&batch)? {
                break;
            }
            batches.push(batch);
        }
        if batches.is_empty() {
            return Ok(None);
        }
        Ok(Some(Payload::new(batches).expect("counted while choosing")))
    }

    /// Whether the next block already shows the batch's deposits as deep enough. It does, unless a
    /// reorganisation has made the chain lower than it was at the seal.
    fn deposits_are_deep(&self, batch: &Batch) -> Result<bool, KvError> {
        let genesis = self.rules.params().genesis();
        for claim in &batch.deposits {
            let swept = chain_table::swept(&*self.store, claim.sweep)?;
            if !swept.is_some_and(|swept| genesis.is_deep(swept.height, self.height + 1)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
