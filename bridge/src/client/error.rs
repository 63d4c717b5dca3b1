//! Why a Bitcoin node gave no answer: each message says the cause and what to do about it.

use std::path::PathBuf;

use bitcoin::{BlockHash, Txid};
use thiserror::Error;

/// Why a Bitcoin node gave no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ClientError {
    /// The address is not a URL.
    #[error("{url:?} is not the URL of a bitcoind ({detail}); write it as http://127.0.0.1:8332")]
    BadUrl {
        /// As configured.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Nothing answers, or not in time.
    #[error("cannot reach bitcoind at {url}: {detail}; start it with -server, or correct the URL")]
    Unreachable {
        /// As configured.
        url: String,
        /// From the operating system.
        detail: String,
    },
    /// The cookie file cannot be read.
    #[error(
        "cannot read the cookie file {}: {detail}; bitcoind writes it when it starts: check that \
         it runs, that this is its data directory, and that you may read it",
        path.display()
    )]
    Cookie {
        /// The file.
        path: PathBuf,
        /// From the operating system.
        detail: String,
    },
    /// Wrong user, password or cookie.
    #[error(
        "bitcoind at {url} refuses the credentials; check rpcuser and rpcpassword, or name the \
         cookie file of this very node"
    )]
    Unauthorised {
        /// As configured.
        url: String,
    },
    /// The node does not talk to this machine.
    #[error("bitcoind at {url} refuses connections from here; allow this machine by -rpcallowip")]
    Forbidden {
        /// As configured.
        url: String,
    },
    /// The node has too much to do, or answers something that is not JSON-RPC.
    #[error(
        "bitcoind at {url} answers HTTP status {status}: {body}; if it is busy, raise \
         -rpcworkqueue or ask less often"
    )]
    Http {
        /// As configured.
        url: String,
        /// The status.
        status: i32,
        /// The start of the body.
        body: String,
    },
    /// The node is starting.
    #[error("bitcoind is starting ({0}); wait until it is ready")]
    Starting(String),
    /// The node follows another chain.
    #[error(
        "bitcoind follows {found}, this configuration is for {expected}; correct the network or \
         point to another bitcoind"
    )]
    WrongNetwork {
        /// In the configuration.
        expected: String,
        /// The node's.
        found: String,
    },
    /// The node is too old.
    #[error("bitcoind has version {found}, Tacit needs {needed} or newer; upgrade Bitcoin Core")]
    TooOld {
        /// The node's.
        found: u32,
        /// The oldest that works.
        needed: u32,
    },
    /// The node deletes blocks, or has deleted one that is needed.
    #[error(
        "bitcoind prunes its blocks; Tacit reads every block since its genesis: run bitcoind with \
         -prune=0 and let it download them again"
    )]
    Pruned,
    /// The node is not up to date yet.
    #[error(
        "bitcoind is still downloading the chain ({height} of {headers} blocks); wait until it is \
         up to date"
    )]
    Syncing {
        /// Height of its best block.
        height: u32,
        /// Height of its best header.
        headers: u32,
    },
    /// The node has no such block.
    #[error("bitcoind does not have block {0}; it may follow another chain or still be syncing")]
    UnknownBlock(BlockHash),
    /// The mempool refuses a transaction.
    #[error("bitcoind refuses transaction {txid}: {reason} (code {code})")]
    Rejected {
        /// The transaction.
        txid: Txid,
        /// Bitcoin Core's error code.
        code: i32,
        /// Bitcoin Core's reason.
        reason: String,
    },
    /// Any other error that the node reports.
    #[error("bitcoind answers {method} with error {code}: {message}; its debug.log may say more")]
    Rpc {
        /// The call.
        method: String,
        /// Bitcoin Core's error code.
        code: i32,
        /// Bitcoin Core's message.
        message: String,
    },
    /// The answer is not what Bitcoin Core answers.
    #[error(
        "the answer to {method} is malformed: {detail}; check that the URL is that of a Bitcoin \
         Core node"
    )]
    Malformed {
        /// The call.
        method: String,
        /// What does not fit.
        detail: String,
    },
}

impl ClientError {
    /// Whether the same question may get an answer in a moment.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Starting(_) => true,
            Self::Http { status, .. } => *status >= 500,
            Self::Cookie { .. }
            | Self::BadUrl { .. }
            | Self::Unauthorised { .. }
            | Self::Forbidden { .. }
            | Self::WrongNetwork { .. }
            | Self::TooOld { .. }
            | Self::Pruned
            | Self::Syncing { .. }
            | Self::UnknownBlock(_)
            | Self::Rejected { .. }
            | Self::Rpc { .. }
            | Self::Malformed { .. } => false,
        }
    }

    /// Whether a transaction was refused because an output that it spends is gone or unknown.
    #[must_use]
    pub fn is_missing_inputs(&self) -> bool {
        matches!(self, Self::Rejected { reason, .. } if reason.contains("missingorspent"))
    }
}
