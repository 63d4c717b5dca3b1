//! A member in a signing round.
//!
//! A signature takes a pair of nonces from each signer, and whoever uses one twice gives its share away.
//! So nonces are never written anywhere, they are made for one sighash under one key, and their commitments
//! are entered in a ledger on disk, with a sync, before what they signed leaves ([`Ledger`]). A crash loses
//! nonces, and with them nothing but the round. One process at a time has the ledger. A process whose
//! memory was set back finds that the ledger has grown without it, and signs no more; nothing protects
//! a machine whose memory *and* disk were copied or set back together: never run a signer from a snapshot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::taproot::TapNodeHash;
use frost_secp256k1_tr::keys::{KeyPackage, PublicKeyPackage};
use frost_secp256k1_tr::round1::{self, SigningNonces};
use frost_secp256k1_tr::round2::{self, SignatureShare};
use frost_secp256k1_tr::{Identifier, Signature, SigningPackage, aggregate, aggregate_with_tweak};
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;

use crate::share::KeyShare;
use crate::wire::Message;

/// Which key a signature is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tweak {
    /// The group's key itself, as a leaf of a script asks for.
    Untweaked,
    /// The key of a Taproot output with these leaves, or with none: the group's key tweaked by them.
    Taproot(Option<TapNodeHash>),
}

/// One signature to make: an input of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// What is signed.
    pub sighash: [u8; 32],
    /// Under which key.
    pub tweak: Tweak,
}

impl Input {
    /// An output spent by its key path; `None` if it has no leaves.
    #[must_use]
    pub fn key_path(sighash: [u8; 32], merkle_root: Option<TapNodeHash>) -> Self {
        let tweak = Tweak::Taproot(merkle_root);
        Self { sighash, tweak }
    }

    /// A leaf that asks for a signature of the group's key.
    #[must_use]
    pub fn untweaked(sighash: [u8; 32]) -> Self {
        let tweak = Tweak::Untweaked;
        Self { sighash, tweak }
    }
}

fn root_bytes(root: Option<&TapNodeHash>) -> Option<&[u8]> {
    root.map(|root| root.as_byte_array().as_slice())
}

/// A member's part of a signature, under the key that the tweak names.
fn sign_under(
    tweak: &Tweak,
    package: &SigningPackage,
    nonces: &SigningNonces,
    key: &KeyPackage,
) -> Result<SignatureShare, frost_secp256k1_tr::Error> {
    match tweak {
        Tweak::Untweaked => round2::sign(package, nonces, key),
        Tweak::Taproot(root) => round2::sign_with_tweak(package, nonces, key, root_bytes(root.as_ref())),
    }
}

/// The whole signature of these parts, under the key that the tweak names.
pub(crate) fn aggregate_under(
    tweak: &Tweak,
    package: &SigningPackage,
    shares: &BTreeMap<Identifier, SignatureShare>,
    public: &PublicKeyPackage,
) -> Result<Signature, frost_secp256k1_tr::Error> {
    match tweak {
        Tweak::Untweaked => aggregate(package, shares, public),
        Tweak::Taproot(root) => aggregate_with_tweak(package, shares, public, root_bytes(root.as_ref())),
    }
}

/// Why a member does not sign.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Not one package per input, none, or too many.
    #[error("{packages} packages came for {inputs} inputs; one for each of up to {most} is right", most = Signer::MOST_INPUTS)]
    Count {
        /// Inputs to sign.
        inputs: usize,
        /// Packages that came.
        packages: usize,
    },
    /// No package at all.
    #[error("the package for input {0} is malformed")]
    Malformed(usize),
    /// A package for something that this member did not agree to.
    #[error("the package for input {0} is for another sighash")]
    OtherMessage(usize),
    /// A signer that is no member.
    #[error("the package for input {0} names a signer that is no member")]
    Stranger(usize),
    /// Nonces that this member never made, has used, made for another input, or lost in a restart.
    #[error(
        "the nonces for input {0} are not waiting here: used, made for another input, or lost in a restart"
    )]
    UnknownNonces(usize),
    /// Nonces that the ledger knows. The machine was set back.
    #[error("the nonces for input {0} were used before: was this machine copied or set back?")]
    Burned(usize),
    /// The ledger cannot be written. Nothing is signed before the signer is started again.
    #[error(
        "the ledger of used nonces cannot be written: {0}; nothing was signed; mend the disk and start again"
    )]
    Ledger(#[from] io::Error),
    /// The ledger is not as this process left it: another process has it, or the memory was set back.
    #[error(
        "the ledger of used nonces was changed by another process, or this machine was set back; nothing was signed; find out which, then start again"
    )]
    LedgerChanged,
    /// FROST's own refusal: too few signers, for instance.
    #[error("the package for input {input} cannot be signed: {reason}")]
    Package {
        /// The input.
        input: usize,
        /// Why.
        reason: String,
    },
}

