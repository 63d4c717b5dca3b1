//! Tests of following a node: rollbacks, two copies of a wallet, fresh wallets.

use crate::api::NodeApi;
use crate::history::EntryState;
use crate::send::SendError;
use crate::testing::{FEE, MemoryNode, User, keypair, params, sat};

use super::*;

fn pair() -> (MemoryNode, User, User) {
    let node = MemoryNode::new();
    let (alice, bob) = (User::new(&node, 1), User::new(&node, 2));
    (node, alice, bob)
}

#[test]
fn a_pending_batch_that_is_undone_is_forgotten_and_the_transfer_handed_in_again() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let sent = alice.pay(&node, &mut bob, 20_000);
    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    assert_eq!((alice.has(), bob.has()), (30_000 - FEE, 20_000));

    node.roll_back(1);
    let report = alice.sync(&node);
    assert_eq!((report.rolled_back_to, report.dropped), (Some(1), Vec::new()));
    assert_eq!(bob.sync(&node).rolled_back_to, Some(1));
    // Alice's note is still on its way out: the node got the transfer again.
    assert_eq!((alice.has(), bob.has()), (0, 0));
    assert!(bob.wallet.history().is_empty());
    assert_eq!(alice.wallet.history()[1].state, EntryState::Sent);
    assert_eq!(node.transfer_status(sent.txid).unwrap(), TransferStatus::Pending);

    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    assert_eq!((alice.has(), bob.has()), (30_000 - FEE, 20_000));
}

#[test]
fn a_batch_replaced_by_another_of_the_same_number_is_noticed() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.pay(&node, &mut bob, 20_000);
    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    node.roll_back(1);
    node.seal(&[(sat(5), F::from(1u64))]);
    node.seal(&[(sat(6), F::from(2u64))]);
    let report = bob.sync(&node);
    assert_eq!(
        (report.rolled_back_to, report.scanned, report.batch),
        (Some(1), 2, 3)
    );
    assert_eq!(bob.has(), 0);
    alice.sync(&node);
    node.seal(&[]);
    bob.sync(&node);
    alice.sync(&node);
    assert_eq!((alice.has(), bob.has()), (30_000 - FEE, 20_000));
}

#[test]
fn a_deep_reorganisation_is_followed_to_the_last_batch_that_agrees() {
    let (node, mut alice, _) = pair();
    for i in 0..9 {
        alice.deposit(&node, 1_000 + i);
    }
    node.anchor(5);
    alice.sync(&node);
    for keep in [6, 0] {
        node.roll_back(keep);
        let offer = alice.wallet.deposit_offer(0);
        node.seal(&[(sat(77), offer.inner)]);
        let report = alice.sync(&node);
        assert_eq!(report.rolled_back_to, Some(keep));
        assert_eq!(alice.wallet.batch(), keep + 1);
    }
    assert_eq!(alice.has(), 77);
    assert_eq!(alice.wallet.history().len(), 1);
}

#[test]
fn a_state_after_a_rollback_is_that_of_a_wallet_which_never_saw_the_fork() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.pay(&node, &mut bob, 20_000);
    node.seal(&[]);
    bob.sync(&node);
    node.roll_back(1);
    node.inner.borrow_mut().mempool.clear();
    let offer = bob.wallet.deposit_offer(0);
    node.seal(&[(sat(500), offer.inner)]);
    bob.sync(&node);
    let mut fresh = User::new(&node, 2);
    fresh.sync(&node);
    bob.wallet.db.next_address = 0;
    assert_eq!(bob.wallet.db, fresh.wallet.db);
}

#[test]
fn two_copies_of_a_wallet_see_each_others_spends() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let mut copy = User::new(&node, 1);
    copy.sync(&node);
    assert_eq!(copy.has(), 50_000);
    alice.pay(&node, &mut bob, 20_000);
    // The copy does not know yet; the node refuses, and nothing is lost.
    let payment = bob.invoice(1_000);
    let error = copy.try_send(&node, &payment).unwrap_err();
    assert!(
        matches!(
            error,
            WalletError::Send(SendError::Refused {
                error: ApiError::Conflict { .. },
                ..
            })
        ),
        "{error}"
    );
    assert_eq!(copy.has(), 50_000);
    node.seal(&[]);
    copy.sync(&node);
    alice.sync(&node);
    assert_eq!((copy.has(), alice.has()), (30_000 - FEE, 30_000 - FEE));
    copy.try_send(&node, &payment).unwrap();
    node.seal(&[]);
    alice.sync(&node);
    assert_eq!(alice.has(), 29_000 - 2 * FEE);
}

#[test]
fn a_transfer_overtaken_by_a_copy_is_dropped_with_the_reason() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let mut copy = User::new(&node, 1);
    copy.sync(&node);
    let lost = alice.pay(&node, &mut bob, 20_000);
    node.inner.borrow_mut().mempool.clear();
    let won = copy.pay(&node, &mut bob, 1_000);
    node.seal(&[]);
    let report = alice.sync(&node);
    assert_eq!(report.dropped.len(), 1);
    assert_eq!(report.dropped[0].txid, lost.txid);
    assert!(report.dropped[0].reason.contains(&won.txid.to_string()));
    assert_eq!(alice.has(), 49_000 - FEE);
}

