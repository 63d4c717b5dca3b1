//! Tests of the vault's script tree: what it commits to, and how its leaves are spent.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use bitcoin::secp256k1::Scalar;
use bitcoin::taproot::ControlBlock;
use bitcoin::{TxIn, Weight};

use super::*;
use crate::peg::fixture::{all, key, key_script, outpoint, sign_plain, txout};
use crate::peg::taproot::{KEY_INPUT_WEIGHT, key_path_witness, output_script};
use crate::peg::vault::fixture::{FEDERATION, vault_keys};
use crate::peg::vault::{MAX_VAULT_WEIGHT, VAULT_TX_VERSION};
use crate::testing::quorum;

const MEMBERS: [u8; 5] = [41, 42, 43, 44, 45];
const RECOVERY: [u8; 3] = [51, 52, 53];

fn only(leaf: VaultLeaf) -> VaultKeys {
    let mut keys = vault_keys();
    match leaf {
        VaultLeaf::Backup => keys.recovery = None,
        VaultLeaf::Recovery => keys.backup = None,
    }
    keys
}

/// A transaction that spends a vault by `leaf`, and what it spends.
fn spend(keys: &VaultKeys, leaf: &LeafSpend) -> (Transaction, [TxOut; 1]) {
    let input = TxIn {
        previous_output: outpoint(1),
        sequence: leaf.sequence(),
        ..TxIn::default()
    };
    let tx = Transaction {
        version: VAULT_TX_VERSION,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output: vec![txout(900_000, key_script(4))],
    };
    (tx, [txout(1_000_000, keys.script_pubkey())])
}

/// The signatures of these keys.
fn signatures(numbers: &[u8], message: &Message) -> BTreeMap<XOnlyPublicKey, Signature> {
    numbers
        .iter()
        .map(|n| (key(*n), sign_plain(*n, message)))
        .collect()
}

