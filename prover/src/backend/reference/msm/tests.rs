//! The buckets agree with arkworks' multiplication for every mix of scalars.

use ark_bn254::{G1Affine, G1Projective, G2Projective, g1, g2};
use ark_ec::{CurveGroup, ScalarMul, VariableBaseMSM};
use ark_ff::{Field, PrimeField, UniformRand};
use proptest::prelude::*;

use super::*;
use crate::testing;

fn integers(scalars: &[F]) -> Vec<BigInt<4>> {
    scalars.iter().map(|x| x.into_bigint()).collect()
}

/// Zero, one, two, −1, −2, small, the largest, powers of two and everything else.
fn scalars(n: usize, seed: u64) -> Vec<F> {
    let mut rng = testing::rng(seed);
    let edge = [
        F::ZERO,
        F::ONE,
        F::from(2u64),
        -F::ONE,
        -F::from(2u64),
        F::from(u64::MAX),
        F::from(2u64).pow([253]),
    ];
    (0..n)
        .map(|i| {
            if i % 3 == 0 {
                F::rand(&mut rng)
            } else {
                edge[i % edge.len()]
            }
        })
        .collect()
}

#[test]
fn sums_agree_with_arkworks_in_both_groups_and_at_all_sizes() {
    let mut rng = testing::rng(9);
    let bases = G1Projective::batch_convert_to_mul_base(
        &(0..1500)
            .map(|_| G1Projective::rand(&mut rng))
            .collect::<Vec<_>>(),
    );
    for n in [0, 1, 2, 3, 31, 257, 1500] {
        let scalars = scalars(n, n as u64);
        let expected = G1Projective::msm(&bases[..n], &scalars).expect("equal lengths");
        assert_eq!(
            msm::<g1::Config>(&bases[..n], &integers(&scalars)),
            expected,
            "{n} points of G1"
        );
    }
    let bases: Vec<_> = (0..40)
        .map(|_| G2Projective::rand(&mut rng).into_affine())
        .collect();
    let scalars = scalars(40, 1);
    let expected = G2Projective::msm(&bases, &scalars).expect("equal lengths");
    assert_eq!(msm::<g2::Config>(&bases, &integers(&scalars)), expected);
}

#[test]
fn equal_opposite_and_identity_bases_are_added_correctly() {
    let p = G1Affine::from(G1Projective::rand(&mut testing::rng(1)));
    let bases = [p, p, -p, G1Affine::identity(), p, -p];
    let k = F::from(0xdead_beef_0000_0000u64);
    let scalars = [k, k, k, k, F::ONE, F::ONE];
    assert_eq!(msm::<g1::Config>(&bases, &integers(&scalars)), p * k);
    assert_eq!(msm::<g1::Config>(&[p, p], &integers(&[k, -k])), Projective::ZERO);
}

#[test]
fn digits_of_every_width_add_up_to_the_scalar() {
    for width in 2..=15 {
        let base = F::from(1u64 << width);
        for scalar in scalars(64, width as u64)
            .into_iter()
            .chain([F::from(2u64).pow([252]) * F::from(3u64)])
        {
            let digits: Vec<i16> = signed_digits(&scalar.into_bigint(), width).collect();
            let sum = digits
                .iter()
                .rev()
                .fold(F::ZERO, |sum, &d| sum * base + F::from(i64::from(d)));
            assert_eq!(sum, scalar, "width {width}");
            assert!(
                digits.iter().all(|d| d.unsigned_abs() <= 1 << (width - 1)),
                "width {width}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn digits_of_any_scalar_add_up(limbs in prop::array::uniform4(any::<u64>()), width in 2usize..=15) {
        let scalar = F::new(BigInt::new(limbs));
        let base = F::from(1u64 << width);
        let digits: Vec<i16> = signed_digits(&scalar.into_bigint(), width).collect();
        prop_assert_eq!(digits.iter().rev().fold(F::ZERO, |sum, &d| sum * base + F::from(i64::from(d))), scalar);
    }
}
