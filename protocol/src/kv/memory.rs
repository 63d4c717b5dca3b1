//! The map in memory: for auditors, who start from nothing, and for tests.

use std::collections::BTreeMap;

use super::{Delta, KvError, KvRead, Pair};

/// An ordered map in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryKv(BTreeMap<Vec<u8>, Vec<u8>>);

impl MemoryKv {
    /// Applies a delta.
    pub fn commit(&mut self, delta: &Delta) {
        for (key, value) in delta.writes() {
            match value {
                Some(value) => self.0.insert(key.to_vec(), value.to_vec()),
                None => self.0.remove(key),
            };
        }
    }
}

impl KvRead for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        if start >= end {
            return Ok(Vec::new());
        }
        let range = self.0.range(start.to_vec()..end.to_vec());
        Ok(range.take(limit).map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn last_in(&self, start: &[u8], last: &[u8]) -> Result<Option<Pair>, KvError> {
        if start > last {
            return Ok(None);
        }
        let mut range = self.0.range(start.to_vec()..=last.to_vec());
        Ok(range.next_back().map(|(k, v)| (k.clone(), v.clone())))
    }
}
