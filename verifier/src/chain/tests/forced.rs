//! Forced requests: what enters a queue, when it is due, what a batch must do with it.

use tacit_protocol::batch::{Batch, BatchShape};
use tacit_protocol::peg::{ForcedRequest, TxInput};
use tacit_protocol::transfer::{ProofBytes, Transfer};
use tacit_protocol::{F, testing};

use super::super::forced::{Fate, Position, Void};
use super::super::records::Verdict;
use super::super::{due_until, moved_money, table};
use super::world::{Chain, World, claim, exit, world};
use crate::batch::due::{LOOK, Walk, walk};

mod claims;
mod queue;
mod shapes;

use claims::{forced_claim, swept, waiting_claims};

const APPLIED: Verdict = Verdict::Applied { first: 2, count: 1 };

fn window() -> u32 {
    u32::from(world().rules.params().genesis().forced_window)
}

fn at(height: u32, tx: u32, input: u32) -> Position {
    Position { height, tx, input }
}

fn plain(request: &ForcedRequest) -> Transfer {
    let ForcedRequest::Transfer(transfer) = request else {
        panic!("a transfer")
    };
    (**transfer).clone()
}

/// The transfers that wait, by place.
fn waiting(chain: &Chain) -> Vec<Position> {
    let rows = table::forced_transfers(&chain.kv, None, u32::MAX, usize::MAX).expect("memory");
    rows.into_iter().map(|(position, _)| position).collect()
}

fn fate(chain: &Chain, position: Position) -> (u32, Fate) {
    let settled = table::settled_transfer(&chain.kv, position).expect("memory");
    let settled = settled.expect("a batch dealt with it");
    (settled.batch, settled.fate)
}

fn left_out(batch: u32, what: &str, position: Position) -> Verdict {
    Verdict::Invalid(format!(
        "batch {batch}: a due request is left out: {what} has to be the one posted in {position}"
    ))
}

/// A chain whose next anchor finds all these requests due; the height they were posted at.
fn due(requests: &[ForcedRequest]) -> (Chain, u32) {
    due_in(world(), requests)
}

fn due_in(world: &'static World, requests: &[ForcedRequest]) -> (Chain, u32) {
    let mut chain = Chain::funded_in(world);
    let posted = chain.force(requests);
    chain.anchor_at(posted + window());
    (chain, posted)
}

/// Requests of transfers `1 … n`, proven in the first state.
fn requests(n: u64) -> Vec<ForcedRequest> {
    let chain = Chain::funded();
    (1..=n).map(|n| chain.forced(n, 0, |_| ())).collect()
}

#[test]
fn a_request_is_due_once_the_window_has_passed_and_not_a_block_earlier() {
    let mut chain = Chain::funded();
    let request = chain.forced(1, 1, |_| ());
    let posted = chain.force(std::slice::from_ref(&request));
    assert_eq!(waiting(&chain), [at(posted, 0, 0)]);
    for (tip, is_due) in [(posted + window() - 1, false), (posted + window(), true)] {
        let mut chain = chain.clone();
        chain.anchor_at(tip);
        let without = chain.batch(vec![chain.transfer(2, 1, |_| ())], Vec::new());
        let with = chain.batch(vec![plain(&request), chain.transfer(2, 1, |_| ())], Vec::new());
        let verdict = chain.clone().publish(vec![without]);
        if is_due {
            assert_eq!(verdict, left_out(2, "transfer 0", at(posted, 0, 0)));
        } else {
            assert_eq!(verdict, APPLIED);
        }
        assert_eq!(chain.publish(vec![with]), APPLIED);
        if is_due {
            assert_eq!(waiting(&chain), []);
            assert_eq!(fate(&chain, at(posted, 0, 0)), (2, Fate::Honoured));
        } else {
            assert_eq!(waiting(&chain), [at(posted, 0, 0)], "nobody looked at it yet");
        }
    }
}

