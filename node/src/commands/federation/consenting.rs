//! What this member's operator allows in advance: a new federation, a new sequencer.

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use bitcoin::XOnlyPublicKey;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::config::Config;
use crate::federation::consent::{Consent, Consents};
use crate::federation::file::Federation;

/// Arguments of `tacit federation consent`.
#[derive(Debug, Args)]
pub struct ConsentArgs {
    /// What to do
    #[command(subcommand)]
    pub action: ConsentAction,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do about consents.
#[derive(Debug, Subcommand)]
pub enum ConsentAction {
    /// Allow this signer to hand the vault over to another federation
    Epoch(EpochArgs),
    /// Allow this signer to put another sequencer in the place of the present one
    Sequencer(SequencerArgs),
    /// Show what this signer allows; fails if a file is damaged or of another federation
    List,
    /// Do not allow it any more
    Withdraw(WithdrawArgs),
}

/// Arguments of `tacit federation consent epoch`.
#[derive(Debug, Args)]
pub struct EpochArgs {
    /// Hash of the new epoch, 64 hexadecimal digits; compare it by telephone with the other operators
    #[arg(value_name = "HASH", value_parser = epoch)]
    pub epoch: Consent,
}

/// Arguments of `tacit federation consent sequencer`.
#[derive(Debug, Args)]
pub struct SequencerArgs {
    /// Anchor key of the new sequencer, 64 hexadecimal digits; compare it by telephone with its operator
    #[arg(value_name = "KEY", value_parser = sequencer)]
    pub sequencer: Consent,
}

/// Arguments of `tacit federation consent withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// What was allowed
    #[command(subcommand)]
    pub what: Withdrawn,
}

/// A consent to take back.
#[derive(Debug, Subcommand)]
pub enum Withdrawn {
    /// The consent to a new federation
    Epoch(EpochArgs),
    /// The consent to a new sequencer
    Sequencer(SequencerArgs),
}

fn epoch(text: &str) -> anyhow::Result<Consent> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash)
        .map(|()| Consent::Epoch(hash))
        .map_err(|_| anyhow!("no hash of an epoch: give 64 hexadecimal digits"))
}

fn sequencer(text: &str) -> anyhow::Result<Consent> {
    text.parse::<XOnlyPublicKey>()
        .map(Consent::Sequencer)
        .map_err(|_| anyhow!("no anchor key: give 64 hexadecimal digits, the x-coordinate of a point"))
}

/// What happened to a consent, or what is wrong with one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    kind: Option<&'static str>,
    subject: Option<String>,
    allowed: bool,
    /// Whether this command made it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    error: Option<String>,
}

impl Row {
    fn of(consent: &Consent, allowed: bool, changed: Option<bool>) -> Self {
        Self {
            kind: Some(consent.kind()),
            subject: Some(consent.subject()),
            allowed,
            changed,
            error: None,
        }
    }
}

/// Gives, lists or withdraws consents of this configuration's signer, running or not.
pub(super) fn consent(args: &ConsentArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let own = config.signer()?;
    let federation = Federation::load(&own.federation_file)?;
    let consents = Consents::of(&config.data_dir, *federation.context());
    match &args.action {
        ConsentAction::Epoch(EpochArgs { epoch: consent })
        | ConsentAction::Sequencer(SequencerArgs { sequencer: consent }) => {
            std::fs::create_dir_all(&config.data_dir)
                .with_context(|| format!("cannot make {}", config.data_dir.display()))?;
            let changed = consents.give(consent)?;
            let words = if changed {
                "allowed until `tacit federation consent withdraw`"
            } else {
                "was allowed already"
            };
            say(args.json, &Row::of(consent, true, Some(changed)), words)
        }
        ConsentAction::Withdraw(WithdrawArgs {
            what:
                Withdrawn::Epoch(EpochArgs { epoch: consent })
                | Withdrawn::Sequencer(SequencerArgs { sequencer: consent }),
        }) => {
            let changed = consents.withdraw(consent)?;
            let words = if changed {
                "not allowed any more"
            } else {
                "was not allowed"
            };
            say(args.json, &Row::of(consent, false, Some(changed)), words)
        }
        ConsentAction::List => list(args.json, &consents),
    }
}

fn say(json: bool, row: &Row, words: &str) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string_pretty(row)?);
    } else {
        let (kind, subject) = (
            row.kind.unwrap_or_default(),
            row.subject.as_deref().unwrap_or_default(),
        );
        println!("{kind} {subject}: {words}");
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool, consents: &Consents) -> anyhow::Result<ExitCode> {
    let rows: Vec<Row> = consents
        .list()?
        .iter()
        .map(|found| match found {
            Ok(consent) => Row::of(consent, true, None),
            Err(error) => Row {
                kind: None,
                subject: None,
                allowed: false,
                changed: None,
                error: Some(error.to_string()),
            },
        })
        .collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for row in &rows {
            match (&row.error, row.kind, &row.subject) {
                (None, Some(kind), Some(subject)) => println!("{kind:<9} {subject}"),
                (error, _, _) => println!("error: {}", error.as_deref().unwrap_or_default()),
            }
        }
        if rows.is_empty() {
            println!("nothing is allowed");
        }
    }
    Ok(if rows.iter().all(|row| row.error.is_none()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests;
