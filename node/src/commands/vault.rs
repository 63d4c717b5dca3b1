//! `tacit vault`: move the vault when its federation cannot.
//!
//! ```text
//!   one machine with bitcoind     rescue prepare ──▶ PSBT, unsigned
//!   each of t members, offline    rescue sign    ──▶ the same, with a signature
//!   anywhere                      rescue combine ──▶ the same, with all of them
//!   one machine with bitcoind     rescue finish  ──▶ Bitcoin
//! ```
//! `rescue` has the steps, `showing` what people are told. What is checked is in `tacit_bridge::rescue`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use tacit_protocol::peg::EpochHash;
use tacit_protocol::peg::vault::VaultLeaf;

use crate::cli::Global;
use crate::config::Config;

mod rescue;
mod showing;

/// Arguments of `tacit vault`.
#[derive(Debug, Args)]
pub struct VaultArgs {
    /// What to do
    #[command(subcommand)]
    pub action: VaultAction,
}

/// What to do about the vault.
#[derive(Debug, Subcommand)]
pub enum VaultAction {
    /// Move the vault by its backup or recovery leaf, when the federation's key cannot
    ///
    /// The vault is moved to itself, past every check of a signer, which starts its timelocks anew; or, with --to, to
    /// a federation that was announced, which is the way out when the present one's key is lost. A fee
    /// coin pays the miners. The steps pass a PSBT on (BIP 174, in binary), so other tools and hardware wallets
    /// can sign too. Every step checks all of it again, and shows what it does.
    ///
    /// After handovers the vault is another federation's than that of chain.json. The PSBT then has their
    /// announcements: every step checks the signatures from the first federation to the one whose vault it is,
    /// and says its epoch. Nobody needs a file besides.
    Rescue(RescueArgs),
}

/// Arguments of `tacit vault rescue`.
#[derive(Debug, Args)]
pub struct RescueArgs {
    /// The step
    #[command(subcommand)]
    pub step: RescueStep,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
}

/// The steps, in their order.
#[derive(Debug, Subcommand)]
pub enum RescueStep {
    /// Build the unsigned transaction; needs bitcoind, and a node or its database
    Prepare(PrepareArgs),
    /// Show what a PSBT does, who has signed and who has not; needs chain.json only
    Show(ShowArgs),
    /// Sign with a backup or recovery key; needs chain.json only, no network
    Sign(SignArgs),
    /// Put copies together that different people signed; needs chain.json only
    ///
    /// If a tool dropped the announcements from a copy, name the PSBT that `prepare` wrote first.
    Combine(CombineArgs),
    /// Check that all is there and send it; needs bitcoind
    Finish(FinishArgs),
}

/// A leaf of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Leaf {
    /// A threshold of the members' backup keys, after the short timelock.
    Backup,
    /// A threshold of the recovery keys, after the long one.
    Recovery,
}

impl From<Leaf> for VaultLeaf {
    fn from(leaf: Leaf) -> Self {
        match leaf {
            Leaf::Backup => Self::Backup,
            Leaf::Recovery => Self::Recovery,
        }
    }
}

/// Arguments of `tacit vault rescue prepare`.
#[derive(Debug, Args)]
pub struct PrepareArgs {
    /// By which leaf
    #[arg(long, value_enum, default_value_t = Leaf::Backup)]
    pub leaf: Leaf,
    /// Hand the vault over to the epoch with this hash, which was announced, instead of moving it to itself: 64
    /// hexadecimal digits
    #[arg(long, value_name = "HASH")]
    pub to: Option<EpochHash>,
    /// A node of this chain that says where the vault is, as http://host:port [default: the database in
    /// `data_dir` of the configuration, whose process must not run]
    #[arg(long, value_name = "URL")]
    pub node: Option<String>,
    /// Taproot address whose confirmed coins pay the miners and take the change [default: that of
    /// `operator_key_file` in the configuration]
    #[arg(long, value_name = "ADDRESS")]
    pub fee_from: Option<String>,
    /// Satoshi per virtual byte [default: what bitcoind expects to confirm within six blocks]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<u32>,
    /// Where to write the PSBT; an existing file is not replaced
    #[arg(long, value_name = "FILE", default_value = "rescue.psbt")]
    pub out: PathBuf,
}

/// Arguments of `tacit vault rescue show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A node of your own, as http://host:port, that says whether the epoch which the vault is handed over to stands on
    /// Bitcoin, and deep enough; needs bitcoind too
    #[arg(long, value_name = "URL")]
    pub node: Option<String>,
    /// The PSBT
    pub psbt: PathBuf,
}

/// Arguments of `tacit vault rescue sign`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("keys").required(true).multiple(true)
    .args(["backup_key_file", "key_file", "fee_key_file"]))]
pub struct SignArgs {
    /// A backup key, encrypted, as `tacit federation identity --backup-key-file` made it
    #[arg(long, value_name = "FILE", conflicts_with = "key_file")]
    pub backup_key_file: Option<PathBuf>,
    /// A backup or recovery key, not encrypted: 64 hexadecimal digits, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The key of the fee coins, if they are to be signed for here: 64 hexadecimal digits, mode 0600
    #[arg(long, value_name = "FILE")]
    pub fee_key_file: Option<PathBuf>,
    /// A file with the passphrase of the backup key, mode 0600; else TACIT_PASSPHRASE, else it is asked for
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Where to write the signed PSBT; an existing file is not replaced
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The PSBT
    pub psbt: PathBuf,
}

/// Arguments of `tacit vault rescue combine`.
#[derive(Debug, Args)]
pub struct CombineArgs {
    /// Where to write the PSBT; an existing file is not replaced
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Copies of one PSBT; where a tool dropped something from some, the one that `prepare` wrote first
    #[arg(required = true, value_name = "PSBT")]
    pub psbts: Vec<PathBuf>,
}

/// Arguments of `tacit vault rescue finish`.
#[derive(Debug, Args)]
pub struct FinishArgs {
    /// For a handover: a node of your own, as http://host:port, that says whether the epoch it goes to stands on
    /// Bitcoin [default: the database in `data_dir` of the configuration, whose process must not run]
    #[arg(long, value_name = "URL")]
    pub node: Option<String>,
    /// Check everything, print the transaction in hexadecimal digits, and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The PSBT
    pub psbt: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// Whatever ends it, with cause and remedy.
pub fn run(args: &VaultArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let VaultAction::Rescue(RescueArgs { step, json }) = &args.action;
    let config = Config::load(global.config.as_deref())?;
    let desk = rescue::Desk::new(&config, *json)?;
    match step {
        RescueStep::Prepare(args) => desk.prepare(args)?,
        RescueStep::Show(args) => desk.show(args)?,
        RescueStep::Sign(args) => desk.sign(args)?,
        RescueStep::Combine(args) => desk.combine(args)?,
        RescueStep::Finish(args) => desk.finish(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
