//! Tests of epochs: whom a wallet pays deposits to, whatever a node says, and how it finds them again.

use bitcoin::secp256k1::Secp256k1;
use tacit_protocol::peg::FeeRate;

use super::*;
use crate::DepositProgress;
use crate::deposit::DepositOffer;
use crate::testing::{MemoryNode, User, epoch, keypair, sat};

const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

fn one() -> (MemoryNode, User) {
    let node = MemoryNode::new();
    let user = User::new(&node, 1);
    (node, user)
}

fn key(n: u8) -> XOnlyPublicKey {
    keypair(n).x_only_public_key().0
}

fn tell(node: &MemoryNode, begun: &[EpochDetails]) {
    node.inner.borrow_mut().epochs.begun = begun.to_vec();
}

/// Two rotations, from federation 6 by 7 to 8.
fn two() -> [EpochDetails; 2] {
    [epoch(1, (6, 7), 110), epoch(2, (7, 8), 130)]
}

fn learn(user: &mut User, node: &MemoryNode) -> Result<u32, WalletError> {
    user.wallet.learn_epochs(node, &mut user.rng)
}

fn offer(user: &mut User) -> DepositOffer {
    user.wallet.new_deposit(&mut user.rng).unwrap()
}

/// Whether an address is that of a deposit to federation `n`.
fn is_to(user: &User, offer: &DepositOffer, n: u8) -> bool {
    let terms = user.wallet.deposit_terms(offer.index, key(n));
    terms.matches(&offer.address.script_pubkey())
}

#[test]
fn new_deposits_are_made_to_the_epoch_in_office() {
    let (node, mut alice) = one();
    let first = offer(&mut alice);
    assert!(first.epoch == 0 && is_to(&alice, &first, 6));
    tell(&node, &two()[..1]);
    assert_eq!(learn(&mut alice, &node).unwrap(), 1);
    let second = offer(&mut alice);
    assert!(second.epoch == 1 && is_to(&alice, &second, 7));
    tell(&node, &two());
    alice.sync(&node);
    let mut alice = alice.reopen();
    let third = offer(&mut alice);
    assert!(third.epoch == 2 && is_to(&alice, &third, 8));
}

#[test]
fn an_epoch_that_waits_is_not_paid_to() {
    let (node, mut alice) = one();
    node.inner.borrow_mut().epochs.waiting = two()[..1].to_vec();
    assert_eq!(learn(&mut alice, &node).unwrap(), 0);
    let deposit = offer(&mut alice);
    assert!(is_to(&alice, &deposit, 6));
}

#[test]
fn a_node_that_hides_the_newest_epoch_takes_nothing_away() {
    let (node, mut alice) = one();
    tell(&node, &two());
    learn(&mut alice, &node).unwrap();
    for hidden in [1, 0] {
        tell(&node, &two()[..hidden]);
        assert_eq!(learn(&mut alice, &node).unwrap(), 2);
        alice.sync(&node);
    }
    let mut alice = alice.reopen();
    assert_eq!(learn(&mut alice, &node).unwrap(), 2);
    let deposit = offer(&mut alice);
    assert!(is_to(&alice, &deposit, 8));
}

/// Chains of epochs that are lies, and what each is called.
fn lies() -> Vec<(Vec<EpochDetails>, EpochsError)> {
    let [first, second] = two();
    let rule = |number, rule| EpochsError::Announcement { number, rule };
    let mut renumbered = first.clone();
    renumbered.number = 2;
    let mut unsigned = first.clone();
    unsigned.announcement.successor = second.announcement.successor;
    let mut other_keys = first.clone();
    other_keys.announcement.epoch.keys.federation = key(9);
    let (stated, current) = (2, 0);
    vec![
        (vec![renumbered], EpochsError::Number { stated, announced: 1 }),
        (
            vec![second.clone()],
            rule(2, SuccessionError::Number { stated, current }),
        ),
        (vec![epoch(1, (6, 6), 110)], rule(1, SuccessionError::SameKeys)),
        (vec![epoch(1, (9, 7), 110)], rule(1, SuccessionError::Incumbent)),
        (vec![other_keys], rule(1, SuccessionError::Incumbent)),
        (vec![unsigned], rule(1, SuccessionError::Successor)),
        // One that the federation before the one in office announced.
        (
            vec![first.clone(), epoch(2, (6, 8), 130)],
            rule(2, SuccessionError::Incumbent),
        ),
        (
            vec![first.clone(), second, first],
            rule(
                1,
                SuccessionError::Number {
                    stated: 1,
                    current: 2,
                },
            ),
        ),
    ]
}

