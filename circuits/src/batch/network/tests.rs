//! Every permutation has settings, the network applies them, and backwards undoes forwards.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tacit_protocol::F;

use super::*;

/// What stands at each output when the numbers `0..n` go through.
fn outputs(order: &[usize]) -> Vec<F> {
    let mut cs = Cs::assigner();
    let inputs = numbers(&mut cs, order.len());
    let network = Network::alloc(&mut cs, order.len(), &route(order));
    let there = network.forward(&mut cs, inputs);
    let back = network.backward(&mut cs, there.clone());
    assert!(
        back.iter().zip(0u64..).all(|(x, i)| x.value() == F::from(i)),
        "backwards undoes forwards"
    );
    assert_eq!(cs.num_constraints(), 3 * num_switches(order.len()));
    there.iter().map(Num::value).collect()
}

fn numbers(cs: &mut Cs, n: usize) -> Vec<Num> {
    (0u64..).take(n).map(|i| cs.alloc(F::from(i))).collect()
}

fn check(order: &[usize]) {
    let expected: Vec<F> = order.iter().map(|&input| F::from(input as u64)).collect();
    assert_eq!(outputs(order), expected);
}

fn check_all(order: &mut Vec<usize>, rest: &mut Vec<usize>) {
    if rest.is_empty() {
        check(order);
    }
    for i in 0..rest.len() {
        order.push(rest.remove(i));
        check_all(order, rest);
        rest.insert(i, order.pop().expect("just pushed"));
    }
}

#[test]
fn all_permutations_of_up_to_six_are_routed() {
    for n in 0..=6 {
        check_all(&mut Vec::new(), &mut (0..n).collect());
    }
}

#[test]
fn the_network_has_as_many_switches_as_waksman_says() {
    for (n, switches) in [
        (1, 0),
        (2, 1),
        (3, 3),
        (8, 17),
        (40, 177),
        (96, 545),
        (384, 2_945),
    ] {
        assert_eq!(num_switches(n), switches);
    }
}

#[test]
fn any_setting_is_some_permutation() {
    let mut cs = Cs::assigner();
    let inputs = numbers(&mut cs, 9);
    for seed in 0..50u64 {
        let settings: Vec<bool> = (0..num_switches(9))
            .map(|i| (seed * 2_654_435_761) >> i & 1 == 1)
            .collect();
        let network = Network::alloc(&mut cs, 9, &settings);
        let mut out: Vec<F> = network
            .forward(&mut cs, inputs.clone())
            .iter()
            .map(Num::value)
            .collect();
        out.sort_unstable();
        assert!(out.into_iter().eq((0u64..9).map(F::from)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_permutations_of_every_size_are_routed(n in 1usize..100, seed in any::<u64>()) {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        check(&order);
    }

    #[test]
    fn random_permutations_of_the_largest_shape_are_routed(seed in any::<u64>()) {
        let mut order: Vec<usize> = (0..384).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        check(&order);
    }
}
