//! The money, counted anew from whole blocks: who was paid how often, and what the vault must hold.
//!
//! It shares nothing with the follower: outputs are counted by script over all blocks, and amounts are
//! added up from what each vault transaction says of its own rate.

use std::collections::BTreeMap;

use bitcoin::{OutPoint, ScriptBuf};
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::encoding::Decode;
use tacit_protocol::peg::vault::VaultMeta;
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
    let mut paid: BTreeMap<&ScriptBuf, u32> = BTreeMap::new();
    let mut swept: BTreeMap<OutPoint, u32> = BTreeMap::new();
    let (mut vault, mut balance) = (start.outpoint, start.amount.to_sat());
    for height in from + 1..=client.chain_info().unwrap().height {
        let hash = client.block_hash(height).unwrap().unwrap();
        for tx in client.block(&hash).unwrap().txs {
            for output in &tx.tx().output {
                if let Some((script, _)) = by_script.get_key_value(&output.script_pubkey) {
                    *paid.entry(script).or_default() += 1;
                }
            }
            let spent = tx.tx().input.iter().zip(tx.prevouts());
            for (input, _) in spent.filter(|(_, prevout)| terms.contains_key(&prevout.script_pubkey)) {
                *swept.entry(input.previous_output).or_default() += 1;
            }
            if tx.tx().input[0].previous_output == vault {
                (vault, balance) = judge(&tx, balance, &by_script, terms);
                found.vault_txs += 1;
            }
        }
    }
    let held = client
        .unspent(&vault, false)
        .unwrap()
        .expect("the vault is there");
    assert_eq!(held.txout.script_pubkey, vault_keys().script_pubkey());
    assert_eq!(held.txout.value.to_sat(), balance, "to the satoshi");
    assert!(
        swept.values().all(|times| *times == 1),
        "a deposit was swept twice"
    );
    found.payouts = paid.values().sum();
    found.sweeps = u32::try_from(swept.len()).unwrap();
    found.doubles = u32::try_from(paid.values().filter(|times| **times > 1).count()).unwrap();
    found.lost = u32::try_from(owed.len() - paid.len()).unwrap();
    found
}

/// The vault after a vault transaction: start + credits − exits, at the rate that it names.
fn judge(
    tx: &TxInput,
    before: u64,
    owed: &BTreeMap<ScriptBuf, &WithdrawalView>,
    terms: &BTreeMap<ScriptBuf, DepositTerms>,
) -> (OutPoint, u64) {
    let outputs = &tx.tx().output;
    let meta = VaultMeta::script_bytes(&outputs[1].script_pubkey).unwrap();
    let meta = VaultMeta::decode(meta).unwrap();
    let q = meta.rate();
    let deposits = tx
        .prevouts()
        .iter()
        .filter(|prevout| terms.contains_key(&prevout.script_pubkey));
    let credits: u64 = deposits
        .map(|prevout| prevout.value.to_sat() - q.deposit_share().to_sat())
        .sum();
    let mut exits = 0;
    for output in outputs {
        if let Some(view) = owed.get(&output.script_pubkey) {
            let share = q.payout_share(&view.script).to_sat();
            assert!(share <= view.max_l1_fee.to_sat(), "its limit was not kept");
            assert_eq!(output.value.to_sat(), view.amount.to_sat() - share);
            exits += view.amount.to_sat();
        }
    }
    let txid = tx.txid();
    let after = before + credits - exits;
    (OutPoint { txid, vout: 0 }, after)
}
