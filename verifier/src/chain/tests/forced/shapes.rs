//! While requests wait for want of room, a batch is of the largest shape; the walk against a naive one.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tacit_protocol::batch::BatchShape;
use tacit_protocol::ledger;
use tacit_protocol::peg::ForcedRequest;
use tacit_protocol::transfer::Transfer;
use tacit_protocol::tree::nullifiers;

use super::super::super::forced::{Fate, Position, QueuedTransfer, Void};
use super::super::super::records::Verdict;
use super::super::super::table;
use super::super::world::{Chain, claim, exit, wide_world};
use super::claims::{forced_claim, waiting_claims};
use super::{APPLIED, at, due_in, left_out, plain, waiting, walked, window};
use crate::batch::due::{LOOK, Queue};

const SMALL: BatchShape = BatchShape::B4x4;
const LARGE: BatchShape = BatchShape::B20x8;

fn too_small(batch: u32, queue: &str) -> Verdict {
    Verdict::Invalid(format!(
        "batch {batch}: a batch of batch-4-4-v1 has no room for all {queue} requests that are due; \
         it has to be of the largest shape, batch-20-8-v1"
    ))
}

/// Requests of transfers `1 … n` under the rules with two shapes.
fn requests(n: u64) -> Vec<ForcedRequest> {
    let chain = Chain::funded_in(wide_world());
    (1..=n).map(|n| chain.forced(n, 0, |_| ())).collect()
}

/// The same, due, with the transfers in them.
fn due_requests(n: u64) -> (Chain, u32, Vec<Transfer>) {
    let requests = requests(n);
    let (chain, posted) = due_in(wide_world(), &requests);
    (chain, posted, requests.iter().map(plain).collect())
}

fn publish(chain: &Chain, shape: BatchShape, transfers: &[Transfer]) -> (Chain, Verdict) {
    let mut chain = chain.clone();
    let batch = chain.batch_of(shape, transfers.to_vec(), Vec::new());
    let verdict = chain.publish(vec![batch]);
    (chain, verdict)
}

#[test]
fn while_requests_wait_for_want_of_slots_a_batch_is_of_the_largest_shape() {
    let (chain, posted, transfers) = due_requests(3);
    let (after, verdict) = publish(&chain, SMALL, &transfers[..2]);
    assert_eq!(verdict, too_small(2, "transfer"));
    assert_eq!(waiting(&after).len(), 3, "an invalid anchor settles nothing");
    let (_, verdict) = publish(&chain, SMALL, &transfers);
    assert_eq!(verdict, too_small(2, "transfer"), "though all three are in it");
    let (_, verdict) = publish(&chain, LARGE, &transfers[..2]);
    assert_eq!(verdict, left_out(2, "transfer 2", at(posted, 0, 2)));
    let (after, verdict) = publish(&chain, LARGE, &transfers);
    assert_eq!((verdict, waiting(&after)), (APPLIED, vec![]));
}

#[test]
fn a_smaller_shape_does_while_it_takes_all_that_are_due() {
    let (chain, _, transfers) = due_requests(2);
    let (after, verdict) = publish(&chain, SMALL, &transfers);
    assert_eq!((verdict, waiting(&after)), (APPLIED, vec![]));
    // A third that is not due yet changes nothing.
    let mut chain = Chain::funded_in(wide_world());
    let posted = chain.force(&requests(3)[..2]);
    chain.force(&requests(3)[2..]);
    chain.anchor_at(posted + window());
    let (after, verdict) = publish(&chain, SMALL, &transfers);
    assert_eq!((verdict, waiting(&after)), (APPLIED, vec![at(posted + 1, 0, 0)]));
}

#[test]
fn while_requests_wait_for_want_of_anchors_a_batch_is_of_the_largest_shape() {
    let mut chain = Chain::funded_in(wide_world());
    let requests = [chain.forced(1, 1, |_| ()), chain.forced(2, 0, |_| ())];
    let posted = chain.force(&requests);
    chain.anchor_at(posted + window());
    let transfers = requests.each_ref().map(plain);
    assert_eq!(
        publish(&chain, SMALL, &transfers[..1]).1,
        too_small(2, "transfer")
    );
    let (after, verdict) = publish(&chain, LARGE, &transfers);
    assert_eq!((verdict, waiting(&after)), (APPLIED, vec![]));
}

