//! Keys whose secrets are known, for tests: they simulate a proof of any public inputs.
//!
//! With the secrets a prover solves the verification equation for `C`, so tests of everything that
//! stands behind the verifier need neither a circuit nor a proving key. Such a key proves nothing.

use ark_bn254::{G1Projective, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::Field;
use tacit_protocol::F;
use tacit_protocol::hash::{B2, Label};

use super::{Proof, VerifyingKey};

/// A key with its secrets, derived from a seed.
#[derive(Clone, Debug)]
pub struct TrapdoorKey {
    alpha: F,
    beta: F,
    gamma: F,
    delta: F,
    ic: Vec<F>,
}

impl TrapdoorKey {
    /// The key of a seed, for `n_public` public inputs.
    #[must_use]
    pub fn new(seed: u64, n_public: usize) -> Self {
        let secret = |i: u64| {
            B2::new(Label::DevSetup)
                .bytes(b"trapdoor")
                .u64(seed)
                .u64(i)
                .to_field()
        };
        let [alpha, beta, gamma, delta] = [0, 1, 2, 3].map(secret);
        Self {
            alpha,
            beta,
            gamma,
            delta,
            ic: (4..).map(secret).take(n_public + 1).collect(),
        }
    }

    /// The verifying key.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        let (g1, g2) = (G1Projective::generator(), G2Projective::generator());
        let ic: Vec<_> = self.ic.iter().map(|k| g1 * k).collect();
        let [beta, gamma, delta] = [self.beta, self.gamma, self.delta].map(|k| (g2 * k).into_affine());
        VerifyingKey::new(
            (g1 * self.alpha).into_affine(),
            beta,
            gamma,
            delta,
            G1Projective::normalize_batch(&ic),
        )
    }

    /// A proof that verifies for `public`, another one for every `salt`.
    ///
    /// # Panics
    /// If there are not as many public inputs as the key was made for.
    #[must_use]
    pub fn simulate(&self, public: &[F], salt: u64) -> Proof {
        assert_eq!(public.len() + 1, self.ic.len(), "the key's public inputs");
        let random = |i: u64| {
            B2::new(Label::DevSetup)
                .bytes(b"simulate")
                .u64(salt)
                .u64(i)
                .to_field()
        };
        let (a, b) = (random(0), random(1));
        let inputs = self.ic[1..]
            .iter()
            .zip(public)
            .fold(self.ic[0], |sum, (k, x)| sum + *k * x);
        let inverse = self.delta.inverse().expect("a hash is not zero");
        let c = (a * b - self.alpha * self.beta - inputs * self.gamma) * inverse;
        let (g1, g2) = (G1Projective::generator(), G2Projective::generator());
        Proof::new(
            (g1 * a).into_affine(),
            (g2 * b).into_affine(),
            (g1 * c).into_affine(),
        )
        .expect("multiples of the generators by hashes")
    }
}
