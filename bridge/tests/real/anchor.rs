//! Commit and reveal pass the standard relay policy, and come back whatever the node forgets.

use std::sync::Arc;

use bitcoin::{Amount, OutPoint, TxOut};
use tacit_bridge::publisher::{AnchorState, Publisher, PublisherConfig};
use tacit_protocol::envelope::MAX_PAYLOAD;
use tacit_protocol::peg::{AnchorOutcome, AnchorStep, AnchorTip, FeeRate, classify_anchor_spend};

use super::operated::{Operated, per_vb};
use super::setting::{Setting, anchor_keys, key, operator, rate};
use super::storm::fill_mempool;

fn publisher(setting: &Setting) -> Publisher {
    Publisher::new(PublisherConfig {
        client: setting.client(),
        journal: setting.journal.clone(),
        anchor_key: Arc::new(key(2)),
        operator_key: operator(),
        depth: 2,
        bump_after: 2,
    })
}

/// Bytes that do not compress and hold every value.
fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 255).to_le_bytes()[0]).collect()
}

/// Publishes on the setting's anchor and returns the reveal's identifier.
fn publish(setting: &mut Setting, payload: &[u8]) -> bitcoin::Txid {
    let (tip, height) = (setting.anchor.clone(), setting.coins.height());
    let publisher = publisher(setting);
    let report = publisher
        .publish(
            &tip,
            &AnchorStep::within(anchor_keys()),
            payload,
            height,
            rate(),
            &mut setting.coins,
        )
        .unwrap();
    assert_eq!(report.state, AnchorState::Sent, "both transactions were accepted");
    report.reveal
}

/// Looks after the one anchor that is on its way.
fn tend(setting: &mut Setting, rate: FeeRate) -> AnchorState {
    tend_all(setting, rate).remove(0)
}

/// Looks after all anchors that are not forgotten yet.
fn tend_all(setting: &mut Setting, rate: FeeRate) -> Vec<AnchorState> {
    setting.follow();
    let (tip, height) = (setting.anchor.outpoint, setting.coins.height());
    let reports = publisher(setting)
        .tend(tip, height, rate, &mut setting.coins)
        .unwrap();
    reports.into_iter().map(|report| report.state).collect()
}

/// Mines a block and checks that it carries `payload` on the setting's anchor.
fn mine_and_read(setting: &mut Setting, payload: &[u8]) {
    setting.mine(1);
    read_in_tip(setting, payload);
}

/// Checks that the last block carries `payload` on the setting's anchor.
fn read_in_tip(setting: &mut Setting, payload: &[u8]) {
    let tip = setting.anchor.outpoint;
    let tx = setting.spender_in_tip(tip).expect("the reveal was mined");
    let script = anchor_keys().script_pubkey();
    let spend = classify_anchor_spend(tx.tx(), tx.prevouts(), tip, &script).unwrap();
    assert_eq!(spend.outcome, AnchorOutcome::Payload(payload.to_vec()));
    let AnchorTip { outpoint, txout } = spend.tip;
    setting.anchor = AnchorTip { outpoint, txout };
}

#[test]
fn payloads_small_and_large_are_accepted_and_mined_one_after_the_other() {
    let mut setting = Setting::new();
    for len in [300, 200_000, MAX_PAYLOAD] {
        let payload = payload(len);
        let reveal = publish(&mut setting, &payload);
        let found = setting
            .client()
            .mempool_entry(&reveal)
            .unwrap()
            .expect("it was relayed");
        // A witness byte is a quarter of a virtual byte, and 390,000 of them are all but the standard limit.
        assert!(
            (len as u64 / 4..len as u64 / 4 + 1_600).contains(&found.vsize),
            "{found:?}"
        );
        mine_and_read(&mut setting, &payload);
    }
    // Entries stand in the order of the tips that they spend, which is anybody's guess.
    let states = tend_all(&mut setting, rate());
    let buried = states.iter().filter(|state| **state == AnchorState::Buried);
    assert_eq!(
        (buried.count(), states.len()),
        (1, 3),
        "the first of the three: {states:?}"
    );
    let states = tend_all(&mut setting, rate());
    assert!(matches!(
        states[..],
        [AnchorState::Confirmed(_), AnchorState::Confirmed(_)]
    ));
}

