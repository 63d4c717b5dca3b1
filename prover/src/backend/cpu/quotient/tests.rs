//! The values on the odd coset are the reference engine's.

use ark_ff::UniformRand;
use tacit_circuits::r1cs::Statement;

use super::super::engine::{Emulated, Plain};
use super::*;
use crate::backend::reference::qap;
use crate::progress::Silent;
use crate::{setup, testing};

#[test]
fn odd_values_are_those_of_the_reference() {
    let assignment = testing::powers().assignment();
    let size = setup::domain_size(assignment.az.len(), assignment.public.len()).unwrap();
    let expected = qap::odd_values(&assignment, size, &Silent);
    let values = odd_values::<Plain>(&assignment, &Domain::new(size), &Silent);
    assert_eq!(values.len(), expected.len());
    assert_eq!(
        values,
        odd_values::<Emulated>(&assignment, &Domain::new(size), &Silent)
    );
    for (value, expected) in values.iter().zip(expected) {
        assert_eq!(*value, expected.into_bigint().0);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn odd_values_over_eight_vector_lanes_alone_are_those_of_one_lane() {
    use super::super::engine::VectorsAlone;
    if super::super::field::ifma::is_available() {
        let assignment = testing::powers().assignment();
        let size = setup::domain_size(assignment.az.len(), assignment.public.len()).unwrap();
        assert_eq!(
            odd_values::<VectorsAlone>(&assignment, &Domain::new(size), &Silent),
            odd_values::<Plain>(&assignment, &Domain::new(size), &Silent)
        );
        let (public, witness) = (&assignment.public, &assignment.witness);
        assert_eq!(
            standard::<VectorsAlone>(public, witness),
            standard::<Plain>(public, witness)
        );
    }
}

#[test]
fn standard_forms_are_those_of_arkworks() {
    let mut rng = testing::rng(3);
    let values: Vec<F> = [F::from(0u64), F::ONE, -F::ONE]
        .into_iter()
        .chain((0..100).map(|_| F::rand(&mut rng)))
        .collect();
    assert_eq!(
        standard::<Emulated>(&values[..7], &values[7..]),
        standard::<Plain>(&values, &[])
    );
    for (standard, value) in standard::<Plain>(&values[..7], &values[7..]).iter().zip(&values) {
        assert_eq!(*standard, value.into_bigint().0);
    }
}
