//! Forgeries of what slots and deposits say.

use super::*;

pub(super) const SLOTS: &[Forgery] = &[
    (
        "a disabled slot before an enabled one",
        |f| {
            f.statement.slots.swap(2, 3);
            f.rebuild(&f.fixture.steps());
        },
        &[("slots", 1)],
    ),
    (
        "a flag that is no boolean",
        |f| f.cheat("slots", 0, F::from(2u64)),
        &[
            // The boolean, six products with what the slot holds, the flag of the second slot.
            ("slots", 8),
            ("nullifiers: count", 1),
        ],
    ),
    (
        "a fee of 65 bits",
        |f| f.statement.slots[0].fee = pow2(64),
        &[("slots", 1), ("notes", 1)],
    ),
    (
        "a negative fee",
        |f| f.statement.slots[0].fee = -F::ONE,
        &[("slots", 1)],
    ),
    (
        "a negative exit",
        |f| {
            f.statement.after.supply += f.statement.slots[0].exit + F::ONE;
            f.statement.slots[0].exit = -F::ONE;
        },
        &[("slots", 1)],
    ),
    (
        "an anchor index of K",
        |f| f.statement.slots[0].anchor_index = F::from(2u64),
        &[("slots", 1)],
    ),
    (
        "a fee in a disabled slot",
        |f| f.statement.slots[3].fee = F::ONE,
        &[("slots", 1)],
    ),
    (
        "a fee of 65 bits in a disabled slot",
        |f| f.statement.slots[3].fee = pow2(64),
        &[("slots", 2), ("notes", 1)],
    ),
    (
        "an exit in a disabled slot",
        |f| {
            f.statement.slots[3].exit = F::ONE;
            f.statement.after.supply -= F::ONE;
        },
        &[("slots", 1)],
    ),
    (
        "a fee and an exit that cancel out in the word",
        |f| {
            f.statement.slots[3].fee = -pow2(64);
            f.statement.slots[3].exit = F::ONE;
            f.statement.after.supply -= F::ONE;
        },
        &[("slots", 1), ("notes", 1)],
    ),
    (
        "an anchor in a disabled slot",
        |f| f.statement.slots[3].anchor_index = F::ONE,
        &[("slots", 1)],
    ),
    (
        "a first output in a disabled slot",
        |f| f.statement.slots[3].cm[0] = F::ONE,
        &[("slots", 1)],
    ),
    (
        "a second output in a disabled slot",
        |f| f.statement.slots[3].cm[1] = F::ONE,
        &[("slots", 1)],
    ),
    (
        "a context in a disabled slot",
        |f| f.statement.slots[3].ctx = F::ONE,
        &[("slots", 1)],
    ),
    (
        "nullifiers in a disabled slot",
        |f| {
            let slot = f.statement.slots[2].clone();
            f.statement.slots[2] = SlotWitness {
                nf: slot.nf,
                ..SlotWitness::default()
            };
            f.statement.after.supply += slot.exit;
        },
        &[("slots", 2), ("nullifiers: count", 1)],
    ),
    (
        "a disabled deposit before an enabled one",
        |f| f.statement.deposits.swap(1, 2),
        &[("deposits", 1)],
    ),
    (
        "an amount in a disabled deposit",
        |f| {
            f.statement.deposits[2].v = F::ONE;
            f.statement.after.supply += F::ONE;
        },
        &[("deposits", 1)],
    ),
    (
        "a note in a disabled deposit",
        |f| f.statement.deposits[3].inner = F::ONE,
        &[("deposits", 1)],
    ),
    (
        "an outpoint in a disabled deposit",
        |f| f.statement.deposits[3].outpoint = F::ONE,
        &[("deposits", 1)],
    ),
    (
        "a negative deposit",
        |f| {
            f.statement.after.supply -= f.statement.deposits[0].v + F::ONE;
            f.statement.deposits[0].v = -F::ONE;
        },
        &[("deposits", 1)],
    ),
];

#[test]
fn forged_slots_and_deposits_are_noticed() {
    check(SLOTS);
}
