//! The wallet's file: one encrypted file, written whole or not at all.
//!
//! ```text
//! magic "tacitwlt" 8 | version 2 | network 1 | chain id 32 | m_cost 4 | t_cost 4 | lanes 4 | salt 16 | check 16 | sum 8
//! nonce 24 | XChaCha20-Poly1305( secret 32 | JSON )
//! ```
//! This is a sealed file of `tacit-secrets`, which has its ciphers, permissions, locks and writing; the
//! wallet adds network and chain to the header and says what the content is.
//! Specification: `docs/spec/wallet.md`.

use std::path::{Path, PathBuf};

use rand_core::CryptoRngCore;
use serde::Deserialize;
use tacit_protocol::Network;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::params::ChainId;
use tacit_secrets::cipher::{KdfError, KdfParams};
use tacit_secrets::file::FileError;
use tacit_secrets::sealed::{Closed, Format, SealedError, SealedFile};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::db::{self, Database};
use crate::seed::Seed;

/// The file's layout. It grows with the wallet's history.
const FORMAT: Format = Format {
    name: "Tacit wallet",
    magic: *b"tacitwlt",
    version: 1,
    own: 1 + 32,
    most: u64::MAX,
};

/// Why a wallet file cannot be used. Nothing on disk was changed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The passphrase is not the one the file was made with.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The file is damaged.
    #[error("{path} is damaged ({reason}); restore the wallet from its 24 words")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file is something else.
    #[error("{0} is not a Tacit wallet")]
    NotAWallet(PathBuf),
    /// The file is of another version.
    #[error("{path} has wallet version {version}, this program knows up to {known}; update it")]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
        /// The newest that this program knows.
        known: u16,
    },
    /// The wallet is for another Bitcoin network.
    #[error("{path} is a wallet for {found:?}, the chain is on {expected:?}; name the other wallet")]
    WrongNetwork {
        /// The file.
        path: PathBuf,
        /// Network of the wallet.
        found: Network,
        /// Network asked for.
        expected: Network,
    },
    /// The wallet is for another chain.
    #[error(
        "{path} is a wallet for chain {found}, the chain.json given is {expected}; name the other wallet"
    )]
    WrongChain {
        /// The file.
        path: PathBuf,
        /// Chain of the wallet.
        found: ChainId,
        /// Chain asked for.
        expected: ChainId,
    },
    /// There is no file.
    #[error("there is no wallet at {0}; create or restore one")]
    Missing(PathBuf),
    /// The file cannot be read or written as a private one.
    #[error(transparent)]
    File(FileError),
    /// The passphrase does not become a key.
    #[error(transparent)]
    Kdf(#[from] KdfError),
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        if let FileError::Missing(path) = error {
            Self::Missing(path)
        } else {
            Self::File(error)
        }
    }
}

impl From<SealedError> for StoreError {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::File(error) => error.into(),
            SealedError::Foreign { path, .. } => Self::NotAWallet(path),
            SealedError::Version {
                path, version, known, ..
            } => Self::UnsupportedVersion { path, version, known },
            SealedError::Damaged { path, reason } => corrupt(&path, &reason),
            SealedError::WrongPassphrase(_) => Self::WrongPassphrase,
            SealedError::Kdf(error) => error.into(),
        }
    }
}

/// An open wallet file. The key stays in memory until it is dropped; the passphrase does not.
#[derive(Debug)]
pub struct Store(SealedFile);

/// Which chain a wallet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreChain {
    /// The Bitcoin network.
    pub network: Network,
    /// The chain.
    pub chain_id: ChainId,
}

impl StoreChain {
    /// Refuses a wallet of another chain.
    fn check(self, path: &Path, expected: Self) -> Result<(), StoreError> {
        let path = path.to_owned();
        if self.network != expected.network {
            let (found, expected) = (self.network, expected.network);
            return Err(StoreError::WrongNetwork {
                path,
                found,
                expected,
            });
        }
        if self.chain_id != expected.chain_id {
            let (found, expected) = (self.chain_id, expected.chain_id);
            return Err(StoreError::WrongChain {
                path,
                found,
                expected,
            });
        }
        Ok(())
    }
}

impl Encode for StoreChain {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.network.encode_to(out);
        self.chain_id.encode_to(out);
    }
}

impl Decode for StoreChain {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            network: Network::decode_from(reader)?,
            chain_id: ChainId::decode_from(reader)?,
        })
    }
}

impl Store {
    /// Makes a new file; one that is there stays untouched.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn create(
        path: &Path,
        chain: StoreChain,
        passphrase: &[u8],
        kdf: KdfParams,
        (seed, db): (&Seed, &Database),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, StoreError> {
        let (own, content) = (chain.encode(), content(seed, db));
        let file = SealedFile::create(path, (&FORMAT, &own), passphrase, kdf, &content, rng)?;
        Ok(Self(file))
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn open(
        path: &Path,
        chain: StoreChain,
        passphrase: &[u8],
    ) -> Result<(Self, Seed, Database), StoreError> {
        let closed = Closed::read(path, &FORMAT)?;
        StoreChain::decode(closed.own())
            .map_err(|error| corrupt(path, &error))?
            .check(path, chain)?;
        let (file, content) = closed.open(passphrase)?;
        let (seed, db) = parse(path, &content)?;
        Ok((Self(file), seed, db))
    }

    /// Replaces the content, atomically.
    ///
    /// # Errors
    /// [`FileError::DiskFull`] or [`FileError::Io`]; the content before is intact.
    pub(crate) fn save(
        &self,
        seed: &Seed,
        db: &Database,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), StoreError> {
        Ok(self.0.replace(&content(seed, db), rng)?)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

fn content(seed: &Seed, db: &Database) -> Zeroizing<Vec<u8>> {
    let json = Zeroizing::new(serde_json::to_vec(db).expect("every field has a JSON form"));
    let mut out = Zeroizing::new(Vec::with_capacity(32 + json.len()));
    out.extend_from_slice(seed.entropy());
    out.extend_from_slice(&json);
    out
}

fn corrupt(path: &Path, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// What every version of the content has.
#[derive(Deserialize)]
struct Versioned {
    version: u16,
}

fn parse(path: &Path, plain: &[u8]) -> Result<(Seed, Database), StoreError> {
    let (entropy, json) = plain
        .split_at_checked(32)
        .ok_or_else(|| corrupt(path, &"the content is too short"))?;
    let mut secret = [0; 32];
    secret.copy_from_slice(entropy);
    let seed = Seed::from_entropy(secret);
    secret.zeroize();
    // First of all the version: what a newer program wrote is no damage.
    let Versioned { version } = serde_json::from_slice(json).map_err(|error| corrupt(path, &error))?;
    if !(db::OLDEST..=db::VERSION).contains(&version) {
        return Err(StoreError::UnsupportedVersion {
            path: path.to_owned(),
            version,
            known: db::VERSION,
        });
    }
    let mut db: Database = serde_json::from_slice(json).map_err(|error| corrupt(path, &error))?;
    db.version = db::VERSION;
    if db.batches.is_empty() {
        return Err(corrupt(path, &"the genesis record is missing"));
    }
    Ok((seed, db))
}

#[cfg(test)]
mod tests;
