//! Figures for Prometheus: the same answers that the RPC gives, as numbers, and counts of what a signer
//! did. What to watch and what to do is in `docs/operations.md`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use tacit_wallet::api::{
    AnchorActivity, BridgeStatus, EpochStatus, ForcedQueue, ForcedRange, NodeApi, SignerHealth, SyncState,
    VaultActivity,
};

use crate::pipeline::wait;

/// Time between two readings.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// States of following; each is a series that is 1 while it lasts, as those of vault and signers are.
const SYNC_STATES: [&str; 4] = ["synced", "syncing", "paused", "halted"];

/// Every figure with its explanation.
const GAUGES: [(&str, &str); 25] = [
    ("tacit_bitcoin_height", "Height of the last block applied."),
    (
        "tacit_sync",
        "1 for the state of following: synced, syncing, paused or halted.",
    ),
    (
        "tacit_batch",
        "Number of the latest batch, pending ones included.",
    ),
    ("tacit_batch_anchored", "Number of the latest batch on Bitcoin."),
    ("tacit_batches_pending", "Batches sealed and not anchored."),
    ("tacit_mempool_transfers", "Transfers waiting for a batch."),
    ("tacit_supply_sat", "Shielded satoshi."),
    ("tacit_vault_sat", "Satoshi in the vault."),
    ("tacit_pending_deposits_sat", "Swept and not credited."),
    ("tacit_pending_withdrawals_sat", "Left the supply and not paid."),
    (
        "tacit_reserves_gap_sat",
        "What the vault lacks; anything but 0 is an alarm.",
    ),
    ("tacit_vault_fault", "1 once a vault transaction broke a rule."),
    ("tacit_anchor_state", "1 for what becomes of the anchors."),
    ("tacit_vault_state", "1 for what the vault does."),
    ("tacit_withdrawals_waiting", "Withdrawals that wait."),
    ("tacit_withdrawals_waiting_sat", "Satoshi in them."),
    ("tacit_fee_rate_sat_per_kwu", "What miners are paid."),
    (
        "tacit_fee_ceiling_reached",
        "1 while the ceiling holds the rate down.",
    ),
    (
        "tacit_in_office",
        "1 while the next anchor is this sequencer's to write.",
    ),
    (
        "tacit_takeover_possible",
        "1 while the anchor chain could be begun anew.",
    ),
    ("tacit_epoch", "Number of the federation's epoch in office."),
    ("tacit_epoch_state", "1 for how far the federation to come is."),
    (
        "tacit_forced_waiting",
        "Forced requests that wait, by their queue.",
    ),
    (
        "tacit_signer_state",
        "1 for the state of each signer, as the coordinator sees it.",
    ),
    ("tacit_signers_ready", "Signers that are ready."),
];

/// Every count with its explanation.
const COUNTERS: [(&str, &str); 6] = [
    (
        "tacit_rounds_signed_total",
        "Signing rounds that ended with signatures.",
    ),
    ("tacit_rounds_failed_total", "Signing rounds that failed."),
    ("tacit_round_attempts_total", "Attempts in all rounds."),
    (
        "tacit_signer_excluded_total",
        "Rounds that a signer was excluded from.",
    ),
    ("tacit_signatures_total", "Requests that this signer signed."),
    (
        "tacit_refusals_total",
        "Requests that this signer refused, by the code of the refusal.",
    ),
];

/// Serves the figures over HTTP at `address`, for as long as the process lives.
///
/// # Errors
/// If the address cannot be listened on, or figures are served already.
pub fn serve(address: SocketAddr) -> anyhow::Result<()> {
    PrometheusBuilder::new()
        .with_http_listener(address)
        .install()
        .with_context(|| format!("cannot serve metrics at {address}; change `metrics_listen`"))?;
    for (name, text) in GAUGES {
        describe_gauge!(name, text);
    }
    for (name, text) in COUNTERS {
        describe_counter!(name, text);
    }
    tracing::info!(%address, "serving metrics");
    Ok(())
}

/// Reads the node's own answers until it stops.
pub(crate) fn read_until(node: &dyn NodeApi, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        read(node);
        wait(READ_AGAIN, stop);
    }
}

/// A signer signed.
pub(crate) fn signed() {
    counter!("tacit_signatures_total").increment(1);
}

/// A signer refused, with this code.
pub(crate) fn refused(code: u16) {
    counter!("tacit_refusals_total", "code" => code.to_string()).increment(1);
}

