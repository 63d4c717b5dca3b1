//! Tests of raising: who can sign, what is posted, what is refused before it costs fees.

use tacit_protocol::peg::TxInput;
use tacit_protocol::peg::forced::requests;
use tacit_protocol::transfer::TransferId;

use super::*;
use crate::api::PendingRaise;
use crate::forced::tests::{RATE, alice, fund, sent, withdrawal};
use crate::testing::{MemoryNode, User, sat};

const AMOUNT: u64 = 30_000;
const LIMIT: u64 = 1_000;

/// Alice with a withdrawal in an anchored batch, and coins to post with.
fn withdrawn() -> (MemoryNode, User, TransferId) {
    let (node, mut alice) = alice(50_000);
    let txid = withdraw(&node, &mut alice, AMOUNT);
    fund(&alice, &node, 1, 20_000);
    (node, alice, txid)
}

fn withdraw(node: &MemoryNode, user: &mut User, amount: u64) -> TransferId {
    let sent = user.try_send(node, &withdrawal(amount, LIMIT)).unwrap();
    node.seal(&[]);
    node.anchor(2);
    user.sync(node);
    sent.txid
}

fn raise(
    user: &mut User,
    node: &MemoryNode,
    query: WithdrawalQuery,
    max: u64,
) -> Result<Raised, WalletError> {
    let User { wallet, rng, .. } = user;
    wallet.raise_fee(node, query, sat(max), (RATE, true), rng)
}

fn refused(user: &mut User, node: &MemoryNode, query: WithdrawalQuery, max: u64) -> RaiseError {
    let before = sent(node).len();
    let error = raise(user, node, query, max).unwrap_err();
    assert_eq!(sent(node).len(), before, "nothing was sent");
    let WalletError::Raise(error) = error else {
        panic!("{error}")
    };
    error
}

/// The raise in a reveal, if it holds for its withdrawal.
fn valid(node: &MemoryNode, raised: &Raised) -> FeeRaise {
    let Posted { commit, reveal } = &raised.posted;
    let tx = TxInput::new(reveal.clone(), commit.output[..1].to_vec()).unwrap();
    let found: Vec<_> = requests(&tx).collect();
    let [(0, ForcedRequest::Raise(raise))] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(raise.verify(node.params.chain_id(), &raised.withdrawal.key));
    *raise
}

#[test]
fn a_raise_is_signed_by_the_withdrawals_own_key_and_posted() {
    let (node, mut alice, txid) = withdrawn();
    let raised = raise(&mut alice, &node, WithdrawalQuery::Txid(txid), 5_000).unwrap();
    let found = valid(&node, &raised);
    assert_eq!((found.index, found.max), (0, sat(5_000)));
    let Posted { commit, reveal } = &raised.posted;
    assert_eq!(sent(&node), [commit.clone(), reveal.clone()]);
    // The rest stays at the posting address.
    let script = alice.wallet.posting_script();
    let outputs = commit.output[1..].iter().chain(&reveal.output);
    assert!(outputs.into_iter().all(|output| output.script_pubkey == script));
}

#[test]
fn whichever_note_came_first_the_key_is_found() {
    let (node, mut alice) = alice(30_000);
    alice.deposit(&node, 40_000);
    fund(&alice, &node, 1, 20_000);
    let txid = withdraw(&node, &mut alice, 60_000);
    let raised = raise(&mut alice, &node, WithdrawalQuery::Txid(txid), 5_000).unwrap();
    valid(&node, &raised);
    // The exit could have the key of either note, and of no third one.
    let wallet = &alice.wallet;
    let keys = wallet.db.notes.iter().map(|(at, record)| {
        let at = Position::from_u64(*at).unwrap();
        let pair = keypair(wallet.keys.root(), &record.nullifier(wallet.keys.viewing(), at));
        (record.spent.is_some(), pair)
    });
    let found = keys.map(|(spent, pair)| {
        let key = pair.x_only_public_key().0;
        let status = WithdrawalStatus {
            key,
            ..raised.withdrawal.clone()
        };
        let found = wallet.raising_key(&status);
        assert_eq!(
            found,
            if spent {
                Ok(pair)
            } else {
                Err(RaiseError::NotOurs(0))
            }
        );
        spent
    });
    assert_eq!(found.filter(|spent| *spent).count(), 2);
}

#[test]
fn a_restored_wallet_raises_what_the_lost_one_ordered() {
    let (node, alice, txid) = withdrawn();
    let mut restored = alice.restored(&node, 9);
    let unknown = refused(&mut restored, &node, WithdrawalQuery::Txid(txid), 5_000);
    assert_eq!(unknown, RaiseError::NotOurs(0), "it has scanned nothing yet");
    restored.sync(&node);
    let raised = raise(&mut restored, &node, WithdrawalQuery::Index(0), 5_000).unwrap();
    valid(&node, &raised);
}