#[test]
fn while_claims_wait_for_want_of_deposits_a_batch_is_of_the_largest_shape() {
    let mut chain = Chain::funded_in(wide_world());
    let sweep = chain.sweep(&[2, 3, 4, 5, 6]);
    chain.mine(vec![sweep]);
    chain.mine(Vec::new());
    let claims: Vec<_> = (1u8..=5).map(|n| claim(n.into(), n + 1)).collect();
    let requests: Vec<_> = (1u8..=5).map(|n| forced_claim(&chain, n.into(), n + 1)).collect();
    let posted = chain.force(&requests);
    chain.anchor_at(posted + window());
    let publish = |shape, count: usize| {
        let mut chain = chain.clone();
        let batch = chain.batch_of(shape, Vec::new(), claims[..count].to_vec());
        let verdict = chain.publish(vec![batch]);
        (verdict, waiting_claims(&chain).len())
    };
    assert_eq!(publish(SMALL, 4), (too_small(2, "deposit"), 5));
    assert_eq!(publish(LARGE, 4).0, left_out(2, "deposit 4", at(posted, 0, 4)));
    assert_eq!(publish(LARGE, 5), (APPLIED, 0));
}

#[test]
fn each_batch_of_an_anchor_is_judged_by_what_is_left_to_it() {
    let (mut chain, posted, transfers) = due_requests(15);
    let first = chain.batch_of(LARGE, transfers[..10].to_vec(), Vec::new());
    let (mut ahead, verdict) = publish(&chain, LARGE, &transfers[..10]);
    assert_eq!(verdict, APPLIED, "the largest may leave some");
    assert_eq!(waiting(&ahead)[0], at(posted, 0, 10));
    let small = ahead.batch_of(SMALL, transfers[10..12].to_vec(), Vec::new());
    assert_eq!(
        chain.clone().publish(vec![first.clone(), small]),
        too_small(3, "transfer")
    );
    let second = ahead.batch_of(LARGE, transfers[10..13].to_vec(), Vec::new());
    assert_eq!(
        chain.clone().publish(vec![first.clone(), second]),
        left_out(3, "transfer 3", at(posted, 0, 13))
    );
    let second = ahead.batch_of(LARGE, transfers[10..].to_vec(), Vec::new());
    ahead.publish(vec![second.clone()]);
    let third = ahead.batch_of(SMALL, Vec::new(), Vec::new());
    assert_eq!(
        chain.publish(vec![first, second, third]),
        Verdict::Applied { first: 2, count: 3 },
        "with nothing left any shape does"
    );
    assert_eq!(waiting(&chain), []);
}

#[test]
fn a_walk_is_full_for_want_of_room_and_for_nothing_else() {
    let (chain, posted, _) = due_requests(3);
    let full = |shape, until, look| walked(&chain, shape, until, look).full;
    assert_eq!(full(SMALL, posted, LOOK), Some(Queue::Transfers));
    assert_eq!(full(SMALL, posted, 3), Some(Queue::Transfers));
    assert_eq!(full(SMALL, posted, 2), None, "it looked at no more");
    assert_eq!(full(SMALL, posted - 1, LOOK), None, "none is due");
    assert_eq!(full(LARGE, posted, LOOK), None, "the queue ended");
}

/// What a request of the model is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    /// Takes out more than there is.
    Greedy,
    /// Takes out a part, so that not all of them fit what is shielded.
    Exit,
    /// A batch included it before.
    Included,
    /// A batch spent its notes otherwise.
    Rival,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        5 => Just(Kind::Plain),
        1 => Just(Kind::Greedy),
        3 => Just(Kind::Exit),
        1 => Just(Kind::Included),
        1 => Just(Kind::Rival),
    ]
}

