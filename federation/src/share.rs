//! What comes out of a key generation: the group's key, which everybody may know, and a member's share,
//! in memory, as bytes, and on disk ([`ShareFile`]).
//! Specification: `docs/spec/federation.md`.

use std::fmt;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::key::TapTweak;
use bitcoin::secp256k1::{Secp256k1, Verification};
use bitcoin::{PublicKey, XOnlyPublicKey};
use frost_secp256k1_tr::VerifyingKey;
use frost_secp256k1_tr::keys::{KeyPackage, PublicKeyPackage, VerifyingShare};
use tacit_protocol::encoding::{DecodeError, Reader};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::roster::{MemberId, Roster, RosterError};
use crate::signer::Tweak;
use crate::wire::Message;

mod file;
mod group;

pub use file::{ShareFile, ShareFileError, Stored};

const MAGIC: &[u8; 8] = b"tacitshr";
const VERSION: u16 = 1;

/// Why bytes are not a share, or parts do not belong together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ShareError {
    /// Other bytes than a share's.
    #[error("this is no key share of a member: {0}")]
    Magic(&'static str),
    /// Other bytes than a group's.
    #[error(
        "this is no group key of a federation: it begins with other bytes; pass the file that `tacit federation join` wrote"
    )]
    NotAGroup,
    /// A version that this program does not know.
    #[error("the share has version {0}, this program knows {VERSION}; use the program that wrote it")]
    Version(u16),
    /// Cut off, or with bytes behind its end.
    #[error("the share is damaged: {0}; restore it from its backup")]
    Encoding(#[from] DecodeError),
    /// Impossible members.
    #[error("the share is damaged: {0}; restore it from its backup")]
    Roster(#[from] RosterError),
    /// A part that does not fit the others.
    #[error("the share is damaged: {0} does not belong to the rest; restore it from its backup")]
    Inconsistent(&'static str),
}

/// The public part: members, their verifying shares, and the key they have together.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupKey {
    roster: Roster,
    public: PublicKeyPackage,
    internal: XOnlyPublicKey,
}

impl GroupKey {
    fn new(roster: Roster, public: PublicKeyPackage) -> Result<Self, ShareError> {
        let members: Vec<_> = roster.members().map(MemberId::identifier).collect();
        let known = public.verifying_shares();
        if known.len() != members.len() || !members.iter().all(|member| known.contains_key(member)) {
            return Err(ShareError::Inconsistent("the members' verifying shares"));
        }
        if public.min_signers() != Some(roster.threshold()) {
            return Err(ShareError::Inconsistent("the threshold"));
        }
        let internal = x_only(public.verifying_key()).ok_or(ShareError::Inconsistent("the group's key"))?;
        Ok(Self {
            roster,
            public,
            internal,
        })
    }

    /// The members.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The key that Taproot outputs are made from.
    #[must_use]
    pub fn internal_key(&self) -> XOnlyPublicKey {
        self.internal
    }

    /// What signatures under the group's key, so tweaked, verify against.
    #[must_use]
    pub fn key_under(&self, secp: &Secp256k1<impl Verification>, tweak: &Tweak) -> XOnlyPublicKey {
        match tweak {
            Tweak::Untweaked => self.internal,
            Tweak::Taproot(root) => self.internal.tap_tweak(secp, *root).0.to_x_only_public_key(),
        }
    }

    pub(crate) fn public(&self) -> &PublicKeyPackage {
        &self.public
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} for {}",
            self.roster.threshold(),
            self.roster.size(),
            self.internal
        )
    }
}

fn x_only(key: &VerifyingKey) -> Option<XOnlyPublicKey> {
    let bytes = key.serialize().ok()?;
    Some(PublicKey::from_slice(&bytes).ok()?.inner.x_only_public_key().0)
}

/// A member's share of the key. Secret; has no debug output.
pub struct KeyShare {
    group: GroupKey,
    member: MemberId,
    key: KeyPackage,
}

