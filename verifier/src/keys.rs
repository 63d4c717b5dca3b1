//! The verifying keys a deployment accepts, one per circuit version.
//!
//! A key is used only if its circuit is known, its hash is the pinned one, it obeys every rule of
//! [`VerifyingKey::validate`] for that circuit's public inputs and — on the main network — it does
//! not come from a development set-up, whose secrets anybody can recompute.
//! Specification: `docs/spec/proofs.md`.

use std::collections::BTreeMap;

use tacit_protocol::encoding::Decode;
use tacit_protocol::{DecodeError, Network};
use thiserror::Error;

use crate::groth16::{KeyRule, PreparedVerifyingKey, VerifyingKey};

/// A circuit that keys can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Its name, which ends with the version of its rules.
    pub name: &'static str,
    /// Public inputs: anchor, nf0, nf1, cm0, cm1, out and ctx for `Transfer`; both states and the digest
    /// for `Batch`.
    pub n_public: usize,
    /// Digest of its constraint system, in hexadecimal. A test holds it to the circuit itself.
    pub digest: &'static str,
}

/// Every circuit a key can be for.
pub const CIRCUITS: [Circuit; 5] = [
    Circuit {
        name: "transfer-v1",
        n_public: 7,
        digest: "ba6851374de79da1ebcda9759dc0410261e1582b8638bb35310319c23e639345",
    },
    Circuit {
        name: "batch-4-4-v1",
        n_public: 3,
        digest: "17869f37629343833c605da698335acd647fd5245622b78c16e7420455944bff",
    },
    Circuit {
        name: "batch-20-8-v1",
        n_public: 3,
        digest: "51547a8adaff9fd6f50b117712130c0b71c51e16937a06023252b61f3d91adc8",
    },
    Circuit {
        name: "batch-48-16-v1",
        n_public: 3,
        digest: "a4e076172cc142ecde8a5b14dfde5d6cc6e93568e9211d749b0a51583bc72f05",
    },
    Circuit {
        name: "batch-192-32-v1",
        n_public: 3,
        digest: "a8d87516683a1cf01b4b7032a4742af73940f686627103501e30c6c80d2fda20",
    },
];

/// Hashes of the verifying keys, in hexadecimal, that a public ceremony made: the only ones that the
/// main network accepts, whatever a `chain.json` says about its own. There has been no ceremony yet.
pub const CEREMONY_KEYS: [&str; 0] = [];

/// The digest of a circuit's constraint system.
///
/// # Panics
/// Never: the table holds hexadecimal digits.
#[must_use]
pub fn circuit_digest(name: &str) -> Option<[u8; 32]> {
    let circuit = CIRCUITS.iter().find(|circuit| circuit.name == name)?;
    let mut digest = [0; 32];
    hex::decode_to_slice(circuit.digest, &mut digest).expect("64 hexadecimal digits");
    Some(digest)
}

/// A verifying key as it is stored and pinned.
#[derive(Clone, Copy, Debug)]
pub struct KeyEntry<'a> {
    /// Name of the circuit, one of [`CIRCUITS`].
    pub circuit: &'a str,
    /// Digest of the circuit the key was made for.
    pub circuit_digest: [u8; 32],
    /// Canonical bytes of the key.
    pub bytes: &'a [u8],
    /// The hash the key must have.
    pub pinned_hash: [u8; 32],
    /// Whether the key comes from a development set-up.
    pub insecure: bool,
}

/// Why a set of verifying keys was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeySetError {
    /// No circuit has this name.
    #[error("no circuit is called {0}")]
    UnknownCircuit(String),
    /// A circuit has two keys.
    #[error("two verifying keys for {0}")]
    Duplicate(String),
    /// The bytes are not a verifying key.
    #[error("the verifying key of {circuit} is malformed: {source}")]
    Malformed {
        /// The circuit.
        circuit: String,
        /// What is wrong with the bytes.
        source: DecodeError,
    },
    /// The key is not the pinned one.
    #[error("the verifying key of {circuit} has hash {found}, pinned is {pinned}")]
    NotPinned {
        /// The circuit.
        circuit: String,
        /// Hash of the bytes given, in hex.
        found: String,
        /// Hash that was pinned, in hex.
        pinned: String,
    },
    /// The key breaks a rule.
    #[error("the verifying key of {circuit} is unusable: {rule}")]
    Rule {
        /// The circuit.
        circuit: String,
        /// The rule.
        rule: KeyRule,
    },
    /// The key was made for another constraint system than this program verifies.
    #[error(
        "the verifying key of {0} is for another version of the circuit; use the program that fits chain.json"
    )]
    OtherCircuit(String),
    /// A key on the main network that no public ceremony made.
    #[error("the verifying key of {0} comes from no known ceremony; the main network refuses it")]
    NoCeremony(String),
    /// A development key on the main network.
    #[error("the verifying key of {0} is a development key; the main network refuses it")]
    InsecureOnMainnet(String),
}

