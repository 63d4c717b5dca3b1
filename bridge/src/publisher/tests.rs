//! Anchors survive crashes, evictions, reorganisations, fee storms and rivals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction};
use tacit_protocol::peg::{AnchorOutcome, AnchorStep, FeeRate, classify_anchor_spend};

use super::{AnchorReport, AnchorState, PREFIX, PublishError, Publisher, PublisherConfig, Step};
use crate::client::{BitcoinClient, ClientError};
use crate::fixture::{World, anchor_key, anchor_keys, first_output, operator, rate};
use crate::journal::Journal;

fn config(world: &World) -> PublisherConfig {
    PublisherConfig {
        client: world.chain.clone(),
        journal: world.journal.clone(),
        anchor_key: Arc::new(anchor_key()),
        operator_key: Arc::new(operator()),
        depth: 2,
        bump_after: 3,
    }
}

fn step() -> AnchorStep {
    AnchorStep::within(anchor_keys())
}

fn publisher(world: &World) -> Publisher {
    Publisher::new(config(world))
}

fn publish(world: &mut World, payload: &[u8]) -> AnchorReport {
    let (tip, height) = (world.anchor_tip.clone(), world.coins.height());
    publisher(world)
        .publish(&tip, &step(), payload, height, rate(), &mut world.coins)
        .unwrap()
}

/// One look at everything in flight, with the tip at `tip`.
fn tend(world: &mut World, tip: OutPoint, rate: FeeRate) -> Vec<AnchorReport> {
    world.follow();
    let height = world.coins.height();
    publisher(world)
        .tend(tip, height, rate, &mut world.coins)
        .unwrap()
}

fn mempool(world: &World, report: &AnchorReport) -> Option<(Transaction, Transaction)> {
    let get = |txid| world.chain.transaction(txid, None).unwrap();
    get(&report.commit).zip(get(&report.reveal))
}

#[test]
fn a_payload_becomes_a_commit_and_a_reveal() {
    let mut world = World::new();
    let report = publish(&mut world, b"payload");
    assert_eq!(report.state, AnchorState::Sent);
    let (commit, reveal) = mempool(&world, &report).unwrap();
    let prevouts = [world.anchor_tip.txout.clone(), commit.output[0].clone()];
    let script = anchor_keys().script_pubkey();
    let spend = classify_anchor_spend(&reveal, &prevouts, world.anchor_tip.outpoint, &script).unwrap();
    assert_eq!(spend.outcome, AnchorOutcome::Payload(b"payload".to_vec()));
}

#[test]
fn the_same_tip_sends_the_same_bytes_and_refuses_others() {
    let mut world = World::new();
    let first = publish(&mut world, b"payload");
    let again = publish(&mut world, b"payload");
    assert_eq!((again.commit, again.reveal), (first.commit, first.reveal));
    let (tip, height) = (world.anchor_tip.clone(), world.coins.height());
    let other = publisher(&world).publish(&tip, &step(), b"another", height, rate(), &mut world.coins);
    assert_eq!(other, Err(PublishError::OtherPayload(tip.outpoint)));
    let kept = publisher(&world).payload_in_flight(&tip.outpoint).unwrap();
    assert_eq!(kept, Some(b"payload".to_vec()));
}

#[test]
fn a_foreign_tip_is_refused() {
    let mut world = World::new();
    world.anchor_tip.txout.script_pubkey = operator().output_script();
    let (tip, height) = (world.anchor_tip.clone(), world.coins.height());
    let refused = publisher(&world).publish(&tip, &step(), b"payload", height, rate(), &mut world.coins);
    assert_eq!(refused, Err(PublishError::ForeignTip(tip.outpoint)));
    assert!(
        world.journal.list(PREFIX).unwrap().is_empty(),
        "nothing is written down"
    );
}

#[test]
fn a_crash_before_the_first_byte_is_sent_loses_nothing() {
    let mut world = World::new();
    let down = ClientError::Starting("down".to_owned());
    world.chain.fail(Some(down.clone()));
    let (tip, height) = (world.anchor_tip.clone(), world.coins.height());
    let failed = publisher(&world).publish(&tip, &step(), b"payload", height, rate(), &mut world.coins);
    assert_eq!(failed, Err(PublishError::Client(down)));
    world.chain.fail(None);
    let reports = tend(&mut world, tip.outpoint, rate());
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].state, AnchorState::Sent);
    assert!(mempool(&world, &reports[0]).is_some());
}

