//! Notes, their commitments, their positions and their nullifiers.
//!
//! `note = (v, d, pk_d, rcm)`, `inner = H[inner](pk_d, rcm)`, `cm = H[note](v, inner)`. A deposit
//! shows `inner` alone and so reveals no address. A nullifier depends on the position of the note
//! in the tree: two notes that are equal in every other way still have different nullifiers and are
//! both spendable. Specification: `docs/spec/notes.md`; R1CS twin: `note.rs` of `tacit-circuits`.

use std::fmt;
use zeroize::Zeroize;

use crate::address::{Address, Diversifier};
use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::field::{self, F};
use crate::hash::{B2, Label, Tag, hash};

mod nullifier;
mod position;

pub use nullifier::{NULLIFIER_BITS, Nullifier};
pub use position::{BATCH_BITS, LEAF_BITS, Position};

/// `inner = H[inner](pk_d, rcm)`: everything of a note but its amount.
#[must_use]
pub fn inner(pk_d: &F, rcm: &F) -> F {
    hash(Tag::Inner, &[*pk_d, *rcm])
}

/// Randomness of a payment or change note, `B2[Rcm](rseed, d, pk_d) → F`.
#[must_use]
pub fn payment_rcm(rseed: &[u8; 16], d: &Diversifier, pk_d: &F) -> F {
    B2::new(Label::Rcm)
        .bytes(rseed)
        .bytes(d.as_bytes())
        .field(pk_d)
        .to_field()
}

/// Randomness of the fee note of batch `b`: the number itself. Fee notes are public anyway.
#[must_use]
pub fn fee_rcm(batch: u32) -> F {
    F::from(batch)
}

/// A note: an amount that belongs to an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// Amount.
    pub v: Amount,
    /// Diversifier of the owner's address.
    pub d: Diversifier,
    /// Diversified key of the owner.
    pub pk_d: F,
    /// Randomness; three rules give it, for payments and change, for deposits and for fees.
    pub rcm: F,
}

impl Note {
    /// The payment or change note of `v` to `(d, pk_d)` that `rseed` determines.
    #[must_use]
    pub fn from_rseed(v: Amount, d: Diversifier, pk_d: F, rseed: &[u8; 16]) -> Self {
        Self {
            v,
            d,
            pk_d,
            rcm: payment_rcm(rseed, &d, &pk_d),
        }
    }

    /// The payment note of `v` to an address.
    #[must_use]
    pub fn payment(v: Amount, address: &Address, rseed: &[u8; 16]) -> Self {
        Self::from_rseed(v, *address.d(), address.pk_d(), rseed)
    }

    /// `inner = H[inner](pk_d, rcm)`.
    #[must_use]
    pub fn inner(&self) -> F {
        inner(&self.pk_d, &self.rcm)
    }

    /// `cm = H[note](v, inner)`.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment::new(self.v, &self.inner())
    }

    /// `nf = low(H[nf](nk + rcm, cm, pos), 160)`. The randomness is added to the key so that a
    /// leaked `nk` alone cannot test the public tree for notes of its owner.
    #[must_use]
    pub fn nullifier(&self, nk: &F, pos: Position) -> Nullifier {
        let digest = hash(
            Tag::Nullifier,
            &[*nk + self.rcm, self.commitment().0, pos.to_field()],
        );
        Nullifier::from_low_bits(&digest)
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({}, {})", self.v, self.commitment())
    }
}

impl Zeroize for Note {
    fn zeroize(&mut self) {
        self.v = Amount::ZERO;
        self.d = Diversifier::new([0; 8]);
        self.pk_d.zeroize();
        self.rcm.zeroize();
    }
}

/// The commitment to a note: a leaf of the note tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment(F);

impl Commitment {
    /// `cm = H[note](v, inner)`.
    #[must_use]
    pub fn new(v: Amount, inner: &F) -> Self {
        Self(hash(Tag::Note, &[v.to_field(), *inner]))
    }

    /// Takes a field element as a commitment; nothing says that a note is behind it.
    #[must_use]
    pub fn from_field(cm: F) -> Self {
        Self(cm)
    }

    /// The field element.
    #[must_use]
    pub fn to_field(self) -> F {
        self.0
    }

    /// The 32 canonical bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 32] {
        field::to_bytes(&self.0)
    }
}

impl Encode for Commitment {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}

impl Decode for Commitment {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.field().map(Self)
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({self})")
    }
}

#[cfg(test)]
mod tests;
