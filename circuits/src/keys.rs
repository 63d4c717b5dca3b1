//! Account keys as constraints: twin of `tacit_protocol::keys`.
//!
//! Specification: `docs/spec/keys.md`.

use ark_ec::CurveGroup;
use ark_ec::models::CurveConfig;
use ark_ed_on_bn254::{EdwardsAffine, EdwardsConfig};
use tacit_protocol::hash::Tag;

use crate::curve::Point;
use crate::hash::hash;
use crate::r1cs::{Cs, Num};

/// The spend-authority key `ak` with its half, both derived from one witness.
///
/// The witness is `ak/8`, on the curve by its equation (3 constraints). Three doublings (15) make
/// `ak` out of it, which therefore lies in the prime-order subgroup whatever was witnessed. The
/// identity is not excluded: it would be a key that anybody can sign for, and harm only its owner.
#[derive(Clone, Debug)]
pub struct SpendAuthority {
    /// `ak/2`, up to the point of order two; [`Point::mul_halved`] needs it and does not care.
    pub half: Point,
    /// `ak`.
    pub ak: Point,
}

impl SpendAuthority {
    /// Witnesses `8·eighth`; 18 constraints.
    pub fn alloc(cs: &mut Cs, eighth: &EdwardsAffine) -> Self {
        let (half, ak) = Point::alloc(cs, eighth).mul_by_cofactor(cs);
        Self { half, ak }
    }
}

/// The witness for the key `ak`: the point of the prime-order group with `8·eighth = ak`.
pub fn eighth(ak: &EdwardsAffine) -> EdwardsAffine {
    (*ak * EdwardsConfig::COFACTOR_INV).into_affine()
}

/// `ok = H[own](ak.x, ak.y, nk)`; 264 constraints.
#[must_use]
pub fn owner(cs: &mut Cs, ak: &Point, nk: &Num) -> Num {
    hash(cs, Tag::Own, &[ak.x().clone(), ak.y().clone(), nk.clone()])
}

/// `pk_d = H[addr](ok, d)`; 264 constraints.
#[must_use]
pub fn pk_d(cs: &mut Cs, ok: &Num, d: &Num) -> Num {
    hash(cs, Tag::Addr, &[ok.clone(), d.clone()])
}

#[cfg(test)]
mod tests;
