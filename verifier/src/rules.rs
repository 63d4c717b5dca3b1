//! Everything a verifier needs besides the state: chain parameters and prepared verifying keys.

use tacit_protocol::batch::BatchShape;
use tacit_protocol::params::ChainParams;

use crate::groth16::PreparedVerifyingKey;
use crate::keys::{KeyEntry, KeySetError, VerifyingKeys};

/// The rules of one chain, ready to judge.
#[derive(Clone, Debug)]
pub struct Rules {
    params: ChainParams,
    keys: VerifyingKeys,
}

impl Rules {
    /// Prepares the keys that `params` carries.
    ///
    /// # Errors
    /// The first rule that a verifying key breaks.
    pub fn load(params: ChainParams) -> Result<Self, KeySetError> {
        let entries: Vec<KeyEntry<'_>> = params
            .circuits()
            .iter()
            .map(|c| KeyEntry {
                circuit: &c.name,
                circuit_digest: c.circuit_digest,
                bytes: &c.verifying_key,
                pinned_hash: c.key_hash,
                insecure: c.insecure,
            })
            .collect();
        let keys = VerifyingKeys::load(params.genesis().network, &entries)?;
        Ok(Self { params, keys })
    }

    /// The chain's parameters.
    #[must_use]
    pub fn params(&self) -> &ChainParams {
        &self.params
    }

    /// The key of the transfer statement, if the chain has one.
    #[must_use]
    pub fn transfer_key(&self) -> Option<&PreparedVerifyingKey> {
        self.keys.transfer().map(crate::keys::CircuitKey::key)
    }

    /// The key of a batch statement, if the chain has one.
    #[must_use]
    pub fn batch_key(&self, shape: BatchShape) -> Option<&PreparedVerifyingKey> {
        self.keys
            .get(shape.circuit_name())
            .map(crate::keys::CircuitKey::key)
    }

    /// The shapes the chain has keys for, smallest first.
    #[must_use]
    pub fn shapes(&self) -> Vec<BatchShape> {
        BatchShape::ALL
            .into_iter()
            .filter(|shape| self.batch_key(*shape).is_some())
            .collect()
    }

    /// The largest shape the chain has a key for, which holds the most of everything.
    #[must_use]
    pub fn largest_shape(&self) -> Option<BatchShape> {
        self.shapes().pop()
    }
}
