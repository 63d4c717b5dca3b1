//! Every variable is bound: changed alone, or changed with everything after it following.

use rand::SeedableRng;
use rand::rngs::StdRng;

use ark_ff::UniformRand;

use super::fixture::Forge;
use super::*;
use crate::testing::{Mutator, broken_when_cheating};

/// Variables that may change alone, with the reason. There are none.
const FREE: [usize; 0] = [];

fn candidates(value: F) -> Vec<F> {
    let mut rng = StdRng::seed_from_u64(5);
    vec![value + F::from(1u64), F::ZERO, F::from(1u64), F::rand(&mut rng)]
}

#[test]
fn no_variable_of_a_transfer_can_change_alone() {
    let assignment = Forge::honest(31).statement.assignment();
    assert_eq!(Mutator::new(system(), assignment.z()).free(candidates), FREE);
}

#[test]
fn no_variable_of_a_transfer_with_a_dummy_can_change_alone() {
    let mut forge = Forge::honest(32);
    forge.statement.inputs[1].v = F::ZERO;
    forge.statement.outputs[0].v = F::from(400u64);
    forge.plant();
    let assignment = forge.statement.assignment();
    assert_eq!(Mutator::new(system(), assignment.z()).free(candidates), FREE);
}

/// Sampled (every 13th variable): the prover adds one and recomputes everything that follows.
#[test]
fn no_hint_can_be_replaced_even_if_everything_after_it_follows() {
    let forge = Forge::honest(33);
    let z = forge.statement.assignment().z();
    for var in (system().num_public()..z.len()).step_by(13) {
        let broken = broken_when_cheating(system(), &forge.statement, &[(var, z[var] + F::from(1u64))]);
        assert!(!broken.is_empty(), "variable {var}");
    }
}
