//! What is computed once per key: when, and that it changes no outcome.

use ark_bn254::{G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field};

use super::super::combination::{FixedBases, weighted_sum};
use super::*;

#[test]
fn tables_and_buckets_agree_with_plain_multiplication() {
    let points: Vec<G1Affine> = (1..=40u64)
        .map(|i| (G1Affine::generator() * F::from(i).pow([9])).into_affine())
        .collect();
    let scalars: Vec<F> = (0..40u64)
        .map(|i| F::from(i).pow([77]) - F::from(i % 3))
        .collect();
    let expected = points
        .iter()
        .zip(&scalars)
        .fold(G1Projective::ZERO, |sum, (p, k)| sum + *p * k);
    let bases = FixedBases::new(&points);
    for use_of_them in 1..=18 {
        assert_eq!(bases.combine(0, &scalars), expected);
        assert_eq!(bases.has_tables(), use_of_them > 16, "made when they pay");
        let (clone, made) = (bases.clone(), bases.has_tables());
        assert_eq!(clone.combine(0, &scalars), expected);
        assert_eq!(clone.has_tables(), made || use_of_them == 16, "a clone counts on");
    }
    let last = points[38] * scalars[38] + points[39] * scalars[39];
    for bases in [FixedBases::new(&points), bases] {
        assert_eq!(bases.combine(38, &scalars[38..]), last);
    }
    assert_eq!(FixedBases::new(&points).combine(0, &[]), G1Projective::ZERO);
    for n in [0, 1, 2, 3, 17, 40] {
        let weights: Vec<u128> = (0..n as u128).map(|i| u128::MAX / (i * i * i + 1) - i).collect();
        let expected = points
            .iter()
            .zip(&weights)
            .fold(G1Projective::ZERO, |sum, (p, w)| sum + *p * F::from(*w));
        assert_eq!(weighted_sum(&points[..n], &weights), expected, "{n} points");
    }
}

#[test]
fn a_key_is_prepared_when_it_first_verifies_and_not_when_it_is_loaded() {
    let key = TrapdoorKey::new(5, 2);
    let pvk = PreparedVerifyingKey::new(key.verifying_key(), 2).expect("a sound key");
    assert!(pvk.pairings.get().is_none() && !pvk.ic.has_tables());
    let public = [F::from(3u64), F::from(4u64)];
    let (good, wrong) = (key.simulate(&public, 0), [F::from(3u64), F::from(5u64)]);
    for _ in 0..17 {
        assert_eq!(verify(&pvk, &public, &good), Ok(()));
    }
    assert!(pvk.pairings.get().is_some() && pvk.ic.has_tables());
    // Whichever comes first, with tables or without, a wrong proof is refused.
    let fresh = PreparedVerifyingKey::new(key.verifying_key(), 2).expect("a sound key");
    for pvk in [&fresh, &fresh, &pvk] {
        assert_eq!(verify(pvk, &wrong, &good), Err(VerifyError::Invalid));
    }
}
