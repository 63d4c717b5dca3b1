//! The client: a [`NodeApi`] over HTTP, blocking, with time and size limits.

use std::error::Error;
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
    ApiError, BatchDetails, BatchQuery, BatchReserves, BatchSummary, BridgeStatus, Broadcast, CompactBatch,
    DepositQuery, DepositStatus, Epochs, FeeEstimate, FindDeposits, ForcedPage, ForcedQuery, ForcedRange,
    ForcedRequestStatus, FoundDeposit, NodeApi, Range, Receipt, RegisterDeposit, Status, SubmitTransfer,
    SubtreeRoots, Supply, TransferQuery, TransferStatus, WithdrawalQuery, WithdrawalStatus, method,
};
use tokio::runtime::{Builder, Runtime};

use super::PREFIX;

/// Time for one call; the longest one has bitcoind look through all its coins.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The largest answer taken.
const MAX_RESPONSE: u32 = 32 * 1024 * 1024;

/// A connection to one node.
pub struct RpcClient {
    runtime: Runtime,
    client: HttpClient,
    url: String,
}

impl RpcClient {
    /// A client of the node at `url` (`http://host:port`). Nothing is sent yet.
    ///
    /// # Errors
    /// [`ApiError::Transport`] if the address makes no sense.
    pub fn new(url: &str) -> Result<Self, ApiError> {
        let transport = |e: String| ApiError::Transport(format!("{url}: {e}"));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| transport(e.to_string()))?;
        let client = HttpClientBuilder::default()
            .request_timeout(TIMEOUT)
            .max_response_size(MAX_RESPONSE)
            .build(url)
            .map_err(|e| transport(e.to_string()))?;
        Ok(Self {
            runtime,
            client,
            url: url.to_owned(),
        })
    }

    fn call<R: DeserializeOwned>(&self, name: &str, params: impl Serialize) -> Result<R, ApiError> {
        let mut object = ObjectParams::new();
        let value = serde_json::to_value(params).map_err(|e| ApiError::BadAnswer(e.to_string()))?;
        if let Value::Object(fields) = value {
            for (key, value) in fields {
                object
                    .insert(&key, value)
                    .map_err(|e| ApiError::BadAnswer(e.to_string()))?;
            }
        }
        let name = format!("{PREFIX}{name}");
        let call = async {
            match self.client.request(&name, object.clone()).await {
                // The server may have closed an idle connection, or be a new process at the old
                // address. No method does harm when it is called twice.
                Err(ClientError::Transport(_)) => self.client.request(&name, object).await,
                answer => answer,
            }
        };
        self.runtime.block_on(call).map_err(|e| self.error(&e))
    }

    fn error(&self, error: &ClientError) -> ApiError {
        if let ClientError::Call(object) = error {
            let data = object.data().and_then(|d| serde_json::from_str(d.get()).ok());
            return error_answer(object.code(), object.message(), data.as_ref());
        }
        if matches!(
            error,
            ClientError::ParseError(_) | ClientError::InvalidRequestId(_)
        ) {
            return ApiError::BadAnswer(with_causes(error));
        }
        ApiError::Transport(format!("{}: {}", self.url, with_causes(error)))
    }
}

/// An error the other side answered with. The transport's own errors share numbers with the node's
/// but carry a text as data, where the node's carry an object or nothing.
fn error_answer(code: i32, message: &str, data: Option<&Value>) -> ApiError {
    if let Some(Value::String(detail)) = data {
        return ApiError::InvalidRequest {
            code,
            message: format!("{message}: {detail}"),
        };
    }
    ApiError::from_wire(code, message, data)
}

/// An error with what is behind it, each said once.
fn with_causes(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

impl NodeApi for RpcClient {
    fn status(&self) -> Result<Status, ApiError> {
        self.call(method::STATUS, ())
    }

    fn chain_params(&self) -> Result<String, ApiError> {
        self.call(method::CHAIN_PARAMS, ())
    }

    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError> {
        self.call(
            method::SUBMIT_TRANSFER,
            SubmitTransfer {
                transfer: transfer.clone(),
            },
        )
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

    fn bridge_status(&self) -> Result<BridgeStatus, ApiError> {
        self.call(method::BRIDGE_STATUS, ())
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

    fn reserves(&self, range: Range) -> Result<Vec<BatchReserves>, ApiError> {
        self.call(method::RESERVES, range)
    }

    fn forced_requests(&self, range: ForcedRange) -> Result<ForcedPage, ApiError> {
        self.call(method::FORCED_REQUESTS, range)
    }

    fn forced_status(&self, query: ForcedQuery) -> Result<Vec<ForcedRequestStatus>, ApiError> {
        self.call(method::FORCED_STATUS, query)
    }

    fn epochs(&self) -> Result<Epochs, ApiError> {
        self.call(method::EPOCHS, ())
    }

    fn find_deposits(&self, scripts: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError> {
        self.call(
            method::FIND_DEPOSITS,
            FindDeposits {
                scripts: scripts.to_vec(),
            },
        )
    }

    fn broadcast(&self, transaction: &Transaction) -> Result<Txid, ApiError> {
        self.call(
            method::BROADCAST,
            Broadcast {
                transaction: transaction.clone(),
            },
        )
    }
}
