//! The shared nouns of Tacit: amounts, keys, addresses, notes, trees, transfers, batches, state and
//! the peg to Bitcoin.
//!
//! Everything here is pure: no I/O, no clock, no threads, no randomness of its own (callers pass a
//! generator). The R1CS twins of these files live in `tacit-circuits` under the same names; the
//! rules are written down in `docs/spec/`.

pub mod address;
pub mod amount;
pub mod batch;
pub mod encoding;
pub mod encryption;
pub mod envelope;
pub mod field;
pub mod hash;
pub mod keys;
pub mod kv;
pub mod ledger;
pub mod network;
pub mod note;
pub mod params;
pub mod peg;
pub mod signature;
pub mod state;
pub mod testing;
pub mod transfer;
pub mod tree;

pub use amount::Amount;
pub use encoding::DecodeError;
pub use field::F;
pub use network::Network;
