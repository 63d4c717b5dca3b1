//! What a member's operator allows in advance, because no rule can decide it: a new federation, a new
//! sequencer.
//!
//! A consent is a file of its own in the member's directory, written by `tacit federation consent` and
//! looked for by the signer at each judgement; there is none by default. It names what it allows, and the
//! federation whose member gave it, so that a file copied from elsewhere allows nothing. Whatever is not
//! exactly such a file is an error, and allows nothing either. A consent ends with a block: what people wanted
//! once should not be what a thief finds later.
//! Specification: `docs/spec/federation.md`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bitcoin::XOnlyPublicKey;
use bitcoin::hashes::{Hash, sha256};
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::peg::EpochHash;
use tacit_protocol::peg::vault::Handover;
use tacit_secrets::file::{self, FileError, Lock};
use thiserror::Error;

/// The folder of the consents, in a member's directory.
const FOLDER: &str = "consents";

/// The first bytes of a consent.
const MAGIC: &[u8; 8] = b"tacitcns";

/// For how many blocks ahead a consent counts at most: four weeks.
pub const MOST_BLOCKS: u32 = 4_032;

/// The version of the layout. Consents of the first one had no end.
const VERSION: u16 = 2;

/// Bytes of a consent's file: magic, version, kind, what is allowed, until when, the federation, and their sum.
const LENGTH: u64 = 8 + 2 + 1 + 32 + 4 + 32 + 32;

/// Something that an operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consent {
    /// The vault is handed over to the federation of the epoch with this hash.
    Epoch([u8; 32]),
    /// The sequencer with this anchor key takes the place of the present one.
    Sequencer(XOnlyPublicKey),
}

/// Why a consent cannot be read, written or taken back. It allows nothing.
#[derive(Debug, Error)]
pub enum ConsentError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder.
    #[error("cannot {action} {path}: {source}")]
    Folder {
        /// What was being done.
        action: &'static str,
        /// The folder, or a file in it.
        path: PathBuf,
        /// From the operating system.
        source: io::Error,
    },
    /// The file is no consent.
    #[error(
        "{path} is no consent ({reason}) and allows nothing; remove it, and give the consent anew if it was meant"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: DecodeError,
    },
    /// Another version of the program wrote it.
    #[error(
        "{path} is a consent of version {version}, this program knows {VERSION}, so it allows nothing; withdraw \
         it, and give the consent anew if it was meant"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// A member of another federation gave it.
    #[error("{0} was given by a member of another federation and allows nothing here; remove it")]
    Foreign(PathBuf),
    /// The file has the name of another consent, or none.
    #[error(
        "{0} has not the name of what it holds and allows nothing; remove it, and give the consent anew if it was meant"
    )]
    Name(PathBuf),
}

impl Consent {
    /// What to call its file.
    fn name(&self) -> String {
        match self {
            Self::Epoch(hash) => format!("epoch-{}", hex::encode(hash)),
            Self::Sequencer(key) => format!("sequencer-{key}"),
        }
    }

    /// A word for its kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Epoch(_) => "epoch",
            Self::Sequencer(_) => "sequencer",
        }
    }

    /// What is allowed, as 64 hexadecimal digits.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Epoch(hash) => hex::encode(hash),
            Self::Sequencer(key) => key.to_string(),
        }
    }
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.subject())
    }
}

impl From<Handover> for Consent {
    fn from(handover: Handover) -> Self {
        match handover {
            Handover::Vault(epoch) => Self::Epoch(epoch.0),
            Handover::Anchor(sequencer) => Self::Sequencer(sequencer),
        }
    }
}

impl From<Consent> for Handover {
    fn from(consent: Consent) -> Self {
        match consent {
            Consent::Epoch(hash) => Self::Vault(EpochHash(hash)),
            Consent::Sequencer(sequencer) => Self::Anchor(sequencer),
        }
    }
}

impl Encode for Consent {
    fn encode_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Epoch(hash) => {
                out.push(1);
                out.extend_from_slice(hash);
            }
            Self::Sequencer(key) => {
                out.push(2);
                out.extend_from_slice(&key.serialize());
            }
        }
    }
}

impl Decode for Consent {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Epoch(reader.array()?)),
            2 => XOnlyPublicKey::from_slice(&reader.array::<32>()?)
                .map(Self::Sequencer)
                .map_err(|_| DecodeError::BadPoint("anchor key")),
            _ => Err(DecodeError::Unknown("kind of a consent")),
        }
    }
}

/// A consent that is written down, whether or not it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// What is allowed.
    pub consent: Consent,
    /// Height of the last block at which it is.
    pub until: u32,
}

impl Given {
    /// Whether it counts at this height: it has not ended, and does not end too far ahead.
    #[must_use]
    pub fn counts(&self, height: u32) -> bool {
        self.until
            .checked_sub(height)
            .is_some_and(|left| left <= MOST_BLOCKS)
    }
}

