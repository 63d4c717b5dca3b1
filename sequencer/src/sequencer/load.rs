//! Opening: everything in memory is made again from the store.
//!
//! Waiting transfers are verified anew, many at once. A transfer that no longer holds is dropped
//! with its reason; the rest keep their order, their times and the batches they were promised for.

use tacit_protocol::F;
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::{Delta, KvError};
use tacit_protocol::ledger;
use tacit_protocol::transfer::Transfer;
use tacit_protocol::tree::nullifiers;
use tacit_verifier::VerifiedTransfer;
use tacit_verifier::transfer::verify_transfers;

use super::Sequencer;
use crate::mempool::{Entry, Mempool};
use crate::record::{DropReason, Queued, Rejection};
use crate::table;

/// Transfers verified together.
const CHUNK: usize = 128;

impl Sequencer {
    /// Rebuilds memory from the store.
    pub(super) fn load(&mut self) -> Result<(), KvError> {
        self.halt = table::halt(&*self.store)?;
        if let Some(from) = self.reconcile(true)?.resealed_from {
            self.reseal(from)?;
            self.reconcile(true)?;
        }
        let policy = &self.config.policy;
        self.mempool = Mempool::new(policy.max_transfers, policy.max_bytes);
        let mut delta = Delta::default();
        for chunk in table::queued(&*self.store)?.chunks(CHUNK) {
            self.load_chunk(chunk, &mut delta)?;
        }
        if !delta.is_empty() {
            self.store.commit(&delta)?;
        }
        self.deposit_seen = None;
        self.stale = false;
        Ok(())
    }

    fn load_chunk(&mut self, chunk: &[(u64, Queued)], delta: &mut Delta) -> Result<(), KvError> {
        let (mut rows, mut pairs) = (Vec::new(), Vec::new());
        for (seq, queued) in chunk {
            match self.recheck(&queued.transfer)? {
                Ok(root) => {
                    rows.push((*seq, queued));
                    pairs.push((queued.transfer.clone(), root));
                }
                Err(reason) => self.drop_stored(delta, *seq, queued, reason),
            }
        }
        let (verified, invalid) = verify_all(self, pairs);
        for at in invalid {
            let (seq, queued) = rows.remove(at);
            self.drop_stored(delta, seq, queued, DropReason::Invalid);
        }
        for ((seq, queued), verified) in rows.into_iter().zip(verified) {
            let nf = queued
                .transfer
                .body
                .nf
                .into_iter()
                .find(|nf| self.mempool.spender(nf).is_some());
            let fee = queued.transfer.body.fee_amount(self.rules.params());
            match (nf, fee) {
                (Some(nf), _) => self.drop_stored(delta, seq, queued, DropReason::Spent(nf)),
                (None, Err(_)) => self.drop_stored(delta, seq, queued, DropReason::Invalid),
                (None, Ok(_)) => {
                    let size = queued.transfer.encode().len();
                    let Queued { arrived, target, .. } = *queued;
                    self.mempool.insert(
                        seq,
                        Entry {
                            verified,
                            arrived,
                            target,
                            size,
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// The rules that depend on the state; gives the root to verify against.
    fn recheck(&self, transfer: &Transfer) -> Result<Result<F, DropReason>, KvError> {
        let view = self.view();
        let body = &transfer.body;
        if body.expiry < self.next_batch() {
            return Ok(Err(DropReason::Expired { expiry: body.expiry }));
        }
        for nf in &body.nf {
            if nullifiers::contains(&view, nf)? {
                return Ok(Err(DropReason::Spent(*nf)));
            }
        }
        let state = ledger::state(&view, transfer.anchor)?;
        Ok(state
            .map(|state| state.notes_root)
            .ok_or(DropReason::AnchorReplaced(transfer.anchor)))
    }

    fn drop_stored(&self, delta: &mut Delta, seq: u64, queued: &Queued, reason: DropReason) {
        table::delete_queued(delta, seq);
        if let Ok(id) = queued.transfer.body.id(self.rules.params()) {
            let rejection = Rejection {
                batch: self.next_batch(),
                reason,
            };
            table::put_rejection(delta, &id, &rejection);
            tracing::warn!(%id, %reason, "a waiting transfer was dropped");
        }
    }
}

/// The transfers that verify, and the places of the others, last first.
fn verify_all(sequencer: &Sequencer, mut pairs: Vec<(Transfer, F)>) -> (Vec<VerifiedTransfer>, Vec<usize>) {
    let mut invalid: Vec<usize> = Vec::new();
    let mut places: Vec<usize> = (0..pairs.len()).collect();
    loop {
        match verify_transfers(&sequencer.rules, &pairs) {
            Ok(verified) => {
                invalid.sort_unstable_by(|a, b| b.cmp(a));
                return (verified, invalid);
            }
            Err((at, _)) => {
                pairs.remove(at);
                invalid.push(places.remove(at));
            }
        }
    }
}