#[test]
fn every_lie_about_epochs_is_refused_by_its_name_and_changes_nothing() {
    for known in [0, 1] {
        for (lie, name) in lies() {
            let (node, mut alice) = one();
            tell(&node, &two()[..known]);
            alice.sync(&node);
            tell(&node, &lie);
            let User { wallet, rng, .. } = &mut alice;
            let before = wallet.db.clone();
            let refusals = [
                wallet.learn_epochs(&node, rng).map(|_| ()),
                wallet.refresh_deposits(&node, rng).map(|_| ()),
                wallet.sync(&node, &mut |_| (), rng).map(|_| ()),
            ];
            for refusal in refusals {
                assert!(
                    matches!(&refusal, Err(WalletError::Epochs(error)) if *error == name),
                    "{refusal:?}, not {name:?}"
                );
            }
            assert_eq!(wallet.db, before);
        }
    }
}

#[test]
fn an_announcement_of_another_chain_is_refused() {
    let (mut node, _) = one();
    node.params = crate::testing::params(1);
    let mut alice = User::new(&node, 1);
    tell(&node, &two());
    let error = learn(&mut alice, &node).unwrap_err();
    let rule = SuccessionError::Incumbent;
    assert!(matches!(
        error,
        WalletError::Epochs(e) if e == EpochsError::Announcement { number: 1, rule }
    ));
}

#[test]
fn a_restored_wallet_finds_the_deposits_to_every_federation() {
    let (node, mut alice) = one();
    let mut paid = Vec::new();
    for epochs in 0..=2 {
        tell(&node, &two()[..epochs]);
        learn(&mut alice, &node).unwrap();
        let deposit = offer(&mut alice);
        paid.push(node.pay_deposit(deposit.address.script_pubkey(), sat(50_000)));
    }
    for mut user in [alice.restored(&node, 9), alice] {
        let found = user.wallet.refresh_deposits(&node, &mut user.rng).unwrap();
        let mut found: Vec<_> = found
            .iter()
            .map(|d| (d.index, d.outpoint, d.federation))
            .collect();
        found.sort_unstable();
        let expected = [
            (0, paid[0], None),
            (1, paid[1], Some(key(7))),
            (2, paid[2], Some(key(8))),
        ];
        assert_eq!(found, expected);
        assert_eq!(user.wallet.db.next_deposit, 3);
        let user = user.reopen();
        assert_eq!(user.wallet.deposits().len(), 3);
    }
    let registered = |n: usize| node.inner.borrow().coins[n].registered.is_some();
    assert!((0..3).all(registered));
}

#[test]
fn a_deposit_to_an_earlier_federation_is_taken_back_by_its_own_script() {
    let (node, mut alice) = one();
    tell(&node, &two()[..1]);
    learn(&mut alice, &node).unwrap();
    let deposit = offer(&mut alice);
    let outpoint = node.pay_deposit(deposit.address.script_pubkey(), sat(50_000));
    tell(&node, &two());
    node.inner.borrow_mut().height = 140;
    let User { wallet, rng, .. } = &mut alice;
    wallet.refresh_deposits(&node, rng).unwrap();
    let rate = FeeRate::from_sat_per_kwu(250);
    wallet
        .refund_deposit(&node, outpoint, (ADDRESS, rate), rng)
        .unwrap();
    let transaction = node.inner.borrow().broadcast[0].clone();
    let witness = &transaction.input[0].witness;
    let control = bitcoin::taproot::ControlBlock::decode(witness.nth(2).unwrap()).unwrap();
    let script = bitcoin::ScriptBuf::from_bytes(witness.nth(1).unwrap().to_vec());
    let program = deposit.address.script_pubkey().as_bytes()[2..].to_vec();
    let output_key = XOnlyPublicKey::from_slice(&program).unwrap();
    assert!(control.verify_taproot_commitment(&Secp256k1::new(), output_key, &script));
}

