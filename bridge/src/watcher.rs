//! Registered deposits, from registration to credit.
//!
//! ```text
//!   registered ──► confirming n/k ──► ready ──► swept ──► credited
//!        ▲               │              │
//!        └── vanished ◄──┘ (reorg)      └──► near its refund, or too late ──► spent elsewhere (refunded)
//! ```
//!
//! A registration names a confirmed output and the terms that its script commits to; it is checked
//! against the chain and written down before it is acknowledged, for the script alone does not tell
//! its terms. What was swept and credited is the chain's own state and comes in as a
//! [`DepositView`]; everything else is asked of the node whenever it is wanted, so a reorganisation
//! needs no special care. Specification: `docs/spec/bitcoin.md`.

use std::sync::Arc;

use bitcoin::{OutPoint, Txid, XOnlyPublicKey};
use tacit_protocol::params::Genesis;
use tacit_protocol::peg::DepositTerms;
use tacit_protocol::peg::fees::MIN_DEPOSIT;
use tacit_protocol::peg::vault::DepositCoin;
use tacit_protocol::{Amount, F};
use thiserror::Error;

use crate::client::{BitcoinClient, ClientError};
use crate::journal::{Journal, JournalError, outpoint_key};
use crate::vault::ViewError;

mod record;

use record::Record;

/// What journal keys of deposits start with.
const PREFIX: &[u8] = b"deposit/";

/// Blocks before its refund opens in which a deposit is not swept any more.
pub const REFUND_MARGIN: u32 = 144;

/// Depth at which Bitcoin lets a block reward be spent. A younger one would have the whole vault
/// transaction refused, payouts included.
const REWARD_DEPTH: u32 = 100;

/// Blocks after which a deposit that was spent elsewhere is no longer looked after.
const FORGET_AFTER: u32 = 144;

/// What a depositor says about a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The output that pays to the deposit address.
    pub outpoint: OutPoint,
    /// The note's inner commitment.
    pub inner: F,
    /// The key of the way back.
    pub refund: XOnlyPublicKey,
}

/// Why a registration is refused, or a status is not known.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DepositError {
    /// The output is in the mempool.
    #[error("deposit {0} is not confirmed yet; register it again once it is in a block")]
    Unconfirmed(OutPoint),
    /// There is no such unspent output.
    #[error("deposit {0} is not an unspent output; check the transaction and the output number")]
    NotFound(OutPoint),
    /// The output pays to other terms.
    #[error(
        "output {0} does not pay to the deposit address of this note and refund key; check that \
         they belong to this deposit and this chain"
    )]
    Terms(OutPoint),
    /// The deposit is too small.
    #[error("deposit {outpoint} holds {amount}, at least {MIN_DEPOSIT} sat are needed; refund it later")]
    TooSmall {
        /// The output.
        outpoint: OutPoint,
        /// What it holds.
        amount: Amount,
    },
    /// Nobody registered it.
    #[error("deposit {0} is not registered")]
    Unregistered(OutPoint),
    /// The journal failed; the registration may not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The Bitcoin node gave no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The rollup's state cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// What the rollup's state knows of a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweptView {
    /// The vault transaction that took it.
    pub txid: Txid,
    /// Height of that transaction.
    pub height: u32,
    /// The batch that credited it.
    pub credited: Option<u32>,
}

/// The rollup's state, as far as deposits are concerned.
pub trait DepositView {
    /// What is known of a deposit that was swept.
    ///
    /// # Errors
    /// [`ViewError`].
    fn swept(&self, outpoint: &OutPoint) -> Result<Option<SweptView>, ViewError>;
}

/// For how long deposits to a federation count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The federation's key.
    pub federation: XOnlyPublicKey,
    /// What it leaves behind; `None` while it is in office.
    pub ended: Option<Ended>,
}

/// How long a federation that was replaced still takes deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The last height at which a deposit to it may confirm.
    pub confirmed_until: u32,
    /// The last height at which its members still have their shares; only those of the federation right
    /// before the one in office sweep at all.
    pub swept_until: u32,
}

/// The federations that a chain had so far.
pub trait Tenures: Send + Sync {
    /// All of them, the one in office first.
    ///
    /// # Errors
    /// [`ViewError`].
    fn tenures(&self) -> Result<Vec<Tenure>, ViewError>;
}

impl Tenures for XOnlyPublicKey {
    fn tenures(&self) -> Result<Vec<Tenure>, ViewError> {
        Ok(vec![Tenure {
            federation: *self,
            ended: None,
        }])
    }
}

