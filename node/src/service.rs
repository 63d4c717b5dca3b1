//! Answers the RPC: the node's side of the wallet's `NodeApi`.
//!
//! Reads come from the state that Bitcoin shows, with the sequencer's pending batches on top where
//! there are any; [`views`] turns records into answers. What changes something goes to the
//! sequencer's desk, or from a full node on to its sequencer.

use std::sync::{Arc, PoisonError, RwLock};

use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use tacit_bridge::client::{BitcoinClient, ClientError};
use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::ledger;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_sequencer::Store;
use tacit_verifier::Rules;
use tacit_verifier::chain::table;
use tacit_wallet::api::{
    ApiError, BatchDetails, BatchReserves, BatchSummary, BridgeStatus, CompactBatch, DepositStatus, Epochs,
    FeeEstimate, ForcedPage, ForcedQuery, ForcedRange, ForcedRequestStatus, FoundDeposit, MAX_COMPACT,
    MAX_RANGE, MAX_SCRIPTS, NodeApi, Range, Receipt, RegisterDeposit, Role, Status, SubtreeRoots, Supply,
    SyncState, TransferStatus, WithdrawalQuery, WithdrawalStatus,
};

pub mod deposits;
mod forced;
pub mod views;

/// What only a sequencer can answer; a full node passes it on.
pub trait Desk: Send + Sync {
    /// Takes a transfer.
    ///
    /// # Errors
    /// [`ApiError`].
    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError>;

    /// The fate of a transfer that is in no batch.
    ///
    /// # Errors
    /// [`ApiError`].
    fn waiting_transfer(&self, txid: TransferId) -> Result<TransferStatus, ApiError>;

    /// Takes a deposit's registration.
    ///
    /// # Errors
    /// [`ApiError`].
    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError>;

    /// How far a deposit is.
    ///
    /// # Errors
    /// [`ApiError`].
    fn deposit_status(&self, outpoint: OutPoint) -> Result<DepositStatus, ApiError>;

    /// The fee to pay now.
    ///
    /// # Errors
    /// [`ApiError`].
    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError>;

    /// What the bridge does and why anything waits.
    ///
    /// # Errors
    /// [`ApiError`].
    fn bridge_status(&self) -> Result<BridgeStatus, ApiError>;

    /// Transfers waiting for a batch.
    fn mempool(&self) -> u32;

    /// Why nothing is done until the operator agrees, if so.
    fn halted(&self) -> Option<String>;

    /// Runs `read` on the state with the pending batches on top.
    ///
    /// # Errors
    /// What `read` says.
    fn with_pending(&self, read: &mut dyn FnMut(&dyn KvRead) -> Result<(), ApiError>)
    -> Result<(), ApiError>;
}

/// How far the pipeline is, for `status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// Height of bitcoind's best block.
    pub target: u32,
    /// Why following waits for bitcoind.
    pub paused: Option<String>,
    /// Why nothing is done until the operator agrees.
    pub halted: Option<String>,
}

/// The node's answers.
pub struct Service {
    pub(crate) rules: Arc<Rules>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) client: Arc<dyn BitcoinClient>,
    pub(crate) following: Arc<RwLock<Following>>,
    pub(crate) role: Role,
    pub(crate) desk: Option<Arc<dyn Desk>>,
    pub(crate) search: deposits::Search,
}

pub(crate) fn storage(error: &KvError) -> ApiError {
    match error {
        KvError::Full(_) => ApiError::DiskFull,
        KvError::Io(_) | KvError::Corrupt { .. } => ApiError::Internal(error.to_string()),
    }
}

pub(crate) fn bitcoin(error: &ClientError) -> ApiError {
    let reason = error.to_string();
    if matches!(error, ClientError::Rejected { .. }) {
        ApiError::BitcoinRejected { reason }
    } else {
        ApiError::BitcoinUnavailable { reason }
    }
}

impl Service {
    /// Runs `read` on the state this node serves, pending batches included.
    fn read<T>(&self, read: impl FnOnce(&dyn KvRead) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let Some(desk) = &self.desk else {
            return read(&*self.store);
        };
        let (mut read, mut answer) = (Some(read), None);
        desk.with_pending(&mut |kv| {
            if let Some(read) = read.take() {
                answer = Some(read(kv)?);
            }
            Ok(())
        })?;
        answer.ok_or_else(|| ApiError::Internal("the pending state was not read".into()))
    }

    fn desk(&self) -> Result<&dyn Desk, ApiError> {
        self.desk.as_deref().ok_or(ApiError::WrongRole)
    }

    fn anchored_tip(&self) -> Result<u32, ApiError> {
        Ok(ledger::tip(&*self.store).map_err(|e| storage(&e))?.batch)
    }

    fn height(&self) -> Result<u32, ApiError> {
        let cursor = table::cursor(&*self.store).map_err(|e| storage(&e))?;
        cursor
            .map(|c| c.height)
            .ok_or_else(|| ApiError::Internal("the cursor is missing".into()))
    }

    fn sync_state(&self, height: u32) -> SyncState {
        let following = self
            .following
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let halted = following
            .halted
            .or_else(|| self.desk.as_ref().and_then(|d| d.halted()));
        match (halted, following.paused) {
            (Some(reason), _) => SyncState::Halted { reason },
            (None, Some(reason)) => SyncState::Paused { reason },
            (None, None) if height < following.target => SyncState::Syncing {
                height,
                target: following.target,
            },
            (None, None) => SyncState::Synced,
        }
    }
}

