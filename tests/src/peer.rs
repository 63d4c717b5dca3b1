//! The rest of the network: a second Bitcoin node that can be torn from the first one and joined again.

use bitcoin::{ScriptBuf, Transaction};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::regtest::{Bitcoind, Faucet, RegtestError};

/// A second node, so that a reorganisation comes the way it does in the wild: from a peer with more work.
#[derive(Debug)]
pub struct Peer {
    node: Bitcoind,
    faucet: Faucet,
}

impl Peer {
    /// Starts a node that nobody is connected to.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn alone() -> Result<Self, RegtestError> {
        let node = Bitcoind::start()?;
        let faucet = Faucet::new(node.client());
        Ok(Self { node, faucet })
    }

    /// Starts a node and waits until it has the chain of `first`.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn of(first: &Bitcoind) -> Result<Self, RegtestError> {
        let peer = Self::alone()?;
        peer.join(first)?;
        Ok(peer)
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Bitcoind {
        &self.node
    }

    /// Cuts the connection, with both at the same tip.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn split(&self, first: &Bitcoind) -> Result<(), RegtestError> {
        self.node.wait_for_common_tip(first)?;
        self.node.set_connected(false)
    }

    /// Connects both and waits until they agree on the branch with more work.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn join(&self, first: &Bitcoind) -> Result<(), RegtestError> {
        self.node.set_connected(true)?;
        self.node.connect(first)?;
        self.node.wait_for_common_tip(first)
    }

    /// Mines a branch of its own: one block with these transactions, whatever its mempool thinks of them, and
    /// `more` empty ones.
    ///
    /// # Errors
    /// [`RegtestError`].
    pub fn mine(&self, txs: &[Transaction], more: u32) -> Result<(), RegtestError> {
        // Another script than anybody's, so that no block of the two branches is the same.
        let height = self.node.client().chain_info()?.height;
        let script =
            ScriptBuf::new_p2wsh(&ScriptBuf::from_bytes(height.to_le_bytes().to_vec()).wscript_hash());
        self.faucet.mine_raw(&script, txs)?;
        for _ in 0..more {
            self.faucet.mine_raw(&script, &[])?;
        }
        Ok(())
    }
}