#[test]
fn a_batch_built_before_the_window_passed_stays_valid_however_late_it_is_mined() {
    let mut chain = Chain::funded();
    let posted = chain.force(&requests(1));
    chain.anchor_at(posted + window() - 1);
    let batch = chain.batch(vec![chain.transfer(2, 1, |_| ())], Vec::new());
    (0..3 * window()).for_each(|_| chain.mine(Vec::new()));
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    // The next anchor spends one from long after the window.
    let batch = chain.batch(vec![chain.transfer(3, 1, |_| ())], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        left_out(3, "transfer 0", at(posted, 0, 0))
    );
}

#[test]
fn nothing_is_due_on_the_genesis_anchor_before_the_window() {
    let chain = Chain::new();
    let genesis = world().rules.params().genesis();
    let until = due_until(&chain.kv, world().rules.params()).expect("memory");
    assert_eq!(until, genesis.start_height.checked_sub(window()));
}

#[test]
fn requests_stand_first_and_in_order_of_block_transaction_and_input() {
    let mut chain = Chain::funded();
    let all: Vec<_> = (1..=4).map(|n| chain.forced(n, 0, |_| ())).collect();
    let (one, two) = (chain.post(&all[..1]), chain.post(&all[1..3]));
    chain.mine(vec![one, two]);
    let first = chain.cursor().height;
    chain.force(&all[3..]);
    assert_eq!(
        waiting(&chain),
        [
            at(first, 0, 0),
            at(first, 1, 0),
            at(first, 1, 1),
            at(first + 1, 0, 0)
        ]
    );
    chain.anchor_at(first + 1 + window());
    let transfers: Vec<_> = all.iter().map(plain).collect();
    let other = chain.transfer(9, 0, |_| ());
    let publish = |transfers: Vec<Transfer>| {
        let mut chain = chain.clone();
        let batch = chain.batch(transfers, Vec::new());
        let verdict = chain.publish(vec![batch]);
        (chain, verdict)
    };
    let [one, two, three, _] = [0, 1, 2, 3].map(|i| transfers[i].clone());
    let cases = [
        (vec![two.clone(), one.clone()], "transfer 0", at(first, 0, 0)),
        (
            vec![other.clone(), one.clone(), two.clone()],
            "transfer 0",
            at(first, 0, 0),
        ),
        (vec![one.clone()], "transfer 1", at(first, 1, 0)),
        (
            vec![one.clone(), three, two.clone()],
            "transfer 1",
            at(first, 1, 0),
        ),
    ];
    for (transfers, what, position) in cases {
        let (after, verdict) = publish(transfers);
        assert_eq!(verdict, left_out(2, what, position));
        assert_eq!(
            waiting(&after),
            waiting(&chain),
            "an invalid anchor settles nothing"
        );
    }
    // Half of the four slots are enough.
    for more in [vec![], vec![other]] {
        let (after, verdict) = publish([vec![one.clone(), two.clone()], more].concat());
        assert_eq!(verdict, APPLIED);
        assert_eq!(waiting(&after), [at(first, 1, 1), at(first + 1, 0, 0)]);
    }
}

#[test]
fn a_flood_goes_on_in_the_next_batch_of_the_same_anchor_and_of_the_next() {
    let (mut chain, posted) = due(&requests(5));
    let transfers: Vec<_> = requests(5).iter().map(plain).collect();
    let first = chain.batch(transfers[..2].to_vec(), Vec::new());
    let mut after = chain.clone();
    assert_eq!(after.publish(vec![first.clone()]), APPLIED);
    let second = after.batch(transfers[2..4].to_vec(), Vec::new());
    let mut idle = after.batch(Vec::new(), Vec::new());
    idle.anchors = second.anchors.clone();
    let idle = after.sealed(idle);
    assert_eq!(
        chain.clone().publish(vec![first.clone(), idle]),
        left_out(3, "transfer 0", at(posted, 0, 2))
    );
    assert_eq!(
        chain.publish(vec![first, second]),
        Verdict::Applied { first: 2, count: 2 }
    );
    assert_eq!(waiting(&chain), [at(posted, 0, 4)]);
    let last = chain.batch(transfers[4..].to_vec(), Vec::new());
    assert_eq!(chain.publish(vec![last]), Verdict::Applied { first: 4, count: 1 });
    assert_eq!(waiting(&chain), []);
    assert_eq!(fate(&chain, at(posted, 0, 4)), (4, Fate::Honoured));
}