/// Bytes of a record: a digest of commitments.
const RECORD: usize = 32;

/// Commitments of nonces that were used, on disk, locked for this process.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    burned: BTreeSet<[u8; RECORD]>,
    /// Length of the file as this process left it.
    length: u64,
    /// After an error it is not known what the disk holds.
    usable: bool,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes it. A record that a crash cut off is dropped: what it was
    /// about never left.
    ///
    /// # Errors
    /// What the system says, also if another process has the ledger open.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another process has it open"),
            TryLockError::Error(error) => error,
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (records, torn) = bytes.as_chunks::<RECORD>();
        let length = (records.len() * RECORD) as u64;
        if !torn.is_empty() {
            file.set_len(length)?;
        }
        file.sync_all()?;
        if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?; // the file's own name
        }
        Ok(Self {
            file,
            burned: records.iter().copied().collect(),
            length,
            usable: true,
        })
    }

    fn has(&self, commitments: &[u8; RECORD]) -> bool {
        self.burned.contains(commitments)
    }

    /// Enters all of them; they are on disk when this returns. After an error nothing is entered any more.
    fn burn(&mut self, commitments: &[[u8; RECORD]]) -> Result<(), Refusal> {
        if !self.usable || self.file.metadata()?.len() != self.length {
            self.usable = false;
            return Err(Refusal::LedgerChanged);
        }
        self.usable = false;
        let bytes = commitments.as_flattened();
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.burned.extend(commitments);
        self.length += bytes.len() as u64;
        self.usable = true;
        Ok(())
    }
}

/// Nonces that wait for their package.
struct Waiting {
    commitments: [u8; 32],
    input: Input,
    /// In one place, so that moving the entry leaves no copy behind.
    nonces: Box<SigningNonces>,
}

/// A request that was answered: asking again gets the same answer.
struct Answered {
    inputs: Vec<Input>,
    packages: Vec<Vec<u8>>,
    shares: Vec<Vec<u8>>,
}

/// A member that signs.
pub struct Signer {
    share: KeyShare,
    ledger: Ledger,
    waiting: VecDeque<Waiting>,
    answered: VecDeque<Answered>,
}

impl Signer {
    /// Most inputs of a request: more than a vault transaction can have.
    pub const MOST_INPUTS: usize = 512;
    /// Answers that are remembered.
    const MOST_ANSWERED: usize = 16;

    /// Most nonces that wait; older ones are dropped.
    pub const MOST_WAITING: usize = 4096;

    /// A signer with this share and this ledger.
    #[must_use]
    pub fn new(share: KeyShare, ledger: Ledger) -> Self {
        Self {
            share,
            ledger,
            waiting: VecDeque::new(),
            answered: VecDeque::new(),
        }
    }

    /// The share.
    #[must_use]
    pub fn share(&self) -> &KeyShare {
        &self.share
    }

    /// Makes nonces for inputs that this member is willing to sign; returns their commitments.
    ///
    /// # Errors
    /// [`Refusal::Count`], and [`Refusal::Burned`] if the randomness has been here before.
    pub fn commit(
        &mut self,
        inputs: &[Input],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        Self::check_count(inputs.len(), inputs.len())?;
        let mut all = Vec::with_capacity(inputs.len());
        for (i, &input) in inputs.iter().enumerate() {
            let (nonces, commitments) = round1::commit(self.share.key().signing_share(), rng);
            let bytes = commitments.encode();
            let commitments = digest(&bytes);
            let waits = |waiting: &Waiting| waiting.commitments == commitments;
            if self.ledger.has(&commitments) || self.waiting.iter().any(waits) {
                return Err(Refusal::Burned(i));
            }
            if self.waiting.len() == Self::MOST_WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(Waiting {
                commitments,
                input,
                nonces: Box::new(nonces),
            });
            all.push(bytes);
        }
        Ok(all)
    }

