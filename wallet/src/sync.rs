//! Following a node: from its list of batches to a wallet that agrees with it.
//!
//! 1. Compare state commitments from the last final batch on; where they differ, forget what comes
//!    after the last batch that agrees (a pending batch was made anew, or Bitcoin was reorganised).
//! 2. Read and scan what is new; every batch is checked ([`crate::scan`]).
//! 3. Look after transfers on their way: hand them in again if the node forgot them, give up those
//!    that can no longer be included, so that their notes can be spent again (`refused.rs`).
//! 4. Learn which epochs of the federation have begun ([`crate::epochs`]) and whose receipts count.

use bitcoin::XOnlyPublicKey;
use rand_core::CryptoRngCore;
use tacit_protocol::F;
use tacit_protocol::transfer::TransferId;
use tacit_protocol::tree::{LEAF_DEPTH, empty_root};

use crate::api::{
    ApiError, BatchSummary, MAX_COMPACT, MAX_RANGE, NodeApi, Range, Receipt, Status, SyncState,
    TransferStatus,
};
use crate::db::{BatchRecord, StateRecord};
use crate::scan::ScanError;
use crate::tree::RootTree;
use crate::wallet::{Wallet, WalletError};

/// Batches between two saves of a long scan.
const SAVE_EVERY: u32 = 4_096;

/// How far a sync is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncProgress {
    /// Batches scanned.
    pub batch: u32,
    /// Batches there are.
    pub target: u32,
}

/// A transfer that will not be included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The transfer.
    pub txid: TransferId,
    /// Why.
    pub reason: String,
}

/// Another sequencer took the chain over: what the one before promised is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The anchor key of the sequencer in office.
    pub sequencer: XOnlyPublicKey,
    /// Transfers that are not on Bitcoin and whose receipts are void; syncs hand them in again.
    pub void: Vec<TransferId>,
}

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncReport {
    /// The latest batch.
    pub batch: u32,
    /// Batches scanned.
    pub scanned: u32,
    /// The batch after which everything was forgotten and read anew.
    pub rolled_back_to: Option<u32>,
    /// Transfers that will not be included; their notes can be spent again.
    pub dropped: Vec<Dropped>,
    /// Another sequencer is in office than at the last sync.
    pub takeover: Option<Takeover>,
    /// Whether the node itself is still behind Bitcoin, so that more may come.
    pub node_behind: bool,
}

