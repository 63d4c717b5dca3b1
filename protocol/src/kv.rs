//! Ordered key–value views: how pure code reads and changes state that may live anywhere.
//!
//! A rule that changes state reads through [`KvRead`], writes into an [`Overlay`], and hands back a
//! [`Delta`]. The owner of the store applies the delta atomically; [`Delta::undo`] gives the delta
//! that takes it back, which is what a Bitcoin reorganisation needs. Keys sort as byte strings.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use thiserror::Error;

use crate::encoding::{Decode, DecodeError, Encode, Reader};

mod memory;

pub use memory::MemoryKv;

/// Why a store could not answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KvError {
    /// The storage below failed; nothing was changed.
    #[error("storage failed: {0}")]
    Io(String),
    /// The storage below has no room; nothing was changed.
    #[error("the disk is full: make room, then start again; what was acknowledged is there ({0})")]
    Full(String),
    /// Stored bytes do not decode: the database is damaged.
    #[error("the database is damaged at {key}: {reason}; delete it and follow Bitcoin again")]
    Corrupt {
        /// The key in hexadecimal.
        key: String,
        /// What did not decode.
        reason: String,
    },
}

impl KvError {
    /// Damage found under `key`.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over an error they are done with"
    )]
    pub fn corrupt(key: &[u8], reason: impl ToString) -> Self {
        Self::Corrupt {
            key: hex::encode(key),
            reason: reason.to_string(),
        }
    }
}

/// A key with its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Read access to an ordered map of bytes.
pub trait KvRead {
    /// The value under `key`.
    ///
    /// # Errors
    /// [`KvError::Io`] if the storage fails.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Up to `limit` pairs with keys in `start..end`, ascending.
    ///
    /// # Errors
    /// [`KvError::Io`] if the storage fails.
    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Pair>, KvError>;

    /// The pair with the greatest key in `start..=last`.
    ///
    /// # Errors
    /// [`KvError::Io`] if the storage fails.
    fn last_in(&self, start: &[u8], last: &[u8]) -> Result<Option<Pair>, KvError>;
}

/// Reads and decodes the value under `key`.
///
/// # Errors
/// [`KvError::Io`], or [`KvError::Corrupt`] if the value does not decode.
pub fn get_decoded<T: Decode>(kv: &dyn KvRead, key: &[u8]) -> Result<Option<T>, KvError> {
    kv.get(key)?
        .map(|bytes| T::decode(&bytes).map_err(|e| KvError::corrupt(key, e)))
        .transpose()
}

/// A set of writes: `Some` puts, `None` deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Delta {
    /// The writes in ascending order of keys.
    pub fn writes(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(k, v)| (k.as_slice(), v.as_deref()))
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a write.
    pub fn insert(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.0.insert(key, value);
    }

    /// The delta that restores what `base` holds now under the keys written here.
    ///
    /// # Errors
    /// [`KvError::Io`] if `base` fails.
    pub fn undo(&self, base: &dyn KvRead) -> Result<Self, KvError> {
        let old = self
            .0
            .keys()
            .map(|key| Ok((key.clone(), base.get(key)?)))
            .collect::<Result<_, KvError>>()?;
        Ok(Self(old))
    }
}

impl Encode for Delta {
    fn encode_to(&self, out: &mut Vec<u8>) {
        for (key, value) in &self.0 {
            out.extend_from_slice(&(key.len() as u64).to_le_bytes());
            out.extend_from_slice(key);
            let Some(value) = value else {
                out.push(0);
                continue;
            };
            out.push(1);
            out.extend_from_slice(&(value.len() as u64).to_le_bytes());
            out.extend_from_slice(value);
        }
    }
}

impl Decode for Delta {
    /// Reads to the end of the input.
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        fn take<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
            let n = usize::try_from(reader.u64()?).map_err(|_| DecodeError::OutOfRange("length"))?;
            reader.take(n)
        }
        let mut writes = BTreeMap::new();
        while reader.remaining() > 0 {
            let key = take(reader)?.to_vec();
            let value = match reader.u8()? {
                0 => None,
                1 => Some(take(reader)?.to_vec()),
                _ => return Err(DecodeError::Unknown("write kind")),
            };
            writes.insert(key, value);
        }
        Ok(Self(writes))
    }
}

