//! Spend signatures as constraints: twin of `tacit_protocol::signature`.
//!
//! The statement does not check `s·G = R + e·ak` for a given `R`: it computes `R = s·G − e·ak` from
//! the witnesses `e` and `s` and demands that the challenge hash of that `R` gives `e` back, which is
//! the same thing with one comparison. Specification: `docs/spec/transfer.md`.

use ark_ed_on_bn254::Fr as Scalar;
use tacit_protocol::F;
use tacit_protocol::hash::Tag;
use tacit_protocol::signature::CHALLENGE_BITS;

use crate::bits::{Bit, alloc_bits, bind_low};
use crate::curve::Point;
use crate::curve::fixed::mul_generator;
use crate::hash::hash;
use crate::keys::SpendAuthority;
use crate::r1cs::{Cs, Num};

/// A signature under a key, its challenge not yet compared.
#[derive(Clone, Debug)]
pub struct SignatureVar {
    r: Point,
    e: Vec<Bit>,
}

impl SignatureVar {
    /// Witnesses `(e, s)` and computes `R = s·G − e·ak`.
    ///
    /// `s` needs no canonical form: nothing but `s·G` reads it, `s + l` gives the same point, and no
    /// identifier depends on it.
    pub fn alloc(cs: &mut Cs, key: &SpendAuthority, e: u128, s: &Scalar) -> Self {
        let e = alloc_bits(cs, F::from(e), CHALLENGE_BITS);
        let response = mul_generator(cs, s);
        let part = key.half.mul_halved(cs, &key.ak, &e);
        Self {
            r: response.add(cs, &part.negate()),
            e,
        }
    }

    /// Enforces `e = low(H[chal](R.x, R.y, message), 128)`.
    pub fn verify(&self, cs: &mut Cs, message: &[Num; 7]) {
        let mut inputs = vec![self.r.x().clone(), self.r.y().clone()];
        inputs.extend_from_slice(message);
        let digest = hash(cs, Tag::Challenge, &inputs);
        bind_low(cs, &digest, &self.e);
    }
}
