//! What must be accepted, and what it costs.

use std::collections::BTreeSet;

use tacit_protocol::Network;
use tacit_protocol::keys::AccountRoot;
use tacit_protocol::signature::{SpendMessage, sign};
use tacit_protocol::transfer::PublicBody;
use tacit_protocol::tree::{BATCH_DEPTH, subtree_path};

use super::fixture::Forge;
use super::*;
use crate::testing::broken;
use crate::version::{CircuitId, assert_pinned};

fn accepted(forge: &Forge) -> bool {
    broken(system(), &forge.statement) == BTreeSet::new()
}

#[test]
fn a_valid_transfer_satisfies_the_statement() {
    for seed in 0..20 {
        let forge = Forge::honest(seed);
        let assignment = forge.statement.assignment();
        assert_eq!(system().first_unsatisfied(&assignment.z()), None);
        assert_eq!(assignment.first_unsatisfied(), None);
        assert_eq!(assignment.public_inputs(), forge.statement.public_inputs());
    }
}

#[test]
fn a_transfer_built_from_protocol_types_satisfies_the_statement() {
    let root = AccountRoot::new(&[7; 64], Network::Regtest, 0);
    let viewing = root.full_viewing_key();
    let address = viewing.incoming().address(3);
    let note =
        |v: u64, rseed: u8| Note::payment(Amount::from_sat(v).expect("an amount"), &address, &[rseed; 16]);
    let leaves = [F::from(5u64), note(1_000, 1).commitment().to_field()];
    let (position, batch) = (Position::new(9, 1).expect("a position"), subtree_path(&leaves, 1));
    let path = batch.join(&MerklePath::zero(BATCH_DEPTH));
    let inputs = [
        SpentNote {
            note: note(1_000, 1),
            position,
            path: path.clone(),
        },
        SpentNote::dummy(note(0, 2), Position::from_u64(77).expect("a position")),
    ];
    let outputs = [note(600, 3), note(385, 4)];
    let (fee, exit) = (Amount::from_sat(15).expect("an amount"), Amount::ZERO);
    let public = PublicBody {
        nf: inputs
            .each_ref()
            .map(|i| i.note.nullifier(&viewing.nk(), i.position).to_field()),
        cm: outputs.each_ref().map(|note| note.commitment().to_field()),
        out: out_field(fee, exit),
        ctx: F::from(123u64),
    };
    let message = SpendMessage {
        ok: viewing.ok(),
        nf: public.nf,
        cm: public.cm,
        out: public.out,
        ctx: public.ctx,
    };
    let anchor = path.root(leaves[1], position.to_u64());
    let statement = TransferStatement::new(&TransferWitness {
        ak: viewing.ak(),
        nk: viewing.nk(),
        inputs,
        outputs: outputs.map(|note| NewNote {
            v: note.v,
            inner: note.inner(),
        }),
        fee,
        exit,
        anchor,
        ctx: public.ctx,
        signature: sign(&root.spend_key(), &message, &mut rand::thread_rng()),
    });
    assert_eq!(statement.public_inputs(), public.inputs(anchor));
    assert_eq!(broken(system(), &statement), BTreeSet::new());
}

#[test]
fn recording_and_assigning_give_the_same_products() {
    let statement = Forge::honest(1).statement;
    let (system, recorded) = statement.r1cs_and_assignment();
    let assigned = statement.assignment();
    assert_eq!(recorded.z(), assigned.z());
    assert_eq!(
        (recorded.az, recorded.bz, recorded.cz),
        (assigned.az, assigned.bz, assigned.cz)
    );
    assert_eq!(
        system.digest(),
        super::system().digest(),
        "the shape does not depend on the witness"
    );
}

#[test]
fn a_zero_value_input_needs_no_path() {
    let mut forge = Forge::honest(2);
    forge.statement.inputs[1].v = F::ZERO;
    forge.statement.outputs[0].v = F::from(400u64);
    forge.statement.inputs[1].siblings = MerklePath::zero(NOTE_DEPTH).siblings;
    // Plant the other one alone.
    forge.statement.public[0] = forge.root(0);
    forge.settle();
    assert!(accepted(&forge));
    // With two of them any anchor will do, and nothing can be paid but nothing.
    forge.statement.inputs[0].v = F::ZERO;
    forge
        .statement
        .outputs
        .iter_mut()
        .for_each(|output| output.v = F::ZERO);
    (forge.statement.fee, forge.statement.exit) = (F::ZERO, F::ZERO);
    forge.statement.public[0] = F::from(99u64);
    forge.settle();
    assert!(accepted(&forge));
}

#[test]
fn the_largest_amounts_and_positions_are_accepted() {
    let mut forge = Forge::honest(3);
    let top = F::from(u64::MAX);
    forge.statement.inputs.iter_mut().for_each(|input| input.v = top);
    forge
        .statement
        .outputs
        .iter_mut()
        .for_each(|output| output.v = F::ZERO);
    (forge.statement.fee, forge.statement.exit) = (top, top);
    forge.statement.inputs[0].position = field::pow2(34) - F::from(1u64);
    forge.statement.inputs[1].position = field::pow2(34) - F::from(2u64);
    forge.plant();
    assert!(accepted(&forge));
}

#[test]
fn the_same_note_twice_has_the_same_nullifier_which_a_native_rule_refuses() {
    let mut forge = Forge::honest(4);
    forge.statement.inputs[1] = forge.statement.inputs[0].clone();
    forge.statement.outputs[0].v = F::from(1_100u64);
    forge.settle();
    assert!(accepted(&forge));
    assert_eq!(forge.statement.public[1], forge.statement.public[2]);
}

#[test]
fn the_nullifier_of_a_note_does_not_depend_on_anchor_or_path() {
    let mut forge = Forge::honest(5);
    let before = forge.statement.clone();
    forge
        .statement
        .inputs
        .iter_mut()
        .for_each(|input| input.siblings[9][1] += F::from(1u64));
    forge.statement.public[0] = forge.root(0);
    assert!(
        accepted(&forge),
        "the old signature is still good: it covers no anchor"
    );
    assert_ne!(forge.statement.public[0], before.public[0]);
    assert_eq!(forge.statement.public[1..], before.public[1..]);
}

#[test]
fn a_note_alike_at_another_position_has_another_nullifier() {
    let mut forge = Forge::honest(6);
    let [first, second] = &mut forge.statement.inputs;
    (second.v, second.d, second.rcm) = (first.v, first.d, first.rcm);
    forge.statement.outputs[0].v = F::from(1_100u64);
    forge.plant();
    assert!(accepted(&forge));
    assert_eq!(forge.commitment(0), forge.commitment(1));
    assert_ne!(forge.statement.public[1], forge.statement.public[2]);
}

#[test]
fn any_point_of_small_order_in_the_key_witness_gives_the_same_statement() {
    // The witness is ak/8, so these are eight writings of one key, not eight keys.
    let mut forge = Forge::honest(7);
    forge.statement.ak_eighth =
        (forge.statement.ak_eighth + EdwardsAffine::new_unchecked(F::ZERO, -F::from(1u64))).into();
    assert!(accepted(&forge));
}

#[test]
fn pinned_transfer_circuit_is_unchanged_and_small() {
    assert!(system().num_constraints() <= 18_000);
    // With its eight public columns it fills a domain of 2^14; one more bit doubles the work there.
    assert!(system().num_constraints() + system().num_public() <= 1 << 14);
    assert_pinned(CircuitId::Transfer, system());
}
