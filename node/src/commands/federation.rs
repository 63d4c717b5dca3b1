//! `tacit federation`: found a federation, generate its key, look after its signers.
//!
//! ```text
//!   every member      identity ──▶ card ──┐
//!   one of them                init ◀─────┘──▶ federation.toml, the same for everybody
//!   every member      join (all at the same time) ──▶ share (secret), group key (public)
//!   the sequencer     genesis with group key and federation file
//! ```
//! `founding` has identities and the file, `joining` the key generation, `consenting` what a signer's operator
//! allows in advance, `resharing` checks who comes next, `vouching` speaks for a federation that lost its key,
//! `tending` the rest.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::config::Config;

pub use consenting::ConsentArgs;
pub use resharing::ReshareArgs;
pub use vouching::VouchArgs;

mod consenting;
mod founding;
mod joining;
mod resharing;
mod tending;
mod vouching;

/// Arguments of `tacit federation`.
#[derive(Debug, Args)]
pub struct FederationArgs {
    /// What to do
    #[command(subcommand)]
    pub action: FederationAction,
}

/// What to do about a federation.
#[derive(Debug, Subcommand)]
pub enum FederationAction {
    /// Make this member's identity and backup key, and print its card for the federation file
    Identity(IdentityArgs),
    /// Make a backup key, on a machine of its own, and print its public part for the member's card
    BackupKey(BackupKeyArgs),
    /// Write the federation file from the members' cards
    Init(InitArgs),
    /// Take part in the key generation; all members do this at the same time
    Join(JoinArgs),
    /// Ask every signer how it is
    Status(StatusArgs),
    /// Let this signer sign nothing until `resume`
    Pause(PauseArgs),
    /// Let this signer sign again
    Resume,
    /// Allow this signer in advance what no rule decides: a new federation, a new sequencer
    ///
    /// By default it allows neither. A consent is a file in the signer's data folder and counts from the next
    /// request on, whether the signer runs or not; the signer still checks all the rest.
    Consent(ConsentArgs),
    /// Check the next federation's files, and tell the hash to consent to and what comes next
    ///
    /// It is for the operator of the sequencer, which runs; nothing is changed.
    Reshare(ReshareArgs),
    /// Let the next federation follow by a backup key, where the present one lost its key
    ///
    /// It needs chain.json, the file that `reshare --out` wrote, and no network: do it where the backup key is. The
    /// sequencer posts the announcement once it has a threshold of these; then `tacit vault rescue prepare --to`
    /// moves the vault.
    Vouch(VouchArgs),
}

/// Arguments of `tacit federation identity`.
#[derive(Debug, Args)]
pub struct IdentityArgs {
    /// Where the identity is kept, secret; made if it is not there
    #[arg(long, value_name = "FILE")]
    pub identity_file: PathBuf,
    /// Name of the member; without it only the identity is printed, as a sequencer needs it
    #[arg(long, requires = "address")]
    pub name: Option<String>,
    /// Host and port at which the others reach this member
    #[arg(long, value_name = "HOST:PORT", requires = "name")]
    pub address: Option<String>,
    /// Public key for the vault's backup leaf, made on another machine: 64 hexadecimal digits
    #[arg(
        long,
        value_name = "KEY",
        requires = "name",
        conflicts_with = "backup_key_file"
    )]
    pub backup_key: Option<String>,
    /// Instead of --backup-key: where its secret is kept, encrypted under a passphrase; made if it is not
    /// there. Any threshold of these can take the vault after its timelock: move it off this machine
    #[arg(long, value_name = "FILE", requires = "name")]
    pub backup_key_file: Option<PathBuf>,
    /// A file with the passphrase of the backup key, mode 0600; else TACIT_PASSPHRASE, else it is asked for
    #[arg(long, value_name = "FILE", requires = "backup_key_file")]
    pub passphrase_file: Option<PathBuf>,
}

/// Arguments of `tacit federation backup-key`.
#[derive(Debug, Args)]
pub struct BackupKeyArgs {
    /// Where its secret is kept, encrypted under a passphrase; made if it is not there
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// A file with the passphrase, mode 0600; else TACIT_PASSPHRASE, else it is asked for
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// Arguments of `tacit federation init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Members that it takes to sign
    #[arg(long)]
    pub threshold: u16,
    /// Identity of a sequencer that may ask for signatures; may be repeated
    #[arg(long, value_name = "IDENTITY")]
    pub coordinator: Vec<String>,
    /// Blocks after which the members' backup keys may spend the vault
    #[arg(long, value_name = "BLOCKS", default_value_t = tacit_protocol::params::BACKUP_TIMELOCK)]
    pub backup_timelock: u16,
    /// Public key for the recovery leaf; may be repeated
    #[arg(long, value_name = "KEY", requires = "recovery_threshold")]
    pub recovery_key: Vec<String>,
    /// Recovery keys that it takes
    #[arg(long, requires = "recovery_key")]
    pub recovery_threshold: Option<u16>,
    /// Blocks without a vault transaction after which the recovery keys may spend the vault
    #[arg(long, value_name = "BLOCKS", default_value_t = 52_560)]
    pub recovery_timelock: u16,
    /// Where to write the file
    #[arg(long, value_name = "FILE", default_value = "federation.toml")]
    pub out: PathBuf,
    /// The members' cards, in the order of their numbers
    #[arg(required = true, value_name = "CARD")]
    pub cards: Vec<PathBuf>,
}

/// Arguments of `tacit federation join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Where to write the public key of the federation
    #[arg(long, value_name = "FILE", default_value = "group.key")]
    pub group_out: PathBuf,
    /// Minutes to wait for the other members
    #[arg(long, default_value_t = 60)]
    pub wait: u64,
    /// For a share that waits while the others have ended: the hash that all of them show
    #[arg(long, value_name = "HASH", conflicts_with = "anew")]
    pub agree: Option<String>,
    /// Put a share that waits aside and begin again; only if no member has ended
    #[arg(long)]
    pub anew: bool,
}

/// Arguments of `tacit federation status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Answer in JSON, for machines
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `tacit federation pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// Why; the other operators see it
    #[arg(long, default_value = "paused by its operator")]
    pub reason: String,
}

/// Runs the command.
///
/// # Errors
/// Whatever ends it, with cause and remedy.
pub fn run(args: &FederationArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let config = || Config::load(global.config.as_deref());
    match &args.action {
        FederationAction::Identity(args) => founding::identity(args),
        FederationAction::BackupKey(args) => founding::backup_key(args),
        FederationAction::Init(args) => founding::init(args),
        FederationAction::Join(args) => joining::join(args, config()?.signer()?),
        FederationAction::Status(args) => tending::status(args, &config()?),
        FederationAction::Pause(args) => tending::pause(args, &config()?),
        FederationAction::Resume => tending::resume(&config()?),
        FederationAction::Consent(args) => consenting::consent(args, &config()?),
        FederationAction::Reshare(args) => resharing::reshare(args, &config()?),
        FederationAction::Vouch(args) => vouching::vouch(args, &config()?),
    }
}
