//! Deposits: addresses on Bitcoin that become notes, and the way back if they do not.
//!
//! Everything about deposit number `index` follows from the mnemonic: `inner`, the refund key and so
//! the address, together with the federation in office ([`crate::epochs`]). A restored wallet asks a node for
//! the scripts of the numbers used and of the next [`GAP`] ones, for each federation there was, and finds what
//! it deposited. Specification: `docs/spec/wallet.md`.

use std::collections::HashMap;

use bitcoin::key::Keypair;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Address, OutPoint, ScriptBuf, TxOut, Txid, XOnlyPublicKey};
use rand_core::CryptoRngCore;
use tacit_protocol::F;
use tacit_protocol::peg::deposit::RefundError;
use tacit_protocol::peg::{DepositTerms, FeeRate};
use thiserror::Error;

use crate::api::{ApiError, DepositStatus, FoundDeposit, MAX_SCRIPTS, NodeApi, RegisterDeposit};
use crate::builder::exit::parse_address;
use crate::db::{DepositOutput, DepositProgress, EventKind};
use crate::scan::{GAP, deposit_inner};
use crate::wallet::{Wallet, WalletError};

/// Why a deposit cannot be taken back.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DepositError {
    /// No deposit of this wallet.
    #[error("{0} is no deposit of this wallet; refresh the deposits and look at their list")]
    Unknown(OutPoint),
    /// The federation has swept it, or it was taken back already.
    #[error("{0} is spent already; see its status")]
    Spent(OutPoint),
    /// The timelock has not run out.
    #[error(
        "the deposit can be taken back from block {opens} on, Bitcoin is at {tip}; until then it may still be credited"
    )]
    TooEarly {
        /// First block that may hold the refund.
        opens: u32,
        /// Bitcoin's height.
        tip: u32,
    },
    /// Too little would be left.
    #[error("{0}; use a lower fee rate")]
    Refund(#[from] RefundError),
}

/// A deposit address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositOffer {
    /// Its number.
    pub index: u32,
    /// The federation's epoch that it is for.
    pub epoch: u32,
    /// The address to pay to.
    pub address: Address,
    /// The note's inner commitment.
    pub inner: F,
    /// The refund key.
    pub refund: XOnlyPublicKey,
}

/// A deposit of this wallet that a node found.
struct Found {
    index: u32,
    federation: XOnlyPublicKey,
    output: FoundDeposit,
}

impl Wallet {
    /// A fresh deposit address for the epoch in office, which [`Wallet::learn_epochs`] finds out; none is handed
    /// out twice.
    ///
    /// # Errors
    /// [`WalletError::Store`] if its number cannot be saved; then it is not handed out.
    pub fn new_deposit(&mut self, rng: &mut dyn CryptoRngCore) -> Result<DepositOffer, WalletError> {
        let index = self.db.next_deposit;
        self.db.next_deposit = index + 1;
        if let Err(error) = self.save(rng) {
            self.db.next_deposit = index;
            return Err(error);
        }
        self.view.cover(&self.keys, self.db.next_deposit);
        Ok(self.deposit_offer(index))
    }

    /// Deposit address number `index`, for the epoch in office.
    #[must_use]
    pub fn deposit_offer(&self, index: u32) -> DepositOffer {
        let epoch = self.epoch();
        let terms = self.deposit_terms(index, epoch.keys.federation);
        let address = terms.address(self.params.genesis().network);
        DepositOffer {
            index,
            epoch: epoch.number,
            address,
            inner: terms.inner,
            refund: terms.refund,
        }
    }

    pub(crate) fn deposit_terms(&self, index: u32, federation: XOnlyPublicKey) -> DepositTerms {
        let refund = self.refund_keypair(index).x_only_public_key().0;
        let inner = deposit_inner(&self.keys, index);
        self.params.genesis().deposit_terms(federation, inner, refund)
    }

    /// The terms of a deposit that was found.
    pub(crate) fn terms_of(&self, output: &DepositOutput) -> DepositTerms {
        let first = self.params.genesis().federation_key;
        self.deposit_terms(output.index, output.federation.unwrap_or(first))
    }

    fn refund_keypair(&self, index: u32) -> Keypair {
        let secret = self.keys.root().deposit_refund_secret(index);
        Keypair::from_seckey_slice(&Secp256k1::new(), &secret).expect("the derivation gives valid secrets")
    }

    /// Outputs that pay to deposit addresses of this wallet, as of the last refresh.
    #[must_use]
    pub fn deposits(&self) -> &[DepositOutput] {
        &self.db.deposits
    }

