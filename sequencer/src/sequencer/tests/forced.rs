//! Forced requests: honoured before they are due, first in the batch, whatever the policy says.

use tacit_protocol::batch::BatchShape;
use tacit_protocol::kv::KvRead;
use tacit_verifier::chain::forced::{Fate, Position, Void};
use tacit_verifier::chain::records::Verdict;
use tacit_verifier::chain::table as chain_table;

use super::{assert_audited, picture};
use crate::config::Policy;
use crate::fixture::requests::{WINDOW, claim_of, forced};
use crate::fixture::{Chain, Draft, draft, policy, sats};
use crate::{DropReason, Rejection, TransferStatus};

/// Blocks after which a request is honoured.
const EARLY: usize = WINDOW.div_ceil(2) as usize;

/// The nullifiers of the last sealed batch's transfers, by number of the transfer.
fn sealed(chain: &Chain) -> Vec<tacit_protocol::note::Nullifier> {
    let batch = chain.sequencer.pending().batches().back().expect("sealed");
    let transfers = &batch.sealed().batch.transfers;
    transfers.iter().map(|transfer| transfer.body.nf[0]).collect()
}

fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<tacit_protocol::note::Nullifier> {
    numbers.into_iter().map(|n| draft(n).body.nf[0]).collect()
}

/// Seals nothing that has not waited long.
fn tick(chain: &mut Chain) -> Vec<u32> {
    let now = chain.time();
    chain.sequencer.tick(now).expect("tick").sealed
}

fn last_verdict(chain: &Chain) -> Verdict {
    let mut anchors = chain_table::anchors(&*chain.store, 0, usize::MAX).expect("memory");
    anchors.pop().expect("an anchor").1.verdict
}

fn waiting(chain: &Chain) -> usize {
    let kv: &dyn KvRead = &*chain.store;
    let transfers = chain_table::forced_transfers(kv, None, u32::MAX, usize::MAX).expect("memory");
    let claims = chain_table::forced_claims(kv, None, u32::MAX, usize::MAX).expect("memory");
    transfers.len() + claims.len()
}

/// Anchors nothing, so that all that was posted a window ago is due.
fn move_tip(chain: &mut Chain) {
    let anchor = chain.empty_anchor();
    chain.mine(vec![anchor]);
}

#[test]
fn a_request_is_honoured_at_half_of_the_window_though_nothing_else_waits() {
    let mut chain = Chain::new();
    chain.force(&[forced(1)]);
    for _ in 1..EARLY {
        assert!(chain.seal().is_empty());
        chain.mine_empty(1);
    }
    assert_eq!(tick(&mut chain), [1], "without waiting for others");
    assert_eq!(sealed(&chain), numbers([1]));
    assert!(tick(&mut chain).is_empty(), "once");
    chain.prove_all();
    assert_eq!(chain.anchor_all().anchored, [1]);
    chain.mine_empty(2 * WINDOW as usize);
    assert!(chain.seal().is_empty());
    assert_eq!(waiting(&chain), 1, "nothing was sealed that would look at it");
    move_tip(&mut chain);
    chain.submit(&draft(2));
    chain.seal();
    chain.prove_all();
    chain.anchor_all();
    assert_eq!(waiting(&chain), 0);
    let position = Position {
        height: 101,
        tx: 0,
        input: 0,
    };
    let settled = chain_table::settled_transfer(&*chain.store, position).expect("memory");
    assert_eq!(
        settled.expect("looked at").fate,
        Fate::Void(Void::Done(1)),
        "done before it was due"
    );
    assert_audited(&chain);
}

#[test]
fn requests_come_before_what_was_submitted_and_whatever_the_policy_refuses() {
    let mut chain = Chain::with_policy(Policy {
        min_fee: sats(1_000),
        ..policy()
    });
    let dear = Draft {
        body: tacit_protocol::transfer::TransferBody {
            fee: 3,
            ..draft(5).body
        },
        ..draft(5)
    };
    chain.submit(&dear);
    let cheap = forced(1);
    assert_eq!(
        chain.try_submit(&cheap).expect_err("too cheap").code(),
        "fee-too-low"
    );
    chain.force(&[cheap]);
    chain.mine_empty(EARLY);
    assert_eq!(chain.seal(), [1]);
    assert_eq!(sealed(&chain), numbers([1, 5]));
    chain.prove_all();
    assert_eq!(chain.anchor_all().anchored, [1]);
    assert_audited(&chain);
}

