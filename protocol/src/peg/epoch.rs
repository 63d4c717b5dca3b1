//! Epochs of the federation: the keys that hold the vault, and how they hand it over to the next ones.
//!
//! A federation is replaced in two steps. An *announcement*, an [envelope](crate::envelope) of its own
//! kind, names the keys of the next epoch. It is signed by the federation in office, so that nobody else
//! can announce one and whoever knows the first epoch can follow the chain of announcements without
//! Bitcoin, and by the federation to come, so that the vault never moves to keys that cannot sign. Then a
//! *rotation*, a vault transaction, moves the vault to them. A federation that lost its distributed key speaks by
//! the keys of the vault's backup leaf, which can move the vault as well. Specification: `docs/spec/handover.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::{Script, XOnlyPublicKey};
use thiserror::Error;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::envelope::{Envelope, EnvelopeError, EnvelopeKind};
use crate::hash::{B2, Label};
use crate::params::ChainId;
use crate::peg::anchor::envelopes;
use crate::peg::block::TxInput;
use crate::peg::exit::read_x_only;
use crate::peg::taproot::secp;
use crate::peg::vault::{MAX_QUORUM_KEYS, Quorum, VaultKeys};

/// Blocks after a rotation in which deposits to the keys before it may still confirm and be swept.
pub const DEPOSIT_GRACE: u32 = 144;

/// Blocks after a rotation for which members keep the shares before it.
pub const SHARES_KEPT: u32 = 1_152;

/// The longest body of an announcement: number, key, two quorums, a backup quorum's signatures and the successor's.
pub const MAX_ANNOUNCEMENT: usize =
    4 + 32 + 2 * (1 + 6 + 32 * MAX_QUORUM_KEYS) + (1 + 1 + (1 + 64) * MAX_QUORUM_KEYS) + 64;

/// What identifies an epoch of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EpochHash(pub [u8; 32]);

impl fmt::Display for EpochHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for EpochHash {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// The federation of one epoch: number zero is that of the genesis part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its number.
    pub number: u32,
    /// The keys of the vault's script.
    pub keys: VaultKeys,
}

/// Which of two federations speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Voice {
    /// The one in office: it lets the next one have the vault.
    Incumbent,
    /// The one to come: it proves that it can sign.
    Successor,
}

impl Epoch {
    /// What identifies it on this chain.
    #[must_use]
    pub fn hash(&self, chain: ChainId) -> EpochHash {
        let bytes = self.encode();
        EpochHash(
            B2::new(Label::Epoch)
                .bytes(chain.as_bytes())
                .bytes(&bytes)
                .finish32(),
        )
    }

    /// Checks number and keys of an epoch that is to come after `current`.
    ///
    /// # Errors
    /// [`SuccessionError::Number`], [`SuccessionError::SameKeys`].
    pub fn follows(&self, current: &Self) -> Result<(), SuccessionError> {
        if Some(self.number) != current.number.checked_add(1) {
            return Err(SuccessionError::Number {
                stated: self.number,
                current: current.number,
            });
        }
        if self.keys == current.keys {
            return Err(SuccessionError::SameKeys);
        }
        Ok(())
    }

    /// What a federation signs, with the key of its vault's output, so that this epoch may come.
    #[must_use]
    pub fn message(&self, chain: ChainId, voice: Voice) -> Message {
        self.message_of(
            chain,
            match voice {
                Voice::Incumbent => b"incumbent",
                Voice::Successor => b"successor",
            },
        )
    }

    /// What keys of the backup leaf in office sign, as they are, so that this epoch may come.
    #[must_use]
    pub fn backup_message(&self, chain: ChainId) -> Message {
        self.message_of(chain, b"backup")
    }

    /// Whether a plain key has signed that.
    #[must_use]
    pub fn is_vouched_by(&self, chain: ChainId, key: &XOnlyPublicKey, signature: &Signature) -> bool {
        let message = self.backup_message(chain);
        secp().verify_schnorr(signature, &message, key).is_ok()
    }

    fn message_of(&self, chain: ChainId, voice: &[u8]) -> Message {
        let hash = B2::new(Label::Succession)
            .bytes(voice)
            .bytes(&self.hash(chain).0)
            .finish32();
        Message::from_digest(hash)
    }
}

impl Encode for Epoch {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.keys.federation.serialize());
        Quorum::put_option(self.keys.backup.as_ref(), out);
        Quorum::put_option(self.keys.recovery.as_ref(), out);
    }
}

