//! Encrypted outputs: 48 bytes of ciphertext for the payment and the change of a transfer, and the
//! memo that may go with the payment ([`memo`]).
//!
//! ```text
//! epk       32 bytes   one ephemeral key per transfer, esk·g_d
//! ct_pay    32 bytes   (v ‖ d ‖ rseed)  XOR ChaCha20 under B2[Enc](esk·P_d, epk, cm0, cm1)
//! ct_change 16 bytes   (v ‖ salt)       XOR ChaCha20 under B2[Change](ovk, epk, cm0, cm1)
//! ```
//!
//! The sender draws one 8-byte salt per attempt; everything else follows from `ovk`, the first
//! nullifier and the salt, so payments can be shown from the mnemonic alone. There is no
//! authentication tag: the commitment authenticates what was decrypted. Keys bind both commitments,
//! so no key stream is used twice. Decryption never changes what a node does on the network.
//! Sending is in [`OutputSecrets`], receiving in the `try_*` methods of the viewing keys.
//! Specification: `docs/spec/encryption.md`.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use curve25519_dalek::{RistrettoPoint, Scalar};
use std::fmt;

use crate::address;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::hash::{B2, Label};
use crate::note::{Commitment, Nullifier};

pub mod memo;
mod open;
mod seal;

pub use memo::{Memo, MemoError, MemoKey, MemoText};
pub use open::{ChangeReceived, PaymentReceived, open_disclosed, recover_sent};
pub use seal::{OutputOrder, OutputSecrets, Sealed};

/// Seed of a note's randomness.
pub type Rseed = [u8; 16];
/// Fresh randomness of one attempt at a transfer.
pub type Salt = [u8; 8];

/// The encrypted outputs of a transfer. `epk` is always a canonical, non-identity group element.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncryptedOutputs {
    epk: [u8; 32],
    ct_pay: [u8; 32],
    ct_change: [u8; 16],
}

impl EncryptedOutputs {
    /// Number of bytes: ephemeral key and ciphertexts.
    pub const LENGTH: usize = 80;

    /// Assembles outputs.
    ///
    /// # Errors
    /// [`DecodeError::BadPoint`] if `epk` is not the canonical encoding of a non-identity point.
    pub fn new(epk: [u8; 32], ct_pay: [u8; 32], ct_change: [u8; 16]) -> Result<Self, DecodeError> {
        match address::decompress(&epk) {
            Some(_) => Ok(Self {
                epk,
                ct_pay,
                ct_change,
            }),
            None => Err(DecodeError::BadPoint("epk")),
        }
    }

    /// The ephemeral key.
    #[must_use]
    pub fn epk(&self) -> &[u8; 32] {
        &self.epk
    }

    /// The payment's ciphertext.
    #[must_use]
    pub fn ct_pay(&self) -> &[u8; 32] {
        &self.ct_pay
    }

    /// The change's ciphertext.
    #[must_use]
    pub fn ct_change(&self) -> &[u8; 16] {
        &self.ct_change
    }

    fn epk_point(&self) -> RistrettoPoint {
        address::decompress(&self.epk).expect("checked when the outputs were made")
    }
}

impl fmt::Debug for EncryptedOutputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedOutputs({})", hex::encode(self.epk))
    }
}

impl Encode for EncryptedOutputs {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epk);
        out.extend_from_slice(&self.ct_pay);
        out.extend_from_slice(&self.ct_change);
    }
}

impl Decode for EncryptedOutputs {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::new(reader.array()?, reader.array()?, reader.array()?)
    }
}

/// The two roles of outputs, for seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Payment,
    Change,
}

/// The first 16 bytes of `B2[Seed](ovk, nf0, salt, role)`.
fn derive_rseed(ovk: &[u8; 32], nf0: &Nullifier, salt: &Salt, role: Role) -> Rseed {
    let role: &[u8] = match role {
        Role::Payment => b"payment",
        Role::Change => b"change",
    };
    let digest = B2::new(Label::Seed)
        .bytes(ovk)
        .bytes(nf0.as_bytes())
        .bytes(salt)
        .bytes(role)
        .finish();
    let mut rseed = [0; 16];
    rseed.copy_from_slice(&digest[..16]);
    rseed
}

/// The ephemeral secret, `B2[Esk](rseed) mod l`; zero with probability 2^-252.
fn derive_esk(rseed: &Rseed) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&B2::new(Label::Esk).bytes(rseed).finish())
}

/// `B2[Enc](shared, epk, cm0, cm1)`.
fn payment_key(shared: &RistrettoPoint, epk: &[u8; 32], cm: &[Commitment; 2]) -> [u8; 32] {
    let hash = B2::new(Label::Enc).bytes(shared.compress().as_bytes()).bytes(epk);
    hash.bytes(&cm[0].to_bytes()).bytes(&cm[1].to_bytes()).finish32()
}

/// `B2[Change](ovk, epk, cm0, cm1)`.
fn change_key(ovk: &[u8; 32], epk: &[u8; 32], cm: &[Commitment; 2]) -> [u8; 32] {
    let hash = B2::new(Label::Change).bytes(ovk).bytes(epk);
    hash.bytes(&cm[0].to_bytes()).bytes(&cm[1].to_bytes()).finish32()
}

/// XORs `bytes` with the ChaCha20 key stream (all-zero nonce: a key is used once).
fn apply_stream<const N: usize>(key: &[u8; 32], mut bytes: [u8; N]) -> [u8; N] {
    ChaCha20::new(key.into(), &[0; 12].into()).apply_keystream(&mut bytes);
    bytes
}

#[cfg(test)]
pub(crate) mod tests;
