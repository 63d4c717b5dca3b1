//! Epochs of the federation: the keys that hold the vault, and how they hand it over to the next ones.
//!
//! A federation is replaced in two steps. An *announcement*, an [envelope](crate::envelope) of its own
//! kind, names the keys of the next epoch. It is signed by the federation in office, so that nobody else
//! can announce one and whoever knows the first epoch can follow the chain of announcements without
//! Bitcoin, and by the federation to come, so that the vault never moves to keys that cannot sign. Then a
//! *rotation*, a vault transaction, moves the vault to them. Specification: `docs/spec/bitcoin.md`.

use std::fmt;
use std::str::FromStr;

use bitcoin::Script;
use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
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

/// The longest body of an announcement: number, key, two quorums, two signatures.
pub const MAX_ANNOUNCEMENT: usize = 4 + 32 + 2 * (1 + 6 + 32 * MAX_QUORUM_KEYS) + 2 * 64;

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
        let voice: &[u8] = match voice {
            Voice::Incumbent => b"incumbent",
            Voice::Successor => b"successor",
        };
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
    /// The vault would move to where it is.
    #[error("the next epoch has the keys of the present one")]
    SameKeys,
    /// The federation in office did not sign.
    #[error("the federation in office did not sign the next epoch")]
    Incumbent,
    /// The federation to come did not sign: nobody knows whether it can.
    #[error("the next federation did not sign its own epoch")]
    Successor,
}

/// The next epoch, signed by the federation in office and by the one to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The epoch announced.
    pub epoch: Epoch,
    /// By the key of the present vault output.
    pub incumbent: Signature,
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
        if !is_signed(
            &self.incumbent,
            &current.keys,
            epoch.message(chain, Voice::Incumbent),
        ) {
            return Err(SuccessionError::Incumbent);
        }
        if !is_signed(
            &self.successor,
            &epoch.keys,
            epoch.message(chain, Voice::Successor),
        ) {
            return Err(SuccessionError::Successor);
        }
        Ok(())
    }

    /// The envelope that `key` can publish.
    ///
    /// # Errors
    /// Never: the body is short.
    pub fn envelope(&self, key: bitcoin::XOnlyPublicKey) -> Result<Envelope, EnvelopeError> {
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
    /// As [`Announcement::check`] for the last epoch; nothing was added then.
    pub fn follow(&mut self, announcement: Announcement) -> Result<(), SuccessionError> {
        announcement.check(self.chain, self.last())?;
        self.announcements.push(announcement);
        Ok(())
    }

    /// The last epoch.
    #[must_use]
    pub fn last(&self) -> &Epoch {
        let last = self.announcements.last();
        last.map_or(&self.first, |announcement| &announcement.epoch)
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
        out.extend_from_slice(&self.incumbent.serialize());
        out.extend_from_slice(&self.successor.serialize());
    }
}

impl Decode for Announcement {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let epoch = Epoch::decode_from(reader)?;
        let mut signature = || {
            let bytes = reader.take(64)?;
            Signature::from_slice(bytes).map_err(|_| DecodeError::BadPoint("signature"))
        };
        Ok(Self {
            epoch,
            incumbent: signature()?,
            successor: signature()?,
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
