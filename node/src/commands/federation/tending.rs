//! How the signers are; pausing and resuming one.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tacit_federation::identity::Identity;
use tacit_federation::message::{Answer, Request};

use super::{PauseArgs, StatusArgs};
use crate::config::Config;
use crate::federation::coordinator::{Ask, Network, condition};
use crate::federation::file::{Federation, Member};
use crate::federation::member::Pause;
use crate::federation::secrets::load_identity;
use crate::printable::printable;

/// Longest wait for a signer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A signer as it says it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    member: u16,
    name: String,
    state: &'static str,
    reason: Option<String>,
    height: Option<u32>,
    signed: Option<u64>,
    refused: Option<u64>,
}

/// Asks every signer how it is; fails if fewer are ready than it takes to sign.
pub(super) fn status(args: &StatusArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let (federation, own) = who(config)?;
    let network = Network {
        own: Arc::new(own),
        context: *federation.context(),
        patience: PATIENCE,
    };
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let asked: Vec<_> = federation
            .members()
            .iter()
            .map(|member| scope.spawn(|| row(&network, member)))
            .collect();
        asked.into_iter().filter_map(|row| row.join().ok()).collect()
    });
    let ready = rows.iter().filter(|row| row.state == "ready").count();
    let needed = usize::from(federation.roster().threshold());
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        for row in &rows {
            let height = row
                .height
                .map_or_else(String::new, |height| format!("block {height}"));
            let reason = row.reason.as_deref().unwrap_or_default();
            println!(
                "{:>3}  {:<16} {:<12} {height:<14} {}",
                row.member,
                printable(&row.name),
                row.state,
                printable(reason)
            );
        }
        println!("{ready} ready, {needed} needed");
    }
    Ok(if ready >= needed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The federation and who asks: a signer or a sequencer.
fn who(config: &Config) -> anyhow::Result<(Federation, Identity)> {
    let (file, identity) = match (&config.signer, &config.sequencer) {
        (Some(own), _) => (own.federation_file.clone(), own.identity_file.clone()),
        (None, Some(own)) => {
            let set = "set sequencer.federation_file and sequencer.identity_file";
            let file = own.federation_file.clone().context(set)?;
            (file, own.identity_file.clone().context(set)?)
        }
        (None, None) => bail!("the configuration has neither [signer] nor [sequencer]; pass --config FILE"),
    };
    Ok((Federation::load(&file)?, load_identity(&identity)?))
}

fn row(network: &Network, member: &Member) -> Row {
    let mut row = Row {
        member: member.id.number(),
        name: member.name.clone(),
        state: "unreachable",
        reason: None,
        height: None,
        signed: None,
        refused: None,
    };
    let status = match network.ask(member, &Request::Status) {
        Ok(Answer::Status(status)) => status,
        Ok(Answer::Refused { reason, .. }) => {
            row.reason = Some(reason);
            return row;
        }
        Ok(Answer::Commitments(_) | Answer::Shares(_) | Answer::Keygen { .. } | Answer::NotYet) => {
            row.reason = Some("gave another answer".into());
            return row;
        }
        Err(error) => {
            row.reason = Some(error.to_string());
            return row;
        }
    };
    row.height = Some(status.height);
    row.signed = Some(status.signed);
    row.refused = Some(status.refused);
    (row.state, row.reason) = condition(&status);
    row
}

/// Pauses the signer of this configuration, running or not.
pub(super) fn pause(args: &PauseArgs, config: &Config) -> anyhow::Result<ExitCode> {
    config.signer()?;
    std::fs::create_dir_all(&config.data_dir)
        .and_then(|()| Pause::of(&config.data_dir).set(&args.reason))
        .with_context(|| format!("cannot write in {}", config.data_dir.display()))?;
    println!("paused: this signer signs nothing until `tacit federation resume`");
    Ok(ExitCode::SUCCESS)
}

/// Lets the signer of this configuration go on.
pub(super) fn resume(config: &Config) -> anyhow::Result<ExitCode> {
    config.signer()?;
    let was = Pause::of(&config.data_dir)
        .clear()
        .with_context(|| format!("cannot remove the file `paused` in {}", config.data_dir.display()))?;
    println!("{}", if was { "resumed" } else { "it was not paused" });
    Ok(ExitCode::SUCCESS)
}
