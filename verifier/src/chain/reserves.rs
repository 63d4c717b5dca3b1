//! Proof of reserves: what the vault holds against what it owes.
//!
//! Everything the vault owes is on record: the shielded supply, deposits swept and not credited
//! yet, exits applied and not paid yet. What it holds is the vault UTXO. The difference is what the
//! operator put in (the genesis amount, top-ups); it is never negative while the rules hold.

use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::ledger;

use super::{handover, require_tip, table};

/// Rows read at a time.
const PAGE: usize = 1_024;

/// The vault against its liabilities, in satoshi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserves {
    /// What the vault UTXO holds.
    pub vault: u64,
    /// The shielded supply.
    pub supply: u64,
    /// Deposits swept and not credited.
    pub uncredited: u64,
    /// How many of them.
    pub uncredited_count: u64,
    /// Exits applied and not paid.
    pub unpaid: u64,
    /// How many of them.
    pub unpaid_count: u64,
}

impl Reserves {
    /// Everything the vault owes.
    #[must_use]
    pub fn liabilities(&self) -> u64 {
        self.supply
            .saturating_add(self.uncredited)
            .saturating_add(self.unpaid)
    }

    /// What is missing; zero while the vault covers everything.
    #[must_use]
    pub fn gap(&self) -> u64 {
        self.liabilities().saturating_sub(self.vault)
    }
}

/// Adds the vault up.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn reserves(kv: &dyn KvRead) -> Result<Reserves, KvError> {
    let tip = require_tip(table::vault_tip(kv))?.txout;
    // After a fault the tip may be anybody's; only money under the vault's script counts.
    let ours = tip.script_pubkey == handover::epoch(kv)?.keys.script_pubkey();
    let mut reserves = Reserves {
        vault: if ours { tip.value.to_sat() } else { 0 },
        supply: ledger::tip(kv)?.supply.to_sat(),
        uncredited: 0,
        uncredited_count: 0,
        unpaid: 0,
        unpaid_count: 0,
    };
    let mut from = 0;
    loop {
        let rows = table::sweeps(kv, from, PAGE)?;
        for (_, swept) in rows
            .iter()
            .filter(|(_, s)| s.credited.is_none() && !s.after_fault)
        {
            reserves.uncredited = reserves.uncredited.saturating_add(swept.credit.to_sat());
            reserves.uncredited_count += 1;
        }
        from += rows.len() as u64;
        if rows.len() < PAGE {
            break;
        }
    }
    from = 0;
    loop {
        let rows = table::withdrawals(kv, from, PAGE)?;
        for (_, withdrawal) in rows.iter().filter(|(_, w)| w.paid.is_none()) {
            reserves.unpaid = reserves.unpaid.saturating_add(withdrawal.exit.amount().to_sat());
            reserves.unpaid_count += 1;
        }
        from += rows.len() as u64;
        if rows.len() < PAGE {
            return Ok(reserves);
        }
    }
}