#[test]
fn half_of_the_anchors_are_for_requests() {
    let mut chain = Chain::funded();
    let requests = [chain.forced(1, 1, |_| ()), chain.forced(2, 0, |_| ())];
    let posted = chain.force(&requests);
    chain.anchor_at(posted + window());
    // A batch of this shape opens two: one for requests, one for others.
    let batch = chain.batch(
        vec![plain(&requests[0]), chain.transfer(5, 0, |_| ())],
        Vec::new(),
    );
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    assert_eq!(waiting(&chain), [at(posted, 0, 1)]);
    let batch = chain.batch(vec![chain.transfer(6, 0, |_| ())], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        left_out(3, "transfer 0", at(posted, 0, 1))
    );
}

#[test]
fn another_proof_of_the_transfer_honours_the_request() {
    let (mut chain, posted) = due(&requests(1));
    // Proven by the wallet again, against a younger state.
    let again = plain(&chain.forced(1, 1, |_| ()));
    assert_ne!(again.proof, plain(&requests(1)[0]).proof);
    let batch = chain.batch(vec![again], Vec::new());
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    assert_eq!(fate(&chain, at(posted, 0, 0)), (2, Fate::Honoured));
}

#[test]
fn requests_that_became_void_are_dropped_with_the_reason_and_block_nobody() {
    let mut chain = Chain::funded();
    let included = chain.forced(1, 1, |_| ());
    let spent = chain.forced(2, 1, |_| ());
    let greedy = chain.forced(4, 1, |t| t.body.exit = Some(exit(900_000)));
    let good = chain.forced(3, 1, |_| ());
    let posted = chain.force(&[included.clone(), spent.clone(), greedy, good.clone()]);
    // The first is included before it is due; a note of the second is spent by another transfer.
    let other = chain.transfer(2, 1, |_| ());
    let batch = chain.batch(vec![plain(&included), other], Vec::new());
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    assert_eq!(waiting(&chain).len(), 4);
    chain.anchor_at(posted + window());
    let batch = chain.batch(vec![plain(&good)], Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 3, count: 1 }
    );
    let nf = |request: &ForcedRequest| plain(request).body.nf[0];
    let expected = [
        Fate::Void(Void::Done(2)),
        Fate::Void(Void::Spent(nf(&spent))),
        Fate::Void(Void::Supply),
        Fate::Honoured,
    ];
    for (input, expected) in (0u32..).zip(expected) {
        assert_eq!(fate(&chain, at(posted, 0, input)), (3, expected));
    }
    assert_eq!(waiting(&chain), []);
}

#[test]
fn a_request_that_breaks_a_rule_enters_no_queue() {
    type Change = fn(&Chain) -> ForcedRequest;
    let cases: &[(&str, Change)] = &[
        ("equal nullifiers", |c| {
            c.forced(1, 1, |t| t.body.nf[1] = t.body.nf[0])
        }),
        ("a nullifier of zero", |c| {
            c.forced(1, 1, |t| t.body.nf[0] = testing::nullifier(0))
        }),
        ("an unknown fee", |c| c.forced(1, 1, |t| t.body.fee = 3)),
        ("no fee, so perhaps no note", |c| {
            c.forced(1, 1, |t| t.body.fee = 0)
        }),
        ("a state that is not recorded", |c| {
            let mut transfer = plain(&c.forced(1, 1, |_| ()));
            transfer.anchor = 2;
            ForcedRequest::Transfer(Box::new(transfer))
        }),
        ("a proof against another state", |c| {
            let mut transfer = plain(&c.forced(1, 0, |_| ()));
            transfer.anchor = 1;
            ForcedRequest::Transfer(Box::new(transfer))
        }),
        ("a proof that does not decode", |c| {
            let mut transfer = plain(&c.forced(1, 0, |_| ()));
            transfer.proof = ProofBytes([0xff; 128]);
            ForcedRequest::Transfer(Box::new(transfer))
        }),
        ("a proof of a shorter expiry", |c| {
            let mut transfer = c.transfer(1, 1, |_| ());
            transfer.body.expiry = tacit_protocol::peg::forced::FORCED_EXPIRY;
            ForcedRequest::Transfer(Box::new(transfer))
        }),
        ("a spent note", |c| {
            let _ = c;
            requests(7).remove(6)
        }),
    ];
    let mut chain = Chain::funded();
    let batch = chain.batch(vec![chain.transfer(7, 1, |_| ())], Vec::new());
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    let chain = chain;
    for (rule, change) in cases {
        let mut chain = if *rule == "a spent note" {
            chain.clone()
        } else {
            Chain::funded()
        };
        let request = change(&chain);
        chain.force(&[request]);
        assert_eq!(waiting(&chain), [], "{rule}");
    }
    let mut chain = Chain::funded();
    let good = chain.forced(1, 1, |_| ());
    chain.force(&[good]);
    assert_eq!(waiting(&chain).len(), 1);
}

