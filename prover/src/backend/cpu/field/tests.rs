//! Every operation of every set of lanes agrees with arkworks, unreduced representatives included.

use ark_bn254::{Fq, Fq2, Fr};
use ark_ff::{AdditiveGroup, BigInt, Field, PrimeField, UniformRand};
use proptest::prelude::*;

use super::emulated::EmulatedOctet;
use super::portable::{Portable, Word};
use super::quadratic::{Pair, Quadratic};
use super::*;

/// The arkworks element of a representative below 2p.
fn fq(x: Word<Base>) -> Fq {
    Fq::new_unchecked(BigInt::new(x.reduced().0))
}

fn fr(x: Word<Scalar>) -> Fr {
    Fr::new_unchecked(BigInt::new(x.reduced().0))
}

/// Representatives below 2p: random ones, and the edges 0, 1, p − 1, p, p + 1, 2p − 1.
fn words<M: Modulus>() -> impl Strategy<Value = Word<M>> {
    let edges = [
        [0; 4],
        [1, 0, 0, 0],
        M::ONE,
        subtract(&M::P, &[1, 0, 0, 0]).0,
        M::P,
        add(&M::P, &[1, 0, 0, 0]),
        subtract(&M::TWICE, &[1, 0, 0, 0]).0,
    ];
    let below = |x: Limbs| {
        let mut x = x;
        x[3] >>= 1;
        while !subtract(&x, &M::TWICE).1 {
            x = subtract(&x, &M::TWICE).0;
        }
        Word::new(x)
    };
    prop_oneof![
        proptest::sample::select(edges.to_vec()).prop_map(Word::new),
        any::<Limbs>().prop_map(below),
    ]
}

fn lanes_of<L: Lanes>(xs: &[L::Element]) -> L {
    L::gather(|i| &xs[i])
}

/// All operations of `L`, lane by lane, against `reference`, which maps into arkworks.
fn check<L: Lanes, F: Field>(a: &[L::Element], b: &[L::Element], reference: impl Fn(L::Element) -> F) {
    let (x, y) = (lanes_of::<L>(a), lanes_of::<L>(b));
    let each = |result: L, expected: &dyn Fn(usize) -> F| {
        let result = result.tidied();
        result.scatter(|i, element| assert_eq!(reference(element), expected(i), "lane {i}"));
    };
    // What gathered elements of any degree but one are scaled by, taken away again.
    let scale = reference(L::splat(L::Element::ONE).scaled().tidied().first());
    let unscaled = |power: u64| scale.pow([power]).inverse().expect("not zero");
    let (a, b) = (|i: usize| reference(a[i]), |i: usize| reference(b[i]));
    each(x, &|i| a(i));
    each(x.add(y), &|i| a(i) + b(i));
    each(x.sub(y), &|i| a(i) - b(i));
    let product = L::one().mul(x);
    each(product, &|i| scale * a(i));
    each(product.mul(y), &|i| scale.pow([2]) * a(i) * b(i));
    each(product.mul(y).mul(product), &|i| {
        scale.pow([4]) * a(i).square() * b(i)
    });
    each(product.square(), &|i| scale.pow([3]) * a(i).square());
    each(product.mul(x.sub(y)), &|i| scale.pow([2]) * a(i) * (a(i) - b(i)));
    each(x.inverse().scaled().scaled(), &|i| {
        a(i).inverse().unwrap_or(F::ZERO)
    });
    each(x.inverse().mul(y), &|i| {
        unscaled(1) * a(i).inverse().unwrap_or(F::ZERO) * b(i)
    });
    each(L::one(), &|_| F::ONE);
    let zeros = (0..L::N).map(|i| u32::from(a(i).is_zero()) << i).sum::<u32>();
    assert_eq!(x.zeros(), zeros);
    assert_eq!(x.sub(x).zeros(), u32::MAX >> (32 - L::N));
}

/// Results are below 2p whatever the operands below 2p.
fn check_range<M: Modulus, L: Lanes<Element = Word<M>>>(a: &[Word<M>], b: &[Word<M>]) {
    let (x, y) = (lanes_of::<L>(a), lanes_of::<L>(b));
    let product = L::one().mul(x);
    let products = [product, product.mul(y), product.square(), product.mul(x.sub(y))];
    for result in [x.add(y), x.sub(y), x.inverse()].into_iter().chain(products) {
        result
            .tidied()
            .scatter(|_, r| assert!(subtract(&r.0, &M::TWICE).1, "{:x?} is not below 2p", r.0));
    }
}

fn vectors<M: Modulus>() -> impl Strategy<Value = Vec<Word<M>>> {
    proptest::collection::vec(words::<M>(), 8)
}

