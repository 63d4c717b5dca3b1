//! `federation.toml`: threshold, members, coordinators. Everybody has the same file.
//!
//! Connections are pinned to the identities in it. What members agree on for good (threshold, names,
//! identities, backup keys, recovery) goes into its hash, which every connection is bound to; addresses
//! and coordinators may change while the key lives.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bitcoin::XOnlyPublicKey;
use bitcoin::hashes::{Hash, HashEngine, sha256};
use serde::{Deserialize, Serialize};
use tacit_federation::identity::IdentityKey;
use tacit_federation::roster::{MemberId, Roster, RosterError};
use tacit_federation::share::GroupKey;
use tacit_protocol::peg::vault::{Quorum, QuorumError, VaultKeys};
use thiserror::Error;

/// Blocks after which the members' backup keys may spend the vault, unless the file says otherwise.
pub const BACKUP_TIMELOCK: u16 = 144;

/// Why a federation file is refused.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}; `tacit federation init` makes one", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is not TOML of the expected form.
    #[error("{} is no federation file: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        message: String,
    },
    /// The members cannot be a federation.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// A key or an identity is not one.
    #[error("{field} of {name} is not 64 hexadecimal digits of a key: {value}")]
    Key {
        /// Which field.
        field: &'static str,
        /// Whose.
        name: String,
        /// Its value.
        value: String,
    },
    /// An identity or a backup key stands in the file twice.
    #[error("{0} stands in the file twice; every member and coordinator has its own")]
    Twice(String),
    /// A quorum of the vault's leaves is impossible.
    #[error("the {which} keys cannot be used: {source}")]
    Quorum {
        /// Backup or recovery.
        which: &'static str,
        /// The cause.
        source: QuorumError,
    },
}

/// What a member says about itself; `tacit federation identity` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// A name, for people.
    pub name: String,
    /// Host and port that it listens on.
    pub address: String,
    /// Its identity on connections, 64 hex digits.
    pub identity: String,
    /// Its key in the vault's backup leaf, 64 hex digits.
    pub backup_key: String,
}

/// Keys that may spend the vault after a very long silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// How many it takes.
    pub threshold: u16,
    /// Blocks without a vault transaction.
    pub timelock: u16,
    /// The keys, 64 hex digits each.
    pub keys: Vec<String>,
}

/// The file as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileText {
    /// How many members it takes to sign.
    pub threshold: u16,
    /// Blocks after which the backup keys may spend the vault.
    #[serde(default = "backup_timelock")]
    pub backup_timelock: u16,
    /// Identities of sequencers, which may ask for signatures.
    #[serde(default)]
    pub coordinators: Vec<String>,
    /// The recovery leaf, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// The members, numbered in this order from one.
    pub members: Vec<Card>,
}

fn backup_timelock() -> u16 {
    BACKUP_TIMELOCK
}

/// A member of the file.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its number.
    pub id: MemberId,
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Who it is.
    pub identity: IdentityKey,
}

/// A federation file that was read and checked.
#[derive(Clone, Debug)]
pub struct Federation {
    roster: Roster,
    members: Vec<Member>,
    coordinators: Vec<IdentityKey>,
    backup: Quorum,
    recovery: Option<Quorum>,
    context: [u8; 32],
    whole: [u8; 32],
}

