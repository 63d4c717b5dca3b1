//! What this member's operator allows in advance, and until when: a new federation, a new sequencer.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, anyhow, ensure};
use bitcoin::XOnlyPublicKey;
use clap::{Args, Subcommand};
use serde::Serialize;
use tacit_bridge::client::{BitcoinClient, RpcOptions, connect_checked};

use crate::config::Config;
use crate::federation::consent::{Consent, Consents, Given, MOST_BLOCKS};
use crate::federation::file::Federation;

/// For how many blocks a consent is given if nothing else is said: a week.
const USUAL_BLOCKS: u32 = 1_008;

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
    ///
    /// The consent ends by itself after a week of blocks, or when --until or --blocks say. Given again it gets the
    /// new end.
    Epoch(GiveEpochArgs),
    /// Allow this signer to put another sequencer in the place of the present one
    ///
    /// The consent ends by itself after a week of blocks, or when --until or --blocks say. Given again it gets the
    /// new end. While it is in force and the chain may be taken over, this signer signs nothing else.
    Sequencer(GiveSequencerArgs),
    /// Show what this signer allows; fails if a file is damaged or of another federation
    List,
    /// Do not allow it any more
    Withdraw(WithdrawArgs),
}

/// When a consent ends.
#[derive(Debug, Args)]
pub struct EndArgs {
    /// Height of the last Bitcoin block at which it counts, at most four weeks ahead
    #[arg(long, value_name = "HEIGHT", conflicts_with = "blocks")]
    pub until: Option<u32>,
    /// Instead: for how many blocks from now on; asks the bitcoind of the configuration where it is
    #[arg(long, value_name = "BLOCKS", default_value_t = USUAL_BLOCKS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_BLOCKS)))]
    pub blocks: u32,
}

/// Arguments of `tacit federation consent epoch`.
#[derive(Debug, Args)]
pub struct GiveEpochArgs {
    /// Which
    #[command(flatten)]
    pub what: EpochArgs,
    /// Until when
    #[command(flatten)]
    pub end: EndArgs,
}

/// Arguments of `tacit federation consent sequencer`.
#[derive(Debug, Args)]
pub struct GiveSequencerArgs {
    /// Which
    #[command(flatten)]
    pub what: SequencerArgs,
    /// Until when
    #[command(flatten)]
    pub end: EndArgs,
}

/// A consent to a new federation.
#[derive(Debug, Args)]
pub struct EpochArgs {
    /// Hash of the new epoch, 64 hexadecimal digits; compare it by telephone with the other operators
    #[arg(value_name = "HASH", value_parser = epoch)]
    pub epoch: Consent,
}

/// A consent to a new sequencer.
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
    /// Height of the last block at which it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u32>,
    /// Whether this command made it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    error: Option<String>,
}

impl Row {
    fn of(consent: &Consent, until: Option<u32>, changed: Option<bool>) -> Self {
        Self {
            kind: Some(consent.kind()),
            subject: Some(consent.subject()),
            allowed: until.is_some(),
            until,
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
        ConsentAction::Epoch(given) => give(args.json, config, &consents, &given.what.epoch, &given.end),
        ConsentAction::Sequencer(given) => {
            give(args.json, config, &consents, &given.what.sequencer, &given.end)
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
            say(args.json, &Row::of(consent, None, Some(changed)), words)
        }
        ConsentAction::List => list(args.json, &consents),
    }
}

fn give(
    json: bool,
    config: &Config,
    consents: &Consents,
    consent: &Consent,
    end: &EndArgs,
) -> anyhow::Result<ExitCode> {
    let height = height(config).context("cannot ask bitcoind for the height");
    let until = match (end.until, height) {
        (None, height) => height.context("say --until HEIGHT")?.saturating_add(end.blocks),
        (Some(until), Ok(height)) => {
            let given = Given {
                consent: *consent,
                until,
            };
            ensure!(
                given.counts(height),
                "--until {until} does not count: Bitcoin is at block {height}, and a consent ends at most \
                 {MOST_BLOCKS} blocks ahead"
            );
            until
        }
        // The signer looks at it again.
        (Some(until), Err(_)) => until,
    };
    fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("cannot make {}", config.data_dir.display()))?;
    let changed = consents.give(consent, until)?;
    let words = if changed { "allowed" } else { "was allowed already" };
    let words = format!("{words} until block {until}, or `tacit federation consent withdraw`");
    say(json, &Row::of(consent, Some(until), Some(changed)), &words)
}

/// Where this configuration's bitcoind is.
fn height(config: &Config) -> anyhow::Result<u32> {
    let network = config.chain_params()?.genesis().network;
    let auth = config.bitcoind.auth()?;
    let client = connect_checked(&config.bitcoind.url, auth, network, RpcOptions::default())?;
    Ok(client.chain_info()?.height)
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
            Ok(Given { consent, until }) => Row::of(consent, Some(*until), None),
            Err(error) => Row {
                kind: None,
                subject: None,
                allowed: false,
                until: None,
                changed: None,
                error: Some(error.to_string()),
            },
        })
        .collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for row in &rows {
            match (row.kind, &row.subject, row.until) {
                (Some(kind), Some(subject), Some(until)) => {
                    println!("{kind:<9} {subject}  until block {until}");
                }
                _ => println!("error: {}", row.error.as_deref().unwrap_or_default()),
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
