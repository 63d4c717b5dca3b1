//! Commit and reveal pass the standard relay policy, and come back whatever the node forgets.

use std::sync::Arc;

use bitcoin::{Amount, OutPoint, TxOut};
use tacit_bridge::publisher::{AnchorState, Publisher, PublisherConfig};
use tacit_protocol::peg::{AnchorOutcome, AnchorStep, AnchorTip, FeeRate, classify_anchor_spend};

use super::setting::{Setting, anchor_keys, key, operator, rate};

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

fn tend(setting: &mut Setting, rate: FeeRate) -> AnchorState {
    setting.follow();
    let (tip, height) = (setting.anchor.outpoint, setting.coins.height());
    let reports = publisher(setting)
        .tend(tip, height, rate, &mut setting.coins)
        .unwrap();
    reports[0].state.clone()
}

/// Mines a block and checks that it carries `payload` on the setting's anchor.
fn mine_and_read(setting: &mut Setting, payload: &[u8]) {
    setting.mine(1);
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
    for len in [300, 200_000] {
        let payload = payload(len);
        publish(&mut setting, &payload);
        mine_and_read(&mut setting, &payload);
    }
    assert!(matches!(tend(&mut setting, rate()), AnchorState::Confirmed(_)));
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
