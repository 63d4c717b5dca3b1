//! Distributed key generation.
//!
//! Three rounds, each a type that the next consumes, so that none can be skipped or run twice:
//! 1. [`Commitments`]: everybody broadcasts commitments to a polynomial of its own, with a proof that it
//!    knows the constant term;
//! 2. [`Shares`]: everybody sends every other, in confidence, the value of its polynomial there;
//! 3. [`Agreement`]: everybody compares a hash of all that was broadcast and of the key that came out.
//!
//! The last round is what a broadcast over separate connections lacks: a member that told others
//! different things is noticed before anybody uses the key. A hash sent in it says "I have my share on
//! disk": it is stored first ([`crate::share::ShareFile::create`]), and kept whatever others answer, since they may
//! have heard enough to go on. Hashes go from member to member, never through one of them. A generation
//! that fails earlier is begun anew, with fresh randomness.

use std::collections::BTreeMap;

use bitcoin::hashes::{Hash, HashEngine, sha256};
use frost_secp256k1_tr::keys::dkg;
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::roster::{MemberId, Roster};
use crate::share::{KeyShare, ShareError};
use crate::wire::Message;

/// Why a key generation failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeygenError {
    /// This member is not in the roster.
    #[error("{0} is not in the roster")]
    NoSuchMember(MemberId),
    /// An answer is missing, or somebody answered who was not asked.
    #[error("{0} did not answer, or answered without being asked; begin anew when all members are there")]
    Answers(MemberId),
    /// A message that is not one of this round.
    #[error("{0} sent bytes that are no message of this round")]
    Malformed(MemberId),
    /// Commitments without a valid proof, or a share that contradicts them.
    #[error("{0} sent commitments or a share that do not hold")]
    Lied(MemberId),
    /// The generation failed without a culprit that could be told.
    #[error("the key generation failed: {0}")]
    Failed(String),
    /// Members saw different things.
    #[error(
        "{0} saw another key generation than this member: somebody, not necessarily {0}, told them different things"
    )]
    Disagreement(MemberId),
}

/// What a member sends each other one, or gets from each other one, that nobody else may read.
pub type Confidential = BTreeMap<MemberId, Zeroizing<Vec<u8>>>;

/// FROST's errors, with the culprit's name where it knows one.
fn blame(roster: &Roster, error: &frost_secp256k1_tr::Error) -> KeygenError {
    let culprits = error.culprits();
    match culprits.first().and_then(|culprit| roster.member(culprit)) {
        Some(member) => KeygenError::Lied(member),
        None => KeygenError::Failed(error.to_string()),
    }
}

/// The first round.
pub struct Commitments {
    roster: Roster,
    me: MemberId,
    secret: dkg::round1::SecretPackage,
    own: Vec<u8>,
}

impl Commitments {
    /// Begins as the member `me`; returns what to broadcast.
    ///
    /// # Errors
    /// [`KeygenError::NoSuchMember`].
    pub fn begin(
        roster: Roster,
        me: MemberId,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Vec<u8>), KeygenError> {
        if !roster.has(me) {
            return Err(KeygenError::NoSuchMember(me));
        }
        let (secret, package) = dkg::part1(me.identifier(), roster.size(), roster.threshold(), rng)
            .map_err(|error| blame(&roster, &error))?;
        let own = package.encode();
        let this = Self {
            roster,
            me,
            secret,
            own: own.clone(),
        };
        Ok((this, own))
    }

    /// Takes in what all others broadcast; returns what to send each of them, in confidence.
    ///
    /// # Errors
    /// [`KeygenError`], with the member whose message it is about.
    pub fn received(
        self,
        broadcasts: &BTreeMap<MemberId, Vec<u8>>,
    ) -> Result<(Shares, Confidential), KeygenError> {
        let Self {
            roster,
            me,
            secret,
            own,
        } = self;
        roster
            .exactly(roster.others(me), broadcasts)
            .map_err(KeygenError::Answers)?;
        let packages: Packages<dkg::round1::Package> = decode_all(broadcasts)?;
        for (identifier, package) in &packages {
            let degree = package.commitment().serialize().map(|all| all.len());
            if degree.ok() != Some(usize::from(roster.threshold())) {
                let member = roster.member(identifier);
                return Err(member.map_or(KeygenError::NoSuchMember(me), KeygenError::Lied));
            }
        }
        let (secret, shares) = dkg::part2(secret, &packages).map_err(|error| blame(&roster, &error))?;
        let to = shares
            .iter()
            .filter_map(|(identifier, share)| {
                Some((roster.member(identifier)?, Zeroizing::new(share.encode())))
            })
            .collect();
        let mut seen = broadcasts.clone();
        seen.insert(me, own);
        let next = Shares {
            roster,
            me,
            secret,
            packages,
            seen,
        };
        Ok((next, to))
    }
}

