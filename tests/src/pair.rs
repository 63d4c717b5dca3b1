//! Two Bitcoin nodes that can be torn apart and joined again.

use tacit_bridge::regtest::{Bitcoind, Faucet, RegtestError};

/// Two connected nodes. The first one is what the code under test follows; the second one is the
/// rest of the network.
#[derive(Debug)]
pub struct NodePair {
    first: Bitcoind,
    second: Bitcoind,
}

impl NodePair {
    /// Starts both and connects them.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn start() -> Result<Self, RegtestError> {
        let pair = Self {
            first: Bitcoind::start()?,
            second: Bitcoind::start()?,
        };
        pair.second.connect(&pair.first)?;
        Ok(pair)
    }

    /// The node under test.
    #[must_use]
    pub fn first(&self) -> &Bitcoind {
        &self.first
    }

    /// The rest of the network.
    #[must_use]
    pub fn second(&self) -> &Bitcoind {
        &self.second
    }

    /// Cuts the connection, with both at the same tip.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn split(&self) -> Result<(), RegtestError> {
        self.second.wait_for_common_tip(&self.first)?;
        self.second.set_connected(false)
    }

    /// Joins both again and waits until they agree on the branch with more work.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn join(&self) -> Result<(), RegtestError> {
        self.second.set_connected(true)?;
        self.second.connect(&self.first)?;
        self.second.wait_for_common_tip(&self.first)
    }

    /// Mines `count` blocks on the second node alone, from the common tip, while the first node
    /// mines whatever it mines; then joins them. With `count` above the first node's own blocks,
    /// the first node is reorganised.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn outmine(&self, count: u32) -> Result<(), RegtestError> {
        Faucet::new(self.second.client()).mine(count)?;
        self.join()
    }
}
