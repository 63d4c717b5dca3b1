//! `tacit bridge`: what the vault does, who waits and why, how the signers are.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use tacit_wallet::api::{BridgeStatus, NodeApi, OfficeStatus};

use crate::cli::Global;
use crate::printable::printable;
use crate::rpc::client::RpcClient;

/// Arguments of `tacit bridge`.
#[derive(Debug, Args)]
pub struct BridgeArgs {
    /// The sequencer, or a node of it, as http://host:port
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TACIT_NODE",
        default_value = "http://127.0.0.1:8645"
    )]
    pub node: String,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub action: BridgeAction,
}

/// What to ask.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum BridgeAction {
    /// The queue, fees, signing rounds, the last vault transaction, each signer's health, why anything waits
    Status,
}

/// Runs the command.
///
/// # Errors
/// If the node does not answer.
pub fn run(args: &BridgeArgs, _: &Global) -> anyhow::Result<ExitCode> {
    let BridgeAction::Status = args.action;
    let status = RpcClient::new(&args.node)?.bridge_status()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print(&status);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(status: &BridgeStatus) {
    let vault = &status.vault;
    let txid = vault.txid.map_or_else(String::new, |txid| format!("  {txid}"));
    println!("vault      {}{txid}", printable(&vault.state));
    if let Some(reason) = &vault.reason {
        println!("           {}", printable(reason));
    }
    if let Some(last) = vault.last_sent.filter(|last| Some(*last) != vault.txid) {
        println!("last sent  {last}");
    }
    println!("fees       {}", printable(&status.fee_origin));
    println!("queue      {} waiting", status.queue.len());
    for waiting in &status.queue {
        let reason = printable(&waiting.reason);
        println!(
            "           withdrawal {}: {} sat, {reason}",
            waiting.index,
            waiting.amount.to_sat()
        );
    }
    print_office(&status.office);
    let Some(federation) = &status.federation else {
        println!("signers    one local key: for test networks only");
        return;
    };
    println!(
        "rounds     {} signed, {} failed, {} attempts",
        federation.rounds_signed, federation.rounds_failed, federation.attempts
    );
    println!(
        "signers    {} of {} needed",
        federation.threshold,
        federation.signers.len()
    );
    for signer in &federation.signers {
        let height = signer
            .height
            .map_or_else(String::new, |height| format!("block {height}"));
        let reason = signer.reason.as_ref().or(signer.last_exclusion.as_ref());
        println!(
            "           {:>3} {:<16} {:<12} {height:<14} {}",
            signer.member,
            printable(&signer.name),
            printable(&signer.state),
            printable(reason.map_or("", String::as_str))
        );
    }
}

fn print_office(office: &OfficeStatus) {
    let own = if office.in_office {
        "this one"
    } else {
        "another one, or none that can go on"
    };
    println!("sequencer  {own}");
    if let Some(key) = office.sequencer.as_ref().filter(|_| !office.in_office) {
        println!("           in office: anchor key {}", printable(key));
    }
    if office.takes_over && !office.in_office {
        println!("           takes over once the anchor chain has failed");
    }
    if let Some(reason) = &office.reset {
        println!("           may be replaced: {}", printable(reason));
    }
}