    /// Looks for deposits on Bitcoin, registers those that wait, and learns how far each is.
    ///
    /// # Errors
    /// [`WalletError::Api`], [`WalletError::Epochs`], [`WalletError::Store`].
    pub fn refresh_deposits(
        &mut self,
        api: &dyn NodeApi,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<&[DepositOutput], WalletError> {
        let status = api.status()?;
        self.check_node(&status)?;
        self.db.bitcoin_height = self.db.bitcoin_height.max(status.bitcoin_height);
        self.follow_epochs(api)?;
        let found = self.find_deposits(api)?;
        // What is no longer there was taken back, or undone by a reorganisation; what is over stays on record.
        self.db.deposits.retain_mut(|output| {
            let there = found.iter().any(|f| f.output.outpoint == output.outpoint);
            if let (DepositProgress::Refunding { txid }, false) = (&output.progress, there) {
                output.progress = DepositProgress::Refunded { txid: *txid };
            }
            there || is_over(&output.progress)
        });
        for deposit in found {
            self.update_deposit(api, &deposit)?;
        }
        self.save(rng)?;
        Ok(&self.db.deposits)
    }

    /// Asks for the scripts of all numbers used and [`GAP`] more, for every federation, until nothing new
    /// turns up.
    fn find_deposits(&mut self, api: &dyn NodeApi) -> Result<Vec<Found>, WalletError> {
        let federations = self.federations();
        let mut all = Vec::new();
        let mut next = 0;
        while next < self.db.next_deposit.saturating_add(GAP) {
            let until = self.db.next_deposit.saturating_add(GAP);
            let numbers: Vec<u32> = (next..until).take(MAX_SCRIPTS).collect();
            let asked: Vec<(u32, XOnlyPublicKey)> = federations
                .iter()
                .flat_map(|federation| numbers.iter().map(|index| (*index, *federation)))
                .collect();
            for asked in asked.chunks(MAX_SCRIPTS) {
                let found = self.find_some(api, asked)?;
                let last = found.iter().map(|deposit| deposit.index + 1).max();
                self.db.next_deposit = self.db.next_deposit.max(last.unwrap_or(0));
                all.extend(found);
            }
            next = numbers.last().map_or(until, |last| last + 1);
        }
        self.view.cover(&self.keys, self.db.next_deposit);
        Ok(all)
    }

    fn find_some(
        &self,
        api: &dyn NodeApi,
        asked: &[(u32, XOnlyPublicKey)],
    ) -> Result<Vec<Found>, WalletError> {
        let scripts: Vec<ScriptBuf> = asked
            .iter()
            .map(|(index, federation)| self.deposit_terms(*index, *federation).script_pubkey())
            .collect();
        let asked_by: HashMap<&ScriptBuf, (u32, XOnlyPublicKey)> =
            scripts.iter().zip(asked.iter().copied()).collect();
        let found = api.find_deposits(&scripts)?.into_iter().map(|output| {
            let (index, federation) = *asked_by.get(&output.script).ok_or_else(|| {
                ApiError::BadAnswer("findDeposits answered with a script that was not asked for".into())
            })?;
            Ok(Found {
                index,
                federation,
                output,
            })
        });
        found.collect()
    }

    fn update_deposit(&mut self, api: &dyn NodeApi, deposit: &Found) -> Result<(), WalletError> {
        let found = &deposit.output;
        let known = self
            .db
            .deposits
            .iter()
            .position(|output| output.outpoint == found.outpoint);
        let before = known.map(|at| &self.db.deposits[at].progress);
        // A refund that was sent is no refund that is in a block.
        let refund = match before {
            Some(DepositProgress::Credited { .. }) if found.spent_by.is_some() => return Ok(()),
            Some(DepositProgress::Refunding { txid } | DepositProgress::Refunded { txid }) => Some(*txid),
            Some(
                DepositProgress::Found
                | DepositProgress::Registered { .. }
                | DepositProgress::TooLate { .. }
                | DepositProgress::Swept { .. }
                // The credit was another one's, to the same address: this one lies there unspent.
                | DepositProgress::Credited { .. },
            )
            | None => None,
        };
        let progress = match (found.spent_by, refund) {
            (Some(txid), Some(refund)) if txid == refund => DepositProgress::Refunded { txid },
            (Some(txid), _) => self.spent(deposit, txid, &api.deposit_status(found.outpoint)?),
            (None, Some(txid)) => DepositProgress::Refunding { txid },
            (None, None) => self.register(api, deposit)?,
        };
        let (outpoint, amount, height) = (found.outpoint, found.amount, found.height);
        let posted = known.map(|at| std::mem::take(&mut self.db.deposits[at].posted));
        let first = self.params.genesis().federation_key;
        let output = DepositOutput {
            index: deposit.index,
            outpoint,
            amount,
            height,
            federation: Some(deposit.federation).filter(|federation| *federation != first),
            progress,
            posted: posted.unwrap_or_default(),
        };
        match known {
            Some(at) => self.db.deposits[at] = output,
            None => self.db.deposits.push(output),
        }
        Ok(())
    }

    /// How far a deposit is that `txid` spent, as a node says.
    fn spent(&self, deposit: &Found, txid: Txid, status: &DepositStatus) -> DepositProgress {
        let index = deposit.index;
        match *status {
            DepositStatus::Refunded { txid } => DepositProgress::Refunded { txid },
            // The scan, which says so first, may have passed the batch before the sweep was known.
            DepositStatus::Credited { batch, .. } if self.has_credit(index, batch) => {
                DepositProgress::Credited { batch }
            }
            DepositStatus::Unknown
            | DepositStatus::Registered { .. }
            | DepositStatus::Held { .. }
            | DepositStatus::Swept { .. }
            | DepositStatus::Credited { .. } => DepositProgress::Swept { txid },
        }
    }

    /// Whether this wallet found a note of deposit `index` in this batch.
    fn has_credit(&self, index: u32, batch: u32) -> bool {
        let mut events = self.db.history.iter();
        events.any(|event| event.batch == batch && event.what == EventKind::Deposited { index })
    }

    fn register(&self, api: &dyn NodeApi, deposit: &Found) -> Result<DepositProgress, WalletError> {
        let terms = self.deposit_terms(deposit.index, deposit.federation);
        let held = |otherwise| {
            if self.is_too_late(deposit.federation, deposit.output.height) {
                let opens = self.refund_opens(deposit.output.height);
                DepositProgress::TooLate { opens }
            } else {
                otherwise
            }
        };
        let request = RegisterDeposit {
            outpoint: deposit.output.outpoint,
            inner: terms.inner,
            refund: terms.refund,
        };
        Ok(match api.register_deposit(&request) {
            Ok(DepositStatus::Registered { depth, needed, .. }) => DepositProgress::Registered {
                note: format!("{} of {needed} blocks deep", depth.min(needed)),
            },
            Ok(DepositStatus::Held { reason }) => held(DepositProgress::Registered { note: reason }),
            Ok(DepositStatus::Swept { txid, .. }) => DepositProgress::Swept { txid },
            Ok(DepositStatus::Credited { batch, .. }) => DepositProgress::Registered {
                note: format!("credited in batch {batch}; sync shows it"),
            },
            Ok(DepositStatus::Refunded { txid }) => DepositProgress::Refunded { txid },
            Ok(DepositStatus::Unknown) => held(DepositProgress::Found),
            // One deposit that a node does not want must not hide the others.
            Err(ApiError::InvalidDeposit { reason }) => held(DepositProgress::Registered { note: reason }),
            // A node without a sequencer still says where deposits are, so that they can be taken back.
            Err(ApiError::WrongRole) => held(DepositProgress::Found),
            Err(error) => return Err(error.into()),
        })
    }

    /// First block that may hold the refund of a deposit that confirmed at `height`.
    fn refund_opens(&self, height: u32) -> u32 {
        height.saturating_add(u32::from(self.params.genesis().refund_timelock))
    }

    /// Sends the transaction that takes a deposit back to a Bitcoin address, once its timelock has run out. The
    /// deposit is [`DepositProgress::Refunding`] until that is in a block, and may be taken back anew, at another rate.
    ///
    /// # Errors
    /// [`WalletError::Deposit`], [`WalletError::Exit`] for the address, [`WalletError::Api`] if
    /// bitcoind refuses.
    pub fn refund_deposit(
        &mut self,
        api: &dyn NodeApi,
        outpoint: OutPoint,
        (to, rate): (&str, FeeRate),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Txid, WalletError> {
        let to = parse_address(to, self.params.genesis().network)?;
        let status = api.status()?;
        self.check_node(&status)?;
        let at = self
            .db
            .deposits
            .iter()
            .position(|output| output.outpoint == outpoint);
        let at = at.ok_or(DepositError::Unknown(outpoint))?;
        let output = &self.db.deposits[at];
        if is_over(&output.progress) || matches!(output.progress, DepositProgress::Swept { .. }) {
            return Err(DepositError::Spent(outpoint).into());
        }
        let opens = self.refund_opens(output.height);
        if status.bitcoin_height.saturating_add(1) < opens {
            return Err(DepositError::TooEarly {
                opens,
                tip: status.bitcoin_height,
            }
            .into());
        }
        let terms = self.terms_of(output);
        let spent = TxOut {
            value: bitcoin::Amount::from_sat(output.amount.to_sat()),
            script_pubkey: terms.script_pubkey(),
        };
        let refund = terms
            .refund(outpoint, spent, to.to_script_buf(), rate)
            .map_err(DepositError::Refund)?;
        let mut aux = [0; 32];
        rng.fill_bytes(&mut aux);
        let signature = Secp256k1::new().sign_schnorr_with_aux_rand(
            &refund.sighash(),
            &self.refund_keypair(output.index),
            &aux,
        );
        let txid = api.broadcast(&refund.finalise(&signature))?;
        self.db.deposits[at].progress = DepositProgress::Refunding { txid };
        self.save(rng)?;
        Ok(txid)
    }
}

fn is_over(progress: &DepositProgress) -> bool {
    matches!(
        progress,
        DepositProgress::Credited { .. } | DepositProgress::Refunded { .. }
    )
}

#[cfg(test)]
mod tests;
