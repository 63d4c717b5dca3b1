//! The wallet's file: one encrypted file, written whole or not at all.
//!
//! ```text
//! magic "tacitwlt" 8 | version 2 | network 1 | chain id 32 | m_cost 4 | t_cost 4 | lanes 4 | salt 16 | check 16 | sum 8
//! nonce 24 | XChaCha20-Poly1305( secret 32 | JSON )
//! ```
//! Argon2id turns passphrase and salt into the key and the 16 bytes of `check`, which tell a wrong
//! passphrase from a damaged file without any help to a guesser (a guess costs one Argon2id either
//! way). `sum` finds damage in the header. The whole header is authenticated. Every save draws a
//! fresh nonce. The file is created with mode 0600 and refused if others may read it or if it is a
//! symbolic link; a lock file beside it keeps two programs from working on one wallet.
//! Specification: `docs/spec/wallet.md`.

use std::path::{Path, PathBuf};

use rand_core::CryptoRngCore;
use tacit_protocol::Network;
use tacit_protocol::params::ChainId;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::db::{self, Database};
use crate::seed::Seed;

mod cipher;
mod file;

pub use cipher::KdfParams;

use cipher::{HEADER_LEN, Header, Sealed};
use file::Lock;

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
    #[error(
        "{path} has wallet version {version}, this program knows up to {}; update it",
        cipher::VERSION
    )]
    UnsupportedVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
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
    /// There is a file already.
    #[error("{0} exists already; choose another name or move it away")]
    Exists(PathBuf),
    /// There is no file.
    #[error("there is no wallet at {0}; create or restore one")]
    Missing(PathBuf),
    /// Others can read or write the file.
    #[error("{path} has mode {mode:03o}, others can read it; run: chmod 600 {path}")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The path is a link or no regular file.
    #[error("{0} is a link or no regular file; give the path of the file itself")]
    NotRegular(PathBuf),
    /// Another program has the wallet open.
    #[error("{0} is in use by another program; wait for it or close it")]
    InUse(PathBuf),
    /// The disk is full; what was there before is intact.
    #[error("the disk that holds {path} is full; free some space and try again, nothing was lost")]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// The error below.
        #[source]
        source: std::io::Error,
    },
    /// The file system failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error below.
        #[source]
        source: std::io::Error,
    },
    /// The cost parameters are impossible.
    #[error("the key derivation parameters are impossible: {0}")]
    Kdf(String),
}

/// An open wallet file. The key stays in memory until it is dropped; the passphrase does not.
pub struct Store {
    path: PathBuf,
    header: Header,
    key: Zeroizing<[u8; 32]>,
    _lock: Lock,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Which chain a wallet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreChain {
    /// The Bitcoin network.
    pub network: Network,
    /// The chain.
    pub chain_id: ChainId,
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
        if path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists(path.to_owned()));
        }
        let lock = Lock::take(path)?;
        let (header, key) = Header::new(chain, kdf, passphrase, rng)?;
        let store = Self {
            path: path.to_owned(),
            header,
            key,
            _lock: lock,
        };
        file::write_new(path, &store.seal(seed, db, rng))?;
        Ok(store)
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
        file::check(path)?;
        let lock = Lock::take(path)?;
        let bytes = file::read(path)?;
        let header = Header::read(path, &bytes)?;
        header.check_chain(path, chain)?;
        let key = header.unlock(passphrase)?;
        let plain = Sealed::open(&header, &key, &bytes[HEADER_LEN..])
            .ok_or_else(|| corrupt(path, &"the content does not authenticate"))?;
        let (seed, db) = parse(path, &plain)?;
        Ok((
            Self {
                path: path.to_owned(),
                header,
                key,
                _lock: lock,
            },
            seed,
            db,
        ))
    }

    /// Replaces the content, atomically.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Io`]; the content before is intact.
    pub(crate) fn save(
        &self,
        seed: &Seed,
        db: &Database,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), StoreError> {
        file::replace(&self.path, &self.seal(seed, db, rng))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn seal(&self, seed: &Seed, db: &Database, rng: &mut dyn CryptoRngCore) -> Vec<u8> {
        let json = Zeroizing::new(serde_json::to_vec(db).expect("every field has a JSON form"));
        let mut plain = Zeroizing::new(Vec::with_capacity(32 + json.len()));
        plain.extend_from_slice(seed.entropy());
        plain.extend_from_slice(&json);
        let mut out = self.header.encode();
        out.extend_from_slice(&Sealed::seal(&self.header, &self.key, &plain, rng));
        out
    }
}

fn corrupt(path: &Path, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn parse(path: &Path, plain: &[u8]) -> Result<(Seed, Database), StoreError> {
    let (entropy, json) = plain
        .split_at_checked(32)
        .ok_or_else(|| corrupt(path, &"the content is too short"))?;
    let mut secret = [0; 32];
    secret.copy_from_slice(entropy);
    let seed = Seed::from_entropy(secret);
    secret.zeroize();
    let db: Database = serde_json::from_slice(json).map_err(|error| corrupt(path, &error))?;
    if db.version != db::VERSION {
        return Err(StoreError::UnsupportedVersion {
            path: path.to_owned(),
            version: db.version,
        });
    }
    if db.batches.is_empty() {
        return Err(corrupt(path, &"the genesis record is missing"));
    }
    Ok((seed, db))
}

#[cfg(test)]
mod tests;
