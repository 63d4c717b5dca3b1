//! `tacit audit`: the whole state from Bitcoin and `chain.json` alone.
//!
//! Follows the chain in memory with the very fold that nodes use, verifies every proof, adds up what is owed
//! row by row, and reports the state root, the reserves now and after every batch, every anchor that was
//! ignored with the rule it broke, and deposits and withdrawals that are left out. Exit code 0: sound; 1: the
//! vault broke a rule or does not cover what it owes (or the audit
//! could not be done); 3: with `--strict`, an invalid anchor was found.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use tacit_bridge::client::{BitcoinClient, RpcOptions, connect_checked};
use tacit_protocol::batch::outpoint_field;
use tacit_protocol::field;
use tacit_protocol::kv::MemoryKv;
use tacit_protocol::ledger;
use tacit_protocol::params::ChainParams;
use tacit_verifier::Rules;
use tacit_verifier::chain::records::{AnchorRecord, Verdict};
use tacit_verifier::chain::{self, Books, Reserves, audit_books, table};

use crate::cli::Global;
use crate::config::{BitcoindConfig, Config};
use crate::progress;

mod overdue;

pub use overdue::{OVERDUE_BATCHES, OVERDUE_BLOCKS, Overdue};

const EXIT_INVALID_ANCHOR: u8 = 3;

/// Arguments of `tacit audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The chain's parameters [default: from the configuration]
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// URL of bitcoind's JSON-RPC [default: from the configuration]
    #[arg(long, value_name = "URL")]
    pub bitcoind_url: Option<String>,
    /// bitcoind's cookie file [default: from the configuration]
    #[arg(long, value_name = "FILE")]
    pub cookie_file: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 3 if any anchor was invalid
    #[arg(long)]
    pub strict: bool,
}

/// What an audit found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The chain's identifier.
    pub chain_id: String,
    /// Height of the last block read.
    pub height: u32,
    /// Hash of the last block read.
    pub block: String,
    /// Number of the last batch.
    pub batch: u32,
    /// The state commitment `S_b`.
    pub state_root: String,
    /// The reserves now.
    #[serde(flatten)]
    pub reserves: ReservesReport,
    /// The vault's fault, if it has one.
    pub vault_fault: Option<FaultReport>,
    /// All batches.
    pub batches: Vec<BatchReport>,
    /// Anchors that carried an invalid payload, or none.
    pub ignored: Vec<IgnoredReport>,
    /// Deposits and withdrawals that the sequencer leaves out.
    pub overdue: Vec<Overdue>,
}

/// What the vault held and owed at one place of the chain, in satoshi.
#[derive(Clone, Debug, Serialize)]
pub struct ReservesReport {
    /// The vault's output.
    pub vault_output: String,
    /// Shielded.
    pub supply: u64,
    /// In the vault.
    pub vault: u64,
    /// Deposits swept and not credited yet.
    pub uncredited: u64,
    /// How many.
    pub uncredited_count: u64,
    /// Exits not paid yet.
    pub unpaid: u64,
    /// How many.
    pub unpaid_count: u64,
    /// What the vault holds beyond all that.
    pub surplus: u64,
    /// What the vault lacks.
    pub gap: u64,
}

impl ReservesReport {
    fn new(books: &Books) -> Self {
        let Reserves {
            vault,
            supply,
            uncredited,
            uncredited_count,
            unpaid,
            unpaid_count,
        } = books.reserves;
        Self {
            vault_output: books.vault.to_string(),
            supply,
            vault,
            uncredited,
            uncredited_count,
            unpaid,
            unpaid_count,
            surplus: books.reserves.surplus(),
            gap: books.reserves.gap(),
        }
    }
}

/// The vault transaction that broke a rule.
#[derive(Clone, Debug, Serialize)]
pub struct FaultReport {
    /// The transaction.
    pub txid: String,
    /// Its height.
    pub height: u32,
    /// The rule.
    pub rule: String,
}

