//! Tests of deposits: from address to note, from note back to nothing, and the way back.

use crate::testing::{MemoryNode, User, sat};

use super::*;
use bitcoin::Sequence;
use bitcoin::hashes::Hash;
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot::{LeafVersion, TapLeafHash};

const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

fn one() -> (MemoryNode, User) {
    let node = MemoryNode::new();
    let user = User::new(&node, 1);
    (node, user)
}

fn refresh(user: &mut User, node: &MemoryNode) -> Vec<DepositOutput> {
    user.wallet
        .refresh_deposits(node, &mut user.rng)
        .unwrap()
        .to_vec()
}

#[test]
fn a_deposit_is_found_registered_swept_and_credited() {
    let (node, mut alice) = one();
    let offer = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    assert!(offer.address.to_string().starts_with("bcrt1p"));
    node.pay_deposit(offer.address.script_pubkey(), sat(50_000));
    let list = refresh(&mut alice, &node);
    assert!(matches!(
        list[..],
        [DepositOutput {
            index: 0,
            progress: DepositProgress::Registered { .. },
            ..
        }]
    ));
    assert_eq!(alice.wallet.balance().pending_deposits, sat(50_000));
    node.credit(300);
    assert!(matches!(
        refresh(&mut alice, &node)[0].progress,
        DepositProgress::Swept { .. }
    ));
    alice.sync(&node);
    assert_eq!(
        alice.wallet.deposits()[0].progress,
        DepositProgress::Credited { batch: 1 }
    );
    assert_eq!(
        (alice.has(), alice.wallet.balance().pending_deposits),
        (49_700, sat(0))
    );
    assert_eq!(
        refresh(&mut alice, &node)[0].progress,
        DepositProgress::Credited { batch: 1 }
    );
}

#[test]
fn deposit_addresses_are_never_handed_out_twice() {
    let (_, mut alice) = one();
    let first = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    let mut alice = alice.reopen();
    let second = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    assert_eq!((first.index, second.index), (0, 1));
    assert_ne!(first.address, second.address);
    assert_ne!(first.refund, second.refund);
}

#[test]
fn a_restored_wallet_finds_its_deposits_and_registers_them_again() {
    let (node, mut alice) = one();
    let mut last = None;
    for _ in 0..=GAP {
        last = Some(alice.wallet.new_deposit(&mut alice.rng).unwrap());
    }
    let first = alice.wallet.deposit_offer(3);
    node.pay_deposit(first.address.script_pubkey(), sat(40_000));
    node.pay_deposit(last.unwrap().address.script_pubkey(), sat(60_000));
    let mut restored = User::new(&node, 1);
    let list = refresh(&mut restored, &node);
    assert_eq!(
        list.iter().map(|output| output.index).collect::<Vec<_>>(),
        [3, GAP]
    );
    assert!(
        node.inner
            .borrow()
            .coins
            .iter()
            .all(|coin| coin.registered.is_some())
    );
    node.credit(0);
    restored.sync(&node);
    assert_eq!(restored.has(), 100_000);
    assert_eq!(
        restored.wallet.new_deposit(&mut restored.rng).unwrap().index,
        GAP + 1
    );
}

#[test]
fn a_deposit_undone_by_a_reorganisation_disappears() {
    let (node, mut alice) = one();
    let offer = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    node.pay_deposit(offer.address.script_pubkey(), sat(50_000));
    assert_eq!(refresh(&mut alice, &node).len(), 1);
    node.inner.borrow_mut().coins.clear();
    assert_eq!(refresh(&mut alice, &node).len(), 0);
}

