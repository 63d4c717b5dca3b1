//! What goes into a batch, through the sequencer that asks.

use tacit_protocol::batch::BatchShape;
use tacit_verifier::chain::table as chain_table;

use crate::config::Policy;
use crate::fixture::{Chain, Draft, OPERATOR, draft, policy, sats, world};
use crate::record::DropReason;
use crate::{Rejection, TransferStatus};

use super::*;

fn last_batch(chain: &Chain) -> Batch {
    chain
        .sequencer
        .pending()
        .batches()
        .back()
        .expect("a sealed batch")
        .sealed()
        .batch
        .clone()
}

#[test]
fn shapes_grow_in_every_dimension() {
    for pair in BatchShape::ALL.windows(2) {
        assert!(pair[0].slots() <= pair[1].slots());
        assert!(pair[0].deposits() <= pair[1].deposits());
        assert!(pair[0].anchors() <= pair[1].anchors());
    }
    assert_eq!(world().rules.shapes(), [BatchShape::B4x4, BatchShape::B20x8]);
}

#[test]
fn smallest_shape_that_fits_is_taken() {
    for (count, shape) in [
        (1, BatchShape::B4x4),
        (4, BatchShape::B4x4),
        (5, BatchShape::B20x8),
    ] {
        let mut chain = Chain::new();
        (0..count).for_each(|n| {
            chain.submit(&draft(n));
        });
        chain.seal();
        let batch = last_batch(&chain);
        assert_eq!((batch.shape, batch.transfers.len() as u64), (shape, count));
        let order: Vec<_> = batch.transfers.iter().map(|t| t.body.nf).collect();
        let expected: Vec<_> = (0..count).map(|n| draft(n).body.nf).collect();
        assert_eq!(order, expected, "transfers stand in order of arrival");
    }
}

#[test]
fn first_batch_names_the_operator_and_later_ones_do_not() {
    let mut chain = Chain::new();
    for n in 0..2 {
        chain.submit(&draft(n));
        chain.seal();
        let named = last_batch(&chain).operator;
        assert_eq!(named, (n == 0).then(|| F::from(OPERATOR)));
    }
}

#[test]
fn transfers_with_too_many_anchors_wait_for_the_next_batch() {
    let mut chain = Chain::new();
    for n in 0..5 {
        chain.submit(&draft(n));
        chain.seal();
    }
    for n in 0..6u32 {
        chain.submit(&Draft {
            anchor: n.min(4),
            ..draft(10 + u64::from(n))
        });
    }
    let sealed = chain.seal();
    assert_eq!(sealed.len(), 2, "the fifth anchor takes a batch of its own");
    let batches: Vec<_> = sealed
        .iter()
        .map(|n| chain.sequencer.pending().get(*n).expect("sealed"))
        .collect();
    assert_eq!(
        batches[0].sealed().batch.shape,
        BatchShape::B20x8,
        "four anchors need the larger shape"
    );
    assert_eq!(batches[0].sealed().batch.anchors, [0, 1, 2, 3]);
    assert_eq!(batches[1].sealed().batch.anchors, [4, 4]);
    assert_eq!(batches[1].sealed().batch.transfers.len(), 2);
}

#[test]
fn deposits_make_a_batch_of_their_own_and_are_credited_once() {
    let mut chain = Chain::new();
    let sweep = chain.sweep(3, true);
    chain.mine(vec![sweep]);
    chain.mine_empty(1);
    assert!(
        chain.seal().is_empty(),
        "the sweep is one block deep, two are needed"
    );
    chain.mine_empty(1);
    assert_eq!(chain.seal(), [1]);
    let batch = last_batch(&chain);
    assert_eq!(
        batch.deposits.iter().map(|d| d.sweep).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(
        batch.anchors,
        [0, 0],
        "a batch without transfers opens the latest state"
    );
    assert!(chain.seal().is_empty(), "credited in a sealed batch");
    chain.reopen();
    assert!(chain.seal().is_empty(), "and after a restart");
    chain.prove_all();
    chain.anchor_all();
    assert!(chain.seal().is_empty(), "and once it is anchored");
    chain.reopen();
    assert!(chain.seal().is_empty());
    let supply = ledger::tip(&chain.sequencer.view()).expect("memory").supply;
    let credited = chain_table::swept(&*chain.store, 0)
        .expect("memory")
        .expect("swept")
        .credit;
    assert_eq!(supply, sats(3 * credited.to_sat()));
}

#[test]
fn unregistered_deposit_waits_and_blocks_nobody() {
    let mut chain = Chain::new();
    let (unknown, known) = (chain.sweep(1, false), 2);
    chain.mine(vec![unknown]);
    let sweep = chain.sweep(known, true);
    chain.mine(vec![sweep]);
    chain.mine_empty(2);
    chain.seal();
    assert_eq!(
        last_batch(&chain)
            .deposits
            .iter()
            .map(|d| d.sweep)
            .collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn more_deposits_than_a_batch_holds_go_into_the_next() {
    let mut chain = Chain::new();
    let sweep = chain.sweep(10, true);
    chain.mine(vec![sweep]);
    chain.mine_empty(2);
    assert_eq!(chain.seal(), [1, 2]);
    let sizes: Vec<_> = chain
        .sequencer
        .pending()
        .batches()
        .iter()
        .map(|b| b.sealed().batch.deposits.len())
        .collect();
    assert_eq!(sizes, [8, 2]);
}

#[test]
fn exit_above_the_supply_is_dropped_and_the_rest_goes_on() {
    let mut chain = Chain::new();
    chain.fund(1);
    let greedy = chain.submit(&draft(1).exit(1_000_000, 500));
    let modest = chain.submit(&draft(2).exit(50_000, 500));
    chain.seal();
    assert_eq!(last_batch(&chain).transfers.len(), 1);
    let status = |id| chain.sequencer.status_of(&id).expect("memory").expect("known");
    let rejection = Rejection {
        batch: 2,
        reason: DropReason::Supply,
    };
    assert_eq!(status(greedy.txid), TransferStatus::Rejected(rejection));
    assert_eq!(
        status(modest.txid),
        TransferStatus::Sealed {
            batch: 2,
            slot: 0,
            proven: false
        }
    );
}

#[test]
fn deposits_and_exits_share_a_batch() {
    let mut chain = Chain::with_policy(Policy {
        deposit_after: std::time::Duration::from_secs(3_600),
        ..policy()
    });
    let sweep = chain.sweep(1, true);
    chain.mine(vec![sweep]);
    chain.mine_empty(2);
    chain.submit(&draft(1).exit(50_000, 500));
    assert_eq!(
        chain.seal(),
        [1],
        "the deposit comes along though its own time has not come"
    );
    let batch = last_batch(&chain);
    assert_eq!((batch.transfers.len(), batch.deposits.len()), (1, 1));
}
