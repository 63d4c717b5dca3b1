//! What payees and strangers can hang on a vault transaction, and what it changes for us: nothing.
//!
//! Vault transactions are TRUC (version 3): the node lets one small child hang on an unconfirmed one,
//! and no more. So nobody can make its replacement dear by fat or long chains of descendants.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::script::PushBytes;
use bitcoin::{Amount, ScriptBuf, Transaction, TxOut, Txid, WPubkeyHash};
use tacit_bridge::client::ClientError;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::vault::VaultState;

use super::operated::{Away, DEPTH, Operated, per_vb};
use super::setting::{Setting, key, operator};
use super::spend::{Spent, spend, spend_all};
use super::storm::fill_mempool;

/// The largest child of a TRUC transaction, in virtual bytes.
const TRUC_CHILD: usize = 1_000;

/// Where the payout of the first withdrawal stands.
const PAYOUT: u32 = 2;

/// A vault transaction in the mempool that pays the keys of tags 31 and 32 at 2 sat/vB.
fn with_payouts(p2a: bool) -> (Operated, Transaction) {
    let mut chain = Operated::new(Setting::new());
    chain.p2a = p2a;
    chain.owe(31, 300_000, 5_000);
    chain.owe(32, 300_000, 5_000);
    let report = chain.tend(per_vb(2));
    assert!(matches!(report.state, VaultState::Sent { .. }), "{report:?}");
    let tx = chain.pending().unwrap();
    (chain, tx)
}

fn in_mempool(chain: &Operated, txid: &Txid) -> bool {
    chain.client().mempool_entry(txid).unwrap().is_some()
}

/// Asserts that the node refuses a transaction, with these words among others.
fn refused(chain: &Operated, tx: &Transaction, words: &str) {
    let verdict = chain.client().send(tx);
    assert!(
        matches!(&verdict, Err(ClientError::Rejected { reason, .. }) if reason.contains(words)),
        "expected {words:?}: {verdict:?}"
    );
}

/// Where children pay to: the payees' own scripts are counted.
fn elsewhere() -> SigningKey {
    key(61)
}

/// A child of a payout of exactly this many virtual bytes.
fn fat_child(parent: &Transaction, payee: &SigningKey, vsize: usize, fee: u64) -> Transaction {
    let spent = || [Spent::of(parent, PAYOUT, Some(payee))];
    let small = ScriptBuf::new_p2wpkh(&WPubkeyHash::hash(b"padding"));
    let build = |padding: ScriptBuf| {
        let output = |sats, script_pubkey| TxOut {
            value: Amount::from_sat(sats),
            script_pubkey,
        };
        let mut outputs = vec![output(600, small.clone()); (vsize - 135) / 31];
        outputs.push(output(0, padding));
        let held = spent()[0].txout.value.to_sat();
        let given: u64 = outputs.iter().map(|output| output.value.to_sat()).sum();
        outputs.push(output(held - given - fee, elsewhere().output_script()));
        spend(3, &spent(), outputs)
    };
    let op_return = |len: usize| {
        let data: &PushBytes = (&[7; 75][..len]).try_into().unwrap();
        ScriptBuf::new_op_return(data)
    };
    let tx = build(op_return(1 + vsize - build(op_return(1)).vsize()));
    assert_eq!(tx.vsize(), vsize);
    tx
}

/// The vault transaction is replaced by one that pays 20 sat/vB, whatever hangs on the old one.
fn replaced(chain: &mut Operated, old: &Transaction) -> Transaction {
    chain.let_wait();
    let report = chain.tend(per_vb(20));
    let VaultState::Bumped { txid, replaced } = report.state else {
        panic!("expected a replacement: {report:?}")
    };
    assert_eq!(replaced, old.compute_txid());
    let new = chain.pending().unwrap();
    assert_eq!(new.compute_txid(), txid);
    new
}

/// Everybody is paid, and the next vault transaction follows in the next block.
fn next_one_confirms(chain: &mut Operated) {
    chain.mine();
    chain.follow();
    chain.owe(33, 40_000, 5_000);
    let report = chain.tend(per_vb(2));
    let VaultState::Sent { txid, .. } = report.state else {
        panic!("expected the next one: {report:?}")
    };
    chain.mine();
    chain.follow();
    assert_eq!(chain.follower.tip().outpoint.txid, txid);
    assert_eq!(chain.audit().payouts, 3);
}

/// A transaction of one key-path input that takes a whole output.
fn take(version: i32, parent: &Transaction, vout: u32, key: &SigningKey, fee: u64) -> Transaction {
    let spent = Spent::of(parent, vout, Some(key));
    spend_all(version, &[spent], elsewhere().output_script(), fee)
}

