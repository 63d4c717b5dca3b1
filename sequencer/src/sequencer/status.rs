//! Where a transfer stands.

use tacit_protocol::kv::KvError;
use tacit_protocol::transfer::TransferId;
use tacit_verifier::chain::table as chain_table;

use super::Sequencer;
use crate::record::Rejection;
use crate::table;

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStatus {
    /// It waits for a batch.
    Waiting {
        /// The batch it was promised for.
        target: u32,
    },
    /// It is in a sealed batch that Bitcoin does not show yet.
    Sealed {
        /// The batch.
        batch: u32,
        /// Its slot.
        slot: u8,
        /// Whether the batch is proven.
        proven: bool,
    },
    /// Bitcoin shows it.
    Anchored {
        /// The batch.
        batch: u32,
        /// Its slot.
        slot: u8,
    },
    /// It is in a sealed batch that a halt keeps from being anchored.
    Held {
        /// The batch.
        batch: u32,
    },
    /// It was accepted and then dropped.
    Rejected(Rejection),
}

impl Sequencer {
    /// Where a transfer stands; `None` if it was never accepted, or long ago.
    ///
    /// # Errors
    /// [`KvError`] if the store fails.
    pub fn status_of(&self, id: &TransferId) -> Result<Option<TransferStatus>, KvError> {
        if let Some(place) = chain_table::transfer(&*self.store, id)? {
            return Ok(Some(TransferStatus::Anchored {
                batch: place.batch,
                slot: place.slot,
            }));
        }
        if let Some(place) = chain_table::transfer(&self.view(), id)? {
            let proven = self
                .pending
                .get(place.batch)
                .is_some_and(|batch| batch.proof().is_some());
            return Ok(Some(TransferStatus::Sealed {
                batch: place.batch,
                slot: place.slot,
                proven,
            }));
        }
        if let Some(entry) = self.mempool.get(id) {
            return Ok(Some(TransferStatus::Waiting { target: entry.target }));
        }
        if let Some(batch) = self.held.get(id) {
            return Ok(Some(TransferStatus::Held { batch: *batch }));
        }
        Ok(table::rejection(&*self.store, id)?.map(TransferStatus::Rejected))
    }

    /// The batch that a transfer was promised for, if it was accepted and still stands.
    pub(super) fn promised(&self, id: &TransferId) -> Result<Option<u32>, KvError> {
        if let Some(entry) = self.mempool.get(id) {
            return Ok(Some(entry.target));
        }
        let Some(place) = chain_table::transfer(&self.view(), id)? else {
            return Ok(None);
        };
        let target = match table::sealed(&*self.store, place.batch)? {
            Some(sealed) => sealed.targets.get(usize::from(place.slot)).copied(),
            None => None,
        };
        Ok(Some(target.unwrap_or(place.batch)))
    }
}
