//! The verifying key of one circuit as `chain.json` carries it.

use serde::{Deserialize, Serialize};

use crate::network::Network;
use crate::params::{ParamsError, hex_bytes};

/// The verifying key of one version of a circuit. Whether the key is well-formed and matches its
/// hash is the verifier's to check; here it is bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitKey {
    /// Name and version, such as `transfer-v1` or `batch-4-4-v1`.
    pub name: String,
    /// Digest of the constraint system that the key was made for.
    #[serde(with = "hex_bytes")]
    pub circuit_digest: [u8; 32],
    /// The encoded verifying key.
    #[serde(with = "hex_bytes::vec")]
    pub verifying_key: Vec<u8>,
    /// Hash of the verifying key.
    #[serde(with = "hex_bytes")]
    pub key_hash: [u8; 32],
    /// Whether one party alone made the key, who could forge proofs.
    pub insecure: bool,
}

impl CircuitKey {
    /// Checks what can be checked without knowing the proof system.
    pub(super) fn check(&self, network: Network) -> Result<(), ParamsError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(ParamsError::CircuitName(self.name.clone()));
        }
        if self.verifying_key.is_empty() {
            return Err(ParamsError::EmptyKey(self.name.clone()));
        }
        if self.insecure && network == Network::Mainnet {
            return Err(ParamsError::InsecureOnMainnet(self.name.clone()));
        }
        Ok(())
    }
}
