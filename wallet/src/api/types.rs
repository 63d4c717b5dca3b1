//! Answers and requests about the rollup: status, transfers, batches, fees.
//!
//! Requests refuse unknown fields, so that a misspelt option is an error and not a silence; answers
//! may grow fields. All names are camelCase, amounts are satoshi, field elements and other protocol
//! values are hexadecimal strings of their canonical bytes.

use bitcoin::{BlockHash, ScriptBuf, Txid, XOnlyPublicKey};
use serde::{Deserialize, Serialize};
use tacit_protocol::batch::BatchShape;
use tacit_protocol::note::{Commitment, Nullifier};
use tacit_protocol::params::ChainId;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_protocol::{Amount, F, Network};

use super::codec;
use super::compact::Anchored;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Follows Bitcoin and verifies; forwards nothing.
    FullNode,
    /// Also takes transfers, makes batches and anchors them.
    Sequencer,
}

/// How far a node has followed Bitcoin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SyncState {
    /// Behind: `height` of `target` blocks are applied.
    Syncing {
        /// Last block applied.
        height: u32,
        /// Last block known.
        target: u32,
    },
    /// At the tip.
    Synced,
    /// Waits for its bitcoind, which is behind it.
    Paused {
        /// Why.
        reason: String,
    },
    /// Follows, but acts no more until an operator agrees.
    Halted {
        /// Why.
        reason: String,
    },
}

/// Answer of `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Version of the software.
    pub version: String,
    /// What the node does.
    pub role: Role,
    /// The Bitcoin network.
    pub network: Network,
    /// The chain.
    pub chain_id: ChainId,
    /// Height of the last Bitcoin block applied.
    pub bitcoin_height: u32,
    /// Hash of that block.
    pub bitcoin_hash: BlockHash,
    /// The anchor key of the sequencer in office, under which receipts are promises.
    pub sequencer: XOnlyPublicKey,
    /// The latest batch this node serves, pending ones included.
    pub batch: u32,
    /// Commitment to the state after it.
    #[serde(with = "codec::field")]
    pub state: F,
    /// The latest batch anchored on Bitcoin.
    pub anchored_batch: u32,
    /// Batches sealed and not yet anchored.
    pub pending_batches: u32,
    /// Transfers waiting for a batch.
    pub mempool: u32,
    /// How far the node has followed Bitcoin.
    pub sync: SyncState,
}

/// Parameters of `submitTransfer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitTransfer {
    /// The transfer's canonical bytes.
    #[serde(with = "codec")]
    pub transfer: Transfer,
}

/// Parameters of `transferStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferQuery {
    /// The transfer.
    #[serde(with = "codec::txid")]
    pub txid: TransferId,
}

/// Answer of `transferStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum TransferStatus {
    /// Never seen, or forgotten.
    Unknown,
    /// In the mempool.
    Pending,
    /// In a batch.
    Batched {
        /// The batch.
        batch: u32,
        /// The slot in it.
        slot: u32,
        /// Where the batch is anchored; absent while it is pending.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anchored: Option<Anchored>,
        /// Bitcoin blocks on top of the anchor's block; zero while pending.
        depth: u32,
    },
    /// Dropped from the mempool.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// Parameters of `batches`, `compact` and `noteSubtreeRoots`: `limit` consecutive batches from `from`.
/// A node may answer fewer, down to one, if there are any; an empty answer means there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Range {
    /// The first batch.
    pub from: u32,
    /// How many at most.
    pub limit: u32,
}

/// Parameters of `batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchQuery {
    /// Number of the batch.
    pub number: u32,
}

/// One line about a batch, answer of `batches`. Number 0 is the genesis state, which has one too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchSummary {
    /// Number of the batch.
    pub number: u32,
    /// Code of the circuit's shape; absent for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<u8>,
    /// Transfers in it.
    pub transfers: u32,
    /// Deposits in it.
    pub deposits: u32,
    /// Commitment to the state after it.
    #[serde(with = "codec::field")]
    pub state: F,
    /// Shielded satoshi after it.
    pub supply: Amount,
    /// Where it is anchored; absent while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchored: Option<Anchored>,
    /// The Bitcoin transaction whose input carries it; absent while it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reveal: Option<Txid>,
}

/// The public data of a transfer in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferDetails {
    /// Identifier.
    #[serde(with = "codec::txid")]
    pub txid: TransferId,
    /// Nullifiers.
    #[serde(with = "codec::pair")]
    pub nf: [Nullifier; 2],
    /// Commitments.
    #[serde(with = "codec::pair")]
    pub cm: [Commitment; 2],
    /// The batch whose notes root it was proven in.
    pub anchor: u32,
    /// Fee.
    pub fee: Amount,
    /// The last batch that could include it.
    pub expiry: u32,
    /// Money that leaves to Bitcoin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitDetails>,
}

/// The public data of an exit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitDetails {
    /// Running number among all withdrawals.
    pub index: u64,
    /// Amount that left.
    pub amount: Amount,
    /// Where it goes.
    pub script: ScriptBuf,
    /// The highest fee share its owner accepts.
    pub max_l1_fee: Amount,
}

/// The public data of a deposit in a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DepositDetails {
    /// Running number among all swept deposits.
    pub sweep: u32,
    /// The output that was swept.
    pub outpoint: bitcoin::OutPoint,
    /// Satoshi credited.
    pub amount: Amount,
    /// The note's inner commitment.
    #[serde(with = "codec::field")]
    pub inner: F,
}

/// Answer of `batch`: all public data of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchDetails {
    /// The line of `batches`.
    pub summary: BatchSummary,
    /// Shape of its circuit.
    #[serde(with = "codec::shape")]
    pub shape: BatchShape,
    /// The operator's `pk_d`.
    #[serde(with = "codec::field")]
    pub operator: F,
    /// The anchors it opens.
    pub anchors: Vec<u32>,
    /// Its transfers.
    pub transfers: Vec<TransferDetails>,
    /// Its deposits.
    pub deposits: Vec<DepositDetails>,
}

/// Answer of `feeEstimate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeeEstimate {
    /// Byte that names the fee in the chain's table; the lowest that is accepted now.
    pub fee_code: u8,
    /// That fee in satoshi.
    pub fee: Amount,
    /// Bitcoin's fee rate for vault transactions, in satoshi per 1,000 weight units.
    pub bitcoin_rate: FeeRate,
}

/// Answer of `noteSubtreeRoots`: roots of the notes subtrees of consecutive batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubtreeRoots {
    /// The first batch.
    pub from: u32,
    /// One root per batch.
    #[serde(with = "codec::fields")]
    pub roots: Vec<F>,
}