impl KeyShare {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`ShareError::Inconsistent`].
    pub(crate) fn new(
        roster: Roster,
        member: MemberId,
        key: KeyPackage,
        public: PublicKeyPackage,
    ) -> Result<Self, ShareError> {
        let group = GroupKey::new(roster, public)?;
        if !group.roster.has(member) || *key.identifier() != member.identifier() {
            return Err(ShareError::Inconsistent("the member's number"));
        }
        if *key.min_signers() != group.roster.threshold() {
            return Err(ShareError::Inconsistent("the threshold"));
        }
        if key.verifying_key() != group.public.verifying_key() {
            return Err(ShareError::Inconsistent("the group's key"));
        }
        let verifying = VerifyingShare::from(*key.signing_share());
        if verifying != *key.verifying_share()
            || group.public.verifying_shares().get(key.identifier()) != Some(&verifying)
        {
            return Err(ShareError::Inconsistent("the secret"));
        }
        Ok(Self { group, member, key })
    }

    /// The group's key.
    #[must_use]
    pub fn group(&self) -> &GroupKey {
        &self.group
    }

    /// The members.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.group.roster
    }

    /// Whose share it is.
    #[must_use]
    pub fn member(&self) -> MemberId {
        self.member
    }

    pub(crate) fn key(&self) -> &KeyPackage {
        &self.key
    }

    /// All of it as bytes, secret and unencrypted; [`ShareFile`] encrypts them.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        framed(MAGIC, |out| {
            put_roster(out, self.roster());
            out.extend_from_slice(&self.member.number().to_le_bytes());
            put(out, &Zeroizing::new(self.key.encode()));
            put(out, &self.group.public.encode());
        })
    }

    /// From the bytes of [`KeyShare::to_bytes`] and no others.
    ///
    /// # Errors
    /// [`ShareError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let foreign = ShareError::Magic("it begins with other bytes");
        let (roster, member, key, public) = unframed(MAGIC, foreign, bytes, |reader| {
            let roster = read_roster(reader)?;
            let member =
                MemberId::new(reader.u16()?).ok_or(ShareError::Inconsistent("the member's number"))?;
            let key = KeyPackage::decode(get(reader)?).map_err(|_| ShareError::Inconsistent("the secret"))?;
            Ok((roster, member, key, read_public(reader)?))
        })?;
        Self::new(roster, member, key, public)
    }
}

/// Magic and version, what `write` puts behind them, and a checksum of all that.
fn framed(magic: &[u8; 8], write: impl FnOnce(&mut Vec<u8>)) -> Zeroizing<Vec<u8>> {
    // In one place: growing would leave copies of a secret behind.
    let mut out = Zeroizing::new(Vec::with_capacity(16 * 1024));
    out.extend_from_slice(magic);
    out.extend_from_slice(&VERSION.to_le_bytes());
    write(&mut out);
    let checksum = sha256::Hash::hash(&out);
    out.extend_from_slice(checksum.as_ref());
    out
}

/// What `read` makes of bytes that [`framed`] put together; other magic is the error `foreign`.
fn unframed<T>(
    magic: &[u8; 8],
    foreign: ShareError,
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, ShareError>,
) -> Result<T, ShareError> {
    let mut reader = Reader::new(bytes);
    if reader.take(magic.len()).ok() != Some(magic) {
        return Err(foreign);
    }
    let version = reader.u16()?;
    if version != VERSION {
        return Err(ShareError::Version(version));
    }
    let content = read(&mut reader)?;
    let summed = &bytes[..bytes.len() - reader.remaining()];
    let checksum: [u8; 32] = reader.array()?;
    reader.finish()?;
    if sha256::Hash::hash(summed).to_byte_array() != checksum {
        return Err(ShareError::Inconsistent("its checksum"));
    }
    Ok(content)
}

fn read_public(reader: &mut Reader<'_>) -> Result<PublicKeyPackage, ShareError> {
    PublicKeyPackage::decode(get(reader)?).map_err(|_| ShareError::Inconsistent("the group's key"))
}

fn put_roster(out: &mut Vec<u8>, roster: &Roster) {
    out.extend_from_slice(&roster.threshold().to_le_bytes());
    out.extend_from_slice(&roster.size().to_le_bytes());
    for name in roster.names() {
        put(out, name.as_bytes());
    }
}

fn read_roster(reader: &mut Reader<'_>) -> Result<Roster, ShareError> {
    let (threshold, members) = (reader.u16()?, reader.u16()?);
    let mut names = Vec::new();
    for _ in 0..members {
        let name = std::str::from_utf8(get(reader)?);
        names.push(name.map_err(|_| ShareError::Inconsistent("a name"))?.to_owned());
    }
    Ok(Roster::new(threshold, names)?)
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("parts of a share are short");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn get<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let length = reader.u16()?;
    reader.take(usize::from(length))
}

#[cfg(test)]
mod tests;
