//! How a federation that lost its distributed key lets another one follow: what its members' backup keys say,
//! in files.
//!
//! ```text
//!   sequencer's operator   reshare --out   ──▶ the next epoch, a file for everybody
//!   each of t members      vouch, offline  ──▶ a voice: one signature by a backup key
//!   sequencer              backup_voices   ──▶ the announcement
//! ```
//! Both files are JSON that people may read; what counts in them is checked against keys and chain.
//! Specification: `docs/spec/handover.md`.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bitcoin::XOnlyPublicKey;
use bitcoin::secp256k1::schnorr::Signature;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tacit_bridge::keys::SigningKey;
use tacit_protocol::encoding::{Decode, DecodeError, Encode};
use tacit_protocol::params::ChainId;
use tacit_protocol::peg::{Epoch, EpochHash, Release};
use thiserror::Error;

use crate::synced;

/// The longest file of either kind: an epoch has two quorums of a hundred keys, in hexadecimal digits.
const LONGEST: u64 = 32 * 1024;

/// Why a file is of no use, or voices are not enough.
#[derive(Debug, Error)]
pub enum VoiceError {
    /// The file itself.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// From the operating system.
        source: io::Error,
    },
    /// It is there already.
    #[error("{0} exists and is not replaced; name another file")]
    Exists(PathBuf),
    /// It is too long, or not of the expected form.
    #[error("{path} is no {what} ({reason}); have it made again")]
    Form {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// It was made for another chain.
    #[error("{0} was made for another chain")]
    Chain(PathBuf),
    /// Its bytes are no epoch.
    #[error("{path} holds no epoch ({reason}); have it made again")]
    Epoch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: DecodeError,
    },
    /// The vault in office has nobody who could speak for its federation.
    #[error(
        "the vault of the epoch in office has no backup leaf, so no backup keys can speak for its federation"
    )]
    NoLeaf,
    /// Not of the leaf.
    #[error("{0} is none of the backup keys of the vault in office; leave its voice out")]
    Stranger(XOnlyPublicKey),
    /// Not for this epoch, or made up.
    #[error("the voice of {0} does not hold for this epoch; have it made again with the same epoch's file")]
    Signature(XOnlyPublicKey),
    /// Not enough.
    #[error("it takes {needed} backup keys, {given} spoke; missing are {}", list(missing))]
    TooFew {
        /// Voices that hold.
        given: usize,
        /// What it takes.
        needed: u16,
        /// Whose may be added.
        missing: Vec<XOnlyPublicKey>,
    },
}

fn list(keys: &[XOnlyPublicKey]) -> String {
    let keys: Vec<String> = keys.iter().map(XOnlyPublicKey::to_string).collect();
    keys.join(", ")
}

/// An epoch in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochFile {
    chain: ChainId,
    epoch: String,
}

/// Writes the epoch to a new file, for those who are to speak for it.
///
/// # Errors
/// [`VoiceError::Exists`], [`VoiceError::File`].
pub fn write_epoch(path: &Path, chain: ChainId, epoch: &Epoch) -> Result<(), VoiceError> {
    let epoch = hex::encode(epoch.encode());
    write_new(path, &EpochFile { chain, epoch })
}

/// Reads the epoch of a file that was made for this chain.
///
/// # Errors
/// [`VoiceError`].
pub fn read_epoch(path: &Path, chain: ChainId) -> Result<Epoch, VoiceError> {
    let file: EpochFile = read(path, "epoch")?;
    if file.chain != chain {
        return Err(VoiceError::Chain(path.to_owned()));
    }
    let form = |reason: hex::FromHexError| VoiceError::Form {
        path: path.to_owned(),
        what: "epoch",
        reason: reason.to_string(),
    };
    let bytes = hex::decode(file.epoch).map_err(form)?;
    Epoch::decode(&bytes).map_err(|reason| VoiceError::Epoch {
        path: path.to_owned(),
        reason,
    })
}

/// What one backup key says: the epoch of this hash may have the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupVoice {
    /// The chain.
    pub chain: ChainId,
    /// Hash of the epoch, 64 hexadecimal digits.
    pub epoch: String,
    /// The backup key.
    pub key: XOnlyPublicKey,
    /// Its signature.
    pub signature: Signature,
}

