//! What a sequencer leaves out: deposits that no batch credits and withdrawals that nobody pays, by name.
//!
//! It is an alarm and no fault. A deposit that was never registered waits for its depositor, a withdrawal may
//! wait for lower fees; whoever is left out for no reason posts a forced request. Specification:
//! `docs/spec/faults.md`.

use anyhow::Context;
use serde::Serialize;
use tacit_protocol::kv::KvRead;
use tacit_verifier::Rules;
use tacit_verifier::chain::table;

/// Batches that may pass somebody by.
pub const OVERDUE_BATCHES: u32 = 3;
/// Blocks that somebody may wait while there are no batches.
pub const OVERDUE_BLOCKS: u32 = 144;
/// Rows read at a time.
const PAGE: usize = 1_024;

/// A deposit or a withdrawal that waits for too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overdue {
    /// `deposit`, or `withdrawal`.
    pub kind: &'static str,
    /// The deposit's outpoint, or the withdrawal's index and transfer.
    pub what: String,
    /// What waits, in satoshi.
    pub amount: u64,
    /// The height at which nothing was in the way any more: it was deep.
    pub since: u32,
    /// Batches anchored since then.
    pub batches: u32,
}

impl Overdue {
    fn is_late(&self, height: u32) -> bool {
        self.batches >= OVERDUE_BATCHES || height.saturating_sub(self.since) >= OVERDUE_BLOCKS
    }
}

/// Everything that waits for too long at `height`; `anchored` are the heights of all batches, ascending.
pub(super) fn overdue(
    rules: &Rules,
    kv: &dyn KvRead,
    height: u32,
    anchored: &[u32],
) -> anyhow::Result<Vec<Overdue>> {
    let depth = u32::from(rules.params().genesis().finality_depth);
    let entry = |kind, what, amount, at: u32| -> anyhow::Result<Overdue> {
        let since = at.saturating_add(depth);
        let later = anchored.iter().filter(|height| **height > since).count();
        let batches = u32::try_from(later).context("there are fewer batches")?;
        Ok(Overdue {
            kind,
            what,
            amount,
            since,
            batches,
        })
    };
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let rows = table::sweeps(kv, from, PAGE)?;
        for (_, swept) in rows
            .iter()
            .filter(|(_, s)| s.credited.is_none() && !s.after_fault)
        {
            let what = swept.outpoint.to_string();
            found.push(entry("deposit", what, swept.credit.to_sat(), swept.height)?);
        }
        from += rows.len() as u64;
        if rows.len() < PAGE {
            break;
        }
    }
    from = 0;
    loop {
        let rows = table::withdrawals(kv, from, PAGE)?;
        for (index, waiting) in rows.iter().filter(|(_, w)| w.paid.is_none()) {
            let what = format!("{index} of transfer {}", waiting.id);
            found.push(entry(
                "withdrawal",
                what,
                waiting.exit.amount().to_sat(),
                waiting.height,
            )?);
        }
        from += rows.len() as u64;
        if rows.len() < PAGE {
            break;
        }
    }
    found.retain(|overdue| overdue.is_late(height));
    Ok(found)
}

#[cfg(test)]
mod tests;
