//! The errors of the RPC: one number per rule, so that programs need not read prose.
//!
//! | code | name | data | meaning |
//! |---|---|---|---|
//! | -32600, -32601, -32602, -32700 | `InvalidRequest` | – | malformed JSON, unknown method or field |
//! | -32603 | `Internal` | – | the node is at fault; its log says more |
//! | -32001 | `NotSynced` | `{height, target}` | the node is behind Bitcoin |
//! | -32002 | `InvalidTransfer` | `{rule}` | the transfer breaks a rule whatever the state is |
//! | -32003 | `Spent` | `{nullifier}` | a nullifier is in a batch already |
//! | -32004 | `Conflict` | `{nullifier, txid}` | another transfer in the mempool spends the same note |
//! | -32005 | `Expired` | `{expiry, batch}` | the next batch is past the transfer's expiry |
//! | -32006 | `FeeTooLow` | `{minimum}` | the fee is below what the node accepts now |
//! | -32007 | `UnknownAnchor` | `{anchor}` | the anchor is no recorded state, or too old |
//! | -32008 | `MempoolFull` | `{batch}` | no room, whatever the fee; try again after this batch |
//! | -32009 | `WrongRole` | – | this node takes no transfers; ask a sequencer |
//! | -32010 | `NotFound` | `{what}` | no such batch, transfer or withdrawal |
//! | -32011 | `InvalidDeposit` | `{reason}` | the output does not pay to the terms, or is unconfirmed |
//! | -32012 | `BitcoinRejected` | `{reason}` | bitcoind refused the transaction |
//! | -32013 | `BitcoinUnavailable` | `{reason}` | the node cannot reach its bitcoind |
//! | -32014 | `TooLarge` | `{limit}` | the request asks for or carries too much |
//! | -32015 | `Halted` | `{reason}` | the node acts no more until an operator agrees |
//! | -32016 | `Busy` | – | another scan of this kind is running; try again |
//! | -32017 | `SequencerUnavailable` | `{reason}` | the node cannot reach the sequencer it passes calls on to |
//! | -32018 | `DiskFull` | – | the node writes nothing more until there is room and it is started again |

use serde_json::{Value, json};
use tacit_protocol::Amount;
use tacit_protocol::note::Nullifier;
use tacit_protocol::transfer::TransferId;
use thiserror::Error;

/// Why a call failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ApiError {
    /// The request is not one the node knows.
    #[error("the node does not understand the request: {message}")]
    InvalidRequest {
        /// One of JSON-RPC's own codes.
        code: i32,
        /// The node's words.
        message: String,
    },
    /// The node is at fault.
    #[error("the node failed: {0}; its log says more")]
    Internal(String),
    /// The node is behind Bitcoin.
    #[error("the node is still syncing (block {height} of {target}); try again when it is done")]
    NotSynced {
        /// Last block applied.
        height: u32,
        /// Last block known.
        target: u32,
    },
    /// A rule that holds whatever the state is.
    #[error("the transfer is invalid: {rule}")]
    InvalidTransfer {
        /// The rule.
        rule: String,
    },
    /// A note is spent already.
    #[error("nullifier {nullifier} is spent already; sync the wallet and try again")]
    Spent {
        /// Its nullifier.
        nullifier: Nullifier,
    },
    /// A note is being spent already.
    #[error("nullifier {nullifier} is being spent by transfer {txid}; wait for its batch")]
    Conflict {
        /// Its nullifier.
        nullifier: Nullifier,
        /// The transfer in the mempool.
        txid: TransferId,
    },
    /// Too late.
    #[error("the transfer expired with batch {expiry}, the next batch is {batch}; build it again")]
    Expired {
        /// Last batch that could include it.
        expiry: u32,
        /// The next batch.
        batch: u32,
    },
    /// Too cheap.
    #[error("the fee is too low, the node takes {minimum} or more now")]
    FeeTooLow {
        /// The lowest fee accepted.
        minimum: Amount,
    },
    /// The anchor is no recorded state, or too old.
    #[error("anchor {anchor} is unknown or too old; prove again on a recent one")]
    UnknownAnchor {
        /// Batch number of the anchor.
        anchor: u32,
    },
    /// No room: what waits was promised, so a higher fee does not make any.
    #[error(
        "the sequencer's mempool is full and a higher fee makes no room; try again once batch {batch} is there"
    )]
    MempoolFull {
        /// The next batch, which makes room.
        batch: u32,
    },
    /// Not a sequencer.
    #[error("this node takes no transfers; give the address of a sequencer")]
    WrongRole,
    /// Nothing there.
    #[error("the node has no {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The deposit cannot be registered.
    #[error("the deposit cannot be registered: {reason}")]
    InvalidDeposit {
        /// Why.
        reason: String,
    },
    /// Bitcoin's node refused.
    #[error("bitcoind refused the transaction: {reason}")]
    BitcoinRejected {
        /// Its words.
        reason: String,
    },
    /// Bitcoin's node is away.
    #[error("the node cannot reach its bitcoind: {reason}")]
    BitcoinUnavailable {
        /// Why.
        reason: String,
    },
    /// Too much at once.
    #[error("the request is too large, the limit is {limit}")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The node stopped acting.
    #[error("the node has stopped acting: {reason}; its operator has to agree before it goes on")]
    Halted {
        /// Why.
        reason: String,
    },
    /// The same kind of work is under way.
    #[error("the node is busy with another request of this kind; try again in a minute")]
    Busy,
    /// The sequencer behind the node is away.
    #[error(
        "the node follows Bitcoin but cannot reach its sequencer: {reason}; \
         try again later, or ask another node"
    )]
    SequencerUnavailable {
        /// Why.
        reason: String,
    },
    /// The node's disk is full.
    #[error(
        "the node's disk is full: its operator has to make room and start it again; \
         what it acknowledged is not lost"
    )]
    DiskFull,
    /// The node could not be reached; only clients make this.
    #[error("cannot reach the node: {0}; check its address and that it is running")]
    Transport(String),
    /// The answer is not one this software knows; only clients make this.
    #[error("the node's answer makes no sense: {0}; check that both sides have the same version")]
    BadAnswer(String),
}

