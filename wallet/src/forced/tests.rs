//! Tests of forcing: what is made, what is posted, what a second attempt does.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Transaction};
use tacit_protocol::peg::TxInput;
use tacit_protocol::peg::forced::requests;

use super::*;
use crate::api::FoundDeposit;
use crate::select::SelectError;
use crate::testing::{CheckOnly, FEE, MemoryNode, User, sat};

const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
pub(super) const RATE: FeeRate = FeeRate::from_sat_per_kwu(500);

pub(super) fn withdrawal(amount: u64, limit: u64) -> Payment {
    let to = crate::builder::exit::parse_address(ADDRESS, tacit_protocol::Network::Regtest).unwrap();
    Payment::Withdraw {
        amount: sat(amount),
        to,
        max_l1_fee: sat(limit),
    }
}

fn force(user: &mut User, node: &MemoryNode, payment: &Payment) -> Result<Forced, WalletError> {
    let User { wallet, rng, .. } = user;
    let mut session = Session {
        api: node,
        prover: &CheckOnly,
        rng,
        now: 1_000,
        max_fee: None,
    };
    wallet.force(&mut session, payment)
}

fn post(user: &mut User, node: &MemoryNode, txid: TransferId, send: bool) -> Result<Posted, WalletError> {
    user.wallet.post(node, txid, (RATE, send), &mut user.rng)
}

/// Gives the posting address a confirmed coin.
pub(super) fn fund(user: &User, node: &MemoryNode, n: u8, amount: u64) {
    let found = FoundDeposit {
        script: user.wallet.posting_script(),
        outpoint: OutPoint {
            txid: bitcoin::Txid::from_byte_array([n; 32]),
            vout: 0,
        },
        amount: sat(amount),
        height: 100,
        spent_by: None,
    };
    let coin = crate::testing::Coin {
        found,
        registered: None,
    };
    node.inner.borrow_mut().coins.push(coin);
}

pub(super) fn sent(node: &MemoryNode) -> Vec<Transaction> {
    node.inner.borrow().broadcast.clone()
}

pub(super) fn alice(amount: u64) -> (MemoryNode, User) {
    let node = MemoryNode::new();
    let mut alice = User::new(&node, 1);
    alice.deposit(&node, amount);
    (node, alice)
}

#[test]
fn a_forced_withdrawal_is_posted_whole_and_known_when_it_is_included() {
    let (node, mut alice) = alice(50_000);
    fund(&alice, &node, 1, 20_000);
    let forced = force(&mut alice, &node, &withdrawal(30_000, 1_000)).unwrap();
    assert_eq!(
        (forced.amount, forced.fee, forced.change),
        (sat(30_000), sat(FEE), sat(20_000 - FEE))
    );
    assert!(node.inner.borrow().mempool.is_empty(), "no node was asked");
    assert_eq!(sent(&node), []);
    let posted = post(&mut alice, &node, forced.txid, true).unwrap();
    assert_eq!(sent(&node), [posted.commit.clone(), posted.reveal.clone()]);

    let reveal = TxInput::new(posted.reveal.clone(), posted.commit.output[..1].to_vec()).unwrap();
    let found: Vec<_> = requests(&reveal).collect();
    let [(0, ForcedRequest::Transfer(transfer))] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(transfer.body.id(&node.params).unwrap(), forced.txid);
    assert_eq!((transfer.body.expiry, transfer.anchor), (FORCED_EXPIRY, 1));
    let exit = transfer.body.exit.as_ref().unwrap();
    assert_eq!(
        exit.script().address(node.params.genesis().network).to_string(),
        ADDRESS
    );
    // Nothing stays at the posting address.
    let back = exit.script().as_script();
    let outputs = posted.commit.output[1..].iter().chain(&posted.reveal.output);
    assert!(outputs.into_iter().all(|output| output.script_pubkey == *back));
    assert!(posted.commit.vsize() + posted.reveal.vsize() < 400);

    // A follower's walk puts it into a batch; no sequencer took it.
    alice.sync(&node);
    assert_eq!(alice.has(), 0, "it waits");
    node.inner.borrow_mut().mempool.push((**transfer).clone());
    node.seal(&[]);
    node.anchor(2);
    alice.sync(&node);
    assert_eq!(alice.has(), 20_000 - FEE);
    assert!(alice.wallet.db.outgoing.is_empty());
}

#[test]
fn asking_again_posts_the_same_and_never_pays_twice() {
    let (node, mut alice) = alice(50_000);
    alice.deposit(&node, 50_000);
    fund(&alice, &node, 1, 20_000);
    let first = force(&mut alice, &node, &withdrawal(30_000, 1_000)).unwrap();
    let posted = post(&mut alice, &node, first.txid, true).unwrap();
    let mut alice = alice.reopen();
    alice.sync(&node);
    // The rate has changed, and so the limit for the miner's fee.
    assert_eq!(
        force(&mut alice, &node, &withdrawal(30_000, 2_000)).unwrap(),
        first
    );
    assert_eq!(post(&mut alice, &node, first.txid, true).unwrap(), posted);
    assert_eq!(sent(&node)[2..], [posted.commit, posted.reveal]);
    // Another amount is another withdrawal, by the other note.
    let other = force(&mut alice, &node, &withdrawal(20_000, 1_000)).unwrap();
    assert_ne!(other.txid, first.txid);
    assert_eq!(alice.wallet.db.outgoing.len(), 2);
}