#[test]
fn a_flood_of_requests_goes_on_in_the_next_batches_beside_others() {
    let mut chain = Chain::new();
    let flood: Vec<_> = (1..=25).map(forced).collect();
    chain.force(&flood[..13]);
    chain.force(&flood[13..]);
    (50..65).for_each(|n| {
        chain.submit(&draft(n));
    });
    chain.mine_empty(EARLY);
    assert_eq!(chain.seal(), [1, 2, 3]);
    let batches: Vec<_> = chain
        .sequencer
        .pending()
        .batches()
        .iter()
        .map(|batch| {
            let batch = &batch.sealed().batch;
            let nf: Vec<_> = batch.transfers.iter().map(|t| t.body.nf[0]).collect();
            (batch.shape, nf)
        })
        .collect();
    let large = BatchShape::B20x8;
    let expected = [
        (large, numbers((1..=10).chain(50..60))),
        (large, numbers((11..=20).chain(60..65))),
        (large, numbers(21..=25)),
    ];
    assert_eq!(batches, expected);
    // Due by the time they are anchored, in two anchors.
    move_tip(&mut chain);
    chain.mine_empty(WINDOW as usize);
    chain.prove_all();
    move_tip(&mut chain);
    assert_eq!(chain.anchor_all().anchored, [1, 2, 3]);
    assert_eq!(last_verdict(&chain), Verdict::Applied { first: 1, count: 3 });
    assert_eq!(waiting(&chain), 0);
    assert_audited(&chain);
}

#[test]
fn a_batch_that_waited_past_the_window_is_sealed_anew_with_the_request() {
    for restart in [false, true] {
        let mut chain = Chain::new();
        let kept = chain.submit(&draft(1));
        assert_eq!(chain.seal(), [1]);
        chain.submit(&draft(2));
        assert_eq!(chain.seal(), [2]);
        chain.prove_all();
        chain.submit(&draft(3));
        chain.force(&[forced(9)]);
        chain.mine_empty(WINDOW as usize - 1);
        let anchor = chain.empty_anchor();
        let changes = chain.mine(vec![anchor]);
        assert_eq!((changes.resealed_from, changes.halted), (Some(1), None));
        if restart {
            chain.reopen();
        }
        assert_eq!(chain.sequencer.anchorable(usize::MAX), Ok(None));
        assert!(chain.sequencer.pending().batches().is_empty());
        let status = chain.sequencer.status_of(&kept.txid).expect("memory");
        assert_eq!(status, Some(TransferStatus::Waiting { target: 1 }));
        assert_eq!(tick(&mut chain), [1], "the transfers have waited long enough");
        assert_eq!(sealed(&chain), numbers([9, 3, 1, 2]));
        let before = picture(&chain.sequencer);
        chain.reopen();
        assert_eq!(picture(&chain.sequencer), before);
        chain.prove_all();
        assert_eq!(chain.anchor_all().anchored, [1]);
        assert_eq!(waiting(&chain), 0);
        assert_audited(&chain);
    }
}

#[test]
fn a_request_that_becomes_due_behind_a_kept_batch_reseals_what_follows_it() {
    let mut chain = Chain::new();
    // Ten fill the half of batch 1 that is for requests.
    let flood: Vec<_> = (10..20).map(forced).collect();
    chain.force(&flood);
    chain.mine_empty(EARLY);
    assert_eq!(tick(&mut chain), [1]);
    let first = chain.sequencer.pending().get(1).expect("sealed").sealed().clone();
    chain.submit(&draft(1));
    assert_eq!(chain.seal(), [2]);
    chain.force(&[forced(30)]);
    chain.mine_empty(WINDOW as usize - 1);
    let anchor = chain.empty_anchor();
    assert_eq!(chain.mine(vec![anchor]).resealed_from, Some(2));
    assert_eq!(chain.sequencer.pending().get(1).expect("kept").sealed(), &first);
    assert_eq!(tick(&mut chain), [2]);
    assert_eq!(sealed(&chain), numbers([30, 1]));
    chain.prove_all();
    assert_eq!(chain.anchor_all().anchored, [1, 2]);
    assert_eq!(waiting(&chain), 0);
    assert_audited(&chain);
}

