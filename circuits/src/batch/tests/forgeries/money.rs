//! Forgeries of the supply, of the notes, and of the digest that names them.

use tacit_protocol::hash::{Tag, hash};
use tacit_protocol::tree::{NOTES, subtree_root};

use super::super::forge::Fixture;
use super::*;

pub(super) const AMOUNTS: &[Forgery] = &[
    (
        "a supply that grows by one",
        |f| f.statement.after.supply += F::ONE,
        &[("supply", 1)],
    ),
    (
        "a supply that shrinks by one",
        |f| f.statement.after.supply -= F::ONE,
        &[("supply", 1)],
    ),
    (
        "an exit more than there is",
        |f| {
            f.statement.slots[0].exit += f.statement.after.supply + F::ONE;
            f.statement.after.supply = F::ZERO;
        },
        &[("supply", 1)],
    ),
    (
        "an exit that makes the supply negative",
        |f| {
            f.statement.slots[0].exit += f.statement.after.supply + F::ONE;
            f.statement.after.supply = -F::ONE;
        },
        &[("state", 1)],
    ),
    (
        "a supply of 65 bits",
        |f| {
            let more = F::from(u64::MAX) - f.statement.before.supply;
            f.statement.before.supply += more;
            f.statement.after.supply += more + f.statement.slots[0].exit;
            f.statement.slots[0].exit = F::ZERO;
            f.statement.after.supply += f.statement.slots[1].exit + f.statement.slots[2].exit;
            f.statement.slots[1].exit = F::ZERO;
            f.statement.slots[2].exit = F::ZERO;
        },
        &[("state", 1)],
    ),
    (
        "fees of 65 bits in total",
        |f| {
            f.statement.slots[..2]
                .iter_mut()
                .for_each(|slot| slot.fee = pow2(63));
        },
        &[("notes", 1)],
    ),
    (
        "deposits of 65 bits in total",
        |f| {
            f.statement.deposits[..2]
                .iter_mut()
                .for_each(|deposit| deposit.v = pow2(63));
            f.statement.slots[0].exit = pow2(63);
            f.statement.slots[1].exit = pow2(63) - F::ONE;
            f.statement.slots[2].exit = F::ZERO;
            f.statement.after.supply = f.statement.before.supply + F::ONE;
        },
        &[("supply", 1)],
    ),
    (
        "exits of 65 bits in total",
        |f| {
            f.statement.slots[..2]
                .iter_mut()
                .for_each(|slot| slot.exit = pow2(63));
            f.statement.slots[2].exit = F::ZERO;
            f.statement.deposits[0].v = pow2(63);
            f.statement.deposits[1].v = pow2(63) - F::ONE;
            f.statement.after.supply = f.statement.before.supply - F::ONE;
        },
        &[("supply", 1)],
    ),
];

#[test]
fn forged_amounts_are_noticed() {
    check(AMOUNTS);
}

/// A notes root in which leaf `j` of the batch's subtree is another.
fn replace_note(f: &mut Forged, j: usize, leaf: F) {
    let trace = &f.fixture.trace;
    let mut leaves = trace.data.note_leaves().expect("sums");
    assert_ne!(std::mem::replace(&mut leaves[j], leaf), leaf);
    f.statement.after.notes_root = trace.notes_path.root(subtree_root(&leaves), f.fixture.number());
    f.keep_roots = true;
}

fn fee_note(fees: u64, operator: F, number: u32) -> F {
    let inner = tacit_protocol::note::inner(&operator, &tacit_protocol::note::fee_rcm(number));
    hash(Tag::Note, &[F::from(fees), inner])
}

fn fees() -> (u64, F, u32) {
    let data = &Fixture::get().trace.data;
    (
        data.total_fee().expect("sums").to_sat(),
        data.operator,
        data.number,
    )
}

pub(super) const NOTES_AND_DIGEST: &[Forgery] = &[
    (
        "subtree b of the notes was not empty",
        |f| {
            let path = MerklePath {
                siblings: f.statement.notes_path.clone(),
            };
            f.statement.before.notes_root = path.root(F::ONE, f.fixture.number());
        },
        &[("notes", 1)],
    ),
    (
        "the notes go to another subtree",
        |f| {
            let leaves = f.fixture.trace.data.note_leaves().expect("sums");
            f.statement.after.notes_root = f.fixture.trace.notes_path.root(subtree_root(&leaves), 7);
            f.keep_roots = true;
        },
        &[("notes", 1)],
    ),
    (
        "another path of the notes",
        |f| {
            f.statement.notes_path = NOTES.path(&f.fixture.chain.kv, 20).expect("memory").siblings;
        },
        &[("notes", 1)],
    ),
    (
        "a fee note of one satoshi more",
        |f| {
            let (fees, operator, number) = fees();
            replace_note(f, 12, fee_note(fees + 1, operator, number));
        },
        &[("notes", 1)],
    ),
    (
        "a fee note to somebody else",
        |f| {
            let (fees, _, number) = fees();
            replace_note(f, 12, fee_note(fees, F::ONE, number));
        },
        &[("notes", 1)],
    ),
    (
        "a fee note of another batch",
        |f| {
            let (fees, operator, number) = fees();
            replace_note(f, 12, fee_note(fees, operator, number - 1));
        },
        &[("notes", 1)],
    ),
    ("no fee note", |f| replace_note(f, 12, F::ZERO), &[("notes", 1)]),
    (
        "an output that is not there",
        |f| replace_note(f, 3, F::ZERO),
        &[("notes", 1)],
    ),
    (
        "an output of a disabled slot",
        |f| replace_note(f, 6, F::ONE),
        &[("notes", 1)],
    ),
    (
        "a deposit of another amount",
        |f| {
            let credit = &f.fixture.trace.data.credits[1];
            replace_note(
                f,
                9,
                hash(Tag::Note, &[credit.v.to_field() + F::ONE, credit.inner]),
            );
        },
        &[("notes", 1)],
    ),
    (
        "a note in a disabled deposit's place",
        |f| replace_note(f, 10, hash(Tag::Note, &[F::ZERO; 2])),
        &[("notes", 1)],
    ),
    (
        "a deposit of one satoshi more than the digest says",
        |f| {
            f.statement.deposits[1].v += F::ONE;
            f.statement.after.supply += F::ONE;
            f.keep_digest = true;
        },
        &[("digest", 1)],
    ),
    (
        "a deposit the digest does not know",
        |f| {
            f.statement.deposits[2] = f.statement.deposits[1].clone();
            f.statement.after.supply += f.statement.deposits[1].v;
            f.keep_digest = true;
        },
        &[("digest", 1)],
    ),
    (
        "an empty deposit the digest does not know",
        |f| {
            f.statement.deposits[2].enabled = true;
            f.keep_digest = true;
        },
        &[("digest", 1)],
    ),
];

#[test]
fn forged_notes_and_digests_are_noticed() {
    check(NOTES_AND_DIGEST);
}
