//! The node's JSON-RPC as wallets see it: methods, data types, errors.
//!
//! [`NodeApi`] has one function per method; the binary implements it over HTTP, tests in memory, so
//! the wallet itself does no I/O on the network. Parameters travel by name, as the request structs
//! of [`types`] and [`peg`] say; names of methods are in [`method`], errors with their numbers
//! in [`error`]. Specification: `docs/spec/rpc.md`.

pub mod bridge;
pub(crate) mod codec;
pub mod compact;
pub mod epochs;
pub mod error;
pub mod forced;
pub mod peg;
pub mod receipt;
pub mod types;

use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use tacit_protocol::transfer::{Transfer, TransferId};

pub use bridge::{
    AnchorActivity, BridgeStatus, EpochStatus, FederationStatus, OfficeStatus, Queued, SignerHealth,
    VaultActivity,
};
pub use compact::{Anchored, CompactBatch, CompactDeposit, CompactError, CompactTransfer};
pub use epochs::{EpochDetails, Epochs};
pub use error::ApiError;
pub use forced::{
    ForcedPage, ForcedPlace, ForcedQuery, ForcedQueue, ForcedRange, ForcedRequestStatus, ForcedState,
    ForcedSubject,
};
pub use peg::{
    BatchReserves, Broadcast, DepositQuery, DepositStatus, FindDeposits, FoundDeposit, PendingRaise,
    RegisterDeposit, Supply, WithdrawalQuery, WithdrawalState, WithdrawalStatus,
};
pub use receipt::{Promise, Receipt};
pub use types::{
    BatchDetails, BatchQuery, BatchSummary, DepositDetails, ExitDetails, FeeEstimate, Range, Role, Status,
    SubmitTransfer, SubtreeRoots, SyncState, TransferDetails, TransferQuery, TransferStatus,
};

/// Names of the methods.
pub mod method {
    /// No parameters; answers [`super::Status`].
    pub const STATUS: &str = "status";
    /// No parameters; answers the text of `chain.json` as a string.
    pub const CHAIN_PARAMS: &str = "chainParams";
    /// [`super::SubmitTransfer`]; answers [`super::Receipt`].
    pub const SUBMIT_TRANSFER: &str = "submitTransfer";
    /// [`super::TransferQuery`]; answers [`super::TransferStatus`].
    pub const TRANSFER_STATUS: &str = "transferStatus";
    /// [`super::Range`]; answers a list of [`super::BatchSummary`].
    pub const BATCHES: &str = "batches";
    /// [`super::BatchQuery`]; answers [`super::BatchDetails`].
    pub const BATCH: &str = "batch";
    /// [`super::Range`]; answers a list of [`super::CompactBatch`].
    pub const COMPACT: &str = "compact";
    /// [`super::Range`]; answers [`super::SubtreeRoots`].
    pub const NOTE_SUBTREE_ROOTS: &str = "noteSubtreeRoots";
    /// No parameters; answers [`super::FeeEstimate`].
    pub const FEE_ESTIMATE: &str = "feeEstimate";
    /// No parameters; answers [`super::BridgeStatus`].
    pub const BRIDGE_STATUS: &str = "bridgeStatus";
    /// [`super::RegisterDeposit`]; answers [`super::DepositStatus`].
    pub const REGISTER_DEPOSIT: &str = "registerDeposit";
    /// [`super::DepositQuery`]; answers [`super::DepositStatus`].
    pub const DEPOSIT_STATUS: &str = "depositStatus";
    /// [`super::WithdrawalQuery`]; answers [`super::WithdrawalStatus`].
    pub const WITHDRAWAL_STATUS: &str = "withdrawalStatus";
    /// No parameters; answers [`super::Supply`].
    pub const SUPPLY: &str = "supply";
    /// [`super::ForcedRange`]; answers [`super::ForcedPage`].
    pub const FORCED_REQUESTS: &str = "forcedRequests";
    /// [`super::ForcedQuery`]; answers a list of [`super::ForcedRequestStatus`].
    pub const FORCED_STATUS: &str = "forcedStatus";
    /// [`super::Range`]; answers a list of [`super::BatchReserves`].
    pub const RESERVES: &str = "reserves";
    /// No parameters; answers [`super::Epochs`].
    pub const EPOCHS: &str = "epochs";
    /// [`super::FindDeposits`]; answers a list of [`super::FoundDeposit`].
    pub const FIND_DEPOSITS: &str = "findDeposits";
    /// [`super::Broadcast`]; answers the Bitcoin transaction's identifier as a string.
    pub const BROADCAST: &str = "broadcast";
    /// Subscription over WebSocket: a [`super::BatchSummary`] per new batch, pending ones included.
    pub const SUBSCRIBE_BATCHES: &str = "subscribeBatches";
    /// Name of the messages of that subscription.
    pub const BATCH_NOTIFICATION: &str = "newBatch";
    /// Ends that subscription.
    pub const UNSUBSCRIBE_BATCHES: &str = "unsubscribeBatches";
}

