//! The last step of every engine: five sums and two blinding factors make the proof.

use ark_bn254::{G1Projective, G2Projective};
use ark_ec::CurveGroup;
use tacit_verifier::groth16::Proof;

use super::Blinding;
use crate::ProveError;
use crate::keys::Parts;

/// The multi-scalar multiplications of a proof.
pub(super) struct Sums {
    /// `Σ z_i·A_i(τ)`.
    pub(super) a: G1Projective,
    /// `Σ z_i·B_i(τ)` in G1.
    pub(super) b_g1: G1Projective,
    /// The same in G2.
    pub(super) b_g2: G2Projective,
    /// `Σ z_i·L_i` over the witness.
    pub(super) l: G1Projective,
    /// `Σ p_k·H_k`.
    pub(super) h: G1Projective,
}

impl Sums {
    /// The proof, as [`super::reference`] writes it down.
    ///
    /// # Errors
    /// [`ProveError::SelfVerification`], naming `engine`, if a point of it is the identity.
    pub(super) fn proof(self, parts: &Parts, blinding: Blinding, engine: &str) -> Result<Proof, ProveError> {
        let Blinding { r, s } = blinding;
        let delta = G1Projective::from(parts.delta_g1);
        let a = self.a + parts.vk.alpha_g1() + delta * r;
        let b1 = self.b_g1 + parts.beta_g1 + delta * s;
        let b2 = self.b_g2 + parts.vk.beta_g2() + parts.vk.delta_g2() * s;
        let c = self.l + self.h + a * s + b1 * r - delta * (r * s);
        Proof::new(a.into_affine(), b2.into_affine(), c.into_affine()).map_err(|_| {
            ProveError::SelfVerification {
                engine: engine.to_owned(),
            }
        })
    }
}
