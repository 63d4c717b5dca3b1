//! The transfers that wait for a batch, in order of arrival.
//!
//! Bounded in number and bytes. Indexed by identifier (a re-randomised proof is the same transfer)
//! and by nullifier (two transfers here never spend one note: the first one counts). When it is
//! full, a newcomer is refused whatever it pays: everything here was promised by a signed receipt. The
//! disk is the caller's: this is the picture of it in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tacit_protocol::note::Nullifier;
use tacit_protocol::transfer::TransferId;
use tacit_verifier::VerifiedTransfer;

use crate::config::Time;

/// A waiting transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transfer, with the root it was verified against.
    pub verified: VerifiedTransfer,
    /// When it came.
    pub arrived: Time,
    /// The batch it was promised for.
    pub target: u32,
    /// Its bytes.
    pub size: usize,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How many transfers wait.
    pub waiting: usize,
}

/// The bounded queue.
#[derive(Debug, PartialEq, Eq)]
pub struct Mempool {
    max_transfers: usize,
    max_bytes: usize,
    entries: BTreeMap<u64, Entry>,
    by_id: HashMap<TransferId, u64>,
    by_nullifier: HashMap<Nullifier, u64>,
    by_expiry: BTreeSet<(u32, u64)>,
    bytes: usize,
}

impl Mempool {
    /// An empty mempool with these limits.
    #[must_use]
    pub fn new(max_transfers: usize, max_bytes: usize) -> Self {
        Self {
            max_transfers,
            max_bytes,
            entries: BTreeMap::new(),
            by_id: HashMap::new(),
            by_nullifier: HashMap::new(),
            by_expiry: BTreeSet::new(),
            bytes: 0,
        }
    }

    /// Number of transfers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The transfers with their arrival numbers, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(seq, entry)| (*seq, entry))
    }

    /// The transfer with an arrival number.
    #[must_use]
    pub fn at(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(&seq)
    }

    /// When the oldest came.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.entries.values().next().map(|entry| entry.arrived)
    }

    /// The transfer of an identifier.
    #[must_use]
    pub fn get(&self, id: &TransferId) -> Option<&Entry> {
        self.entries.get(self.by_id.get(id)?)
    }

    /// The arrival number of a transfer.
    #[must_use]
    pub fn seq_of(&self, id: &TransferId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// The transfer that spends a nullifier.
    #[must_use]
    pub fn spender(&self, nf: &Nullifier) -> Option<TransferId> {
        Some(self.entries.get(self.by_nullifier.get(nf)?)?.verified.id())
    }

    /// Whether a transfer of `size` bytes fits beside those that were promised.
    ///
    /// # Errors
    /// [`Full`].
    pub fn check_room(&self, size: usize) -> Result<(), Full> {
        let fits = self.len() < self.max_transfers && self.bytes.saturating_add(size) <= self.max_bytes;
        let waiting = self.len();
        if fits { Ok(()) } else { Err(Full { waiting }) }
    }

    /// The arrival number after the last.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(seq, _)| seq + 1)
    }

    /// Adds a transfer whose identifier and nullifiers are not here yet.
    pub fn insert(&mut self, seq: u64, entry: Entry) {
        let body = &entry.verified.transfer().body;
        self.by_id.insert(entry.verified.id(), seq);
        for nf in body.nf {
            self.by_nullifier.insert(nf, seq);
        }
        self.by_expiry.insert((body.expiry, seq));
        self.bytes += entry.size;
        self.entries.insert(seq, entry);
    }

    /// Takes a transfer out.
    pub fn remove(&mut self, seq: u64) -> Option<Entry> {
        let entry = self.entries.remove(&seq)?;
        let body = &entry.verified.transfer().body;
        self.by_id.remove(&entry.verified.id());
        for nf in &body.nf {
            self.by_nullifier.remove(nf);
        }
        self.by_expiry.remove(&(body.expiry, seq));
        self.bytes -= entry.size;
        Some(entry)
    }

    /// Those that no batch from number `next` on may include.
    #[must_use]
    pub fn expired(&self, next: u32) -> Vec<u64> {
        self.by_expiry.range(..(next, 0)).map(|(_, seq)| *seq).collect()
    }
}

#[cfg(test)]
mod tests;
