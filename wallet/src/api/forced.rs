//! Answers about forced requests: where they stand in their queue, when they are due, what became of them.

use bitcoin::{OutPoint, Txid};
use serde::{Deserialize, Serialize};
use tacit_protocol::transfer::TransferId;

use super::codec;

/// Which of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ForcedQueue {
    /// Forced transfers.
    Transfers,
    /// Forced claims of deposits.
    Deposits,
}

/// Where on Bitcoin a request was posted; requests are honoured in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForcedPlace {
    /// Height of the block.
    pub height: u32,
    /// Index of the transaction in the block.
    pub transaction: u32,
    /// Index of the input.
    pub input: u32,
}

/// Parameters of `forcedRequests`: the requests of a queue that wait, behind `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForcedRange {
    /// The queue.
    pub queue: ForcedQueue,
    /// The last one that is known already; from the first one on without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ForcedPlace>,
    /// How many at most.
    pub limit: u32,
}

/// Parameters of `forcedStatus`: `{"txid": …}` or `{"outpoint": …}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ForcedQuery {
    /// Requests for this transfer.
    Txid(#[serde(with = "codec::txid")] TransferId),
    /// Claims of this deposit.
    Outpoint(OutPoint),
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ForcedSubject {
    /// That this transfer is included.
    Txid(#[serde(with = "codec::txid")] TransferId),
    /// That this deposit is credited.
    Outpoint(OutPoint),
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ForcedState {
    /// It stands in its queue.
    Waiting {
        /// How many stand before it.
        before: u64,
        /// Whether the next anchor on Bitcoin has to deal with it, as far as its batches have room.
        due: bool,
    },
    /// A batch honoured it.
    Honoured {
        /// The batch.
        batch: u32,
    },
    /// A batch dropped it for good.
    Dropped {
        /// The batch.
        batch: u32,
        /// Why.
        reason: String,
    },
}

/// A request that entered its queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForcedRequestStatus {
    /// Where it was posted.
    pub place: ForcedPlace,
    /// The transaction that posted it.
    pub posted_by: Txid,
    /// What it asks for.
    pub subject: ForcedSubject,
    /// It is due for every anchor whose predecessor stands in a block of this height or above.
    pub due_height: u32,
    /// How far it is.
    pub status: ForcedState,
}

/// Answer of `forcedRequests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForcedPage {
    /// Height of the block that holds the last anchor.
    pub anchor_height: u32,
    /// How many requests wait in this queue.
    pub waiting: u64,
    /// Some of them, in order.
    pub requests: Vec<ForcedRequestStatus>,
}
