//! The vault: one UTXO holds all the money, and *vault transactions* move it.
//!
//! ```text
//!   inputs                          outputs
//!   0          vault tip            0        vault
//!   1..=n      deposits, ascending  1        OP_RETURN <meta>, 0 sat
//!   n+1..      operator coins       2..      payouts, ascending withdrawal index
//!                                   then     pay-to-anchor of 240 sat (optional)
//!                                   then     operator change (optional)
//! ```
//!
//! Two kinds move the vault and nothing else ([`Handover`]): a *rotation* gives it to the next federation,
//! an *anchor reset* has the next anchor as output 2. Every version of a payout spends the same vault tip, so fee bumps and re-sends never pay twice.
//! [`tree`] is the script of the output, [`meta`] the OP_RETURN; [`check`] judges a confirmed
//! transaction, [`select`] and [`build`] make one. Specification: `docs/spec/bitcoin.md`.

use bitcoin::OutPoint;
use bitcoin::transaction::Version;
use thiserror::Error;

use crate::amount::Amount;
use crate::peg::exit::ExitScript;
use crate::peg::fees::FeeRate;

pub mod build;
pub mod check;
pub mod meta;
pub mod select;
pub mod tree;

pub use build::{
    DepositCoin, HandoverPlan, InputRole, KeyPath, PlanError, UnsignedVaultTx, VaultPlan, plan_vault_tx,
};
pub use check::{PaidWithdrawal, SweptDeposit, VaultContext, VaultEffects, VaultFault, check_vault_tx};
pub use meta::{Handover, MetaError, VaultMeta};
pub use select::{Held, Selection, select_vault};
pub use tree::{LeafSpend, LeafSpendError, MAX_QUORUM_KEYS, Quorum, QuorumError, VaultKeys, VaultLeaf};

/// Version of vault transactions: TRUC, so that nobody can pin them by fat or long descendants.
pub const VAULT_TX_VERSION: Version = Version(3);

/// The heaviest vault transaction, 10,000 virtual bytes: the limit of TRUC transactions.
pub const MAX_VAULT_WEIGHT: u32 = 40_000;

/// Value of the optional pay-to-anchor output.
pub const P2A_AMOUNT: bitcoin::Amount = bitcoin::Amount::from_sat(240);

/// The UTXO that holds all the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VaultTip {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it holds.
    pub amount: Amount,
}

/// What the rules ask about a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawalView {
    /// What left the shielded supply.
    pub amount: Amount,
    /// Where it goes.
    pub script: ExitScript,
    /// The highest fee share in force.
    pub max_l1_fee: Amount,
    /// Whether its batch is buried k deep.
    pub deep: bool,
    /// Whether it was paid already.
    pub paid: bool,
}

/// Why a withdrawal waits. It never blocks those behind it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HeldReason {
    /// It was paid.
    #[error("already paid")]
    Paid,
    /// Its batch is not deep enough.
    #[error("its batch is not k deep yet")]
    NotDeep,
    /// Its share of the fee is above what its owner accepts.
    #[error("its fee share of {share} is above its limit of {max}")]
    FeeAboveLimit {
        /// The share at the rate asked about.
        share: Amount,
        /// The owner's limit.
        max: Amount,
    },
    /// Too much would leave the vault at once; it is among the first of the next transaction.
    #[error("the signers delay it: too much would leave the vault at once")]
    Delayed,
    /// The transaction was full; it is among the first of the next one.
    #[error("the vault transaction is full")]
    Full,
}

/// The share a withdrawal would owe at rate `q`, if it can be paid now.
///
/// # Errors
/// The reason why it waits.
pub fn eligible(withdrawal: &WithdrawalView, q: FeeRate) -> Result<Amount, HeldReason> {
    if withdrawal.paid {
        return Err(HeldReason::Paid);
    }
    if !withdrawal.deep {
        return Err(HeldReason::NotDeep);
    }
    let (share, max) = (q.payout_share(&withdrawal.script), withdrawal.max_l1_fee);
    if share > max {
        Err(HeldReason::FeeAboveLimit { share, max })
    } else {
        Ok(share)
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
