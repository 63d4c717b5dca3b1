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
            .range(&start, &[PREFIX + 1], usize::MAX)
            .map_err(|e| failed(&e))?;
        let ours = rows.into_iter().take_while(|(k, _)| k.starts_with(&start));
        Ok(ours.map(|(k, v)| (k[1..].to_vec(), v)).collect())
    }
}