impl NodeApi for Service {
    fn status(&self) -> Result<Status, ApiError> {
        let cursor = table::cursor(&*self.store)
            .map_err(|e| storage(&e))?
            .ok_or_else(|| ApiError::Internal("the cursor is missing".into()))?;
        let head = table::anchor_head(&*self.store)
            .map_err(|e| storage(&e))?
            .ok_or_else(|| ApiError::Internal("the anchor tip is missing".into()))?;
        let anchored = self.anchored_tip()?;
        let state = self.read(|kv| ledger::tip(kv).map_err(|e| storage(&e)))?;
        let params = self.rules.params();
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: self.role,
            network: params.genesis().network,
            chain_id: params.chain_id(),
            bitcoin_height: cursor.height,
            bitcoin_hash: cursor.hash,
            sequencer: head.sequencer,
            batch: state.batch,
            state: state.commitment(),
            anchored_batch: anchored,
            pending_batches: state.batch.saturating_sub(anchored),
            mempool: self.desk.as_ref().map_or(0, |d| d.mempool()),
            sync: self.sync_state(cursor.height),
        })
    }

    fn chain_params(&self) -> Result<String, ApiError> {
        Ok(self.rules.params().to_json())
    }

    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError> {
        self.desk()?.submit_transfer(transfer)
    }

    fn transfer_status(&self, txid: TransferId) -> Result<TransferStatus, ApiError> {
        let (anchored, height) = (self.anchored_tip()?, self.height()?);
        let found = self.read(|kv| views::transfer_status(kv, &txid, anchored, height))?;
        match (found, &self.desk) {
            (Some(status), _) => Ok(status),
            (None, Some(desk)) => desk.waiting_transfer(txid),
            (None, None) => Ok(TransferStatus::Unknown),
        }
    }

    fn batches(&self, range: Range) -> Result<Vec<BatchSummary>, ApiError> {
        let (anchored, limit) = (self.anchored_tip()?, range.limit.min(MAX_RANGE));
        self.read(|kv| {
            let tip = ledger::tip(kv).map_err(|e| storage(&e))?.batch;
            let last = range.from.saturating_add(limit).min(tip + 1);
            (range.from..last)
                .map(|n| views::summary(kv, n, anchored))
                .collect()
        })
    }

    fn batch(&self, number: u32) -> Result<BatchDetails, ApiError> {
        let anchored = self.anchored_tip()?;
        self.read(|kv| views::details(kv, self.rules.params(), number, anchored))
    }

    fn compact(&self, range: Range) -> Result<Vec<CompactBatch>, ApiError> {
        let (anchored, limit) = (self.anchored_tip()?, range.limit.min(MAX_COMPACT));
        self.read(|kv| {
            let tip = ledger::tip(kv).map_err(|e| storage(&e))?.batch;
            let from = range.from.max(1);
            let last = from.saturating_add(limit).min(tip + 1);
            (from..last).map(|n| views::compact(kv, n, anchored)).collect()
        })
    }

    fn note_subtree_roots(&self, range: Range) -> Result<SubtreeRoots, ApiError> {
        let limit = range.limit.min(MAX_RANGE);
        self.read(|kv| views::subtree_roots(kv, range.from, limit))
    }

    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError> {
        self.desk()?.fee_estimate()
    }

    fn bridge_status(&self) -> Result<BridgeStatus, ApiError> {
        self.desk()?.bridge_status()
    }

    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError> {
        self.desk()?.register_deposit(deposit)
    }

    fn deposit_status(&self, outpoint: OutPoint) -> Result<DepositStatus, ApiError> {
        let height = self.height()?;
        let swept = self.read(|kv| views::swept_status(kv, self.rules.params(), &outpoint, height))?;
        match (swept, &self.desk) {
            (Some(status), _) => Ok(status),
            (None, Some(desk)) => desk.deposit_status(outpoint),
            (None, None) => Ok(DepositStatus::Unknown),
        }
    }

    fn withdrawal_status(&self, query: WithdrawalQuery) -> Result<WithdrawalStatus, ApiError> {
        let height = self.height()?;
        let rate = self
            .desk
            .as_ref()
            .and_then(|d| d.fee_estimate().ok())
            .map(|f| f.bitcoin_rate);
        let anchored = self.anchored_tip()?;
        self.read(|kv| views::withdrawal(kv, self.rules.params(), &query, (anchored, height), rate))
    }

    fn supply(&self) -> Result<Supply, ApiError> {
        views::supply(&*self.store)
    }

    fn forced_requests(&self, range: ForcedRange) -> Result<ForcedPage, ApiError> {
        forced::page(&*self.store, self.rules.params(), &range)
    }

    fn forced_status(&self, query: ForcedQuery) -> Result<Vec<ForcedRequestStatus>, ApiError> {
        forced::status(&*self.store, self.rules.params(), &query)
    }

    fn reserves(&self, range: Range) -> Result<Vec<BatchReserves>, ApiError> {
        let last = range.from.saturating_add(range.limit.min(MAX_RANGE));
        let last = last.min(self.anchored_tip()? + 1);
        (range.from..last)
            .map(|n| views::batch_reserves(&*self.store, n))
            .collect()
    }

    fn epochs(&self) -> Result<Epochs, ApiError> {
        views::epochs(&*self.store).map_err(|e| storage(&e))
    }

    fn find_deposits(&self, scripts: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError> {
        if scripts.len() > MAX_SCRIPTS {
            return Err(ApiError::TooLarge {
                limit: MAX_SCRIPTS as u64,
            });
        }
        self.search.find(&*self.client, &*self.store, scripts)
    }

    fn broadcast(&self, transaction: &Transaction) -> Result<Txid, ApiError> {
        self.client.send(transaction).map_err(|e| bitcoin(&e))?;
        Ok(transaction.compute_txid())
    }
}