fn check_prime_fields<B, S>(base: (&[Word<Base>], &[Word<Base>]), scalar: (&[Word<Scalar>], &[Word<Scalar>]))
where
    B: Lanes<Element = Word<Base>>,
    S: Lanes<Element = Word<Scalar>>,
{
    check::<B, Fq>(base.0, base.1, fq);
    check_range::<Base, B>(base.0, base.1);
    check::<S, Fr>(scalar.0, scalar.1, fr);
    check_range::<Scalar, S>(scalar.0, scalar.1);
}

fn check_extension<L: Lanes<Element = Word<Base>>>(parts: [&[Word<Base>]; 4]) {
    let pairs = |c0: &[Word<Base>], c1: &[Word<Base>]| -> Vec<Pair<Word<Base>>> {
        c0.iter().zip(c1).map(|(&c0, &c1)| Pair { c0, c1 }).collect()
    };
    let [a0, a1, b0, b1] = parts;
    check::<Quadratic<L>, Fq2>(&pairs(a0, a1), &pairs(b0, b1), |x| Fq2::new(fq(x.c0), fq(x.c1)));
}

proptest! {
    #[test]
    fn one_portable_lane_agrees_with_arkworks(
        a in vectors(), b in vectors(), c in vectors(), d in vectors(),
    ) {
        check_prime_fields::<Portable<Base>, Portable<Scalar>>((&a, &b), (&c, &d));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn one_lane_with_two_carry_chains_agrees_with_arkworks(
        a in vectors(), b in vectors(), c in vectors(), d in vectors(),
    ) {
        if adx::is_available() {
            check_prime_fields::<adx::Adx<Base>, adx::Adx<Scalar>>((&a, &b), (&c, &d));
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn four_lanes_of_doubles_agree_with_arkworks(
        a in vectors(), b in vectors(), c in vectors(), d in vectors(),
    ) {
        if quartet::is_available() {
            check_prime_fields::<quartet::Quartet<Base>, quartet::Quartet<Scalar>>((&a, &b), (&c, &d));
            check_extension::<quartet::Quartet<Base>>([&a, &b, &a, &b]);
        }
    }

    #[test]
    fn eight_emulated_lanes_agree_with_arkworks(
        a in vectors(), b in vectors(), c in vectors(), d in vectors(),
    ) {
        check_prime_fields::<EmulatedOctet<Base>, EmulatedOctet<Scalar>>((&a, &b), (&c, &d));
        check_extension::<EmulatedOctet<Base>>([&a, &b, &a, &b]);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn eight_vector_lanes_agree_with_arkworks(
        a in vectors(), b in vectors(), c in vectors(), d in vectors(),
    ) {
        if ifma::is_available() {
            check_prime_fields::<ifma::Ifma<Base>, ifma::Ifma<Scalar>>((&a, &b), (&c, &d));
            check_extension::<ifma::Ifma<Base>>([&a, &b, &a, &b]);
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn eight_vector_lanes_alone_agree_with_arkworks(
        a in vectors(), b in vectors(), c in vectors(), d in vectors(),
    ) {
        if ifma::is_available() {
            check_prime_fields::<ifma::IfmaAlone<Base>, ifma::IfmaAlone<Scalar>>((&a, &b), (&c, &d));
            check_extension::<ifma::IfmaAlone<Base>>([&a, &b, &a, &b]);
        }
    }

    #[test]
    fn the_extension_field_agrees_with_arkworks(
        a in vectors(), b in vectors(), c in vectors(), d in vectors(),
    ) {
        check_extension::<Portable<Base>>([&a, &b, &c, &d]);
    }

    #[test]
    fn elements_negate_and_reduce(x in words::<Base>()) {
        prop_assert_eq!(fq(x.negated()), -fq(x));
        prop_assert_eq!(x.negated_if(true), x.negated());
        prop_assert_eq!(x.negated_if(false).0, x.0);
        prop_assert!(subtract(&x.reduced().0, &Base::P).1);
        prop_assert!(subtract(&x.negated().0, &Base::TWICE).1);
    }
}

#[test]
fn limbs_of_arkworks_are_ours() {
    let mut rng = crate::testing::rng(1);
    for _ in 0..100 {
        let (x, y) = (Fq::rand(&mut rng), Fq::rand(&mut rng));
        let product = Portable::<Base>::splat(Word::new(x.0.0)).mul(Portable::splat(Word::new(y.0.0)));
        assert_eq!(fq(product.first()), x * y);
        assert_eq!(Word::<Base>::ONE.0, Fq::ONE.0.0);
        assert_eq!(Base::P, Fq::MODULUS.0);
    }
    assert_eq!(Fq::ZERO.0.0, Word::<Base>::ZERO.0);
}
