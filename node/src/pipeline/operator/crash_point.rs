//! Points at which a test may have the process aborted, or a write fail, to see that nothing is lost.
//!
//! `sequencer.crash_at` of the configuration names one. `after-…` aborts after a step; `before-…` aborts
//! instead of a write to the journal, `fail-…` has that write fail once, `torn-…` has it happen and be reported
//! as failed. The loops of `docs/spec/faults.md` go through all of them.

use std::sync::{Arc, Mutex, PoisonError};

use tacit_bridge::journal::{Journal, JournalError};

use crate::config::ConfigError;

/// A named point at which a test may abort the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum CrashPoint {
    /// A batch was sealed.
    Seal,
    /// A proof was stored.
    Proof,
    /// An anchor was written down, nothing sent.
    Journal,
    /// The commit was sent, the reveal not.
    Commit,
    /// Commit and reveal were sent.
    Reveal,
    /// A vault transaction was planned and written down, nobody has signed it.
    VaultPlanned,
    /// A vault transaction was signed and written down, nothing sent.
    VaultSigned,
    /// A child that pays for a vault transaction was signed and written down, nothing of it sent.
    ChildSigned,
    /// A vault transaction was sent.
    VaultSent,
    /// A write to the journal goes wrong.
    Write(Faulty),
}

/// A write to the journal that goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) struct Faulty {
    chain: Chain,
    write: Write,
    wrong: Wrong,
}

/// Which chain of UTXOs the entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Anchor,
    Vault,
}

/// Which write of an entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// The first one.
    Intent,
    /// A later one.
    Update,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// The process aborts before it.
    Abort,
    /// Nothing is written.
    Fails,
    /// It is written, and nobody learns of it.
    Torn,
}

impl Faulty {
    fn parse(name: &str) -> Option<Self> {
        let mut words = name.split('-');
        let wrong = match words.next()? {
            "before" => Wrong::Abort,
            "fail" => Wrong::Fails,
            "torn" => Wrong::Torn,
            _ => return None,
        };
        let chain = match words.next()? {
            "anchor" => Chain::Anchor,
            "vault" => Chain::Vault,
            _ => return None,
        };
        let write = match words.next()? {
            "intent" => Write::Intent,
            "update" => Write::Update,
            _ => return None,
        };
        words.next().is_none().then_some(Self { chain, write, wrong })
    }
}

impl CrashPoint {
    pub(super) fn parse(name: &str) -> Result<Self, ConfigError> {
        match name {
            "after-seal" => Ok(Self::Seal),
            "after-proof" => Ok(Self::Proof),
            "after-journal" => Ok(Self::Journal),
            "after-commit" => Ok(Self::Commit),
            "after-reveal" => Ok(Self::Reveal),
            "after-vault-planned" => Ok(Self::VaultPlanned),
            "after-vault-signed" => Ok(Self::VaultSigned),
            "after-child-signed" => Ok(Self::ChildSigned),
            "after-vault-sent" => Ok(Self::VaultSent),
            other => match Faulty::parse(other) {
                Some(faulty) => Ok(Self::Write(faulty)),
                None => Err(ConfigError::Invalid {
                    field: "sequencer.crash_at",
                    value: other.to_owned(),
                    remedy: "use after-seal, after-proof, after-journal, after-commit, after-reveal, \
                             after-vault-planned, after-vault-signed, after-child-signed, after-vault-sent, or \
                             before, fail or torn with -anchor or -vault and -intent or -update",
                }),
            },
        }
    }

    pub(super) fn reached(self, wanted: Option<Self>) {
        if wanted == Some(self) {
            abort(self);
        }
    }
}

fn abort(point: CrashPoint) {
    tracing::error!(?point, "aborting, as the configuration of this test asks");
    std::process::abort();
}

/// A journal of which one write may go wrong.
pub(super) struct CrashJournal {
    inner: Arc<dyn Journal>,
    armed: Mutex<Option<Faulty>>,
}

impl CrashJournal {
    /// The journal as it is, unless `point` is about its writes.
    pub(super) fn around(inner: Arc<dyn Journal>, point: Option<CrashPoint>) -> Arc<dyn Journal> {
        let Some(CrashPoint::Write(faulty)) = point else {
            return inner;
        };
        let armed = Mutex::new(Some(faulty));
        Arc::new(Self { inner, armed })
    }

    fn take(&self, key: &[u8]) -> Result<Option<Faulty>, JournalError> {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(faulty) = *armed else { return Ok(None) };
        let prefix: &[u8] = match faulty.chain {
            Chain::Anchor => b"anchor/",
            Chain::Vault => b"vault/",
        };
        let write = match self.inner.get(key)? {
            Some(_) => Write::Update,
            None => Write::Intent,
        };
        if !key.starts_with(prefix) || write != faulty.write {
            return Ok(None);
        }
        Ok(armed.take())
    }
}

impl Journal for CrashJournal {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<(), JournalError> {
        let Some(faulty) = self.take(key)? else {
            return self.inner.put(key, value);
        };
        match faulty.wrong {
            Wrong::Abort => abort(CrashPoint::Write(faulty)),
            Wrong::Fails => {}
            Wrong::Torn => self.inner.put(key, value)?,
        }
        tracing::error!(?faulty, "a write fails, as the configuration of this test asks");
        Err(JournalError::Storage(
            "as the configuration of this test asks".to_owned(),
        ))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, JournalError> {
        self.inner.get(key)
    }

    fn delete(&self, key: &[u8]) -> Result<(), JournalError> {
        self.inner.delete(key)
    }

    fn list(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, JournalError> {
        self.inner.list(prefix)
    }
}

#[cfg(test)]
mod tests;
