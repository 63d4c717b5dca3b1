//! A member in a signing round.
//!
//! A signature takes a pair of nonces from each signer, and whoever uses one twice gives its share away.
//! So nonces are never written anywhere, they are made for one sighash, and their commitments are entered
//! in a ledger on disk, with a sync, before what they signed leaves ([`Ledger`]). A crash loses nonces,
//! and with them nothing but the round; a machine that was copied or set back while it ran finds them in
//! the ledger if the ledger was kept.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::taproot::TapNodeHash;
use frost_secp256k1_tr::round1::{self, SigningNonces};
use frost_secp256k1_tr::{SigningPackage, round2};
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;

use crate::share::KeyShare;
use crate::wire::Message;

/// One signature to make: an input of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// What is signed.
    pub sighash: [u8; 32],
    /// The leaves of the output that is spent; `None` if it has none.
    pub merkle_root: Option<TapNodeHash>,
}

impl Input {
    pub(crate) fn root_bytes(&self) -> Option<[u8; 32]> {
        self.merkle_root.map(|root| root.to_byte_array())
    }
}

/// Why a member does not sign.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Not one package per input, or none.
    #[error("{packages} packages came for {inputs} inputs")]
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
    /// The ledger cannot be written.
    #[error("the ledger of used nonces cannot be written: {0}; nothing was signed")]
    Ledger(#[from] io::Error),
    /// FROST's own refusal: too few signers, for instance.
    #[error("the package for input {input} cannot be signed: {reason}")]
    Package {
        /// The input.
        input: usize,
        /// Why.
        reason: String,
    },
}

/// Commitments of nonces that were used, on disk.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    burned: BTreeSet<[u8; 32]>,
}

impl Ledger {
    /// Opens the ledger at `path`, or makes it. A record that a crash cut off is dropped: what it was
    /// about never left.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (records, torn) = bytes.as_chunks::<32>();
        if !torn.is_empty() {
            file.set_len((records.len() * 32) as u64)?;
            file.sync_all()?;
        }
        let burned = records.iter().copied().collect();
        Ok(Self { file, burned })
    }

    fn has(&self, commitments: &[u8; 32]) -> bool {
        self.burned.contains(commitments)
    }

    /// Enters all of them; they are on disk when this returns.
    fn burn(&mut self, commitments: &[[u8; 32]]) -> io::Result<()> {
        self.file.write_all(commitments.as_flattened())?;
        self.file.sync_data()?;
        self.burned.extend(commitments);
        Ok(())
    }
}

/// Nonces that wait for their package.
struct Waiting {
    commitments: [u8; 32],
    input: Input,
    nonces: SigningNonces,
}

/// A member that signs.
pub struct Signer {
    share: KeyShare,
    ledger: Ledger,
    waiting: VecDeque<Waiting>,
}

impl Signer {
    /// Most nonces that wait; older ones are dropped.
    pub const MOST_WAITING: usize = 4096;

    /// A signer with this share and this ledger.
    #[must_use]
    pub fn new(share: KeyShare, ledger: Ledger) -> Self {
        Self {
            share,
            ledger,
            waiting: VecDeque::new(),
        }
    }

    /// The share.
    #[must_use]
    pub fn share(&self) -> &KeyShare {
        &self.share
    }

    /// Makes nonces for inputs that this member is willing to sign; returns their commitments.
    pub fn commit(&mut self, inputs: &[Input], rng: &mut (impl RngCore + CryptoRng)) -> Vec<Vec<u8>> {
        inputs
            .iter()
            .map(|&input| {
                let (nonces, commitments) = round1::commit(self.share.key().signing_share(), rng);
                let bytes = commitments.encode();
                if self.waiting.len() == Self::MOST_WAITING {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(Waiting {
                    commitments: digest(&bytes),
                    input,
                    nonces,
                });
                bytes
            })
            .collect()
    }

    /// Signs the same inputs with the packages that the coordinator made of everybody's commitments. Either
    /// all are signed or none; the nonces of a request that was checked are gone either way.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn sign(&mut self, inputs: &[Input], packages: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Refusal> {
        if inputs.is_empty() || inputs.len() != packages.len() {
            return Err(Refusal::Count {
                inputs: inputs.len(),
                packages: packages.len(),
            });
        }
        let packages = inputs
            .iter()
            .zip(packages)
            .enumerate()
            .map(|(i, (input, bytes))| self.check(i, input, bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let mut nonces = Vec::with_capacity(inputs.len());
        for (i, (input, (_, own))) in inputs.iter().zip(&packages).enumerate() {
            let at = self
                .waiting
                .iter()
                .position(|waiting| waiting.commitments == *own && waiting.input == *input)
                .ok_or(Refusal::UnknownNonces(i))?;
            if self.ledger.has(own) {
                return Err(Refusal::Burned(i));
            }
            nonces.extend(self.waiting.remove(at));
        }
        let burned: Vec<[u8; 32]> = packages.iter().map(|&(_, own)| own).collect();
        self.ledger.burn(&burned)?;
        let signed = inputs.iter().zip(&packages).zip(&nonces).enumerate();
        signed
            .map(|(i, ((input, (package, _)), waiting))| {
                let root = input.root_bytes();
                round2::sign_with_tweak(
                    package,
                    &waiting.nonces,
                    self.share.key(),
                    root.as_ref().map(<[u8; 32]>::as_slice),
                )
                .map(|share| share.encode())
                .map_err(|error| Refusal::Package {
                    input: i,
                    reason: error.to_string(),
                })
            })
            .collect()
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
