//! The bridge to Bitcoin: reads blocks, publishes anchors, moves the vault, watches deposits.
//!
//! What a transaction has to look like is defined in `tacit_protocol::peg`; here it is paid for,
//! signed, written down, sent, and sent again until it is in a block.
//!
//! * [`client`]: the trait that every contact with Bitcoin goes through, and Bitcoin Core behind it.
//! * [`keys`], [`signer`]: secret keys in files; who signs for the vault, and what it checks first.
//! * [`coins`], [`fees`]: the operator's money and what to pay miners.
//! * [`journal`]: intents, written down before anything is sent.
//! * [`poster`]: an envelope of any kind, from the operator's coins.
//! * [`proposal`]: a vault transaction as names, from which every signer derives it.
//! * [`publisher`]: commit and reveal of each anchor, from intent to burial.
//! * [`rescue`]: the vault moved by a leaf, as a PSBT between people.
//! * [`vault`]: vault transactions, one per tip.
//! * [`watcher`]: registered deposits and what became of them.
//! * [`regtest`]: a private Bitcoin chain for the demo and for tests.
//!
//! Everything is synchronous and does nothing on its own: the node calls it after each block. The
//! bridge knows neither sequencer nor prover; what it needs of the rollup's state comes in as plain
//! values ([`vault::VaultSnapshot`], [`watcher::DepositView`]).
//! Specification: `docs/spec/bitcoin.md`.

mod chain_link;
pub mod client;
pub mod coins;
pub mod fees;
#[cfg(test)]
mod fixture;
pub mod journal;
pub mod keys;
pub mod poster;
pub mod proposal;
pub mod publisher;
pub mod regtest;
pub mod rescue;
pub mod signer;
pub mod vault;
pub mod watcher;
