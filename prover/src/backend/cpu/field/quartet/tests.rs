//! Products stay within the ranges that the module promises, at the edges of what their factors may be.

use ark_bn254::Fq;
use ark_ff::{AdditiveGroup, BigInt, Field};
use proptest::prelude::*;

use super::super::{Base, Element, subtract};
use super::*;

type Lane = [i64; LIMBS];

fn lanes(x: &Quartet<Base>) -> [Lane; 4] {
    let limbs = x.limbs.0.map(|limb| {
        // SAFETY: both are 32 bytes, and any bytes are valid for either.
        unsafe { std::mem::transmute::<__m256d, [f64; 4]>(limb) }
    });
    std::array::from_fn(|lane| limbs.map(|limb| integer(limb[lane])))
}

#[allow(clippy::cast_possible_truncation, reason = "checked to be exact")]
fn integer(x: f64) -> i64 {
    assert_eq!(x.fract(), 0.0, "limbs are integers");
    assert!(x.abs() <= 9_007_199_254_740_992.0, "{x} is exact");
    x as i64
}

#[allow(clippy::cast_precision_loss, reason = "limbs are below 2^53")]
fn of_lanes(x: [Lane; 4]) -> Quartet<Base> {
    Quartet::new(Doubles(std::array::from_fn(|limb| {
        let lanes = x.map(|lane| lane[limb] as f64);
        // SAFETY: both are 32 bytes, and any bytes are valid for either.
        unsafe { std::mem::transmute::<[f64; 4], __m256d>(lanes) }
    })))
}

/// The number modulo p.
fn value(lane: &Lane) -> Fq {
    let base = Fq::from(1u64 << BITS);
    lane.iter().rev().fold(Fq::ZERO, |sum, &limb| {
        let magnitude = Fq::from(limb.unsigned_abs());
        sum * base + if limb < 0 { -magnitude } else { magnitude }
    })
}

/// About the number divided by p.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn ratio(lane: &Lane) -> f64 {
    let number = |x: &Lane| x.iter().rev().fold(0.0, |sum, &limb| sum / DOWN + limb as f64);
    number(lane) / number(&split(&Base::P).map(u64::cast_signed))
}

/// What is multiplied: limbs up to `most` in magnitude, except that the highest fits a number up to `p`
/// times the prime; often at the very edge.
fn factors(most: i64, p: f64) -> impl Strategy<Value = [Lane; 4]> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "an estimate"
    )]
    let highest = (split(&Base::P)[LIMBS - 1] as f64 * p) as i64;
    let limb = |most: i64| prop_oneof![Just(most), Just(-most), Just(0), -most..=most];
    let lane = (limb(most), limb(most), limb(most), limb(most), limb(highest));
    proptest::array::uniform4(lane.prop_map(|(a, b, c, d, e)| [a, b, c, d, e]))
}

const DIFFERENCE: i64 = (1 << BITS) - 1;
const PRODUCT: i64 = (1 << (BITS - 1)) + (1 << 7);

/// The inverse of 2^255, by which products are divided.
fn divisor() -> Fq {
    Fq::from(2u64).pow([255]).inverse().expect("not zero")
}

fn check_product(a: [Lane; 4], b: [Lane; 4], most: f64) {
    let product = lanes(&of_lanes(a).mul(of_lanes(b)));
    for i in 0..4 {
        assert_eq!(value(&product[i]), value(&a[i]) * value(&b[i]) * divisor());
        assert!(ratio(&product[i]).abs() <= most, "{}p", ratio(&product[i]));
        assert!(
            product[i][..4].iter().all(|limb| limb.abs() <= PRODUCT),
            "{:?}",
            product[i]
        );
    }
}

proptest! {
    #[test]
    fn products_of_differences_and_products_are_exact_and_small(
        a in factors(DIFFERENCE, 2.0), b in factors(PRODUCT, 2.1), c in factors(PRODUCT, 2.1),
    ) {
        if is_available() {
            check_product(a, b, 2.1);
            check_product(b, a, 2.1);
            check_product(b, c, 2.2);
        }
    }

    #[test]
    fn products_of_gathered_elements_are_exact_and_small(
        a in factors(DIFFERENCE, 2.0), b in factors(DIFFERENCE, 2.0),
    ) {
        if is_available() {
            check_product(a.map(|x| x.map(i64::abs)), b.map(|x| x.map(i64::abs)), 2.1);
        }
    }

    #[test]
    fn sums_of_two_products_are_exact_and_smaller(
        a in factors(PRODUCT, 0.7), b in factors(DIFFERENCE, 2.0),
        c in factors(PRODUCT, 0.7), d in factors(DIFFERENCE, 2.0),
    ) {
        if is_available() {
            let extension = Quartet::mul_extension([of_lanes(a), of_lanes(c)], [of_lanes(b), of_lanes(d)]);
            let [difference, sum] = extension.map(|x| lanes(&x));
            for i in 0..4 {
                let [a, b, c, d] = [&a[i], &b[i], &c[i], &d[i]].map(value);
                prop_assert_eq!(value(&difference[i]), (a * b - c * d) * divisor());
                prop_assert_eq!(value(&sum[i]), (a * d + c * b) * divisor());
                for x in [&difference[i], &sum[i]] {
                    prop_assert!(ratio(x).abs() <= 0.53, "{}p", ratio(x));
                    prop_assert!(x[..4].iter().all(|limb| limb.abs() <= PRODUCT), "{:?}", x);
                }
            }
        }
    }

    #[test]
    fn tidying_brings_every_sum_of_an_addition_between_zero_and_twice_p(
        element in any::<[u64; 4]>(), multiple in -8i64..=3,
        carries in proptest::array::uniform4(-1i64..=1),
    ) {
        let mut element = Word::<Base>::new(element.map(|limb| limb >> 2)).reduced().0;
        element[3] &= (1 << 60) - 1; // below p
        // The same number plus a multiple of p, in limbs that are out of range.
        let mut lane = split(&element).map(u64::cast_signed);
        for (limb, prime) in lane.iter_mut().zip(&Base::CONSTANTS.prime) {
            *limb += multiple * integer(prime[0]);
        }
        for (i, carry) in carries.into_iter().enumerate() {
            let carry = carry + (lane[i] >> BITS);
            lane[i] -= carry << BITS;
            lane[i + 1] += carry;
        }
        if is_available() {
            let tidied = of_lanes([lane; 4]).tidied();
            let bits = lanes(&tidied)[3];
            prop_assert!(bits.iter().all(|&limb| (0..1 << BITS).contains(&limb)), "{:?}", bits);
            tidied.scatter(|_, word| {
                assert!(subtract(&word.0, &Base::TWICE).1, "{:x?}", word.0);
                assert_eq!(Fq::new_unchecked(BigInt::new(word.reduced().0)), Fq::new_unchecked(BigInt::new(element)));
            });
        }
    }
}

#[test]
fn the_limbs_of_a_prime_put_together_are_the_prime() {
    let prime = Base::CONSTANTS.prime.map(|limb| integer(limb[0]));
    assert_eq!(value(&prime), Fq::ZERO);
    assert!((ratio(&prime) - 1.0).abs() < 1e-9);
    let shifted = Base::CONSTANTS.shifted.map(|limb| integer(limb[0]));
    assert_eq!(value(&shifted) * Fq::from(1u64 << BITS), Fq::ONE);
    assert!(ratio(&shifted).abs() <= 0.5);
    assert!(shifted.iter().chain(&prime).all(|limb| limb.abs() <= 1 << 50));
}
