//! From a passphrase to a key, and encryption under it.
//!
//! Argon2id gives 48 bytes: 32 for the key, 16 for a check value that may stand in clear. It tells a
//! wrong passphrase from damage without any help to a guesser, who pays one Argon2id per guess either
//! way. The cipher is XChaCha20-Poly1305 under a fresh nonce of 24 bytes.
//! Specification: `docs/spec/secrets.md`.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::CryptoRngCore;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a salt.
pub const SALT_LEN: usize = 16;
/// Bytes of a check value.
pub const CHECK_LEN: usize = 16;

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;

/// Why a passphrase does not become a key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KdfError {
    /// More than may be asked of a machine.
    #[error(
        "deriving a key with {m_cost} KiB, {t_cost} passes and {lanes} lanes costs too much; \
         at most {} KiB, {} passes and {} lanes are allowed",
        KdfParams::MAX_M_COST,
        KdfParams::MAX_T_COST,
        KdfParams::MAX_LANES
    )]
    TooCostly {
        /// Memory, in KiB.
        m_cost: u32,
        /// Passes.
        t_cost: u32,
        /// Lanes.
        lanes: u32,
    },
    /// Argon2 has limits of its own.
    #[error("no key can be derived: {0}; choose other parameters or a shorter passphrase")]
    Impossible(String),
}

/// A key. Secret; has no debug output.
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

/// Cost of turning a passphrase into a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    m_cost: u32,
    t_cost: u32,
    lanes: u32,
}

impl Default for KdfParams {
    /// 64 MiB, three passes, one lane.
    fn default() -> Self {
        Self {
            m_cost: 64 * 1024,
            t_cost: 3,
            lanes: 1,
        }
    }
}

impl KdfParams {
    /// Bytes of the parameters.
    pub const LEN: usize = 12;

    const MAX_M_COST: u32 = 4 * 1024 * 1024;
    const MAX_T_COST: u32 = 64;
    const MAX_LANES: u32 = 16;

    /// `m_cost` KiB of memory, `t_cost` passes, `lanes` lanes.
    ///
    /// # Errors
    /// [`KdfError`] below Argon2's minimum or above what a file may ask of a machine.
    pub fn new(m_cost: u32, t_cost: u32, lanes: u32) -> Result<Self, KdfError> {
        if m_cost > Self::MAX_M_COST || t_cost > Self::MAX_T_COST || lanes > Self::MAX_LANES {
            return Err(KdfError::TooCostly {
                m_cost,
                t_cost,
                lanes,
            });
        }
        let this = Self {
            m_cost,
            t_cost,
            lanes,
        };
        this.argon2().map(|_| this)
    }

    fn argon2(self) -> Result<Argon2<'static>, KdfError> {
        let params = Params::new(self.m_cost, self.t_cost, self.lanes, Some(KEY_LEN + CHECK_LEN))
            .map_err(|error| KdfError::Impossible(error.to_string()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// The key and the check value of a passphrase.
    ///
    /// # Errors
    /// [`KdfError::Impossible`] if the passphrase is longer than Argon2 takes.
    pub fn derive(
        self,
        passphrase: &[u8],
        salt: &[u8; SALT_LEN],
    ) -> Result<(Key, [u8; CHECK_LEN]), KdfError> {
        let mut okm = Zeroizing::new([0; KEY_LEN + CHECK_LEN]);
        self.argon2()?
            .hash_password_into(passphrase, salt, &mut *okm)
            .map_err(|error| KdfError::Impossible(error.to_string()))?;
        let mut key = Zeroizing::new([0; KEY_LEN]);
        key.copy_from_slice(&okm[..KEY_LEN]);
        let mut check = [0; CHECK_LEN];
        check.copy_from_slice(&okm[KEY_LEN..]);
        Ok((Key(key), check))
    }
}

impl Encode for KdfParams {
    fn encode_to(&self, out: &mut Vec<u8>) {
        for cost in [self.m_cost, self.t_cost, self.lanes] {
            out.extend_from_slice(&cost.to_le_bytes());
        }
    }
}

impl Decode for KdfParams {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::new(reader.u32()?, reader.u32()?, reader.u32()?)
            .map_err(|_| DecodeError::OutOfRange("a key derivation parameter"))
    }
}

/// Encrypts under a fresh nonce: nonce, then ciphertext and tag. `clear` is authenticated with it.
///
/// # Panics
/// At the cipher's limit of 256 GiB.
#[must_use]
pub fn seal(key: &Key, clear: &[u8], content: &[u8], rng: &mut dyn CryptoRngCore) -> Vec<u8> {
    let mut out = vec![0; NONCE_LEN];
    rng.fill_bytes(&mut out);
    let payload = Payload {
        msg: content,
        aad: clear,
    };
    let sealed = XChaCha20Poly1305::new((&*key.0).into())
        .encrypt(XNonce::from_slice(&out), payload)
        .expect("secrets are far below the cipher's limit of 256 GiB");
    out.extend_from_slice(&sealed);
    out
}

/// Decrypts; `None` if a bit of it or of `clear` was changed, or the key is another.
#[must_use]
pub fn open(key: &Key, clear: &[u8], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
    let payload = Payload {
        msg: sealed,
        aad: clear,
    };
    let content = XChaCha20Poly1305::new((&*key.0).into())
        .decrypt(XNonce::from_slice(nonce), payload)
        .ok()?;
    Some(Zeroizing::new(content))
}

#[cfg(test)]
mod tests;
