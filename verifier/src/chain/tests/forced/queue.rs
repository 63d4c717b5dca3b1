//! Places in a queue: how many stand before a request, and where the requests for something were posted.

use tacit_protocol::peg::ForcedRequest;
use tacit_protocol::transfer::TransferId;

use super::super::super::forced::Position;
use super::super::super::table;
use super::super::world::{Chain, claim, exit, world};
use super::claims::{forced_claim, swept};
use super::{APPLIED, at, plain, requests, waiting, window};
use crate::batch::due::Queue;

fn before(chain: &Chain, queue: Queue, position: Position) -> Option<u64> {
    table::waiting_before(&chain.kv, queue, position).expect("memory")
}

fn count(chain: &Chain, queue: Queue) -> u64 {
    table::waiting_count(&chain.kv, queue).expect("memory")
}

fn id(request: &ForcedRequest) -> TransferId {
    plain(request)
        .body
        .id(world().rules.params())
        .expect("a known fee")
}

fn posted(chain: &Chain, request: &ForcedRequest) -> Vec<Position> {
    table::posted_transfers(&chain.kv, &id(request)).expect("memory")
}

/// Compares the numbers with a count of the rows.
fn assert_counted(chain: &Chain) {
    let rows = waiting(chain);
    assert_eq!(count(chain, Queue::Transfers), rows.len() as u64);
    for (n, position) in (0u64..).zip(rows) {
        assert_eq!(before(chain, Queue::Transfers, position), Some(n));
    }
}

#[test]
fn a_request_knows_how_many_stand_before_it_while_it_waits() {
    let mut chain = Chain::funded();
    assert_eq!(count(&chain, Queue::Transfers), 0);
    let all = requests(5);
    let first = chain.force(&all[..3]);
    let second = chain.force(&all[3..]);
    assert_counted(&chain);
    assert_eq!(before(&chain, Queue::Transfers, at(second, 0, 1)), Some(4));
    assert_eq!(before(&chain, Queue::Transfers, at(second, 0, 2)), None, "nobody");
    assert_eq!(
        before(&chain, Queue::Claims, at(first, 0, 0)),
        None,
        "another queue"
    );
    assert_eq!(posted(&chain, &all[1]), [at(first, 0, 1)]);

    chain.anchor_at(second + window());
    let transfers: Vec<_> = all.iter().map(plain).collect();
    let batch = chain.batch(transfers[..2].to_vec(), Vec::new());
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    assert_counted(&chain);
    assert_eq!(before(&chain, Queue::Transfers, at(first, 0, 1)), None, "settled");
    assert_eq!(before(&chain, Queue::Transfers, at(first, 0, 2)), Some(0));
    assert_eq!(posted(&chain, &all[1]), [at(first, 0, 1)], "still on record");
    chain.disconnect();
    assert_counted(&chain);
    assert_eq!(before(&chain, Queue::Transfers, at(first, 0, 1)), Some(1));
    while chain.cursor().height >= first {
        chain.disconnect();
    }
    assert_eq!(count(&chain, Queue::Transfers), 0);
    assert_eq!(posted(&chain, &all[1]), []);
}

#[test]
fn a_transfer_and_a_deposit_that_were_posted_again_have_all_their_places() {
    let mut chain = swept(1);
    let greedy = chain.forced(1, 1, |t| t.body.exit = Some(exit(900_000)));
    let deposit = forced_claim(&chain, 1, 2);
    let posted_at = chain.force(&[greedy.clone(), greedy.clone(), deposit.clone(), deposit]);
    assert_eq!(
        posted(&chain, &greedy),
        [at(posted_at, 0, 0)],
        "the second entered no queue"
    );
    let claims = |chain: &Chain, sweep| table::posted_claims(&chain.kv, sweep).expect("memory");
    assert_eq!(claims(&chain, 1), [at(posted_at, 0, 2)]);
    assert_eq!(claims(&chain, 0), []);
    assert_eq!(count(&chain, Queue::Claims), 1);
    let queued = table::forced_claim(&chain.kv, at(posted_at, 0, 2)).expect("memory");
    assert_eq!(queued.expect("it waits").claim, claim(1, 2));
    let queued = table::forced_transfer(&chain.kv, at(posted_at, 0, 0)).expect("memory");
    assert_eq!(queued.expect("it waits").id, id(&greedy));

    chain.anchor_at(posted_at + window());
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    assert_eq!(chain.publish(vec![batch]), APPLIED);
    assert_eq!(
        (count(&chain, Queue::Transfers), count(&chain, Queue::Claims)),
        (0, 0)
    );
    assert_eq!(table::forced_claim(&chain.kv, at(posted_at, 0, 2)), Ok(None));
    let again = chain.force(std::slice::from_ref(&greedy));
    assert_eq!(posted(&chain, &greedy), [at(posted_at, 0, 0), at(again, 0, 0)]);
    assert_counted(&chain);
    assert_eq!(Chain::everything(&chain.kv), Chain::everything(&chain.replay()));
}