/// BIP-340's tagged hash.
fn tagged(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let tag = sha256::Hash::hash(tag.as_bytes());
    let mut engine = sha256::Hash::engine();
    for part in [tag.as_byte_array().as_slice(), tag.as_byte_array()]
        .iter()
        .chain(parts)
    {
        engine.input(part);
    }
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// BIP-341's hash of a leaf shorter than 253 bytes.
fn leaf_hash(quorum: &Quorum) -> [u8; 32] {
    let script = quorum.leaf();
    let length = u8::try_from(script.len()).unwrap();
    tagged("TapLeaf", &[&[0xc0, length], script.as_bytes()])
}

#[test]
fn without_leaves_the_vault_is_the_federations_taproot_key() {
    let keys = VaultKeys::without_leaves(key(1));
    assert_eq!(keys.script_pubkey(), output_script(key(1), None));
    assert_eq!((keys.merkle_root(), keys.leaves()), (None, vec![]));
    assert_eq!(keys.spend_by(VaultLeaf::Backup), None);
    assert_eq!(keys.spend_by(VaultLeaf::Recovery), None);
}

#[test]
fn the_vaults_root_and_key_are_those_of_bip_341() {
    let keys = vault_keys();
    let (backup, recovery) = (keys.backup.clone().unwrap(), keys.recovery.clone().unwrap());
    let mut hashes = [leaf_hash(&backup), leaf_hash(&recovery)];
    hashes.sort_unstable();
    let both = tagged("TapBranch", &[&hashes[0], &hashes[1]]);
    let expected = [
        (keys.clone(), both),
        (only(VaultLeaf::Backup), leaf_hash(&backup)),
        (only(VaultLeaf::Recovery), leaf_hash(&recovery)),
    ];
    for (keys, root) in expected {
        assert_eq!(keys.merkle_root().unwrap().to_byte_array(), root);
        assert_eq!(keys.spend_info().internal_key(), key(FEDERATION));
        let tweak = tagged("TapTweak", &[&key(FEDERATION).serialize(), &root]);
        let (output, _) = key(FEDERATION)
            .add_tweak(secp(), &Scalar::from_be_bytes(tweak).unwrap())
            .unwrap();
        let script = [&[0x51, 0x20][..], &output.serialize()].concat();
        assert_eq!(keys.script_pubkey().to_bytes(), script);
        assert_eq!(
            keys.script_pubkey(),
            output_script(key(FEDERATION), keys.merkle_root())
        );
    }
    assert_eq!(keys.leaves(), [backup.leaf(), recovery.leaf()]);
}

#[test]
fn every_part_of_the_tree_changes_the_vaults_address() {
    let changes: [fn(&mut VaultKeys); 10] = [
        |_| (),
        |k| k.federation = key(2),
        |k| k.backup = None,
        |k| k.recovery = None,
        |k| k.backup = Some(quorum(2, &MEMBERS, 144)),
        |k| k.backup = Some(quorum(3, &[41, 42, 43, 44, 46], 144)),
        |k| k.backup = Some(quorum(3, &MEMBERS, 145)),
        |k| k.recovery = Some(quorum(3, &RECOVERY, 26_280)),
        |k| k.recovery = Some(quorum(2, &[51, 52, 54], 26_280)),
        |k| k.recovery = Some(quorum(2, &RECOVERY, 26_281)),
    ];
    let mut scripts: Vec<ScriptBuf> = changes
        .iter()
        .map(|change| {
            let mut keys = vault_keys();
            change(&mut keys);
            keys.script_pubkey()
        })
        .collect();
    scripts.push(VaultKeys::without_leaves(key(FEDERATION)).script_pubkey());
    scripts.sort();
    scripts.dedup();
    assert_eq!(scripts.len(), changes.len() + 1);
}

#[test]
fn a_leaf_is_spent_by_its_threshold_in_reverse_order_of_the_keys() {
    let cases = [
        (vault_keys(), VaultLeaf::Backup, &MEMBERS[..], 3, 65),
        (vault_keys(), VaultLeaf::Recovery, &RECOVERY[..], 2, 65),
        (only(VaultLeaf::Backup), VaultLeaf::Backup, &MEMBERS[..], 3, 33),
        (
            only(VaultLeaf::Recovery),
            VaultLeaf::Recovery,
            &RECOVERY[..],
            2,
            33,
        ),
    ];
    for (keys, name, holders, threshold, control_bytes) in cases {
        let (leaf, quorum) = (keys.spend_by(name).unwrap(), keys.quorum(name).unwrap());
        let (tx, prevouts) = spend(&keys, &leaf);
        let message = leaf.sighash(&tx, 0, &prevouts);
        assert_eq!(message, script_path_sighash(&tx, 0, &prevouts, &quorum.leaf()));
        // Those who are asked last: the first ones are the empty elements.
        let willing = signatures(&holders[holders.len() - threshold..], &message);
        let witness = leaf.witness(&willing).unwrap();
        let elements: Vec<&[u8]> = witness.iter().collect();
        assert_eq!(elements.len(), holders.len() + 2);
        for (element, key) in elements.iter().zip(quorum.keys().iter().rev()) {
            let expected = willing.get(key).map(Signature::serialize);
            assert_eq!(*element, expected.as_ref().map_or(&[][..], |bytes| &bytes[..]));
            if let Some(signature) = willing.get(key) {
                assert!(all().verify_schnorr(signature, &message, key).is_ok());
            }
        }
        let (script, control) = (elements[holders.len()], elements[holders.len() + 1]);
        assert_eq!(script, quorum.leaf().as_bytes());
        assert_eq!(control.len(), control_bytes);
        let output = XOnlyPublicKey::from_slice(&keys.script_pubkey().as_bytes()[2..]).unwrap();
        let control = ControlBlock::decode(control).unwrap();
        assert!(control.verify_taproot_commitment(secp(), output, &quorum.leaf()));
    }
    let sequence = |leaf| vault_keys().spend_by(leaf).unwrap().sequence();
    assert_eq!(sequence(VaultLeaf::Backup).to_consensus_u32(), 144);
    assert_eq!(sequence(VaultLeaf::Recovery).to_consensus_u32(), 26_280);
}

#[test]
fn signatures_beyond_the_threshold_are_left_out() {
    let keys = vault_keys();
    let leaf = keys.spend_by(VaultLeaf::Backup).unwrap();
    let (tx, prevouts) = spend(&keys, &leaf);
    let everybody = signatures(&MEMBERS, &leaf.sighash(&tx, 0, &prevouts));
    let first = everybody.clone().into_iter().take(3).collect();
    assert_eq!(leaf.witness(&everybody), leaf.witness(&first));
    let witness = leaf.witness(&everybody).unwrap();
    assert_eq!(witness.iter().filter(|element| element.len() == 64).count(), 3);
}

#[test]
fn too_few_signatures_and_those_of_strangers_are_refused() {
    let keys = vault_keys();
    let leaf = keys.spend_by(VaultLeaf::Backup).unwrap();
    let (tx, prevouts) = spend(&keys, &leaf);
    let message = leaf.sighash(&tx, 0, &prevouts);
    for given in 0..3 {
        let refused = leaf.witness(&signatures(&MEMBERS[..given], &message));
        assert_eq!(refused, Err(LeafSpendError::TooFew { given, needed: 3 }));
    }
    // A recovery key has no say in the backup leaf, nor has the federation's.
    for stranger in [51, FEDERATION] {
        let refused = leaf.witness(&signatures(&[41, 42, 43, stranger], &message));
        assert_eq!(refused, Err(LeafSpendError::Stranger(key(stranger))));
    }
}

#[test]
fn both_script_paths_weigh_what_they_say() {
    // Input without witness, then: number of elements, signatures, empty elements, script, control.
    let backup = 4 * 41 + 1 + 3 * 65 + 2 + (1 + 5 + 5 * 34 + 2) + (1 + 65);
    let recovery = 4 * 41 + 1 + 2 * 65 + 1 + (1 + 5 + 3 * 34 + 2) + (1 + 65);
    let cases = [
        (VaultLeaf::Backup, &MEMBERS[..3], backup),
        (VaultLeaf::Recovery, &RECOVERY[..2], recovery),
    ];
    let keys = vault_keys();
    for (name, holders, weight) in cases {
        let leaf = keys.spend_by(name).unwrap();
        assert_eq!(leaf.input_weight(), weight, "{name:?}");
        let (mut tx, prevouts) = spend(&keys, &leaf);
        let message = leaf.sighash(&tx, 0, &prevouts);
        tx.input[0].witness = leaf.witness(&signatures(holders, &message)).unwrap();
        let by_leaf = tx.weight();
        tx.input[0].witness = key_path_witness(&sign_plain(FEDERATION, &message));
        let by_key = tx.weight();
        assert_eq!(
            by_leaf - by_key,
            Weight::from_wu(u64::from(weight - KEY_INPUT_WEIGHT))
        );
    }
}

#[test]
fn the_largest_quorum_fits_a_vault_transaction() {
    let most: Vec<u8> = (1..=100).collect();
    let keys = VaultKeys {
        backup: Some(quorum(100, &most, 65_534)),
        ..vault_keys()
    };
    let weight = keys.spend_by(VaultLeaf::Backup).unwrap().input_weight();
    assert_eq!(weight, 4 * 41 + 1 + 100 * 65 + (3 + 6 + 100 * 34 + 3) + (1 + 65));
    assert!(weight < MAX_VAULT_WEIGHT / 2, "{weight}");
}
