//! What the integration tests share: real Bitcoin nodes on private chains, and what has to hold in the end.
//!
//! [`Bitcoind`] and [`Faucet`] are those of the bridge. [`Peer`] is a second node, so that a reorganisation can
//! come the way it does in the wild: from a peer with more work. [`Proxy`] stands in front of a node and fails
//! in all the ways that networks do. [`five_checks`] is what a test of a fault ends with. Every node is killed
//! and its data removed when its guard goes away. `BITCOIND_EXE` names the program; a test without it fails and
//! says what to do.

mod checks;
mod peer;
mod proxy;

pub use checks::{Counted, Work, five_checks};
pub use peer::Peer;
pub use proxy::{Call, Mood, Proxy};
pub use tacit_bridge::regtest::{BITCOIND_EXE, Bitcoind, BitcoindOptions, Faucet, RegtestError};
