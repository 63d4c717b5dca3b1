//! The witness of the batch statement as bare field elements, from a trace or blank.

use ark_ff::AdditiveGroup;
use tacit_protocol::F;
use tacit_protocol::batch::{BatchShape, Credit, Slot};
use tacit_protocol::ledger::{AnchorOpening, BatchTrace, NULLIFIER_LOW_LEVELS, NULLIFIER_TOP};
use tacit_protocol::note::Nullifier;
use tacit_protocol::state::State;
use tacit_protocol::tree::nullifiers::{ImtLeaf, Insertion};
use tacit_protocol::tree::{BATCH_DEPTH, LEAF_DEPTH};

use super::{BatchStatement, network};

/// An opened state.
#[derive(Clone, Debug, Default)]
pub(super) struct StateWitness {
    pub(super) notes_root: F,
    pub(super) nullifier_root: F,
    pub(super) history_root: F,
    pub(super) supply: F,
    pub(super) batch: F,
}

impl From<&State> for StateWitness {
    fn from(state: &State) -> Self {
        Self {
            notes_root: state.notes_root,
            nullifier_root: state.nullifier_root,
            history_root: state.history_root,
            supply: state.supply.to_field(),
            batch: F::from(state.batch),
        }
    }
}

/// A recorded state with its path in the history.
#[derive(Clone, Debug)]
pub(super) struct AnchorWitness {
    pub(super) state: StateWitness,
    pub(super) path: Vec<[F; 3]>,
}

impl AnchorWitness {
    fn blank() -> Self {
        Self {
            state: StateWitness::default(),
            path: blank_path(BATCH_DEPTH),
        }
    }
}

impl From<&AnchorOpening> for AnchorWitness {
    fn from(anchor: &AnchorOpening) -> Self {
        Self {
            state: StateWitness::from(&anchor.state),
            path: anchor.path.siblings.clone(),
        }
    }
}

/// A slot; all zero if disabled.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotWitness {
    pub(super) enabled: bool,
    pub(super) anchor_index: F,
    pub(super) nf: [F; 2],
    pub(super) cm: [F; 2],
    pub(super) fee: F,
    pub(super) exit: F,
    pub(super) ctx: F,
}

impl From<&Slot> for SlotWitness {
    fn from(slot: &Slot) -> Self {
        Self {
            enabled: true,
            anchor_index: F::from(slot.anchor_index),
            nf: slot.nf.map(|nf| nf.to_field()),
            cm: slot.cm.map(|cm| cm.to_field()),
            fee: slot.fee.to_field(),
            exit: slot.exit.to_field(),
            ctx: slot.ctx,
        }
    }
}

/// A deposit; all zero if disabled.
#[derive(Clone, Debug, Default)]
pub(super) struct DepositWitness {
    pub(super) enabled: bool,
    pub(super) v: F,
    pub(super) inner: F,
    pub(super) outpoint: F,
}

impl From<&Credit> for DepositWitness {
    fn from(credit: &Credit) -> Self {
        Self {
            enabled: true,
            v: credit.v.to_field(),
            inner: credit.inner,
            outpoint: credit.outpoint,
        }
    }
}

/// One insertion: the low leaf, where it stands, its path up to level 14.
#[derive(Clone, Debug)]
pub(super) struct InsertionWitness {
    pub(super) inserted: bool,
    pub(super) value: F,
    pub(super) next: F,
    /// Position of the low leaf in the tree.
    pub(super) index: u64,
    pub(super) path: Vec<[F; 3]>,
}

impl InsertionWitness {
    /// Nothing to insert. Zeros satisfy all that does not depend on the tree.
    fn none() -> Self {
        Self {
            inserted: false,
            value: F::ZERO,
            next: F::ZERO,
            index: 0,
            path: blank_path(NULLIFIER_LOW_LEVELS),
        }
    }

    /// The entry of the array above the low leaf.
    pub(super) fn top_index(&self) -> Option<usize> {
        let index = usize::try_from(self.index >> (2 * NULLIFIER_LOW_LEVELS)).ok()?;
        self.inserted.then_some(index)
    }

    /// The low leaf's position below that entry.
    pub(super) fn low_position(&self) -> F {
        F::from(self.index & ((1 << (2 * NULLIFIER_LOW_LEVELS)) - 1))
    }
}

