//! Sums on the device against plain multiplication and the reference.

use ark_bn254::{Fr, g1, g2};
use ark_ec::short_weierstrass::Affine;
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInt, BigInteger, PrimeField, UniformRand};

use super::super::testing;
use super::*;
use crate::backend::reference;
use crate::keys::Table;

fn points<C: DeviceCurve>(count: usize, seed: u64) -> Vec<Affine<C>> {
    let mut rng = crate::testing::rng(seed);
    let points: Vec<_> = (0..count).map(|_| Projective::<C>::rand(&mut rng)).collect();
    Projective::normalize_batch(&points)
}

fn scalars(count: usize, seed: u64) -> Vec<Fr> {
    let mut rng = crate::testing::rng(seed);
    (0..count).map(|_| Fr::rand(&mut rng)).collect()
}

/// The sum on the device.
fn sum<C: DeviceCurve>(points: &[Affine<C>], scalars: &[Fr], tuning: Tuning) -> Projective<C> {
    let device = testing::device();
    let buffer = device
        .buffer("scalars", 32 * scalars.len() as u64)
        .expect("memory");
    memory::upload(device, &buffer, 0, scalars, memory::field_bytes).expect("memory");
    let places: Vec<u32> = (0..).take(points.len()).collect();
    let index = Index::new(device, &places).expect("memory");
    let bases = Bases::new(device, &Table::new(points), tuning).expect("memory");
    let mut job = Job::new(device);
    let mut workspace = Workspace::default();
    let input = (Slice::whole(&buffer), &index);
    let sums = multiply(&mut job, &mut workspace, tuning, input, &[&bases]).expect("kernels compile");
    let (results, _) = job
        .submit()
        .and_then(|pending| pending.finish())
        .expect("a sound device");
    sums[0].total(&results)
}

fn reference<C: DeviceCurve>(points: &[Affine<C>], scalars: &[Fr]) -> Projective<C> {
    let scalars: Vec<_> = scalars.iter().map(|x| x.into_bigint()).collect();
    reference::msm::msm(points, &scalars)
}

fn check<C: DeviceCurve>(points: &[Affine<C>], scalars: &[Fr], tuning: Tuning) {
    let found = sum(points, scalars, tuning);
    assert_eq!(
        found,
        reference(points, scalars),
        "{} points, {tuning:?}",
        points.len()
    );
}

#[test]
fn sums_in_the_first_group_agree_with_the_reference() {
    for (count, width) in [(1, 2), (2, 4), (100, 7), (1000, 8), (333, 13)] {
        let tuning = Tuning {
            width: Some(width),
            ..Tuning::default()
        };
        check(&points::<g1::Config>(count, 20), &scalars(count, 21), tuning);
    }
}

#[test]
fn sums_in_the_second_group_agree_with_the_reference() {
    check(
        &points::<g2::Config>(130, 22),
        &scalars(130, 23),
        Tuning::default(),
    );
}

#[test]
fn edge_cases_of_points_and_scalars_on_the_device_agree_with_the_reference() {
    let (one, zero) = (Fr::from(1u64), Fr::from(0u64));
    let half = (one / Fr::from(2u64), -(one / Fr::from(2u64)));
    let generator = Affine::<g1::Config>::generator();
    let different = points::<g1::Config>(60, 24);
    let equal = vec![generator; 60];
    let mut opposite = equal.clone();
    opposite
        .iter_mut()
        .skip(1)
        .step_by(2)
        .for_each(|point| *point = -*point);
    let edges: Vec<_> = [zero, one, -one, half.0, half.1]
        .into_iter()
        .cycle()
        .take(60)
        .collect();
    // Few entries per slice, so that even these are cut up and put together again.
    let tuning = Tuning {
        width: Some(4),
        slice: 3,
        chunk: 4,
        ..Tuning::default()
    };
    for bases in [&different, &equal, &opposite] {
        for scalars in [
            &edges,
            &vec![zero; 60],
            &vec![one; 60],
            &vec![-one; 60],
            &scalars(60, 25),
        ] {
            check(bases, scalars, tuning);
        }
    }
    check::<g1::Config>(&[], &[], tuning);
}

#[test]
fn tables_and_windows_that_do_not_fit_one_binding_are_split() {
    let (bases, numbers) = (points::<g1::Config>(50, 26), scalars(50, 27));
    let whole = sum(&bases, &numbers, Tuning::default());
    // 16 points of 64 bytes to a shard; the partial sums of few windows.
    let tuning = Tuning {
        width: Some(3),
        slice: 16,
        binding: Some(1 << 10),
        ..Tuning::default()
    };
    let table = Table::new(&bases);
    let split = Bases::new(testing::device(), &table, tuning).expect("memory");
    assert_eq!(split.shards.len(), 4);
    let plan = Plan::new(testing::device(), Group::G1, 50, tuning).expect("it fits");
    assert!(plan.together < plan.windows);
    assert_eq!(sum(&bases, &numbers, tuning), whole);
    let tuning = Tuning {
        width: Some(3),
        binding: Some(256),
        ..Tuning::default()
    };
    let refused = Plan::new(testing::device(), Group::G1, 50, tuning);
    assert!(matches!(
        refused,
        Err(GpuError::TooSmall {
            limit: "maxStorageBufferBindingSize",
            ..
        })
    ));
}

#[test]
fn signed_digits_cover_every_scalar() {
    for width in 2..=16 {
        let tuning = Tuning {
            width: Some(width),
            ..Tuning::default()
        };
        let plan = Plan::new(testing::device(), Group::G1, 1, tuning).expect("it fits");
        // The bias on top of the largest scalar stays below the end of the last window.
        let mut bias = num(&plan.bias());
        let bits = plan.windows * width;
        bias.add_with_carry(&BigInt::<5>::from_bits_le(
            &(-Fr::from(1u64)).into_bigint().to_bits_le(),
        ));
        assert!(bias.num_bits() <= bits, "width {width}");
    }
}

fn num(words: &[u32; 9]) -> BigInt<5> {
    let bits: Vec<_> = words
        .iter()
        .flat_map(|word| (0..32).map(move |k| word >> k & 1 == 1))
        .collect();
    BigInt::from_bits_le(&bits)
}
