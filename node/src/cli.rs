//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::engine::BackendChoice;

/// Private Bitcoin payments: a zero-knowledge rollup whose data and money live on Bitcoin.
///
/// Try it first: `tacit demo` plays the whole story on a private regtest chain.
#[derive(Debug, Parser)]
#[command(name = "tacit", version, propagate_version = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Configuration file (TOML); `tacit config` prints one with every field
    #[arg(long, global = true, value_name = "FILE", env = "TACIT_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to log: error, warn, info, debug, trace, or a filter such as `tacit_bridge=debug`
    /// [default: info for nodes, warn for everything else]
    #[arg(long, global = true, value_name = "FILTER", env = "TACIT_LOG")]
    pub log: Option<String>,
    /// How to log, on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What makes proofs [default: `backend` of the configuration, else cpu]
    #[arg(long, global = true, value_enum, env = "TACIT_BACKEND")]
    pub backend: Option<BackendChoice>,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl Cli {
    /// The log filter: as asked for, else what suits the command.
    #[must_use]
    pub fn log_filter(&self) -> &str {
        let service = matches!(
            self.command,
            Command::Node(_) | Command::Sequencer(_) | Command::Signer(_)
        );
        self.global
            .log
            .as_deref()
            .unwrap_or(if service { "info" } else { "warn" })
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play the whole story on a private regtest chain: deposit, pay, withdraw, audit
    Demo(commands::demo::DemoArgs),
    /// Run a full node: follow Bitcoin, verify everything, serve wallets
    Node(commands::run::RunArgs),
    /// Run a sequencer: a full node that also batches, proves, anchors and pays
    Sequencer(commands::run::RunArgs),
    /// Run a signer: a full node that signs for the federation what it has verified itself
    Signer(commands::run::RunArgs),
    /// Found a federation, generate its key, look after its signers
    Federation(commands::federation::FederationArgs),
    /// Look at the bridge: what the vault does, who waits, how the signers are
    Bridge(commands::bridge::BridgeArgs),
    /// Move the vault when its federation cannot: by its backup or recovery leaf
    Vault(commands::vault::VaultArgs),
    /// Keep a wallet: addresses, deposits, private payments, withdrawals
    Wallet(commands::wallet::WalletArgs),
    /// Re-derive the whole state from Bitcoin alone and verify every proof and the reserves
    Audit(commands::audit::AuditArgs),
    /// Make, list or check the proving keys; export circuits, import keys of a ceremony
    Keys(commands::keys::KeysArgs),
    /// Show what this machine can prove with: instructions, graphics adapters
    Prover(commands::prover::ProverArgs),
    /// Create a new chain: broadcast the genesis outputs and write chain.json
    Genesis(commands::genesis::GenesisArgs),
    /// Print the effective configuration, every field explained
    Config,
}
