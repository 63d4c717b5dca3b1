//! Raising the fee limit of a withdrawal: what its owner signs, and the bytes that go on Bitcoin.
//!
//! `message = B2[RaiseFee](chain id, index, new limit)`, first 32 bytes, signed by BIP-340 under the key in
//! the [exit](crate::peg::Exit). Whether a raise counts, and from which block on, followers decide.
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::XOnlyPublicKey;
use bitcoin::key::Keypair;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{Message, Secp256k1};

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::hash::{B2, Label};
use crate::params::ChainId;
use crate::peg::taproot::secp;

/// A signed order to accept a higher fee share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRaise {
    /// Running number of the withdrawal.
    pub index: u64,
    /// The new limit.
    pub max: Amount,
    /// The signature of the withdrawal's own key.
    pub signature: Signature,
}

impl FeeRaise {
    /// Signs a raise with fresh auxiliary randomness.
    #[must_use]
    pub fn sign(chain: ChainId, index: u64, max: Amount, key: &Keypair, aux: &[u8; 32]) -> Self {
        let message = message(chain, index, max);
        let signature = Secp256k1::signing_only().sign_schnorr_with_aux_rand(&message, key, aux);
        Self {
            index,
            max,
            signature,
        }
    }

    /// Whether `key` signed it for this chain.
    #[must_use]
    pub fn verify(&self, chain: ChainId, key: &XOnlyPublicKey) -> bool {
        let message = message(chain, self.index, self.max);
        secp().verify_schnorr(&self.signature, &message, key).is_ok()
    }
}

fn message(chain: ChainId, index: u64, max: Amount) -> Message {
    let hash = B2::new(Label::RaiseFee)
        .bytes(chain.as_bytes())
        .u64(index)
        .u64(max.to_sat());
    Message::from_digest(hash.finish32())
}

impl Encode for FeeRaise {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.index.to_le_bytes());
        self.max.encode_to(out);
        out.extend_from_slice(&self.signature.serialize());
    }
}

impl Decode for FeeRaise {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (index, max) = (reader.u64()?, Amount::decode_from(reader)?);
        let signature =
            Signature::from_slice(reader.take(64)?).expect("any 64 bytes are read; verifying judges them");
        Ok(Self {
            index,
            max,
            signature,
        })
    }
}

#[cfg(test)]
mod tests;