/// The key of one circuit, ready to verify.
#[derive(Clone, Debug)]
pub struct CircuitKey {
    name: &'static str,
    circuit_digest: [u8; 32],
    insecure: bool,
    key: PreparedVerifyingKey,
}

impl CircuitKey {
    /// Name of the circuit.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Digest of the circuit.
    #[must_use]
    pub fn circuit_digest(&self) -> &[u8; 32] {
        &self.circuit_digest
    }

    /// Whether the key comes from a development set-up.
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PreparedVerifyingKey {
        &self.key
    }
}

/// The verifying keys of a deployment.
#[derive(Clone, Debug, Default)]
pub struct VerifyingKeys(BTreeMap<&'static str, CircuitKey>);

impl VerifyingKeys {
    /// Checks and prepares a set of keys for use on `network`.
    ///
    /// # Errors
    /// The first rule that an entry breaks; then no key is usable.
    pub fn load(network: Network, entries: &[KeyEntry<'_>]) -> Result<Self, KeySetError> {
        let mut keys = BTreeMap::new();
        for entry in entries {
            let key = check(network, entry)?;
            if keys.insert(key.name, key).is_some() {
                return Err(KeySetError::Duplicate(entry.circuit.to_owned()));
            }
        }
        Ok(Self(keys))
    }

    /// The key of a circuit, by its full name (`transfer-v1`, `batch-20-8-v1`).
    #[must_use]
    pub fn get(&self, circuit: &str) -> Option<&CircuitKey> {
        self.0.get(circuit)
    }

    /// The key of the `Transfer` statement.
    #[must_use]
    pub fn transfer(&self) -> Option<&CircuitKey> {
        self.get("transfer-v1")
    }

    /// The key of a `Batch` statement, by its shape: slots and deposits, `"20-8"`.
    #[must_use]
    pub fn batch(&self, shape: &str) -> Option<&CircuitKey> {
        self.get(&format!("batch-{shape}-v1"))
    }

    /// All keys, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &CircuitKey> {
        self.0.values()
    }
}

fn check(network: Network, entry: &KeyEntry<'_>) -> Result<CircuitKey, KeySetError> {
    let circuit = entry.circuit.to_owned();
    let Some(known) = CIRCUITS.iter().find(|known| known.name == entry.circuit) else {
        return Err(KeySetError::UnknownCircuit(circuit));
    };
    if circuit_digest(known.name) != Some(entry.circuit_digest) {
        return Err(KeySetError::OtherCircuit(circuit));
    }
    if entry.insecure && network == Network::Mainnet {
        return Err(KeySetError::InsecureOnMainnet(circuit));
    }
    if network == Network::Mainnet && !CEREMONY_KEYS.contains(&hex::encode(entry.pinned_hash).as_str()) {
        return Err(KeySetError::NoCeremony(circuit));
    }
    let key = match VerifyingKey::decode(entry.bytes) {
        Ok(key) => key,
        Err(source) => return Err(KeySetError::Malformed { circuit, source }),
    };
    if key.hash() != entry.pinned_hash {
        let (found, pinned) = (hex::encode(key.hash()), hex::encode(entry.pinned_hash));
        return Err(KeySetError::NotPinned {
            circuit,
            found,
            pinned,
        });
    }
    let key = match PreparedVerifyingKey::new(key, known.n_public) {
        Ok(key) => key,
        Err(rule) => return Err(KeySetError::Rule { circuit, rule }),
    };
    Ok(CircuitKey {
        name: known.name,
        circuit_digest: entry.circuit_digest,
        insecure: entry.insecure,
        key,
    })
}

#[cfg(test)]
mod tests;
