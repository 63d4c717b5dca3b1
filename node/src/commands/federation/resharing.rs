//! Checks the files of the next federation, and tells what its epoch is called and what comes next.
//!
//! Specification: `docs/spec/handover.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use tacit_federation::identity::IdentityKey;
use tacit_federation::share::GroupKey;
use tacit_protocol::peg::Epoch;
use tacit_protocol::peg::vault::VaultKeys;
use tacit_wallet::api::NodeApi;
use thiserror::Error;

use crate::config::{Config, FederationFiles};
use crate::federation::backup_voice::write_epoch;
use crate::federation::file::{Federation, FileError};
use crate::federation::secrets;
use crate::rpc::client::RpcClient;

/// Arguments of `tacit federation reshare`.
#[derive(Debug, Args)]
pub struct ReshareArgs {
    /// The next federation's file
    #[arg(value_name = "FEDERATION")]
    pub federation_file: PathBuf,
    /// The next federation's public key, as its members' `join` wrote it
    #[arg(value_name = "GROUP")]
    pub group_file: PathBuf,
    /// Write the next epoch to this file, for members whose federation lost its key: `tacit federation vouch`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Answer in JSON, for machines
    #[arg(long)]
    pub json: bool,
}

/// Why a federation cannot be the next one.
#[derive(Debug, Error)]
enum ReshareError {
    /// Key and file do not belong together.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its members would not answer this sequencer.
    #[error(
        "this sequencer's identity {0} is no coordinator of the next federation: add it to `coordinators` of its \
         file, and give all members the new file"
    )]
    Coordinator(IdentityKey),
    /// No announcement can hold such keys.
    #[error(
        "the recovery leaf of the next federation opens no later than its backup leaf; found it anew with a \
         longer `timelock` under `recovery`"
    )]
    Leaves,
    /// The vault would move to where it is or was.
    #[error(
        "{0} names a federation with the same key; the next one needs a key of its own: `tacit federation join`"
    )]
    SameKey(PathBuf),
}

/// The next epoch, and what to do for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    epoch: u32,
    hash: String,
    key: String,
    threshold: u16,
    members: u16,
    fingerprint: String,
    /// Whether the configuration names it already.
    configured: bool,
    /// What to add to the configuration.
    lines: String,
}

/// The keys of the next federation's vault. `others` are the federations that the vault belongs or belonged to.
fn check(
    next: &Federation,
    group: &GroupKey,
    own: &IdentityKey,
    others: &[(PathBuf, GroupKey)],
) -> Result<VaultKeys, ReshareError> {
    let keys = next.vault_keys(group)?;
    if !next.is_coordinator(own) {
        return Err(ReshareError::Coordinator(*own));
    }
    if !keys.leaves_in_order() {
        return Err(ReshareError::Leaves);
    }
    match others
        .iter()
        .find(|(_, other)| other.internal_key() == keys.federation)
    {
        Some((file, _)) => Err(ReshareError::SameKey(file.clone())),
        None => Ok(keys),
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))
}

/// The lines that name these files.
fn lines(files: &FederationFiles) -> anyhow::Result<String> {
    Ok(format!(
        "[[sequencer.more_federations]]\n{}",
        toml::to_string(files)?
    ))
}

/// Checks both files against the configuration of this sequencer, which runs.
pub(super) fn reshare(args: &ReshareArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let own = config.sequencer()?;
    let identity = own.identity_file.as_ref();
    let identity =
        identity.context("sequencer.identity_file is missing; one local key hands nothing over")?;
    let identity = secrets::load_identity(identity)?.public();
    let files = FederationFiles {
        federation_file: absolute(&args.federation_file)?,
        group_file: absolute(&args.group_file)?,
        backup_voices: Vec::new(),
    };
    let more = own.more_federations.iter();
    let mut configured = false;
    let mut others = Vec::new();
    for file in own.group_file.iter().chain(more.map(|more| &more.group_file)) {
        // It may have been added already; then the command tells the rest again.
        if absolute(file)? == files.group_file && Some(file) != own.group_file.as_ref() {
            configured = true;
        } else {
            others.push((file.clone(), secrets::load_group(file)?));
        }
    }
    let federation = Federation::load(&files.federation_file)?;
    let group = secrets::load_group(&files.group_file)?;
    let keys = check(&federation, &group, &identity, &others)?;
    let chain = config.chain_params()?.chain_id();
    let url = format!("http://{}", config.rpc.listen);
    let status = RpcClient::new(&url)?.bridge_status();
    let status =
        status.with_context(|| format!("the sequencer at {url} does not say which epoch is in office"))?;
    let number = status
        .epoch
        .number
        .checked_add(1)
        .context("there is no next epoch")?;
    let key = keys.federation.to_string();
    let epoch = Epoch { number, keys };
    if let Some(path) = &args.out {
        write_epoch(path, chain, &epoch)?;
    }
    let plan = Plan {
        epoch: number,
        hash: epoch.hash(chain).to_string(),
        key,
        threshold: federation.roster().threshold(),
        members: federation.roster().size(),
        fingerprint: federation.fingerprint(),
        configured,
        lines: lines(&files)?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&plan)?);
    } else {
        print(&plan);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(plan: &Plan) {
    println!(
        "next federation  {} of {}, key {}",
        plan.threshold, plan.members, plan.key
    );
    println!("fingerprint      {}", plan.fingerprint);
    println!("epoch            {}", plan.epoch);
    println!("hash             {}", plan.hash);
    println!();
    println!("1. Operators of the present signers compare the hash by telephone, and each of them runs");
    println!("       tacit federation consent epoch {}", plan.hash);
    println!("2. The signers of the next federation run: `tacit signer` with a data folder of their own.");
    if plan.configured {
        println!(
            "3. This configuration names the next federation already; the sequencer has to be started with it."
        );
    } else {
        println!("3. Add these lines to the end of this configuration, and start the sequencer again:");
        for line in plan.lines.lines() {
            println!("       {line}");
        }
    }
    println!("The rest goes by itself: `tacit bridge status` shows how far it is.");
}

#[cfg(test)]
mod tests;
