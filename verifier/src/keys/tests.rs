//! Only pinned, sound keys of known circuits are accepted.

use tacit_protocol::encoding::Encode;

use super::*;
use crate::groth16::testing::TrapdoorKey;

struct Stored {
    bytes: Vec<u8>,
    hash: [u8; 32],
}

fn stored(key: &VerifyingKey) -> Stored {
    Stored {
        bytes: key.encode(),
        hash: key.hash(),
    }
}

fn transfer() -> Stored {
    stored(&TrapdoorKey::new(1, 7).verifying_key())
}

fn entry<'a>(circuit: &'a str, stored: &'a Stored) -> KeyEntry<'a> {
    KeyEntry {
        circuit,
        circuit_digest: circuit_digest(circuit).unwrap_or([9; 32]),
        bytes: &stored.bytes,
        pinned_hash: stored.hash,
        insecure: true,
    }
}

fn load(entries: &[KeyEntry<'_>]) -> Result<VerifyingKeys, KeySetError> {
    VerifyingKeys::load(Network::Regtest, entries)
}

#[test]
fn pinned_keys_are_found_by_their_circuits() {
    let (t, b) = (transfer(), stored(&TrapdoorKey::new(2, 3).verifying_key()));
    let keys = load(&[entry("transfer-v1", &t), entry("batch-20-8-v1", &b)]).expect("two good keys");
    let key = keys.transfer().expect("loaded");
    assert_eq!(
        (key.name(), key.circuit_digest(), key.is_insecure()),
        (
            "transfer-v1",
            &circuit_digest("transfer-v1").expect("known"),
            true
        )
    );
    assert_eq!(key.key().hash(), &t.hash);
    assert_eq!(key.key().num_public(), 7);
    assert_eq!(keys.batch("20-8").map(|k| k.key().hash()), Some(&b.hash));
    assert!(keys.batch("4-4").is_none());
    assert_eq!(keys.iter().count(), 2);
}

#[test]
fn key_for_another_constraint_system_is_refused() {
    let t = transfer();
    let mut other = entry("transfer-v1", &t);
    other.circuit_digest[0] ^= 1;
    assert_eq!(
        load(&[other]).err(),
        Some(KeySetError::OtherCircuit("transfer-v1".into()))
    );
}

#[test]
fn key_without_the_pinned_hash_is_refused() {
    let t = transfer();
    let mut unpinned = entry("transfer-v1", &t);
    unpinned.pinned_hash[31] ^= 1;
    assert!(matches!(load(&[unpinned]), Err(KeySetError::NotPinned { .. })));
}

#[test]
fn key_with_gamma_equal_to_delta_is_refused_even_if_it_is_pinned() {
    let k = TrapdoorKey::new(1, 7).verifying_key();
    let bad = stored(&VerifyingKey::new(
        k.alpha_g1(),
        k.beta_g2(),
        k.delta_g2(),
        k.delta_g2(),
        k.ic().to_vec(),
    ));
    let expected = KeySetError::Rule {
        circuit: "transfer-v1".into(),
        rule: KeyRule::GammaEqualsDelta,
    };
    assert_eq!(load(&[entry("transfer-v1", &bad)]).err(), Some(expected));
}

#[test]
fn key_of_another_circuit_is_refused_by_its_number_of_inputs() {
    let t = transfer();
    let rule = KeyRule::IcLength {
        expected: 4,
        found: 8,
    };
    let expected = KeySetError::Rule {
        circuit: "batch-4-4-v1".into(),
        rule,
    };
    assert_eq!(load(&[entry("batch-4-4-v1", &t)]).err(), Some(expected));
}

#[test]
fn unknown_and_repeated_circuits_are_refused() {
    let t = transfer();
    assert_eq!(
        load(&[entry("transfer-v0", &t)]).err(),
        Some(KeySetError::UnknownCircuit("transfer-v0".into()))
    );
    let twice = [entry("transfer-v1", &t), entry("transfer-v1", &t)];
    assert_eq!(
        load(&twice).err(),
        Some(KeySetError::Duplicate("transfer-v1".into()))
    );
}

#[test]
fn malformed_key_is_refused() {
    let t = transfer();
    let mut short = entry("transfer-v1", &t);
    short.bytes = &t.bytes[..t.bytes.len() - 1];
    assert!(matches!(load(&[short]), Err(KeySetError::Malformed { .. })));
}

#[test]
fn development_key_is_refused_on_the_main_network_only() {
    let t = transfer();
    let mainnet = |insecure| {
        VerifyingKeys::load(
            Network::Mainnet,
            &[KeyEntry {
                insecure,
                ..entry("transfer-v1", &t)
            }],
        )
    };
    assert_eq!(
        mainnet(true).err(),
        Some(KeySetError::InsecureOnMainnet("transfer-v1".into()))
    );
    assert_eq!(
        mainnet(false).err(),
        Some(KeySetError::NoCeremony("transfer-v1".into()))
    );
    assert!(VerifyingKeys::load(Network::Signet, &[entry("transfer-v1", &t)]).is_ok());
}
