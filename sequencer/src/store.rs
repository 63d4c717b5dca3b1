//! Where state lives: an ordered map of bytes with atomic, synced commits.
//!
//! Full nodes and sequencers keep the chain's state and the sequencer's own tables in one store, so
//! that one commit changes both or neither. [`MemoryStore`] is for auditors and tests,
//! [`RocksStore`] for everybody else; `store/conformance.rs` holds both to the same behaviour.

use std::path::PathBuf;

use tacit_protocol::kv::{Delta, KvError, KvRead};
use tacit_protocol::params::ChainId;
use thiserror::Error;

#[cfg(test)]
mod conformance;
mod memory;
mod rocks;
pub mod schema;

pub use memory::MemoryStore;
pub use rocks::RocksStore;

/// A store: what it returns from [`Store::commit`] without an error survives a crash.
pub trait Store: KvRead + Send + Sync {
    /// Applies all writes or none, and returns once they are on stable storage.
    ///
    /// # Errors
    /// [`KvError`]. Whether the writes are there is then unknown until the store is opened again;
    /// every later commit fails with the first failure.
    fn commit(&self, delta: &Delta) -> Result<(), KvError>;
}

/// Why a store cannot be opened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the database {0} is in use by another process; stop that one first")]
    InUse(PathBuf),
    /// It is damaged.
    #[error("the database {path} is damaged ({reason}); delete the folder and follow Bitcoin again")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The storage below failed.
    #[error("the database {path} cannot be opened: {reason}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// It was written by a newer program.
    #[error("the database has layout {found}, this program knows {known}; use a newer program")]
    Newer {
        /// Layout found.
        found: u32,
        /// Layout of this program.
        known: u32,
    },
    /// It was written by an older program.
    #[error(
        "the database has layout {found}, this program needs {known}; delete the folder and follow Bitcoin again"
    )]
    Older {
        /// Layout found.
        found: u32,
        /// Layout of this program.
        known: u32,
    },
    /// It holds something, but nothing of ours.
    #[error("the database holds data without a layout version; it is not Tacit's")]
    Foreign,
    /// It follows another chain.
    #[error("the database belongs to chain {found}, chain.json says {expected}; choose another folder")]
    OtherChain {
        /// In the store.
        found: ChainId,
        /// Asked for.
        expected: ChainId,
    },
    /// There is no room to open it.
    #[error("the disk that holds {} is full: make room, then start again; nothing is lost ({reason})", path.display())]
    Full {
        /// The folder.
        path: PathBuf,
        /// From the storage.
        reason: String,
    },
    /// A read or a write failed.
    #[error(transparent)]
    Kv(#[from] KvError),
}
