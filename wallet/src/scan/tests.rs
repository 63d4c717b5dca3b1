//! Tests of scanning: what is found, and what a lying node cannot make a wallet believe.

use crate::api::{CompactBatch, NodeApi, Range};
use crate::db::EventKind;
use crate::history::EntryState;
use crate::testing::{FEE, MemoryNode, User, sat};
use crate::{Payment, WalletError};
use tacit_protocol::F;

use super::*;

mod memo;

fn pair() -> (MemoryNode, User, User) {
    let node = MemoryNode::new();
    let (alice, bob) = (User::new(&node, 1), User::new(&node, 2));
    (node, alice, bob)
}

#[test]
fn a_deposit_is_paid_on_and_the_change_comes_back() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    assert_eq!(alice.has(), 50_000);
    alice.pay(&node, &mut bob, 20_000);
    assert_eq!(alice.has(), 0);
    assert_eq!(alice.wallet.balance().pending_change, sat(50_000 - 20_000 - FEE));
    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    assert_eq!((alice.has(), bob.has()), (50_000 - 20_000 - FEE, 20_000));
    assert_eq!(bob.wallet.balance().soft, sat(20_000));
    node.anchor(2);
    bob.sync(&node);
    assert_eq!(bob.wallet.balance().confirmed, sat(20_000));
    bob.pay(&node, &mut alice, 5_000);
    node.seal(&[]);
    alice.sync(&node);
    assert_eq!(alice.has(), 50_000 - 20_000 - FEE + 5_000);
}

#[test]
fn history_says_what_happened_and_how_sure_it_is() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let payment = bob.invoice(20_000);
    let sent = alice.try_send(&node, &payment).unwrap();
    let waiting = alice.wallet.history();
    assert_eq!(waiting.len(), 2);
    assert_eq!(
        (waiting[1].txid, waiting[1].state),
        (Some(sent.txid), EntryState::Sent)
    );
    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    let entries = alice.wallet.history();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].what, EventKind::Deposited { index: 0 });
    assert!(matches!(
        entries[0].state,
        EntryState::Anchored {
            is_final: true,
            depth: 2,
            ..
        }
    ));
    let Payment::Pay { to, .. } = payment else {
        panic!("a payment")
    };
    let recipient = Some(alice.wallet.address_text(&to));
    assert_eq!(entries[1].what, EventKind::Sent { recipient });
    assert_eq!((entries[1].amount, entries[1].fee), (sat(20_000), sat(FEE)));
    assert_eq!(
        (entries[1].batch, entries[1].state),
        (Some(2), EntryState::Pending)
    );
    let received = &bob.wallet.history()[0];
    assert_eq!(
        (&received.what, received.txid),
        (&EventKind::Received { address: 0 }, Some(sent.txid))
    );
}

#[test]
fn a_payment_to_oneself_is_no_payment_to_others() {
    let (node, mut alice, _) = pair();
    alice.deposit(&node, 50_000);
    let payment = alice.invoice(10_000);
    alice.try_send(&node, &payment).unwrap();
    node.seal(&[]);
    alice.sync(&node);
    assert_eq!(alice.has(), 50_000 - FEE);
    assert_eq!(alice.wallet.history()[1].what, EventKind::Merged);
}

#[test]
fn a_withdrawal_is_found_with_its_address() {
    let (node, mut alice, _) = pair();
    alice.deposit(&node, 50_000);
    let address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    let payment = alice
        .wallet
        .withdrawal(&node, address, sat(30_000), None)
        .unwrap();
    let sent = alice.try_send(&node, &payment).unwrap();
    node.seal(&[]);
    alice.sync(&node);
    assert_eq!(alice.has(), 20_000 - FEE);
    let entry = alice.wallet.history()[1].clone();
    assert!(matches!(&entry.what, EventKind::Withdrew { address: a, .. } if a == address));
    assert_eq!(
        (entry.amount, entry.fee, entry.txid),
        (sat(30_000), sat(FEE), Some(sent.txid))
    );
}

#[test]
fn an_operator_finds_the_fees_and_can_spend_them() {
    let (node, mut alice, mut bob) = pair();
    node.inner.borrow_mut().operator = bob.wallet.keys().viewing().incoming().internal_pk_d();
    alice.deposit(&node, 50_000);
    let mut carol = User::new(&node, 3);
    alice.pay(&node, &mut carol, 1_000);
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(bob.has(), FEE);
    assert_eq!(bob.wallet.history()[0].what, EventKind::Fees);
    alice.sync(&node);
    alice.pay(&node, &mut carol, 1_000);
    node.seal(&[]);
    bob.sync(&node);
    bob.pay(&node, &mut carol, 2 * FEE - FEE);
    node.seal(&[]);
    carol.sync(&node);
    assert_eq!(carol.has(), 2_000 + FEE);
}

#[test]
fn restoring_from_the_words_finds_the_same_balance_and_history() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.pay(&node, &mut bob, 20_000);
    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    bob.pay(&node, &mut alice, 3_000);
    node.seal(&[]);
    alice.deposit(&node, 40_000);
    let payment = alice
        .wallet
        .withdrawal(
            &node,
            "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080",
            sat(60_000),
            None,
        )
        .unwrap();
    alice.try_send(&node, &payment).unwrap();
    node.seal(&[]);
    alice.sync(&node);

    let mut restored = alice.restored(&node, 9);
    restored.sync(&node);

    assert_eq!(restored.wallet.balance(), alice.wallet.balance());
    assert_eq!(restored.wallet.spendable(), alice.wallet.spendable());
    let mut known = alice.wallet.history();
    for entry in &mut known {
        if let EventKind::Sent { recipient } = &mut entry.what {
            *recipient = None;
        }
    }
    assert_eq!(restored.wallet.history(), known);
    // Numbers handed out before are not handed out again.
    assert_eq!(restored.wallet.new_address(&mut restored.rng).unwrap().0, 1);
    assert_eq!(restored.wallet.new_deposit(&mut restored.rng).unwrap().index, 2);
    restored.pay(&node, &mut bob, 1_000);
}