#[test]
fn steps_are_observed_in_order_and_the_journal_comes_first() {
    let mut world = World::new();
    let journalled = Arc::new(AtomicBool::new(false));
    let (seen, journal, chain) = (journalled.clone(), world.journal.clone(), world.chain.clone());
    let observer = move |step| match step {
        Step::Journalled => {
            assert_eq!(journal.list(PREFIX).unwrap().len(), 1);
            assert_eq!(chain.mempool_info().unwrap().count, 0, "nothing was sent yet");
            seen.store(true, Ordering::SeqCst);
        }
        Step::CommitSent => assert_eq!(chain.mempool_info().unwrap().count, 1),
        Step::RevealSent => assert_eq!(chain.mempool_info().unwrap().count, 2),
    };
    let (tip, height) = (world.anchor_tip.clone(), world.coins.height());
    let publisher = Publisher::new(config(&world)).with_observer(Box::new(observer));
    publisher
        .publish(&tip, &step(), b"payload", height, rate(), &mut world.coins)
        .unwrap();
    assert!(journalled.load(Ordering::SeqCst));
}

#[test]
fn what_falls_out_of_the_mempool_is_sent_again() {
    let mut world = World::new();
    let sent = publish(&mut world, b"payload");
    let tip = world.anchor_tip.outpoint;
    assert_eq!(tend(&mut world, tip, rate())[0].state, AnchorState::InMempool);
    world.chain.evict();
    let again = tend(&mut world, tip, rate()).remove(0);
    assert_eq!(
        again,
        AnchorReport {
            state: AnchorState::Sent,
            ..sent
        }
    );
}

#[test]
fn a_confirmed_anchor_is_kept_until_it_is_buried_and_comes_back_after_a_reorganisation() {
    let mut world = World::new();
    let sent = publish(&mut world, b"payload");
    let (old, new) = (world.anchor_tip.outpoint, first_output(sent.reveal));
    world.chain.mine(1);
    assert_eq!(tend(&mut world, new, rate())[0].state, AnchorState::Confirmed(2));
    world.chain.disconnect(1, false);
    world.chain.mine_empty(2);
    let back = tend(&mut world, old, rate()).remove(0);
    assert_eq!(
        back,
        AnchorReport {
            state: AnchorState::Sent,
            ..sent.clone()
        },
        "the same bytes"
    );
    world.chain.mine(1);
    assert_eq!(tend(&mut world, new, rate())[0].state, AnchorState::Confirmed(4));
    world.chain.mine(2);
    assert_eq!(tend(&mut world, new, rate())[0].state, AnchorState::Buried);
    assert!(tend(&mut world, new, rate()).is_empty());
    assert!(world.journal.list(PREFIX).unwrap().is_empty());
}

#[test]
fn a_node_ahead_of_the_state_is_not_sent_a_second_anchor() {
    let mut world = World::new();
    publish(&mut world, b"payload");
    world.chain.mine(1);
    let tip = world.anchor_tip.outpoint;
    assert_eq!(tend(&mut world, tip, rate())[0].state, AnchorState::Confirmed(2));
    assert_eq!(world.chain.mempool_info().unwrap().count, 0);
}

#[test]
fn an_anchor_that_the_next_one_stands_on_was_not_beaten() {
    let mut world = World::new();
    let first = publish(&mut world, b"first");
    world.chain.mine(1);
    world.follow();
    world.anchor_tip.outpoint = first_output(first.reveal);
    let second = publish(&mut world, b"second");
    world.chain.mine(1);
    for report in tend(&mut world, first_output(second.reveal), rate()) {
        assert!(matches!(report.state, AnchorState::Confirmed(_)), "{report:?}");
    }
}

#[test]
fn a_vanished_coin_leads_to_a_new_commit_of_the_same_payload() {
    let mut world = World::new();
    let sent = publish(&mut world, b"payload");
    let (commit, _) = mempool(&world, &sent).unwrap();
    world.chain.forget(&commit.input[0].previous_output);
    let tip = world.anchor_tip.outpoint;
    // The book has to learn of it as well: a reorganisation below its scan.
    world.coins = crate::coins::CoinBook::scan(world.chain.as_ref(), operator().output_script()).unwrap();
    publisher(&world).resume(&mut world.coins).unwrap();
    let planned = tend(&mut world, tip, rate()).remove(0);
    assert_eq!(planned.state, AnchorState::Replanned);
    assert_ne!(planned.commit, sent.commit);
    let kept = publisher(&world).payload_in_flight(&tip).unwrap();
    assert_eq!(kept, Some(b"payload".to_vec()));
    assert_eq!(tend(&mut world, tip, rate())[0].state, AnchorState::InMempool);
}

