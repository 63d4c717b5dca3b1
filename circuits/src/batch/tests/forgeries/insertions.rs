//! Forgeries of the nullifier tree's step: spend again, spend nothing, spend something else.

use tacit_protocol::tree::NULLIFIERS;

use super::super::forge::{Fixture, Step, above};
use super::*;

/// One insertion is wrong in one place.
const INSERTION: &[(&str, usize)] = &[("nullifiers: insertions", 1)];

/// Makes the second slot spend `nf` instead, inserted last with `low`.
fn spend(f: &mut Forged, nf: F, low: impl FnOnce(Step) -> Step) {
    let old = std::mem::replace(&mut f.statement.slots[1].nf[0], nf);
    let mut steps = f.fixture.steps();
    let honest = *steps.iter().find(|step| step.nf == nf).unwrap_or(&steps[0]);
    steps.retain(|step| step.nf != old);
    steps.push(Step { nf, ..low(honest) });
    f.rebuild(&steps);
}

/// The nullifier of leaf `spent` of the tree again, with leaf `low` as its low leaf.
fn respend(f: &mut Forged, spent: usize, low: usize) {
    let leaves = &f.fixture.leaves;
    let nf = leaves[spent].value.to_field();
    spend(f, nf, |_| Step::show(nf, &leaves[low]));
}

/// The first slot's second nullifier again.
fn repeat(f: &mut Forged, low: impl FnOnce(Step) -> Step) {
    let nf = f.statement.slots[0].nf[1];
    spend(f, nf, low);
}

/// The place where the `j`-th new leaf of this batch will stand.
fn waiting(j: u64) -> u64 {
    (Fixture::get().number() << 10) + j
}

/// The lower of the two neighbours first, the greater one with `low`.
fn ascend(f: &mut Forged, low: impl FnOnce(Step) -> Step) {
    let mut steps = f.fixture.steps();
    let [smaller, greater] = f.statement.slots[0].nf;
    let at = steps
        .iter()
        .position(|step| step.nf == greater)
        .expect("inserted");
    let gap = steps[at];
    assert_eq!(
        (steps[at + 1].nf, steps[at + 1].value),
        (smaller, gap.value),
        "neighbours in one gap"
    );
    steps[at] = Step { nf: smaller, ..gap };
    steps[at + 1] = Step {
        nf: greater,
        ..low(gap)
    };
    f.rebuild(&steps);
}

fn change_last(f: &mut Forged, change: impl FnOnce(&mut Step)) {
    let mut steps = f.fixture.steps();
    change(&mut steps[5]);
    f.rebuild(&steps);
}

pub(super) const INSERTIONS: &[Forgery] = &[
    (
        "a low leaf of another value",
        |f| change_last(f, |step| step.value -= F::ONE),
        INSERTION,
    ),
    (
        "a low leaf with another successor",
        |f| change_last(f, |step| step.next += F::ONE),
        INSERTION,
    ),
    (
        "a low leaf at another position",
        |f| f.statement.nullifiers.insertions[5].index ^= 1,
        &[("nullifiers: insertions", 1), ("nullifiers: append", 1)],
    ),
    (
        "a low leaf under another entry of the array",
        |f| f.statement.nullifiers.insertions[5].index ^= 1 << 28,
        &[("nullifiers: insertions", 1), ("nullifiers: append", 1)],
    ),
    (
        "a low leaf above the nullifier",
        |f| {
            let leaf = &f.fixture.leaves[39];
            change_last(f, |step| *step = Step::show(step.nf, leaf));
        },
        INSERTION,
    ),
    (
        "a low leaf whose gap ends below the nullifier",
        |f| {
            let leaf = &f.fixture.leaves[0];
            change_last(f, |step| *step = Step::show(step.nf, leaf));
        },
        INSERTION,
    ),
    (
        "a nullifier of the tree, by its own leaf",
        |f| respend(f, 20, 20),
        INSERTION,
    ),
    (
        "a nullifier of the tree, by the leaf before",
        |f| respend(f, 20, 19),
        INSERTION,
    ),
    (
        "a nullifier twice in the batch, by the lowered leaf",
        |f| {
            repeat(f, |first| Step {
                value: first.value,
                next: Fixture::get().steps()[0].next,
                ..first
            });
        },
        INSERTION,
    ),
    (
        "a nullifier of 161 bits",
        |f| {
            let last = Fixture::get().leaves[40];
            spend(f, pow2(160), |_| Step::show(pow2(160), &last));
        },
        INSERTION,
    ),
    (
        "a skipped nullifier",
        |f| {
            let steps = f.fixture.steps();
            f.rebuild(&steps[..5]);
            f.statement.nullifiers.insertions[5].next = steps[5].nf;
        },
        &[("nullifiers: insertions", 1), ("nullifiers: count", 1)],
    ),
    (
        "an enabled slot without a nullifier",
        |f| {
            let nf = std::mem::take(&mut f.statement.slots[1].nf[0]);
            let steps: Vec<Step> = f
                .fixture
                .steps()
                .into_iter()
                .filter(|step| step.nf != nf)
                .collect();
            f.rebuild(&steps);
        },
        &[("nullifiers: count", 1)],
    ),
    (
        "an enabled slot that inserts zero",
        |f| {
            let genesis = Fixture::get().leaves[0];
            spend(f, F::ZERO, |_| Step::show(F::ZERO, &genesis));
        },
        INSERTION,
    ),
    (
        "another array before",
        |f| f.statement.nullifiers.top[9] += F::ONE,
        &[("nullifiers: top before", 1)],
    ),
    (
        "leaves in another order than the slots",
        |f| {
            let mut data = f.fixture.trace.data.clone();
            data.slots.swap(0, 1);
            f.statement.after.nullifier_root = f.fixture.chain.trace(&data).after.nullifier_root;
            f.keep_roots = true;
        },
        &[("nullifiers: top after", 1)],
    ),
    (
        "another path of the subtree",
        |f| f.statement.nullifiers.path[3][0] += F::ONE,
        &[("nullifiers: append", 1)],
    ),
];

