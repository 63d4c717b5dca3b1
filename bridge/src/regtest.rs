//! A private Bitcoin chain on this machine: the helper of the demo and of the tests.
//!
//! * [`Bitcoind`] runs Bitcoin Core in regtest mode and ends it when dropped.
//! * [`Faucet`] mines, keeps the rewards under its own key and pays from them; no wallet needed.
//! * [`Tally`] counts the money anew from whole blocks; [`SoakReport`] is what loops of faults report.
//!
//! Nothing here is for any other network. The program is the one that `BITCOIND_EXE` names.

mod bitcoind;
mod faucet;
mod soak;
mod tally;

use std::path::PathBuf;

use thiserror::Error;

use crate::client::ClientError;
use tacit_protocol::peg::coins::CoinError;

pub use bitcoind::{Bitcoind, BitcoindOptions};
pub use faucet::Faucet;
pub use soak::SoakReport;
pub use tally::{Moved, Tally, handover_of};

/// The environment variable that names the program.
pub const BITCOIND_EXE: &str = "BITCOIND_EXE";

/// Why the private chain does not work.
#[derive(Debug, Error)]
pub enum RegtestError {
    /// The variable is not set.
    #[error(
        "{BITCOIND_EXE} is not set; run `make setup` and then `. scripts/env.sh`, or set it to a \
         bitcoind 28 or newer"
    )]
    NoProgram,
    /// The program does not start.
    #[error(
        "{} does not start: {source}; set {BITCOIND_EXE} to a bitcoind 28 or newer, or run \
         `make setup`",
        program.display()
    )]
    Spawn {
        /// The program.
        program: PathBuf,
        /// From the operating system.
        source: std::io::Error,
    },
    /// The program ended by itself.
    #[error("bitcoind ended ({status}) in {}: {log}", datadir.display())]
    Ended {
        /// Its exit status.
        status: String,
        /// Its data directory.
        datadir: PathBuf,
        /// The end of what it said.
        log: String,
    },
    /// The program runs and does not answer.
    #[error("bitcoind does not get ready: {0}")]
    NotReady(ClientError),
    /// Files cannot be written or removed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// From the operating system.
        source: std::io::Error,
    },
    /// Two nodes do not agree in time.
    #[error("the two nodes do not come to the same tip; see the debug.log of both")]
    NoCommonTip,
    /// The node does not do what it is asked for.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The faucet has too little.
    #[error("the faucet: {0}; mine more blocks to it")]
    Coins(#[from] CoinError),
}