#[test]
fn a_rival_in_the_mempool_or_in_a_block_is_reported() {
    let mut world = World::new();
    let sent = publish(&mut world, b"payload");
    let (_, mut rival) = mempool(&world, &sent).unwrap();
    world.chain.evict();
    // It pays more than our reveal, which therefore does not replace it.
    let money = world.chain.pay(&ScriptBuf::new(), Amount::from_sat(50_000));
    rival.input[1].previous_output = money;
    world.chain.send(&rival).unwrap();
    let tip = world.anchor_tip.outpoint;
    let contested = AnchorState::Contested(rival.compute_txid());
    assert_eq!(tend(&mut world, tip, rate())[0].state, contested);
    world.chain.mine(1);
    let beaten = tend(&mut world, first_output(rival.compute_txid()), rate());
    assert_eq!(beaten[0].state, AnchorState::Beaten(2));
}

#[test]
fn a_late_reveal_is_bumped_alone_once_rates_have_risen() {
    let mut world = World::new();
    let sent = publish(&mut world, b"payload");
    let (tip, high) = (world.anchor_tip.outpoint, FeeRate::from_sat_per_kwu(4_000));
    assert_eq!(
        tend(&mut world, tip, high)[0].state,
        AnchorState::InMempool,
        "not late yet"
    );
    world.chain.mine_empty(3);
    assert_eq!(
        tend(&mut world, tip, rate())[0].state,
        AnchorState::InMempool,
        "rates are the same"
    );
    let bumped = tend(&mut world, tip, high).remove(0);
    assert_eq!(
        (&bumped.state, bumped.commit),
        (&AnchorState::Bumped, sent.commit)
    );
    assert_ne!(bumped.reveal, sent.reveal);
    let (_, reveal) = mempool(&world, &bumped).unwrap();
    assert!(reveal.input.len() > 2, "more of the operator's coins pay");
    let reserved = world.coins.spendable();
    assert!(
        reveal.input[2..]
            .iter()
            .all(|i| reserved.iter().all(|c| c.outpoint != i.previous_output))
    );
    world.chain.mine(1);
    assert!(matches!(
        tend(&mut world, first_output(bumped.reveal), high)[0].state,
        AnchorState::Confirmed(_)
    ));
}

#[test]
fn an_older_reveal_that_confirms_counts_too() {
    let mut world = World::new();
    let sent = publish(&mut world, b"payload");
    let (_, first) = mempool(&world, &sent).unwrap();
    let tip = world.anchor_tip.outpoint;
    world.chain.mine_empty(3);
    let bumped = tend(&mut world, tip, FeeRate::from_sat_per_kwu(4_000)).remove(0);
    let (commit, _) = mempool(&world, &bumped).unwrap();
    world.chain.evict();
    world.chain.send(&commit).unwrap();
    world.chain.send(&first).unwrap();
    world.chain.mine(1);
    let settled = tend(&mut world, first_output(sent.reveal), rate()).remove(0);
    assert!(matches!(settled.state, AnchorState::Confirmed(_)));
}

#[test]
fn an_anchor_too_cheap_for_a_fee_storm_is_bumped_into_the_mempool() {
    let mut world = World::new();
    publish(&mut world, b"payload");
    let tip = world.anchor_tip.outpoint;
    world.chain.evict();
    world.chain.set_min_rate(FeeRate::from_sat_per_kwu(2_000));
    let stuck = tend(&mut world, tip, rate()).remove(0);
    assert!(
        matches!(stuck.state, AnchorState::Stuck(_)),
        "the ceiling is a reported state"
    );
    world.chain.set_min_rate(rate());
    assert_eq!(
        tend(&mut world, tip, rate())[0].state,
        AnchorState::Sent,
        "it goes when it can"
    );
}

#[test]
fn reservations_come_back_after_a_restart() {
    let mut world = World::new();
    publish(&mut world, b"payload");
    let spendable = world.coins.spendable();
    let mut fresh = crate::coins::CoinBook::scan(world.chain.as_ref(), operator().output_script()).unwrap();
    assert_ne!(fresh.spendable(), spendable);
    publisher(&world).resume(&mut fresh).unwrap();
    assert_eq!(fresh.spendable(), spendable);
}

#[test]
fn a_damaged_entry_is_named() {
    let mut world = World::new();
    publish(&mut world, b"payload");
    let (key, mut value) = world.journal.list(PREFIX).unwrap().remove(0);
    value.pop();
    world.journal.put(&key, &value).unwrap();
    let failed = publisher(&world)
        .payload_in_flight(&world.anchor_tip.outpoint)
        .unwrap_err();
    assert!(failed.to_string().contains(&hex::encode(&key)), "{failed}");
}
