//! Batches of additions agree with arkworks, exceptional ones included.

use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::UniformRand;

use super::super::engine::{self, Emulated, Plain};
use super::super::field;
use super::*;

fn limbs<G: Group>(p: &Affine<G>) -> Vec<Limbs> {
    crate::testing::limbs(p)
}

fn point<G: Group>(p: &Affine<G>) -> Point<G::Element> {
    if p.is_zero() {
        Point::IDENTITY
    } else {
        G::point(&limbs(p), 0)
    }
}

/// Batches of every engine that this machine can run.
fn check_all<G: Group>() {
    check::<Plain, G>();
    check::<Emulated, G>();
    #[cfg(target_arch = "x86_64")]
    {
        if field::adx::is_available() {
            check::<engine::TwoCarries, G>();
        }
        if field::quartet::is_available() {
            check::<engine::FusedDoubles, G>();
        }
        if field::ifma::is_available() {
            check::<engine::Vectors, G>();
        }
    }
}

fn check<E: Engine, G: Group>() {
    let mut rng = crate::testing::rng(5);
    let generator = ark_ec::short_weierstrass::Projective::<G>::generator();
    let random: Vec<Affine<G>> = (0..6)
        .map(|_| (generator * F::rand(&mut rng)).into_affine())
        .collect();
    let mut points = random.clone();
    points.extend([
        Affine::identity(),
        (-random[0].into_group()).into_affine(),
        random[1],
    ]);
    let input: Vec<_> = points.iter().map(point).collect();
    // All ordered pairs: equal, opposite and identity operands stand among ordinary ones.
    let n = points.len();
    let mut additions: Vec<Addition> = (0..n * n)
        .map(|i| Addition {
            a: u32::try_from(i / n).unwrap(),
            b: u32::try_from(i % n).unwrap(),
            to: u32::try_from(n * n - 1 - i).unwrap(),
        })
        .collect();
    let mut output = vec![Point::IDENTITY; n * n];
    let mut adder = Adder::<E, G>::new(n * n);
    for _ in 0..2 {
        adder.add(&mut additions, &input, &mut output);
        for i in 0..n * n {
            let expected = (points[i / n] + points[i % n]).into_affine();
            assert_eq!(
                G::affine(&output[n * n - 1 - i]),
                expected,
                "{} + {}",
                i / n,
                i % n
            );
        }
    }
    adder.add(&mut Vec::new(), &input, &mut []);
}

#[test]
fn batches_of_g1_additions_agree_with_arkworks() {
    check_all::<g1::Config>();
}

#[test]
fn batches_of_g2_additions_agree_with_arkworks() {
    check_all::<g2::Config>();
}

#[test]
#[cfg(target_arch = "x86_64")]
fn batches_over_eight_vector_lanes_alone_agree_with_arkworks() {
    if field::ifma::is_available() {
        check::<engine::VectorsAlone, g1::Config>();
        check::<engine::VectorsAlone, g2::Config>();
    }
}

#[test]
fn negation_gives_the_inverse() {
    let mut rng = crate::testing::rng(6);
    let p = (ark_bn254::G1Projective::generator() * F::rand(&mut rng)).into_affine();
    assert_eq!(g1::Config::affine(&point(&p).negated_if(true)), -p);
    assert_eq!(g1::Config::affine(&point(&p).negated_if(false)), p);
}