impl Wallet {
    /// Brings the wallet up to the node's latest batch and saves it.
    ///
    /// # Errors
    /// [`WalletError`]; what was verified before the error is kept.
    pub fn sync(
        &mut self,
        api: &dyn NodeApi,
        progress: &mut dyn FnMut(SyncProgress),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<SyncReport, WalletError> {
        let status = api.status()?;
        self.check_node(&status)?;
        let mut report = SyncReport {
            node_behind: matches!(status.sync, SyncState::Syncing { .. } | SyncState::Paused { .. }),
            ..SyncReport::default()
        };
        let outcome = self.follow(api, &status, progress, rng, &mut report);
        self.save(rng)?;
        outcome.map(|()| report)
    }

    fn follow(
        &mut self,
        api: &dyn NodeApi,
        status: &Status,
        progress: &mut dyn FnMut(SyncProgress),
        rng: &mut dyn CryptoRngCore,
        report: &mut SyncReport,
    ) -> Result<(), WalletError> {
        report.rolled_back_to = self.reconcile(api)?;
        self.db.bitcoin_height = status.bitcoin_height;
        while self.db.tip() < status.batch {
            let from = self.db.tip() + 1;
            progress(SyncProgress {
                batch: from - 1,
                target: status.batch,
            });
            let batches = api.compact(Range {
                from,
                limit: MAX_COMPACT.min(status.batch - from + 1),
            })?;
            if batches.is_empty() {
                return Err(ScanError::Missing(from).into());
            }
            for batch in &batches {
                self.scanner().apply(batch)?;
                report.scanned += 1;
                if report.scanned.is_multiple_of(SAVE_EVERY) {
                    self.save(rng)?;
                }
            }
        }
        report.batch = self.db.tip();
        progress(SyncProgress {
            batch: report.batch,
            target: report.batch,
        });
        self.follow_epochs(api)?;
        report.dropped = self.look_after_outgoing(api)?;
        report.takeover = self.note_sequencer(status.sequencer);
        Ok(())
    }

    /// Remembers the sequencer in office. If it is another one than before, forgets the receipts of the one
    /// before for what is not on Bitcoin.
    fn note_sequencer(&mut self, sequencer: XOnlyPublicKey) -> Option<Takeover> {
        let before = self.db.sequencer.replace(sequencer)?;
        if before == sequencer {
            return None;
        }
        let mut void = Vec::new();
        let batches = &self.db.batches;
        let anchored = |batch: u32| batches.get(batch as usize).is_some_and(|b| b.anchored.is_some());
        for outgoing in &mut self.db.outgoing {
            let by_another = |receipt: &Receipt| !receipt.verify(&sequencer);
            if !outgoing.batch.is_some_and(anchored) && outgoing.receipt.as_ref().is_some_and(by_another) {
                outgoing.receipt = None;
                if outgoing.is_live() {
                    void.push(outgoing.txid);
                }
            }
        }
        Some(Takeover { sequencer, void })
    }

    /// Finds the last batch on which wallet and node agree and forgets what comes after it; learns
    /// where batches are anchored now. Returns the batch if anything was forgotten.
    fn reconcile(&mut self, api: &dyn NodeApi) -> Result<Option<u32>, WalletError> {
        let (tip, floor) = (self.db.tip(), self.db.birthday);
        let last_final = (floor..=tip).rev().find(|batch| self.is_final(*batch));
        let mut from = last_final.unwrap_or(floor).max(1);
        let mut step = 1;
        while from <= tip {
            let summaries = summaries(api, from, tip)?;
            let agreed = summaries
                .iter()
                .take_while(|summary| self.agrees(summary))
                .count();
            if agreed > 0 {
                for summary in &summaries[..agreed] {
                    self.db.batches[summary.number as usize].anchored = summary.anchored;
                }
                let last = summaries[agreed - 1].number;
                return Ok(self.forget_after(last));
            }
            if from <= floor.max(1) {
                return Ok(self.forget_after(if floor > 0 { 0 } else { from - 1 }));
            }
            from = from.saturating_sub(step).max(floor).max(1);
            step *= 2;
        }
        Ok(None)
    }

    fn agrees(&self, summary: &BatchSummary) -> bool {
        self.db.batch(summary.number).and_then(|record| record.state) == Some(StateRecord(summary.state))
    }

    fn forget_after(&mut self, keep: u32) -> Option<u32> {
        if keep >= self.db.tip() {
            return None;
        }
        self.db.birthday = if keep < self.db.birthday {
            0
        } else {
            self.db.birthday
        };
        tracing::info!(
            from = self.db.tip(),
            to = keep,
            "the node's batches changed; rolling back"
        );
        self.scanner().roll_back(keep);
        Some(keep)
    }

    /// Lets a fresh wallet skip all batches that are final already, because nothing in them can be
    /// its own. Does nothing once it has handed out an address or scanned a batch.
    ///
    /// # Errors
    /// [`WalletError`]; the wallet then scans from the beginning.
    ///
    /// # Panics
    /// Never: there is a root for the genesis state.
    pub fn skip_history(
        &mut self,
        api: &dyn NodeApi,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<u32, WalletError> {
        let status = api.status()?;
        self.check_node(&status)?;
        if self.db.tip() > 0 || self.db.next_address > 0 || self.db.next_deposit > 0 {
            return Ok(self.db.birthday);
        }
        let Some(batch) = self.latest_final(api, &status)? else {
            return Ok(0);
        };
        let roots = subtree_roots(api, batch)?;
        let compact = api.compact(Range {
            from: batch,
            limit: 1,
        })?;
        let compact = compact.first().ok_or(ScanError::Missing(batch))?;
        if compact.number != batch || compact.state.batch != batch {
            return Err(ScanError::Number {
                expected: batch,
                found: compact.number,
            }
            .into());
        }
        let tree = RootTree::new(&roots);
        if tree.root() != compact.state.notes_root {
            return Err(ScanError::SubtreeRoots { batch }.into());
        }
        let record = |subtree: &F| BatchRecord {
            subtree: *subtree,
            ..BatchRecord::genesis()
        };
        self.db.batches = roots.iter().map(record).collect();
        let last = self
            .db
            .batches
            .last_mut()
            .expect("there is a root for the genesis state");
        last.state = Some(StateRecord(compact.state.commitment()));
        last.anchored = compact.anchored;
        self.db.birthday = batch;
        self.db.bitcoin_height = status.bitcoin_height;
        self.view.tree = tree;
        self.save(rng)?;
        Ok(batch)
    }

    /// The latest batch that is as deep as the chain asks for.
    fn latest_final(&self, api: &dyn NodeApi, status: &Status) -> Result<Option<u32>, WalletError> {
        let mut batch = status.anchored_batch;
        while batch > 0 {
            let summaries = api.batches(Range {
                from: batch,
                limit: 1,
            })?;
            let summary = summaries.first().ok_or(ScanError::Missing(batch))?;
            let height = summary.anchored.map(|anchored| anchored.height);
            if height.is_some_and(|height| self.params.genesis().is_deep(height, status.bitcoin_height)) {
                return Ok(Some(batch));
            }
            batch -= 1;
        }
        Ok(None)
    }

    /// Hands in again what the node forgot, gives up what can no longer be included as things stand,
    /// and forgets what is settled for good.
    fn look_after_outgoing(&mut self, api: &dyn NodeApi) -> Result<Vec<Dropped>, WalletError> {
        self.forget_settled();
        let mut dropped = Vec::new();
        for outgoing in &self.db.outgoing {
            if outgoing.batch.is_none()
                && outgoing.is_live()
                && let Some(reason) = self.fate(api, outgoing)?
            {
                dropped.push(Dropped {
                    txid: outgoing.txid,
                    reason,
                });
            }
        }
        for Dropped { txid, reason } in &dropped {
            self.give_up(*txid, reason);
        }
        self.forget_settled();
        Ok(dropped)
    }

    /// Why a transfer on its way will not be included; `None` if it still may.
    fn fate(&self, api: &dyn NodeApi, outgoing: &crate::db::Outgoing) -> Result<Option<String>, WalletError> {
        for position in &outgoing.inputs {
            match self.db.notes.get(position) {
                None => {
                    return Ok(Some(
                        "a note it spends is gone with a batch that was undone".into(),
                    ));
                }
                Some(record) => {
                    if let Some(spent) = record.spent {
                        return Ok(Some(format!("transfer {} spent a note of it", spent.txid)));
                    }
                }
            }
        }
        if let Some(posted) = &outgoing.forced {
            // Bitcoin has it, if anybody has.
            return Ok(posted.is_empty().then(|| "it was not posted on Bitcoin".into()));
        }
        if self.db.tip() >= outgoing.transfer.body.expiry {
            return Ok(Some("it expired".into()));
        }
        let status = match api.transfer_status(outgoing.txid) {
            // It may come back; the batches that were read are good all the same.
            Err(ApiError::SequencerUnavailable { .. }) => return Ok(None),
            answer => answer?,
        };
        match status {
            TransferStatus::Pending | TransferStatus::Batched { .. } => Ok(None),
            TransferStatus::Rejected { reason } => Ok(Some(reason)),
            TransferStatus::Unknown => match api.submit_transfer(&outgoing.transfer) {
                Ok(_) => Ok(None),
                Err(error) if is_final_refusal(&error) => Ok(Some(error.to_string())),
                // It stays on its way: another node, or a later moment, may take it.
                Err(_) => Ok(None),
            },
        }
    }
}

/// Whether a transfer with these bytes will never be taken.
pub(crate) fn is_final_refusal(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::InvalidTransfer { .. }
            | ApiError::Spent { .. }
            | ApiError::Expired { .. }
            | ApiError::UnknownAnchor { .. }
    )
}

fn summaries(api: &dyn NodeApi, from: u32, to: u32) -> Result<Vec<BatchSummary>, WalletError> {
    let mut all: Vec<BatchSummary> = Vec::new();
    let mut next = from;
    while next <= to {
        let page = api.batches(Range {
            from: next,
            limit: MAX_RANGE.min(to - next + 1),
        })?;
        if page.is_empty() {
            break;
        }
        for summary in page {
            if summary.number != next {
                return Err(ScanError::Number {
                    expected: next,
                    found: summary.number,
                }
                .into());
            }
            all.push(summary);
            next += 1;
        }
    }
    Ok(all)
}

/// Roots of subtrees `0..=to`.
fn subtree_roots(api: &dyn NodeApi, to: u32) -> Result<Vec<F>, WalletError> {
    let mut roots = vec![empty_root(LEAF_DEPTH)];
    while roots.len() <= to as usize {
        let from = u32::try_from(roots.len()).expect("batch numbers have 24 bits");
        let page = api.note_subtree_roots(Range {
            from,
            limit: MAX_RANGE.min(to - from + 1),
        })?;
        if page.from != from || page.roots.is_empty() {
            return Err(ScanError::Missing(from).into());
        }
        roots.extend(page.roots);
    }
    roots.truncate(to as usize + 1);
    Ok(roots)
}

#[cfg(test)]
mod tests;
