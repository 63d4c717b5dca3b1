//! Forgeries of the two states, the history and the anchors.

use tacit_protocol::tree::HISTORY;

use super::*;

pub(super) const STATES: &[Forgery] = &[
    (
        "more supply than S says",
        |f| {
            f.statement.before.supply += F::ONE;
            f.statement.after.supply += F::ONE;
            f.keep_before = true;
        },
        &[("state", 1)],
    ),
    (
        "another number than S says",
        |f| {
            // Leaf 6 of the history and subtree 7 are as empty as 5 and 6, so their paths hold.
            f.keep_before = true;
            f.statement.before.batch += F::ONE;
        },
        &[("state", 1), ("anchors", 2)],
    ),
    (
        "a number after the last",
        |f| f.statement.before.batch = pow2(24) - F::ONE,
        &[
            ("state", 1),
            ("history", 1),
            ("anchors", 2),
            ("nullifiers: append", 2),
            ("notes", 2),
        ],
    ),
    (
        "the leaf b − 1 of the history was not empty",
        |f| {
            let path = MerklePath {
                siblings: f.statement.history_path.clone(),
            };
            f.statement.before.history_root = path.root(F::ONE, 5);
        },
        &[("history", 1)],
    ),
    (
        "S goes elsewhere in the history",
        |f| {
            let path = MerklePath {
                siblings: f.statement.history_path.clone(),
            };
            f.statement.after.history_root = path.root(f.statement.public[0], 6);
            f.keep_roots = true;
        },
        &[("history", 1), ("anchors", 2)],
    ),
    (
        "another path of the history",
        |f| {
            f.statement.history_path = HISTORY.path(&f.fixture.chain.kv, 20).expect("memory").siblings;
        },
        &[("history", 1), ("anchors", 2)],
    ),
    (
        "a history without S",
        |f| {
            f.statement.after.history_root = f.statement.before.history_root;
            f.keep_roots = true;
        },
        &[("history", 1), ("anchors", 2)],
    ),
    (
        "an anchor with another notes root",
        |f| f.statement.anchors[0].state.notes_root += F::ONE,
        &[("anchors", 1)],
    ),
    (
        "an anchor under another number",
        |f| f.statement.anchors[0].state.batch -= F::ONE,
        &[("anchors", 1)],
    ),
    (
        "an anchor of another state",
        |f| {
            let batch = f.statement.anchors[1].state.batch;
            f.statement.anchors[1].state = StateWitness {
                batch,
                ..f.statement.anchors[0].state.clone()
            };
        },
        &[("anchors", 1)],
    ),
    (
        "an anchor that is not recorded yet",
        |f| {
            let batch = F::from(f.fixture.number());
            f.statement.anchors[0].state = StateWitness {
                batch,
                ..f.statement.after.clone()
            };
        },
        &[("anchors", 1)],
    ),
    (
        "an anchor of zeros",
        |f| {
            f.statement.anchors[0].state = StateWitness {
                batch: F::from(9u64),
                ..StateWitness::default()
            };
        },
        &[("anchors", 1)],
    ),
];

#[test]
fn forged_states_and_histories_are_noticed() {
    check(STATES);
}
