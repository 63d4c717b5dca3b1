//! Transforms agree with arkworks at every size.

use ark_ff::UniformRand;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};

use super::super::engine::{Emulated, Plain};
use super::*;

fn check<E: Engine>(log: u32) {
    let size = 1usize << log;
    let mut rng = crate::testing::rng(u64::from(log));
    let values: Vec<F> = (0..size).map(|_| F::rand(&mut rng)).collect();
    let ours = Domain::new(size);
    assert_eq!(ours.size(), size);
    let mut result: Vec<Value> = values.iter().map(|x| Value::new(x.0.0)).collect();
    ours.to_odd_coset::<E>(&mut result);

    let domain = Radix2EvaluationDomain::<F>::new(size).unwrap();
    let coset = domain
        .get_coset(F::get_root_of_unity(2 * size as u64).unwrap())
        .unwrap();
    let expected = coset.fft(&domain.ifft(&values));
    for (i, (result, expected)) in result.iter().zip(expected).enumerate() {
        let scaled = expected * F::from(size as u64);
        assert_eq!(*result, Value::new(scaled.0.0), "value {i} of 2^{log}");
    }
}

#[test]
fn transforms_of_every_small_size_agree_with_arkworks() {
    for log in 0..=10 {
        check::<Plain>(log);
    }
}

#[test]
fn transforms_larger_than_a_cache_agree_with_arkworks() {
    for log in [15, 16] {
        check::<Plain>(log);
    }
}

#[test]
fn transforms_over_eight_lanes_agree_with_arkworks() {
    for log in [0, 1, 2, 3, 4, 5, 9] {
        check::<Emulated>(log);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn transforms_with_special_instructions_agree_with_arkworks() {
    for log in [1, 2, 5, 12] {
        if super::super::field::adx::is_available() {
            check::<super::super::engine::TwoCarries>(log);
        }
        if super::super::field::ifma::is_available() {
            check::<super::super::engine::Vectors>(log);
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn transforms_over_eight_vector_lanes_alone_agree_with_arkworks() {
    if super::super::field::ifma::is_available() {
        for log in [0, 1, 2, 3, 4, 5, 9, 12] {
            check::<super::super::engine::VectorsAlone>(log);
        }
    }
}