fn identity(field: &'static str, name: &str, value: &str) -> Result<IdentityKey, FileError> {
    value.parse().map_err(|_| FileError::Key {
        field,
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn key(field: &'static str, name: &str, value: &str) -> Result<XOnlyPublicKey, FileError> {
    value.parse().map_err(|_| FileError::Key {
        field,
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

impl Federation {
    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path).map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?;
        let file: FileText = toml::from_str(&text).map_err(|error| FileError::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        Self::new(file)
    }

    /// Checks what a file says.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn new(file: FileText) -> Result<Self, FileError> {
        let names = file.members.iter().map(|card| card.name.clone()).collect();
        let roster = Roster::new(file.threshold, names)?;
        let mut members = Vec::new();
        let mut backup = Vec::new();
        for (id, card) in roster.members().zip(file.members) {
            let identity = identity("identity", &card.name, &card.identity)?;
            backup.push(key("backup_key", &card.name, &card.backup_key)?);
            members.push(Member {
                id,
                name: card.name,
                address: card.address,
                identity,
            });
        }
        let coordinators = file
            .coordinators
            .iter()
            .map(|text| identity("an entry of `coordinators`", "the file", text))
            .collect::<Result<Vec<_>, _>>()?;
        let mut seen: Vec<String> = members.iter().map(|member| member.identity.to_string()).collect();
        seen.extend(coordinators.iter().map(ToString::to_string));
        let mut sorted = seen;
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(FileError::Twice(pair[0].clone()));
        }
        let backup = quorum("backup", file.threshold, backup, file.backup_timelock)?;
        let recovery = match file.recovery {
            None => None,
            Some(recovery) => {
                let keys = recovery.keys.iter().map(|text| key("keys", "`recovery`", text));
                let keys = keys.collect::<Result<_, _>>()?;
                Some(quorum("recovery", recovery.threshold, keys, recovery.timelock)?)
            }
        };
        let context = context(&roster, &members, &backup, recovery.as_ref());
        let whole = whole(&context, &members, &coordinators);
        Ok(Self {
            roster,
            members,
            coordinators,
            backup,
            recovery,
            context,
            whole,
        })
    }

    /// The members as the key generation knows them.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A member by its number.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// A member by its identity.
    #[must_use]
    pub fn member_of(&self, identity: &IdentityKey) -> Option<&Member> {
        self.members.iter().find(|member| member.identity == *identity)
    }

    /// Whether this identity may ask for signatures.
    #[must_use]
    pub fn is_coordinator(&self, identity: &IdentityKey) -> bool {
        self.coordinators.contains(identity)
    }

    /// The members' keys in the vault's backup leaf.
    #[must_use]
    pub fn backup(&self) -> &Quorum {
        &self.backup
    }

    /// The vault's recovery leaf.
    #[must_use]
    pub fn recovery(&self) -> Option<&Quorum> {
        self.recovery.as_ref()
    }

    /// The keys of a vault that belongs to this federation's key.
    #[must_use]
    pub fn vault_keys(&self, group: &GroupKey) -> VaultKeys {
        VaultKeys {
            federation: group.internal_key(),
            backup: Some(self.backup.clone()),
            recovery: self.recovery.clone(),
        }
    }

    /// What every connection is bound to: a hash of all that members agree on for good.
    #[must_use]
    pub fn context(&self) -> &[u8; 32] {
        &self.context
    }

    /// A hash of all that the file says, coordinators and addresses too, for people to compare.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut out = String::new();
        for pair in self.whole.chunks(4) {
            if !out.is_empty() {
                out.push(' ');
            }
            for byte in pair {
                // Writing to a string does not fail.
                let _ = write!(out, "{byte:02x}");
            }
        }
        out
    }
}

fn quorum(
    which: &'static str,
    threshold: u16,
    mut keys: Vec<XOnlyPublicKey>,
    timelock: u16,
) -> Result<Quorum, FileError> {
    keys.sort_unstable();
    Quorum::new(threshold, keys, timelock).map_err(|source| FileError::Quorum { which, source })
}

fn context(roster: &Roster, members: &[Member], backup: &Quorum, recovery: Option<&Quorum>) -> [u8; 32] {
    let mut engine = sha256::Hash::engine();
    engine.input(b"tacit/federation/file/1");
    engine.input(&roster.hash());
    for member in members {
        engine.input(member.identity.as_bytes());
    }
    for quorum in [Some(backup), recovery] {
        let leaf = quorum
            .map(|quorum| quorum.leaf().into_bytes())
            .unwrap_or_default();
        engine.input(&(leaf.len() as u64).to_le_bytes());
        engine.input(&leaf);
    }
    sha256::Hash::from_engine(engine).to_byte_array()
}

fn whole(context: &[u8; 32], members: &[Member], coordinators: &[IdentityKey]) -> [u8; 32] {
    let mut engine = sha256::Hash::engine();
    engine.input(b"tacit/federation/whole/1");
    engine.input(context);
    for member in members {
        engine.input(&(member.address.len() as u64).to_le_bytes());
        engine.input(member.address.as_bytes());
    }
    for coordinator in coordinators {
        engine.input(coordinator.as_bytes());
    }
    sha256::Hash::from_engine(engine).to_byte_array()
}

#[cfg(test)]
mod tests;
