//! The header of a wallet file and the encryption behind it.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use bitcoin::hashes::{Hash, sha256};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::CryptoRngCore;
use tacit_protocol::Network;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::params::ChainId;
use zeroize::Zeroizing;

use super::{StoreChain, StoreError, corrupt};

/// Version of the file layout.
pub(super) const VERSION: u16 = 1;
/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 8 + 2 + 1 + 32 + 12 + 16 + 16 + 8;

const MAGIC: &[u8; 8] = b"tacitwlt";
const NONCE_LEN: usize = 24;

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
    const MAX_M_COST: u32 = 4 * 1024 * 1024;
    const MAX_T_COST: u32 = 64;
    const MAX_LANES: u32 = 16;

    /// `m_cost` KiB of memory, `t_cost` passes, `lanes` lanes.
    ///
    /// # Errors
    /// [`StoreError::Kdf`] below Argon2's minimum or above what a wallet may ask of a machine.
    pub fn new(m_cost: u32, t_cost: u32, lanes: u32) -> Result<Self, StoreError> {
        if m_cost > Self::MAX_M_COST || t_cost > Self::MAX_T_COST || lanes > Self::MAX_LANES {
            return Err(StoreError::Kdf(format!(
                "{m_cost} KiB, {t_cost} passes, {lanes} lanes is too much"
            )));
        }
        let this = Self {
            m_cost,
            t_cost,
            lanes,
        };
        this.argon2().map(|_| this)
    }

    fn argon2(self) -> Result<Argon2<'static>, StoreError> {
        let params = Params::new(self.m_cost, self.t_cost, self.lanes, Some(48))
            .map_err(|error| StoreError::Kdf(error.to_string()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// The key and the check value of a passphrase.
    fn derive(
        self,
        passphrase: &[u8],
        salt: &[u8; 16],
    ) -> Result<(Zeroizing<[u8; 32]>, [u8; 16]), StoreError> {
        let mut okm = Zeroizing::new([0; 48]);
        self.argon2()?
            .hash_password_into(passphrase, salt, &mut *okm)
            .map_err(|error| StoreError::Kdf(error.to_string()))?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&okm[..32]);
        let mut check = [0; 16];
        check.copy_from_slice(&okm[32..]);
        Ok((key, check))
    }
}

/// The part of the file in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    chain: StoreChain,
    kdf: KdfParams,
    salt: [u8; 16],
    check: [u8; 16],
}

impl Header {
    /// A header with a fresh salt, and the key.
    pub(super) fn new(
        chain: StoreChain,
        kdf: KdfParams,
        passphrase: &[u8],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Zeroizing<[u8; 32]>), StoreError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let (key, check) = kdf.derive(passphrase, &salt)?;
        Ok((
            Self {
                chain,
                kdf,
                salt,
                check,
            },
            key,
        ))
    }

    /// The key, if the passphrase is right.
    pub(super) fn unlock(&self, passphrase: &[u8]) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let (key, check) = self.kdf.derive(passphrase, &self.salt)?;
        if check == self.check {
            Ok(key)
        } else {
            Err(StoreError::WrongPassphrase)
        }
    }

    /// Refuses a wallet of another chain.
    pub(super) fn check_chain(&self, path: &Path, expected: StoreChain) -> Result<(), StoreError> {
        let path = path.to_owned();
        if self.chain.network != expected.network {
            let (found, expected) = (self.chain.network, expected.network);
            return Err(StoreError::WrongNetwork {
                path,
                found,
                expected,
            });
        }
        if self.chain.chain_id != expected.chain_id {
            let (found, expected) = (self.chain.chain_id, expected.chain_id);
            return Err(StoreError::WrongChain {
                path,
                found,
                expected,
            });
        }
        Ok(())
    }

    /// The bytes, ended by their own sum.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        self.chain.network.encode_to(&mut out);
        self.chain.chain_id.encode_to(&mut out);
        for cost in [self.kdf.m_cost, self.kdf.t_cost, self.kdf.lanes] {
            out.extend_from_slice(&cost.to_le_bytes());
        }
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.check);
        let sum = sum(&out);
        out.extend_from_slice(&sum);
        out
    }

    /// Reads the header at the start of a file.
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Self, StoreError> {
        if !bytes.starts_with(MAGIC) {
            return Err(StoreError::NotAWallet(path.to_owned()));
        }
        let mut reader = Reader::new(&bytes[MAGIC.len()..]);
        let version = reader.u16().map_err(|error| corrupt(path, &error))?;
        if version != VERSION {
            return Err(StoreError::UnsupportedVersion {
                path: path.to_owned(),
                version,
            });
        }
        let header = bytes
            .get(..HEADER_LEN)
            .ok_or_else(|| corrupt(path, &"the file is cut off"))?;
        let (body, stated) = header.split_at(HEADER_LEN - 8);
        if sum(body) != stated {
            return Err(corrupt(path, &"the sum of the header does not match"));
        }
        Self::decode(&mut reader).map_err(|error| corrupt(path, &error))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let chain = StoreChain {
            network: Network::decode_from(reader)?,
            chain_id: ChainId::decode_from(reader)?,
        };
        let kdf = KdfParams::new(reader.u32()?, reader.u32()?, reader.u32()?)
            .map_err(|_| DecodeError::OutOfRange("key derivation parameters"))?;
        Ok(Self {
            chain,
            kdf,
            salt: reader.array()?,
            check: reader.array()?,
        })
    }
}

fn sum(bytes: &[u8]) -> [u8; 8] {
    let digest = sha256::Hash::hash(bytes).to_byte_array();
    let mut out = [0; 8];
    out.copy_from_slice(&digest[..8]);
    out
}

/// The encrypted part: nonce, then ciphertext and tag.
pub(super) struct Sealed;

impl Sealed {
    /// Encrypts under a fresh nonce.
    pub(super) fn seal(
        header: &Header,
        key: &[u8; 32],
        plain: &[u8],
        rng: &mut dyn CryptoRngCore,
    ) -> Vec<u8> {
        let mut out = vec![0; NONCE_LEN];
        rng.fill_bytes(&mut out);
        let aad = header.encode();
        let sealed = XChaCha20Poly1305::new(key.into())
            .encrypt(
                XNonce::from_slice(&out),
                Payload {
                    msg: plain,
                    aad: &aad,
                },
            )
            .expect("a wallet is far below the cipher's limit of 256 GiB");
        out.extend_from_slice(&sealed);
        out
    }

    /// Decrypts; `None` if a bit was changed.
    pub(super) fn open(header: &Header, key: &[u8; 32], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let aad = header.encode();
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };
        let plain = XChaCha20Poly1305::new(key.into())
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()?;
        Some(Zeroizing::new(plain))
    }
}
