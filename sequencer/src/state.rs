//! Sealed batches on top of the state that Bitcoin shows.
//!
//! ```text
//!   canonical store   S_0 … S_t        what Bitcoin anchors
//!   pending deltas    S_{t+1} … S_p    sealed here, not anchored yet; never committed
//! ```
//!
//! Each pending batch keeps the writes that it makes. They are computed by the same functions that
//! followers run, on views that are never committed: the canonical state moves by Bitcoin blocks
//! only. When Bitcoin moves, `Pending::rebuild` keeps what still stands on the same state and
//! computes the rest again.

use std::collections::{HashMap, VecDeque};

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, Txid};
use tacit_protocol::F;
use tacit_protocol::batch::BatchData;
use tacit_protocol::kv::{Delta, KvError, KvRead, MemoryKv, Overlay, View};
use tacit_protocol::ledger::{self, BatchTrace, LedgerError};
use tacit_protocol::transfer::{ProofBytes, TransferId};
use tacit_verifier::batch::due::{LOOK, walk};
use tacit_verifier::batch::{BatchError, anchor_roots, record, resolve};
use tacit_verifier::chain::records::{Place, Swept};
use tacit_verifier::chain::{due_until, table};
use tacit_verifier::groth16::{self, Proof};
use tacit_verifier::{Rules, TransferError};
use thiserror::Error;

use crate::record::Sealed;

/// Why a batch cannot be applied to a view.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StepError {
    /// The view failed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The batch breaks a rule there.
    #[error(transparent)]
    Rule(BatchError),
}

impl From<BatchError> for StepError {
    fn from(error: BatchError) -> Self {
        if let BatchError::Kv(kv) | BatchError::Ledger(LedgerError::Kv(kv)) = error {
            Self::Kv(kv)
        } else {
            Self::Rule(error)
        }
    }
}

impl From<LedgerError> for StepError {
    fn from(error: LedgerError) -> Self {
        Self::from(BatchError::Ledger(error))
    }
}

/// A sealed batch with what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingBatch {
    sealed: Sealed,
    proof: Option<ProofBytes>,
    data: BatchData,
    ids: Vec<TransferId>,
    before: F,
    digest: F,
    delta: Delta,
}

impl PendingBatch {
    /// Applies a sealed batch to `kv`. Its state commitment is computed, not trusted.
    ///
    /// # Errors
    /// [`StepError`].
    pub fn compute(rules: &Rules, kv: &dyn KvRead, sealed: Sealed, height: u32) -> Result<Self, StepError> {
        let mut sealed = sealed;
        let data = resolve(rules, kv, &sealed.batch, height)?;
        let ids = sealed
            .ids(rules.params())
            .ok_or(StepError::Rule(BatchError::Transfer {
                slot: 0,
                error: TransferError::Proof,
            }))?;
        let before = ledger::tip(kv)?.commitment();
        let digest = data.digest(
            rules.params().chain_id().to_field(),
            &anchor_roots(kv, &data.anchors)?,
        );
        let mut overlay = Overlay::new(kv);
        sealed.batch.state = ledger::apply(&mut overlay, &data)?.commitment();
        record(&mut overlay, &sealed.batch, &data, &ids, &pending_place(&sealed))?;
        let delta = overlay.into_delta();
        Ok(Self {
            sealed,
            proof: None,
            data,
            ids,
            before,
            digest,
            delta,
        })
    }