#[test]
fn forged_insertions_are_noticed() {
    check(INSERTIONS);
}

/// The last switch of the network, which acts on the items of insertions 4 and 5, mixes them: with a
/// setting that is no boolean, other nullifiers come out than went in.
fn mix(f: &mut Forged) {
    let mut steps = f.fixture.steps();
    let swapped = f.statement.nullifiers.switches[16];
    let (first, second) = if swapped {
        (steps[5].nf, steps[4].nf)
    } else {
        (steps[4].nf, steps[5].nf)
    };
    steps[4].nf += F::ONE;
    steps[5].nf -= F::ONE;
    let setting = (steps[4].nf - first) * (second - first).inverse().expect("they differ");
    f.insert(&steps);
    f.cheat("nullifiers: network", 16, setting);
}

/// Forgeries that replace a computed variable and follow the statement from there on.
pub(super) const CHEATS: &[Forgery] = &[
    (
        "other nullifiers than the slots'",
        mix,
        &[("nullifiers: network", 1)],
    ),
    // Behind the way back (17) and the hash of the first leaf (264) stands its product.
    (
        "a new leaf that is empty",
        |f| f.cheat("nullifiers: leaves", 17 + 264, F::ZERO),
        &[("nullifiers: leaves", 1)],
    ),
    (
        "a new leaf of another gap",
        |f| f.cheat("nullifiers: leaves", 17 + 264, F::from(5u64)),
        &[("nullifiers: leaves", 1)],
    ),
];

#[test]
fn cheats_in_the_network_and_the_leaves_are_noticed() {
    check(CHEATS);
}

#[test]
fn a_nullifier_twice_in_one_batch_has_no_low_leaf() {
    // The leaf as it was and the new leaf where it will stand are no better than the lowered one.
    let attempts: [fn(Step) -> Step; 3] = [
        |first| first,
        |first| Step {
            next: first.nf,
            ..first
        },
        |first| Step {
            value: first.nf,
            index: waiting(1),
            ..first
        },
    ];
    for attempt in attempts {
        let mut forged = Forged::honest();
        repeat(&mut forged, attempt);
        assert_eq!(forged.broken()[0].0, "nullifiers: insertions");
    }
}

#[test]
fn within_one_gap_ascending_insertions_have_no_low_leaf() {
    let attempts: [fn(Step) -> Step; 3] = [
        |gap| gap,
        |gap| Step {
            next: Forged::honest().statement.slots[0].nf[0],
            ..gap
        },
        |gap| Step {
            value: Forged::honest().statement.slots[0].nf[0],
            index: waiting(0),
            ..gap
        },
    ];
    for attempt in attempts {
        let mut forged = Forged::honest();
        ascend(&mut forged, attempt);
        assert_eq!(forged.broken()[0].0, "nullifiers: insertions");
    }
}

#[test]
fn across_gaps_the_order_is_free_and_changes_nothing() {
    let mut forged = Forged::honest();
    let public = forged.statement.public;
    let mut steps = forged.fixture.steps();
    let neighbours = above(&forged.fixture.leaves[17], 20).to_field();
    let at = steps
        .iter()
        .position(|step| step.nf == neighbours)
        .expect("inserted");
    let pair: Vec<Step> = steps.drain(at..at + 2).collect();
    steps.reverse();
    steps.splice(1..1, pair);
    forged.rebuild(&steps);
    assert_eq!(forged.broken(), Broken::new());
    assert_eq!(forged.statement.public, public);
}

#[test]
fn an_occupied_subtree_of_nullifiers_is_noticed() {
    // The ledger itself would overwrite the intruder; the circuit finds no empty subtree.
    let fixture = Fixture::get();
    let mut overlay = Overlay::new(&fixture.chain.kv);
    NULLIFIERS
        .set(&mut overlay, waiting(512), F::ONE)
        .expect("memory");
    let delta = overlay.into_delta();
    let mut chain = Chain {
        kv: fixture.chain.kv.clone(),
        rng: fixture.chain.rng.clone(),
    };
    chain.kv.commit(&delta);
    let mut forged = Forged::honest();
    forged.statement = BatchStatement::from_trace(&chain.trace(&fixture.trace.data));
    forged.statement.before.nullifier_root = NULLIFIERS.root(&chain.kv).expect("memory");
    assert_eq!(forged.broken(), [("nullifiers: append", 1)]);
}
