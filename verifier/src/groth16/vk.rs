//! Verifying keys: canonical bytes, hash and rules.

use ark_bn254::{G1Affine, G2Affine, g1, g2};
use ark_ec::AffineRepr;
use tacit_protocol::DecodeError;
use tacit_protocol::encoding::{Decode, Encode, Reader};
use tacit_protocol::hash::{B2, Label};
use thiserror::Error;

use super::point;

/// A rule that a verifying key breaks. A key that breaks one can be forged against.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum KeyRule {
    /// γ = δ: the circuit-specific part of the set-up was skipped and anybody can forge.
    #[error("gamma equals delta: the second phase of the set-up is missing")]
    GammaEqualsDelta,
    /// A point is the identity.
    #[error("{0} of the verifying key is the identity")]
    Identity(&'static str),
    /// A point is off its curve or outside the prime-order subgroup.
    #[error("{0} of the verifying key is outside its group")]
    OutsideGroup(&'static str),
    /// The number of IC points does not fit the circuit.
    #[error("the verifying key has {found} IC points, the circuit needs {expected}")]
    IcLength {
        /// Public inputs plus one.
        expected: usize,
        /// Points found.
        found: usize,
    },
}

/// A Groth16 verifying key.
///
/// Bytes: `α` (32), `β` (64), `γ` (64), `δ` (64), number of IC points (`u16`), IC (32 each), all
/// compressed. Holding one proves nothing about it: [`VerifyingKey::validate`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    alpha_g1: G1Affine,
    beta_g2: G2Affine,
    gamma_g2: G2Affine,
    delta_g2: G2Affine,
    ic: Vec<G1Affine>,
}

impl VerifyingKey {
    /// Most IC points a key can have.
    pub const MAX_IC: usize = u16::MAX as usize;

    /// A key from its points, unchecked.
    ///
    /// # Panics
    /// If there are more than [`VerifyingKey::MAX_IC`] IC points.
    #[must_use]
    pub fn new(
        alpha_g1: G1Affine,
        beta_g2: G2Affine,
        gamma_g2: G2Affine,
        delta_g2: G2Affine,
        ic: Vec<G1Affine>,
    ) -> Self {
        assert!(
            ic.len() <= Self::MAX_IC,
            "a circuit has fewer than 2^16 public inputs"
        );
        Self {
            alpha_g1,
            beta_g2,
            gamma_g2,
            delta_g2,
            ic,
        }
    }

    /// `α` in G1.
    pub fn alpha_g1(&self) -> G1Affine {
        self.alpha_g1
    }

    /// `β` in G2.
    pub fn beta_g2(&self) -> G2Affine {
        self.beta_g2
    }

    /// `γ` in G2.
    pub fn gamma_g2(&self) -> G2Affine {
        self.gamma_g2
    }

    /// `δ` in G2.
    pub fn delta_g2(&self) -> G2Affine {
        self.delta_g2
    }

    /// `IC_0 … IC_n`, one point for the constant and one per public input.
    pub fn ic(&self) -> &[G1Affine] {
        &self.ic
    }

    /// The hash of the canonical bytes, to be pinned.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        B2::new(Label::VerifyingKey).bytes(&self.encode()).finish32()
    }

    /// Checks every rule for a circuit with `n_public` public inputs.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, n_public: usize) -> Result<(), KeyRule> {
        if self.ic.len() != n_public + 1 {
            return Err(KeyRule::IcLength {
                expected: n_public + 1,
                found: self.ic.len(),
            });
        }
        let g1 = std::iter::once((&self.alpha_g1, "alpha")).chain(self.ic.iter().map(|p| (p, "IC")));
        for (p, name) in g1 {
            check(p.is_zero(), point::is_sound(p), name)?;
        }
        for (p, name) in [
            (&self.beta_g2, "beta"),
            (&self.gamma_g2, "gamma"),
            (&self.delta_g2, "delta"),
        ] {
            check(p.is_zero(), point::is_sound(p), name)?;
        }
        if self.gamma_g2 == self.delta_g2 {
            Err(KeyRule::GammaEqualsDelta)
        } else {
            Ok(())
        }
    }
}

fn check(identity: bool, sound: bool, name: &'static str) -> Result<(), KeyRule> {
    match (identity, sound) {
        (true, _) => Err(KeyRule::Identity(name)),
        (false, false) => Err(KeyRule::OutsideGroup(name)),
        (false, true) => Ok(()),
    }
}

impl Encode for VerifyingKey {
    fn encode_to(&self, out: &mut Vec<u8>) {
        point::encode(&self.alpha_g1, out);
        point::encode(&self.beta_g2, out);
        point::encode(&self.gamma_g2, out);
        point::encode(&self.delta_g2, out);
        let count = u16::try_from(self.ic.len()).expect("bounded by the constructor");
        out.extend_from_slice(&count.to_le_bytes());
        for p in &self.ic {
            point::encode(p, out);
        }
    }
}

impl Decode for VerifyingKey {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let alpha_g1 = point::decode::<g1::Config>(reader, "alpha")?;
        let beta_g2 = point::decode::<g2::Config>(reader, "beta")?;
        let gamma_g2 = point::decode::<g2::Config>(reader, "gamma")?;
        let delta_g2 = point::decode::<g2::Config>(reader, "delta")?;
        let count = reader.u16()?;
        let mut ic = Vec::new();
        for _ in 0..count {
            ic.push(point::decode::<g1::Config>(reader, "IC")?);
        }
        Ok(Self {
            alpha_g1,
            beta_g2,
            gamma_g2,
            delta_g2,
            ic,
        })
    }
}
