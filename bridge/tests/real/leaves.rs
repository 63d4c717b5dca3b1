//! The vault's three ways on a real chain: the key path at once, each leaf after its timelock only.
//!
//! Every spend here is a whole vault transaction that pays a withdrawal, so that followers, who judge
//! what a transaction does and not how it is signed, find no fault in a vault moved by a leaf.

use std::collections::BTreeMap;

use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::{Sequence, Transaction, Witness, XOnlyPublicKey};
use tacit_bridge::client::Acceptance;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::Amount;
use tacit_protocol::peg::taproot::{key_path_sighash, key_path_witness};
use tacit_protocol::peg::vault::{
    InputRole, LeafSpend, UnsignedVaultTx, VaultLeaf, VaultPlan, plan_vault_tx,
};

use super::setting::{MEMBERS, RECOVERY, Setting, federation, key, operator, rate, vault_keys};
use super::vault::{mine_and_check, snapshot, withdrawal};

/// What the node says of a spend whose input is too young.
const TOO_YOUNG: &str = "non-BIP68-final";

/// What it says when the leaf counts another number of signatures than its threshold.
const WRONG_COUNT: &str = "false/empty top stack element";

/// What it says of a signature by another key, or over something else.
const WRONG_SIGNATURE: &str = "Invalid Schnorr signature";

/// The payment of one withdrawal by the vault.
fn payment(setting: &Setting) -> UnsignedVaultTx {
    plan_vault_tx(&VaultPlan {
        height: 0,
        tip: setting.vault,
        vault: &vault_keys(),
        deposits: &[],
        withdrawals: &[(0, withdrawal(31, 80_000))],
        coins: &setting.coins.spendable(),
        q: rate(),
        rate: rate(),
        change_script: setting.coins.script(),
        top_up: Amount::ZERO,
        p2a: false,
        handover: None,
    })
    .unwrap()
}

/// The payment by key path; the vault's key is tweaked by the root that its role names.
fn by_key(setting: &Setting) -> Transaction {
    let unsigned = payment(setting);
    let sign = |(input, role): (usize, &InputRole)| {
        let signer = match role {
            InputRole::Vault(_) | InputRole::Deposit(_) => federation(),
            InputRole::Operator => key(1),
        };
        signer.sign_key_path(&unsigned.sighash(input), role.merkle_root())
    };
    let signatures: Vec<Signature> = unsigned.roles().iter().enumerate().map(sign).collect();
    unsigned.finalise(&signatures)
}

/// The payment by a leaf: everything signed but the vault, and what the leaf's keys sign.
fn by_leaf(setting: &Setting, sequence: Sequence, leaf: &LeafSpend) -> (Transaction, Message) {
    let unsigned = payment(setting);
    let (mut tx, prevouts) = (unsigned.tx().clone(), unsigned.prevouts());
    tx.input[0].sequence = sequence;
    for input in 1..tx.input.len() {
        let message = key_path_sighash(&tx, input, prevouts);
        tx.input[input].witness = key_path_witness(&operator().sign_key_path(&message, None));
    }
    let message = leaf.sighash(&tx, 0, prevouts);
    (tx, message)
}

/// The payment by a leaf with the signatures of `tags`.
fn signed(setting: &Setting, leaf: &LeafSpend, tags: &[u8]) -> Transaction {
    let (mut tx, message) = by_leaf(setting, leaf.sequence(), leaf);
    tx.input[0].witness = leaf.witness(&signatures(tags, &message)).unwrap();
    tx
}

fn signatures(tags: &[u8], message: &Message) -> BTreeMap<XOnlyPublicKey, Signature> {
    let sign = |tag: &u8| (key(*tag).public_key(), key(*tag).sign_plain(message));
    tags.iter().map(sign).collect()
}

