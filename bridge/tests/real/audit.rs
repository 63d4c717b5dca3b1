//! The money, counted anew from whole blocks: who was paid how often, and what the vault must hold.
//!
//! It shares nothing with the follower: outputs are counted by script over all blocks ([`Tally`]), and amounts
//! are added up from what each vault transaction says of its own rate.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{OutPoint, ScriptBuf};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::regtest::{Moved, Tally};
use tacit_protocol::peg::{DepositTerms, TxInput, VaultTip, WithdrawalView};

use super::setting::vault_keys;

/// What an audit found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) vault_txs: u32,
    pub(crate) payouts: u32,
    pub(crate) sweeps: u32,
    /// Withdrawals paid more than once.
    pub(crate) doubles: u32,
    /// Withdrawals never paid.
    pub(crate) lost: u32,
    /// Height of the payment of each script that was paid.
    pub(crate) heights: BTreeMap<ScriptBuf, u32>,
}

/// Walks all blocks above `from`, where the vault was `start`, and checks that the money adds up.
pub(crate) fn audit(
    client: &dyn BitcoinClient,
    (from, start): (u32, VaultTip),
    owed: &BTreeMap<u64, WithdrawalView>,
    terms: &BTreeMap<ScriptBuf, DepositTerms>,
) -> Found {
    let mut found = Found::default();
    let by_script: BTreeMap<ScriptBuf, &WithdrawalView> = owed
        .values()
        .map(|view| (view.script.to_script_buf(), view))
        .collect();
    assert_eq!(
        by_script.len(),
        owed.len(),
        "every withdrawal has a script of its own"
    );
    let tally = Tally::read(client, from, start.outpoint, None).unwrap();
    let mut balance = start.amount.to_sat();
    let mut swept: Vec<OutPoint> = Vec::new();
    for tx in &tally.vault_txs {
        balance = judge(tx, balance, &by_script);
        swept.extend(Moved::by(tx).unwrap().swept.iter().map(|(outpoint, _)| outpoint));
        for (input, prevout) in tx.tx().input.iter().zip(tx.prevouts()) {
            let announced = swept.contains(&input.previous_output);
            assert_eq!(announced, terms.contains_key(&prevout.script_pubkey));
        }
    }
    found.vault_txs = u32::try_from(tally.vault_txs.len()).unwrap();
    let vault = tally.vault;
    let held = client
        .unspent(&vault, false)
        .unwrap()
        .expect("the vault is there");
    assert_eq!(held.txout.script_pubkey, vault_keys().script_pubkey());
    assert_eq!(held.txout.value.to_sat(), balance, "to the satoshi");
    let once: BTreeSet<OutPoint> = swept.iter().copied().collect();
    assert_eq!(once.len(), swept.len(), "a deposit was swept twice");
    let times: Vec<u32> = by_script.keys().map(|script| tally.times_paid(script)).collect();
    found.payouts = times.iter().sum();
    found.sweeps = u32::try_from(swept.len()).unwrap();
    found.doubles = u32::try_from(times.iter().filter(|times| **times > 1).count()).unwrap();
    found.lost = u32::try_from(times.iter().filter(|times| **times == 0).count()).unwrap();
    let height = |script: &ScriptBuf| Some((script.clone(), *tally.payments(script).first()?));
    found.heights = by_script.keys().filter_map(height).collect();
    found
}

/// The vault after a vault transaction: start + credits − exits, at the rate that it names.
fn judge(tx: &TxInput, before: u64, owed: &BTreeMap<ScriptBuf, &WithdrawalView>) -> u64 {
    let moved = Moved::by(tx).expect("it says what it does");
    let mut exits = 0;
    for output in &tx.tx().output {
        if let Some(view) = owed.get(&output.script_pubkey) {
            let share = moved.rate.payout_share(&view.script).to_sat();
            assert!(share <= view.max_l1_fee.to_sat(), "its limit was not kept");
            assert_eq!(output.value.to_sat(), view.amount.to_sat() - share);
            exits += view.amount.to_sat();
        }
    }
    let (credits, announced) = moved.flows();
    assert_eq!(announced, exits, "every payout is announced");
    before + credits - exits
}