#[test]
fn an_anchor_that_a_reorganisation_drops_is_sent_again_and_mined() {
    let mut setting = Setting::new();
    let payload = payload(300);
    let first = setting.anchor.clone();
    let reveal = publish(&mut setting, &payload);
    mine_and_read(&mut setting, &payload);
    assert_eq!(
        setting.anchor.outpoint,
        OutPoint {
            txid: reveal,
            vout: 0
        }
    );

    setting.faucet.reorganise(1).unwrap();
    setting.lose_mempool();
    setting.anchor = first;
    assert_eq!(tend(&mut setting, rate()), AnchorState::Sent);
    assert_eq!(tend(&mut setting, rate()), AnchorState::InMempool);
    mine_and_read(&mut setting, &payload);
    assert_eq!(setting.anchor.outpoint.txid, reveal, "the same bytes");
}

#[test]
fn an_anchor_whose_coin_was_double_spent_gets_a_new_commit() {
    let mut setting = Setting::new();
    // The largest coin of the operator, which the commit will take, and the payment's rival.
    let coin = TxOut {
        value: Amount::ONE_BTC,
        script_pubkey: operator().output_script(),
    };
    let elsewhere = TxOut {
        value: Amount::ONE_BTC,
        script_pubkey: key(9).output_script(),
    };
    let paid = setting.faucet.build(vec![coin]).unwrap();
    let rival = setting.faucet.build(vec![elsewhere]).unwrap();
    assert_eq!(paid.input[0].previous_output, rival.input[0].previous_output);
    setting.client().send(&paid).unwrap();
    setting.mine(1);
    let payload = payload(300);
    let reveal = publish(&mut setting, &payload);

    setting.faucet.reorganise(1).unwrap();
    setting.lose_mempool();
    setting.client().send(&rival).unwrap();
    setting.mine(1);
    assert_eq!(tend(&mut setting, rate()), AnchorState::Replanned);
    mine_and_read(&mut setting, &payload);
    assert_ne!(setting.anchor.outpoint.txid, reveal);
}

#[test]
fn a_late_reveal_is_replaced_by_one_that_pays_more() {
    let mut setting = Setting::new();
    let payload = payload(20_000);
    let reveal = publish(&mut setting, &payload);
    for _ in 0..2 {
        setting.faucet.mine_only(&[]).unwrap();
    }
    assert_eq!(
        tend(&mut setting, FeeRate::from_sat_per_kwu(6_000)),
        AnchorState::Bumped
    );
    assert!(
        setting.client().mempool_entry(&reveal).unwrap().is_none(),
        "the old one is gone"
    );
    mine_and_read(&mut setting, &payload);
    assert_ne!(setting.anchor.outpoint.txid, reveal);
}

#[test]
fn an_anchor_that_a_full_mempool_threw_out_comes_back_as_a_package_that_pays_more() {
    let mut chain = Operated::new(Setting::with(&[10_000_000; 2], &["-maxmempool=5"]));
    let payload = payload(20_000);
    let (tip, height) = (chain.setting.anchor.clone(), chain.setting.coins.height());
    let anchors = publisher(&chain.setting);
    let report = anchors
        .publish(
            &tip,
            &AnchorStep::within(anchor_keys()),
            &payload,
            height,
            per_vb(1),
            &mut chain.setting.coins,
        )
        .unwrap();
    assert_eq!(report.state, AnchorState::Sent);
    fill_mempool(&mut chain);
    for txid in [report.commit, report.reveal] {
        assert_eq!(chain.client().mempool_entry(&txid).unwrap(), None, "thrown out");
    }
    // The same bytes are refused, and the commit is too cheap on its own at any rate of the reveal's.
    let again = tend(&mut chain.setting, per_vb(1));
    assert!(
        matches!(&again, AnchorState::Stuck(reason) if reason.contains("min fee")),
        "{again:?}"
    );
    assert_eq!(tend(&mut chain.setting, per_vb(150)), AnchorState::Bumped);
    let commit = chain.client().mempool_entry(&report.commit).unwrap();
    let commit = commit.expect("the old commit is in the mempool again");
    assert!(
        commit.fee.to_sat() < 5 * commit.vsize,
        "at its old rate: {commit:?}"
    );
    assert_eq!(
        chain.client().mempool_entry(&report.reveal).unwrap(),
        None,
        "the reveal is another one"
    );
    chain.mine();
    read_in_tip(&mut chain.setting, &payload);
    while !matches!(tend(&mut chain.setting, per_vb(150)), AnchorState::Buried) {
        chain.mine_raw(&[]);
    }
    assert_eq!(
        chain.setting.coins.balance(),
        chain
            .setting
            .coins
            .spendable()
            .iter()
            .map(|coin| coin.txout.value)
            .sum::<Amount>(),
        "no coin is lost"
    );
}
