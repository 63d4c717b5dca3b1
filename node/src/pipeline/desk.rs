//! The sequencer's desk: takes transfers and deposits, promises, tells how far they are.

use bitcoin::OutPoint;
use tacit_bridge::watcher::{DepositError, DepositStatus as Watched, Registration};
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::KvRead;
use tacit_protocol::peg::fees::{MIN_DEPOSIT, deposit_is_sweepable};
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_sequencer::{AdmissionError, Screened, TransferStatus as Stage};
use tacit_wallet::api::{
    ApiError, BridgeStatus, DepositStatus, FeeEstimate, Promise, Receipt, RegisterDeposit, TransferStatus,
};

use super::operator::{Operator, now, with_view};
use crate::service::{Desk, bitcoin, storage};

/// Epoch of the anchor key: there is one key so far.
const KEY_EPOCH: u32 = 0;

fn refusal(error: AdmissionError) -> ApiError {
    match error {
        AdmissionError::FeeTooLow { minimum, .. } => ApiError::FeeTooLow { minimum },
        AdmissionError::Expired { expiry, next } => ApiError::Expired { expiry, batch: next },
        AdmissionError::Spent(nullifier) => ApiError::Spent { nullifier },
        AdmissionError::Conflict { nullifier, by } => ApiError::Conflict { nullifier, txid: by },
        AdmissionError::UnknownAnchor(anchor) | AdmissionError::StaleAnchor { anchor, .. } => {
            ApiError::UnknownAnchor { anchor }
        }
        AdmissionError::MempoolFull { next, .. } => ApiError::MempoolFull { batch: next },
        AdmissionError::NotSynced => ApiError::NotSynced { height: 0, target: 0 },
        AdmissionError::Halted(halt) => ApiError::Halted {
            reason: halt.to_string(),
        },
        AdmissionError::Store(error) => storage(&error),
        rule @ (AdmissionError::TooLarge { .. }
        | AdmissionError::Malformed(_)
        | AdmissionError::ZeroNullifier
        | AdmissionError::RepeatedNullifier
        | AdmissionError::UnknownFee(_)
        | AdmissionError::ExpiryTooFar { .. }
        | AdmissionError::ExpiryNotRounded { .. }
        | AdmissionError::ExitFeeTooLow { .. }
        | AdmissionError::KnownBadProof
        | AdmissionError::BadProof(_)
        | AdmissionError::EndOfChain) => ApiError::InvalidTransfer {
            rule: rule.to_string(),
        },
    }
}

fn deposit_refusal(error: &DepositError) -> ApiError {
    match error {
        DepositError::Client(error) => bitcoin(error),
        DepositError::Journal(_) | DepositError::View(_) => ApiError::Internal(error.to_string()),
        DepositError::Unconfirmed(_)
        | DepositError::NotFound(_)
        | DepositError::Terms(_)
        | DepositError::TooSmall { .. }
        | DepositError::Unregistered(_) => ApiError::InvalidDeposit {
            reason: error.to_string(),
        },
    }
}

impl Operator {
    /// Height and depth of an unspent output; zeros if it is gone meanwhile.
    fn place_of(&self, outpoint: &OutPoint) -> Result<(u32, u32), ApiError> {
        let tip = self.client.chain_info().map_err(|e| bitcoin(&e))?.height;
        let unspent = self.client.unspent(outpoint, false).map_err(|e| bitcoin(&e))?;
        let depth = unspent.map_or(tip, |found| found.confirmations.saturating_sub(1));
        Ok((tip.saturating_sub(depth), depth))
    }
}

impl Desk for Operator {
    fn submit_transfer(&self, transfer: &Transfer) -> Result<Receipt, ApiError> {
        self.require_office()?;
        let bytes = transfer.encode();
        let screened = self.sequencer().screen(&bytes).map_err(refusal)?;
        let accepted = match screened {
            Screened::Known(accepted) => accepted,
            Screened::Fresh(candidate) => {
                // The costly part happens without the lock.
                let verdict = candidate.verify(&self.rules);
                self.sequencer()
                    .admit(*candidate, verdict, now())
                    .map_err(refusal)?
            }
        };
        let promise = Promise {
            chain_id: self.rules.params().chain_id(),
            txid: accepted.txid,
            nf: accepted.nf,
            target_batch: accepted.target_batch,
            key_epoch: KEY_EPOCH,
        };
        let signature = self.anchor_key.sign_plain(&promise.message());
        Ok(Receipt { promise, signature })
    }