#[test]
fn a_payees_fattest_child_does_not_keep_the_vault_transaction_from_being_replaced() {
    let (mut chain, tx) = with_payouts(false);
    let payee = key(31);
    refused(
        &chain,
        &fat_child(&tx, &payee, TRUC_CHILD + 1, 10_000),
        "is too big: 1001 > 1000 virtual bytes",
    );
    refused(
        &chain,
        &take(2, &tx, PAYOUT, &payee, 2_000),
        "cannot spend from version=3",
    );
    // It pays 12 sat/vB, six times what its parent does: together they are still below the rate wanted,
    // and above what a replacement at that rate would pay.
    let child = fat_child(&tx, &payee, TRUC_CHILD, 12_000);
    chain.client().send(&child).unwrap();
    let new = replaced(&mut chain, &tx);
    assert!(!in_mempool(&chain, &child.compute_txid()), "its parent is gone");
    let fee = chain
        .client()
        .mempool_entry(&new.compute_txid())
        .unwrap()
        .unwrap()
        .fee;
    let outbid = 12_000 + new.vsize() as u64;
    assert!(fee.to_sat() > outbid && fee.to_sat() < outbid + 2_000, "{fee}");
    next_one_confirms(&mut chain);
}

#[test]
fn a_child_that_pays_for_the_vault_transaction_is_welcome() {
    let (mut chain, tx) = with_payouts(false);
    let child = fat_child(&tx, &key(31), TRUC_CHILD, 40_000);
    chain.client().send(&child).unwrap();
    chain.let_wait();
    assert_eq!(
        chain.tend(per_vb(20)).state,
        VaultState::InMempool(tx.compute_txid()),
        "somebody else pays 30 sat/vB for it"
    );
    next_one_confirms(&mut chain);
}

#[test]
fn chains_of_children_are_refused_and_confirmed_ones_change_nothing() {
    let (mut chain, tx) = with_payouts(false);
    let (first, second) = (key(31), key(32));
    let child = take(3, &tx, PAYOUT, &first, 2_000);
    chain.client().send(&child).unwrap();
    let grandchild = take(3, &child, 0, &elsewhere(), 2_000);
    refused(&chain, &grandchild, "would have too many ancestors");
    // The other payee's child takes the place of the first one, if it pays more; there is one at a time.
    let other = take(3, &tx, PAYOUT + 1, &second, 1_000);
    refused(&chain, &other, "insufficient fee");
    let other = take(3, &tx, PAYOUT + 1, &second, 6_000);
    chain.client().send(&other).unwrap();
    assert!(!in_mempool(&chain, &child.compute_txid()));
    // Once the vault transaction is confirmed they may chain as they like: they hang on payouts only.
    chain.mine_raw(std::slice::from_ref(&tx));
    chain.follow();
    let mut last = take(2, &tx, PAYOUT, &first, 5_000);
    for _ in 0..10 {
        chain.client().send(&last).unwrap();
        last = take(2, &last, 0, &elsewhere(), 5_000);
    }
    chain.owe(33, 40_000, 5_000);
    let report = chain.tend(per_vb(2));
    let VaultState::Sent { txid, .. } = report.state else {
        panic!("expected the next one: {report:?}")
    };
    let next = chain.pending().unwrap();
    chain.mine_raw(&[next]);
    chain.follow();
    assert_eq!(
        chain.follower.tip().outpoint.txid,
        txid,
        "without any of their children"
    );
    chain.mine();
    assert_eq!(chain.audit().payouts, 3);
}

#[test]
fn nothing_of_ours_hangs_on_an_unconfirmed_vault_transaction() {
    let (mut chain, tx) = with_payouts(false);
    let txid = tx.compute_txid();
    chain.owe(33, 40_000, 5_000);
    assert_eq!(
        chain.tend(per_vb(2)).state,
        VaultState::InMempool(txid),
        "it waits"
    );
    let mut spendable = chain.setting.coins.spendable().into_iter();
    assert!(
        spendable.all(|coin| coin.outpoint.txid != txid),
        "nor is its change offered"
    );
    // What would hang on it in third place the node refuses.
    let child = take(
        3,
        &tx,
        u32::try_from(tx.output.len()).unwrap() - 1,
        &operator(),
        2_000,
    );
    chain.client().send(&child).unwrap();
    refused(
        &chain,
        &take(3, &child, 0, &elsewhere(), 2_000),
        "would have too many ancestors",
    );
    chain.mine();
    let report = chain.tend(per_vb(2));
    assert!(
        matches!(report.state, VaultState::Sent { withdrawals: 1, .. }),
        "{report:?}"
    );
    chain.mine();
    chain.follow();
    assert_eq!(chain.audit().payouts, 3);
}