impl BackupVoice {
    /// Has a backup key speak for an epoch.
    #[must_use]
    pub fn speak(key: &SigningKey, chain: ChainId, epoch: &Epoch) -> Self {
        Self {
            chain,
            epoch: epoch.hash(chain).to_string(),
            key: key.public_key(),
            signature: key.sign_plain(&epoch.backup_message(chain)),
        }
    }

    /// Reads one that was made for this chain.
    ///
    /// # Errors
    /// [`VoiceError`].
    pub fn load(path: &Path, chain: ChainId) -> Result<Self, VoiceError> {
        let voice: Self = read(path, "voice of a backup key")?;
        if voice.chain == chain {
            Ok(voice)
        } else {
            Err(VoiceError::Chain(path.to_owned()))
        }
    }

    /// Writes it to a new file.
    ///
    /// # Errors
    /// [`VoiceError::Exists`], [`VoiceError::File`].
    pub fn write(&self, path: &Path) -> Result<(), VoiceError> {
        write_new(path, self)
    }

    /// Whether it is about this epoch.
    #[must_use]
    pub fn is_about(&self, hash: &EpochHash) -> bool {
        self.epoch.parse() == Ok(*hash)
    }
}

/// What these voices say together: the vault of `current` is let go, to `epoch`. Neither more than it takes nor
/// voices of no use do harm while enough of the others hold.
///
/// # Errors
/// [`VoiceError::NoLeaf`]; with too few that hold [`VoiceError::Stranger`] or [`VoiceError::Signature`] about the
/// first that does not, or [`VoiceError::TooFew`].
pub fn release(
    voices: &[&BackupVoice],
    chain: ChainId,
    epoch: &Epoch,
    current: &Epoch,
) -> Result<Release, VoiceError> {
    let quorum = current.keys.backup.as_ref().ok_or(VoiceError::NoLeaf)?;
    let (mut signatures, mut useless) = (BTreeMap::new(), None);
    for voice in voices {
        let place = quorum.keys().iter().position(|known| *known == voice.key);
        let Some(place) = place.and_then(|place| u8::try_from(place).ok()) else {
            useless.get_or_insert(VoiceError::Stranger(voice.key));
            continue;
        };
        if epoch.is_vouched_by(chain, &voice.key, &voice.signature) {
            signatures.insert(place, voice.signature);
        } else {
            useless.get_or_insert(VoiceError::Signature(voice.key));
        }
    }
    let needed = usize::from(quorum.threshold());
    if signatures.len() >= needed {
        return Ok(Release::Backup(signatures.into_iter().take(needed).collect()));
    }
    if let Some(useless) = useless {
        return Err(useless);
    }
    let spoke = |key: &XOnlyPublicKey| voices.iter().any(|voice| voice.key == *key);
    let missing = quorum.keys().iter().filter(|key| !spoke(key));
    Err(VoiceError::TooFew {
        given: signatures.len(),
        needed: quorum.threshold(),
        missing: missing.copied().collect(),
    })
}

fn read<T: DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, VoiceError> {
    let failed = |source| VoiceError::File {
        action: "read",
        path: path.to_owned(),
        source,
    };
    let form = |reason: String| VoiceError::Form {
        path: path.to_owned(),
        what,
        reason,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    match file.take(LONGEST + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > LONGEST => {
            return Err(form(format!("longer than {LONGEST} bytes")));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(form("no text".into())),
        Err(error) => return Err(failed(error)),
    }
    serde_json::from_str(&text).map_err(|error| form(error.to_string()))
}

fn write_new(path: &Path, value: &impl Serialize) -> Result<(), VoiceError> {
    let failed = |source: io::Error| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::AlreadyExists {
            VoiceError::Exists(path)
        } else {
            let action = "write";
            VoiceError::File { action, path, source }
        }
    };
    let mut text = serde_json::to_string_pretty(value).expect("strings and keys have a JSON form");
    text.push('\n');
    synced::write_new(path, text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests;