/// Uncommitted writes over a base.
pub struct Overlay<'a> {
    base: &'a dyn KvRead,
    delta: Delta,
}

impl<'a> Overlay<'a> {
    /// An empty overlay.
    #[must_use]
    pub fn new(base: &'a dyn KvRead) -> Self {
        Self {
            base,
            delta: Delta::default(),
        }
    }

    /// Puts a value.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.delta.insert(key, Some(value));
    }

    /// Deletes a key.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.delta.insert(key, None);
    }

    /// Takes over the writes of a delta, as if they were made here.
    pub fn apply(&mut self, delta: &Delta) {
        for (key, value) in delta.writes() {
            self.delta.insert(key.to_vec(), value.map(<[u8]>::to_vec));
        }
    }

    /// The writes made so far.
    #[must_use]
    pub fn delta(&self) -> &Delta {
        &self.delta
    }

    /// Ends the overlay and gives its writes.
    #[must_use]
    pub fn into_delta(self) -> Delta {
        self.delta
    }
}

/// A base as it will look once a delta is committed to it; reads only.
#[derive(Clone, Copy)]
pub struct View<'a> {
    base: &'a dyn KvRead,
    delta: &'a Delta,
}

impl<'a> View<'a> {
    /// `base` seen through `delta`.
    #[must_use]
    pub fn new(base: &'a dyn KvRead, delta: &'a Delta) -> Self {
        Self { base, delta }
    }
}

impl KvRead for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        View::new(self.base, &self.delta).get(key)
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        View::new(self.base, &self.delta).range(start, end, limit)
    }

    fn last_in(&self, start: &[u8], last: &[u8]) -> Result<Option<Pair>, KvError> {
        View::new(self.base, &self.delta).last_in(start, last)
    }
}

impl KvRead for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        match self.delta.0.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key),
        }
    }

    fn range(&self, start: &[u8], end: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        if start >= end {
            return Ok(Vec::new());
        }
        let written = self.delta.0.range(start.to_vec()..end.to_vec());
        let deletions = written.clone().filter(|(_, v)| v.is_none()).count();
        let base = self.base.range(start, end, limit.saturating_add(deletions))?;
        let mut merged: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
            written.map(|(k, v)| (k.clone(), v.clone())).collect();
        for (key, value) in base {
            if let Entry::Vacant(vacant) = merged.entry(key) {
                vacant.insert(Some(value));
            }
        }
        Ok(merged
            .into_iter()
            .filter_map(|(k, v)| Some((k, v?)))
            .take(limit)
            .collect())
    }

    fn last_in(&self, start: &[u8], last: &[u8]) -> Result<Option<Pair>, KvError> {
        if start > last {
            return Ok(None);
        }
        let written = self.delta.0.range(start.to_vec()..=last.to_vec()).next_back();
        let base = self.base.last_in(start, last)?;
        match (written, base) {
            (Some((key, value)), base) if base.as_ref().is_none_or(|(b, _)| key >= b) => match value {
                Some(value) => Ok(Some((key.clone(), value.clone()))),
                // The greatest key is deleted here: look below it.
                None => match predecessor(key) {
                    Some(below) => self.last_in(start, &below),
                    None => Ok(None),
                },
            },
            (_, base) => Ok(base),
        }
    }
}

/// The greatest byte string below `key` among those up to its own length, padded high.
///
/// Keys of one table all have one length here, so dropping to the previous string of the same
/// length misses nothing.
fn predecessor(key: &[u8]) -> Option<Vec<u8>> {
    let mut below = key.to_vec();
    for byte in below.iter_mut().rev() {
        if *byte > 0 {
            *byte -= 1;
            return Some(below);
        }
        *byte = 0xff;
    }
    None
}

#[cfg(test)]
mod tests;
