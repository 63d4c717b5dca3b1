//! A full node's desk: whatever only a sequencer can do is passed on to one.

use std::sync::Arc;

use bitcoin::OutPoint;
use tacit_protocol::kv::KvRead;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_sequencer::Store;
use tacit_wallet::api::{
    ApiError, BridgeStatus, DepositStatus, FeeEstimate, NodeApi, Receipt, RegisterDeposit, TransferStatus,
};

use crate::rpc::client::RpcClient;
use crate::service::Desk;

/// What the caller is told of a call that was passed on: that it was the sequencer which did not answer.
fn passed_on<T>(answer: Result<T, ApiError>) -> Result<T, ApiError> {
    answer.map_err(|error| match error.code() {
        Some(_) => error,
        None => ApiError::SequencerUnavailable {
            reason: error.to_string(),
        },
    })
}

/// Passes calls on; reads stay on this node's own state.
pub(super) struct Forward {
    client: RpcClient,
    store: Arc<dyn Store>,
}

impl Forward {
    pub(super) fn new(url: &str, store: Arc<dyn Store>) -> Result<Self, ApiError> {
        Ok(Self {
            client: RpcClient::new(url)?,
            store,
        })
    }
}

impl Desk for Forward {
    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError> {
        passed_on(self.client.submit_transfer(transfer))
    }

    fn waiting_transfer(&self, txid: TransferId) -> Result<TransferStatus, ApiError> {
        passed_on(self.client.transfer_status(txid))
    }

    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError> {
        passed_on(self.client.register_deposit(deposit))
    }

    fn deposit_status(&self, outpoint: OutPoint) -> Result<DepositStatus, ApiError> {
        passed_on(self.client.deposit_status(outpoint))
    }

    fn bridge_status(&self) -> Result<BridgeStatus, ApiError> {
        passed_on(self.client.bridge_status())
    }

    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError> {
        passed_on(self.client.fee_estimate())
    }

    fn mempool(&self) -> u32 {
        0
    }

    fn halted(&self) -> Option<String> {
        None
    }

    fn with_pending(
        &self,
        read: &mut dyn FnMut(&dyn KvRead) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        read(&*self.store)
    }
}

#[cfg(test)]
mod tests;
