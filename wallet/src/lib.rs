//! A private wallet for Tacit, a library first: keys, store, scan, selection, building, proving.
//!
//! The core is synchronous and reaches the outside only through its arguments: the node through
//! [`api::NodeApi`], randomness through a generator, time through a number, proofs through
//! [`prover::TransferProver`]. Start at [`Wallet`].
//!
//! ```text
//!   api      the node's RPC: types, errors, the trait          (the seam to the network)
//!   seed     24 words → keys            store   the encrypted file        db   what is in it
//!   scan     a batch → notes, spends, events                   tree  roots and paths
//!   sync     follow a node              select  notes, anchor, expiry
//!   builder  body, signature, statement                         send  select → … → hand in
//!   refused  what was not taken and may still count             forced  leaving without the sequencer
//!   deposit  Bitcoin → notes            history balance and what happened
//!   epochs   whom deposits are paid to
//! ```

pub mod api;
pub mod builder;
mod db;
pub mod deposit;
pub mod epochs;
pub mod forced;
pub mod history;
pub mod prover;
mod refused;
pub mod scan;
pub mod seed;
pub mod select;
pub mod send;
pub mod store;
pub mod sync;
pub mod tree;
mod wallet;

#[cfg(test)]
mod testing;

pub use builder::Payment;
pub use db::{DepositOutput, DepositProgress, Event, EventKind, MemoRecord, Source};
pub use epochs::EpochsError;
pub use forced::raise::{RaiseError, Raised};
pub use forced::{ForceError, Forced, Posted};
pub use history::{Balance, Entry, EntryState};
pub use prover::{Groth16TransferProver, TransferProver};
pub use seed::{Keys, Seed};
pub use send::{Sent, Session};
pub use store::StoreError;
pub use sync::{SyncProgress, SyncReport, Takeover};
pub use tacit_secrets::{cipher::KdfParams, file::FileError};
pub use wallet::{Place, Wallet, WalletError};
