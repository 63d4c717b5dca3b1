//! What the vault's operator reports: what it did, what waits, and why nothing was made.
//!
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::Txid;
use tacit_protocol::peg::VaultFault;
use tacit_protocol::peg::coins::CoinError;
use tacit_protocol::peg::vault::{Held, PlanError};
use thiserror::Error;

use crate::client::ClientError;
use crate::journal::JournalError;
use crate::signer::SignError;

/// Why no vault transaction was made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum VaultError {
    /// It cannot be built.
    #[error("the vault transaction cannot be built: {0}")]
    Plan(#[from] PlanError),
    /// The signer refuses.
    #[error("the signer refuses: {0}")]
    Sign(#[from] SignError),
    /// An input of a federation's that nobody signed.
    #[error("the signer gave no signature for input {0}; does it hold the key that the input belongs to?")]
    NoSignature(usize),
    /// A signature does not verify.
    #[error("the signature of input {0} does not verify; is the signer's key the federation's?")]
    BadSignature(usize),
    /// What was built breaks a rule; it was not sent.
    #[error("the planned vault transaction breaks a rule and was not sent: {0}")]
    Fault(#[from] VaultFault),
    /// The journal failed; nothing was sent that is not in it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The Bitcoin node gave no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What the vault does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultState {
    /// There is nothing to sweep or pay.
    Idle,
    /// The chain's state forbids any action, for this reason.
    Halted(String),
    /// A transaction was made and sent now.
    Sent {
        /// Its identifier.
        txid: Txid,
        /// Deposits it sweeps.
        deposits: usize,
        /// Withdrawals it pays.
        withdrawals: usize,
        /// The fee it pays.
        fee: u64,
    },
    /// A transaction is in the mempool.
    InMempool(Txid),
    /// A transaction that paid too little was replaced.
    Bumped {
        /// Its identifier.
        txid: Txid,
        /// The version that it replaces.
        replaced: Txid,
    },
    /// A transaction that paid too little, and that the signers would not replace, got a child that
    /// pays for it.
    Lifted {
        /// Its identifier.
        txid: Txid,
        /// The child's.
        child: Txid,
    },
    /// A transaction had fallen out of the mempool and was sent again.
    Resent(Txid),
    /// A transaction is in a block that the snapshot does not know yet.
    Confirmed(Txid),
    /// The node refuses the transaction for now, for this reason.
    Stuck {
        /// Its identifier.
        txid: Txid,
        /// The node's reason.
        reason: String,
    },
    /// The operator's coins do not pay for the transaction.
    OutOfCoins(CoinError),
}

/// What the vault did, and which withdrawals wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultReport {
    /// What it does.
    pub state: VaultState,
    /// Withdrawals that wait, with their reasons; filled when a transaction was planned.
    pub held: Vec<Held>,
}

impl VaultReport {
    /// The same of an attempt to replace this version, which is in the mempool.
    pub(super) fn replacing(mut self, replaced: Txid) -> Self {
        if let VaultState::Sent { txid, .. } = self.state
            && txid != replaced
        {
            self.state = VaultState::Bumped { txid, replaced };
        } else if matches!(self.state, VaultState::Sent { .. } | VaultState::Idle) {
            self.state = VaultState::InMempool(replaced);
        }
        self
    }
}
