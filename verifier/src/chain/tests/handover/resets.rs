//! Resets of the anchor chain: when they count, and what follows.

use bitcoin::{OutPoint, TxOut, Witness};
use tacit_protocol::peg::vault::{Handover, HandoverPlan};

use super::super::world::{exit, input};
use super::*;

/// The sequencer that takes over.
const NEXT: u8 = 41;

fn reset(chain: &mut Chain) -> TxInput {
    let script_pubkey = anchor_keys(x_only(NEXT), chain.epoch().keys.federation, takeover()).script_pubkey();
    chain.hand_over(&HandoverPlan {
        handover: Handover::Anchor(x_only(NEXT)),
        script_pubkey,
    })
}

/// Mines a reset; whether it counted.
fn try_reset(chain: &mut Chain) -> bool {
    let (before, height) = (chain.head(), chain.cursor().height + 1);
    let expected = reset_reason(&chain.kv, &world().rules, height).expect("memory");
    let tx = reset(chain);
    let outpoint = OutPoint {
        txid: tx.txid(),
        vout: 2,
    };
    chain.mine(vec![tx]);
    assert_eq!(fault(chain), None);
    let head = chain.head();
    match expected {
        Some(_) => {
            assert_eq!(last_handover(chain), Handed::Anchor);
            assert_eq!((head.tip.outpoint, head.sequencer), (outpoint, x_only(NEXT)));
            assert!(!head.lost);
            assert_eq!(
                head.tip.txout.script_pubkey,
                head.own_keys(takeover()).script_pubkey()
            );
            assert_eq!(chain.last_anchor().verdict, Verdict::Reset(x_only(NEXT)));
        }
        None => {
            assert_eq!(last_handover(chain), Handed::Void);
            assert_eq!(head, before, "nothing changed");
        }
    }
    expected.is_some()
}

fn mine_until(chain: &mut Chain, height: u32) {
    while chain.cursor().height < height {
        chain.mine(Vec::new());
    }
}

fn reason(chain: &Chain, height: u32) -> Option<ResetReason> {
    reset_reason(&chain.kv, &world().rules, height).expect("memory")
}

#[test]
fn a_reset_counts_once_the_chain_was_silent_for_the_timelock_and_not_a_block_earlier() {
    let mut chain = Chain::funded();
    let since = chain.cursor().height;
    let first = since + u32::from(takeover());
    mine_until(&mut chain, first - 3);
    // Empty anchors and void resets are no activity.
    let junk = chain.empty_anchor();
    chain.mine(vec![junk]);
    assert_eq!(reason(&chain, first - 1), None);
    assert!(!try_reset(&mut chain));
    assert_eq!(chain.cursor().height, first - 1);
    assert_eq!(reason(&chain, first), Some(ResetReason::Silent { since }));
    assert!(try_reset(&mut chain));
    same_as_replayed(&chain);
    chain.disconnect();
    assert_eq!(
        chain.head().sequencer,
        chain_sequencer(),
        "a reorganisation takes it back"
    );
}

#[test]
fn a_chain_that_never_had_a_batch_is_silent_since_its_start() {
    let mut chain = Chain::new();
    let since = chain.cursor().height;
    assert_eq!(reason(&chain, since + u32::from(takeover()) - 1), None);
    mine_until(&mut chain, since + u32::from(takeover()) - 1);
    assert!(try_reset(&mut chain));
}

#[test]
fn the_next_sequencer_goes_on_where_the_last_one_stopped() {
    let mut chain = Chain::funded();
    let taken = chain.cursor().height + u32::from(takeover()) - 1;
    mine_until(&mut chain, taken);
    let (old, built) = (
        chain.head(),
        chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new()),
    );
    let late = chain.anchor(tacit_protocol::encoding::Encode::encode(
        &tacit_protocol::batch::Payload::new(vec![built]).expect("one"),
    ));
    assert!(try_reset(&mut chain));
    let height = chain.cursor().height;
    // The old sequencer's anchor spends a tip that is none any more.
    assert_eq!(late.tx().input[0].previous_output, old.tip.outpoint);
    chain.mine(vec![late]);
    assert_eq!(chain.last_anchor().verdict, Verdict::Reset(x_only(NEXT)));
    assert_eq!(
        due_until(&chain.kv, world().rules.params()).expect("memory"),
        height.checked_sub(u32::from(world().rules.params().genesis().forced_window)),
        "the reset made the tip"
    );
    let batch = chain.batch(
        vec![chain.transfer(1, 1, |t| t.body.exit = Some(exit(40_000)))],
        Vec::new(),
    );
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
    assert_eq!(chain.head().sequencer, x_only(NEXT));
    same_as_replayed(&chain);
}