impl Decode for Epoch {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = reader.u32()?;
        let keys = VaultKeys {
            federation: read_x_only(reader)?,
            backup: Quorum::read_option(reader)?,
            recovery: Quorum::read_option(reader)?,
        };
        if keys.leaves_in_order() {
            Ok(Self { number, keys })
        } else {
            Err(DecodeError::OutOfRange("timelocks of the vault's leaves"))
        }
    }
}

/// Why an epoch may not follow another.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SuccessionError {
    /// Epochs are numbered without gaps.
    #[error("epoch {stated} does not follow epoch {current}")]
    Number {
        /// In the announcement.
        stated: u32,
        /// In office.
        current: u32,
    },
    /// The vault would move to where it is or was.
    #[error("the next epoch has the vault script of the present one, or of one before")]
    SameKeys,
    /// The federation in office did not sign.
    #[error("the federation in office did not sign the next epoch")]
    Incumbent,
    /// The vault in office has no backup leaf to speak for its federation.
    #[error(
        "the vault of the epoch in office has no backup leaf; only its federation's key can let another follow"
    )]
    NoBackup,
    /// Too few or too many keys of the backup leaf signed, or one that it has not.
    #[error("the backup leaf takes {threshold} signatures by keys of its own, no more and no fewer")]
    BackupKeys {
        /// What it takes.
        threshold: u16,
    },
    /// A key of the backup leaf did not sign.
    #[error("key {0} of the backup leaf did not sign the next epoch")]
    Backup(XOnlyPublicKey),
    /// The federation to come did not sign: nobody knows whether it can.
    #[error("the next federation did not sign its own epoch")]
    Successor,
}

/// By whom the vault is let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// By the federation in office, with the key of its vault's output.
    Federation(Signature),
    /// By as many keys of the backup leaf as it takes, under their places among the leaf's keys.
    Backup(BTreeMap<u8, Signature>),
}

impl Release {
    /// Checks that the federation of `current` lets `epoch` have the vault.
    fn check(&self, chain: ChainId, current: &Epoch, epoch: &Epoch) -> Result<(), SuccessionError> {
        match self {
            Self::Federation(signature) => {
                if is_signed(signature, &current.keys, epoch.message(chain, Voice::Incumbent)) {
                    Ok(())
                } else {
                    Err(SuccessionError::Incumbent)
                }
            }
            Self::Backup(signatures) => {
                let quorum = current.keys.backup.as_ref().ok_or(SuccessionError::NoBackup)?;
                let threshold = quorum.threshold();
                let wrong = SuccessionError::BackupKeys { threshold };
                if signatures.len() != usize::from(threshold) {
                    return Err(wrong);
                }
                for (place, signature) in signatures {
                    let key = quorum.keys().get(usize::from(*place)).ok_or(wrong)?;
                    if !epoch.is_vouched_by(chain, key, signature) {
                        return Err(SuccessionError::Backup(*key));
                    }
                }
                Ok(())
            }
        }
    }
}

impl Encode for Release {
    fn encode_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Federation(signature) => {
                out.push(0);
                out.extend_from_slice(&signature.serialize());
            }
            Self::Backup(signatures) => {
                out.push(1);
                let count = u8::try_from(signatures.len()).expect("a quorum has at most 100 keys");
                out.push(count);
                for (place, signature) in signatures {
                    out.push(*place);
                    out.extend_from_slice(&signature.serialize());
                }
            }
        }
    }
}

impl Decode for Release {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(Self::Federation(read_signature(reader)?)),
            1 => {
                let count = reader.u8()?;
                if usize::from(count) > MAX_QUORUM_KEYS {
                    return Err(DecodeError::OutOfRange("signatures of a backup leaf"));
                }
                let mut signatures = BTreeMap::new();
                for _ in 0..count {
                    let place = reader.u8()?;
                    if signatures
                        .last_key_value()
                        .is_some_and(|(last, _)| *last >= place)
                    {
                        return Err(DecodeError::OutOfRange("places of a backup leaf's keys"));
                    }
                    signatures.insert(place, read_signature(reader)?);
                }
                Ok(Self::Backup(signatures))
            }
            _ => Err(DecodeError::Unknown("release of a vault")),
        }
    }
}

fn read_signature(reader: &mut Reader<'_>) -> Result<Signature, DecodeError> {
    let bytes = reader.take(64)?;
    Signature::from_slice(bytes).map_err(|_| DecodeError::BadPoint("signature"))
}

