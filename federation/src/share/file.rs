//! A member's share on disk, encrypted under a passphrase.
//!
//! A file is made in the last round of the key generation, before this member says that it has its
//! share: what it holds then waits for the others ([`Stored::Waiting`]). When all agree, the agreed share
//! takes its place ([`Stored::Agreed`]); only that one signs. A file that is there is never taken for a
//! new one, and a share never replaced by one of another member or key: a share that is lost cannot be
//! made again. Cipher, permissions, lock and writing are those of `tacit-secrets`.
//! Specification: `docs/spec/federation.md`.

use std::path::{Path, PathBuf};

use bitcoin::XOnlyPublicKey;
use rand_core::CryptoRngCore;
use tacit_protocol::encoding::Reader;
use tacit_secrets::cipher::KdfParams;
use tacit_secrets::file::FileError;
use tacit_secrets::sealed::{Closed, Format, SealedError, SealedFile};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{KeyShare, ShareError};
use crate::keygen::Agreement;
use crate::roster::MemberId;

/// The layout; the share of the largest federation takes less than a quarter of it.
const FORMAT: Format = Format {
    name: "key share",
    magic: *b"tacitsfl",
    version: 1,
    own: 0,
    most: 64 * 1024,
};

const WAITING: u8 = 1;
const AGREED: u8 = 2;

/// Why a share's file cannot be used. Nothing on disk was changed.
#[derive(Debug, Error)]
pub enum ShareFileError {
    /// The file, its header, its passphrase or its encryption.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// What is in it is no share.
    #[error("{path}: {source}")]
    Share {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ShareError,
    },
    /// A newer program wrote it.
    #[error(
        "{path} holds a share in state {kind}, which this program does not know; use the program that wrote it"
    )]
    Kind {
        /// The file.
        path: PathBuf,
        /// The state.
        kind: u8,
    },
    /// The file holds another member's share, or one of another key.
    #[error("{0} holds the share of another member or key and was not replaced; name the file of this share")]
    OtherShare(PathBuf),
}

impl From<FileError> for ShareFileError {
    fn from(error: FileError) -> Self {
        Self::Sealed(error.into())
    }
}

/// What a file holds. Secret; has no debug output.
pub enum Stored {
    /// A share that not all members have agreed on yet: go on with the last round of the key generation.
    Waiting(Agreement),
    /// A share to sign with.
    Agreed(KeyShare),
}

impl Stored {
    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, ShareFileError> {
        let broken = |source| ShareFileError::Share {
            path: path.to_owned(),
            source,
        };
        let mut reader = Reader::new(bytes);
        let kind = reader.u8().map_err(|error| broken(error.into()))?;
        let share = &bytes[1..];
        match kind {
            WAITING => Agreement::from_bytes(share).map(Self::Waiting).map_err(broken),
            AGREED => KeyShare::from_bytes(share).map(Self::Agreed).map_err(broken),
            kind => Err(ShareFileError::Kind {
                path: path.to_owned(),
                kind,
            }),
        }
    }

    fn share(&self) -> &KeyShare {
        match self {
            Self::Waiting(agreement) => agreement.share(),
            Self::Agreed(share) => share,
        }
    }
}

/// A kind in front of what is stored.
fn content(kind: u8, share: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(1 + share.len()));
    out.push(kind);
    out.extend_from_slice(share);
    out
}

/// Whose share it is, of which key.
fn owner(share: &KeyShare) -> (MemberId, XOnlyPublicKey) {
    (share.member(), share.group().internal_key())
}

/// The open file of a share, locked until it is dropped.
#[derive(Debug)]
pub struct ShareFile {
    file: SealedFile,
    owner: (MemberId, XOnlyPublicKey),
}

impl ShareFile {
    /// Makes a new file for a share that waits; one that is there stays untouched. The share is on disk
    /// when this returns, and the member may send its hash.
    ///
    /// # Errors
    /// [`ShareFileError::Sealed`].
    pub fn create(
        path: &Path,
        agreement: &Agreement,
        passphrase: &[u8],
        kdf: KdfParams,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Self, ShareFileError> {
        let content = content(WAITING, &agreement.to_bytes());
        let file = SealedFile::create(path, (&FORMAT, &[]), passphrase, kdf, &content, rng)?;
        let owner = owner(agreement.share());
        Ok(Self { file, owner })
    }

    /// Opens a file; also returns what it holds.
    ///
    /// # Errors
    /// [`ShareFileError`].
    pub fn open(path: &Path, passphrase: &[u8]) -> Result<(Self, Stored), ShareFileError> {
        let (file, content) = Closed::read(path, &FORMAT)?.open(passphrase)?;
        let stored = Stored::from_bytes(path, &content)?;
        let owner = owner(stored.share());
        Ok((Self { file, owner }, stored))
    }

    /// Puts the agreed share in the place of what the file holds, whole or not at all.
    ///
    /// # Errors
    /// [`ShareFileError::OtherShare`], or [`ShareFileError::Sealed`] if it cannot be written.
    pub fn replace(&self, share: &KeyShare, rng: &mut dyn CryptoRngCore) -> Result<(), ShareFileError> {
        if owner(share) != self.owner {
            return Err(ShareFileError::OtherShare(self.path().to_owned()));
        }
        Ok(self.file.replace(&content(AGREED, &share.to_bytes()), rng)?)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

#[cfg(test)]
mod tests;