#[test]
fn taking_requests_and_what_became_of_them_back_leaves_no_trace() {
    let mut chain = swept(1);
    let requests = [
        chain.forced(1, 1, |_| ()),
        chain.forced(1, 0, |_| ()),
        forced_claim(&chain, 1, 2),
    ];
    let mut states = vec![Chain::everything(&chain.kv)];
    let posted = chain.force(&requests);
    states.push(Chain::everything(&chain.kv));
    chain.anchor_at(posted + window());
    let before = Chain::everything(&chain.kv);
    let batch = chain.batch(vec![plain(&requests[0])], vec![claim(1, 2)]);
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    assert_eq!((waiting(&chain), waiting_claims(&chain)), (vec![], vec![]));
    assert_eq!(Chain::everything(&chain.kv), Chain::everything(&chain.replay()));
    chain.disconnect();
    assert_eq!(Chain::everything(&chain.kv), before);
    while chain.cursor().height > posted {
        chain.disconnect();
    }
    assert_eq!(Some(Chain::everything(&chain.kv)), states.pop());
    chain.disconnect();
    assert_eq!(Some(Chain::everything(&chain.kv)), states.pop());
}

fn walked(chain: &Chain, shape: BatchShape, until: u32, look: usize) -> Walk {
    walk(&chain.world.rules, &chain.kv, shape, Some(until), look).expect("memory")
}

#[test]
fn a_walk_of_a_shorter_window_or_a_smaller_shape_is_the_beginning_of_a_longer_one() {
    let mut chain = Chain::funded();
    let anchors = [1, 1, 0, 1, 0, 1, 1, 0];
    let mut last = 0;
    for (n, anchor) in (1u64..).zip(anchors) {
        let request = chain.forced(n, anchor, |_| ());
        last = chain.force(&[request]);
    }
    let first = last + 1 - 8;
    for shape in [BatchShape::B4x4, BatchShape::B20x8] {
        let whole = walked(&chain, shape, last, LOOK).transfers;
        for until in first - 1..=last {
            let part = walked(&chain, shape, until, LOOK).transfers;
            assert!(part.len() <= whole.len());
            assert_eq!(part[..], whole[..part.len()]);
        }
    }
    let small = walked(&chain, BatchShape::B4x4, last, LOOK);
    let large = walked(&chain, BatchShape::B20x8, last, LOOK);
    let [small, large] = [small, large].map(|walk| walk.honoured_transfers().cloned().collect::<Vec<_>>());
    assert_eq!((small.len(), large.len()), (2, 8));
    assert_eq!(small[..], large[..2]);
}

