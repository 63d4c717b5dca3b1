//! Paths agree with the native node, positions are bound, updates change one leaf and nothing else.

use ark_ff::{AdditiveGroup, UniformRand};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_protocol::hash::node as native_node;

use super::*;
use crate::bits::alloc_bits;
use crate::r1cs::{R1cs, Statement};
use crate::testing::Mutator;

const DEPTH: usize = 3;

/// Replaces `old` by `new` at `index`; the second field of the outcome is what the roots should be.
#[derive(Clone)]
struct Update {
    old: F,
    new: F,
    index: u64,
    siblings: Vec<[F; 3]>,
}

impl Update {
    fn random(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let siblings = (0..DEPTH)
            .map(|_| std::array::from_fn(|_| F::rand(&mut rng)))
            .collect();
        Self {
            old: F::rand(&mut rng),
            new: F::rand(&mut rng),
            index: seed % 64,
            siblings,
        }
    }

    fn native_root(&self, leaf: F) -> F {
        self.siblings
            .iter()
            .enumerate()
            .fold(leaf, |current, (level, siblings)| {
                let own = usize::try_from(self.index >> (2 * level) & 3).expect("two bits");
                let mut children = siblings.to_vec();
                children.insert(own, current);
                native_node(&children.try_into().expect("four children"))
            })
    }
}

impl Statement for Update {
    fn synthesize(&self, cs: &mut Cs) {
        let (before, after) = (
            cs.public(self.native_root(self.old)),
            cs.public(self.native_root(self.new)),
        );
        let (old, new) = (cs.alloc(self.old), cs.alloc(self.new));
        let position = alloc_bits(cs, F::from(self.index), 2 * DEPTH);
        let start = cs.num_constraints();
        let path = root(cs, &old, &position, &self.siblings);
        assert_eq!(cs.num_constraints() - start, LEVEL_CONSTRAINTS * DEPTH);
        let start = cs.num_constraints();
        let (first, second) = update(cs, &old, &new, &position, &self.siblings);
        assert_eq!(cs.num_constraints() - start, UPDATE_LEVEL_CONSTRAINTS * DEPTH);
        cs.enforce_equal(&path, &before);
        cs.enforce_equal(&first, &before);
        cs.enforce_equal(&second, &after);
    }
}

fn satisfied(system: &R1cs, z: &[F]) -> bool {
    system.first_unsatisfied(z).is_none()
}

#[test]
fn roots_agree_with_the_native_tree_at_every_position() {
    for seed in 0..64 {
        let (system, assignment) = Update::random(seed).r1cs_and_assignment();
        assert!(satisfied(&system, &assignment.z()), "position {seed}");
    }
}

#[test]
fn every_witness_of_a_path_is_bound() {
    for seed in [0, 27, 63] {
        let (system, assignment) = Update::random(seed).r1cs_and_assignment();
        let free = Mutator::new(&system, assignment.z())
            .free(|x| vec![x + F::from(1u64), F::from(1u64) - x, F::ZERO]);
        assert_eq!(free, [0; 0]);
    }
}

#[test]
fn another_position_gives_another_root() {
    let honest = Update::random(9);
    let roots: Vec<F> = (0..64)
        .map(|index| {
            Update {
                index,
                ..honest.clone()
            }
            .native_root(honest.old)
        })
        .collect();
    for (i, a) in roots.iter().enumerate() {
        assert!(roots[i + 1..].iter().all(|b| a != b));
    }
}