    fn check_count(inputs: usize, packages: usize) -> Result<(), Refusal> {
        if inputs == 0 || inputs > Self::MOST_INPUTS || inputs != packages {
            return Err(Refusal::Count { inputs, packages });
        }
        Ok(())
    }

    /// Signs the same inputs with the packages that the coordinator made of everybody's commitments. Either
    /// all are signed or none. The same request again gets the same answer, should it have been lost.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn sign(&mut self, inputs: &[Input], packages: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Refusal> {
        let same = |known: &&Answered| known.inputs == inputs && known.packages == packages;
        if let Some(known) = self.answered.iter().find(same) {
            return Ok(known.shares.clone());
        }
        Self::check_count(inputs.len(), packages.len())?;
        let checked = inputs
            .iter()
            .zip(packages)
            .enumerate()
            .map(|(i, (input, bytes))| self.check(i, input, bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let mut burned = BTreeSet::new();
        let mut nonces = Vec::with_capacity(inputs.len());
        for (i, (input, (_, own))) in inputs.iter().zip(&checked).enumerate() {
            if self.ledger.has(own) || !burned.insert(*own) {
                return Err(Refusal::Burned(i));
            }
            let at = self
                .waiting
                .iter()
                .position(|waiting| waiting.commitments == *own && waiting.input == *input)
                .ok_or(Refusal::UnknownNonces(i))?;
            nonces.extend(self.waiting.remove(at));
        }
        let burned: Vec<[u8; RECORD]> = burned.into_iter().collect();
        self.ledger.burn(&burned)?;
        let shares = inputs
            .iter()
            .zip(&checked)
            .zip(&nonces)
            .enumerate()
            .map(|(i, ((input, (package, _)), waiting))| self.share_of(i, input, package, &waiting.nonces))
            .collect::<Result<Vec<_>, _>>()?;
        if self.answered.len() == Self::MOST_ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back(Answered {
            inputs: inputs.to_vec(),
            packages: packages.to_vec(),
            shares: shares.clone(),
        });
        Ok(shares)
    }

    fn share_of(
        &self,
        i: usize,
        input: &Input,
        package: &SigningPackage,
        nonces: &SigningNonces,
    ) -> Result<Vec<u8>, Refusal> {
        match sign_under(&input.tweak, package, nonces, self.share.key()) {
            Ok(share) => Ok(share.encode()),
            Err(error) => Err(Refusal::Package {
                input: i,
                reason: error.to_string(),
            }),
        }
    }

    /// What can be said of a package alone; returns it with the digest of this member's commitments.
    fn check(&self, i: usize, input: &Input, bytes: &[u8]) -> Result<(SigningPackage, [u8; 32]), Refusal> {
        let package = SigningPackage::decode(bytes).map_err(|_| Refusal::Malformed(i))?;
        if package.message().as_slice() != input.sighash {
            return Err(Refusal::OtherMessage(i));
        }
        let signers = package.signing_commitments();
        let roster = self.share.roster();
        if signers.keys().any(|signer| roster.member(signer).is_none()) {
            return Err(Refusal::Stranger(i));
        }
        if signers.len() < usize::from(roster.threshold()) {
            return Err(Refusal::Package {
                input: i,
                reason: format!("{} signers are too few", signers.len()),
            });
        }
        let own = signers
            .get(self.share.key().identifier())
            .ok_or(Refusal::UnknownNonces(i))?;
        Ok((package.clone(), digest(&own.encode())))
    }
}

fn digest(commitments: &[u8]) -> [u8; 32] {
    sha256::Hash::hash(commitments).to_byte_array()
}

#[cfg(test)]
mod tests;
