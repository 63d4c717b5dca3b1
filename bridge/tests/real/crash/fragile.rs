//! A journal whose next write goes wrong in a chosen way.

use std::panic::resume_unwind;
use std::sync::Mutex;

use tacit_bridge::journal::{Entry, Journal, JournalError, MemoryJournal};

/// What a simulated crash unwinds with; it says nothing, unlike a panic.
pub(super) struct Crash;

/// Which write goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// The first one of an entry: an intent.
    Intent,
    /// One of an entry that is there: its next version, its signatures, its fate.
    Update,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The process ends before it.
    Crash,
    /// Nothing is written.
    Fails,
    /// It is written, and nobody learns of it.
    Torn,
}

/// A journal in memory; an armed fault happens once.
#[derive(Default)]
pub(super) struct FragileJournal {
    inner: MemoryJournal,
    armed: Mutex<Option<(Write, Wrong)>>,
}

impl FragileJournal {
    pub(super) fn arm(&self, fault: Option<(Write, Wrong)>) {
        *self.armed.lock().unwrap() = fault;
    }

    fn take(&self, write: Write) -> Option<Wrong> {
        let mut armed = self.armed.lock().unwrap();
        let wrong = armed.filter(|(awaited, _)| *awaited == write)?.1;
        *armed = None;
        Some(wrong)
    }
}

impl Journal for FragileJournal {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), JournalError> {
        let write = match self.inner.get(key)? {
            Some(_) => Write::Update,
            None => Write::Intent,
        };
        let failed = || Err(JournalError::Storage("as the test asks".to_owned()));
        match self.take(write) {
            None => self.inner.put(key, value),
            Some(Wrong::Crash) => resume_unwind(Box::new(Crash)),
            Some(Wrong::Fails) => failed(),
            Some(Wrong::Torn) => {
                self.inner.put(key, value)?;
                failed()
            }
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.inner.get(key)
    }

    fn delete(&self, key: &[u8]) -> Result<(), JournalError> {
        self.inner.delete(key)
    }

    fn list(&self, prefix: &[u8]) -> Result<Vec<Entry>, JournalError> {
        self.inner.list(prefix)
    }
}