/// Where a registered deposit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepositStatus {
    /// In a block, not deep enough.
    Confirming {
        /// Blocks on top of its own.
        depth: u32,
        /// Blocks needed.
        needed: u32,
    },
    /// Deep enough to be swept.
    Ready,
    /// Too near its refund to be swept; the depositor can take it back at this height.
    NearRefund {
        /// The first height whose block may hold the refund.
        refund_height: u32,
    },
    /// Made to a federation that was replaced, too late for it to be swept; as [`Self::NearRefund`].
    TooLate {
        /// The first height whose block may hold the refund.
        refund_height: u32,
    },
    /// Taken into the vault.
    Swept {
        /// The vault transaction.
        txid: Txid,
    },
    /// Credited: the note exists.
    Credited {
        /// The batch.
        batch: u32,
    },
    /// Spent outside the vault: its owner took it back.
    Refunded,
    /// No longer in the best chain; it may come back.
    Vanished,
}

/// A registered deposit with its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositReport {
    /// What was registered.
    pub registration: Registration,
    /// What it holds.
    pub amount: Amount,
    /// Where it stands.
    pub status: DepositStatus,
}

/// What all deposits are looked at with, read once.
struct Now<'a> {
    /// Height of Bitcoin's last block.
    tip: u32,
    /// The federations so far, the one in office first.
    tenures: Vec<Tenure>,
    view: &'a dyn DepositView,
}

impl Now<'_> {
    /// Whether nobody will sweep a deposit to this federation that confirmed at `height`.
    fn is_too_late(&self, federation: XOnlyPublicKey, height: u32) -> bool {
        let mut last = self.tenures.iter().take(2);
        match last.find(|tenure| tenure.federation == federation) {
            Some(Tenure { ended: None, .. }) => false,
            Some(Tenure {
                ended: Some(ended), ..
            }) => height > ended.confirmed_until || self.tip > ended.swept_until,
            None => true,
        }
    }
}

/// Keeps registered deposits.
pub struct Watcher {
    client: Arc<dyn BitcoinClient>,
    journal: Arc<dyn Journal>,
    tenures: Arc<dyn Tenures>,
    timelock: u16,
    depth: u32,
}

impl Watcher {
    /// A watcher of the deposits of one chain.
    #[must_use]
    pub fn new(
        client: Arc<dyn BitcoinClient>,
        journal: Arc<dyn Journal>,
        tenures: Arc<dyn Tenures>,
        genesis: &Genesis,
    ) -> Self {
        Self {
            client,
            journal,
            tenures,
            timelock: genesis.refund_timelock,
            depth: u32::from(genesis.finality_depth),
        }
    }

    /// The terms that a registration claims, of a deposit to this federation.
    #[must_use]
    pub fn terms(&self, federation: XOnlyPublicKey, registration: &Registration) -> DepositTerms {
        DepositTerms {
            federation,
            inner: registration.inner,
            refund: registration.refund,
            timelock: self.timelock,
        }
    }

    /// Checks a registration against the chain and keeps it. Registering twice is harmless.
    ///
    /// # Errors
    /// [`DepositError`].
    pub fn register(&self, registration: Registration) -> Result<Amount, DepositError> {
        let outpoint = registration.outpoint;
        let key = outpoint_key(PREFIX, &outpoint);
        if let Some(bytes) = self.journal.get(&key)? {
            let record = Record::decode(&key, outpoint, &bytes)?;
            // One script has one set of terms, so others under the same outpoint are wrong.
            let same = record.registration == registration;
            return if same {
                Ok(record.amount)
            } else {
                Err(DepositError::Terms(outpoint))
            };
        }
        let Some(unspent) = self.client.unspent(&outpoint, false)? else {
            let pending = self.client.unspent(&outpoint, true)?.is_some();
            return Err(if pending {
                DepositError::Unconfirmed(outpoint)
            } else {
                DepositError::NotFound(outpoint)
            });
        };
        let script = &unspent.txout.script_pubkey;
        let tenures = self.tenures.tenures()?;
        let federation = tenures
            .iter()
            .map(|tenure| tenure.federation)
            .find(|federation| self.terms(*federation, &registration).matches(script))
            .ok_or(DepositError::Terms(outpoint))?;
        let amount =
            Amount::from_sat(unspent.txout.value.to_sat()).map_err(|_| DepositError::NotFound(outpoint))?;
        if amount.to_sat() < MIN_DEPOSIT {
            return Err(DepositError::TooSmall { outpoint, amount });
        }
        let record = Record::new(registration, federation, amount);
        self.journal.put(&key, &record.encode())?;
        Ok(amount)
    }