#[test]
fn without_coins_it_says_where_to_pay_and_how_much_and_goes_on_later() {
    let (node, mut alice) = alice(50_000);
    let forced = force(&mut alice, &node, &withdrawal(30_000, 1_000)).unwrap();
    let error = post(&mut alice, &node, forced.txid, true).unwrap_err();
    let WalletError::Force(ForceError::Unfunded {
        address,
        available: 0,
        missing,
        ..
    }) = error
    else {
        panic!("{error}")
    };
    assert_eq!(address, alice.wallet.posting_address());
    assert_eq!(sent(&node), []);
    // What nobody has yet counts as not sent, until it is asked for again.
    let mut alice = alice.reopen();
    alice.sync(&node);
    assert_eq!(alice.has(), 50_000);
    assert_eq!(
        force(&mut alice, &node, &withdrawal(30_000, 1_000)).unwrap(),
        forced
    );
    fund(&alice, &node, 1, missing + 1_000);
    post(&mut alice, &node, forced.txid, true).unwrap();
    assert_eq!(sent(&node).len(), 2);
}

#[test]
fn a_withdrawal_that_was_never_posted_makes_way_for_another() {
    let (node, mut alice) = alice(50_000);
    let first = force(&mut alice, &node, &withdrawal(30_000, 1_000)).unwrap();
    let second = force(&mut alice, &node, &withdrawal(40_000, 1_000)).unwrap();
    assert_ne!(first.txid, second.txid);
    assert_eq!(alice.wallet.db.outgoing.len(), 1);
    assert!(matches!(
        post(&mut alice, &node, first.txid, true),
        Err(WalletError::Force(ForceError::Unknown(txid))) if txid == first.txid
    ));
}

#[test]
fn transactions_that_are_printed_only_are_kept_as_well() {
    let (node, mut alice) = alice(50_000);
    fund(&alice, &node, 1, 20_000);
    let forced = force(&mut alice, &node, &withdrawal(30_000, 1_000)).unwrap();
    let printed = post(&mut alice, &node, forced.txid, false).unwrap();
    assert_eq!(sent(&node), []);
    let mut alice = alice.reopen();
    alice.sync(&node);
    assert_eq!(alice.has(), 0, "somebody may have sent them");
    assert_eq!(post(&mut alice, &node, forced.txid, true).unwrap(), printed);
    assert_eq!(sent(&node).len(), 2);
}

#[test]
fn only_final_notes_are_spent_by_force() {
    let (node, mut alice) = alice(50_000);
    let offer = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    node.seal(&[(sat(60_000), offer.inner)]);
    alice.sync(&node);
    assert_eq!(alice.has(), 110_000, "for a sequencer the young note will do");
    let error = force(&mut alice, &node, &withdrawal(55_000, 1_000)).unwrap_err();
    let expected = SelectError::Insufficient {
        needed: sat(55_000 + FEE),
        available: sat(50_000),
    };
    assert!(
        matches!(error, WalletError::Select(e) if e == expected),
        "{error}"
    );
    node.anchor(2);
    alice.sync(&node);
    let forced = force(&mut alice, &node, &withdrawal(55_000, 1_000)).unwrap();
    assert_eq!(forced.anchor, 2);
}

#[test]
fn more_than_two_notes_are_too_many_to_force() {
    let (node, mut alice) = alice(10_000);
    alice.deposit(&node, 10_000);
    alice.deposit(&node, 10_000);
    let error = force(&mut alice, &node, &withdrawal(25_000, 1_000)).unwrap_err();
    let most = sat(20_000 - FEE);
    assert!(
        matches!(error, WalletError::Force(ForceError::TooManyNotes { most: m }) if m == most),
        "{error}"
    );
    force(&mut alice, &node, &withdrawal(most.to_sat(), 1_000)).unwrap();
}

#[test]
fn a_swept_deposit_is_claimed_once_its_sweep_is_deep() {
    let node = MemoryNode::new();
    let mut alice = User::new(&node, 1);
    let offer = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    let outpoint = node.pay_deposit(offer.address.script_pubkey(), sat(50_000));
    alice.wallet.refresh_deposits(&node, &mut alice.rng).unwrap();
    fund(&alice, &node, 1, 20_000);
    let claim = |alice: &mut User| {
        let User { wallet, rng, .. } = alice;
        wallet.force_claim(&node, outpoint, (RATE, true), rng)
    };
    for depth in [None, Some(1)] {
        node.inner.borrow_mut().sweep_depth = depth;
        assert!(matches!(
            claim(&mut alice),
            Err(WalletError::Force(ForceError::NotSwept { .. }))
        ));
    }
    node.inner.borrow_mut().sweep_depth = Some(2);
    let posted = claim(&mut alice).unwrap();
    assert_eq!(sent(&node), [posted.commit.clone(), posted.reveal.clone()]);
    let reveal = TxInput::new(posted.reveal.clone(), posted.commit.output[..1].to_vec()).unwrap();
    let found: Vec<_> = requests(&reveal).collect();
    let [(0, ForcedRequest::Claim(request))] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (request.outpoint, request.inner, request.refund),
        (outpoint, offer.inner, offer.refund)
    );
    let mut alice = alice.reopen();
    alice.wallet.refresh_deposits(&node, &mut alice.rng).unwrap();
    assert_eq!(claim(&mut alice).unwrap(), posted, "the same ones again");
    let foreign = OutPoint { vout: 9, ..outpoint };
    let User { wallet, rng, .. } = &mut alice;
    assert!(matches!(
        wallet.force_claim(&node, foreign, (RATE, true), rng),
        Err(WalletError::Deposit(crate::deposit::DepositError::Unknown(o))) if o == foreign
    ));
}