type Packages<T> = BTreeMap<frost_secp256k1_tr::Identifier, T>;

fn decode_all<T: Message>(
    messages: &BTreeMap<MemberId, impl AsRef<[u8]>>,
) -> Result<Packages<T>, KeygenError> {
    messages
        .iter()
        .map(|(&member, bytes)| match T::decode(bytes.as_ref()) {
            Ok(message) => Ok((member.identifier(), message)),
            Err(_) => Err(KeygenError::Malformed(member)),
        })
        .collect()
}

/// The second round.
pub struct Shares {
    roster: Roster,
    me: MemberId,
    secret: dkg::round2::SecretPackage,
    packages: Packages<dkg::round1::Package>,
    /// All broadcasts, this member's among them.
    seen: BTreeMap<MemberId, Vec<u8>>,
}

impl Shares {
    /// Takes in what all others sent this member.
    ///
    /// # Errors
    /// [`KeygenError`], with the member whose message it is about.
    pub fn received(self, shares: &Confidential) -> Result<Agreement, KeygenError> {
        let Self { roster, me, .. } = self;
        roster
            .exactly(roster.others(me), shares)
            .map_err(KeygenError::Answers)?;
        let received = decode_all(shares)?;
        let (key, public) =
            dkg::part3(&self.secret, &self.packages, &received).map_err(|error| blame(&roster, &error))?;
        // Members that work together can make a verifying share that has no encoding.
        let bytes = public.bytes().map_err(|error| blame(&roster, &error))?;
        let transcript = transcript(&roster, &self.seen, &bytes);
        let share =
            KeyShare::new(roster, me, key, public).map_err(|error| KeygenError::Failed(error.to_string()))?;
        Ok(Agreement { share, transcript })
    }
}

/// Commits to the roster, to all broadcasts, and to the public part of what came out.
fn transcript(roster: &Roster, seen: &BTreeMap<MemberId, Vec<u8>>, public: &[u8]) -> [u8; 32] {
    let mut engine = sha256::Hash::engine();
    engine.input(b"tacit/federation/keygen/1");
    engine.input(&roster.hash());
    for bytes in seen.values().map(Vec::as_slice).chain([public]) {
        let length = u32::try_from(bytes.len()).expect("messages are short");
        engine.input(&length.to_le_bytes());
        engine.input(bytes);
    }
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// The last round: a share that is not to be used yet.
pub struct Agreement {
    share: KeyShare,
    transcript: [u8; 32],
}

/// A last round that did not end well. The share is kept: the cause may be mended, and others may have
/// ended well.
pub struct NotAgreed {
    /// Why.
    pub error: KeygenError,
    /// To go on with.
    pub agreement: Agreement,
}

impl Agreement {
    /// What is stored before the hash is sent: secret and unencrypted, [`crate::share::ShareFile`] encrypts it.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let share = self.share.to_bytes();
        let mut out = Zeroizing::new(Vec::with_capacity(self.transcript.len() + share.len()));
        out.extend_from_slice(&self.transcript);
        out.extend_from_slice(&share);
        out
    }

    /// From the bytes of [`Agreement::to_bytes`] and no others.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let (&transcript, share) = bytes
            .split_first_chunk()
            .ok_or(ShareError::Magic("it is too short"))?;
        let share = KeyShare::from_bytes(share)?;
        Ok(Self { share, transcript })
    }

    pub(crate) fn share(&self) -> &KeyShare {
        &self.share
    }

    /// The hash to send all others, once the share is stored.
    #[must_use]
    pub fn transcript(&self) -> [u8; 32] {
        self.transcript
    }

    /// All other members.
    pub fn others(&self) -> impl Iterator<Item = MemberId> + use<> {
        self.share.roster().others(self.share.member())
    }

    /// Takes in the hashes of all others; only now is there a share to use.
    ///
    /// # Errors
    /// [`NotAgreed`], with [`KeygenError::Answers`] or [`KeygenError::Disagreement`].
    pub fn received(self, transcripts: &BTreeMap<MemberId, [u8; 32]>) -> Result<KeyShare, Box<NotAgreed>> {
        let roster = self.share.roster();
        let complete = roster.exactly(roster.others(self.share.member()), transcripts);
        let differs = transcripts.iter().find(|(_, other)| **other != self.transcript);
        let error = match (complete, differs) {
            (Ok(()), None) => return Ok(self.share),
            (Err(member), _) => KeygenError::Answers(member),
            (Ok(()), Some((&member, _))) => KeygenError::Disagreement(member),
        };
        let agreement = self;
        Err(Box::new(NotAgreed { error, agreement }))
    }
}

#[cfg(test)]
mod tests;