    fn waiting_transfer(&self, txid: TransferId) -> Result<TransferStatus, ApiError> {
        Ok(
            match self.sequencer().status_of(&txid).map_err(|e| storage(&e))? {
                None => TransferStatus::Unknown,
                Some(Stage::Waiting { .. } | Stage::Held { .. }) => TransferStatus::Pending,
                Some(Stage::Sealed { batch, slot, .. } | Stage::Anchored { batch, slot }) => {
                    TransferStatus::Batched {
                        batch,
                        slot: u32::from(slot),
                        anchored: None,
                        depth: 0,
                    }
                }
                Some(Stage::Rejected(rejection)) => TransferStatus::Rejected {
                    reason: rejection.reason.to_string(),
                },
            },
        )
    }

    fn register_deposit(&self, deposit: &RegisterDeposit) -> Result<DepositStatus, ApiError> {
        let RegisterDeposit {
            outpoint,
            inner,
            refund,
        } = *deposit;
        let registration = Registration {
            outpoint,
            inner,
            refund,
        };
        self.watcher
            .register(registration)
            .map_err(|e| deposit_refusal(&e))?;
        self.deposit_status(outpoint)
    }

    fn deposit_status(&self, outpoint: OutPoint) -> Result<DepositStatus, ApiError> {
        let report = match self.watcher.status(&outpoint, self.view()) {
            Ok(report) => report,
            Err(DepositError::Unregistered(_)) => return Ok(DepositStatus::Unknown),
            Err(error) => return Err(deposit_refusal(&error)),
        };
        let (amount, rate) = (report.amount, self.rate());
        let needed = u32::from(self.rules.params().genesis().finality_depth);
        let registered = || -> Result<DepositStatus, ApiError> {
            let (height, depth) = self.place_of(&outpoint)?;
            Ok(DepositStatus::Registered {
                amount,
                height,
                depth,
                needed,
            })
        };
        Ok(match report.status {
            Watched::Confirming { .. } => registered()?,
            Watched::Ready if !deposit_is_sweepable(amount, rate) => DepositStatus::Held {
                reason: format!(
                    "at today's fee rate the deposit's share would be above a twentieth of it \
                     (or it is below {MIN_DEPOSIT} sat); it waits for a lower rate or its refund"
                ),
            },
            Watched::Ready => registered()?,
            Watched::NearRefund { refund_height } => DepositStatus::Held {
                reason: format!("its refund opens at height {refund_height}, too near to sweep it"),
            },
            Watched::TooLate { refund_height } => DepositStatus::Held {
                reason: format!(
                    "it was made to a federation that had handed the vault over; take it back from height \
                     {refund_height} on, and deposit to an address of today"
                ),
            },
            Watched::Swept { txid } => DepositStatus::Swept {
                txid,
                amount,
                depth: 0,
                needed,
            },
            Watched::Credited { batch } => DepositStatus::Credited { batch, amount },
            Watched::Refunded => DepositStatus::Held {
                reason: "it was spent outside the vault: taken back".into(),
            },
            Watched::Vanished => DepositStatus::Held {
                reason: "it left the best chain; it may come back".into(),
            },
        })
    }

    fn fee_estimate(&self) -> Result<FeeEstimate, ApiError> {
        let minimum = self.sequencer().config().policy.min_fee;
        let fees = &self.rules.params().genesis().fee_table;
        let fee_code = fees.index_at_least(minimum).unwrap_or(0);
        let fee = fees.fee(fee_code).unwrap_or(minimum);
        Ok(FeeEstimate {
            fee_code,
            fee,
            bitcoin_rate: self.rate(),
        })
    }

    fn bridge_status(&self) -> Result<BridgeStatus, ApiError> {
        Ok(self.bridge())
    }

    fn mempool(&self) -> u32 {
        u32::try_from(self.sequencer().mempool().len()).unwrap_or(u32::MAX)
    }

    fn halted(&self) -> Option<String> {
        self.sequencer().halt().map(|halt| halt.to_string())
    }

    fn with_pending(
        &self,
        read: &mut dyn FnMut(&dyn KvRead) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        with_view(&self.sequencer(), read)
    }
}
