//! Development keys are deterministic, bound to their circuit, and what the formulas say.

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use tacit_circuits::r1cs::{Cs, Statement};

use super::*;
use crate::progress::Silent;
use crate::testing;

/// `x² = y` where `y` is public, and as many squarings behind it.
struct Chain(usize);

impl Statement for Chain {
    fn synthesize(&self, cs: &mut Cs) {
        let _ = cs.public(F::from(9u64));
        let mut x = cs.alloc(F::from(3u64));
        for _ in 0..self.0 {
            x = cs.mul(&x, &x);
        }
    }
}

#[test]
fn development_key_is_the_same_every_time_and_another_for_another_circuit() {
    let key = |n: usize| development(&Chain(n).r1cs(), "chain", &Silent).expect("a sound key");
    assert_eq!(key(5).parts(), key(5).parts());
    assert_ne!(key(5).verifying_key().hash(), key(6).verifying_key().hash());
    assert!(key(5).is_insecure());
}

#[test]
fn development_key_is_pinned() {
    let key = development(&Chain(5).r1cs(), "chain", &Silent).expect("a sound key");
    let hash = hex::encode(key.verifying_key().hash());
    assert_eq!(
        hash,
        "fff50046199c86de3fbe3fe7240289372228440c58b90bd18eb7e5c259e7467f"
    );
}

#[test]
fn domain_holds_constraints_and_public_rows() {
    assert_eq!(domain_size(1, 1), Some(2));
    assert_eq!(domain_size(6, 2), Some(8));
    assert_eq!(domain_size(7, 2), Some(16));
    assert_eq!(domain_size((1 << 27) - 2, 2), Some(1 << 27));
    assert_eq!(
        domain_size(1 << 27, 2),
        None,
        "the doubled domain is beyond the field"
    );
    assert_eq!(domain_size(usize::MAX, 2), None);
}

#[test]
fn queries_hold_no_identity_and_no_variable_beyond_the_circuit() {
    let system = testing::powers().r1cs();
    let key = testing::powers_key();
    let parts = key.parts();
    assert!(
        parts
            .a
            .points()
            .points()
            .chain(parts.b_g1.points().points())
            .chain(parts.l.points().points())
            .all(|p| !p.is_zero())
    );
    assert!(
        parts.b_g1.points().len() < system.num_variables(),
        "some variables are on no B side"
    );
    let unused = u32::try_from(system.num_witness() - 1).expect("small");
    assert!(
        !parts.l.index().contains(&unused),
        "a variable that no constraint uses has no point"
    );
    assert_eq!(parts.h.len(), parts.sizes.domain);
    assert!(
        parts
            .h
            .points()
            .all(|p: ark_bn254::G1Affine| p.is_on_curve() && !p.is_zero())
    );
}

#[test]
fn points_are_the_formulas_at_tau() {
    let system = Chain(5).r1cs();
    let secrets = Secrets::draw(8, &mut testing::rng(4));
    let key = setup(
        &system,
        CircuitId::new("chain", system.digest()),
        &mut testing::rng(4),
        &Silent,
    );
    let key = key.expect("a sound key");
    let polynomials = evaluate(&system, 8, &secrets, &Silent);
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    let vk = key.verifying_key();
    assert_eq!(vk.alpha_g1(), g1 * secrets.alpha);
    assert_eq!(vk.beta_g2(), g2 * secrets.beta);
    assert_eq!(vk.ic()[1] * secrets.gamma, g1 * polynomials.abc[1]);
    for (i, point) in key
        .parts()
        .b_g2
        .index()
        .iter()
        .zip(key.parts().b_g2.points().points())
    {
        assert_eq!(point, g2 * polynomials.b[*i as usize]);
    }
    for (i, point) in key.parts().l.index().iter().zip(key.parts().l.points().points()) {
        let scalar = polynomials.abc[system.num_public() + *i as usize];
        assert_eq!(point * secrets.delta, g1 * scalar);
    }
    // Row 0 is (x, x, x₁): A of x at τ is the first Lagrange value plus nothing else.
    let domain = Radix2EvaluationDomain::<F>::new(8).expect("a small domain");
    let lagrange = domain.evaluate_all_lagrange_coefficients(secrets.tau);
    assert_eq!(polynomials.a[system.num_public()], lagrange[0]);
    // The rows behind the five constraints belong to the constant and the public input.
    assert_eq!(polynomials.a[..2], lagrange[5..7]);
}

#[test]
fn lagrange_values_of_the_odd_coset_interpolate_what_vanishes_on_the_even_one() {
    let (size, tau) = (8, F::from(123_456_789u64));
    let odd = odd_lagrange(size, tau);
    let doubled = Radix2EvaluationDomain::<F>::new(2 * size).expect("a small domain");
    // P(X) = (X^8 − 1)·(X^3 + 5)
    let p = |x: F| (x.pow([8]) - F::ONE) * (x.pow([3]) + F::from(5u64));
    let sum: F = odd
        .iter()
        .enumerate()
        .map(|(k, l)| *l * p(doubled.element(2 * k + 1)))
        .sum();
    assert_eq!(sum, p(tau));
}