#[test]
fn asking_again_posts_the_same_raise() {
    let (node, mut alice, txid) = withdrawn();
    let query = WithdrawalQuery::Txid(txid);
    let first = raise(&mut alice, &node, query, 5_000).unwrap();
    let mut alice = alice.reopen();
    let again = raise(&mut alice, &node, WithdrawalQuery::Index(0), 5_000).unwrap();
    assert_eq!(again.posted, first.posted);
    assert_eq!(sent(&node).len(), 4);
    let other = raise(&mut alice, &node, query, 6_000).unwrap();
    assert_eq!(valid(&node, &other).max, sat(6_000));
    assert_eq!(alice.wallet.db.raises.len(), 2);
}

#[test]
fn a_raise_that_is_printed_only_is_kept_as_well() {
    let (node, mut alice, txid) = withdrawn();
    let query = WithdrawalQuery::Txid(txid);
    let User { wallet, rng, .. } = &mut alice;
    let printed = wallet
        .raise_fee(&node, query, sat(5_000), (RATE, false), rng)
        .unwrap();
    assert_eq!(sent(&node), []);
    let mut alice = alice.reopen();
    assert_eq!(
        raise(&mut alice, &node, query, 5_000).unwrap().posted,
        printed.posted
    );
}

#[test]
fn raises_are_forgotten_once_they_are_in_force_or_the_withdrawal_is_paid() {
    let (node, mut alice, txid) = withdrawn();
    let query = WithdrawalQuery::Txid(txid);
    raise(&mut alice, &node, query, 5_000).unwrap();
    node.inner.borrow_mut().tamper_withdrawal = |status| status.max_l1_fee = sat(5_000);
    raise(&mut alice, &node, query, 6_000).unwrap();
    let left: Vec<_> = alice.wallet.db.raises.iter().map(|raise| raise.max).collect();
    assert_eq!(left, [sat(6_000)]);
    node.inner.borrow_mut().tamper_withdrawal = paid;
    assert_eq!(refused(&mut alice, &node, query, 7_000), RaiseError::Paid(0));
    assert_eq!(alice.wallet.db.raises, []);
}

fn paid(status: &mut WithdrawalStatus) {
    status.status = WithdrawalState::Paid {
        txid: bitcoin::hashes::Hash::all_zeros(),
        vout: 2,
        amount: sat(29_000),
        height: Some(120),
    };
}

#[test]
fn what_would_be_ignored_on_bitcoin_is_refused_with_the_reason() {
    let (node, mut alice, txid) = withdrawn();
    let query = || WithdrawalQuery::Txid(txid);
    let mut ask = |max| refused(&mut alice, &node, query(), max);
    let most = AMOUNT - 546;
    assert_eq!(
        ask(most + 1),
        RaiseError::TooHigh {
            asked: sat(most + 1),
            most: sat(most)
        }
    );
    for max in [0, LIMIT - 1, LIMIT] {
        assert_eq!(ask(max), RaiseError::NotHigher { limit: sat(LIMIT) });
    }
    node.inner.borrow_mut().tamper_withdrawal = |status| {
        status.raise = Some(PendingRaise {
            max_l1_fee: sat(4_000),
            height: 110,
            counts_at: 112,
        });
    };
    assert_eq!(
        ask(5_000),
        RaiseError::Underway {
            max: sat(4_000),
            counts_at: 112
        }
    );
    node.inner.borrow_mut().tamper_withdrawal = paid;
    assert_eq!(ask(5_000), RaiseError::Paid(0));
    node.inner.borrow_mut().tamper_withdrawal = |_| ();
    for unknown in [
        WithdrawalQuery::Index(1),
        WithdrawalQuery::Txid(TransferId([7; 32])),
    ] {
        assert_eq!(refused(&mut alice, &node, unknown, 5_000), RaiseError::Unknown);
    }
    raise(&mut alice, &node, query(), most).unwrap();
}

#[test]
fn a_withdrawal_of_a_pending_batch_is_raised_no_sooner_than_it_is_on_bitcoin() {
    let (node, mut alice) = alice(50_000);
    fund(&alice, &node, 1, 20_000);
    let txid = alice.try_send(&node, &withdrawal(AMOUNT, LIMIT)).unwrap().txid;
    let query = || WithdrawalQuery::Txid(txid);
    node.seal(&[]);
    alice.sync(&node);
    assert_eq!(
        refused(&mut alice, &node, query(), 5_000),
        RaiseError::NotAnchored(0)
    );
    node.anchor(0);
    alice.sync(&node);
    raise(&mut alice, &node, query(), 5_000).unwrap();
}

#[test]
fn a_withdrawal_of_somebody_else_is_not_raised_whatever_key_the_node_names() {
    let (node, mut alice, txid) = withdrawn();
    let mut bob = User::new(&node, 2);
    bob.deposit(&node, 50_000);
    let query = || WithdrawalQuery::Txid(txid);
    assert_eq!(refused(&mut bob, &node, query(), 5_000), RaiseError::NotOurs(0));
    node.inner.borrow_mut().tamper_withdrawal = |status| {
        status.key = bitcoin::key::Keypair::from_seckey_slice(&bitcoin::key::Secp256k1::new(), &[9; 32])
            .unwrap()
            .x_only_public_key()
            .0
    };
    assert_eq!(refused(&mut alice, &node, query(), 5_000), RaiseError::NotOurs(0));
}
