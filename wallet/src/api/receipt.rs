//! The soft confirmation: a sequencer's signed word that a transfer will be in a batch.
//!
//! `message = B2[Receipt](chain id, txid, nf0, nf1, target batch, key epoch)`, first 32 bytes, signed
//! by BIP-340 under the anchor key of that epoch. Two receipts for different transfers that spend
//! one nullifier prove that the sequencer equivocated; anybody can check them.

use bitcoin::XOnlyPublicKey;
use bitcoin::key::Keypair;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{Message, Secp256k1};
use serde::{Deserialize, Serialize};
use tacit_protocol::hash::{B2, Label};
use tacit_protocol::note::Nullifier;
use tacit_protocol::params::ChainId;
use tacit_protocol::transfer::TransferId;

use super::codec;

/// What a receipt promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Promise {
    /// The chain.
    pub chain_id: ChainId,
    /// The transfer.
    #[serde(with = "codec::txid")]
    pub txid: TransferId,
    /// Its nullifiers.
    #[serde(with = "codec::pair")]
    pub nf: [Nullifier; 2],
    /// The batch it is to be in at the latest.
    pub target_batch: u32,
    /// Epoch of the anchor key.
    pub key_epoch: u32,
}

impl Promise {
    /// What the anchor key signs.
    #[must_use]
    pub fn message(&self) -> Message {
        let hash = B2::new(Label::Receipt)
            .bytes(self.chain_id.as_bytes())
            .bytes(&self.txid.0)
            .bytes(self.nf[0].as_bytes())
            .bytes(self.nf[1].as_bytes())
            .u64(u64::from(self.target_batch))
            .u64(u64::from(self.key_epoch));
        Message::from_digest(hash.finish32())
    }

    /// Signs the promise with fresh auxiliary randomness.
    #[must_use]
    pub fn sign(self, key: &Keypair, aux: &[u8; 32]) -> Receipt {
        let signature = Secp256k1::signing_only().sign_schnorr_with_aux_rand(&self.message(), key, aux);
        Receipt {
            promise: self,
            signature,
        }
    }
}

/// A signed promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// What is promised.
    #[serde(flatten)]
    pub promise: Promise,
    /// The BIP-340 signature.
    pub signature: Signature,
}

impl Receipt {
    /// Whether `key` made the signature.
    #[must_use]
    pub fn verify(&self, key: &XOnlyPublicKey) -> bool {
        Secp256k1::verification_only()
            .verify_schnorr(&self.signature, &self.promise.message(), key)
            .is_ok()
    }
}

#[cfg(test)]
mod tests;