/// A member's consents.
#[derive(Clone, Debug)]
pub struct Consents {
    folder: PathBuf,
    /// The federation whose member gives them: what its connections are bound to.
    federation: [u8; 32],
}

impl Consents {
    /// Those of the member whose data are in `dir`, of the federation with this hash.
    #[must_use]
    pub fn of(dir: &Path, federation: [u8; 32]) -> Self {
        let folder = dir.join(FOLDER);
        Self { folder, federation }
    }

    /// The height of the last block at which the operator allows this; `None` if he never did.
    ///
    /// # Errors
    /// [`ConsentError`] if there is a file for it that is not exactly right: it allows nothing.
    pub fn until(&self, consent: &Consent) -> Result<Option<u32>, ConsentError> {
        let path = self.path(consent);
        match self.read(&path) {
            Ok(found) if found.consent == *consent => Ok(Some(found.until)),
            Ok(_) => Err(ConsentError::Name(path)),
            Err(ConsentError::File(FileError::Missing(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All that are written down, ascending; what is no consent has its error in the place of one.
    ///
    /// # Errors
    /// [`ConsentError::Folder`].
    pub fn list(&self) -> Result<Vec<Result<Given, ConsentError>>, ConsentError> {
        let failed = |source| self.failed("read", &self.folder, source);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            // Beside the consents stand empty locks, and what a crash left half written.
            let beside = ["lock", "tmp"].map(Some);
            if !beside.contains(&path.extension().and_then(|extension| extension.to_str())) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths.iter().map(|path| self.named(path)).collect())
    }

    /// Allows this until the block of this height; whether anything was changed by it.
    ///
    /// # Errors
    /// [`ConsentError`], also if the file that is there is not right.
    pub fn give(&self, consent: &Consent, until: u32) -> Result<bool, ConsentError> {
        let known = self.until(consent)?;
        if known == Some(until) {
            return Ok(false);
        }
        fs::create_dir_all(&self.folder).map_err(|source| self.failed("make", &self.folder, source))?;
        let given = Given {
            consent: *consent,
            until,
        };
        let (lock, bytes) = (Lock::take(&self.path(consent))?, self.encode(&given));
        match known {
            Some(_) => lock.replace(&bytes)?,
            None => lock.write_new(&bytes)?,
        }
        Ok(true)
    }

    /// Does not allow this any more, whatever its file holds; whether there was one.
    ///
    /// # Errors
    /// [`ConsentError::Folder`].
    pub fn withdraw(&self, consent: &Consent) -> Result<bool, ConsentError> {
        let path = self.path(consent);
        match fs::remove_file(&path) {
            Ok(()) => fs::File::open(&self.folder)
                .and_then(|folder| folder.sync_all())
                .map(|()| true)
                .map_err(|source| self.failed("sync", &self.folder, source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.failed("remove", &path, source)),
        }
    }

    fn path(&self, consent: &Consent) -> PathBuf {
        self.folder.join(consent.name())
    }

    fn failed(&self, action: &'static str, path: &Path, source: io::Error) -> ConsentError {
        let path = path.to_owned();
        ConsentError::Folder { action, path, source }
    }

    fn encode(&self, given: &Given) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        given.consent.encode_to(&mut out);
        out.extend_from_slice(&given.until.to_le_bytes());
        out.extend_from_slice(&self.federation);
        let sum = sha256::Hash::hash(&out);
        out.extend_from_slice(sum.as_ref());
        out
    }

    /// The consent in a file that has its name.
    fn named(&self, path: &Path) -> Result<Given, ConsentError> {
        let given = self.read(path)?;
        if self.path(&given.consent) == path {
            Ok(given)
        } else {
            Err(ConsentError::Name(path.to_owned()))
        }
    }

    /// The consent in a file, which nobody else can have written.
    fn read(&self, path: &Path) -> Result<Given, ConsentError> {
        let bytes = file::read(path, LENGTH)?;
        let mut reader = Reader::new(&bytes);
        let damaged = |reason| ConsentError::Damaged {
            path: path.to_owned(),
            reason,
        };
        if reader.array().map_err(damaged)? != *MAGIC {
            return Err(damaged(DecodeError::Unknown("kind of file")));
        }
        let version = reader.u16().map_err(damaged)?;
        if version != VERSION {
            let path = path.to_owned();
            return Err(ConsentError::Version { path, version });
        }
        let consent = Consent::decode_from(&mut reader).map_err(damaged)?;
        let until = reader.u32().map_err(damaged)?;
        let federation: [u8; 32] = reader.array().map_err(damaged)?;
        let summed = &bytes[..bytes.len() - reader.remaining()];
        let sum: [u8; 32] = reader.array().map_err(damaged)?;
        reader.finish().map_err(damaged)?;
        if sha256::Hash::hash(summed).to_byte_array() != sum {
            return Err(damaged(DecodeError::BadChecksum("a consent")));
        }
        if federation != self.federation {
            return Err(ConsentError::Foreign(path.to_owned()));
        }
        Ok(Given { consent, until })
    }
}

#[cfg(test)]
mod tests;
