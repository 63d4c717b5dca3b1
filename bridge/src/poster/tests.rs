//! An envelope is posted once, with the same bytes, until it is in a block or can never be.

use bitcoin::{ScriptBuf, Transaction};
use tacit_protocol::envelope::{EnvelopeKind, read_envelope};

use super::*;
use crate::fees::RateOrigin;
use crate::fixture::{COIN, World, operator, rate};

mod raising;

const ID: [u8; 32] = [7; 32];

fn poster(world: &World) -> Poster {
    Poster::new(world.chain.clone(), world.journal.clone(), Arc::new(operator()))
}

/// What the node expects.
fn at(sat_per_kwu: u32) -> FeeQuote {
    FeeQuote {
        rate: FeeRate::from_sat_per_kwu(sat_per_kwu),
        origin: RateOrigin::Estimate,
    }
}

fn post_at(world: &mut World, quote: &FeeQuote) -> PostReport {
    let envelope = |key| Ok(Envelope::new(key, EnvelopeKind::Epoch, b"announcement".to_vec())?);
    poster(world)
        .post(&ID, envelope, quote, &mut world.coins)
        .unwrap()
}

fn post(world: &mut World) -> PostReport {
    post_at(world, &at(rate().sat_per_kwu()))
}

fn tend(world: &mut World, quote: &FeeQuote) -> Option<PostReport> {
    poster(world).tend(&ID, quote, &mut world.coins).unwrap()
}

fn entry(world: &World) -> Entry {
    let bytes = world.journal.get(&key(&ID)).unwrap().unwrap();
    Entry::decode(&key(&ID), &bytes).unwrap()
}

fn sent(world: &World, report: &PostReport) -> Option<Transaction> {
    world.chain.transaction(&report.reveal, None).unwrap()
}

#[test]
fn an_envelope_is_posted_once_and_its_coins_are_reserved() {
    let mut world = World::new();
    let before = world.coins.spendable().len();
    let report = post(&mut world);
    assert_eq!(report.stuck, None);
    let reveal = sent(&world, &report).unwrap();
    let script = ScriptBuf::from_bytes(reveal.input[0].witness.nth(1).unwrap().to_vec());
    let read = read_envelope(&script).unwrap().unwrap();
    assert_eq!(read.body(), b"announcement");
    assert!(world.coins.spendable().len() < before);
    assert_eq!(post(&mut world), report, "the same again");
    world.chain.mine(1);
    world.follow();
    assert_eq!(post(&mut world), report, "in a block");
}

#[test]
fn what_was_written_down_is_sent_after_a_restart() {
    let mut world = World::new();
    let report = post(&mut world);
    world.chain.evict();
    assert_eq!(sent(&world, &report), None);
    world.coins = CoinBook::scan(world.chain.as_ref(), operator().output_script()).unwrap();
    let free = world.coins.spendable().len();
    poster(&world).resume(&mut world.coins).unwrap();
    assert!(world.coins.spendable().len() < free, "its coins are its own");
    assert_eq!(tend(&mut world, &at(1_000)), Some(report.clone()));
    assert!(sent(&world, &report).is_some());
}

#[test]
fn an_envelope_whose_coins_are_gone_is_forgotten_and_posted_anew() {
    let mut world = World::new();
    let report = post(&mut world);
    let coin = entry(&world).coins[0].outpoint;
    world.chain.evict();
    world.chain.forget(&coin);
    assert_eq!(tend(&mut world, &at(1_000)), None);
    assert_eq!(world.journal.get(&key(&ID)), Ok(None));
    world.coins = CoinBook::scan(world.chain.as_ref(), operator().output_script()).unwrap();
    let again = post(&mut world);
    assert!(again.reveal != report.reveal && again.stuck.is_none());
}

#[test]
fn what_nobody_wants_any_more_frees_its_coins() {
    let mut world = World::new();
    let before = world.coins.spendable().len();
    post(&mut world);
    poster(&world)
        .forget_all_but(Some(&ID), &mut world.coins)
        .unwrap();
    assert!(world.journal.get(&key(&ID)).unwrap().is_some());
    poster(&world).forget_all_but(None, &mut world.coins).unwrap();
    assert_eq!(world.journal.get(&key(&ID)), Ok(None));
    assert_eq!(world.coins.spendable().len(), before);
}

#[test]
fn an_operator_without_coins_is_told_so_and_damage_is_named() {
    let mut world = World::new();
    world.coins.reserve(
        b"other",
        world
            .coins
            .spendable()
            .iter()
            .map(|coin| coin.outpoint)
            .collect::<Vec<_>>(),
    );
    let envelope = |key| Ok(Envelope::new(key, EnvelopeKind::Epoch, vec![1])?);
    let refused = poster(&world).post(&ID, envelope, &at(1_000), &mut world.coins);
    assert!(
        matches!(refused, Err(PostError::Plan(AnchorPlanError::Coins(_)))),
        "{refused:?}"
    );
    assert_eq!(world.journal.get(&key(&ID)), Ok(None), "nothing is written down");
    for bytes in [&[1, 2][..], &[1, 0, 0, 0, 0, 0, 0, 0, 0], &[9, 0, 0, 0, 0]] {
        world.journal.put(&key(&ID), bytes).unwrap();
        let damaged = poster(&world).tend(&ID, &at(1_000), &mut world.coins);
        assert!(
            matches!(damaged, Err(PostError::Journal(JournalError::Corrupt { .. }))),
            "{damaged:?}"
        );
    }
}