impl From<&Insertion> for InsertionWitness {
    fn from(insertion: &Insertion) -> Self {
        Self {
            inserted: true,
            value: insertion.low.value.to_field(),
            next: insertion.low.next_field(),
            index: insertion.low.index,
            path: insertion.path.siblings[..NULLIFIER_LOW_LEVELS].to_vec(),
        }
    }
}

/// What the step of the nullifier tree needs.
#[derive(Clone, Debug)]
pub(super) struct NullifierWitness {
    /// Settings of the switching network.
    pub(super) switches: Vec<bool>,
    /// One per nullifier of the shape, in the order of the network's outputs.
    pub(super) insertions: Vec<InsertionWitness>,
    /// The 64 roots at level 14 before the batch.
    pub(super) top: Vec<F>,
    /// Path of the empty subtree `b` up to level 14.
    pub(super) path: Vec<[F; 3]>,
}

impl NullifierWitness {
    fn blank(shape: BatchShape) -> Self {
        let items = 2 * shape.slots();
        Self {
            switches: vec![false; network::num_switches(items)],
            insertions: vec![InsertionWitness::none(); items],
            top: vec![F::ZERO; NULLIFIER_TOP],
            path: blank_path(NULLIFIER_LOW_LEVELS - LEAF_DEPTH),
        }
    }

    fn from_trace(trace: &BatchTrace) -> Self {
        let items = 2 * trace.data.shape.slots();
        let mut insertions: Vec<InsertionWitness> = trace.insertions.iter().map(Into::into).collect();
        insertions.resize(items, InsertionWitness::none());
        Self {
            switches: network::route(&insertion_order(&trace.insertions, &trace.new_leaves)),
            insertions,
            top: trace.nullifier_top.clone(),
            path: trace.nullifier_path.siblings[..NULLIFIER_LOW_LEVELS - LEAF_DEPTH].to_vec(),
        }
    }
}

/// For each output of the network the input it shows: first the insertions, then the empty places.
fn insertion_order(insertions: &[Insertion], leaves: &[Option<ImtLeaf>]) -> Vec<usize> {
    let place = |nf: Nullifier| {
        leaves
            .iter()
            .position(|leaf| leaf.is_some_and(|leaf| leaf.value == nf))
            .expect("every insertion has a leaf")
    };
    let empty = (0..leaves.len()).filter(|&j| leaves[j].is_none());
    insertions
        .iter()
        .map(|insertion| place(insertion.nf))
        .chain(empty)
        .collect()
}

fn blank_path(levels: usize) -> Vec<[F; 3]> {
    vec![[F::ZERO; 3]; levels]
}

/// `items`, then blanks up to `len`.
fn padded<'a, T, W: From<&'a T> + Default + Clone>(items: &'a [T], len: usize) -> Vec<W> {
    let mut all: Vec<W> = items.iter().map(W::from).collect();
    all.resize(len, W::default());
    all
}

impl BatchStatement {
    /// The statement of a batch that was applied with a trace.
    #[must_use]
    pub fn from_trace(trace: &BatchTrace) -> Self {
        let data = &trace.data;
        Self {
            shape: data.shape,
            public: trace.public_inputs(),
            chain: trace.chain,
            operator: data.operator,
            before: StateWitness::from(&trace.before),
            after: StateWitness::from(&trace.after),
            history_path: trace.history_path.siblings.clone(),
            anchors: trace.anchors.iter().map(AnchorWitness::from).collect(),
            slots: padded(&data.slots, data.shape.slots()),
            deposits: padded(&data.credits, data.shape.deposits()),
            nullifiers: NullifierWitness::from_trace(trace),
            notes_path: trace.notes_path.siblings.clone(),
        }
    }

    /// A statement without a witness: it synthesises the constraints of `shape`, for set-up.
    #[must_use]
    pub fn blank(shape: BatchShape) -> Self {
        Self {
            shape,
            public: [F::ZERO; 3],
            chain: F::ZERO,
            operator: F::ZERO,
            before: StateWitness::default(),
            after: StateWitness::default(),
            history_path: blank_path(BATCH_DEPTH),
            anchors: vec![AnchorWitness::blank(); shape.anchors()],
            slots: vec![SlotWitness::default(); shape.slots()],
            deposits: vec![DepositWitness::default(); shape.deposits()],
            nullifiers: NullifierWitness::blank(shape),
            notes_path: blank_path(BATCH_DEPTH),
        }
    }
}
