//! The five checks that every test of a fault ends with.
//!
//! 1. What the vault holds covers what it owes, counted from what whole blocks say of the vault.
//! 2. A deposit is credited once at most.
//! 3. A withdrawal is paid once at most, counted by its script over all outputs of all blocks.
//! 4. Whatever was promised to somebody, or reported as done, is there.
//! 5. An auditor who has Bitcoin alone comes to the state that the nodes have.
//!
//! The first three share nothing with the fold: they read blocks, and take of the auditor only which anchors
//! counted. Specification: `docs/spec/faults.md`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use bitcoin::{OutPoint, ScriptBuf};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::regtest::{Moved, Tally, handover_of};
use tacit_node::commands::audit::Report;
use tacit_protocol::batch::Payload;
use tacit_protocol::encoding::Decode;
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::vault::Handover;
use tacit_protocol::peg::{AnchorOutcome, classify_anchor_spend};
use tacit_protocol::transfer::TransferId;
use tacit_protocol::{F, field};

/// What somebody was promised, or told is done.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Transfers with a receipt.
    pub transfers: BTreeSet<TransferId>,
    /// Deposits that a wallet saw credited.
    pub credited: BTreeSet<OutPoint>,
    /// Scripts of withdrawals that a node said are paid.
    pub paid: BTreeSet<ScriptBuf>,
    /// How many outputs to such scripts are no payouts, but payments that somebody made besides.
    pub aside: BTreeMap<ScriptBuf, u32>,
}

