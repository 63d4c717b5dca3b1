//! What the ledger accepts, the circuit accepts, with the same public inputs.

use proptest::prelude::*;
use tacit_protocol::ledger::LedgerError;
use tacit_protocol::tree::BATCH_LIMIT;

use super::*;

fn assert_proves(trace: &BatchTrace) {
    let assignment = BatchStatement::from_trace(trace).assignment();
    assert_eq!(assignment.public_inputs(), trace.public_inputs());
    let broken = assignment
        .first_unsatisfied()
        .map(|row| small_system().paragraph_of(row));
    assert_eq!(broken, None);
}

#[test]
fn empty_and_full_batches_prove() {
    let mut chain = Chain::genesis(1);
    for (transfers, credits) in [(0, 0), (0, 4), (4, 0), (4, 4), (0, 0), (1, 0), (0, 1), (3, 2)] {
        let data = chain.batch(BatchShape::B4x4, transfers, credits);
        let trace = chain.apply(&data);
        assert_proves(&trace);
    }
}

#[test]
fn exits_can_take_out_the_whole_supply() {
    let mut chain = Chain::with_batches(2, 2);
    let mut data = chain.batch(BatchShape::B4x4, 2, 0);
    data.slots[0].exit = ledger::tip(&chain.kv).expect("memory").supply;
    data.slots[1].exit = Amount::ZERO;
    let trace = chain.apply(&data);
    assert_eq!(trace.after.supply, Amount::ZERO);
    assert_proves(&trace);
}

#[test]
fn largest_amounts_prove() {
    let mut chain = Chain::genesis(3);
    let mut data = chain.batch(BatchShape::B4x4, 1, 1);
    data.credits[0].v = Amount::MAX;
    data.slots[0].exit = Amount::MAX;
    data.slots[0].fee = Amount::MAX;
    assert_proves(&chain.apply(&data));
}

#[test]
fn smallest_and_largest_nullifiers_prove() {
    let mut chain = Chain::genesis(4);
    let mut data = chain.batch(BatchShape::B4x4, 2, 0);
    let mut one = [0; 20];
    one[0] = 1;
    let mut two = one;
    two[0] = 2;
    let mut almost = [0xff; 20];
    almost[0] = 0xfe;
    data.slots[0].nf = [Nullifier::new([0xff; 20]), Nullifier::new(one)];
    data.slots[1].nf = [Nullifier::new(two), Nullifier::new(almost)];
    assert_proves(&chain.apply(&data));
}

#[test]
fn high_batch_numbers_prove_up_to_the_last() {
    let mut chain = Chain::with_batches(5, 1);
    for number in [0x65_4321, 0x9a_bcde, BATCH_LIMIT - 1] {
        chain.jump_to(number - 1);
        let mut data = chain.batch(BatchShape::B4x4, 2, 1);
        data.anchors = vec![number - 1; 2];
        data.slots.iter_mut().for_each(|slot| slot.anchor_index = 0);
        assert_eq!(data.number, number);
        assert_proves(&chain.apply(&data));
    }
    let data = chain.batch(BatchShape::B4x4, 0, 0);
    let mut overlay = Overlay::new(&chain.kv);
    assert_eq!(ledger::apply(&mut overlay, &data), Err(LedgerError::BatchLimit));
}

#[test]
fn constraints_depend_on_the_shape_only() {
    let chain = &mut Chain::with_batches(6, 1);
    let data = chain.batch(BatchShape::B4x4, 3, 1);
    let (system, assignment) = BatchStatement::from_trace(&chain.trace(&data)).r1cs_and_assignment();
    assert_eq!(system.digest(), small_system().digest());
    assert_eq!(system.first_unsatisfied(&assignment.z()), None);
}

#[test]
fn every_shape_proves_full_and_sparse_batches() {
    let mut chain = Chain::with_batches(7, 3);
    for shape in [BatchShape::B20x8, BatchShape::B48x16, BatchShape::B192x32] {
        let (slots, deposits) = (shape.slots(), shape.deposits());
        for (transfers, credits) in [(slots, deposits), (slots / 3, 0)] {
            let data = chain.batch(shape, transfers, credits);
            let trace = chain.apply(&data);
            let assignment = BatchStatement::from_trace(&trace).assignment();
            assert_eq!(assignment.public_inputs(), trace.public_inputs());
            assert_eq!(assignment.first_unsatisfied(), None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn random_ledgers_prove_every_step(
        seed in any::<u64>(),
        counts in prop::collection::vec((0usize..=4, 0usize..=4), 1..5),
    ) {
        let mut chain = Chain::genesis(seed);
        for (transfers, credits) in counts {
            let data = chain.batch(BatchShape::B4x4, transfers, credits);
            let trace = chain.apply(&data);
            assert_proves(&trace);
        }
    }
}
