//! What the bridge asks of a Bitcoin node, as a small trait: everything that Tacit reads from
//! Bitcoin or sends to it goes through [`BitcoinClient`].
//!
//! * [`rpc`]: Bitcoin Core over JSON-RPC, the one for use.
//! * [`memory`]: a chain in memory that obeys the same contract, for tests that need no process.
//! * [`conformance`]: the contract as `check_*` functions; every client passes all of them.
//!
//! No method needs a transaction index, a wallet or anything but a plain unpruned node of version
//! 28 or newer. Specification: `docs/spec/bitcoin.md`.

use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use tacit_protocol::peg::{BlockInput, FeeRate};

pub mod conformance;
mod error;
pub mod memory;
pub mod rpc;

pub use error::ClientError;
pub use rpc::{Auth, RpcClient, RpcOptions, connect_checked};

/// The oldest version of Bitcoin Core that Tacit works with, as `getnetworkinfo` writes it.
pub const MIN_VERSION: u32 = 280_000;

/// The state of the node and of the best chain it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainInfo {
    /// The network in the node's words: `main`, `testnet4`, `signet`, `regtest`, …
    pub network: String,
    /// Height of the best block.
    pub height: u32,
    /// Hash of the best block.
    pub best: BlockHash,
    /// Height of the best header; ahead of `height` while the node catches up.
    pub headers: u32,
    /// Version of the node: 280000 is 28.0.
    pub version: u32,
    /// Whether the node is still in its initial download.
    pub syncing: bool,
    /// Whether the node deletes old blocks.
    pub pruned: bool,
}

/// A block header as the node stands to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderInfo {
    /// Height of the block.
    pub height: u32,
    /// The block below; `None` for the very first one.
    pub prev: Option<BlockHash>,
    /// 1 for the tip, growing below it; −1 when the block is not in the best chain.
    pub confirmations: i64,
}

impl HeaderInfo {
    /// Whether the block is in the best chain.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.confirmations > 0
    }
}

/// An output that nobody has spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnspentOutput {
    /// The output.
    pub txout: TxOut,
    /// 0 in the mempool, 1 in the tip.
    pub confirmations: u32,
    /// Whether a block reward made it.
    pub coinbase: bool,
}

/// An unspent output found by its script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedOutput {
    /// Where it is.
    pub outpoint: OutPoint,
    /// The output.
    pub txout: TxOut,
    /// Height of its block.
    pub height: u32,
    /// Whether a block reward made it.
    pub coinbase: bool,
}

/// What a scan of the unspent outputs found, and as of which block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Height of the block that the scan stands at.
    pub height: u32,
    /// Hash of that block.
    pub best: BlockHash,
    /// The outputs, in no particular order.
    pub outputs: Vec<ScannedOutput>,
}

/// A transaction in the mempool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolEntry {
    /// Its virtual size.
    pub vsize: u64,
    /// The fee it pays.
    pub fee: bitcoin::Amount,
    /// Virtual size of it and of all that hangs on it.
    pub family_vsize: u64,
    /// The fee that all of these pay, which a replacement has to exceed.
    pub family_fee: bitcoin::Amount,
    /// Unconfirmed transactions it hangs on, itself included.
    pub ancestors: u32,
}

/// The mempool as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolInfo {
    /// The lowest rate that is let in now.
    pub min_rate: FeeRate,
    /// Number of transactions.
    pub count: u64,
}

/// What became of a transaction that the node took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// It is in the mempool, new or already there.
    InMempool,
    /// It is in a block.
    AlreadyConfirmed,
}

/// Whether the mempool would take a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It would.
    Allowed {
        /// Virtual size.
        vsize: u64,
        /// Fee.
        fee: bitcoin::Amount,
    },
    /// It would not, for this reason in the node's words.
    Refused(String),
}

/// What became of a package of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageOutcome {
    /// Whether all of them are in the mempool now.
    pub accepted: bool,
    /// The node's word on the whole package.
    pub message: String,
    /// The node's word on each transaction that it refused.
    pub refused: Vec<(Txid, String)>,
}

/// A Bitcoin node. Reads may be repeated at will; an implementation retries them itself.
pub trait BitcoinClient: Send + Sync {
    /// Network, tip, version and sync state.
    ///
    /// # Errors
    /// [`ClientError`].
    fn chain_info(&self) -> Result<ChainInfo, ClientError>;

    /// Hash of the best chain's block at `height`; `None` above the tip.
    ///
    /// # Errors
    /// [`ClientError`].
    fn block_hash(&self, height: u32) -> Result<Option<BlockHash>, ClientError>;

    /// A header, in the best chain or not; `None` if the node has never seen it.
    ///
    /// # Errors
    /// [`ClientError`].
    fn header(&self, hash: &BlockHash) -> Result<Option<HeaderInfo>, ClientError>;

    /// A whole block with the outputs its transactions spend.
    ///
    /// # Errors
    /// [`ClientError::UnknownBlock`], [`ClientError::Pruned`] and the general ones.
    fn block(&self, hash: &BlockHash) -> Result<BlockInput, ClientError>;

    /// Hands a transaction to the node. Sending the same one again does no harm. An error that is
    /// not [`ClientError::Rejected`] leaves open whether the node took it.
    ///
    /// # Errors
    /// [`ClientError::Rejected`] and the general ones.
    fn send(&self, tx: &Transaction) -> Result<Broadcast, ClientError>;

    /// Hands several transactions to the node that pay for each other, parents first.
    ///
    /// # Errors
    /// [`ClientError`]; a refusal is an [`PackageOutcome`], not an error.
    fn submit_package(&self, txs: &[Transaction]) -> Result<PackageOutcome, ClientError>;

    /// Asks whether the mempool would take a transaction, without sending it.
    ///
    /// # Errors
    /// [`ClientError`].
    fn test_accept(&self, tx: &Transaction) -> Result<Acceptance, ClientError>;

    /// A transaction of the mempool; `None` if it is not there.
    ///
    /// # Errors
    /// [`ClientError`].
    fn mempool_entry(&self, txid: &Txid) -> Result<Option<MempoolEntry>, ClientError>;

    /// The transaction in the mempool that spends an output.
    ///
    /// # Errors
    /// [`ClientError`].
    fn mempool_spender(&self, outpoint: &OutPoint) -> Result<Option<Txid>, ClientError>;

    /// An unspent output: by confirmed transactions only, or by those in the mempool too, which
    /// then may create and spend outputs.
    ///
    /// # Errors
    /// [`ClientError`].
    fn unspent(&self, outpoint: &OutPoint, with_mempool: bool) -> Result<Option<UnspentOutput>, ClientError>;

    /// A transaction by its identifier: from the given block, or else from the mempool.
    ///
    /// # Errors
    /// [`ClientError`].
    fn transaction(&self, txid: &Txid, block: Option<&BlockHash>)
    -> Result<Option<Transaction>, ClientError>;

    /// All confirmed unspent outputs that pay to one of `scripts`. Slow on the main network.
    ///
    /// # Errors
    /// [`ClientError`].
    fn scan(&self, scripts: &[ScriptBuf]) -> Result<Scan, ClientError>;

    /// The rate at which a transaction should confirm within `blocks`; `None` without an estimate.
    ///
    /// # Errors
    /// [`ClientError`].
    fn estimate_rate(&self, blocks: u16) -> Result<Option<FeeRate>, ClientError>;

    /// The mempool's size and its lowest rate.
    ///
    /// # Errors
    /// [`ClientError`].
    fn mempool_info(&self) -> Result<MempoolInfo, ClientError>;
}
