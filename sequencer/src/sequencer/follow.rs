//! When Bitcoin moves: what was sealed is anchored, comes back, or turns out to be in conflict.
//!
//! Sealed batches stay on disk as long as a reorganisation could undo them, so that they are
//! anchored again with the same bytes. A batch on Bitcoin that was not sealed here ends all action
//! once the sequencer has caught up: two writers share a key, and only the operator can tell which
//! is the right one. While it catches up such batches are its own past, or its predecessor's.
//!
//! A sealed batch that waited so long that it leaves out a forced request is given up by itself: no
//! follower would accept it, and it can be in no anchor on its way, since what is due is fixed by the
//! tip that the anchor spends.

use std::sync::Arc;

use tacit_protocol::batch::Batch;
use tacit_protocol::kv::{Delta, KvError, KvRead};
use tacit_protocol::ledger;
use tacit_verifier::chain::handover::active_since;
use tacit_verifier::chain::{UNDO_DEPTH, table as chain_table};

use super::{Changes, Sequencer};
use crate::halt::Halt;
use crate::record::Sealed;
use crate::table;

/// Sealed batches forgotten per block.
const FORGET_LIMIT: usize = 16;

impl Sequencer {
    /// Commits the delta of one block, connected or taken back, and takes the change over. All
    /// changes of the canonical state must come this way, one block at a time.
    ///
    /// # Errors
    /// [`KvError`]; the sequencer then refuses to act until it is opened again.
    pub fn commit_canonical(&mut self, delta: &Delta) -> Result<Changes, KvError> {
        self.check_current()?;
        self.stale = true;
        self.store.commit(delta)?;
        let changes = self.reconcile(false)?;
        if let Some(from) = changes.resealed_from {
            self.reseal(from)?;
            self.load()?;
        }
        self.stale = false;
        Ok(changes)
    }

    /// Brings memory in line with the canonical state. With `fresh` nothing in memory is trusted.
    pub(super) fn reconcile(&mut self, fresh: bool) -> Result<Changes, KvError> {
        self.forced = None;
        let store = Arc::clone(&self.store);
        let canonical: &dyn KvRead = &*store;
        let cursor = chain_table::cursor(canonical)?.ok_or_else(|| KvError::corrupt(b"C", "no cursor"))?;
        let tip = ledger::tip(canonical)?;
        let known = if fresh { tip.batch } else { self.tip.0 };
        let mut changes = Changes {
            returned: (tip.batch + 1..=known).collect(),
            ..Changes::default()
        };
        let mut delta = Delta::default();

        let common = self.common(canonical, known.min(tip.batch), fresh || self.halt.is_some())?;
        let mut conflict = None;
        for number in common + 1..=tip.batch {
            let found = canonical_batch(canonical, number)?;
            match table::sealed(canonical, number)? {
                Some(sealed) if sealed.is_content_of(&found.0) => changes.anchored.push(number),
                Some(_) => {
                    conflict = Some(number);
                    break;
                }
                None => {
                    adopt(&mut delta, number, &found);
                    changes.adopted.push(number);
                }
            }
        }
        let foreign = changes.adopted.first().copied().filter(|_| self.synced);
        let writer = conflict.or(foreign).map(|number| Halt::AnotherWriter { number });
        let unreachable = self.rebuild(canonical, tip.batch, cursor.height, conflict)?;
        let halt = writer.or(unreachable.map(|number| Halt::Unreachable { number }));
        if let (None, Some(halt)) = (self.halt, halt) {
            tracing::error!(%halt, "the sequencer stops acting");
            table::put_halt(&mut delta, Some(halt));
            changes.halted = Some(halt);
        }
        forget_buried(
            canonical,
            &mut delta,
            tip.batch,
            cursor.height,
            self.finality_depth(),
        )?;
        if !delta.is_empty() {
            self.store.commit(&delta)?;
        }
        self.halt = self.halt.or(halt);
        if self.halt.is_none() {
            changes.resealed_from = self.pending.first_left_out(&self.rules, canonical)?;
        }
        self.oldest_anchor = oldest_anchor(
            canonical,
            tip.batch,
            cursor.height,
            self.config.policy.anchor_window,
        )?;
        self.active_since = active_since(canonical, self.rules.params().genesis())?;
        (self.height, self.tip) = (cursor.height, (tip.batch, tip.commitment()));
        Ok(changes)
    }

    fn finality_depth(&self) -> u32 {
        u32::from(self.rules.params().genesis().finality_depth)
    }

    /// The last batch up to `from` that is on Bitcoin as it was sealed here. With `search` memory is
    /// not asked: after opening it knows nothing, during a halt the known state may be a rival's.
    fn common(&self, canonical: &dyn KvRead, from: u32, search: bool) -> Result<u32, KvError> {
        // A state commits to all states before it, so one comparison settles the usual case.
        let state = ledger::state(canonical, from)?.map(|state| state.commitment());
        if !search && from == self.tip.0 && state == Some(self.tip.1) {
            return Ok(from);
        }
        let mut common = from;
        while common > 0 {
            let Some(sealed) = table::sealed(canonical, common)? else {
                break;
            };
            if sealed.is_content_of(&canonical_batch(canonical, common)?.0) {
                break;
            }
            common -= 1;
        }
        Ok(common)
    }

