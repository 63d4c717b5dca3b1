//! A member's backup key speaks for a federation that lost its distributed key.
//!
//! Specification: `docs/spec/handover.md`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::peg::Epoch;
use tacit_protocol::peg::vault::{Quorum, VaultKeys};

use crate::commands::wallet::secrets;
use crate::config::Config;
use crate::federation::backup_voice::{BackupVoice, read_epoch};

/// Arguments of `tacit federation vouch`.
#[derive(Debug, Args)]
pub struct VouchArgs {
    /// The next epoch, as `tacit federation reshare --out` wrote it
    #[arg(value_name = "EPOCH")]
    pub epoch: PathBuf,
    /// This member's backup key, encrypted
    #[arg(long, value_name = "FILE")]
    pub backup_key_file: PathBuf,
    /// A file with the passphrase of the backup key, mode 0600; else TACIT_PASSPHRASE, else it is asked for
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Where to write what is signed, for the sequencer's operator; an existing file is not replaced
    #[arg(long, value_name = "FILE", default_value = "voice.json")]
    pub out: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Answer in JSON, for machines
    #[arg(long)]
    pub json: bool,
}

/// Shows the epoch, asks, signs.
pub(super) fn vouch(args: &VouchArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let chain = config.chain_params()?.chain_id();
    let epoch = read_epoch(&args.epoch, chain)?;
    let hash = epoch.hash(chain);
    if !args.json || !args.yes {
        eprint!("{}", describe(&epoch, &hash.to_string()));
    }
    if !args.yes && !secrets::confirm("Let it have the vault? Type yes:")? {
        bail!("nothing was signed");
    }
    let passphrase = secrets::passphrase(args.passphrase_file.as_deref())?;
    let key = SigningKey::unseal(&args.backup_key_file, &passphrase)?;
    let voice = BackupVoice::speak(&key, chain, &epoch);
    voice.write(&args.out)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&voice)?);
    } else {
        println!(
            "{} has the voice of {}; send it to the sequencer's operator, who lists it under `backup_voices`",
            args.out.display(),
            voice.key
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What people should look at before they let the vault go.
fn describe(epoch: &Epoch, hash: &str) -> String {
    let VaultKeys {
        federation,
        backup,
        recovery,
    } = &epoch.keys;
    let leaf = |name: &str, quorum: Option<&Quorum>| match quorum {
        None => format!("{name:<9} none\n"),
        Some(quorum) => {
            let keys: Vec<String> = quorum
                .keys()
                .iter()
                .map(|key| format!("          {key}\n"))
                .collect();
            let (threshold, timelock) = (quorum.threshold(), quorum.timelock());
            format!(
                "{name:<9} {threshold} of {}, after {timelock} blocks\n{}",
                keys.len(),
                keys.concat()
            )
        }
    };
    format!(
        "epoch     {}\nhash      {hash}: compare it by telephone\nkey       {federation}\n{}{}",
        epoch.number,
        leaf("backup", backup.as_ref()),
        leaf("recovery", recovery.as_ref())
    )
}

#[cfg(test)]
mod tests;