impl Work {
    /// How many outputs pay to a script that can only be payouts.
    fn times_paid(&self, tally: &Tally, script: &ScriptBuf) -> u32 {
        let aside = self.aside.get(script).copied().unwrap_or_default();
        tally.times_paid(script).saturating_sub(aside)
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Vault transactions.
    pub vault_txs: usize,
    /// Deposits swept into the vault.
    pub swept: usize,
    /// Deposits credited.
    pub credited: usize,
    /// Withdrawals ordered by batches that count.
    pub ordered: usize,
    /// Withdrawals paid.
    pub paid: usize,
    /// What the vault holds.
    pub held: u64,
    /// What it owes.
    pub owed: u64,
}

/// A withdrawal that a batch orders.
struct Ordered {
    script: ScriptBuf,
    amount: u64,
}

/// What the anchors that count say.
#[derive(Default)]
struct Said {
    /// Numbers of sweeps, with how often each is credited.
    credits: BTreeMap<u32, u32>,
    /// Withdrawals in the order of their indices.
    orders: Vec<Ordered>,
    /// Transfers, with how often each is included.
    transfers: BTreeMap<TransferId, u32>,
}

/// Makes the five checks at Bitcoin's tip, where the auditor's report is from. `roots` are the states of nodes,
/// by name.
///
/// # Errors
/// The first check that fails, and why.
pub fn five_checks(
    client: &dyn BitcoinClient,
    params: &ChainParams,
    report: &Report,
    roots: &[(&str, F)],
    work: &Work,
) -> anyhow::Result<Counted> {
    let genesis = params.genesis();
    let tally = Tally::read(client, genesis.start_height, genesis.vault, Some(genesis.anchor))?;
    ensure!(tally.height == report.height, "Bitcoin moved since the audit");
    let moves = tally.vault_txs.iter().map(Moved::by);
    let moves: Vec<Moved> = moves
        .collect::<Option<_>>()
        .context("a vault transaction says nothing")?;
    let said = read_anchors(&tally, params, report)?;

    let (held, owed) = reserves(client, params, &tally, &moves).context("1. reserves")?;
    let now = &report.reserves;
    let reported = now.supply + now.uncredited + now.unpaid;
    ensure!(
        owed == reported,
        "1. {owed} are owed by the blocks, {reported} by the audit"
    );
    ensure!(report.is_sound(), "1. the audit is not sound: {report:?}");
    let swept = credits(&moves, &said).context("2. credits")?;
    let paid = payouts(&tally, &moves, &said, work).context("3. payouts")?;
    promises(&swept, &tally, &said, work).context("4. promises")?;
    for (name, root) in roots {
        let root = hex::encode(field::to_bytes(root));
        ensure!(
            root == report.state_root,
            "5. {name} has {root}, the auditor {}",
            report.state_root
        );
    }
    Ok(Counted {
        vault_txs: moves.len(),
        swept: swept.len(),
        credited: said.credits.len(),
        ordered: said.orders.len(),
        paid,
        held,
        owed,
    })
}

/// The payloads of the anchors that count.
fn read_anchors(tally: &Tally, params: &ChainParams, report: &Report) -> anyhow::Result<Said> {
    let counted: BTreeSet<&str> = report.batches.iter().map(|batch| batch.anchor.as_str()).collect();
    let (mut said, mut batches) = (Said::default(), 0);
    for tx in &tally.anchor_txs {
        if !counted.contains(tx.txid().to_string().as_str()) {
            continue;
        }
        // Whose turn it was, and so the script, is what the audit says; the payload is what counts here.
        let (tip, script) = (tx.tx().input[0].previous_output, &tx.tx().output[0].script_pubkey);
        let spend =
            classify_anchor_spend(tx.tx(), tx.prevouts(), tip, script).context("it spends the tip")?;
        let AnchorOutcome::Payload(payload) = spend.outcome else {
            anyhow::bail!("{} counts and carries nothing", tx.txid())
        };
        for batch in Payload::decode(&payload)?.into_batches() {
            batches += 1;
            for claim in &batch.deposits {
                *said.credits.entry(claim.sweep).or_default() += 1;
            }
            for transfer in &batch.transfers {
                *said.transfers.entry(transfer.body.id(params)?).or_default() += 1;
                said.orders
                    .extend(transfer.body.exit.as_ref().map(|exit| Ordered {
                        script: exit.script().to_script_buf(),
                        amount: exit.amount().to_sat(),
                    }));
            }
        }
    }
    ensure!(batches == report.batches.len(), "blocks hold {batches} batches");
    Ok(said)
}

/// What the vault holds and owes: all that deposits credit, less all exits paid.
fn reserves(
    client: &dyn BitcoinClient,
    params: &ChainParams,
    tally: &Tally,
    moves: &[Moved],
) -> anyhow::Result<(u64, u64)> {
    let vault = client
        .unspent(&tally.vault, false)?
        .context("the vault is gone")?
        .txout;
    let script = params.genesis().vault_keys().script_pubkey();
    let rotated = tally
        .vault_txs
        .iter()
        .any(|tx| matches!(handover_of(tx), Some(Handover::Vault(_))));
    ensure!(
        rotated || vault.script_pubkey == script,
        "the vault pays to another script"
    );
    let (mut credited, mut paid) = (0, 0);
    for moved in moves {
        let (credits, exits) = moved.flows();
        (credited, paid) = (credited + credits, paid + exits);
    }
    let owed = credited.checked_sub(paid).context("more was paid than came in")?;
    let held = vault.value.to_sat();
    ensure!(held >= owed, "the vault holds {held} and owes {owed}");
    Ok((held, owed))
}

/// Swept deposits in their order, each swept and credited once at most.
fn credits(moves: &[Moved], said: &Said) -> anyhow::Result<Vec<OutPoint>> {
    let swept: Vec<OutPoint> = moves
        .iter()
        .flat_map(|moved| moved.swept.iter().map(|(outpoint, _)| *outpoint))
        .collect();
    let once: BTreeSet<OutPoint> = swept.iter().copied().collect();
    ensure!(once.len() == swept.len(), "a deposit was swept twice");
    for (number, times) in &said.credits {
        let outpoint = swept.get(*number as usize);
        let outpoint = outpoint.with_context(|| format!("sweep {number} is credited and never was"))?;
        ensure!(*times == 1, "{outpoint} is credited {times} times");
    }
    Ok(swept)
}

/// Each withdrawal paid once at most, to whom and for how much it was ordered. Returns how many are paid.
fn payouts(tally: &Tally, moves: &[Moved], said: &Said, work: &Work) -> anyhow::Result<usize> {
    let mut paid = BTreeSet::new();
    for (index, output) in moves.iter().flat_map(|moved| &moved.paid) {
        ensure!(paid.insert(*index), "withdrawal {index} is paid twice");
        let order = usize::try_from(*index)
            .ok()
            .and_then(|index| said.orders.get(index));
        let order = order.with_context(|| format!("withdrawal {index} is paid and nobody ordered it"))?;
        ensure!(
            order.script == output.script_pubkey,
            "withdrawal {index} is paid to another"
        );
        ensure!(
            order.amount >= output.value.to_sat(),
            "withdrawal {index} is paid too much"
        );
    }
    let mut ordered: BTreeMap<&ScriptBuf, u32> = BTreeMap::new();
    for order in &said.orders {
        *ordered.entry(&order.script).or_default() += 1;
    }
    for (script, most) in ordered {
        let times = work.times_paid(tally, script);
        ensure!(
            times <= most,
            "{script} is paid {times} times and was to be {most} times"
        );
    }
    Ok(paid.len())
}

fn promises(swept: &[OutPoint], tally: &Tally, said: &Said, work: &Work) -> anyhow::Result<()> {
    for txid in &work.transfers {
        let times = said.transfers.get(txid).copied().unwrap_or_default();
        ensure!(times == 1, "{txid} was promised and is included {times} times");
    }
    let credited: BTreeSet<OutPoint> = said
        .credits
        .keys()
        .map(|number| swept[*number as usize])
        .collect();
    for outpoint in &work.credited {
        ensure!(credited.contains(outpoint), "the credit of {outpoint} is lost");
    }
    for script in &work.paid {
        let times = work.times_paid(tally, script);
        ensure!(
            times == 1,
            "{script} was reported as paid and is paid {times} times"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
