//! `tacit bridge`: what the vault does, who waits and why, how the signers are, what it holds and owes.

use std::process::ExitCode;

use bitcoin::Txid;
use clap::{Args, Subcommand};
use serde_json::json;
use tacit_wallet::api::{
    BatchReserves, BridgeStatus, EpochStatus, ForcedPage, ForcedQueue, ForcedRange, ForcedRequestStatus,
    ForcedState, ForcedSubject, NodeApi, OfficeStatus, Range, Supply,
};

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
    /// What the vault holds and owes, now and after each batch; any full node answers
    Reserves {
        /// The first batch; 0 is genesis
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u32,
        /// How many batches at most
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: u32,
    },
    /// The forced requests that wait, in the order in which batches have to honour them; any full node answers
    Forced {
        /// How many of each queue at most
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
    },
}

/// Runs the command.
///
/// # Errors
/// If the node does not answer.
pub fn run(args: &BridgeArgs, _: &Global) -> anyhow::Result<ExitCode> {
    let node = RpcClient::new(&args.node)?;
    match args.action {
        BridgeAction::Status => {
            let status = node.bridge_status()?;
            if args.json {
                println!("{}", serde_json::to_string_pretty(&status)?);
            } else {
                print(&status);
            }
        }
        BridgeAction::Reserves { from, limit } => {
            let (now, batches) = (node.supply()?, pages(&node, from, limit)?);
            if args.json {
                let value = json!({ "now": now, "batches": batches });
                println!("{}", serde_json::to_string_pretty(&value)?);
            } else {
                print_reserves(&now, &batches);
            }
        }
        BridgeAction::Forced { limit } => {
            let transfers = queue(&node, ForcedQueue::Transfers, limit)?;
            let deposits = queue(&node, ForcedQueue::Deposits, limit)?;
            if args.json {
                let value = json!({ "transfers": transfers, "deposits": deposits });
                println!("{}", serde_json::to_string_pretty(&value)?);
            } else {
                println!(
                    "anchor     the last one stands in block {}",
                    transfers.anchor_height
                );
                print_queue("transfers", &transfers);
                print_queue("deposits", &deposits);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The reserves after up to `limit` batches: a node answers in pages.
fn pages(node: &dyn NodeApi, from: u32, limit: u32) -> anyhow::Result<Vec<BatchReserves>> {
    let mut found: Vec<BatchReserves> = Vec::new();
    loop {
        let have = u32::try_from(found.len())?;
        let (from, limit) = (from.saturating_add(have), limit.saturating_sub(have));
        let page = node.reserves(Range { from, limit })?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

/// Up to `limit` requests of a queue: a node answers in pages.
fn queue(node: &dyn NodeApi, queue: ForcedQueue, limit: usize) -> anyhow::Result<ForcedPage> {
    let ask = |after, have| {
        let limit = u32::try_from(limit - have).unwrap_or(u32::MAX);
        node.forced_requests(ForcedRange { queue, after, limit })
    };
    let mut found = ask(None, 0)?;
    while let Some(last) = found.requests.last().filter(|_| found.requests.len() < limit) {
        let page = ask(Some(last.place), found.requests.len())?;
        if page.requests.is_empty() {
            break;
        }
        found.requests.extend(page.requests);
    }
    Ok(found)
}

fn print_queue(name: &str, queue: &ForcedPage) {
    println!("{name:<10} {} waiting", queue.waiting);
    for request in &queue.requests {
        println!("           {}", describe(request));
    }
}

/// A request in one line.
pub(super) fn describe(request: &ForcedRequestStatus) -> String {
    let subject = match request.subject {
        ForcedSubject::Txid(id) => format!("transfer {id}"),
        ForcedSubject::Outpoint(outpoint) => format!("deposit {outpoint}"),
    };
    let state = match &request.status {
        ForcedState::Waiting { before, due: true } => format!("due, {before} before it"),
        ForcedState::Waiting { before, due: false } => format!(
            "{before} before it, due once an anchor stands in block {} or later",
            request.due_height
        ),
        ForcedState::Honoured { batch } => format!("honoured in batch {batch}"),
        ForcedState::Dropped { batch, reason } => {
            format!("dropped in batch {batch}: {}", printable(reason))
        }
    };
    let (place, by) = (request.place, request.posted_by);
    format!("{subject}, posted in block {} by {by}: {state}", place.height)
}

fn print_reserves(now: &Supply, batches: &[BatchReserves]) {
    println!("vault      {} sat in {}", now.vault_amount.to_sat(), now.vault);
    println!("supply     {} sat shielded", now.supply.to_sat());
    println!(
        "           {} sat in {} deposits to credit",
        now.pending_deposits.to_sat(),
        now.pending_deposit_count
    );
    println!(
        "           {} sat in {} withdrawals to pay",
        now.pending_withdrawals.to_sat(),
        now.pending_withdrawal_count
    );
    println!("surplus    {} sat", now.surplus.to_sat());
    if now.gap.to_sat() > 0 {
        println!("GAP        the vault lacks {} sat", now.gap.to_sat());
    }
    if let Some(fault) = &now.fault {
        println!("FAULT      {}", printable(fault));
    }
    println!(
        "{:>8} {:>8} {:>16} = {:>16} + {:>14} + {:>14} + {:>12} - {:>8}",
        "batch", "height", "vault", "supply", "to credit", "to pay", "surplus", "gap"
    );
    for batch in batches {
        let height = batch
            .anchored
            .map_or_else(|| "-".to_owned(), |at| at.height.to_string());
        println!(
            "{:>8} {height:>8} {:>16} = {:>16} + {:>14} + {:>14} + {:>12} - {:>8}",
            batch.batch,
            batch.vault_amount.to_sat(),
            batch.supply.to_sat(),
            batch.pending_deposits.to_sat(),
            batch.pending_withdrawals.to_sat(),
            batch.surplus.to_sat(),
            batch.gap.to_sat()
        );
    }
}

fn print_activity(what: &str, state: &str, txid: Option<Txid>, reason: Option<&str>) {
    let txid = txid.map_or_else(String::new, |txid| format!("  {txid}"));
    println!("{what:<10} {}{txid}", printable(state));
    if let Some(reason) = reason {
        println!("           {}", printable(reason));
    }
}

fn print(status: &BridgeStatus) {
    let (anchor, vault) = (&status.anchor, &status.vault);
    print_activity("anchor", &anchor.state, anchor.txid, anchor.reason.as_deref());
    print_activity("vault", &vault.state, vault.txid, vault.reason.as_deref());
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
    print_epoch(&status.epoch);
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

fn print_epoch(epoch: &EpochStatus) {
    println!("epoch      {}", epoch.number);
    if let Some(next) = &epoch.next {
        println!("           next: {} {}", printable(&epoch.state), printable(next));
    }
    if let Some(reason) = &epoch.reason {
        println!("           {}", printable(reason));
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