/// The same with other elements of the stack.
fn with_stack(tx: &Transaction, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Transaction {
    let mut tx = tx.clone();
    let mut stack = tx.input[0].witness.to_vec();
    change(&mut stack);
    tx.input[0].witness = Witness::from_slice(&stack);
    tx
}

fn allowed(setting: &Setting, tx: &Transaction) {
    let verdict = setting.client().test_accept(tx).unwrap();
    assert!(matches!(verdict, Acceptance::Allowed { .. }), "{verdict:?}");
}

fn refused(setting: &Setting, tx: &Transaction, words: &str) {
    let verdict = setting.client().test_accept(tx).unwrap();
    assert!(
        matches!(&verdict, Acceptance::Refused(reason) if reason.contains(words)),
        "expected {words:?}: {verdict:?}"
    );
}

#[test]
fn a_vault_with_leaves_moves_at_once_by_the_tweaked_key() {
    let mut setting = Setting::new();
    let tx = by_key(&setting);
    allowed(&setting, &tx);
    let message = payment(&setting).sighash(0);
    let untweaked = [
        federation().sign_key_path(&message, None),
        federation().sign_plain(&message),
    ];
    for signature in untweaked {
        let mut tx = tx.clone();
        tx.input[0].witness = key_path_witness(&signature);
        refused(&setting, &tx, WRONG_SIGNATURE);
    }
    let state = snapshot(&setting, &[], &[(0, withdrawal(31, 80_000))]);
    setting.client().send(&tx).unwrap();
    assert_eq!(mine_and_check(&mut setting, &state).paid.len(), 1);
}

#[test]
fn three_of_five_members_move_the_vault_by_the_backup_leaf_after_its_timelock_and_not_before() {
    a_leaf_opens_to_its_threshold_after_its_timelock(VaultLeaf::Backup, &MEMBERS, 3, 5);
}

#[test]
fn two_of_three_recovery_keys_move_the_vault_by_the_recovery_leaf_after_its_timelock_and_not_before() {
    a_leaf_opens_to_its_threshold_after_its_timelock(VaultLeaf::Recovery, &RECOVERY, 2, 10);
}

/// The vault is one block old when this begins.
fn a_leaf_opens_to_its_threshold_after_its_timelock(
    name: VaultLeaf,
    holders: &[u8],
    threshold: usize,
    timelock: u32,
) {
    let mut setting = Setting::new();
    let leaf = vault_keys().spend_by(name).unwrap();
    // Which of the holders sign makes no difference.
    let (first, last) = (&holders[..threshold], &holders[holders.len() - threshold..]);
    let (tx, other) = (signed(&setting, &leaf, first), signed(&setting, &leaf, last));
    for blocks in [0, timelock - 2] {
        setting.mine(blocks);
        refused(&setting, &tx, TOO_YOUNG);
        refused(&setting, &other, TOO_YOUNG);
    }
    setting.mine(1);
    allowed(&setting, &tx);
    allowed(&setting, &other);

    other_signatures_are_refused(&setting, name, &tx, &key(holders[threshold]));
    // The script itself asks for the timelock in the input's sequence.
    let younger = Sequence::from_height(u16::try_from(timelock).unwrap() - 1);
    for sequence in [younger, Sequence::ENABLE_RBF_NO_LOCKTIME, Sequence::MAX] {
        let (mut tx, message) = by_leaf(&setting, sequence, &leaf);
        tx.input[0].witness = leaf.witness(&signatures(first, &message)).unwrap();
        refused(&setting, &tx, "Locktime requirement not satisfied");
    }

    let state = snapshot(&setting, &[], &[(0, withdrawal(31, 80_000))]);
    setting.client().send(&tx).unwrap();
    let effects = mine_and_check(&mut setting, &state);
    assert_eq!(effects.paid.len(), 1, "a leaf's payment counts like any other");
    // The new output is as young as any: the leaf is closed again.
    refused(&setting, &signed(&setting, &leaf, first), TOO_YOUNG);
}

/// Changes one thing about the stack of a good spend at a time; `absent` did not sign it.
fn other_signatures_are_refused(setting: &Setting, name: VaultLeaf, good: &Transaction, absent: &SigningKey) {
    let leaf = vault_keys().spend_by(name).unwrap();
    let is_signature = |element: &Vec<u8>| element.len() == 64;
    let one_less = with_stack(good, |stack| {
        let given = stack.iter().position(is_signature).unwrap();
        stack[given].clear();
    });
    refused(setting, &one_less, WRONG_COUNT);
    let none = with_stack(good, |stack| {
        let given = stack.iter_mut().filter(|element| is_signature(element));
        given.for_each(Vec::clear);
    });
    refused(setting, &none, WRONG_COUNT);
    let (_, message) = by_leaf(setting, leaf.sequence(), &leaf);
    let keys = vault_keys().quorum(name).unwrap().keys().to_vec();
    let place = keys.iter().rev().position(|k| *k == absent.public_key());
    let extra = absent.sign_plain(&message).serialize().to_vec();
    let one_more = with_stack(good, |stack| stack[place.unwrap()] = extra);
    refused(setting, &one_more, WRONG_COUNT);
    let stranger = key(99).sign_plain(&message).serialize().to_vec();
    let of_a_stranger = with_stack(good, |stack| {
        let given = stack.iter().position(is_signature).unwrap();
        stack[given] = stranger;
    });
    refused(setting, &of_a_stranger, WRONG_SIGNATURE);
    let other_order = with_stack(good, |stack| stack[..keys.len()].reverse());
    refused(setting, &other_order, WRONG_SIGNATURE);
}

#[test]
fn every_move_of_the_vault_starts_its_timelocks_anew() {
    let mut setting = Setting::new();
    let leaves = [
        (VaultLeaf::Backup, &MEMBERS[..3]),
        (VaultLeaf::Recovery, &RECOVERY[..2]),
    ]
    .map(|(name, holders)| (vault_keys().spend_by(name).unwrap(), holders));
    setting.mine(9);
    for (leaf, holders) in &leaves {
        allowed(&setting, &signed(&setting, leaf, holders));
    }
    let state = snapshot(&setting, &[], &[(0, withdrawal(31, 80_000))]);
    setting.client().send(&by_key(&setting)).unwrap();
    mine_and_check(&mut setting, &state);
    for (leaf, holders) in &leaves {
        refused(&setting, &signed(&setting, leaf, holders), TOO_YOUNG);
    }
    // The backup leaf opens again half-way to the recovery leaf.
    setting.mine(4);
    allowed(&setting, &signed(&setting, &leaves[0].0, leaves[0].1));
    refused(&setting, &signed(&setting, &leaves[1].0, leaves[1].1), TOO_YOUNG);
}
