//! Secret keys on Bitcoin's curve, and the files that hold them.
//!
//! A [`SigningKey`] signs Taproot spends, shows its public half only, and is erased when dropped.
//! A key file holds the secret in hexadecimal on one line. It is a private file of `tacit-secrets`:
//! what others can read is refused rather than repaired, because they may have done so. A backup key, which
//! is needed once in years, is in a sealed file instead, under a passphrase ([`sealed`]).
//! Specification: `docs/spec/bitcoin.md`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{All, Message, Secp256k1, SecretKey};
use bitcoin::taproot::TapNodeHash;
use bitcoin::{ScriptBuf, XOnlyPublicKey};
use rand_core::{CryptoRng, RngCore};
use tacit_protocol::peg::taproot::output_script;
use tacit_secrets::file::{self, FileError, Lock};
use thiserror::Error;
use zeroize::Zeroizing;

pub mod sealed;

/// Longest content of a key file: 64 digits and a line end, with room for a stray blank.
const MAX_FILE: u64 = 80;

/// Why a key file is refused.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("key file: {0}")]
    File(FileError),
    /// It is a link, a directory or a device.
    #[error("key file {} is not a plain file; name the file itself, not a link to it", .0.display())]
    NotPlain(PathBuf),
    /// Others can read or write it.
    #[error(
        "key file {} can be read or written by others (mode {mode:04o}); run chmod 600 on it, and \
         make a new key if others may have read it",
        path.display()
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It holds no key.
    #[error(
        "key file {} does not hold a secret key of 64 hexadecimal digits; restore it from a backup",
        .0.display()
    )]
    Content(PathBuf),
}

impl From<FileError> for KeyFileError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NotRegular(path) => Self::NotPlain(path),
            FileError::Permissions { path, mode } => Self::Permissions { path, mode },
            FileError::TooLong { path, .. } => Self::Content(path),
            FileError::Exists(_)
            | FileError::Missing(_)
            | FileError::InUse(_)
            | FileError::DiskFull { .. }
            | FileError::Io { .. } => Self::File(error),
        }
    }
}

/// A secret key that signs Taproot spends.
pub struct SigningKey {
    secp: Secp256k1<All>,
    keypair: Keypair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.public_key())
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.keypair.non_secure_erase();
    }
}

impl SigningKey {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        loop {
            rng.fill_bytes(bytes.as_mut_slice());
            // All but 2^-128 of the strings are keys.
            if let Some(key) = Self::from_bytes(&bytes) {
                return key;
            }
        }
    }

    /// The key of 32 bytes; `None` for zero and for numbers above the group's order.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let secp = Secp256k1::new();
        let mut secret = SecretKey::from_slice(bytes).ok()?;
        let keypair = Keypair::from_secret_key(&secp, &secret);
        secret.non_secure_erase();
        Some(Self { secp, keypair })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let text = file::read(path, MAX_FILE)?;
        let content = || KeyFileError::Content(path.to_owned());
        let mut bytes = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(text.trim_ascii_end(), bytes.as_mut_slice()).map_err(|_| content())?;
        Self::from_bytes(&bytes).ok_or_else(content)
    }

    /// Writes the key to a new file with mode 0600, down to the disk. An existing file is never
    /// replaced.
    ///
    /// # Errors
    /// [`KeyFileError::File`].
    pub fn store(&self, path: &Path) -> Result<(), KeyFileError> {
        let bytes = Zeroizing::new(self.keypair.secret_bytes());
        let mut text = Zeroizing::new(hex::encode(bytes.as_slice()));
        text.push('\n');
        Ok(Lock::take(path)?.write_new(text.as_bytes())?)
    }

    /// Reads a key file, or makes it with a fresh key if there is none.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn load_or_create(path: &Path, rng: &mut (impl RngCore + CryptoRng)) -> Result<Self, KeyFileError> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate(rng);
                key.store(path)?;
                Ok(key)
            }
            Ok(_) | Err(_) => Self::load(path),
        }
    }

    /// The public key, untweaked.
    #[must_use]
    pub fn public_key(&self) -> XOnlyPublicKey {
        self.keypair.x_only_public_key().0
    }

    /// The P2TR script of the key without a script tree (BIP 86).
    #[must_use]
    pub fn output_script(&self) -> ScriptBuf {
        output_script(self.public_key(), None)
    }

    /// Signs for an output whose script tree has the given root, or that has none.
    #[must_use]
    pub fn sign_key_path(&self, message: &Message, merkle_root: Option<TapNodeHash>) -> Signature {
        let mut tweaked = self.keypair.tap_tweak(&self.secp, merkle_root).to_keypair();
        let signature = self.secp.sign_schnorr(message, &tweaked);
        tweaked.non_secure_erase();
        signature
    }

    /// Signs with the key itself, as scripts ask for.
    #[must_use]
    pub fn sign_plain(&self, message: &Message) -> Signature {
        self.secp.sign_schnorr(message, &self.keypair)
    }
}

#[cfg(test)]
mod tests;
