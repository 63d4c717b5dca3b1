//! Viewing keys: what a watch-only receiver and an auditor hold.

use ark_ed_on_bn254::EdwardsAffine;
use curve25519_dalek::Scalar;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{KeyError, check_point, cipher, decode_point, encode_point};
use crate::address::{Address, Diversifier};
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::F;
use crate::hash::{Tag, hash};

/// The number whose diversifier the account keeps for itself: change, deposits and fee notes.
const INTERNAL_INDEX: u64 = u64::MAX;

/// Sees everything an account does and spends nothing: `(ak, nk, ivk, dk, ovk)`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FullViewingKey {
    ak: EdwardsAffine,
    nk: F,
    ovk: [u8; 32],
    incoming: IncomingViewingKey,
}

impl FullViewingKey {
    /// Assembles a key from its parts.
    ///
    /// # Errors
    /// [`KeyError::SpendAuthority`] if `ak` is off the curve, outside the subgroup or the identity;
    /// [`KeyError::ZeroIncomingScalar`].
    pub fn from_parts(
        ak: EdwardsAffine,
        nk: F,
        ivk: Scalar,
        dk: [u8; 32],
        ovk: [u8; 32],
    ) -> Result<Self, KeyError> {
        check_point(&ak)?;
        let incoming = IncomingViewingKey::from_parts(owner_key(&ak, &nk), ivk, dk)?;
        Ok(Self {
            ak,
            nk,
            ovk,
            incoming,
        })
    }

    /// The public half of the spend key.
    pub fn ak(&self) -> EdwardsAffine {
        self.ak
    }

    /// The key that derives nullifiers.
    #[must_use]
    pub fn nk(&self) -> F {
        self.nk
    }

    /// The owner key `ok = H[own](ak.x, ak.y, nk)`, never published.
    #[must_use]
    pub fn ok(&self) -> F {
        self.incoming.ok
    }

    /// The key that recovers change and payments sent.
    #[must_use]
    pub fn ovk(&self) -> &[u8; 32] {
        &self.ovk
    }

    /// The incoming viewing key inside this key.
    #[must_use]
    pub fn incoming(&self) -> &IncomingViewingKey {
        &self.incoming
    }
}

/// `ok = H[own](ak.x, ak.y, nk)`: binds the spend key and the nullifier key to one owner.
fn owner_key(ak: &EdwardsAffine, nk: &F) -> F {
    hash(Tag::Own, &[ak.x, ak.y, *nk])
}

impl fmt::Debug for FullViewingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FullViewingKey(..)")
    }
}

impl Encode for FullViewingKey {
    fn encode_to(&self, out: &mut Vec<u8>) {
        encode_point(&self.ak, out);
        out.extend_from_slice(&crate::field::to_bytes(&self.nk));
        out.extend_from_slice(self.incoming.ivk.as_bytes());
        out.extend_from_slice(&self.incoming.dk);
        out.extend_from_slice(&self.ovk);
    }
}

impl Decode for FullViewingKey {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ak = decode_point(reader, "ak")?;
        let nk = reader.field()?;
        let ivk = read_ivk(reader)?;
        let (dk, ovk) = (reader.array()?, reader.array()?);
        let incoming = IncomingViewingKey {
            ok: owner_key(&ak, &nk),
            ivk,
            dk,
        };
        Ok(Self {
            ak,
            nk,
            ovk,
            incoming,
        })
    }
}

/// Finds incoming notes and makes addresses: `(ok, ivk, dk)`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct IncomingViewingKey {
    ok: F,
    ivk: Scalar,
    dk: [u8; 32],
}

impl IncomingViewingKey {
    /// Assembles a key from its parts.
    ///
    /// # Errors
    /// [`KeyError::ZeroIncomingScalar`]: every `P_d` would be the identity.
    pub fn from_parts(ok: F, ivk: Scalar, dk: [u8; 32]) -> Result<Self, KeyError> {
        if ivk == Scalar::ZERO {
            return Err(KeyError::ZeroIncomingScalar);
        }
        Ok(Self { ok, ivk, dk })
    }

    /// The owner key.
    #[must_use]
    pub fn ok(&self) -> F {
        self.ok
    }

    /// The ristretto255 scalar that opens payments.
    #[must_use]
    pub fn ivk(&self) -> &Scalar {
        &self.ivk
    }

    /// The diversifier of address number `index`; `u64::MAX` is the internal one.
    #[must_use]
    pub fn diversifier(&self, index: u64) -> Diversifier {
        Diversifier::from_u64(cipher::encipher(&self.dk, index))
    }

    /// The number of the address a diversifier belongs to. Every diversifier has one; only finding
    /// it on a note of one's own says that the address was really made.
    #[must_use]
    pub fn index_of(&self, d: &Diversifier) -> u64 {
        cipher::decipher(&self.dk, d.to_u64())
    }

    /// `pk_d = H[addr](ok, d)`.
    #[must_use]
    pub fn pk_d(&self, d: &Diversifier) -> F {
        hash(Tag::Addr, &[self.ok, d.to_field()])
    }

    /// Address number `index`, to be handed out.
    ///
    /// # Panics
    /// If `index` is `u64::MAX`, which is kept for the account's own notes.
    #[must_use]
    pub fn address(&self, index: u64) -> Address {
        assert!(index != INTERNAL_INDEX, "address number u64::MAX is internal");
        self.address_at(self.diversifier(index))
    }

    /// The diversifier of the account's own notes: change, deposits and fees. Never handed out.
    #[must_use]
    pub fn internal_diversifier(&self) -> Diversifier {
        self.diversifier(INTERNAL_INDEX)
    }

    /// `pk_d` of the account's own notes.
    #[must_use]
    pub fn internal_pk_d(&self) -> F {
        self.pk_d(&self.internal_diversifier())
    }

    /// The account's own address, for the zero-value self-payment of a transfer that pays nobody.
    #[must_use]
    pub fn internal_address(&self) -> Address {
        self.address_at(self.internal_diversifier())
    }

    fn address_at(&self, d: Diversifier) -> Address {
        Address::from_point(d, self.pk_d(&d), &(d.g_d() * self.ivk))
            .expect("a non-zero multiple of a hash to the group is not the identity")
    }
}

impl fmt::Debug for IncomingViewingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IncomingViewingKey(..)")
    }
}

fn read_ivk(reader: &mut Reader<'_>) -> Result<Scalar, DecodeError> {
    Option::<Scalar>::from(Scalar::from_canonical_bytes(reader.array()?))
        .filter(|ivk| *ivk != Scalar::ZERO)
        .ok_or(DecodeError::NonCanonicalScalar)
}

impl Encode for IncomingViewingKey {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&crate::field::to_bytes(&self.ok));
        out.extend_from_slice(self.ivk.as_bytes());
        out.extend_from_slice(&self.dk);
    }
}

impl Decode for IncomingViewingKey {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ok = reader.field()?;
        let ivk = read_ivk(reader)?;
        Ok(Self {
            ok,
            ivk,
            dk: reader.array()?,
        })
    }
}