    /// As [`PendingBatch::compute`] for a batch that was sealed before: the state must come out the
    /// same.
    ///
    /// # Errors
    /// [`StepError`]; [`BatchError::WrongState`] if the state differs.
    pub fn replay(rules: &Rules, kv: &dyn KvRead, sealed: &Sealed, height: u32) -> Result<Self, StepError> {
        let batch = Self::compute(rules, kv, sealed.clone(), height)?;
        if batch.sealed == *sealed {
            Ok(batch)
        } else {
            Err(StepError::Rule(BatchError::WrongState))
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.data.number
    }

    /// What is on disk.
    #[must_use]
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// Its proof, once there is one.
    #[must_use]
    pub fn proof(&self) -> Option<ProofBytes> {
        self.proof
    }

    /// Gives it its proof.
    pub(crate) fn set_proof(&mut self, proof: ProofBytes) {
        self.proof = Some(proof);
    }

    /// The identifiers of its transfers, in slot order.
    #[must_use]
    pub fn ids(&self) -> &[TransferId] {
        &self.ids
    }

    /// The statement's public inputs: the states before and after, and the digest.
    #[must_use]
    pub fn public_inputs(&self) -> [F; 3] {
        [self.before, self.sealed.batch.state, self.digest]
    }

    /// Whether this is the proof it has.
    fn has(&self, proof: &ProofBytes) -> bool {
        self.proof.as_ref() == Some(proof)
    }

    /// Whether a proof is one of this batch's statement.
    fn proves(&self, rules: &Rules, proof: &ProofBytes) -> bool {
        let key = rules.batch_key(self.sealed.batch.shape);
        let decoded = Proof::from_bytes(&proof.0).ok();
        key.zip(decoded)
            .is_some_and(|(key, proof)| groth16::verify(key, &self.public_inputs(), &proof).is_ok())
    }

    /// Whether the batch does on `kv` exactly what it did when it was computed.
    fn still_stands(&self, rules: &Rules, kv: &dyn KvRead, height: u32) -> Result<bool, KvError> {
        if ledger::tip(kv)?.commitment() != self.before {
            return Ok(false);
        }
        match resolve(rules, kv, &self.sealed.batch, height).map_err(StepError::from) {
            Ok(data) if data == self.data => {}
            Ok(_) | Err(StepError::Rule(_)) => return Ok(false),
            Err(StepError::Kv(error)) => return Err(error),
        }
        for claim in &self.sealed.batch.deposits {
            let now = table::swept(kv, claim.sweep)?;
            let credited = now.map(|swept| Swept {
                credited: Some(self.data.number),
                ..swept
            });
            let empty = MemoryKv::default();
            if table::swept(&View::new(&empty, &self.delta), claim.sweep)? != credited {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where a batch stands that is on no block yet: on none.
fn pending_place(sealed: &Sealed) -> Place {
    Place {
        height: sealed.height,
        block: BlockHash::all_zeros(),
        time: 0,
        txid: Txid::all_zeros(),
    }
}

/// The sealed batches that Bitcoin does not show yet, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    batches: VecDeque<PendingBatch>,
    /// The writes of all of them.
    delta: Delta,
}

impl Pending {
    /// `canonical` as it will look once all of them are anchored.
    #[must_use]
    pub fn view<'a>(&'a self, canonical: &'a dyn KvRead) -> View<'a> {
        View::new(canonical, &self.delta)
    }

    /// The batches, oldest first.
    #[must_use]
    pub fn batches(&self) -> &VecDeque<PendingBatch> {
        &self.batches
    }

    /// The batch of a number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&PendingBatch> {
        let first = self.batches.front()?.number();
        self.batches
            .get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut PendingBatch> {
        let first = self.batches.front()?.number();
        self.batches
            .get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Adds a batch that was computed on this view.
    pub(crate) fn push(&mut self, batch: PendingBatch) {
        extend(&mut self.delta, &batch.delta);
        self.batches.push_back(batch);
    }

    /// The witness of a pending batch's statement, computed again.
    ///
    /// # Errors
    /// [`StepError`]; `None` if no pending batch has this number.
    pub fn trace(
        &self,
        rules: &Rules,
        canonical: &dyn KvRead,
        number: u32,
    ) -> Result<Option<BatchTrace>, StepError> {
        let Some(batch) = self.get(number) else {
            return Ok(None);
        };
        let mut below = Delta::default();
        for earlier in self.batches.iter().take_while(|b| b.number() < number) {
            extend(&mut below, &earlier.delta);
        }
        let view = View::new(canonical, &below);
        let mut overlay = Overlay::new(&view);
        let chain = rules.params().chain_id().to_field();
        Ok(Some(ledger::apply_traced(&mut overlay, &batch.data, chain)?))
    }

    /// The first batch that the next anchor cannot carry, because it leaves out a forced request that is
    /// due by now, or is too small for all that are. What is due grows with every anchor, so a batch found once is void for good.
    ///
    /// # Errors
    /// [`KvError`] if the view fails.
    pub(crate) fn first_left_out(
        &self,
        rules: &Rules,
        canonical: &dyn KvRead,
    ) -> Result<Option<u32>, KvError> {
        let Some(until) = due_until(canonical, rules.params())? else {
            return Ok(None);
        };
        let none = table::forced_transfers(canonical, None, until, 1)?.is_empty()
            && table::forced_claims(canonical, None, until, 1)?.is_empty();
        if none {
            return Ok(None);
        }
        let mut below = Delta::default();
        for batch in &self.batches {
            let view = View::new(canonical, &below);
            let walk = walk(rules, &view, batch.sealed.batch.shape, Some(until), LOOK)?;
            if walk.check(rules, &batch.sealed.batch, &batch.ids).is_err() {
                return Ok(Some(batch.number()));
            }
            let mut overlay = Overlay::new(&view);
            walk.settle(&mut overlay, batch.number());
            let settled = overlay.into_delta();
            extend(&mut below, &batch.delta);
            extend(&mut below, &settled);
        }
        Ok(None)
    }

    /// Makes `sealed` the pending batches on top of `canonical`, whose last block has `height`. A
    /// proof on disk is taken if it is of the batch as it stands now: the statement names the outpoints
    /// of deposits, which a reorganisation can exchange while batch and state stay the same.
    ///
    /// Returns the first batch that cannot stand there and the rule; those before it are pending.
    ///
    /// # Errors
    /// [`KvError`] if the view fails.
    pub(crate) fn rebuild(
        &mut self,
        rules: &Rules,
        canonical: &dyn KvRead,
        height: u32,
        sealed: Vec<(u32, Sealed, Option<ProofBytes>)>,
    ) -> Result<Option<(u32, BatchError)>, KvError> {
        let mut old: HashMap<u32, PendingBatch> = std::mem::take(self)
            .batches
            .into_iter()
            .map(|batch| (batch.number(), batch))
            .collect();
        for (number, record, proof) in sealed {
            // Deposits were deep enough at the height of the seal; a short reorganisation may show a
            // lower height for a moment.
            let height = height.max(record.height);
            let view = self.view(canonical);
            let kept = match old.remove(&number).filter(|batch| batch.sealed == record) {
                Some(batch) if batch.still_stands(rules, &view, height)? => Some(batch),
                Some(_) | None => None,
            };
            let mut batch = match kept {
                Some(batch) => batch,
                None => match PendingBatch::replay(rules, &view, &record, height) {
                    Ok(batch) if batch.number() == number => batch,
                    Ok(batch) => {
                        let expected = batch.number();
                        return Ok(Some((
                            number,
                            LedgerError::WrongNumber {
                                expected,
                                found: number,
                            }
                            .into(),
                        )));
                    }
                    Err(StepError::Rule(rule)) => return Ok(Some((number, rule))),
                    Err(StepError::Kv(error)) => return Err(error),
                },
            };
            batch.proof = proof.filter(|proof| batch.has(proof) || batch.proves(rules, proof));
            if proof.is_some() && batch.proof.is_none() {
                tracing::warn!(
                    number,
                    "a proof is about other deposits than the batch; proving again"
                );
            }
            self.push(batch);
        }
        Ok(None)
    }
}

/// Adds the writes of `more`, which come later.
fn extend(delta: &mut Delta, more: &Delta) {
    for (key, value) in more.writes() {
        delta.insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }
}

#[cfg(test)]
mod tests;