#[test]
fn a_second_reset_waits_for_the_timelock_again() {
    let mut chain = Chain::funded();
    let posted = chain.force(&[chain.forced(1, 1, |_| ())]);
    mine_until(&mut chain, posted + 2 * u32::from(takeover()));
    assert!(try_reset(&mut chain));
    let since = chain.cursor().height;
    assert!(
        !try_reset(&mut chain),
        "neither silence nor the request counts again"
    );
    assert_eq!(reason(&chain, since + u32::from(takeover()) - 1), None);
    mine_until(&mut chain, since + u32::from(takeover()) - 1);
    assert!(try_reset(&mut chain));
}

#[test]
fn a_tip_that_went_elsewhere_may_be_reset_at_once() {
    let mut chain = Chain::funded();
    assert!(!try_reset(&mut chain));
    let tip = chain.head().tip;
    let elsewhere = TxOut {
        script_pubkey: bitcoin::ScriptBuf::new_p2a(),
        ..tip.txout.clone()
    };
    let spend = super::super::world::joined(
        vec![input(tip.outpoint, Witness::new())],
        vec![elsewhere],
        vec![tip.txout],
    );
    chain.mine(vec![spend]);
    assert!(chain.head().lost);
    assert_eq!(reason(&chain, chain.cursor().height + 1), Some(ResetReason::Lost));
    assert!(try_reset(&mut chain));
    let batch = chain.batch(vec![chain.transfer(1, 1, |_| ())], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
}

#[test]
fn a_request_that_was_due_for_the_timelock_allows_a_reset_although_batches_go_on() {
    let mut chain = Chain::funded();
    let requests: Vec<_> = (1..=6).map(|n| chain.forced(n, 0, |_| ())).collect();
    let posted = chain.force(&requests);
    let window = u32::from(world().rules.params().genesis().forced_window);
    let (due, timelock) = (posted + window, u32::from(takeover()));
    chain.anchor_at(due);
    mine_until(&mut chain, due + timelock / 2);
    let honoured = |n: usize| {
        let tacit_protocol::peg::ForcedRequest::Transfer(transfer) = &requests[n] else {
            panic!("a transfer")
        };
        (**transfer).clone()
    };
    // Half of four slots: two requests are honoured, the third one waits.
    let batch = chain.batch(vec![honoured(0), honoured(1)], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
    let third = Position {
        height: posted,
        tx: 0,
        input: 2,
    };
    assert_eq!(reason(&chain, due + timelock - 1), None);
    assert_eq!(reason(&chain, due + timelock), Some(ResetReason::Overdue(third)));
    mine_until(&mut chain, due + timelock - 1);
    assert!(try_reset(&mut chain));
}

#[test]
fn a_reset_may_spend_the_old_tip_and_the_chain_begins_at_its_first_anchor() {
    let mut chain = Chain::funded();
    let last = chain.cursor().height + u32::from(takeover()) - 1;
    mine_until(&mut chain, last);
    let old = chain.head().tip;
    let with_old_tip = |chain: &mut Chain| {
        let plain = reset(chain);
        let (mut tx, mut prevouts) = (plain.tx().clone(), plain.prevouts().to_vec());
        tx.input.push(input(old.outpoint, Witness::new()));
        prevouts.push(old.txout.clone());
        TxInput::new(tx, prevouts).expect("one output per input")
    };
    let tx = with_old_tip(&mut chain);
    let txid = tx.txid();
    chain.mine(vec![tx]);
    assert_eq!(last_handover(&chain), Handed::Anchor);
    assert_eq!(chain.head().tip.outpoint, OutPoint { txid, vout: 2 });
}

#[test]
fn a_request_that_can_be_honoured_no_more_allows_no_reset() {
    let mut chain = Chain::funded();
    let request = chain.forced(1, 1, |_| ());
    let posted = chain.force(std::slice::from_ref(&request));
    let (window, timelock) = (
        u32::from(world().rules.params().genesis().forced_window),
        u32::from(takeover()),
    );
    let tacit_protocol::peg::ForcedRequest::Transfer(transfer) = request else {
        panic!("a transfer")
    };
    // It is honoured before it is due, so that it stays in the queue, done; the last batch is much later.
    let batch = chain.batch(vec![*transfer], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
    mine_until(&mut chain, posted + window - 2);
    let batch = chain.batch(Vec::new(), Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 3, count: 1 }
    );
    let since = chain.cursor().height;
    assert!(since < posted + window, "the queue was not walked");
    let waiting = table::forced_transfers(&chain.kv, None, u32::MAX, 2).expect("memory");
    assert_eq!(waiting.len(), 1);
    // A sign of life half a timelock later spends a tip that is too old to look at the queue, too.
    mine_until(&mut chain, since + timelock / 2);
    let batch = chain.batch(Vec::new(), Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 4, count: 1 }
    );
    let since = chain.cursor().height;
    let waiting = table::forced_transfers(&chain.kv, None, u32::MAX, 2).expect("memory");
    assert_eq!(waiting.len(), 1, "done, and still in the queue");
    assert_eq!(reason(&chain, posted + window + timelock + 5), None);
    let silent = Some(ResetReason::Silent { since });
    assert_eq!(
        reason(&chain, since + timelock),
        silent,
        "for want of batches alone"
    );
}
