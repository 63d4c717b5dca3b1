//! What goes up comes back down.

use ark_bn254::{Fq, G1Projective, G2Projective, g1, g2};
use ark_ec::CurveGroup;
use ark_ff::UniformRand;

use super::super::job::{Job, Slice};
use super::super::testing;
use super::*;

#[test]
fn elements_on_the_device_are_read_back_whatever_their_number() {
    let device = testing::device();
    let mut rng = crate::testing::rng(8);
    // Around what one task writes.
    let share = SHARE / 32;
    for count in [1, 7, share - 1, share, 3 * share + 5] {
        let elements: Vec<_> = (0..count).map(|_| Fq::rand(&mut rng)).collect();
        let buffer = device
            .buffer("elements", 32 * (count as u64 + 2))
            .expect("memory");
        upload(device, &buffer, 2, &elements, field_bytes).expect("memory");
        let mut job = Job::new(device);
        job.stage("nothing", &[]);
        job.read(Slice::of(&buffer, 32 * (count as u64 + 2)));
        let (bytes, _) = job
            .submit()
            .and_then(|pending| pending.finish())
            .expect("a sound device");
        assert_eq!(bytes[..64], [0; 64], "memory is zero at first");
        let back: Vec<Fq> = bytes[64..].chunks_exact(32).map(field_of).collect();
        assert_eq!(back, elements);
    }
}

#[test]
fn powers_are_those_of_plain_multiplication() {
    let x = Fr::from(3u64);
    let mut power = Fr::from(1u64);
    for found in powers(x, 5000) {
        assert_eq!(found, power);
        power *= x;
    }
}

#[test]
fn points_are_read_from_extended_jacobian_coordinates() {
    let mut rng = crate::testing::rng(9);
    let (p, q) = (G1Projective::rand(&mut rng), G2Projective::rand(&mut rng));
    let z = Fq::rand(&mut rng);
    let (zz, zzz) = (z * z, z * z * z);
    let affine = p.into_affine();
    let bytes = [affine.x * zz, affine.y * zzz, zz, zzz]
        .map(|x| field_bytes(&x))
        .concat();
    assert_eq!(point_of::<g1::Config>(&bytes), p);
    let affine = q.into_affine();
    let (x, y) = (
        affine.x * Fq2::new(zz, Fq::ZERO),
        affine.y * Fq2::new(zzz, Fq::ZERO),
    );
    let bytes = [x.c0, x.c1, y.c0, y.c1, zz, Fq::ZERO, zzz, Fq::ZERO]
        .map(|x| field_bytes(&x))
        .concat();
    assert_eq!(point_of::<g2::Config>(&bytes), q);
    assert_eq!(point_of::<g1::Config>(&[0; 128]), G1Projective::ZERO);
}
