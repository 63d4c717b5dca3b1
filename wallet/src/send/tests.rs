//! Tests of sending: selection to hand-in, and everything that can go wrong on the way.

use crate::api::NodeApi;
use crate::testing::{CheckOnly, FEE, MemoryNode, User, sat};

use super::*;
use crate::select::SelectError;

fn pair() -> (MemoryNode, User, User) {
    let node = MemoryNode::new();
    let (alice, bob) = (User::new(&node, 1), User::new(&node, 2));
    (node, alice, bob)
}

#[test]
fn notes_of_a_pending_batch_can_be_spent_at_once() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    for _ in 0..3 {
        alice.pay(&node, &mut bob, 1_000);
        node.seal(&[]);
        alice.sync(&node);
    }
    bob.sync(&node);
    assert_eq!(bob.has(), 3_000);
}

#[test]
fn many_small_notes_are_merged_and_then_sent() {
    let (node, mut alice, mut bob) = pair();
    for _ in 0..5 {
        alice.deposit(&node, 1_000);
    }
    let payment = bob.invoice(4_000);
    let error = alice.try_send(&node, &payment).unwrap_err();
    let WalletError::Send(SendError::NeedsMerge { transfers, fees }) = error else {
        panic!("{error}")
    };
    assert_eq!((transfers, fees), (3, sat(3 * FEE)));
    let mut merges = 0;
    loop {
        let User { wallet, rng, .. } = &mut alice;
        let mut session = Session {
            api: &node,
            prover: &CheckOnly,
            rng,
            now: 1,
            max_fee: None,
        };
        let sent = wallet.merge_for(&mut session, &payment).unwrap();
        if sent.is_empty() {
            break;
        }
        merges += sent.len();
        node.seal(&[]);
        alice.sync(&node);
    }
    assert_eq!(merges, transfers);
    alice.try_send(&node, &payment).unwrap();
    node.seal(&[]);
    bob.sync(&node);
    alice.sync(&node);
    assert_eq!((bob.has(), alice.has()), (4_000, 1_000 - 4 * FEE));
}

#[test]
fn an_amount_over_the_balance_is_refused_with_figures() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 1_000);
    let payment = bob.invoice(1_000);
    let error = alice.try_send(&node, &payment).unwrap_err();
    let expected = SelectError::Insufficient {
        needed: sat(1_000 + FEE),
        available: sat(1_000),
    };
    assert!(matches!(error, WalletError::Select(e) if e == expected));
}

#[test]
fn a_note_on_its_way_is_not_spent_again() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    alice.pay(&node, &mut bob, 1_000);
    let payment = bob.invoice(1_000);
    assert!(matches!(
        alice.try_send(&node, &payment),
        Err(WalletError::Select(_))
    ));
    let mut alice = alice.reopen();
    assert!(matches!(
        alice.try_send(&node, &payment),
        Err(WalletError::Select(_))
    ));
}

#[test]
fn an_anchor_that_is_too_old_is_replaced_by_a_fresh_one() {
    let (node, mut alice, mut bob) = pair();
    for _ in 0..10 {
        alice.deposit(&node, 1_000);
    }
    let spendable = alice.wallet.spendable();
    let oldest = spendable.iter().map(|c| c.position.batch()).min().unwrap();
    assert_eq!(oldest, 1);
    node.inner.borrow_mut().oldest_anchor = 9;
    let sent = alice.pay(&node, &mut bob, 500);
    assert_eq!(sent.anchor, 10);
    assert_eq!(alice.wallet.db.outgoing.len(), 1);
    node.seal(&[]);
    bob.sync(&node);
    assert_eq!(bob.has(), 500);
}

#[test]
fn a_refused_transfer_frees_its_notes() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    for error in [
        ApiError::MempoolFull { batch: 2 },
        ApiError::WrongRole,
        ApiError::FeeTooLow { minimum: sat(500) },
    ] {
        node.inner.borrow_mut().next_submit = Some((false, error.clone()));
        let payment = bob.invoice(1_000);
        let found = alice.try_send(&node, &payment).unwrap_err();
        let WalletError::Send(SendError::Refused { error: said, .. }) = found else {
            panic!("{found}")
        };
        assert_eq!(said, error);
        assert_eq!(alice.has(), 50_000);
    }
}

