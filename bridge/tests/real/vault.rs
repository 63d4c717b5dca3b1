//! Vault transactions pass the standard relay policy and the rules that every follower checks.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, OutPoint, ScriptBuf, WPubkeyHash};
use tacit_bridge::signer::LocalSigner;
use tacit_bridge::vault::{
    VaultConfig, VaultOperator, VaultRates, VaultReport, VaultSnapshot, VaultState, VaultView, ViewError,
};
use tacit_protocol::Network;
use tacit_protocol::peg::vault::{DepositCoin, VaultMeta};
use tacit_protocol::peg::{Exit, ExitScript, VaultEffects, WithdrawalView, check_vault_tx};

use super::operated::Operated;
use super::setting::{Setting, federation, key, operator, payee, rate, vault_keys};

/// A signer's view that is one snapshot.
pub(crate) struct View(pub(crate) VaultSnapshot);

impl VaultView for View {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        Ok(self.0.clone())
    }
}

pub(crate) fn withdrawal(tag: u8, sats: u64) -> WithdrawalView {
    let amount = |sats| tacit_protocol::Amount::from_sat(sats).unwrap();
    let script = ExitScript::new(payee(tag)).unwrap();
    let exit = Exit::new(amount(sats), script, amount(5_000), key(tag).public_key()).unwrap();
    WithdrawalView {
        amount: exit.amount(),
        script: exit.script().clone(),
        max_l1_fee: exit.max_l1_fee(),
        deep: true,
        paid: false,
    }
}

pub(crate) fn snapshot(
    setting: &Setting,
    deposits: &[DepositCoin],
    withdrawals: &[(u64, WithdrawalView)],
) -> VaultSnapshot {
    let height = setting.coins.height();
    VaultSnapshot::new(
        height,
        setting.vault,
        vault_keys(),
        deposits.to_vec(),
        withdrawals.to_vec(),
    )
}

fn tend(setting: &mut Setting, snapshot: &VaultSnapshot) -> VaultReport {
    setting.follow();
    let view = Arc::new(View(snapshot.clone()));
    let operator = VaultOperator::new(VaultConfig {
        client: setting.client(),
        journal: setting.journal.clone(),
        signer: Arc::new(LocalSigner::new(Network::Regtest, federation(), view, rate()).unwrap()),
        operator_key: operator(),
        depth: 2,
        bump_after: 2,
        p2a: false,
    });
    operator
        .tend(snapshot, VaultRates::at(rate()), &mut setting.coins)
        .unwrap()
}

/// Mines a block and judges the vault transaction in it as a follower does.
pub(crate) fn mine_and_check(setting: &mut Setting, snapshot: &VaultSnapshot) -> VaultEffects {
    setting.mine(1);
    let tx = setting
        .spender_in_tip(setting.vault.outpoint)
        .expect("it was mined");
    assert_eq!(tx.tx().version.0, 3);
    let effects = check_vault_tx(tx.tx(), tx.prevouts(), snapshot).expect("no fault");
    setting.vault = effects.new_tip;
    effects
}

#[test]
fn a_sweep_with_payouts_is_accepted_mined_and_without_fault() {
    let mut setting = Setting::new();
    let deposits = [setting.deposit(21, 300_000, 0), setting.deposit(22, 50_000, 2)];
    let owed = [(0, withdrawal(31, 80_000)), (2, withdrawal(32, 90_000))];
    let state = snapshot(&setting, &deposits, &owed);
    let report = tend(&mut setting, &state);
    let VaultState::Sent {
        deposits: 2,
        withdrawals: 2,
        ..
    } = report.state
    else {
        panic!("it was sent: {report:?}")
    };
    let effects = mine_and_check(&mut setting, &state);
    assert_eq!((effects.swept.len(), effects.paid.len()), (2, 2));
    let share = rate().payout_share(&owed[0].1.script).to_sat();
    let output = OutPoint {
        txid: effects.new_tip.outpoint.txid,
        vout: effects.paid[0].vout,
    };
    let paid = setting.client().unspent(&output, false).unwrap().unwrap();
    assert_eq!(
        paid.txout.value,
        Amount::from_sat(80_000 - share),
        "exit minus share"
    );
    assert_eq!(paid.txout.script_pubkey, payee(31));
}