#[test]
fn a_refund_waits_for_its_timelock_and_is_signed_by_the_refund_key() {
    let (node, mut alice) = one();
    let offer = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    let outpoint = node.pay_deposit(offer.address.script_pubkey(), sat(50_000));
    refresh(&mut alice, &node);
    let rate = FeeRate::from_sat_per_kwu(250);
    let User { wallet, rng, .. } = &mut alice;
    let error = wallet
        .refund_deposit(&node, outpoint, (ADDRESS, rate), rng)
        .unwrap_err();
    assert!(
        matches!(
            error,
            WalletError::Deposit(DepositError::TooEarly { opens: 120, tip: 100 })
        ),
        "{error}"
    );
    node.inner.borrow_mut().height = 118;
    assert!(
        wallet
            .refund_deposit(&node, outpoint, (ADDRESS, rate), rng)
            .is_err()
    );
    node.inner.borrow_mut().height = 119;
    let txid = wallet
        .refund_deposit(&node, outpoint, (ADDRESS, rate), rng)
        .unwrap();

    let tx = node.inner.borrow().broadcast[0].clone();
    assert_eq!(tx.compute_txid(), txid);
    assert_eq!(tx.input[0].sequence, Sequence::from_height(20));
    let terms = wallet.deposit_terms(0, node.params.genesis().federation_key);
    let spent = TxOut {
        value: bitcoin::Amount::from_sat(50_000),
        script_pubkey: terms.script_pubkey(),
    };
    let leaf = TapLeafHash::from_script(&terms.refund_script(), LeafVersion::TapScript);
    let sighash = SighashCache::new(&tx)
        .taproot_script_spend_signature_hash(0, &Prevouts::All(&[spent]), leaf, TapSighashType::Default)
        .unwrap();
    let signature =
        bitcoin::secp256k1::schnorr::Signature::from_slice(tx.input[0].witness.nth(0).unwrap()).unwrap();
    Secp256k1::new()
        .verify_schnorr(&signature, &sighash.into(), &offer.refund)
        .unwrap();
    assert_eq!(wallet.deposits()[0].progress, DepositProgress::Refunding { txid });
}

/// A deposit whose refund was sent.
fn refunding() -> (MemoryNode, User, OutPoint, Txid) {
    let (node, mut alice) = one();
    let offer = alice.wallet.new_deposit(&mut alice.rng).unwrap();
    let outpoint = node.pay_deposit(offer.address.script_pubkey(), sat(50_000));
    refresh(&mut alice, &node);
    node.inner.borrow_mut().height = 119;
    let txid = refund(&mut alice, &node, outpoint, 250).unwrap();
    (node, alice, outpoint, txid)
}

fn refund(
    user: &mut User,
    node: &MemoryNode,
    outpoint: OutPoint,
    sat_per_kwu: u32,
) -> Result<Txid, WalletError> {
    let rate = FeeRate::from_sat_per_kwu(sat_per_kwu);
    let User { wallet, rng, .. } = user;
    wallet.refund_deposit(node, outpoint, (ADDRESS, rate), rng)
}

fn progress(user: &mut User, node: &MemoryNode) -> DepositProgress {
    refresh(user, node)[0].progress.clone()
}

/// The federation's sweep of every deposit is in a block.
fn sweep(node: &MemoryNode) -> Txid {
    let txid = Txid::from_byte_array([200; 32]);
    for coin in &mut node.inner.borrow_mut().coins {
        coin.found.spent_by = Some(txid);
    }
    txid
}

#[test]
fn a_refund_is_on_its_way_until_it_is_in_a_block() {
    let (node, mut alice, outpoint, txid) = refunding();
    node.inner.borrow_mut().coins[0].registered = None;
    for _ in 0..2 {
        assert_eq!(progress(&mut alice, &node), DepositProgress::Refunding { txid });
        alice = alice.reopen();
    }
    let registered = node.inner.borrow().coins[0].registered.is_some();
    assert!(!registered, "nobody is asked to sweep it");
    assert_eq!(alice.wallet.balance().pending_deposits, sat(0));
    // A node lists what is unspent and what was swept.
    let coins = std::mem::take(&mut node.inner.borrow_mut().coins);
    for _ in 0..2 {
        assert_eq!(progress(&mut alice, &node), DepositProgress::Refunded { txid });
    }
    let error = refund(&mut alice, &node, outpoint, 500).unwrap_err();
    assert!(
        matches!(error, WalletError::Deposit(DepositError::Spent(o)) if o == outpoint),
        "{error}"
    );
    // Its block is undone.
    node.inner.borrow_mut().coins = coins;
    assert_eq!(progress(&mut alice, &node), DepositProgress::Refunding { txid });
    node.inner.borrow_mut().coins[0].found.spent_by = Some(txid);
    assert_eq!(progress(&mut alice, &node), DepositProgress::Refunded { txid });
}

#[test]
fn a_refund_that_waits_may_be_sent_anew_at_another_rate() {
    let (node, mut alice, outpoint, first) = refunding();
    assert_eq!(
        refund(&mut alice, &node, outpoint, 250).unwrap(),
        first,
        "the same"
    );
    let second = refund(&mut alice, &node, outpoint, 500).unwrap();
    assert_ne!(second, first);
    assert_eq!(
        progress(&mut alice, &node),
        DepositProgress::Refunding { txid: second }
    );
}

