//! Notes as constraints: twin of `tacit_protocol::note`.
//!
//! Specification: `docs/spec/notes.md`.

use tacit_protocol::hash::Tag;
use tacit_protocol::note::NULLIFIER_BITS;

use crate::bits::{Bit, low, pack};
use crate::hash::hash;
use crate::r1cs::{Cs, Num};

/// `inner = H[inner](pk_d, rcm)`; 264 constraints.
#[must_use]
pub fn inner(cs: &mut Cs, pk_d: &Num, rcm: &Num) -> Num {
    hash(cs, Tag::Inner, &[pk_d.clone(), rcm.clone()])
}

/// `cm = H[note](v, inner)`; 264 constraints.
#[must_use]
pub fn commitment(cs: &mut Cs, v: &Num, inner: &Num) -> Num {
    hash(cs, Tag::Note, &[v.clone(), inner.clone()])
}

/// `nf = low(H[nf](nk + rcm, cm, pos), 160)`, `pos` given by the bits that also choose its path.
#[must_use]
pub fn nullifier(cs: &mut Cs, nk: &Num, rcm: &Num, cm: &Num, position: &[Bit]) -> Num {
    let digest = hash(cs, Tag::Nullifier, &[nk + rcm, cm.clone(), pack(position)]);
    let (nf, _) = low(cs, &digest, NULLIFIER_BITS);
    nf
}
