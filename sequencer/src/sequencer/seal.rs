//! Sealing: the next batch is chosen, applied to a view, written down, and never changes again.

use std::sync::Arc;

use tacit_protocol::kv::Delta;
use tacit_protocol::ledger;
use tacit_protocol::transfer::TransferId;
use tacit_protocol::tree::BATCH_LIMIT;

use super::{Sequencer, SequencerError, Tick};
use crate::batch_builder::{Draft, Sources, draft, largest};
use crate::config::Time;
use crate::deposits::{Creditable, creditable};
use crate::forced::Forced;
use crate::record::DropReason;
use crate::state::PendingBatch;
use crate::table;

/// Batches for which the reasons of dropped transfers are remembered.
const REMEMBERED_BATCHES: u32 = 4_096;
/// Old reasons forgotten per batch.
const FORGET_LIMIT: usize = 1_024;

impl Sequencer {
    /// Drops what expired and seals what is due: a full batch, a batch whose first transfer or
    /// deposit has waited long enough, a batch that honours a forced request.
    ///
    /// # Errors
    /// [`SequencerError`]; what was sealed before the failure stays sealed.
    pub fn tick(&mut self, now: Time) -> Result<Tick, SequencerError> {
        self.check_current()?;
        let mut report = Tick::default();
        if self.halt.is_some() || !self.synced {
            return Ok(report);
        }
        let next = self.next_batch();
        let expired = self.mempool.expired(next).into_iter().filter_map(|seq| {
            let expiry = self.mempool.at(seq)?.verified.transfer().body.expiry;
            Some((seq, DropReason::Expired { expiry }))
        });
        let expired: Vec<_> = expired.collect();
        if !expired.is_empty() {
            let mut delta = Delta::default();
            self.write_drops(&mut delta, &expired);
            self.store.commit(&delta)?;
            self.forget(&expired, &mut report.dropped);
        }
        while self.pending.batches().len() < self.config.policy.max_pending.max(1) {
            if !self.seal_one(now, &mut report)? {
                break;
            }
        }
        Ok(report)
    }

    /// Seals one batch if one is due.
    fn seal_one(&mut self, now: Time, report: &mut Tick) -> Result<bool, SequencerError> {
        let view = self.view();
        let tip = ledger::tip(&view)?;
        if tip.batch + 1 >= BATCH_LIMIT {
            return Ok(false);
        }
        let deposits = creditable(
            &view,
            self.rules.params(),
            self.height,
            &*self.register,
            largest(&self.shapes).deposits(),
        )?;
        if !deposits.is_empty() {
            self.deposit_seen.get_or_insert(now);
        }
        let forced = self.next_forced()?;
        let heartbeat = self.is_heartbeat_due();
        if forced.is_empty() && !heartbeat && !self.is_due(&deposits, now) {
            return Ok(false);
        }
        let view = self.view();
        let sources = Sources {
            rules: &self.rules,
            view: &view,
            height: self.height,
            operator: self.config.operator,
            shapes: &self.shapes,
            queue: &self.mempool,
            deposits: &deposits,
            forced: &forced,
            heartbeat,
        };
        let Draft {
            sealed,
            taken,
            dropped,
        } = draft(&sources, &tip)?;
        let batch = match sealed {
            Some(sealed) => Some(PendingBatch::compute(&self.rules, &view, sealed, self.height)?),
            None => None,
        };
        self.write_and_keep(batch, &taken, &dropped, report)
    }

    /// The requests that the next batch begins with. The walk over the queue may be long, so its outcome is
    /// kept until a block or a batch changes it.
    fn next_forced(&mut self) -> Result<Arc<Forced>, SequencerError> {
        if let Some(known) = &self.forced {
            return Ok(Arc::clone(known));
        }
        let shape = largest(&self.shapes);
        let found = Arc::new(Forced::find(&self.rules, &self.view(), self.height, shape)?);
        self.forced = Some(Arc::clone(&found));
        Ok(found)
    }

    fn is_due(&self, deposits: &[Creditable], now: Time) -> bool {
        let (shape, policy) = (largest(&self.shapes), &self.config.policy);
        let transfers = self.mempool.oldest();
        let seen = self.deposit_seen.filter(|_| !deposits.is_empty());
        self.mempool.len() >= shape.slots()
            || deposits.len() >= shape.deposits()
            || transfers.is_some_and(|oldest| now.has_passed(policy.seal_after, oldest))
            || seen.is_some_and(|seen| now.has_passed(policy.deposit_after, seen))
    }

    /// Whether the chain of batches was silent for half of the time after which it may be taken over.
    fn is_heartbeat_due(&self) -> bool {
        let timelock = self.rules.params().genesis().takeover_timelock;
        let silent = self.height.saturating_sub(self.active_since);
        self.pending.batches().is_empty() && silent >= u32::from(timelock).div_ceil(2)
    }

    /// Writes the sealed batch and all that goes with it in one commit, then keeps it in memory.
    fn write_and_keep(
        &mut self,
        batch: Option<PendingBatch>,
        taken: &[u64],
        dropped: &[(u64, DropReason)],
        report: &mut Tick,
    ) -> Result<bool, SequencerError> {
        let mut delta = Delta::default();
        self.write_drops(&mut delta, dropped);
        if let Some(batch) = &batch {
            table::put_sealed(&mut delta, batch.number(), batch.sealed());
            for seq in taken {
                table::delete_queued(&mut delta, *seq);
            }
            let old = batch.number().saturating_sub(REMEMBERED_BATCHES);
            table::prune_rejections(&*self.store, &mut delta, old, FORGET_LIMIT)?;
        }
        if delta.is_empty() {
            return Ok(false);
        }
        self.store.commit(&delta)?;
        self.forget(dropped, &mut report.dropped);
        let Some(batch) = batch else { return Ok(false) };
        for seq in taken {
            self.mempool.remove(*seq);
        }
        report.sealed.push(batch.number());
        tracing::info!(batch = batch.number(), transfers = taken.len(), "sealed");
        self.pending.push(batch);
        self.forced = None;
        self.deposit_seen = None;
        Ok(true)
    }

    /// Takes dropped transfers out of memory and reports them.
    fn forget(&mut self, dropped: &[(u64, DropReason)], report: &mut Vec<(TransferId, DropReason)>) {
        for (seq, reason) in dropped {
            if let Some(entry) = self.mempool.remove(*seq) {
                report.push((entry.verified.id(), *reason));
            }
        }
    }
}
