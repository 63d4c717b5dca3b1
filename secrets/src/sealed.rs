//! A private file with an encrypted content.
//!
//! ```text
//! magic 8 | version 2 | the format's own | m_cost 4 | t_cost 4 | lanes 4 | salt 16 | check 16 | sum 8
//! nonce 24 | XChaCha20-Poly1305( content )
//! ```
//! The first line is the header, in clear; the second authenticates all of it. `sum` is the start of
//! the SHA256 of what comes before and tells a damaged header from a wrong passphrase. The key stays
//! in memory as long as the file is open, so that every writing draws a fresh nonce under the same
//! salt; the passphrase does not. Specification: `docs/spec/secrets.md`.

use std::fmt;
use std::path::{Path, PathBuf};

use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::cipher::{self, CHECK_LEN, KdfError, KdfParams, Key, SALT_LEN};
use crate::file::{self, FileError, Lock};

const SUM_LEN: usize = 8;

/// A kind of file.
#[derive(Debug)]
pub struct Format {
    /// What it is, for people: "wallet".
    pub name: &'static str,
    /// The first bytes.
    pub magic: [u8; 8],
    /// The version of the layout.
    pub version: u16,
    /// Bytes in clear that only this format knows the meaning of.
    pub own: usize,
    /// The most bytes that such a file has.
    pub most: u64,
}

impl Format {
    /// Bytes of the header.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.magic.len() + 2 + self.own + KdfParams::LEN + SALT_LEN + CHECK_LEN + SUM_LEN
    }
}

/// Why a sealed file cannot be used. Nothing on disk was changed.
#[derive(Debug, Error)]
pub enum SealedError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is something else.
    #[error("{path} is not a {name}; give the path of one")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it should be.
        name: &'static str,
    },
    /// The file is of another version.
    #[error(
        "{path} is a {name} of version {version}, this program knows version {known}; use the program that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it is.
        name: &'static str,
        /// Its version.
        version: u16,
        /// The version that this program knows.
        known: u16,
    },
    /// The file is damaged.
    #[error("{path} is damaged ({reason}); restore it from its backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The passphrase is not the one the file was made with.
    #[error("wrong passphrase for {0}; give the one it was made with")]
    WrongPassphrase(PathBuf),
    /// The passphrase does not become a key.
    #[error(transparent)]
    Kdf(#[from] KdfError),
}

/// The part in clear.
struct Header {
    bytes: Vec<u8>,
    kdf: KdfParams,
    salt: [u8; SALT_LEN],
    check: [u8; CHECK_LEN],
}

impl Header {
    /// A header with a fresh salt, and the key.
    fn new(
        format: &Format,
        own: &[u8],
        passphrase: &[u8],
        kdf: KdfParams,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(Self, Key), KdfError> {
        assert_eq!(own.len(), format.own, "the format says how long its own part is");
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let (key, check) = kdf.derive(passphrase, &salt)?;
        let mut bytes = Vec::with_capacity(format.header_len());
        bytes.extend_from_slice(&format.magic);
        bytes.extend_from_slice(&format.version.to_le_bytes());
        bytes.extend_from_slice(own);
        kdf.encode_to(&mut bytes);
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(&check);
        let sum = sum(&bytes);
        bytes.extend_from_slice(&sum);
        let this = Self {
            bytes,
            kdf,
            salt,
            check,
        };
        Ok((this, key))
    }

    /// Reads the header at the start of a file.
    fn read(format: &Format, path: &Path, bytes: &[u8]) -> Result<Self, SealedError> {
        let (path, name) = (path.to_owned(), format.name);
        if !bytes.starts_with(&format.magic) {
            return Err(SealedError::Foreign { path, name });
        }
        let mut reader = Reader::new(&bytes[format.magic.len()..]);
        let Ok(version) = reader.u16() else {
            return Err(damaged(&path, CUT_OFF));
        };
        if version != format.version {
            let known = format.version;
            return Err(SealedError::Version {
                path,
                name,
                version,
                known,
            });
        }
        let Some(header) = bytes.get(..format.header_len()) else {
            return Err(damaged(&path, CUT_OFF));
        };
        let (body, stated) = header.split_at(header.len() - SUM_LEN);
        if sum(body) != stated {
            return Err(damaged(&path, "the sum of the header does not match"));
        }
        Self::decode(header, format, &mut reader)
            .map_err(|_| damaged(&path, "the key derivation parameters are impossible"))
    }

    fn decode(header: &[u8], format: &Format, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.take(format.own)?;
        Ok(Self {
            bytes: header.to_owned(),
            kdf: KdfParams::decode_from(reader)?,
            salt: reader.array()?,
            check: reader.array()?,
        })
    }
}

const CUT_OFF: &str = "the file is cut off";

fn damaged(path: &Path, reason: &'static str) -> SealedError {
    SealedError::Damaged {
        path: path.to_owned(),
        reason,
    }
}

fn sum(bytes: &[u8]) -> [u8; SUM_LEN] {
    let digest = Sha256::digest(bytes);
    let mut out = [0; SUM_LEN];
    out.copy_from_slice(&digest[..SUM_LEN]);
    out
}

/// A file that was read and locked, and waits for its passphrase.
pub struct Closed {
    lock: Lock,
    header: Header,
    own: std::ops::Range<usize>,
    sealed: Zeroizing<Vec<u8>>,
}

impl Closed {
    /// Reads and locks a file.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn read(path: &Path, format: &Format) -> Result<Self, SealedError> {
        // Before the lock, which would be made beside a file that is not there.
        file::check(path)?;
        let lock = Lock::take(path)?;
        let mut bytes = file::read(path, format.most)?;
        let header = Header::read(format, path, &bytes)?;
        bytes.drain(..header.bytes.len());
        let start = format.magic.len() + 2;
        Ok(Self {
            lock,
            header,
            own: start..start + format.own,
            sealed: bytes,
        })
    }