    /// What was registered for an output.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn registration(&self, outpoint: &OutPoint) -> Result<Option<Registration>, JournalError> {
        let key = outpoint_key(PREFIX, outpoint);
        let Some(bytes) = self.journal.get(&key)? else {
            return Ok(None);
        };
        Ok(Some(Record::decode(&key, *outpoint, &bytes)?.registration))
    }

    /// Where a registered deposit stands.
    ///
    /// # Errors
    /// [`DepositError`].
    pub fn status(&self, outpoint: &OutPoint, view: &dyn DepositView) -> Result<DepositReport, DepositError> {
        let key = outpoint_key(PREFIX, outpoint);
        let bytes = self
            .journal
            .get(&key)?
            .ok_or(DepositError::Unregistered(*outpoint))?;
        let mut record = Record::decode(&key, *outpoint, &bytes)?;
        self.look(&key, &mut record, &self.now(view)?)
    }

    /// All registered deposits, by outpoint.
    ///
    /// # Errors
    /// [`DepositError`].
    pub fn reports(&self, view: &dyn DepositView) -> Result<Vec<DepositReport>, DepositError> {
        let now = self.now(view)?;
        let look = |(key, mut record): (Vec<u8>, Record)| self.look(&key, &mut record, &now);
        self.records()?.into_iter().map(look).collect()
    }

    /// Deposits that may be swept now: deep, unspent, not near their refund.
    ///
    /// # Errors
    /// [`DepositError`].
    pub fn sweepable(&self, view: &dyn DepositView) -> Result<Vec<DepositCoin>, DepositError> {
        let now = self.now(view)?;
        let mut coins = Vec::new();
        for (key, mut record) in self.records()? {
            if record.closed {
                continue;
            }
            let report = self.look(&key, &mut record, &now)?;
            if report.status == DepositStatus::Ready {
                let terms = self.terms(record.federation, &record.registration);
                let outpoint = record.registration.outpoint;
                coins.push(DepositCoin {
                    outpoint,
                    amount: record.amount,
                    terms,
                });
            }
        }
        Ok(coins)
    }

    fn now<'a>(&self, view: &'a dyn DepositView) -> Result<Now<'a>, DepositError> {
        Ok(Now {
            tip: self.client.chain_info()?.height,
            tenures: self.tenures.tenures()?,
            view,
        })
    }

    fn records(&self) -> Result<Vec<(Vec<u8>, Record)>, DepositError> {
        let listed = self.journal.list(PREFIX)?;
        let records = listed.into_iter().map(|(key, value)| {
            let outpoint = record::outpoint_of(&key, PREFIX)?;
            let record = Record::decode(&key, outpoint, &value)?;
            Ok((key, record))
        });
        records.collect()
    }

    /// Looks a deposit up, and writes down what has to be remembered.
    fn look(&self, key: &[u8], record: &mut Record, now: &Now<'_>) -> Result<DepositReport, DepositError> {
        let old = record.clone();
        let tip = now.tip;
        let status = self.status_of(record, now)?;
        match status {
            DepositStatus::Refunded => {
                let since = *record.gone_since.get_or_insert(tip);
                record.closed = tip.saturating_sub(since) >= FORGET_AFTER;
            }
            DepositStatus::Swept { .. } | DepositStatus::Credited { .. } | DepositStatus::Vanished => {}
            DepositStatus::Confirming { .. }
            | DepositStatus::Ready
            | DepositStatus::NearRefund { .. }
            | DepositStatus::TooLate { .. } => record.gone_since = None,
        }
        if *record != old {
            self.journal.put(key, &record.encode())?;
        }
        let (registration, amount) = (record.registration, record.amount);
        Ok(DepositReport {
            registration,
            amount,
            status,
        })
    }

    fn status_of(&self, record: &mut Record, now: &Now<'_>) -> Result<DepositStatus, DepositError> {
        let (outpoint, tip) = (record.registration.outpoint, now.tip);
        if let Some(swept) = now.view.swept(&outpoint)? {
            return Ok(match swept.credited {
                Some(batch) => DepositStatus::Credited { batch },
                None => DepositStatus::Swept { txid: swept.txid },
            });
        }
        let Some(unspent) = self.client.unspent(&outpoint, false)? else {
            return self.gone(record);
        };
        let depth = unspent.confirmations.saturating_sub(1);
        let height = tip.saturating_sub(depth);
        // Remembered so that a spend and a reorganisation can be told apart later.
        record.block = self.client.block_hash(height)?;
        let refund_height = height.saturating_add(u32::from(self.timelock));
        let needed = if unspent.coinbase {
            self.depth.max(REWARD_DEPTH)
        } else {
            self.depth
        };
        Ok(if refund_height <= tip.saturating_add(REFUND_MARGIN) {
            DepositStatus::NearRefund { refund_height }
        } else if now.is_too_late(record.federation, height) {
            DepositStatus::TooLate { refund_height }
        } else if depth < needed {
            DepositStatus::Confirming { depth, needed }
        } else {
            DepositStatus::Ready
        })
    }

    /// What became of a deposit that is neither unspent nor swept.
    fn gone(&self, record: &Record) -> Result<DepositStatus, DepositError> {
        let Some(block) = record.block else {
            return Ok(DepositStatus::Vanished);
        };
        let active = self
            .client
            .header(&block)?
            .is_some_and(|header| header.is_active());
        Ok(if active {
            DepositStatus::Refunded
        } else {
            DepositStatus::Vanished
        })
    }
}

#[cfg(test)]
mod tests;
