//! The client: a [`NodeApi`] over HTTP, blocking, with time and size limits.

use std::time::Duration;

use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use jsonrpsee::core::ClientError;
use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ObjectParams;
use jsonrpsee::http_client::{HttpClient, HttpClientBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_wallet::api::{
    ApiError, BatchDetails, BatchQuery, BatchSummary, Broadcast, CompactBatch, DepositQuery, DepositStatus,
    FeeEstimate, FindDeposits, FoundDeposit, NodeApi, Range, Receipt, RegisterDeposit, Status,
    SubmitTransfer, SubtreeRoots, Supply, TransferQuery, TransferStatus, WithdrawalQuery, WithdrawalStatus,
    method,
};
use tokio::runtime::{Builder, Runtime};

use super::PREFIX;

/// Time for one call.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer taken.
const MAX_RESPONSE: u32 = 32 * 1024 * 1024;

/// A connection to one node.
pub struct RpcClient {
    runtime: Runtime,
    client: HttpClient,
}

impl RpcClient {
    /// A client of the node at `url` (`http://host:port`). Nothing is sent yet.
    ///
    /// # Errors
    /// [`ApiError::Transport`] if the address makes no sense.
    pub fn new(url: &str) -> Result<Self, ApiError> {
        let transport = |e: String| ApiError::Transport(format!("{url}: {e}"));
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|e| transport(e.to_string()))?;
        let client = HttpClientBuilder::default()
            .request_timeout(TIMEOUT)
            .max_response_size(MAX_RESPONSE)
            .build(url)
            .map_err(|e| transport(e.to_string()))?;
        Ok(Self { runtime, client })
    }

    fn call<R: DeserializeOwned>(&self, name: &str, params: impl Serialize) -> Result<R, ApiError> {
        let mut object = ObjectParams::new();
        let value = serde_json::to_value(params).map_err(|e| ApiError::BadAnswer(e.to_string()))?;
        if let Value::Object(fields) = value {
            for (key, value) in fields {
                object.insert(&key, value).map_err(|e| ApiError::BadAnswer(e.to_string()))?;
            }
        }
        let name = format!("{PREFIX}{name}");
        self.runtime.block_on(self.client.request(&name, object)).map_err(|e| from_wire(&e))
    }
}

fn from_wire(error: &ClientError) -> ApiError {
    match error {
        ClientError::Call(object) => {
            let data = object.data().and_then(|d| serde_json::from_str(d.get()).ok());
            ApiError::from_wire(object.code(), object.message(), data.as_ref())
        }
        ClientError::ParseError(e) => ApiError::BadAnswer(e.to_string()),
        ClientError::RequestTimeout => ApiError::Transport("no answer in time".into()),
        other => ApiError::Transport(other.to_string()),
    }
}

impl NodeApi for RpcClient {
    fn status(&self) -> Result<Status, ApiError> {
        self.call(method::STATUS, ())
    }

    fn chain_params(&self) -> Result<String, ApiError> {
        self.call(method::CHAIN_PARAMS, ())
    }

    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError> {
        self.call(method::SUBMIT_TRANSFER, SubmitTransfer { transfer: transfer.clone() })
    }

    fn transfer_status(&self, txid: TransferId) -> Result<TransferStatus, ApiError> {
        self.call(method::TRANSFER_STATUS, TransferQuery { txid })
    }

    fn batches(&self, range: Range) -> Result<Vec<BatchSummary>, ApiError> {
        self.call(method::BATCHES, range)
    }

    fn batch(&self, number: u32) -> Result<BatchDetails, ApiError> {
        self.call(method::BATCH, BatchQuery { number })
    }

    fn compact(&self, range: Range) -> Result<Vec<CompactBatch>, ApiError> {
        self.call(method::COMPACT, range)
    }

    fn note_subtree_roots(&self, range: Range) -> Result<SubtreeRoots, ApiError> {
        self.call(method::NOTE_SUBTREE_ROOTS, range)
    }

    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError> {
        self.call(method::FEE_ESTIMATE, ())
    }

    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError> {
        self.call(method::REGISTER_DEPOSIT, deposit)
    }

    fn deposit_status(&self, outpoint: OutPoint) -> Result<DepositStatus, ApiError> {
        self.call(method::DEPOSIT_STATUS, DepositQuery { outpoint })
    }

    fn withdrawal_status(&self, query: WithdrawalQuery) -> Result<WithdrawalStatus, ApiError> {
        self.call(method::WITHDRAWAL_STATUS, query)
    }

    fn supply(&self) -> Result<Supply, ApiError> {
        self.call(method::SUPPLY, ())
    }

    fn find_deposits(&self, scripts: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError> {
        self.call(method::FIND_DEPOSITS, FindDeposits { scripts: scripts.to_vec() })
    }

    fn broadcast(&self, transaction: &Transaction) -> Result<Txid, ApiError> {
        self.call(method::BROADCAST, Broadcast { transaction: transaction.clone() })
    }
}