#[test]
fn a_transfer_that_is_forced_and_submitted_is_included_once() {
    // The horizon of this sequencer reaches to the last batch of all.
    let mut chain = Chain::with_policy(Policy {
        expiry_horizon: u32::MAX,
        ..policy()
    });
    let again = forced(1);
    chain.force(std::slice::from_ref(&again));
    let accepted = chain.submit(&again);
    chain.mine_empty(EARLY);
    assert_eq!(chain.seal(), [1]);
    assert_eq!(sealed(&chain), numbers([1]));
    assert!(chain.sequencer.mempool().is_empty());
    let status = chain.sequencer.status_of(&accepted.txid).expect("memory");
    assert!(
        matches!(status, Some(TransferStatus::Sealed { batch: 1, .. })),
        "{status:?}"
    );
}

#[test]
fn a_waiting_transfer_that_spends_what_a_request_spends_is_dropped() {
    let mut chain = Chain::new();
    let mut other = draft(1);
    other.body.fee = 2;
    let accepted = chain.submit(&other);
    chain.force(&[forced(1)]);
    chain.mine_empty(EARLY);
    assert_eq!(tick(&mut chain), [1]);
    let status = chain.sequencer.status_of(&accepted.txid).expect("memory");
    let reason = DropReason::Spent(other.body.nf[0]);
    assert_eq!(
        status,
        Some(TransferStatus::Rejected(Rejection { batch: 1, reason }))
    );
    chain.prove_all();
    assert_eq!(chain.anchor_all().anchored, [1]);
    assert_audited(&chain);
}

#[test]
fn void_requests_block_nobody() {
    let mut chain = Chain::new();
    let mut rival = forced(1);
    rival.body.fee = 2;
    let greedy = forced(2).exit(1_000_000, 500);
    chain.force(&[forced(1), rival, greedy, forced(3)]);
    chain.mine_empty(EARLY);
    assert_eq!(tick(&mut chain), [1]);
    assert_eq!(sealed(&chain), numbers([1, 3]));
    chain.mine_empty(WINDOW as usize);
    move_tip(&mut chain);
    chain.prove_all();
    assert_eq!(chain.anchor_all().anchored, [1]);
    assert_eq!(waiting(&chain), 0);
    assert!(tick(&mut chain).is_empty());
    assert_audited(&chain);
}

#[test]
fn a_deposit_that_nobody_registered_is_credited_by_force() {
    let mut chain = Chain::new();
    let deposits = [chain.deposit(5_000, 5, false), chain.deposit(5_001, 6, false)];
    let sweep = chain.sweep_of(&deposits);
    chain.mine(vec![sweep]);
    chain.mine_empty(2);
    assert!(chain.seal().is_empty());
    let claim = chain.post(&[claim_of(&deposits[1], 6), claim_of(&deposits[0], 7)]);
    chain.mine(vec![claim]);
    assert_eq!(waiting(&chain), 1, "the second names other terms");
    let more = chain.sweep(2, true);
    chain.mine(vec![more]);
    chain.mine_empty(EARLY);
    assert_eq!(tick(&mut chain), [1]);
    let batch = chain
        .sequencer
        .pending()
        .get(1)
        .expect("sealed")
        .sealed()
        .batch
        .clone();
    let sweeps: Vec<u32> = batch.deposits.iter().map(|claim| claim.sweep).collect();
    assert_eq!(sweeps, [1, 2, 3], "forced ones first");
    move_tip(&mut chain);
    chain.mine_empty(WINDOW as usize);
    move_tip(&mut chain);
    chain.prove_all();
    assert_eq!(chain.anchor_all().anchored, [1]);
    assert_eq!(waiting(&chain), 0);
    assert_audited(&chain);
}

/// The shape of the last sealed batch.
fn shape(chain: &Chain) -> BatchShape {
    let batch = chain.sequencer.pending().batches().back().expect("sealed");
    batch.sealed().batch.shape
}

/// Anchors everything after all of it has become due, on the block after that.
fn anchor_late(chain: &mut Chain) -> Vec<u32> {
    chain.mine_empty(WINDOW as usize);
    move_tip(chain);
    chain.prove_all();
    chain.anchor_all().anchored
}