/// One batch.
#[derive(Clone, Debug, Serialize)]
pub struct BatchReport {
    /// Its number.
    pub number: u32,
    /// Height of its anchor.
    pub height: u32,
    /// The anchor (reveal) transaction.
    pub anchor: String,
    /// The state commitment after it.
    pub state_root: String,
    /// Identifiers of its transfers.
    pub transfers: Vec<String>,
    /// Hashes of the outpoints of the deposits it credits.
    pub deposits: Vec<String>,
    /// The reserves after it.
    pub reserves: ReservesReport,
}

/// One anchor that changed nothing.
#[derive(Clone, Debug, Serialize)]
pub struct IgnoredReport {
    /// The transaction.
    pub txid: String,
    /// Its height.
    pub height: u32,
    /// `invalid`, or `empty`.
    pub kind: &'static str,
    /// Why.
    pub rule: String,
}

impl Report {
    /// Whether the vault obeyed every rule and covers what it owes.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.vault_fault.is_none() && self.reserves.gap == 0
    }

    /// Whether an anchor carried an invalid payload.
    #[must_use]
    pub fn has_invalid_anchor(&self) -> bool {
        self.ignored.iter().any(|i| i.kind == "invalid")
    }
}

/// Runs the command.
///
/// # Errors
/// If the audit cannot be done.
pub fn run(args: &AuditArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let config = Config::load(global.config.as_deref())?;
    let path = args.chain.as_ref().unwrap_or(&config.chain);
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; pass --chain FILE", path.display()))?;
    let params = ChainParams::from_json(&text)?;
    let bitcoind = BitcoindConfig {
        url: args.bitcoind_url.clone().unwrap_or(config.bitcoind.url),
        cookie_file: args.cookie_file.clone().or(config.bitcoind.cookie_file),
        ..config.bitcoind
    };
    let network = params.genesis().network;
    let client = connect_checked(&bitcoind.url, bitcoind.auth()?, network, RpcOptions::default())?;
    let report = audit(params, &client)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report);
    }
    Ok(
        match (report.is_sound(), args.strict && report.has_invalid_anchor()) {
            (false, _) => ExitCode::FAILURE,
            (true, true) => ExitCode::from(EXIT_INVALID_ANCHOR),
            (true, false) => ExitCode::SUCCESS,
        },
    )
}

/// Follows the chain from its genesis to bitcoind's tip and reports what it found.
///
/// # Errors
/// If a verifying key is unusable or bitcoind fails.
pub fn audit(params: ChainParams, client: &dyn BitcoinClient) -> anyhow::Result<Report> {
    let rules = Rules::load(params)?;
    crate::pipeline::genesis::check(client, rules.params())?;
    let genesis = rules.params().genesis();
    let mut kv = MemoryKv::default();
    let delta = chain::genesis(&kv, rules.params())?;
    kv.commit(&delta);
    let target = client.chain_info()?.height;
    let bar = progress::bar(
        "auditing blocks",
        u64::from(target.saturating_sub(genesis.start_height)),
    );
    for height in genesis.start_height + 1..=target {
        let hash = client.block_hash(height)?.with_context(|| {
            format!("bitcoind has no block {height}: the chain changed, run the audit again")
        })?;
        let delta = chain::connect(&kv, &rules, &client.block(&hash)?)
            .context("the chain changed during the audit, or is not the one of chain.json")?;
        kv.commit(&delta);
        bar.inc(1);
    }
    bar.finish_and_clear();
    report(&rules, &kv)
}

fn report(rules: &Rules, kv: &MemoryKv) -> anyhow::Result<Report> {
    let state = ledger::tip(kv)?;
    let cursor = table::cursor(kv)?.context("the cursor is missing")?;
    let now = audit_books(kv)?;
    let vault_tip = table::vault_tip(kv)?.context("the vault tip is missing")?;
    let mut batches = Vec::new();
    for number in 1..=state.batch {
        batches.push(batch_report(rules, kv, number)?);
    }
    let anchored: Vec<u32> = batches.iter().map(|batch: &BatchReport| batch.height).collect();
    let overdue = overdue::overdue(rules, kv, cursor.height, &anchored)?;
    let ignored = table::anchors(kv, 0, usize::MAX)?
        .into_iter()
        .filter_map(|(_, a)| ignored_report(a))
        .collect();
    let vault_fault = table::fault(kv)?.map(|fault| FaultReport {
        txid: fault.place.txid.to_string(),
        height: fault.place.height,
        rule: fault.rule,
    });
    Ok(Report {
        chain_id: rules.params().chain_id().to_string(),
        height: cursor.height,
        block: cursor.hash.to_string(),
        batch: state.batch,
        state_root: hex::encode(field::to_bytes(&state.commitment())),
        reserves: ReservesReport::new(&Books {
            vault: vault_tip.outpoint,
            reserves: now,
        }),
        vault_fault,
        batches,
        ignored,
        overdue,
    })
}