/// A chain whose queue holds requests of these anchors and kinds, one per block, and what came before them.
fn queue(specs: &[(u32, Kind)]) -> Chain {
    let mut chain = Chain::funded_in(wide_world());
    for _ in 0..2 {
        let empty = chain.batch(Vec::new(), Vec::new());
        assert!(matches!(chain.publish(vec![empty]), Verdict::Applied { .. }));
    }
    let mut before = Vec::new();
    for (n, (anchor, kind)) in (1u64..).zip(specs) {
        let request = match kind {
            Kind::Plain | Kind::Included | Kind::Rival => chain.forced(n, *anchor, |_| ()),
            Kind::Greedy => chain.forced(n, *anchor, |t| t.body.exit = Some(exit(900_000))),
            Kind::Exit => chain.forced(n, *anchor, |t| t.body.exit = Some(exit(30_000))),
        };
        match kind {
            Kind::Plain | Kind::Greedy | Kind::Exit => {}
            Kind::Included => before.push(plain(&request)),
            Kind::Rival => before.push(chain.transfer(n, *anchor, |_| ())),
        }
        chain.force(&[request]);
    }
    assert_eq!(waiting(&chain).len(), specs.len(), "all of them wait");
    let batch = chain.batch_of(LARGE, before, Vec::new());
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 4, count: 1 },
        "nothing is due yet"
    );
    chain
}

/// The rule as `docs/spec/batch.md` has it, word for word and without thought of cost.
fn naive(chain: &Chain, shape: BatchShape, until: u32, look: usize) -> (Vec<(Position, Fate)>, bool) {
    let kv = &chain.kv;
    let supply = ledger::tip(kv).expect("memory").supply.to_sat();
    let all = table::forced_transfers(kv, None, until, usize::MAX).expect("memory");
    let (mut steps, mut taken) = (Vec::new(), Vec::<QueuedTransfer>::new());
    for (position, request) in all.into_iter().take(look) {
        if taken.len() == shape.slots() / 2 {
            return (steps, true);
        }
        let body = &request.transfer.body;
        let spent = |nf: &_| {
            taken.iter().any(|other| other.transfer.body.nf.contains(nf))
                || nullifiers::contains(kv, nf).expect("memory")
        };
        let exits: u64 = taken
            .iter()
            .map(|other| other.transfer.body.exit_amount().to_sat())
            .sum();
        let mut anchors: BTreeSet<u32> = taken.iter().map(|other| other.transfer.anchor).collect();
        anchors.insert(request.transfer.anchor);
        let fate = if let Some(place) = table::transfer(kv, &request.id).expect("memory") {
            Fate::Void(Void::Done(place.batch))
        } else if let Some(nf) = body.nf.iter().find(|nf| spent(nf)) {
            Fate::Void(Void::Spent(*nf))
        } else if exits + body.exit_amount().to_sat() > supply {
            Fate::Void(Void::Supply)
        } else if anchors.len() > shape.anchors() / 2 {
            return (steps, true);
        } else {
            taken.push(request.clone());
            Fate::Honoured
        };
        steps.push((position, fate));
    }
    (steps, false)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_walk_and_the_shape_are_those_of_a_naive_one(
        specs in proptest::collection::vec((0u32..4, kind()), 1..16),
    ) {
        let mut chain = queue(&specs);
        let last = chain.cursor().height;
        for shape in BatchShape::ALL {
            for until in [last - 8, last - 3, last] {
                for look in [0, 1, 3, 7, LOOK] {
                    let walk = walked(&chain, shape, until, look);
                    let steps = walk.transfers.iter().map(|step| (step.position, step.fate));
                    let found = (steps.collect::<Vec<_>>(), walk.full.is_some());
                    prop_assert_eq!(found, naive(&chain, shape, until, look), "{:?} {} {}", shape, until, look);
                }
            }
        }
        chain.anchor_at(last + window());
        for shape in [SMALL, LARGE] {
            let walk = walked(&chain, shape, last, LOOK);
            let transfers: Vec<_> = walk
                .honoured_transfers()
                .map(|step| step.request.transfer.clone())
                .collect();
            let verdict = publish(&chain, shape, &transfers).1;
            let (_, full) = naive(&chain, shape, last, LOOK);
            let expected = if full && shape == SMALL {
                too_small(5, "transfer")
            } else {
                Verdict::Applied { first: 5, count: 1 }
            };
            prop_assert_eq!(verdict, expected, "{:?}", shape);
        }
    }
}
