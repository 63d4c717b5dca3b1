//! Chain parameters: what makes one Tacit chain different from every other.
//!
//! [`ChainParams`] is the file `chain.json`: the [`Genesis`] part and the circuits of the chain with
//! their verifying keys. Nothing in it ever changes. The [`ChainId`], which every transfer and every
//! batch binds, is the hash of the genesis part and of every circuit's name, digest and key: whoever
//! follows a chain judges by the same keys. Specification: `docs/spec/chain.md`.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::F;
use crate::hash::{B2, Label};

/// The version of the rules that this code follows.
pub const RULES_VERSION: u16 = 5;

/// Blocks after which a depositor can take a deposit back.
pub const REFUND_TIMELOCK: u16 = 1_008;

/// Blocks of silence after which the federation can take the anchor chain over.
pub const TAKEOVER_TIMELOCK: u16 = 1_008;

/// Blocks after which a forced request must be honoured.
pub const FORCED_WINDOW: u16 = 144;

/// Blocks without a vault transaction after which the members' own keys can move the vault.
pub const BACKUP_TIMELOCK: u16 = 144;

/// The most entries of a fee table; a byte indexes it.
pub const MAX_FEES: usize = 256;

mod circuit;
mod fee_table;
mod genesis;
mod hex_bytes;

pub use circuit::CircuitKey;
pub use fee_table::FeeTable;
pub use genesis::Genesis;

/// Why chain parameters are refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParamsError {
    /// The file is not JSON of the expected shape.
    #[error("chain.json: {0}")]
    Json(String),
    /// The rules are of another version.
    #[error("rules version {0} is not supported, this program follows version {RULES_VERSION}")]
    RulesVersion(u16),
    /// The anchor and the vault cannot start from the same output.
    #[error("anchor and vault start from the same output")]
    SameOutpoint,
    /// No transaction has a null outpoint, and no block comes after the highest height.
    #[error("the genesis outputs or the start height are impossible")]
    Impossible,
    /// Depth zero would act on blocks that are easily replaced.
    #[error("finality depth must be at least 1")]
    Depth,
    /// A timelock of zero would not lock.
    #[error("timelocks and the forced window must be at least 1")]
    Timelock,
    /// Any chain would be taken over before an honest sequencer could give a sign of life.
    #[error(
        "a takeover timelock of {0} blocks is too short: it must be at least twice the forced window and the \
         finality depth together"
    )]
    Takeover(u16),
    /// The recovery keys could move the vault while the members' own cannot.
    #[error("the vault's recovery leaf must open later than its backup leaf; give it the longer timelock")]
    RecoveryBeforeBackup,
    /// The fee table is empty, too long, not strictly increasing, or has an impossible amount.
    #[error("the fee table must hold 1 to {MAX_FEES} strictly increasing amounts")]
    FeeTable,
    /// The identifier does not belong to the rest of the file.
    #[error(
        "chain id {stated} does not belong to this genesis and these circuits, whose id is {actual}; \
         get the chain's own chain.json"
    )]
    ChainId {
        /// In the file.
        stated: ChainId,
        /// Of the genesis part and the circuits.
        actual: ChainId,
    },
    /// A circuit has no name, or one with unusual characters.
    #[error("circuit name {0:?} is not made of a-z, 0-9 and hyphens")]
    CircuitName(String),
    /// A circuit is listed twice.
    #[error("circuit {0} is listed twice")]
    DuplicateCircuit(String),
    /// A circuit comes without a verifying key.
    #[error("circuit {0} has an empty verifying key")]
    EmptyKey(String),
    /// Development keys on the main network.
    #[error("circuit {0} has a development key, which mainnet refuses")]
    InsecureOnMainnet(String),
    /// The circuit is not listed.
    #[error("chain.json has no circuit {0}")]
    NoCircuit(String),
}

/// The identifier of a chain: the hash of its genesis part and its circuits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; 32]);

impl ChainId {
    /// An identifier from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The identifier of a genesis part with these circuits, in whatever order.
    fn of(genesis: &Genesis, circuits: &[CircuitKey]) -> Self {
        let mut by_name: Vec<&CircuitKey> = circuits.iter().collect();
        by_name.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hash = B2::new(Label::Chain).bytes(&genesis.encode());
        for circuit in by_name {
            hash = hash
                .bytes(circuit.name.as_bytes())
                .bytes(&circuit.circuit_digest)
                .bytes(&circuit.key_hash);
        }
        Self(hash.finish32())
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The identifier as statements use it.
    #[must_use]
    pub fn to_field(&self) -> F {
        B2::new(Label::Chain).bytes(&self.0).to_field()
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainId({self})")
    }
}

impl FromStr for ChainId {
    type Err = DecodeError;
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        hex_bytes::parse(text).map(Self)
    }
}

impl Serialize for ChainId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex_bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for ChainId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hex_bytes::deserialize(deserializer).map(Self)
    }
}

impl Encode for ChainId {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for ChainId {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

/// Everything a node must know about its chain: the file `chain.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainParams {
    genesis: Genesis,
    chain_id: ChainId,
    circuits: Vec<CircuitKey>,
}

/// `chain.json` as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain_id: ChainId,
    genesis: Genesis,
    circuits: Vec<CircuitKey>,
}

impl ChainParams {
    /// Joins a genesis part and the keys of circuits.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn new(genesis: Genesis, circuits: Vec<CircuitKey>) -> Result<Self, ParamsError> {
        genesis.check()?;
        let mut names = HashSet::new();
        for circuit in &circuits {
            circuit.check(genesis.network)?;
            if !names.insert(circuit.name.as_str()) {
                return Err(ParamsError::DuplicateCircuit(circuit.name.clone()));
            }
        }
        let chain_id = ChainId::of(&genesis, &circuits);
        Ok(Self {
            genesis,
            chain_id,
            circuits,
        })
    }

    /// Reads the text of `chain.json`.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn from_json(text: &str) -> Result<Self, ParamsError> {
        let file: File = serde_json::from_str(text).map_err(|error| ParamsError::Json(error.to_string()))?;
        let params = Self::new(file.genesis, file.circuits)?;
        if params.chain_id != file.chain_id {
            let (stated, actual) = (file.chain_id, params.chain_id);
            return Err(ParamsError::ChainId { stated, actual });
        }
        Ok(params)
    }

    /// Writes the text of `chain.json`.
    ///
    /// # Panics
    /// Never: every field has a JSON form.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = File {
            chain_id: self.chain_id,
            genesis: self.genesis.clone(),
            circuits: self.circuits.clone(),
        };
        serde_json::to_string_pretty(&file).expect("every field has a JSON form") + "\n"
    }

    /// The part that never changes.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The identifier of the chain.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// The fee that a transfer's fee byte names.
    #[must_use]
    pub fn fee(&self, index: u8) -> Option<Amount> {
        self.genesis.fee_table.fee(index)
    }

    /// The circuits of the chain; no other is ever valid on it.
    #[must_use]
    pub fn circuits(&self) -> &[CircuitKey] {
        &self.circuits
    }

    /// The key of a circuit.
    ///
    /// # Errors
    /// [`ParamsError::NoCircuit`].
    pub fn circuit(&self, name: &str) -> Result<&CircuitKey, ParamsError> {
        self.circuits
            .iter()
            .find(|circuit| circuit.name == name)
            .ok_or_else(|| ParamsError::NoCircuit(name.to_owned()))
    }
}

#[cfg(test)]
mod tests;