#[test]
fn a_vault_transaction_that_a_reorganisation_drops_is_sent_again() {
    let mut setting = Setting::new();
    let owed = [(0, withdrawal(31, 80_000))];
    let (before, state) = (setting.vault, snapshot(&setting, &[], &owed));
    let VaultState::Sent { txid, .. } = tend(&mut setting, &state).state else {
        panic!("sent")
    };
    mine_and_check(&mut setting, &state);

    setting.faucet.reorganise(1).unwrap();
    setting.lose_mempool();
    setting.vault = before;
    let state = snapshot(&setting, &[], &owed);
    assert_eq!(tend(&mut setting, &state).state, VaultState::Resent(txid));
    assert_eq!(tend(&mut setting, &state).state, VaultState::InMempool(txid));
    let effects = mine_and_check(&mut setting, &state);
    assert_eq!(effects.new_tip.outpoint.txid, txid, "the same bytes, paid once");
}

#[test]
fn the_next_transaction_waits_until_the_first_one_is_confirmed() {
    let mut setting = Setting::new();
    let first = snapshot(&setting, &[], &[(0, withdrawal(31, 80_000))]);
    let VaultState::Sent { txid, .. } = tend(&mut setting, &first).state else {
        panic!("sent")
    };
    let owed = [(0, withdrawal(31, 80_000)), (1, withdrawal(32, 70_000))];
    let more = snapshot(&setting, &[], &owed);
    assert_eq!(tend(&mut setting, &more).state, VaultState::InMempool(txid));
    mine_and_check(&mut setting, &first);
    let second = snapshot(&setting, &[], &owed[1..]);
    assert!(matches!(
        tend(&mut setting, &second).state,
        VaultState::Sent { .. }
    ));
    assert_eq!(mine_and_check(&mut setting, &second).paid.len(), 1);
}

#[test]
fn fifty_payouts_fit_one_transaction() {
    let mut setting = Setting::new();
    let owed: Vec<_> = (0..50u8)
        .map(|i| (u64::from(i), withdrawal(100 + i, 30_000 + u64::from(i))))
        .collect();
    let state = snapshot(&setting, &[], &owed);
    assert!(matches!(
        tend(&mut setting, &state).state,
        VaultState::Sent { withdrawals: 50, .. }
    ));
    assert_eq!(mine_and_check(&mut setting, &state).paid.len(), 50);
}

#[test]
fn a_payout_costs_at_most_fifty_virtual_bytes_all_included() {
    let mut chain = Operated::new(Setting::new());
    for i in 0..50u8 {
        chain.owe_to(ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(&[i])), 30_000, 5_000);
    }
    let report = chain.tend(rate());
    assert!(matches!(report.state, VaultState::Sent { withdrawals: 50, .. }));
    chain.mine();
    chain.follow();
    assert_eq!(chain.audit().payouts, 50);
    let client = chain.client();
    let best = client.chain_info().unwrap().best;
    let tx = client.transaction(&chain.follower.tip().outpoint.txid, Some(&best));
    let tx = tx.unwrap().unwrap();
    // The same transaction without payouts: neither the outputs nor their bits.
    let mut bare = tx.clone();
    bare.output.drain(2..2 + 50);
    bare.output[1].script_pubkey = VaultMeta::new(0, rate(), Vec::new()).unwrap().to_script();
    let (whole, payouts) = (tx.vsize(), tx.vsize() - bare.vsize());
    println!(
        "50 payouts to P2WPKH: {whole} vB in all, {payouts} for the payouts, {} each",
        payouts / 50
    );
    assert!(payouts <= 50 * 32, "{payouts}");
    assert!(whole <= 50 * 50, "the frame shared out: {whole}");
}
