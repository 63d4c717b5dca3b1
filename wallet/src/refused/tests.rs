//! A node that refuses and keeps: at most one payment counts, whatever it includes later.

use tacit_protocol::transfer::Transfer;

use crate::api::ApiError;
use crate::history::EntryState;
use crate::select::SelectError;
use crate::send::SendError;
use crate::testing::{CheckOnly, FEE, MemoryNode, User, sat};
use crate::wallet::WalletError;
use crate::{Payment, Session};

fn pair() -> (MemoryNode, User, User) {
    let node = MemoryNode::new();
    (MemoryNode::new(), User::new(&node, 1), User::new(&node, 2))
}

/// Hands a payment in at a node that says no; returns the transfer, which such a node may keep.
fn refused(node: &MemoryNode, payer: &mut User, payment: &Payment) -> Transfer {
    node.inner.borrow_mut().next_submit = Some((false, ApiError::MempoolFull { batch: 2 }));
    let error = payer.try_send(node, payment).unwrap_err();
    let WalletError::Send(SendError::Refused { txid, error, until }) = error else {
        panic!("{error}")
    };
    assert_eq!(error, ApiError::MempoolFull { batch: 2 });
    let mut made = payer.wallet.db.outgoing.iter();
    let made = made.find(|outgoing| outgoing.txid == txid).unwrap();
    assert_eq!(made.transfer.body.expiry, until);
    made.transfer.clone()
}

/// Includes exactly these, whatever was promised.
fn include(node: &MemoryNode, transfers: &[Transfer]) {
    node.inner.borrow_mut().mempool = transfers.to_vec();
    node.seal(&[]);
}

#[test]
fn a_node_that_keeps_what_it_refused_cannot_make_the_payer_pay_twice() {
    for lied in [true, false] {
        let (node, mut alice, mut bob) = pair();
        alice.deposit(&node, 50_000);
        let payment = bob.invoice(1_000);
        let kept = refused(&node, &mut alice, &payment);
        // A smaller note would be chosen for the retry, were it free to choose.
        alice.deposit(&node, 2_000);
        let mut alice = alice.reopen();
        let again = alice.try_send(&node, &payment).unwrap();
        assert_eq!(again.replaces.len(), 1);
        let retry = node.inner.borrow().mempool[0].clone();
        assert!(kept.body.nf.iter().any(|nf| retry.body.nf.contains(nf)));

        include(&node, &[if lied { kept } else { retry }]);
        bob.sync(&node);
        let report = alice.sync(&node);
        assert_eq!(bob.has(), 1_000);
        assert_eq!(alice.has(), 51_000 - FEE);
        assert_eq!(report.dropped.len(), usize::from(lied));
        // Nothing stands in the way of the next payment.
        assert!(alice.pay(&node, &mut bob, 1_000).replaces.is_empty());
    }
}

#[test]
fn what_follows_an_accepted_retry_is_free_to_spend_other_notes() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.deposit(&node, 60_000);
    let payment = bob.invoice(1_000);
    refused(&node, &mut alice, &payment);
    alice.try_send(&node, &payment).unwrap();
    let other = alice.pay(&node, &mut bob, 2_000);
    assert!(other.replaces.is_empty());
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(bob.has(), 3_000);
}

#[test]
fn refusals_one_after_another_all_exclude_each_other() {
    let (node, mut alice, mut bob) = pair();
    for v in [3_000, 4_000, 5_000] {
        alice.deposit(&node, v);
    }
    let mut kept = Vec::new();
    for amount in [6_000, 8_000, 1_000, 7_000] {
        let payment = bob.invoice(amount);
        kept.push(refused(&node, &mut alice, &payment));
    }
    alice.pay(&node, &mut bob, 500);
    kept.push(node.inner.borrow().mempool[0].clone());
    for (i, a) in kept.iter().enumerate() {
        for b in &kept[..i] {
            assert!(a.body.nf.iter().any(|nf| b.body.nf.contains(nf)));
        }
    }
}

#[test]
fn transfers_refused_after_they_were_accepted_are_made_void_by_merges() {
    let (node, mut alice, mut bob) = pair();
    for v in [2_000, 3_000, 4_000, 5_000] {
        alice.deposit(&node, v);
    }
    for amount in [1_500, 2_500, 3_500] {
        alice.pay(&node, &mut bob, amount);
    }
    let kept = std::mem::take(&mut node.inner.borrow_mut().mempool);
    for outgoing in &mut alice.wallet.db.outgoing {
        outgoing.refused = Some("evicted".into());
    }
    let payment = bob.invoice(1_000);
    let error = alice.try_send(&node, &payment).unwrap_err();
    let WalletError::Send(SendError::NeedsMerge { transfers, fees }) = error else {
        panic!("{error}")
    };
    assert_eq!((transfers, fees), (2, sat(2 * FEE)));
    let User { wallet, rng, .. } = &mut alice;
    let mut session = Session {
        api: &node,
        prover: &CheckOnly,
        rng,
        now: 1,
        max_fee: None,
    };
    assert_eq!(wallet.merge_for(&mut session, &payment).unwrap().len(), 2);
    let merges = node.inner.borrow().mempool.clone();
    for transfer in &kept {
        let shares = |m: &Transfer| m.body.nf.iter().any(|nf| transfer.body.nf.contains(nf));
        assert!(merges.iter().any(shares));
    }
    node.seal(&[]);
    alice.sync(&node);
    alice.try_send(&node, &payment).unwrap();
}

#[test]
fn a_refused_transfer_is_forgotten_once_its_expiry_is_final() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let payment = bob.invoice(1_000);
    refused(&node, &mut alice, &payment);
    alice.wallet.db.outgoing[0].transfer.body.expiry = 2;
    node.seal(&[]);
    alice.sync(&node);
    node.anchor(1);
    alice.sync(&node);
    assert_eq!(alice.wallet.rivals().len(), 1, "batch 2 is not final");
    let last = alice.wallet.history().pop().unwrap();
    assert_eq!(last.state, EntryState::Refused { until: 2 });
    node.anchor(1);
    alice.sync(&node);
    assert!(alice.wallet.db.outgoing.is_empty());
    assert_eq!(alice.wallet.history().len(), 1);
}

#[test]
fn an_overtaken_transfer_is_kept_until_the_other_is_final() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let payment = bob.invoice(1_000);
    let kept = refused(&node, &mut alice, &payment);
    alice.try_send(&node, &payment).unwrap();
    node.seal(&[]);
    alice.sync(&node);
    assert_eq!(alice.wallet.db.outgoing.len(), 2);
    // The batch is undone and the node includes the other one instead.
    node.roll_back(1);
    include(&node, &[kept]);
    alice.sync(&node);
    bob.sync(&node);
    assert_eq!((alice.has(), bob.has()), (49_000 - FEE, 1_000));
    node.anchor(2);
    alice.sync(&node);
    assert!(alice.wallet.db.outgoing.is_empty());
}

#[test]
fn a_node_that_kept_what_it_refused_and_says_so_by_a_conflict_is_believed() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let payment = bob.invoice(1_000);
    let kept = refused(&node, &mut alice, &payment);
    node.inner.borrow_mut().mempool.push(kept);
    let error = alice.try_send(&node, &payment).unwrap_err();
    let WalletError::Send(SendError::Refused { error, .. }) = error else {
        panic!("{error}")
    };
    assert!(matches!(error, ApiError::Conflict { .. }));
    // The first one is on its way after all, so nothing is free.
    assert!(matches!(
        alice.try_send(&node, &payment),
        Err(WalletError::Select(SelectError::Insufficient { .. }))
    ));
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(bob.has(), 1_000);
}
