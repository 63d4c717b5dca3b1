//! Intents, written down before anything is sent.
//!
//! Publisher and vault store a transaction here before the first node sees it, so that a crash at
//! any point leaves either nothing sent or everything needed to send exactly the same again. The
//! node keeps the journal in its database; [`MemoryJournal`] serves tests.
//! Specification: `docs/spec/bitcoin.md`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

mod wire;

pub(crate) use wire::{
    outpoint_key, put_bytes, put_coins, put_outpoint, put_outpoints, put_transaction, put_txids, put_txout,
    read_bytes, read_coins, read_outpoint, read_outpoints, read_transaction, read_txids, read_txout,
};

/// Why the journal failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JournalError {
    /// The storage below failed; whether the write happened is unknown.
    #[error("the journal cannot be read or written: {0}; check the disk and restart")]
    Storage(String),
    /// An entry does not decode.
    #[error("the journal is damaged at {key}: {reason}; restore the database from a backup")]
    Corrupt {
        /// The key in hexadecimal.
        key: String,
        /// What does not fit.
        reason: String,
    },
}

impl JournalError {
    /// Damage found under `key`.
    #[must_use]
    pub fn corrupt(key: &[u8], reason: &impl ToString) -> Self {
        Self::Corrupt {
            key: hex::encode(key),
            reason: reason.to_string(),
        }
    }
}

/// A key with its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// A small ordered map of bytes that survives a crash.
pub trait Journal: Send + Sync {
    /// Writes an entry, in place of an older one; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), JournalError>;

    /// Reads an entry.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError>;

    /// Removes an entry, if it is there.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    fn delete(&self, key: &[u8]) -> Result<(), JournalError>;

    /// All entries whose keys start with `prefix`, ascending.
    ///
    /// # Errors
    /// [`JournalError::Storage`].
    fn list(&self, prefix: &[u8]) -> Result<Vec<Entry>, JournalError>;
}

/// A journal that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    entries: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryJournal {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        // Every operation leaves the map whole, whatever happened around it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), JournalError> {
        self.entries().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.entries().get(key).cloned())
    }

    fn delete(&self, key: &[u8]) -> Result<(), JournalError> {
        self.entries().remove(key);
        Ok(())
    }

    fn list(&self, prefix: &[u8]) -> Result<Vec<Entry>, JournalError> {
        let entries = self.entries();
        let from = entries.range(prefix.to_vec()..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// The contract of a [`Journal`], for the tests of every implementation.
///
/// # Panics
/// With the promise that is broken.
pub fn check_journal(journal: &dyn Journal) {
    let must = "the journal must answer";
    assert_eq!(journal.get(b"a/1").expect(must), None);
    journal.put(b"a/2", b"two").expect(must);
    journal.put(b"a/1", b"one").expect(must);
    journal.put(b"b/1", b"").expect(must);
    assert_eq!(journal.get(b"a/1").expect(must), Some(b"one".to_vec()));
    assert_eq!(
        journal.get(b"b/1").expect(must),
        Some(Vec::new()),
        "an empty value is a value"
    );
    journal.put(b"a/1", b"uno").expect(must);
    let listed = journal.list(b"a/").expect(must);
    let wanted = [
        (b"a/1".to_vec(), b"uno".to_vec()),
        (b"a/2".to_vec(), b"two".to_vec()),
    ];
    assert_eq!(listed, wanted, "ascending, the prefix only, the last write wins");
    journal.delete(b"a/1").expect(must);
    journal.delete(b"a/1").expect("deleting twice does no harm");
    assert_eq!(journal.get(b"a/1").expect(must), None);
    assert_eq!(journal.list(b"").expect(must).len(), 2);
}

#[cfg(test)]
mod tests;