#[test]
fn the_largest_shape_is_taken_only_while_a_smaller_one_would_leave_requests_behind() {
    for (count, expected) in [(2, BatchShape::B4x4), (3, BatchShape::B20x8)] {
        let mut chain = Chain::new();
        let requests: Vec<_> = (1..=count).map(forced).collect();
        chain.force(&requests);
        chain.mine_empty(EARLY);
        assert_eq!(tick(&mut chain), [1]);
        assert_eq!(sealed(&chain), numbers(1..=count));
        assert_eq!(shape(&chain), expected, "{count} requests");
        assert_eq!(anchor_late(&mut chain), [1]);
        assert_eq!(last_verdict(&chain), Verdict::Applied { first: 1, count: 1 });
        assert_eq!(waiting(&chain), 0);
        assert_audited(&chain);
    }
}

#[test]
fn requests_with_one_anchor_too_many_for_a_small_shape_take_the_largest() {
    let mut chain = Chain::new();
    chain.submit(&draft(50));
    chain.seal();
    chain.prove_all();
    chain.anchor_all();
    let younger = Draft {
        anchor: 1,
        ..forced(2)
    };
    chain.force(&[forced(1), younger]);
    chain.mine_empty(EARLY);
    assert_eq!(tick(&mut chain), [2]);
    assert_eq!(sealed(&chain), numbers([1, 2]));
    assert_eq!(shape(&chain), BatchShape::B20x8);
    assert_eq!(anchor_late(&mut chain), [2]);
    assert_eq!(waiting(&chain), 0);
    assert_audited(&chain);
}

#[test]
fn a_small_batch_that_waited_until_more_is_due_than_it_takes_is_sealed_anew_as_the_largest() {
    for restart in [false, true] {
        let mut chain = Chain::new();
        chain.force(&[forced(1), forced(2)]);
        chain.mine_empty(EARLY);
        assert_eq!(tick(&mut chain), [1]);
        assert_eq!(shape(&chain), BatchShape::B4x4);
        chain.prove_all();
        // One more behind the two, which nobody seals: enough batches wait.
        chain.force(&[forced(3)]);
        chain.mine_empty(WINDOW as usize - 1);
        let anchor = chain.empty_anchor();
        let changes = chain.mine(vec![anchor]);
        assert_eq!((changes.resealed_from, changes.halted), (Some(1), None));
        if restart {
            chain.reopen();
        }
        assert_eq!(tick(&mut chain), [1]);
        assert_eq!(sealed(&chain), numbers([1, 2, 3]));
        assert_eq!(shape(&chain), BatchShape::B20x8);
        chain.prove_all();
        assert_eq!(chain.anchor_all().anchored, [1]);
        assert_eq!(last_verdict(&chain), Verdict::Applied { first: 1, count: 1 });
        assert_eq!(waiting(&chain), 0);
        assert_audited(&chain);
    }
}

#[test]
fn the_last_requests_of_a_flood_need_no_large_batch() {
    let mut chain = Chain::new();
    let flood: Vec<_> = (1..=12).map(forced).collect();
    chain.force(&flood);
    chain.mine_empty(EARLY);
    assert_eq!(tick(&mut chain), [1, 2]);
    let pending = chain.sequencer.pending();
    let shapes: Vec<_> = pending
        .batches()
        .iter()
        .map(|batch| batch.sealed().batch.shape)
        .collect();
    assert_eq!(shapes, [BatchShape::B20x8, BatchShape::B4x4]);
    assert_eq!(anchor_late(&mut chain), [1, 2]);
    assert_eq!(last_verdict(&chain), Verdict::Applied { first: 1, count: 2 });
    assert_eq!(waiting(&chain), 0);
    assert_audited(&chain);
}

#[test]
fn the_queue_is_walked_again_after_a_block_and_after_a_batch_only() {
    let mut chain = Chain::new();
    chain.force(&[forced(1)]);
    assert!(tick(&mut chain).is_empty());
    let known = |chain: &Chain| chain.sequencer.forced.clone().expect("walked");
    let first = known(&chain);
    assert!(tick(&mut chain).is_empty());
    assert!(std::sync::Arc::ptr_eq(&first, &known(&chain)));
    chain.mine_empty(EARLY);
    assert!(chain.sequencer.forced.is_none(), "a block came");
    assert_eq!(tick(&mut chain), [1]);
    assert!(known(&chain).is_empty(), "walked again after the batch");
    chain.reopen();
    assert!(chain.sequencer.forced.is_none());
}