fn progress(user: &mut User, node: &MemoryNode) -> DepositProgress {
    user.wallet.refresh_deposits(node, &mut user.rng).unwrap()[0]
        .progress
        .clone()
}

#[test]
fn a_deposit_that_is_too_late_says_when_it_can_be_taken_back() {
    let (node, mut alice) = one();
    let deposit = offer(&mut alice);
    node.pay_deposit(deposit.address.script_pubkey(), sat(50_000));
    // To the federation in office, then to the one before, then to one before that.
    for (epochs, late) in [(0, false), (1, false), (2, true)] {
        tell(&node, &two()[..epochs]);
        let expected = DepositProgress::TooLate { opens: 120 };
        assert_eq!(progress(&mut alice, &node) == expected, late);
    }
    assert_eq!(alice.wallet.balance().pending_deposits, sat(50_000));
    // What a node sweeps all the same is not too late.
    node.inner.borrow_mut().coins[0].found.spent_by =
        Some(bitcoin::Txid::from_raw_hash(bitcoin::hashes::Hash::all_zeros()));
    assert!(matches!(
        progress(&mut alice, &node),
        DepositProgress::Swept { .. }
    ));
}

#[test]
fn the_federation_before_sweeps_for_a_while_and_no_longer() {
    let (node, mut alice) = one();
    let rotated = 110;
    tell(&node, &[epoch(1, (6, 7), rotated)]);
    learn(&mut alice, &node).unwrap();
    let late = |alice: &mut User, federation, height, tip| {
        alice.wallet.db.bitcoin_height = tip;
        alice.wallet.is_too_late(key(federation), height)
    };
    let (grace, kept) = (rotated + DEPOSIT_GRACE, rotated + SHARES_KEPT);
    assert!(!late(&mut alice, 6, grace, kept));
    assert!(late(&mut alice, 6, grace + 1, kept));
    assert!(late(&mut alice, 6, grace, kept + 1));
    assert!(!late(&mut alice, 7, kept + 1, kept + 1));
    assert!(late(&mut alice, 9, rotated, rotated));
}

#[test]
fn an_epoch_that_another_replaced_keeps_its_deposits() {
    let (node, mut alice) = one();
    tell(&node, &[epoch(1, (6, 9), 110)]);
    learn(&mut alice, &node).unwrap();
    let lost = offer(&mut alice);
    let outpoint = node.pay_deposit(lost.address.script_pubkey(), sat(50_000));
    // Bitcoin was reorganised and another announcement of the same federation had its turn; or a node lied.
    tell(&node, &two()[..1]);
    alice.wallet.refresh_deposits(&node, &mut alice.rng).unwrap();
    let mut alice = alice.reopen();
    let found = alice.wallet.deposits()[0].clone();
    assert_eq!((found.outpoint, found.federation), (outpoint, Some(key(9))));
    assert_eq!(found.progress, DepositProgress::TooLate { opens: 120 });
    let next = offer(&mut alice);
    assert!(next.epoch == 1 && is_to(&alice, &next, 7));
    // And back again: nothing is lost or counted twice.
    tell(&node, &[epoch(1, (6, 9), 110)]);
    learn(&mut alice, &node).unwrap();
    assert_eq!(alice.wallet.federations(), [key(6), key(9), key(7)]);
}

#[test]
fn a_deposit_to_a_later_federation_is_claimed_by_its_own_terms() {
    let (node, mut alice) = one();
    tell(&node, &two());
    learn(&mut alice, &node).unwrap();
    let deposit = offer(&mut alice);
    node.pay_deposit(deposit.address.script_pubkey(), sat(50_000));
    alice.wallet.refresh_deposits(&node, &mut alice.rng).unwrap();
    let found = alice.wallet.deposits()[0].clone();
    assert!(matches!(found.progress, DepositProgress::Registered { .. }));
    let terms = alice.wallet.terms_of(&found);
    assert!(terms.matches(&deposit.address.script_pubkey()));
    assert_eq!((terms.inner, terms.refund), (deposit.inner, deposit.refund));
}