#[test]
fn a_walk_looks_at_so_many_requests_and_no_more() {
    let mut chain = Chain::funded();
    // Seventy that would take out more than there is, more than a page of rows; then somebody else's.
    let spam: Vec<_> = (10..80)
        .map(|n| chain.forced(n, 1, |t| t.body.exit = Some(exit(900_000))))
        .collect();
    let posted = chain.force(&spam);
    chain.force(&[chain.forced(2, 1, |_| ())]);
    let until = posted + 1;
    let honoured = |look| {
        walked(&chain, BatchShape::B4x4, until, look)
            .honoured_transfers()
            .count()
    };
    assert_eq!(honoured(70), 0);
    assert_eq!(honoured(71), 1);
    for look in [0, 1, 64, 65, 70] {
        assert_eq!(
            walked(&chain, BatchShape::B4x4, until, look).transfers.len(),
            look
        );
    }
    assert_eq!(walked(&chain, BatchShape::B4x4, until, LOOK).transfers.len(), 71);
}

#[test]
fn requests_in_an_anchor_and_in_a_coinbase_are_like_any_other_and_none() {
    let mut chain = Chain::funded();
    let request = chain.forced(1, 1, |_| ());
    let anchor = chain.empty_anchor();
    let posted = chain.post(&[request]);
    let mut tx = anchor.tx().clone();
    tx.input.extend(posted.tx().input.clone());
    let prevouts = [anchor.prevouts(), posted.prevouts()].concat();
    chain.mine(vec![TxInput::new(tx, prevouts).expect("one output per input")]);
    let height = chain.cursor().height;
    assert_eq!(waiting(&chain), [at(height, 0, 1)]);

    let mut coinbase = posted.tx().clone();
    coinbase.input[0].previous_output = bitcoin::OutPoint::null();
    chain.mine(vec![TxInput::new(coinbase, Vec::new()).expect("a coinbase")]);
    assert_eq!(waiting(&chain).len(), 1);
}

#[test]
fn an_empty_batch_is_invalid_while_a_request_is_due() {
    let (mut chain, posted) = due(&requests(1));
    let empty = Batch {
        operator: Some(F::from(5u64)),
        ..chain.batch(Vec::new(), Vec::new())
    };
    let empty = chain.sealed(empty);
    assert_eq!(
        chain.publish(vec![empty]),
        left_out(2, "transfer 0", at(posted, 0, 0))
    );
}

#[test]
fn a_request_moves_no_money_and_is_no_reason_to_halt_over_a_reorganisation() {
    let mut chain = Chain::funded();
    let moved = |chain: &Chain| moved_money(&chain.kv, chain.cursor().height).expect("memory");
    assert!(moved(&chain), "a batch");
    chain.mine(Vec::new());
    assert!(!moved(&chain));
    let request = chain.forced(1, 1, |_| ());
    chain.force(&[request]);
    assert_eq!(waiting(&chain).len(), 1);
    assert!(!moved(&chain));
    let anchor = chain.empty_anchor();
    chain.mine(vec![anchor]);
    assert!(moved(&chain), "the tip");
    let sweep = chain.sweep(&[3]);
    chain.mine(vec![sweep]);
    assert!(moved(&chain), "the vault");
}

#[test]
fn a_note_and_a_deposit_stand_in_a_queue_once_and_again_when_they_left_it() {
    let mut chain = swept(1);
    let greedy = |chain: &Chain| chain.forced(1, 1, |t| t.body.exit = Some(exit(900_000)));
    let rival = |chain: &Chain| {
        chain.forced(1, 0, |t| {
            t.body.memo = Some(tacit_protocol::encryption::Memo::new([1; 128]))
        })
    };
    let (first, again) = (greedy(&chain), rival(&chain));
    let deposit = forced_claim(&chain, 1, 2);
    let posted = chain.force(&[first.clone(), again.clone(), first, deposit.clone(), deposit]);
    chain.force(std::slice::from_ref(&again));
    assert_eq!(waiting(&chain), [at(posted, 0, 0)]);
    assert_eq!(waiting_claims(&chain), [at(posted, 0, 3)]);
    chain.anchor_at(posted + window());
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    assert_eq!(
        (waiting(&chain), waiting_claims(&chain)),
        (vec![], vec![]),
        "dealt with"
    );
    let later = chain.force(&[again]);
    assert_eq!(waiting(&chain), [at(later, 0, 0)], "the note was not spent");
    assert_eq!(Chain::everything(&chain.kv), Chain::everything(&chain.replay()));
}