#[test]
fn an_expired_transfer_frees_its_notes() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.pay(&node, &mut bob, 20_000);
    node.inner.borrow_mut().mempool.clear();
    alice.wallet.db.outgoing[0].transfer.body.expiry = 1;
    let report = alice.sync(&node);
    assert_eq!(report.dropped[0].reason, "it expired");
    assert_eq!(alice.has(), 50_000);
}

#[test]
fn a_fresh_wallet_skips_what_cannot_be_its_own() {
    let (node, mut alice, mut bob) = pair();
    for _ in 0..5 {
        alice.deposit(&node, 1_000);
    }
    node.seal(&[]);
    assert_eq!(bob.wallet.skip_history(&node, &mut bob.rng).unwrap(), 5);
    assert_eq!(bob.sync(&node).scanned, 1);
    alice.sync(&node);
    alice.pay(&node, &mut bob, 1_500);
    node.seal(&[]);
    bob.sync(&node);
    bob.pay(&node, &mut alice, 100);
    node.seal(&[]);
    alice.sync(&node);
    // Once it has addresses it scans everything.
    assert_eq!(bob.wallet.skip_history(&node, &mut bob.rng).unwrap(), 5);
    let mut carol = User::new(&node, 3);
    carol.invoice(1);
    assert_eq!(carol.wallet.skip_history(&node, &mut carol.rng).unwrap(), 0);
}

#[test]
fn a_reorganisation_below_the_birthday_scans_everything_again() {
    let (node, mut alice, mut bob) = pair();
    for _ in 0..5 {
        alice.deposit(&node, 1_000);
    }
    bob.wallet.skip_history(&node, &mut bob.rng).unwrap();
    node.roll_back(2);
    let offer = bob.wallet.deposit_offer(0);
    node.seal(&[(sat(9), offer.inner)]);
    let report = bob.sync(&node);
    assert_eq!((report.rolled_back_to, report.scanned), (Some(0), 3));
    assert_eq!(bob.has(), 9);
}

#[test]
fn a_lie_about_subtree_roots_is_noticed() {
    let (node, mut alice, mut bob) = pair();
    for _ in 0..3 {
        alice.deposit(&node, 1_000);
    }
    node.inner.borrow_mut().tamper_roots = |roots| roots.roots[0] += F::from(1u64);
    let error = bob.wallet.skip_history(&node, &mut bob.rng).unwrap_err();
    assert!(
        matches!(error, WalletError::NodeLied(ScanError::SubtreeRoots { batch: 3 })),
        "{error}"
    );
    // Nothing was taken over: it scans from the beginning.
    assert_eq!(bob.sync(&node).scanned, 3);
}

#[test]
fn a_node_of_another_chain_is_refused() {
    let (mut node, mut alice, _) = pair();
    node.params = params(7);
    assert!(matches!(
        alice.try_sync(&node),
        Err(WalletError::OtherChain { .. })
    ));
}

#[test]
fn progress_goes_from_the_start_to_the_end() {
    let (node, mut alice, mut bob) = pair();
    for _ in 0..5 {
        alice.deposit(&node, 1_000);
    }
    let mut seen = Vec::new();
    bob.wallet
        .sync(&node, &mut |p| seen.push((p.batch, p.target)), &mut bob.rng)
        .unwrap();
    assert_eq!(seen, [(0, 5), (2, 5), (4, 5), (5, 5)]);
}

#[test]
fn a_takeover_is_said_once_and_voids_what_the_sequencer_before_promised() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.deposit(&node, 40_000);
    alice.pay(&node, &mut bob, 20_000);
    node.seal(&[]);
    node.anchor(0);
    let sent = alice.pay(&node, &mut bob, 10_000);
    assert_eq!(alice.sync(&node).takeover, None);
    // The next sequencer knows Bitcoin and nothing else.
    node.inner.borrow_mut().sequencer = (8, 8);
    node.inner.borrow_mut().mempool.clear();
    let takeover = alice.sync(&node).takeover;
    let sequencer = keypair(8).x_only_public_key().0;
    let void = vec![sent.txid];
    assert_eq!(takeover, Some(Takeover { sequencer, void }));
    assert_eq!(
        node.transfer_status(sent.txid).unwrap(),
        TransferStatus::Pending,
        "it was handed in again"
    );
    let receipts = alice.wallet.db.outgoing.iter().map(|o| o.receipt.is_some());
    assert_eq!(
        receipts.collect::<Vec<_>>(),
        [true, false],
        "what is on Bitcoin stays"
    );
    let mut alice = alice.reopen();
    assert_eq!(alice.sync(&node).takeover, None);
    // Whoever never knew the one before has nothing to lose.
    assert_eq!(bob.sync(&node).takeover, None);
}
