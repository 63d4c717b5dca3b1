//! The reference engine passes the conformance checks, and its quotient is the textbook's.

use ark_ff::{AdditiveGroup, UniformRand, Zero};
use ark_poly::univariate::DensePolynomial;
use ark_poly::{DenseUVPolynomial, EvaluationDomain, Polynomial, Radix2EvaluationDomain};
use tacit_circuits::r1cs::Statement;

use super::super::conformance;
use super::*;
use crate::progress::Silent;
use crate::{setup, testing};

#[test]
fn reference_proofs_verify() {
    conformance::check_proofs_verify(&Reference);
}

#[test]
fn reference_proofs_are_deterministic_given_the_blinding() {
    conformance::check_proofs_equal_the_reference(&Reference);
}

#[test]
fn reference_makes_no_proof_of_a_broken_assignment() {
    conformance::check_broken_assignments_do_not_verify(&Reference);
}

#[test]
fn odd_values_are_those_of_the_polynomial_that_vanishes_on_the_domain() {
    let statement = testing::powers();
    let assignment = statement.assignment();
    let size = setup::domain_size(assignment.az.len(), assignment.public.len()).expect("a small domain");
    let values = qap::odd_values(&assignment, size, &Silent);

    let domain = Radix2EvaluationDomain::<F>::new(size).expect("a small domain");
    let polynomial = |values: &[F], tail: &[F]| {
        let mut values = [values, tail].concat();
        values.resize(size, F::ZERO);
        DensePolynomial::from_coefficients_vec(domain.ifft(&values))
    };
    let a = polynomial(&assignment.az, &assignment.public);
    let product = &a * &polynomial(&assignment.bz, &[]) - polynomial(&assignment.cz, &[]);
    let (quotient, remainder) = product.divide_by_vanishing_poly(domain);
    assert!(remainder.is_zero(), "a satisfied system");
    let doubled = Radix2EvaluationDomain::<F>::new(2 * size).expect("a small domain");
    for (k, value) in values.iter().enumerate() {
        let x = doubled.element(2 * k + 1);
        assert_eq!(*value, product.evaluate(&x), "point {k}");
        // The vanishing polynomial is −2 on the whole odd coset.
        assert_eq!(*value, quotient.evaluate(&x) * -F::from(2u64), "point {k}");
    }
}

#[test]
fn blinding_changes_every_element_of_a_proof() {
    let (key, assignment) = (testing::powers_key(), testing::powers().assignment());
    let mut rng = testing::rng(3);
    let mut prove = || {
        let blinding = Blinding {
            r: F::rand(&mut rng),
            s: F::rand(&mut rng),
        };
        Reference
            .prove(&key, &assignment, blinding, &Silent)
            .expect("a satisfied assignment")
    };
    let (one, two) = (prove(), prove());
    assert!(one.a() != two.a() && one.b() != two.b() && one.c() != two.c());
}