    /// Makes the sealed batches after `tip` pending, or holds them if a conflict makes them void.
    /// Returns the first that cannot stand on the canonical state.
    fn rebuild(
        &mut self,
        canonical: &dyn KvRead,
        tip: u32,
        height: u32,
        conflict: Option<u32>,
    ) -> Result<Option<u32>, KvError> {
        let mut sealed = Vec::new();
        if conflict.is_none() {
            for (expected, (number, record)) in
                (tip + 1..).zip(table::sealed_from(canonical, tip + 1, usize::MAX)?)
            {
                if number != expected {
                    return Err(KvError::corrupt(b"b", format!("batch {expected} is missing")));
                }
                let proof = table::proof(canonical, number)?;
                sealed.push((number, record, proof));
            }
        }
        let refused = self.pending.rebuild(&self.rules, canonical, height, sealed)?;
        if let Some((number, rule)) = &refused {
            tracing::error!(batch = number, %rule, "a sealed batch cannot be anchored any more");
        }
        self.held.clear();
        self.void_from = conflict.or(refused.as_ref().map(|(number, _)| *number));
        if let Some(from) = self.void_from {
            for (number, record) in table::sealed_from(canonical, from, usize::MAX)? {
                for id in record.ids(self.rules.params()).unwrap_or_default() {
                    self.held.insert(id, number);
                }
            }
        }
        Ok(refused.map(|(number, _)| number))
    }

    /// The operator agrees that the sequencer acts again on top of what Bitcoin shows now. Sealed
    /// batches that cannot be anchored any more are given up and their transfers wait again.
    ///
    /// # Errors
    /// [`KvError`] if the store fails.
    pub fn acknowledge(&mut self, now: crate::config::Time) -> Result<(), KvError> {
        self.check_current()?;
        if self.halt.is_none() {
            return Ok(());
        }
        let mut delta = Delta::default();
        table::put_halt(&mut delta, None);
        if let Some(from) = self.void_from {
            self.give_up(from, now, &mut delta)?;
        }
        self.stale = true;
        self.store.commit(&delta)?;
        self.load()
    }

    /// Gives up the sealed batches from number `from` on, because a forced request is due before them.
    /// Memory has to be loaded again afterwards. Their transfers have waited long enough: the next tick
    /// seals them.
    pub(super) fn reseal(&self, from: u32) -> Result<(), KvError> {
        tracing::warn!(
            batch = from,
            "a sealed batch leaves out a forced request that is due by now; sealing anew"
        );
        let mut delta = Delta::default();
        self.give_up(from, crate::config::Time::default(), &mut delta)?;
        self.store.commit(&delta)
    }

    /// Gives up the sealed batches from number `from` on.
    fn give_up(&self, from: u32, now: crate::config::Time, delta: &mut Delta) -> Result<(), KvError> {
        let canonical: &dyn KvRead = &*self.store;
        let mut seq = table::next_queued(canonical)?;
        for (number, sealed) in table::sealed_from(canonical, from, usize::MAX)? {
            table::delete_sealed(delta, number);
            if number <= self.tip.0 {
                adopt(delta, number, &canonical_batch(canonical, number)?);
            }
            let ids = sealed.ids(self.rules.params()).unwrap_or_default();
            let transfers = sealed.batch.transfers.into_iter().zip(sealed.targets);
            for (id, (transfer, target)) in ids.iter().zip(transfers) {
                if chain_table::transfer(canonical, id)?.is_none() {
                    let queued = crate::record::Queued {
                        arrived: now,
                        target,
                        transfer,
                    };
                    table::put_queued(delta, seq, &queued);
                    seq += 1;
                }
            }
        }
        Ok(())
    }
}

/// A batch that Bitcoin shows, with the height of its anchor.
fn canonical_batch(canonical: &dyn KvRead, number: u32) -> Result<(Batch, u32), KvError> {
    let record = chain_table::batch(canonical, number)?;
    let record = record.ok_or_else(|| KvError::corrupt(b"B", format!("batch {number} is missing")))?;
    Ok((record.batch, record.place.height))
}

/// Keeps a batch found on Bitcoin, so that it can be anchored again after a reorganisation.
fn adopt(delta: &mut Delta, number: u32, (batch, height): &(Batch, u32)) {
    table::put_sealed(delta, number, &Sealed::found(batch, number, *height));
    table::put_proof(delta, number, &batch.proof);
}

/// Forgets sealed batches that no reorganisation can return.
fn forget_buried(
    canonical: &dyn KvRead,
    delta: &mut Delta,
    tip: u32,
    height: u32,
    finality_depth: u32,
) -> Result<(), KvError> {
    for (number, _) in table::sealed_from(canonical, 0, FORGET_LIMIT)? {
        if number > tip {
            break;
        }
        let (_, anchored) = canonical_batch(canonical, number)?;
        if anchored + UNDO_DEPTH + finality_depth >= height {
            break;
        }
        table::delete_sealed(delta, number);
    }
    Ok(())
}

/// The oldest state that was the latest one at some time within the last `window` blocks.
fn oldest_anchor(canonical: &dyn KvRead, tip: u32, height: u32, window: u32) -> Result<u32, KvError> {
    // Heights of anchors never decrease with the batch's number: search by halves.
    let (mut low, mut high) = (0, tip);
    while low < high {
        let middle = low + (high - low) / 2;
        let (_, replaced_at) = canonical_batch(canonical, middle + 1)?;
        if replaced_at.saturating_add(window) >= height {
            high = middle
        } else {
            low = middle + 1
        }
    }
    Ok(low)
}
