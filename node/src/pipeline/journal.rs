//! The bridge's journal in the node's database: synced before anything is sent.

use std::sync::Arc;

use tacit_bridge::journal::{Journal, JournalError};
use tacit_protocol::kv::{Delta, KvError};
use tacit_sequencer::Store;

/// Prefix of the journal's keys, apart from every other table's.
const PREFIX: u8 = b'j';

/// A journal under a prefix of the store.
pub(super) struct StoreJournal(pub(super) Arc<dyn Store>);

fn key(name: &[u8]) -> Vec<u8> {
    [&[PREFIX], name].concat()
}

/// The first key behind all that start with `prefix`, which begins with a byte below 255.
fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while end.pop_if(|last| *last == u8::MAX).is_some() {}
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

fn failed(error: &KvError) -> JournalError {
    JournalError::Storage(error.to_string())
}

impl StoreJournal {
    fn write(&self, name: &[u8], value: Option<&[u8]>) -> Result<(), JournalError> {
        let mut delta = Delta::default();
        delta.insert(key(name), value.map(<[u8]>::to_vec));
        self.0.commit(&delta).map_err(|e| failed(&e))
    }
}

impl Journal for StoreJournal {
    fn put(&self, name: &[u8], value: &[u8]) -> Result<(), JournalError> {
        self.write(name, Some(value))
    }

    fn get(&self, name: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.0.get(&key(name)).map_err(|e| failed(&e))
    }

    fn delete(&self, name: &[u8]) -> Result<(), JournalError> {
        self.write(name, None)
    }

    fn list(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        let start = key(prefix);
        let rows = self
            .0
            .range(&start, &successor(&start), usize::MAX)
            .map_err(|e| failed(&e))?;
        Ok(rows.into_iter().map(|(k, v)| (k[1..].to_vec(), v)).collect())
    }
}

#[cfg(test)]
mod tests;
