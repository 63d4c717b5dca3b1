//! Ranges, comparisons and canonical low bits: native agreement and every way to cheat.

use ark_ff::{BigInt, UniformRand};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_protocol::field;

use super::*;
use crate::r1cs::{R1cs, Statement};
use crate::testing::Mutator;

/// Constraints of [`low`], however many bits are asked for.
pub(crate) const LOW_CONSTRAINTS: usize = 292;

/// A statement from a function of one number.
struct With<G>(F, G);

impl<G: Fn(&mut Cs, &Num)> Statement for With<G> {
    fn synthesize(&self, cs: &mut Cs) {
        let x = cs.public(self.0);
        (self.1)(cs, &x);
    }
}

fn holds(x: F, gadget: impl Fn(&mut Cs, &Num)) -> bool {
    let (system, assignment) = With(x, gadget).r1cs_and_assignment();
    system.first_unsatisfied(&assignment.z()).is_none()
}

fn low_160(x: F) -> (R1cs, Vec<F>) {
    let (system, assignment) = With(x, |cs: &mut Cs, x: &Num| drop(low(cs, x, 160))).r1cs_and_assignment();
    (system, assignment.z())
}

#[test]
fn ranges_end_where_they_say() {
    for n in [1, 8, 64, 160, 253] {
        let end = field::pow2(n);
        let check = |cs: &mut Cs, x: &Num| drop(range_bits(cs, x, n));
        assert!(holds(F::ZERO, check) && holds(end - F::ONE, check));
        assert!(!holds(end, check) && !holds(-F::ONE, check) && !holds(end + F::ONE, check));
    }
}

#[test]
fn a_bit_is_zero_or_one() {
    let check = |cs: &mut Cs, x: &Num| cs.enforce(x, x, x);
    assert!(
        holds(F::ZERO, check)
            && holds(F::ONE, check)
            && !holds(F::from(2u64), check)
            && !holds(-F::ONE, check)
    );
}

#[test]
fn boolean_algebra_agrees() {
    for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut cs = Cs::recorder();
        let (x, y) = (Bit::alloc(&mut cs, a), Bit::alloc(&mut cs, b));
        assert_eq!(x.and(&mut cs, &y).value(), a & b);
        assert_eq!(x.or(&mut cs, &y).value(), a | b);
        assert_eq!(x.xor(&mut cs, &y).value(), a ^ b);
        assert_eq!(x.not().value(), !a);
        let (five, nine) = (Num::constant(F::from(5u64)), Num::constant(F::from(9u64)));
        assert_eq!(
            x.select(&mut cs, &five, &nine).value(),
            F::from(if a { 5u64 } else { 9 })
        );
    }
}

#[test]
fn nonzero_and_conditional_zero() {
    assert!(holds(F::ONE, assert_nonzero) && !holds(F::ZERO, assert_nonzero));
    let on = |cs: &mut Cs, x: &Num| assert_zero_if(cs, &Bit::constant(true), x);
    let off = |cs: &mut Cs, x: &Num| assert_zero_if(cs, &Bit::constant(false), x);
    assert!(holds(F::ZERO, on) && !holds(F::ONE, on) && holds(F::ONE, off));
}

#[test]
fn low_bits_cost_254_booleans_a_sum_and_the_ones_of_the_bound() {
    let (system, _) = low_160(F::ONE);
    assert_eq!(system.num_constraints(), 254 + 1 + ones_read());
    assert_eq!(system.num_constraints(), LOW_CONSTRAINTS);
}

/// Ones of the bound that a later zero reads, the topmost not counted.
fn ones_read() -> usize {
    let bound = (F::MODULUS >> 160).0;
    let bound = BigInt::<4>::new([bound[0] - 1, bound[1], 0, 0]);
    let lowest_zero = (0..94).find(|&i| !bound.get_bit(i)).expect("has a zero");
    (lowest_zero..93).filter(|&i| bound.get_bit(i)).count()
}

#[test]
fn the_alias_x_plus_r_of_every_small_x_is_rejected() {
    // 254 bits hold x + r for x < 2^254 − r: write that instead of x, with every helper honest.
    let mut rng = StdRng::seed_from_u64(1);
    for x in [
        F::ZERO,
        F::ONE,
        F::from(u64::MAX),
        field::low(&F::rand(&mut rng), 250),
    ] {
        let mut alias = x.into_bigint();
        assert!(!alias.add_with_carry(&F::MODULUS));
        assert!(alias.num_bits() <= 254);
        let aliased: Vec<bool> = (0..FIELD_BITS).map(|i| alias.get_bit(i)).collect();
        let check = |cs: &mut Cs, x: &Num| {
            let mut bits: Vec<Bit> = aliased[..CANONICITY_BIT]
                .iter()
                .map(|&b| Bit::alloc(cs, b))
                .collect();
            bits.extend(canonical_top(cs, &aliased[CANONICITY_BIT..]));
            assert_eq!(pack(&bits).value(), x.value());
            cs.enforce_equal(&pack(&bits), x);
        };
        assert!(!holds(x, check));
    }
}

#[test]
fn low_fails_only_in_the_last_partial_block_below_the_modulus() {
    let block = F::from_bigint((F::MODULUS >> 160) << 160).expect("below the modulus");
    let check = |cs: &mut Cs, x: &Num| drop(low(cs, x, 160));
    assert!(holds(block - F::ONE, check));
    assert!(!holds(block, check) && !holds(-F::ONE, check));
}

#[test]
fn the_top_bits_are_compared_at_every_position() {
    // Follow the bound down to each zero and set it: the integer exceeds the bound there.
    let mut bound = F::MODULUS >> 160;
    bound.sub_with_borrow(&1u64.into());
    let honest: Vec<bool> = (0..94).map(|i| bound.get_bit(i)).collect();
    let check = |values: &[bool]| holds(F::ZERO, |cs: &mut Cs, _: &Num| drop(canonical_top(cs, values)));
    assert!(check(&honest));
    for i in 0..94 {
        let mut values = honest.clone();
        values[i] = !values[i];
        assert_eq!(check(&values), honest[i], "bit {i}");
    }
}

#[test]
fn every_witness_of_low_is_unique() {
    let (system, z) = low_160(F::rand(&mut StdRng::seed_from_u64(2)));
    let free = Mutator::new(&system, z).free(|x| vec![x + F::ONE, F::ONE - x, -F::ONE]);
    assert_eq!(free, [0; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn low_agrees_with_the_native_function(seed in any::<u64>(), n in 1usize..=160) {
        let x = F::rand(&mut StdRng::seed_from_u64(seed));
        let check = |cs: &mut Cs, x: &Num| {
            let (number, bits) = low(cs, x, n);
            assert_eq!(number.value(), field::low(&x.value(), n));
            assert_eq!(bits.len(), n);
        };
        prop_assert!(holds(x, check));
    }

    #[test]
    fn comparison_agrees_with_integers(a in any::<u128>(), b in any::<u128>()) {
        for (a, b) in [(a, b), (b, a), (a, a), (a, a.wrapping_add(1))] {
            let strict = |cs: &mut Cs, a: &Num| assert_less_than(cs, a, &Num::constant(F::from(b)), 160);
            prop_assert_eq!(holds(F::from(a), strict), a < b);
            let flag = |cs: &mut Cs, x: &Num| {
                assert_eq!(is_less_than(cs, x, &Num::constant(F::from(b)), 160).value(), a < b);
            };
            prop_assert!(holds(F::from(a), flag));
        }
    }
}