#[test]
fn a_sweep_that_wins_against_a_refund_is_shown_and_credited() {
    let (node, mut alice, outpoint, _) = refunding();
    let txid = sweep(&node);
    assert_eq!(progress(&mut alice, &node), DepositProgress::Swept { txid });
    assert_eq!(alice.wallet.balance().pending_deposits, sat(50_000));
    assert!(refund(&mut alice, &node, outpoint, 500).is_err());
    node.inner.borrow_mut().coins[0].found.spent_by = None;
    let batch = node.credit(0);
    alice.sync(&node);
    assert_eq!(progress(&mut alice, &node), DepositProgress::Credited { batch });
    assert_eq!(alice.has(), 50_000);

    // The same for who looks for the credit first.
    let (node, mut alice, ..) = refunding();
    let batch = node.credit(0);
    alice.sync(&node);
    assert_eq!(
        alice.wallet.deposits()[0].progress,
        DepositProgress::Credited { batch }
    );
}

#[test]
fn a_credit_is_that_of_a_deposit_that_is_not_being_taken_back_if_there_is_one() {
    let (node, mut alice, outpoint, txid) = refunding();
    let script = alice.wallet.deposit_offer(0).address.script_pubkey();
    let second = node.pay_deposit(script, sat(60_000));
    refresh(&mut alice, &node);
    node.inner.borrow_mut().coins[0].registered = None;
    let batch = node.credit(15_000);
    alice.sync(&node);
    for deposit in alice.wallet.deposits() {
        let expected = if deposit.outpoint == outpoint {
            DepositProgress::Refunding { txid }
        } else {
            assert_eq!(deposit.outpoint, second);
            DepositProgress::Credited { batch }
        };
        assert_eq!(deposit.progress, expected);
    }
}

#[test]
fn a_credit_that_was_taken_for_another_deposits_is_put_right() {
    let (node, mut alice, outpoint, _) = refunding();
    let script = alice.wallet.deposit_offer(0).address.script_pubkey();
    let second = node.pay_deposit(script, sat(60_000));
    refresh(&mut alice, &node);
    // The first is swept although its refund was sent; the second lies there.
    node.inner.borrow_mut().coins[1].registered = None;
    let batch = node.credit(5_000);
    alice.sync(&node);
    node.inner.borrow_mut().credited_in = Some(batch);
    let of = |alice: &mut User, outpoint| {
        let found = refresh(alice, &node);
        let found = found.into_iter().find(|deposit| deposit.outpoint == outpoint);
        found.unwrap().progress
    };
    assert_eq!(of(&mut alice, outpoint), DepositProgress::Credited { batch });
    let waiting = of(&mut alice, second);
    assert!(
        matches!(waiting, DepositProgress::Registered { .. }),
        "{waiting:?}"
    );
    assert!(
        node.inner.borrow().coins[1].registered.is_some(),
        "its sweep is asked for again"
    );
}

#[test]
fn a_refund_that_a_program_before_took_for_done_is_put_right() {
    let (node, mut alice, _, txid) = refunding();
    let taken_for_done = |alice: &mut User| {
        alice.wallet.db.deposits[0].progress = DepositProgress::Refunded { txid };
    };
    taken_for_done(&mut alice);
    assert_eq!(progress(&mut alice, &node), DepositProgress::Refunding { txid });
    taken_for_done(&mut alice);
    let batch = node.credit(0);
    alice.sync(&node);
    assert_eq!(alice.has(), 50_000);
    node.inner.borrow_mut().credited_in = Some(batch + 1);
    let swept = Txid::from_byte_array([200; 32]);
    assert_eq!(
        progress(&mut alice, &node),
        DepositProgress::Swept { txid: swept },
        "no such credit was found"
    );
    taken_for_done(&mut alice);
    node.inner.borrow_mut().credited_in = Some(batch);
    assert_eq!(progress(&mut alice, &node), DepositProgress::Credited { batch });
}

#[test]
fn only_deposits_of_this_wallet_are_taken_back() {
    let (node, mut alice) = one();
    let outpoint = OutPoint {
        txid: Txid::all_zeros(),
        vout: 0,
    };
    let User { wallet, rng, .. } = &mut alice;
    let rate = FeeRate::from_sat_per_kwu(250);
    let error = wallet
        .refund_deposit(&node, outpoint, (ADDRESS, rate), rng)
        .unwrap_err();
    assert!(matches!(error, WalletError::Deposit(DepositError::Unknown(o)) if o == outpoint));
}