/// The place of the pay-to-anchor output: behind two payouts.
const ANCHOR: u32 = 4;

/// A stranger's child of the pay-to-anchor output.
fn strangers_child(chain: &mut Operated, tx: &Transaction, fee: u64) -> Transaction {
    let stranger = key(60);
    let coin = TxOut {
        value: Amount::from_sat(100_000),
        script_pubkey: stranger.output_script(),
    };
    let funding = chain.setting.faucet.build(vec![coin]).unwrap();
    chain.mine_raw(std::slice::from_ref(&funding));
    let spent = [
        Spent::of(tx, ANCHOR, None),
        Spent::of(&funding, 0, Some(&stranger)),
    ];
    spend_all(3, &spent, stranger.output_script(), fee)
}

#[test]
fn a_stranger_who_spends_the_pay_to_anchor_output_changes_nothing_for_us() {
    let (mut chain, tx) = with_payouts(true);
    assert_eq!(tx.output[ANCHOR as usize].script_pubkey, ScriptBuf::new_p2a());
    let child = strangers_child(&mut chain, &tx, 3_000);
    chain.client().send(&child).unwrap();
    let new = replaced(&mut chain, &tx);
    assert!(!in_mempool(&chain, &child.compute_txid()));
    let again = strangers_child(&mut chain, &new, 3_000);
    chain.client().send(&again).unwrap();
    next_one_confirms(&mut chain);
}

/// What the operator reports of a child that it made while the signers are away.
fn lifted(chain: &mut Operated, rate: u32) -> (Txid, Txid) {
    let report = chain.tend_with(Some(Arc::new(Away)), per_vb(rate)).unwrap();
    let VaultState::Lifted { txid, child } = report.state else {
        panic!("expected a child: {report:?}")
    };
    (txid, child)
}

#[test]
fn the_operator_alone_raises_the_fee_by_a_child_that_outbids_a_strangers() {
    let (mut chain, tx) = with_payouts(true);
    let parent = tx.compute_txid();
    chain.let_wait();
    let (txid, first) = lifted(&mut chain, 10);
    assert_eq!(txid, parent);
    let family = chain.client().mempool_entry(&parent).unwrap().unwrap();
    let wanted = per_vb(10).fee(u32::try_from(family.family_vsize * 4).unwrap());
    assert!(family.family_fee.to_sat().abs_diff(wanted) < 50, "{family:?}");
    assert_eq!(
        chain.tend_with(Some(Arc::new(Away)), per_vb(10)).unwrap().state,
        VaultState::InMempool(parent),
        "that is enough"
    );
    // A stranger takes the output at a higher fee, and too low a rate still.
    let fee = family.family_fee.to_sat() + 1_000;
    let theirs = strangers_child(&mut chain, &tx, fee);
    chain.client().send(&theirs).unwrap();
    assert!(!in_mempool(&chain, &first));
    chain.let_wait();
    let (_, second) = lifted(&mut chain, 60);
    assert!(in_mempool(&chain, &second) && !in_mempool(&chain, &theirs.compute_txid()));
    chain.mine();
    chain.follow();
    assert_eq!(chain.follower.tip().outpoint.txid, parent);
    (0..DEPTH).for_each(|_| chain.mine());
    chain.tend(per_vb(2));
    chain.assert_all_coins_free();
    assert_eq!(chain.audit().payouts, 2);
}

#[test]
fn a_vault_transaction_below_the_mempools_minimum_gets_in_with_a_child() {
    let mut chain = Operated::new(Setting::with(&[10_000_000, 10_000_000], &["-maxmempool=5"]));
    chain.p2a = true;
    chain.owe(31, 300_000, 5_000);
    let report = chain.tend(per_vb(1));
    let VaultState::Sent { txid, .. } = report.state else {
        panic!("expected a sent transaction: {report:?}")
    };
    fill_mempool(&mut chain);
    assert!(!in_mempool(&chain, &txid), "it was thrown out");
    assert_eq!(lifted(&mut chain, 100).0, txid);
    assert!(in_mempool(&chain, &txid));
    chain.mine();
    chain.follow();
    assert_eq!(chain.follower.tip().outpoint.txid, txid);
    assert_eq!(chain.audit().payouts, 1);
}
