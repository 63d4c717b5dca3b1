//! A key in a file that is encrypted under a passphrase: the backup key of a member of the federation.
//!
//! Cipher, permissions, lock and writing are those of `tacit-secrets`. A file that is there is never
//! replaced. Specification: `docs/spec/secrets.md`.

use std::path::{Path, PathBuf};

use rand_core::CryptoRngCore;
use tacit_secrets::cipher::KdfParams;
use tacit_secrets::sealed::{Closed, Format, SealedError, SealedFile};
use thiserror::Error;
use zeroize::Zeroizing;

use super::SigningKey;

/// The layout: a secret of 32 bytes takes less than a quarter of it.
const FORMAT: Format = Format {
    name: "backup key",
    magic: *b"tacitbkp",
    version: 1,
    own: 0,
    most: 1_024,
};

/// Why a sealed key cannot be used. Nothing on disk was changed.
#[derive(Debug, Error)]
pub enum SealedKeyError {
    /// The file, its header, its passphrase or its encryption.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// What is in it is no key.
    #[error("{0} holds no secret key; restore it from its backup")]
    Content(PathBuf),
}

impl SigningKey {
    /// Writes the key to a new file, encrypted; an existing file is never replaced.
    ///
    /// # Errors
    /// [`SealedKeyError::Sealed`].
    pub fn seal(
        &self,
        path: &Path,
        passphrase: &[u8],
        kdf: KdfParams,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<(), SealedKeyError> {
        let secret = Zeroizing::new(self.keypair.secret_bytes());
        SealedFile::create(path, (&FORMAT, &[]), passphrase, kdf, secret.as_slice(), rng)?;
        Ok(())
    }

    /// Reads the key from a file that [`SigningKey::seal`] wrote.
    ///
    /// # Errors
    /// [`SealedKeyError`].
    pub fn unseal(path: &Path, passphrase: &[u8]) -> Result<Self, SealedKeyError> {
        let (_, content) = Closed::read(path, &FORMAT)?.open(passphrase)?;
        let key = content.as_slice().try_into().ok().and_then(Self::from_bytes);
        key.ok_or_else(|| SealedKeyError::Content(path.to_owned()))
    }
}

#[cfg(test)]
mod tests;
