//! The store in memory: for auditors, who start from nothing, and for tests.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tacit_protocol::kv::{Delta, KvError, KvRead, MemoryKv, Pair};

use super::Store;

/// A store in memory. It outlives whoever uses it, so tests reopen it as others do a folder.
#[derive(Debug, Default)]
pub struct MemoryStore {
    map: RwLock<MemoryKv>,
    #[cfg(test)]
    commits_left: std::sync::Mutex<Option<usize>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of everything in it.
    #[must_use]
    pub fn snapshot(&self) -> MemoryKv {
        self.read().clone()
    }

    /// A store that starts with a copy of `map`.
    #[must_use]
    pub fn from_snapshot(map: MemoryKv) -> Self {
        let store = Self::default();
        *store.write() = map;
        store
    }

    /// Lets `commits` more commits succeed and fails those after, as a full disk does.
    #[cfg(test)]
    pub(crate) fn fail_after(&self, commits: Option<usize>) {
        *self
            .commits_left
            .lock()
            .expect("no test panics while it holds this") = commits;
    }

    fn write(&self) -> RwLockWriteGuard<'_, MemoryKv> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, MemoryKv> {
        // A panic while the lock is held cannot leave the map half written: commits do not panic.
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KvRead for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.read().get(key)
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        self.read().range(start, end, limit)
    }

    fn last_in(&self, start: &[u8], last: &[u8]) -> Result<Option<Pair>, KvError> {
        self.read().last_in(start, last)
    }
}

impl Store for MemoryStore {
    fn commit(&self, delta: &Delta) -> Result<(), KvError> {
        #[cfg(test)]
        {
            let mut left = self
                .commits_left
                .lock()
                .expect("no test panics while it holds this");
            match left.as_mut() {
                Some(0) => return Err(KvError::Full("No space left on device".to_owned())),
                Some(n) => *n -= 1,
                None => {}
            }
        }
        self.write().commit(delta);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