/// The next epoch, signed by the federation in office and by the one to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The epoch announced.
    pub epoch: Epoch,
    /// By whom the present vault is let go.
    pub release: Release,
    /// By the key of the vault output to come.
    pub successor: Signature,
}

impl Announcement {
    /// Checks that this epoch may follow `current`.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self, chain: ChainId, current: &Epoch) -> Result<(), SuccessionError> {
        let epoch = &self.epoch;
        epoch.follows(current)?;
        self.release.check(chain, current, epoch)?;
        if is_signed(
            &self.successor,
            &epoch.keys,
            epoch.message(chain, Voice::Successor),
        ) {
            Ok(())
        } else {
            Err(SuccessionError::Successor)
        }
    }

    /// The envelope that `key` can publish.
    ///
    /// # Errors
    /// Never: the body is short.
    pub fn envelope(&self, key: XOnlyPublicKey) -> Result<Envelope, EnvelopeError> {
        Envelope::new(key, EnvelopeKind::Epoch, self.encode())
    }
}

/// The epochs of one chain in their order, each but the first announced by the one before it.
///
/// Every announcement in it was checked. That does not say that they have begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    chain: ChainId,
    first: Epoch,
    announcements: Vec<Announcement>,
}

impl Lineage {
    /// The first epoch of a chain, and none after it.
    #[must_use]
    pub fn new(chain: ChainId, first: Epoch) -> Self {
        let announcements = Vec::new();
        Self {
            chain,
            first,
            announcements,
        }
    }

    /// Adds the epoch that is announced.
    ///
    /// # Errors
    /// As [`Announcement::check`] for the last epoch, and [`SuccessionError::SameKeys`] if any epoch had this vault
    /// script; nothing was added then.
    pub fn follow(&mut self, announcement: Announcement) -> Result<(), SuccessionError> {
        announcement.check(self.chain, self.last())?;
        let script = announcement.epoch.keys.script_pubkey();
        if self.epochs().any(|epoch| epoch.keys.script_pubkey() == script) {
            return Err(SuccessionError::SameKeys);
        }
        self.announcements.push(announcement);
        Ok(())
    }

    /// What identifies an epoch on this chain.
    #[must_use]
    pub fn hash(&self, epoch: &Epoch) -> EpochHash {
        epoch.hash(self.chain)
    }

    /// The last epoch.
    #[must_use]
    pub fn last(&self) -> &Epoch {
        let last = self.announcements.last();
        last.map_or(&self.first, |announcement| &announcement.epoch)
    }

    fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        let later = self.announcements.iter().map(|announcement| &announcement.epoch);
        std::iter::once(&self.first).chain(later)
    }

    /// How the epochs after the first were announced.
    #[must_use]
    pub fn announcements(&self) -> &[Announcement] {
        &self.announcements
    }

    /// The same up to the last epoch whose vault has this script; nothing if none has.
    #[must_use]
    pub fn up_to(mut self, script: &Script) -> Option<Self> {
        while *self.last().keys.script_pubkey() != *script {
            self.announcements.pop()?;
        }
        Some(self)
    }

    /// The first epoch alone.
    #[must_use]
    pub fn origin(&self) -> Self {
        Self::new(self.chain, self.first.clone())
    }
}

/// Whether the key of the vault's output made this signature.
fn is_signed(signature: &Signature, keys: &VaultKeys, message: Message) -> bool {
    let key = keys.spend_info().output_key().to_x_only_public_key();
    secp().verify_schnorr(signature, &message, &key).is_ok()
}

impl Encode for Announcement {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.epoch.encode_to(out);
        self.release.encode_to(out);
        out.extend_from_slice(&self.successor.serialize());
    }
}

impl Decode for Announcement {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch::decode_from(reader)?,
            release: Release::decode_from(reader)?,
            successor: read_signature(reader)?,
        })
    }
}

/// The announcements in the inputs of a confirmed transaction whose bytes are sound.
pub fn announcements(tx: &TxInput) -> impl Iterator<Item = Announcement> + '_ {
    let wanted = |kind, length| kind == EnvelopeKind::Epoch && length <= MAX_ANNOUNCEMENT;
    envelopes(tx, wanted).filter_map(|(_, envelope)| Announcement::decode(envelope.body()).ok())
}

#[cfg(test)]
mod tests;
