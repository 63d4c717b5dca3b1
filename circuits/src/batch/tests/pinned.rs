//! The circuits are pinned and meet their targets.

use super::*;
use crate::version::{CircuitId, assert_pinned};

/// Constraints, the most allowed per slot, and the evaluation domain that constraints and public
/// rows must fit.
const TARGETS: [(BatchShape, usize, usize, usize); 4] = [
    (BatchShape::B4x4, 117_912, 31_000, 1 << 17),
    (BatchShape::B20x8, 424_766, 22_500, 1 << 19),
    (BatchShape::B48x16, 965_202, 20_500, 1 << 20),
    (BatchShape::B192x32, 3_649_762, 19_500, 1 << 22),
];

/// The constant one and three public inputs.
const PUBLIC_ROWS: usize = 4;

#[test]
fn all_shapes_meet_their_targets() {
    for (shape, constraints, per_slot, domain) in TARGETS {
        let mut cs = Cs::assigner();
        BatchStatement::blank(shape).synthesize(&mut cs);
        assert_eq!(cs.num_constraints(), constraints, "{shape:?}");
        assert!(constraints <= per_slot * shape.slots(), "{shape:?}");
        assert!(constraints + PUBLIC_ROWS <= domain, "{shape:?}");
    }
}

#[test]
fn batches_of_4_are_pinned() {
    assert_pinned(CircuitId::Batch(BatchShape::B4x4), small_system());
}

#[test]
fn batches_of_20_are_pinned_and_their_system_accepts_a_batch() {
    let system = BatchStatement::blank(BatchShape::B20x8).r1cs();
    assert_pinned(CircuitId::Batch(BatchShape::B20x8), &system);
    let mut chain = Chain::with_batches(11, 1);
    let data = chain.batch(BatchShape::B20x8, 17, 5);
    let assignment = BatchStatement::from_trace(&chain.trace(&data)).assignment();
    assert_eq!(system.first_unsatisfied(&assignment.z()), None);
}

/// Recording millions of constraints takes half a minute and a gigabyte.
#[test]
fn large_batches_are_pinned() {
    for shape in [BatchShape::B48x16, BatchShape::B192x32] {
        assert_pinned(CircuitId::Batch(shape), &BatchStatement::blank(shape).r1cs());
    }
}