    /// The format's own part of the header. Not authenticated before [`Closed::open`].
    #[must_use]
    pub fn own(&self) -> &[u8] {
        &self.header.bytes[self.own.clone()]
    }

    /// Opens it; also returns the content.
    ///
    /// # Errors
    /// [`SealedError::WrongPassphrase`], [`SealedError::Damaged`], [`SealedError::Kdf`].
    pub fn open(self, passphrase: &[u8]) -> Result<(SealedFile, Zeroizing<Vec<u8>>), SealedError> {
        let Self {
            lock,
            header,
            own: _,
            sealed,
        } = self;
        let (key, check) = header.kdf.derive(passphrase, &header.salt)?;
        if check != header.check {
            return Err(SealedError::WrongPassphrase(lock.path().to_owned()));
        }
        let content = cipher::open(&key, &header.bytes, &sealed)
            .ok_or_else(|| damaged(lock.path(), "the content does not authenticate"))?;
        Ok((SealedFile { lock, header, key }, content))
    }
}

/// An open file, locked until it is dropped.
pub struct SealedFile {
    lock: Lock,
    header: Header,
    key: Key,
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedFile")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

impl SealedFile {
    /// Makes a new file; one that is there stays untouched.
    ///
    /// # Errors
    /// [`SealedError::File`], [`SealedError::Kdf`].
    ///
    /// # Panics
    /// If `own` is not as long as the format says.
    pub fn create(
        path: &Path,
        (format, own): (&Format, &[u8]),
        passphrase: &[u8],
        kdf: KdfParams,
        content: &[u8],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, SealedError> {
        if path.symlink_metadata().is_ok() {
            return Err(FileError::Exists(path.to_owned()).into());
        }
        let lock = Lock::take(path)?;
        let (header, key) = Header::new(format, own, passphrase, kdf, rng)?;
        let this = Self { lock, header, key };
        this.lock.write_new(&this.seal(content, rng))?;
        Ok(this)
    }

    /// Replaces the content, atomically.
    ///
    /// # Errors
    /// [`FileError::DiskFull`] or [`FileError::Io`]; the content before is intact.
    pub fn replace(&self, content: &[u8], rng: &mut dyn CryptoRngCore) -> Result<(), FileError> {
        self.lock.replace(&self.seal(content, rng))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.lock.path()
    }

    fn seal(&self, content: &[u8], rng: &mut dyn CryptoRngCore) -> Vec<u8> {
        let mut out = self.header.bytes.clone();
        out.extend_from_slice(&cipher::seal(&self.key, &self.header.bytes, content, rng));
        out
    }
}

#[cfg(test)]
mod tests;