fn batch_report(rules: &Rules, kv: &MemoryKv, number: u32) -> anyhow::Result<BatchReport> {
    let record = table::batch(kv, number)?.with_context(|| format!("batch {number} is missing"))?;
    let books =
        table::books(kv, number)?.with_context(|| format!("the books of batch {number} are missing"))?;
    let transfers = record
        .batch
        .transfers
        .iter()
        .map(|t| Ok(t.body.id(rules.params())?.to_string()))
        .collect::<anyhow::Result<_>>()?;
    let mut deposits = Vec::new();
    for claim in &record.batch.deposits {
        let swept = table::swept(kv, claim.sweep)?.context("a credited deposit is missing")?;
        deposits.push(hex::encode(field::to_bytes(&outpoint_field(&swept.outpoint))));
    }
    Ok(BatchReport {
        number,
        height: record.place.height,
        anchor: record.place.txid.to_string(),
        state_root: hex::encode(field::to_bytes(&record.batch.state)),
        transfers,
        deposits,
        reserves: ReservesReport::new(&books),
    })
}

fn ignored_report(anchor: AnchorRecord) -> Option<IgnoredReport> {
    let (kind, rule) = match anchor.verdict {
        Verdict::Applied { .. } => return None,
        Verdict::Empty(reason) => ("empty", reason),
        Verdict::Invalid(rule) => ("invalid", rule),
        Verdict::Reset(sequencer) => ("reset", format!("anchors are those of {sequencer} from here on")),
    };
    Some(IgnoredReport {
        txid: anchor.place.txid.to_string(),
        height: anchor.place.height,
        kind,
        rule,
    })
}

fn print_report(report: &Report) {
    println!("chain        {}", report.chain_id);
    println!("block        {} {}", report.height, report.block);
    println!("batch        {}", report.batch);
    println!("state root   {}", report.state_root);
    let now = &report.reserves;
    println!("supply       {:>15} sat shielded", now.supply);
    println!(
        "             {:>15} sat swept, not credited yet, in {} deposits",
        now.uncredited, now.uncredited_count
    );
    println!(
        "             {:>15} sat leaving, not paid yet, in {} exits",
        now.unpaid, now.unpaid_count
    );
    println!("vault        {:>15} sat in {}", now.vault, now.vault_output);
    for batch in &report.batches {
        println!(
            "batch {:>6} at height {} in {}",
            batch.number, batch.height, batch.anchor
        );
        for transfer in &batch.transfers {
            println!("    transfer {transfer}");
        }
        for deposit in &batch.deposits {
            println!("    deposit  {deposit}");
        }
        let after = &batch.reserves;
        println!(
            "    reserves {} sat hold {} shielded + {} to credit + {} to pay + {} surplus, lack {}",
            after.vault, after.supply, after.uncredited, after.unpaid, after.surplus, after.gap
        );
    }
    for ignored in &report.ignored {
        println!(
            "ignored: {} anchor {} at height {}: {}",
            ignored.kind, ignored.txid, ignored.height, ignored.rule
        );
    }
    for overdue in &report.overdue {
        println!(
            "OVERDUE: {} {}, {} sat, deep since block {}, left out of {} batches",
            overdue.kind, overdue.what, overdue.amount, overdue.since, overdue.batches
        );
    }
    match &report.vault_fault {
        Some(fault) => println!(
            "VAULT FAULT in {} at height {}: {}",
            fault.txid, fault.height, fault.rule
        ),
        None if now.gap > 0 => println!("RESERVE GAP: the vault lacks {} sat", now.gap),
        None => println!("sound: every proof verified, the vault covers what it owes"),
    }
}