#[allow(
    clippy::cast_precision_loss,
    reason = "Prometheus knows no other numbers; 2^53 sat are enough"
)]
fn number(value: u64) -> f64 {
    value as f64
}

fn flag(name: &'static str, is_set: bool) {
    gauge!(name).set(if is_set { 1.0 } else { 0.0 });
}

fn one_of(name: &'static str, states: &[&'static str], now: &str) {
    for state in states {
        gauge!(name, "state" => *state).set(if *state == now { 1.0 } else { 0.0 });
    }
}

fn read(node: &dyn NodeApi) {
    if let Ok(status) = node.status() {
        gauge!("tacit_bitcoin_height").set(f64::from(status.bitcoin_height));
        gauge!("tacit_batch").set(f64::from(status.batch));
        gauge!("tacit_batch_anchored").set(f64::from(status.anchored_batch));
        gauge!("tacit_batches_pending").set(f64::from(status.pending_batches));
        gauge!("tacit_mempool_transfers").set(f64::from(status.mempool));
        let now = match status.sync {
            SyncState::Synced => "synced",
            SyncState::Syncing { .. } => "syncing",
            SyncState::Paused { .. } => "paused",
            SyncState::Halted { .. } => "halted",
        };
        one_of("tacit_sync", &SYNC_STATES, now);
    }
    if let Ok(supply) = node.supply() {
        gauge!("tacit_supply_sat").set(number(supply.supply.to_sat()));
        gauge!("tacit_vault_sat").set(number(supply.vault_amount.to_sat()));
        gauge!("tacit_pending_deposits_sat").set(number(supply.pending_deposits.to_sat()));
        gauge!("tacit_pending_withdrawals_sat").set(number(supply.pending_withdrawals.to_sat()));
        gauge!("tacit_reserves_gap_sat").set(number(supply.gap.to_sat()));
        gauge!("tacit_vault_fault").set(if supply.fault.is_some() { 1.0 } else { 0.0 });
    }
    for (queue, name) in [
        (ForcedQueue::Transfers, "transfers"),
        (ForcedQueue::Deposits, "deposits"),
    ] {
        let range = ForcedRange {
            queue,
            after: None,
            limit: 1,
        };
        if let Ok(page) = node.forced_requests(range) {
            gauge!("tacit_forced_waiting", "queue" => name).set(number(page.waiting));
        }
    }
    // A node without a sequencer has no bridge.
    if let Ok(bridge) = node.bridge_status() {
        read_bridge(&bridge);
    }
}

fn read_bridge(bridge: &BridgeStatus) {
    one_of(
        "tacit_anchor_state",
        &AnchorActivity::STATES,
        &bridge.anchor.state,
    );
    one_of("tacit_vault_state", &VaultActivity::STATES, &bridge.vault.state);
    gauge!("tacit_withdrawals_waiting").set(number(bridge.queue.len() as u64));
    let waiting = bridge.queue.iter().map(|waiting| waiting.amount.to_sat()).sum();
    gauge!("tacit_withdrawals_waiting_sat").set(number(waiting));
    gauge!("tacit_fee_rate_sat_per_kwu").set(f64::from(bridge.fee_rate.sat_per_kwu()));
    flag("tacit_fee_ceiling_reached", bridge.fee_ceiling_reached);
    flag("tacit_in_office", bridge.office.in_office);
    flag("tacit_takeover_possible", bridge.office.reset.is_some());
    gauge!("tacit_epoch").set(f64::from(bridge.epoch.number));
    one_of("tacit_epoch_state", &EpochStatus::STATES, &bridge.epoch.state);
    let Some(federation) = &bridge.federation else {
        return;
    };
    counter!("tacit_rounds_signed_total").absolute(federation.rounds_signed);
    counter!("tacit_rounds_failed_total").absolute(federation.rounds_failed);
    counter!("tacit_round_attempts_total").absolute(federation.attempts);
    let ready = federation.signers.iter().filter(|signer| signer.state == "ready");
    gauge!("tacit_signers_ready").set(number(ready.count() as u64));
    for signer in &federation.signers {
        for state in SignerHealth::STATES {
            let now = if signer.state == state { 1.0 } else { 0.0 };
            gauge!("tacit_signer_state", "signer" => signer.name.clone(), "state" => state).set(now);
        }
        counter!("tacit_signer_excluded_total", "signer" => signer.name.clone()).absolute(signer.excluded);
    }
}

#[cfg(test)]
mod tests;
