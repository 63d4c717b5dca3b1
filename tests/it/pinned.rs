//! Circuits and verifier never meet in one crate, so here they do: the keys built from `circuits` are
//! those that a chain's parameters name and the verifier accepts.
//!
//! `tests/vectors/verifying_keys.json` pins the hash of each development key. Run with
//! `TACIT_REPIN=1` after a deliberate change of a circuit, and look at the difference.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tacit_circuits::version::CircuitId;
use tacit_node::commands::genesis::circuit_keys;
use tacit_protocol::Network;
use tacit_protocol::batch::BatchShape;
use tacit_protocol::encoding::Decode;
use tacit_prover::{KeyStore, circuits};
use tacit_verifier::groth16::VerifyingKey;
use tacit_verifier::keys::{CIRCUITS, KeyEntry, KeySetError, VerifyingKeys};

use crate::setting::{CIRCUITS_IN_USE, keys_dir};

fn pins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join("verifying_keys.json")
}

#[test]
fn the_verifier_knows_exactly_the_circuits_there_are() {
    let known = CIRCUITS.map(|circuit| (circuit.name, circuit.digest.to_owned()));
    let built = CircuitId::ALL.map(|id| (id.name(), hex::encode(id.digest())));
    assert_eq!(known, built, "the same circuits in the same order");
    for id in [CircuitId::Transfer, CircuitId::Batch(BatchShape::B4x4)] {
        let (system, name) = (circuits::system(id), id.name());
        let circuit = CIRCUITS
            .iter()
            .find(|circuit| circuit.name == name)
            .expect("compared above");
        assert_eq!(
            system.num_public(),
            circuit.n_public + 1,
            "{name}: the constant one and the inputs"
        );
        assert_eq!(system.digest(), id.digest(), "{name} is what is pinned");
    }
}

#[test]
fn the_keys_built_from_the_circuits_are_those_that_are_pinned_and_accepted() {
    let store = KeyStore::new(keys_dir(), Network::Regtest);
    let names = CIRCUITS_IN_USE.map(str::to_owned);
    let keys = circuit_keys(&store, &names).expect("development keys can be made or read");
    let found: BTreeMap<String, String> = keys
        .iter()
        .map(|key| (key.name.clone(), hex::encode(key.key_hash)))
        .collect();
    if std::env::var_os("TACIT_REPIN").is_some() {
        let text = serde_json::to_string_pretty(&found).expect("strings have a JSON form") + "\n";
        fs::write(pins(), text).expect("the vectors can be written");
    }
    let text = fs::read_to_string(pins()).expect("the pins are committed; TACIT_REPIN=1 writes them");
    let pinned: BTreeMap<String, String> = serde_json::from_str(&text).expect("the pins are JSON");
    assert_eq!(
        found, pinned,
        "a verifying key changed; TACIT_REPIN=1 pins the new one"
    );

    for key in &keys {
        let id = CircuitId::ALL
            .into_iter()
            .find(|id| id.name() == key.name)
            .expect("a known circuit");
        assert_eq!(
            key.circuit_digest,
            id.digest(),
            "{} is made for the pinned circuit",
            key.name
        );
        assert_eq!(tacit_verifier::keys::circuit_digest(id.name()), Some(id.digest()));
        assert!(key.insecure, "{} says that it is a development key", key.name);
        let entry = KeyEntry {
            circuit: &key.name,
            circuit_digest: key.circuit_digest,
            bytes: &key.verifying_key,
            pinned_hash: key.key_hash,
            insecure: key.insecure,
        };
        let accepted = VerifyingKeys::load(Network::Regtest, &[entry]).expect("the verifier accepts it");
        let accepted = accepted.get(&key.name).expect("it is there");
        assert_eq!(accepted.circuit_digest(), &id.digest());
        let decoded = VerifyingKey::decode(&key.verifying_key).expect("canonical bytes");
        assert_eq!(decoded.hash(), key.key_hash, "the hash is that of the bytes");
        assert!(matches!(
            VerifyingKeys::load(
                Network::Regtest,
                &[KeyEntry {
                    pinned_hash: [0; 32],
                    ..entry
                }]
            ),
            Err(KeySetError::NotPinned { .. })
        ));
        let circuit_digest = [0; 32];
        let of_another = KeyEntry {
            circuit_digest,
            ..entry
        };
        assert!(matches!(
            VerifyingKeys::load(Network::Regtest, &[of_another]),
            Err(KeySetError::OtherCircuit(_))
        ));
        assert!(matches!(
            VerifyingKeys::load(Network::Mainnet, &[entry]),
            Err(KeySetError::InsecureOnMainnet(_))
        ));
    }
}