#[test]
fn a_transfer_without_an_answer_is_kept_and_cleared_up_by_a_sync() {
    for taken in [true, false] {
        let (node, mut alice, mut bob) = pair();
        alice.deposit(&node, 50_000);
        node.inner.borrow_mut().next_submit = Some((taken, ApiError::Transport("reset".into())));
        let payment = bob.invoice(1_000);
        let error = alice.try_send(&node, &payment).unwrap_err();
        assert!(
            matches!(error, WalletError::Send(SendError::Unanswered { .. })),
            "{error}"
        );
        assert_eq!(alice.has(), 0);
        let mut alice = alice.reopen();
        alice.sync(&node);
        node.seal(&[]);
        alice.sync(&node);
        bob.sync(&node);
        assert_eq!((alice.has(), bob.has()), (49_000 - FEE, 1_000));
    }
}

#[test]
fn a_receipt_about_something_else_is_refused() {
    let tampers: [fn(&mut Receipt); 4] = [
        |r| r.promise.txid.0[0] ^= 1,
        |r| r.promise.target_batch += 1,
        |r| r.promise.nf.swap(0, 1),
        |r| r.promise.chain_id = tacit_protocol::params::ChainId::from_bytes([0; 32]),
    ];
    for tamper in tampers {
        let (node, mut alice, mut bob) = pair();
        alice.deposit(&node, 50_000);
        node.inner.borrow_mut().tamper_receipt = tamper;
        let payment = bob.invoice(1_000);
        let error = alice.try_send(&node, &payment).unwrap_err();
        assert!(
            matches!(error, WalletError::Send(SendError::BadReceipt { .. })),
            "{error}"
        );
        // It was handed in all the same, so its note is not spent again.
        assert_eq!(alice.has(), 0);
    }
}

#[test]
fn a_receipt_of_a_sequencer_that_is_not_in_office_is_refused() {
    // In office, and who signs: the first one counts no more once another one has taken over.
    for ((office, signer), good) in [((5, 5), true), ((5, 8), false), ((8, 8), true), ((8, 5), false)] {
        let (node, mut alice, mut bob) = pair();
        alice.deposit(&node, 50_000);
        node.inner.borrow_mut().sequencer = (office, signer);
        let payment = bob.invoice(1_000);
        let outcome = alice.try_send(&node, &payment);
        let refused = matches!(outcome, Err(WalletError::Send(SendError::BadReceipt { .. })));
        assert_eq!((outcome.is_ok(), refused), (good, !good));
        assert_eq!(alice.wallet.db.outgoing[0].receipt.is_some(), good);
    }
}

#[test]
fn a_fee_above_the_limit_is_refused() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let payment = bob.invoice(1_000);
    let User { wallet, rng, .. } = &mut alice;
    let max_fee = Some(sat(FEE - 1));
    let mut session = Session {
        api: &node,
        prover: &CheckOnly,
        rng,
        now: 1,
        max_fee,
    };
    let error = wallet.send(&mut session, &payment).unwrap_err();
    assert!(
        matches!(error, WalletError::Send(SendError::FeeAboveLimit { .. })),
        "{error}"
    );
}

#[test]
fn an_address_of_another_network_or_with_a_typing_error_is_refused() {
    use tacit_protocol::Network;
    use tacit_protocol::address::AddressError;
    let (_, mut alice, _) = pair();
    let (_, address) = alice.wallet.new_address(&mut alice.rng).unwrap();
    let good = alice.wallet.address_text(&address);
    assert_eq!(alice.wallet.parse_address(&good).unwrap(), address);
    let signet = address.to_string_for(Network::Signet);
    let error = alice.wallet.parse_address(&signet).unwrap_err();
    assert!(
        matches!(error, WalletError::Address(AddressError::WrongNetwork { .. })),
        "{error}"
    );
    let unknown = good.replacen("tacitrt", "tacitxx", 1);
    let error = alice.wallet.parse_address(&unknown).unwrap_err();
    assert!(
        matches!(error, WalletError::Address(AddressError::UnknownPrefix(_))),
        "{error}"
    );
    let mut typed = good.clone().into_bytes();
    typed[20] = if typed[20] == b'q' { b'p' } else { b'q' };
    let error = alice
        .wallet
        .parse_address(std::str::from_utf8(&typed).unwrap())
        .unwrap_err();
    assert!(
        matches!(error, WalletError::Address(AddressError::Checksum)),
        "{error}"
    );
}

#[test]
fn handing_in_twice_gives_the_same_promise() {
    let (node, mut alice, mut bob) = pair();
    alice.deposit(&node, 50_000);
    let sent = alice.pay(&node, &mut bob, 1_000);
    let again = node
        .submit_transfer(&alice.wallet.db.outgoing[0].transfer)
        .unwrap();
    assert_eq!(again, sent.receipt);
}
