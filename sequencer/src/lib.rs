//! The sequencer: takes transfers, orders them into batches, keeps what it promised.
//!
//! ```text
//!   bytes ──admission──▶ mempool ──batch_builder──▶ sealed ──▶ proven ──▶ anchored
//!            (synced)              (synced)          job       (synced)   on Bitcoin
//! ```
//!
//! Everything is synchronous. The clock, the store and the register of deposits are arguments; the
//! proofs are made elsewhere. What was acknowledged is on disk before the answer goes out, and a
//! sealed batch is on disk before anybody can prove it, so a crash at any point loses nothing and
//! never makes two batches of one number.
//!
//! * [`sequencer`] — the one object a node talks to; start reading there.
//! * [`admission`] — the rules of the mempool, cheap ones first.
//! * [`mempool`] — the bounded queue with its indexes.
//! * [`batch_builder`] — which transfers and deposits make the next batch; forced requests come first.
//! * [`state`] — sealed batches on top of the state that Bitcoin shows.
//! * [`store`] — the ordered map on disk or in memory, shared with full nodes.
//!
//! Invariant: nothing here talks to Bitcoin, makes proofs or reads a clock. Specification:
//! `docs/spec/sequencer.md`.

pub mod admission;
pub mod batch_builder;
pub mod config;
pub mod deposits;
mod forced;
pub mod halt;
pub mod mempool;
pub mod record;
pub mod sequencer;
pub mod state;
pub mod store;
mod table;

#[cfg(test)]
mod fixture;

pub use admission::{Accepted, AdmissionError, Candidate, Screened};
pub use config::{Config, Policy, Time};
pub use deposits::{Registration, Registrations};
pub use halt::Halt;
pub use record::{DropReason, Rejection};
pub use sequencer::{
    Changes, OpenError, ProofError, ProofJob, Sequencer, SequencerError, Tick, TransferStatus,
};
pub use store::RocksStore;
pub use store::{MemoryStore, Store, StoreError};
