//! No witness variable is free: changing any one of them breaks a constraint.

use ark_ff::{AdditiveGroup, Field};

use super::*;
use crate::testing::{Mutator, broken_when_cheating, paragraph, product_of};

/// Variables that can change alone, by the paragraphs' names.
fn free(trace: &BatchTrace, seed: u64) -> Vec<usize> {
    let assignment = BatchStatement::from_trace(trace).assignment();
    let mutator = Mutator::new(small_system(), assignment.z());
    let mut rng = StdRng::seed_from_u64(seed);
    let random = std::cell::RefCell::new(&mut rng);
    mutator.free(|value| {
        let mut bytes = [0; 64];
        random.borrow_mut().fill_bytes(&mut bytes);
        vec![
            value + F::ONE,
            F::ONE - value,
            F::ZERO,
            field::from_uniform(&bytes),
        ]
    })
}

#[test]
fn a_full_batch_leaves_no_variable_free() {
    let mut chain = Chain::with_batches(9, 3);
    let data = chain.batch(BatchShape::B4x4, 4, 4);
    assert_eq!(free(&chain.trace(&data), 1), Vec::<usize>::new());
}

/// The one reviewed exception. A switch between two zero items may stand either way: it permutes
/// zeros, and the successors it sends back meet disabled slots only, whose leaves are empty whatever
/// they are.
#[test]
fn a_sparse_batch_leaves_only_switches_between_zeros_free() {
    let mut chain = Chain::with_batches(10, 3);
    for transfers in [0, 2] {
        let data = chain.batch(BatchShape::B4x4, transfers, 1);
        let free = free(&chain.trace(&data), 2);
        let network = paragraph(small_system(), "nullifiers: network", 0);
        let switches: Vec<usize> = network
            .take(17)
            .map(|row| product_of(small_system(), row))
            .collect();
        assert!(
            free.iter().all(|var| switches.contains(var)),
            "free: {free:?}, switches: {switches:?}"
        );
        assert_eq!(transfers == 0, free == switches);
    }
}

/// Sampled: the prover adds one to a variable and computes everything that follows from that.
#[test]
fn no_variable_can_be_replaced_even_if_everything_after_it_follows() {
    let mut chain = Chain::with_batches(11, 2);
    let data = chain.batch(BatchShape::B4x4, 4, 4);
    let statement = BatchStatement::from_trace(&chain.trace(&data));
    let z = statement.assignment().z();
    for var in (small_system().num_public()..z.len()).step_by(1_499) {
        let broken = broken_when_cheating(small_system(), &statement, &[(var, z[var] + F::ONE)]);
        assert!(!broken.is_empty(), "variable {var}");
    }
}
