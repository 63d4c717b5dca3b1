//! Answers and requests about money that crosses the border: deposits, withdrawals, reserves.

use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid, XOnlyPublicKey};
use serde::{Deserialize, Serialize};
use tacit_protocol::transfer::TransferId;
use tacit_protocol::{Amount, F};

use super::codec;
use super::compact::Anchored;

/// Parameters of `registerDeposit`: an output and the two leaves of its script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterDeposit {
    /// The confirmed output.
    pub outpoint: OutPoint,
    /// The note's inner commitment.
    #[serde(with = "codec::field")]
    pub inner: F,
    /// The refund key.
    pub refund: XOnlyPublicKey,
}

/// Parameters of `depositStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DepositQuery {
    /// The output.
    pub outpoint: OutPoint,
}

/// Answer of `registerDeposit` and `depositStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DepositStatus {
    /// Not registered here.
    Unknown,
    /// Registered and waiting to be swept.
    Registered {
        /// Satoshi deposited.
        amount: Amount,
        /// Height of the block it is in.
        height: u32,
        /// Blocks on top of it.
        depth: u32,
        /// Blocks it needs on top of it before it is swept.
        needed: u32,
    },
    /// Registered but not swept for now.
    Held {
        /// Why: too small, fee share too high, too near its refund.
        reason: String,
    },
    /// Spent by a vault transaction that is not deep enough yet.
    Swept {
        /// The vault transaction.
        txid: Txid,
        /// Satoshi that will be credited.
        amount: Amount,
        /// Blocks on top of it; zero also while unconfirmed.
        depth: u32,
        /// Blocks it needs on top of it before the deposit is credited.
        needed: u32,
    },
    /// Credited as a note.
    Credited {
        /// The batch.
        batch: u32,
        /// Satoshi credited.
        amount: Amount,
    },
    /// Spent by something else than a vault transaction: taken back.
    Refunded {
        /// The transaction that spent it.
        txid: Txid,
    },
}

/// Parameters of `withdrawalStatus`: `{"txid": …}` or `{"index": …}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WithdrawalQuery {
    /// The withdrawal of a transfer.
    Txid(#[serde(with = "codec::txid")] TransferId),
    /// The withdrawal with this running number.
    Index(u64),
}

/// How far a withdrawal is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum WithdrawalState {
    /// Its batch is not deep enough yet.
    Burying {
        /// Blocks on top of the anchor's block; zero also while pending.
        depth: u32,
        /// Blocks needed.
        needed: u32,
    },
    /// It may be paid by the next vault transaction.
    Eligible,
    /// Its fee share is above what its owner accepts.
    Held {
        /// The share at today's rate.
        share: Amount,
    },
    /// A vault transaction pays it.
    Paid {
        /// The vault transaction.
        txid: Txid,
        /// Number of the output.
        vout: u32,
        /// Satoshi paid.
        amount: Amount,
        /// Height of the block; absent while unconfirmed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u32>,
    },
}

/// Answer of `withdrawalStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WithdrawalStatus {
    /// Running number among all withdrawals.
    pub index: u64,
    /// The transfer that ordered it.
    #[serde(with = "codec::txid")]
    pub txid: TransferId,
    /// The batch of that transfer.
    pub batch: u32,
    /// Satoshi that left.
    pub amount: Amount,
    /// Where they go.
    pub script: ScriptBuf,
    /// The highest fee share in force: its owner's own, or what a raise made of it.
    pub max_l1_fee: Amount,
    /// The key that may raise it.
    pub key: XOnlyPublicKey,
    /// A raise on Bitcoin that is not in force yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raise: Option<PendingRaise>,
    /// How far it is.
    pub status: WithdrawalState,
}

/// A raise of a fee limit that waits until it is deep enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingRaise {
    /// The new limit.
    pub max_l1_fee: Amount,
    /// Height of the block that holds it.
    pub height: u32,
    /// Height of the chain from which on it is in force.
    pub counts_at: u32,
}

/// Answer of `supply`: what the rollup owes and what the vault holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Supply {
    /// The batch these figures are after.
    pub batch: u32,
    /// Shielded satoshi.
    pub supply: Amount,
    /// The vault's output.
    pub vault: OutPoint,
    /// What it holds.
    pub vault_amount: Amount,
    /// Swept and not yet credited.
    pub pending_deposits: Amount,
    /// How many deposits that is.
    pub pending_deposit_count: u64,
    /// Left the supply and not yet paid.
    pub pending_withdrawals: Amount,
    /// How many withdrawals that is.
    pub pending_withdrawal_count: u64,
    /// What the vault holds beyond all that: the genesis amount and top-ups.
    pub surplus: Amount,
    /// What is missing; zero in a sound chain.
    pub gap: Amount,
    /// The vault fault on record, if there is one: transaction and rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One entry of the answer of `reserves`: what the vault held and owed right after a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchReserves {
    /// The batch; 0 is genesis.
    pub batch: u32,
    /// Where it is anchored; absent for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchored: Option<Anchored>,
    /// Shielded satoshi.
    pub supply: Amount,
    /// The vault's output.
    pub vault: OutPoint,
    /// What it held.
    pub vault_amount: Amount,
    /// Swept and not yet credited.
    pub pending_deposits: Amount,
    /// How many deposits that was.
    pub pending_deposit_count: u64,
    /// Left the supply and not yet paid.
    pub pending_withdrawals: Amount,
    /// How many withdrawals that was.
    pub pending_withdrawal_count: u64,
    /// What the vault held beyond all that.
    pub surplus: Amount,
    /// What was missing; zero in a sound chain.
    pub gap: Amount,
}

/// Parameters of `findDeposits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindDeposits {
    /// Output scripts to look for.
    pub scripts: Vec<ScriptBuf>,
}

/// One entry of the answer of `findDeposits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundDeposit {
    /// The script that was asked for.
    pub script: ScriptBuf,
    /// The output.
    pub outpoint: OutPoint,
    /// What it holds.
    pub amount: Amount,
    /// Height of the block it is in.
    pub height: u32,
    /// The transaction that spent it, where the node saw that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_by: Option<Txid>,
}

/// Parameters of `broadcast`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Broadcast {
    /// The signed Bitcoin transaction's consensus bytes.
    #[serde(with = "codec::transaction")]
    pub transaction: Transaction,
}