/// The most batches a node answers with in one call of `batches`, `noteSubtreeRoots` or `reserves`.
pub const MAX_RANGE: u32 = 1_024;
/// The most batches a node answers with in one call of `compact`.
pub const MAX_COMPACT: u32 = 64;
/// The most requests a node answers with in one call of `forcedRequests`.
pub const MAX_FORCED: u32 = 256;
/// The most scripts in one call of `findDeposits`.
pub const MAX_SCRIPTS: usize = 64;

/// A node, seen from a wallet.
pub trait NodeApi {
    /// What the node is and how far it is.
    ///
    /// # Errors
    /// [`ApiError`].
    fn status(&self) -> Result<Status, ApiError>;

    /// The text of the node's `chain.json`.
    ///
    /// # Errors
    /// [`ApiError`].
    fn chain_params(&self) -> Result<String, ApiError>;

    /// Hands in a transfer for the next batch. Handing in the same transfer twice is no error: the
    /// node answers with the same promise.
    ///
    /// # Errors
    /// [`ApiError`]; every admission rule has its variant.
    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError>;

    /// What became of a transfer.
    ///
    /// # Errors
    /// [`ApiError`]; an unknown transfer is an answer and not an error.
    fn transfer_status(&self, txid: TransferId) -> Result<TransferStatus, ApiError>;

    /// Summaries of consecutive batches, pending ones included, the genesis state as number 0.
    ///
    /// # Errors
    /// [`ApiError`].
    fn batches(&self, range: Range) -> Result<Vec<BatchSummary>, ApiError>;

    /// All public data of a batch.
    ///
    /// # Errors
    /// [`ApiError`]; [`ApiError::NotFound`] past the latest.
    fn batch(&self, number: u32) -> Result<BatchDetails, ApiError>;

    /// What wallets scan, of consecutive batches from 1 on, pending ones included.
    ///
    /// # Errors
    /// [`ApiError`].
    fn compact(&self, range: Range) -> Result<Vec<CompactBatch>, ApiError>;

    /// Roots of the notes subtrees of consecutive batches; subtree 0 is the empty one of genesis.
    ///
    /// # Errors
    /// [`ApiError`].
    fn note_subtree_roots(&self, range: Range) -> Result<SubtreeRoots, ApiError>;

    /// The fee to pay now.
    ///
    /// # Errors
    /// [`ApiError`].
    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError>;

    /// What the bridge does and why anything waits; a sequencer's own, a full node passes the question on.
    ///
    /// # Errors
    /// [`ApiError`]; [`ApiError::WrongRole`] without a sequencer.
    fn bridge_status(&self) -> Result<BridgeStatus, ApiError>;

    /// Announces a confirmed deposit, so that it is swept and credited. Announcing it again is no
    /// error.
    ///
    /// # Errors
    /// [`ApiError`]; [`ApiError::InvalidDeposit`] if the output is unconfirmed or pays to other terms.
    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError>;

    /// How far a deposit is.
    ///
    /// # Errors
    /// [`ApiError`].
    fn deposit_status(&self, outpoint: OutPoint) -> Result<DepositStatus, ApiError>;

    /// How far a withdrawal is.
    ///
    /// # Errors
    /// [`ApiError`]; [`ApiError::NotFound`] if there is none.
    fn withdrawal_status(&self, query: WithdrawalQuery) -> Result<WithdrawalStatus, ApiError>;

    /// Supply and reserves.
    ///
    /// # Errors
    /// [`ApiError`].
    fn supply(&self) -> Result<Supply, ApiError>;

    /// What the vault held and owed right after consecutive batches that Bitcoin shows; after genesis as
    /// number 0.
    ///
    /// # Errors
    /// [`ApiError`].
    fn reserves(&self, range: Range) -> Result<Vec<BatchReserves>, ApiError>;

    /// Forced requests that wait in a queue, in the order in which batches have to honour them.
    ///
    /// # Errors
    /// [`ApiError`].
    fn forced_requests(&self, range: ForcedRange) -> Result<ForcedPage, ApiError>;

    /// What became of the forced requests for a transfer or a deposit: those that entered a queue, in the
    /// order in which they were posted.
    ///
    /// # Errors
    /// [`ApiError`]; that there is none is an answer and not an error.
    fn forced_status(&self, query: ForcedQuery) -> Result<Vec<ForcedRequestStatus>, ApiError>;

    /// The epochs of the federation after the first: those that have begun, and announcements that wait.
    ///
    /// # Errors
    /// [`ApiError`].
    fn epochs(&self) -> Result<Epochs, ApiError>;

    /// Confirmed outputs that pay to any of these scripts: the unspent ones, and those the node saw
    /// since genesis. At most [`MAX_SCRIPTS`] scripts.
    ///
    /// # Errors
    /// [`ApiError`].
    fn find_deposits(&self, scripts: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError>;

    /// Sends a signed Bitcoin transaction to the network.
    ///
    /// # Errors
    /// [`ApiError`]; [`ApiError::BitcoinRejected`] with bitcoind's reason.
    fn broadcast(&self, transaction: &Transaction) -> Result<Txid, ApiError>;
}

#[cfg(test)]
mod tests;
