//! What the integration tests share: real Bitcoin nodes on private chains.
//!
//! [`Bitcoind`] and [`Faucet`] are those of the bridge; [`NodePair`] adds a second node, so that a
//! reorganisation can come the way it does in the wild: from a peer with more work. Every node is
//! killed and its data removed when its guard goes away. `BITCOIND_EXE` names the program; a test
//! without it fails and says what to do.

mod pair;

pub use pair::NodePair;
pub use tacit_bridge::regtest::{BITCOIND_EXE, Bitcoind, BitcoindOptions, Faucet, RegtestError};