#[test]
fn deposits_up_to_the_gap_limit_are_recognised() {
    let (node, mut alice, _) = pair();
    let inner = deposit_inner(alice.wallet.keys(), GAP - 1);
    let beyond = deposit_inner(alice.wallet.keys(), 2 * GAP);
    node.seal(&[(sat(1_000), inner), (sat(500), beyond)]);
    alice.sync(&node);
    assert_eq!(alice.has(), 1_000);
    assert_eq!(alice.wallet.new_deposit(&mut alice.rng).unwrap().index, GAP);
    let reachable = deposit_inner(alice.wallet.keys(), 2 * GAP);
    node.seal(&[(sat(2_000), reachable)]);
    alice.sync(&node);
    assert_eq!(alice.has(), 3_000);
}

#[test]
fn equal_deposits_are_two_notes_and_both_can_be_spent() {
    let (node, mut alice, mut bob) = pair();
    let offer = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    node.seal(&[(sat(1_000), offer.inner), (sat(1_000), offer.inner)]);
    alice.sync(&node);
    assert_eq!(alice.has(), 2_000);
    alice.pay(&node, &mut bob, 1_900);
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(bob.has(), 1_900);
}

#[test]
fn a_wallet_on_disk_is_the_wallet_in_memory() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.pay(&node, &mut bob, 20_000);
    let (balance, history) = (alice.wallet.balance(), alice.wallet.history());
    let mut alice = alice.reopen();
    assert_eq!(
        (alice.wallet.balance(), alice.wallet.history()),
        (balance, history)
    );
    node.seal(&[]);
    alice.sync(&node);
    alice.pay(&node, &mut bob, 1_000);
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(bob.has(), 21_000);
}

/// A node with two payments to Bob, of which he has seen the first.
fn watched() -> (MemoryNode, User) {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.pay(&node, &mut bob, 1_000);
    node.seal(&[]);
    alice.sync(&node);
    bob.sync(&node);
    alice.pay(&node, &mut bob, 2_000);
    node.seal(&[]);
    (node, bob)
}

#[test]
fn what_a_node_changes_is_noticed_or_not_credited() {
    type Tamper = fn(&mut CompactBatch);
    let lies: [(&str, Tamper); 5] = [
        ("another number", |b| b.number += 1),
        ("another state", |b| b.state.notes_root += F::from(1u64)),
        ("another operator", |b| b.operator += F::from(1u64)),
        ("a transfer left out", |b| b.transfers.clear()),
        ("a deposit made up", |b| {
            b.deposits.push(crate::api::CompactDeposit {
                v: sat(5),
                inner: F::from(9u64),
            });
        }),
    ];
    for (name, tamper) in lies {
        let (node, mut bob) = watched();
        node.inner.borrow_mut().tamper_compact = tamper;
        let error = bob.try_sync(&node).unwrap_err();
        assert!(matches!(error, WalletError::NodeLied(_)), "{name}: {error}");
        assert_eq!(bob.has(), 1_000, "{name}");
        // An honest answer afterwards is taken.
        node.inner.borrow_mut().tamper_compact = |_| ();
        bob.sync(&node);
        assert_eq!(bob.has(), 3_000, "{name}");
    }
}

#[test]
fn a_tampered_ciphertext_is_not_credited() {
    use tacit_protocol::encryption::EncryptedOutputs;
    type Tamper = fn(&mut [u8; 32], &mut [u8; 32]);
    let tampers: [Tamper; 3] = [
        |_, ct| ct[0] ^= 1,
        |_, ct| ct[9] ^= 1,
        |epk, _| *epk = other_epk(),
    ];
    for tamper in tampers {
        let (node, mut bob) = watched();
        let honest = node.compact(Range { from: 3, limit: 1 }).unwrap().remove(0);
        let mut body = honest.transfers[0].body().clone();
        let (mut epk, mut ct) = (*body.outputs.epk(), *body.outputs.ct_pay());
        tamper(&mut epk, &mut ct);
        body.outputs = EncryptedOutputs::new(epk, ct, *body.outputs.ct_change()).unwrap();
        let mut batch = honest;
        batch.transfers[0] = crate::api::CompactTransfer::new(body);
        bob.wallet.scanner().apply(&batch).unwrap();
        assert_eq!(bob.has(), 1_000);
    }
}

/// A canonical point that is no ephemeral key of these transfers.
fn other_epk() -> [u8; 32] {
    tacit_protocol::address::Diversifier::from_u64(5)
        .g_d()
        .compress()
        .0
}

#[test]
fn too_many_transfers_for_the_shape_are_refused() {
    let (node, mut bob) = watched();
    node.inner.borrow_mut().tamper_compact = |b| {
        let first = b.transfers[0].clone();
        b.transfers = vec![first; 5];
    };
    let error = bob.try_sync(&node).unwrap_err();
    let rule = CompactError::Shape;
    assert!(matches!(error, WalletError::NodeLied(ScanError::Rule { batch: 3, rule: r }) if r == rule));
}
