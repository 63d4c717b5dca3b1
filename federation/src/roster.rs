//! Who the members are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use frost_secp256k1_tr::Identifier;
use thiserror::Error;

/// A member's number: its place in the roster, from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(u16);

impl MemberId {
    /// The member with this number; `None` for zero.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// What FROST calls the member.
    pub(crate) fn identifier(self) -> Identifier {
        Identifier::try_from(self.0).expect("members are numbered from one")
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {}", self.0)
    }
}

/// Why a roster cannot be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RosterError {
    /// Fewer than two or more than [`Roster::MOST`].
    #[error("a federation has 2 to {most} members, not {members}", most = Roster::MOST)]
    Members {
        /// How many were given.
        members: usize,
    },
    /// One member alone, or more than there are.
    #[error("{threshold} of {members} members cannot be what it takes to sign: 2 to {members} can")]
    Threshold {
        /// What was asked for.
        threshold: u16,
        /// How many members there are.
        members: usize,
    },
    /// A name that is empty, too long, not printable, or somebody else's.
    #[error("the name {name:?} of member {number} is empty, longer than {most} bytes, not printable, or taken", most = Roster::LONGEST_NAME)]
    Name {
        /// The member's number.
        number: u16,
        /// The name.
        name: String,
    },
}

/// The members, by number, and how many of them it takes to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    threshold: u16,
    size: u16,
    names: Vec<String>,
}

impl Roster {
    /// Most members that there can be.
    pub const MOST: usize = 100;
    /// Longest name of a member, in bytes.
    pub const LONGEST_NAME: usize = 64;

    /// The roster of these members, numbered in this order from one.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn new(threshold: u16, names: Vec<String>) -> Result<Self, RosterError> {
        let members = names.len();
        let size = match u16::try_from(members) {
            Ok(size) if (2..=Self::MOST).contains(&members) => size,
            _ => return Err(RosterError::Members { members }),
        };
        if threshold < 2 || usize::from(threshold) > members {
            return Err(RosterError::Threshold { threshold, members });
        }
        for (number, name) in (1..).zip(&names) {
            let earlier = &names[..usize::from(number) - 1];
            let unfit = name.is_empty() || name.len() > Self::LONGEST_NAME || name.contains(char::is_control);
            if unfit || earlier.contains(name) {
                let name = name.clone();
                return Err(RosterError::Name { number, name });
            }
        }
        Ok(Self {
            threshold,
            size,
            names,
        })
    }

    /// How many members it takes to sign.
    #[must_use]
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// How many members there are.
    #[must_use]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// All members.
    pub fn members(&self) -> impl Iterator<Item = MemberId> + use<> {
        (1..=self.size()).map(MemberId)
    }

    /// All members but one.
    pub fn others(&self, me: MemberId) -> impl Iterator<Item = MemberId> + use<> {
        self.members().filter(move |&member| member != me)
    }

    /// Whether there is such a member.
    #[must_use]
    pub fn has(&self, member: MemberId) -> bool {
        member.0 <= self.size()
    }

    /// A member's name; `None` if there is no such member.
    #[must_use]
    pub fn name(&self, member: MemberId) -> Option<&str> {
        self.names.get(usize::from(member.0) - 1).map(String::as_str)
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Commits to threshold and names.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut engine = sha256::Hash::engine();
        engine.input(b"tacit/federation/roster/1");
        engine.input(&self.threshold.to_le_bytes());
        engine.input(&self.size().to_le_bytes());
        for name in &self.names {
            engine.input(&(name.len() as u64).to_le_bytes());
            engine.input(name.as_bytes());
        }
        sha256::Hash::from_engine(engine).to_byte_array()
    }

    /// The member that FROST knows by this identifier.
    pub(crate) fn member(&self, identifier: &Identifier) -> Option<MemberId> {
        self.members().find(|member| member.identifier() == *identifier)
    }

    /// Whether exactly these members answered; else one that is missing or too many.
    pub(crate) fn exactly<T>(
        &self,
        wanted: impl Iterator<Item = MemberId>,
        answers: &BTreeMap<MemberId, T>,
    ) -> Result<(), MemberId> {
        let wanted: BTreeSet<MemberId> = wanted.collect();
        let missing = wanted.iter().find(|member| !answers.contains_key(member));
        let uninvited = answers.keys().find(|member| !wanted.contains(member));
        missing.or(uninvited).map_or(Ok(()), |&member| Err(member))
    }
}

#[cfg(test)]
mod tests;
