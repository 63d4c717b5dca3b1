//! Multiplications agree with arkworks for every engine and every distribution of scalars.

use ark_bn254::{g1, g2};
use ark_ec::scalar_mul::variable_base::VariableBaseMSM;
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::{Field, PrimeField, UniformRand};
use tacit_protocol::F;

use super::super::engine::{Emulated, Plain};
#[cfg(target_arch = "x86_64")]
use super::super::engine::{FusedDoubles, TwoCarries, Vectors};
use super::*;

fn random_points<G: Group>(n: usize, seed: u64) -> Vec<Affine<G>> {
    let mut rng = crate::testing::rng(seed);
    let generator = Projective::<G>::generator();
    (0..n)
        .map(|_| (generator * F::rand(&mut rng)).into_affine())
        .collect()
}

fn run<G: Group, E: Engine>(bases: &[Affine<G>], scalars: &[F], parallel: usize) -> Projective<G> {
    let table: Vec<Limbs> = bases.iter().flat_map(crate::testing::limbs).collect();
    // The scalars stand in reverse, so that the index matters.
    let reversed: Vec<Limbs> = scalars.iter().rev().map(|s| s.into_bigint().0).collect();
    let index: Vec<u32> = (0..u32::try_from(bases.len()).unwrap()).rev().collect();
    let terms = Terms {
        bases: &table,
        index: Some(&index),
        scalars: &reversed,
    };
    let msm = Msm::<G>::new(terms, parallel);
    msm.finish(
        (0..msm.tasks())
            .map(|task| msm.run::<E>(task))
            .collect::<Vec<_>>(),
    )
}

fn check<G: Group>(bases: &[Affine<G>], scalars: &[F]) {
    let expected = Projective::<G>::msm(bases, scalars).expect("as many scalars as bases");
    for parallel in [1, 64] {
        assert_eq!(run::<G, Plain>(bases, scalars, parallel), expected);
        #[cfg(target_arch = "x86_64")]
        if super::super::field::adx::is_available() {
            assert_eq!(run::<G, TwoCarries>(bases, scalars, parallel), expected);
        }
        #[cfg(target_arch = "x86_64")]
        if super::super::field::quartet::is_available() {
            assert_eq!(run::<G, FusedDoubles>(bases, scalars, parallel), expected);
        }
        #[cfg(target_arch = "x86_64")]
        if super::super::field::ifma::is_available() {
            assert_eq!(run::<G, Vectors>(bases, scalars, parallel), expected);
        }
    }
    if bases.len() < 1000 {
        assert_eq!(run::<G, Emulated>(bases, scalars, 1), expected);
    }
}

/// Random scalars with zeros, ones and the edges of the field among them.
fn scalars(n: usize) -> Vec<F> {
    let mut rng = crate::testing::rng(8);
    (0..n)
        .map(|i| match i % 8 {
            0 => F::from(0u64),
            1 => F::ONE,
            2 => -F::ONE,
            3 => F::from(2u64),
            4 => F::from(u64::MAX),
            _ => F::rand(&mut rng),
        })
        .collect()
}

#[test]
fn sums_of_no_few_and_many_points_agree_in_g1() {
    for n in [0, 1, 2, 3, 33, 700] {
        check::<g1::Config>(&random_points(n, 1), &scalars(n));
    }
}

#[test]
fn sums_of_no_few_and_many_points_agree_in_g2() {
    for n in [0, 1, 2, 150] {
        check::<g2::Config>(&random_points(n, 2), &scalars(n));
    }
}

#[test]
fn one_scalar_for_all_fills_one_bucket_beyond_a_chunk() {
    let bases = random_points::<g1::Config>(5000, 3);
    check(&bases, &vec![F::from(12_345_678_901u64); 5000]);
    check(&bases, &vec![F::ONE; 5000]);
}

#[test]
fn equal_and_opposite_bases_are_added_right() {
    let p = random_points::<g1::Config>(2, 4);
    let bases: Vec<_> = (0..300)
        .map(|i| if i % 3 == 0 { -p[0] } else { p[i % 2] })
        .collect();
    check(&bases, &scalars(300));
    check(&bases, &vec![F::from(5u64); 300]);
    let q = random_points::<g2::Config>(1, 5)[0];
    check(&[q, -q, q, q], &[F::from(9u64); 4]);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn sums_over_eight_vector_lanes_alone_agree_with_arkworks() {
    use super::super::engine::VectorsAlone;
    fn check<G: Group>(bases: &[Affine<G>], scalars: &[F]) {
        let expected = Projective::<G>::msm(bases, scalars).expect("as many scalars as bases");
        assert_eq!(run::<G, VectorsAlone>(bases, scalars, 1), expected);
    }
    if super::super::field::ifma::is_available() {
        for n in [0, 1, 3, 33, 700] {
            check::<g1::Config>(&random_points(n, 1), &scalars(n));
        }
        for n in [0, 1, 2, 150] {
            check::<g2::Config>(&random_points(n, 2), &scalars(n));
        }
        // Equal and opposite points, and more of them in one bucket than a chunk holds.
        let p = random_points::<g1::Config>(2, 4);
        let bases: Vec<_> = (0..5000)
            .map(|i| if i % 3 == 0 { -p[0] } else { p[i % 2] })
            .collect();
        check(&bases[..300], &scalars(300));
        check(&bases, &vec![F::from(5u64); 5000]);
    }
}

#[test]
fn digits_put_together_give_the_scalar() {
    let mut rng = crate::testing::rng(7);
    for width in 4..=17 {
        let windows = Windows::of_width(width);
        for scalar in [F::from(0u64), F::ONE, -F::ONE]
            .into_iter()
            .chain((0..50).map(|_| F::rand(&mut rng)))
        {
            let limbs = scalar.into_bigint().0;
            let radix = F::from(1u64 << width);
            let value = (0..windows.count()).rev().fold(F::from(0u64), |sum, window| {
                let digit = windows.digit(&limbs, window);
                assert!(
                    digit.unsigned_abs() as usize <= windows.buckets(),
                    "{digit} at width {width}"
                );
                sum * radix + F::from(digit)
            });
            assert_eq!(value, scalar, "width {width}");
        }
    }
}
