//! Gadgets agree with arkworks, count what the table says, and refuse points off the curve.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ed_on_bn254::Fr as Scalar;
use ark_ff::{PrimeField, UniformRand};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::fixed::mul_generator;
use super::*;
use crate::bits::alloc_bits;

/// Runs `f` on a recorder; returns its result, its constraints and whether they hold.
fn run<T>(f: impl FnOnce(&mut Cs) -> T) -> (T, usize, bool) {
    struct Once<G>(std::cell::RefCell<Option<G>>);
    impl<G: FnOnce(&mut Cs)> crate::r1cs::Statement for Once<G> {
        fn synthesize(&self, cs: &mut Cs) {
            (self.0.borrow_mut().take().expect("synthesised once"))(cs);
        }
    }
    let mut out = None;
    let assignment;
    let system;
    {
        let once = Once(std::cell::RefCell::new(Some(|cs: &mut Cs| out = Some(f(cs)))));
        (system, assignment) = crate::r1cs::Statement::r1cs_and_assignment(&once);
    }
    let holds = system.first_unsatisfied(&assignment.z()).is_none();
    (out.expect("ran"), system.num_constraints(), holds)
}

fn random_point(seed: u64) -> EdwardsAffine {
    EdwardsAffine::rand(&mut StdRng::seed_from_u64(seed))
}

/// `(0, −1)`, of order two, and `(1, 0)`, of order four.
fn small_order() -> [EdwardsAffine; 2] {
    [
        EdwardsAffine::new_unchecked(F::ZERO, -F::ONE),
        EdwardsAffine::new_unchecked(F::ONE, F::ZERO),
    ]
}

#[test]
fn the_addition_law_is_complete() {
    assert_eq!(EdwardsConfig::COEFF_A, F::ONE);
    assert!(EdwardsConfig::COEFF_D.legendre().is_qnr());
}

#[test]
fn costs_are_those_of_the_table() {
    let p = random_point(1);
    assert_eq!(run(|cs| Point::alloc(cs, &p)).1, 3);
    assert_eq!(run(|cs| Point::constant(&p).add(cs, &Point::constant(&p))).1, 6);
    assert_eq!(run(|cs| Point::constant(&p).double(cs)).1, 5);
    assert_eq!(run(|cs| Point::constant(&p).mul_by_cofactor(cs)).1, 15);
    assert_eq!(run(|cs| mul_generator(cs, &Scalar::from(5u64))).1, 876);
    let bits = vec![Bit::constant(true); 128];
    let whole = Point::constant(&(p + p).into_affine());
    assert_eq!(
        run(|cs| Point::constant(&p).mul_halved(cs, &whole, &bits)).1,
        1_292
    );
}

#[test]
fn addition_and_doubling_agree_with_arkworks_on_special_points() {
    let p = random_point(2);
    let mut points = vec![
        EdwardsAffine::zero(),
        EdwardsAffine::generator(),
        p,
        (-p.into_group()).into_affine(),
    ];
    points.extend(small_order());
    points.push((p + small_order()[1]).into_affine());
    for a in &points {
        let (double, _, holds) = run(|cs| Point::alloc(cs, a).double(cs));
        assert!(holds && double.value() == (*a + *a).into_affine());
        for b in &points {
            let (sum, _, holds) = run(|cs| {
                let (a, b) = (Point::alloc(cs, a), Point::alloc(cs, b));
                a.add(cs, &b)
            });
            assert!(holds && sum.value() == (*a + *b).into_affine());
        }
    }
}

#[test]
fn a_point_off_the_curve_is_rejected() {
    let p = random_point(3);
    let off = EdwardsAffine::new_unchecked(p.x, p.y + F::ONE);
    assert!(!run(|cs| Point::alloc(cs, &off)).2);
}

#[test]
fn generator_multiples_agree_at_the_edges() {
    let edges = [0u64, 1, 2, 15, 16, 17].map(Scalar::from);
    for s in edges.into_iter().chain(edges.map(|s| -s)) {
        let (point, _, holds) = run(|cs| mul_generator(cs, &s));
        assert!(holds);
        assert_eq!(point.value(), (EdwardsAffine::generator() * s).into_affine());
    }
}

fn scalar() -> impl Strategy<Value = Scalar> {
    any::<[u8; 40]>().prop_map(|bytes| Scalar::from_le_bytes_mod_order(&bytes))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn generator_multiples_agree_with_arkworks(s in scalar()) {
        let (point, _, holds) = run(|cs| mul_generator(cs, &s));
        prop_assert!(holds);
        prop_assert_eq!(point.value(), (EdwardsAffine::generator() * s).into_affine());
    }

    #[test]
    fn multiples_of_any_point_agree_with_arkworks(seed in any::<u64>(), e in any::<u128>(), torsion in any::<bool>()) {
        let mut half = random_point(seed);
        if torsion {
            half = (half + small_order()[0]).into_affine();
        }
        let whole = (half + half).into_affine();
        let (point, _, holds) = run(|cs| {
            let bits = alloc_bits(cs, F::from(e), 128);
            let (half, whole) = (Point::alloc(cs, &half), Point::alloc(cs, &whole));
            half.mul_halved(cs, &whole, &bits)
        });
        prop_assert!(holds);
        prop_assert_eq!(point.value(), (whole * Scalar::from(e)).into_affine());
    }
}
