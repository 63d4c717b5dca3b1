//! A member's secrets in files: its identity on connections and its share of the key.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use rand::rngs::OsRng;
use tacit_federation::identity::Identity;
use tacit_federation::share::{GroupKey, KeyShare, ShareFile, Stored};
use tacit_secrets::file::{self, FileError, Lock};
use zeroize::Zeroizing;

use crate::commands::wallet::secrets;
use crate::config::SignerConfig;

/// Longest file of an identity: 64 digits and the end of a line.
const LONGEST: u64 = 80;

/// Reads an identity: 64 hexadecimal digits in a private file.
///
/// # Errors
/// If the file is missing, readable by others, or holds something else.
pub fn load_identity(path: &Path) -> anyhow::Result<Identity> {
    let text = file::read(path, LONGEST)?;
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii_end(), bytes.as_mut_slice())
        .ok()
        .and_then(|()| Identity::from_bytes(&bytes).ok())
        .ok_or_else(|| anyhow!("{} holds no identity: 64 hexadecimal digits", path.display()))
}

/// Reads an identity, or makes it with a fresh secret if there is none.
///
/// # Errors
/// As [`load_identity`], or if it cannot be written.
pub fn load_or_create_identity(path: &Path) -> anyhow::Result<Identity> {
    match file::check(path) {
        Ok(()) => load_identity(path),
        Err(FileError::Missing(_)) => {
            let identity = Identity::generate(&mut OsRng);
            let mut text = Zeroizing::new(hex::encode(identity.to_bytes().as_slice()));
            text.push('\n');
            Lock::take(path)?.write_new(text.as_bytes())?;
            Ok(identity)
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the public key of a federation, as `tacit federation join` wrote it.
///
/// # Errors
/// If the file cannot be read or is another one.
pub fn load_group(path: &Path) -> anyhow::Result<GroupKey> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    GroupKey::from_bytes(&bytes).with_context(|| path.display().to_string())
}

/// Opens the share of a signer, and its file, which stays locked as long as it is held.
///
/// # Errors
/// If the file or the passphrase is wrong, or the share was never agreed on.
pub fn open_share(own: &SignerConfig) -> anyhow::Result<(ShareFile, KeyShare)> {
    let passphrase = secrets::passphrase(own.passphrase_file.as_deref())?;
    let (file, stored) = ShareFile::open(&own.share_file, &passphrase).context("the share of the key")?;
    match stored {
        Stored::Agreed(share) => Ok((file, share)),
        Stored::Waiting(_) => bail!(
            "{} holds a share that the members have not agreed on; run `tacit federation join` to the end",
            file.path().display()
        ),
    }
}
