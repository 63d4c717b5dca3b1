//! Whatever becomes of an anchor has a word that is listed, and what waits is told before what is done.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};
use tacit_protocol::peg::coins::CoinError;

use super::*;

fn report(tag: u8, state: AnchorState) -> AnchorReport {
    AnchorReport {
        spends: OutPoint::null(),
        commit: Txid::all_zeros(),
        reveal: Txid::from_byte_array([tag; 32]),
        state,
    }
}

#[test]
fn everything_that_becomes_of_an_anchor_has_a_word_that_is_listed() {
    let states = [
        AnchorState::InMempool,
        AnchorState::Sent,
        AnchorState::Bumped,
        AnchorState::Replanned,
        AnchorState::Confirmed(7),
        AnchorState::Contested(Txid::all_zeros()),
        AnchorState::Beaten(7),
        AnchorState::Stuck("min relay fee not met".into()),
    ];
    let looks = states.map(|state| Look::Anchor(report(1, state)));
    let others = [Look::OutOfOffice, Look::Idle, Look::Proving(2)];
    let mut words: Vec<String> = looks
        .iter()
        .chain(&others)
        .map(|look| look.activity().state)
        .collect();
    let poor = PublishError::Plan(AnchorPlanError::Coins(CoinError::Overflow));
    words.push(failure(&poor.into()).state);
    words.push(failure(&anyhow!("no answer")).state);
    words.push("starting".into());
    words.sort_unstable();
    let mut listed = AnchorActivity::STATES;
    listed.sort_unstable();
    assert_eq!(words, listed);
    let stuck = Look::Anchor(report(1, AnchorState::Stuck("min relay fee not met".into()))).activity();
    assert!(
        stuck
            .reason
            .is_some_and(|reason| reason.contains("min relay fee"))
    );
}

#[test]
fn an_anchor_that_waits_is_told_before_one_that_is_done_and_before_what_comes_next() {
    let told = |reports: &[(u8, AnchorState)], next: Look| {
        let reports = reports.iter().map(|(tag, state)| report(*tag, state.clone()));
        let activity = Look::of(reports.collect(), next).activity();
        (activity.state, activity.txid.map(|txid| txid.to_byte_array()[0]))
    };
    let (done, waits) = (AnchorState::Confirmed(7), AnchorState::InMempool);
    let both = [(1, waits.clone()), (2, done.clone())];
    assert_eq!(told(&both, Look::Proving(1)), ("inMempool".into(), Some(1)));
    let only = [(2, done.clone()), (3, AnchorState::Buried)];
    assert_eq!(told(&only, Look::Proving(1)), ("proving".into(), None));
    assert_eq!(told(&only, Look::Idle), ("confirmed".into(), Some(2)));
    assert_eq!(
        told(&[(3, AnchorState::Buried)], Look::Idle),
        ("idle".into(), None)
    );
}