impl ApiError {
    /// The error's number on the wire; `None` for errors that only clients make.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        Some(match self {
            Self::InvalidRequest { code, .. } => *code,
            Self::Internal(_) => -32603,
            Self::NotSynced { .. } => -32001,
            Self::InvalidTransfer { .. } => -32002,
            Self::Spent { .. } => -32003,
            Self::Conflict { .. } => -32004,
            Self::Expired { .. } => -32005,
            Self::FeeTooLow { .. } => -32006,
            Self::UnknownAnchor { .. } => -32007,
            Self::MempoolFull { .. } => -32008,
            Self::WrongRole => -32009,
            Self::NotFound { .. } => -32010,
            Self::InvalidDeposit { .. } => -32011,
            Self::BitcoinRejected { .. } => -32012,
            Self::BitcoinUnavailable { .. } => -32013,
            Self::TooLarge { .. } => -32014,
            Self::Halted { .. } => -32015,
            Self::Busy => -32016,
            Self::SequencerUnavailable { .. } => -32017,
            Self::DiskFull => -32018,
            Self::Transport(_) | Self::BadAnswer(_) => return None,
        })
    }

    /// The error's data on the wire.
    #[must_use]
    pub fn data(&self) -> Option<Value> {
        Some(match self {
            Self::NotSynced { height, target } => json!({"height": height, "target": target}),
            Self::InvalidTransfer { rule } => json!({"rule": rule}),
            Self::Spent { nullifier } => json!({"nullifier": nullifier.to_string()}),
            Self::Conflict { nullifier, txid } => {
                json!({"nullifier": nullifier.to_string(), "txid": txid.to_string()})
            }
            Self::Expired { expiry, batch } => json!({"expiry": expiry, "batch": batch}),
            Self::FeeTooLow { minimum } => json!({"minimum": minimum.to_sat()}),
            Self::MempoolFull { batch } => json!({"batch": batch}),
            Self::UnknownAnchor { anchor } => json!({"anchor": anchor}),
            Self::NotFound { what } => json!({"what": what}),
            Self::InvalidDeposit { reason }
            | Self::BitcoinRejected { reason }
            | Self::BitcoinUnavailable { reason }
            | Self::Halted { reason }
            | Self::SequencerUnavailable { reason } => json!({"reason": reason}),
            Self::TooLarge { limit } => json!({"limit": limit}),
            Self::InvalidRequest { .. }
            | Self::Internal(_)
            | Self::WrongRole
            | Self::Busy
            | Self::DiskFull
            | Self::Transport(_)
            | Self::BadAnswer(_) => return None,
        })
    }

    /// The error behind a number, a message and data from the wire.
    #[must_use]
    pub fn from_wire(code: i32, message: &str, data: Option<&Value>) -> Self {
        Self::parse(code, message, data.unwrap_or(&Value::Null))
            .unwrap_or_else(|| Self::BadAnswer(format!("error {code} ({message}) without the data it needs")))
    }

    fn parse(code: i32, message: &str, data: &Value) -> Option<Self> {
        let text = |key: &str| Some(data.get(key)?.as_str()?.to_owned());
        let number = |key: &str| data.get(key)?.as_u64();
        let short = |key: &str| u32::try_from(number(key)?).ok();
        let nullifier = || {
            let mut bytes = [0; 20];
            hex::decode_to_slice(text("nullifier")?, &mut bytes).ok()?;
            Some(Nullifier::new(bytes))
        };
        Some(match code {
            -32700 | -32602..=-32600 => Self::InvalidRequest {
                code,
                message: message.to_owned(),
            },
            -32603 => Self::Internal(message.to_owned()),
            -32001 => Self::NotSynced {
                height: short("height")?,
                target: short("target")?,
            },
            -32002 => Self::InvalidTransfer { rule: text("rule")? },
            -32003 => Self::Spent {
                nullifier: nullifier()?,
            },
            -32004 => Self::Conflict {
                nullifier: nullifier()?,
                txid: text("txid")?.parse().ok()?,
            },
            -32005 => Self::Expired {
                expiry: short("expiry")?,
                batch: short("batch")?,
            },
            -32006 => Self::FeeTooLow {
                minimum: Amount::from_sat(number("minimum")?).ok()?,
            },
            -32007 => Self::UnknownAnchor {
                anchor: short("anchor")?,
            },
            -32008 => Self::MempoolFull {
                batch: short("batch")?,
            },
            -32009 => Self::WrongRole,
            -32010 => Self::NotFound { what: text("what")? },
            -32011 => Self::InvalidDeposit {
                reason: text("reason")?,
            },
            -32012 => Self::BitcoinRejected {
                reason: text("reason")?,
            },
            -32013 => Self::BitcoinUnavailable {
                reason: text("reason")?,
            },
            -32014 => Self::TooLarge {
                limit: number("limit")?,
            },
            -32015 => Self::Halted {
                reason: text("reason")?,
            },
            -32016 => Self::Busy,
            -32017 => Self::SequencerUnavailable {
                reason: text("reason")?,
            },
            -32018 => Self::DiskFull,
            _ => Self::BadAnswer(format!("error {code}: {message}")),
        })
    }
}

#[cfg(test)]
mod tests;
