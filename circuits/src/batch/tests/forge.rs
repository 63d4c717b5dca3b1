//! The forger's workshop: a statement to tamper with, and the means to make all else fit.
//!
//! A forgery is only worth testing if the one check it violates is the only one that notices. So
//! after tampering, [`Forged::broken`] recomputes the new roots, the anchors' paths and the public
//! inputs from the forged witness, and [`Forged::insert`] rebuilds the nullifier paths.

use tacit_protocol::hash::{Tag, hash};
use tacit_protocol::tree::nullifiers::{ImtLeaf, Insertion};
use tacit_protocol::tree::{HISTORY, LEAF_DEPTH, NULLIFIERS};

use super::super::network;
use super::super::witness::InsertionWitness;
use super::*;
use crate::r1cs::Assignment;
use crate::testing::{paragraph, product_of};

/// Paragraphs with the number of constraints broken in each.
pub(super) type Broken = Vec<(&'static str, usize)>;

/// A chain and an honest statement on its tip: three transfers of four, two deposits of four.
///
/// The first slot's nullifiers lie next to each other in one gap of the tree.
pub(super) struct Fixture {
    pub(super) chain: Chain,
    pub(super) trace: BatchTrace,
    /// All leaves of the nullifier tree before the batch, in ascending order.
    pub(super) leaves: Vec<ImtLeaf>,
}

/// An insertion as a forger words it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) nf: F,
    pub(super) value: F,
    pub(super) next: F,
    pub(super) index: u64,
}

impl Step {
    /// `nf`, with `leaf` shown as its low leaf.
    pub(super) fn show(nf: F, leaf: &ImtLeaf) -> Self {
        Self {
            nf,
            value: leaf.value.to_field(),
            next: leaf.next_field(),
            index: leaf.index,
        }
    }
}

impl Fixture {
    pub(super) fn get() -> &'static Self {
        static FIXTURE: OnceLock<Fixture> = OnceLock::new();
        FIXTURE.get_or_init(|| Self::new(8))
    }

    fn new(seed: u64) -> Self {
        let mut chain = Chain::genesis(seed);
        let mut leaves = vec![ImtLeaf::GENESIS];
        for _ in 0..5 {
            let data = chain.batch(BatchShape::B4x4, 4, 4);
            leaves.extend(chain.apply(&data).new_leaves.into_iter().flatten());
        }
        leaves.sort_by_key(|leaf| leaf.value);
        for i in 0..leaves.len() {
            leaves[i].next = leaves.get(i + 1).map(|leaf| leaf.value);
        }
        let mut data = chain.batch(BatchShape::B4x4, 3, 2);
        data.anchors = vec![4, 2];
        data.slots
            .iter_mut()
            .zip([0, 1, 1])
            .for_each(|(slot, index)| slot.anchor_index = index);
        data.slots[0].nf = [10u64, 20].map(|k| above(&leaves[17], k));
        data.slots[1].nf = [above(&leaves[30], 7), above(&leaves[4], 9)];
        let trace = chain.trace(&data);
        Self { chain, trace, leaves }
    }

    /// The batch's number.
    pub(super) fn number(&self) -> u64 {
        u64::from(self.trace.data.number)
    }

    /// The honest insertions.
    pub(super) fn steps(&self) -> Vec<Step> {
        let step = |insertion: &Insertion| Step::show(insertion.nf.to_field(), &insertion.low);
        self.trace.insertions.iter().map(step).collect()
    }
}

/// The nullifier `k` above a leaf's value.
pub(super) fn above(leaf: &ImtLeaf, k: u64) -> Nullifier {
    Nullifier::from_low_bits(&(leaf.value.to_field() + F::from(k)))
}

/// A statement under a forger's hands.
pub(super) struct Forged {
    pub(super) fixture: &'static Fixture,
    pub(super) statement: BatchStatement,
    /// Witness variables, by index in `z`, that the prover replaces; what follows is computed from
    /// the replacements.
    pub(super) cheats: Vec<(usize, F)>,
    /// Keep the claimed `S_{b-1}`, not the commitment of the forged state.
    pub(super) keep_before: bool,
    /// Keep the claimed new roots, not those that the circuit computes.
    pub(super) keep_roots: bool,
    /// Keep the claimed digest.
    pub(super) keep_digest: bool,
}

impl Forged {
    pub(super) fn honest() -> Self {
        let fixture = Fixture::get();
        Self {
            fixture,
            statement: BatchStatement::from_trace(&fixture.trace),
            cheats: Vec::new(),
            keep_before: false,
            keep_roots: false,
            keep_digest: false,
        }
    }

    /// Puts these insertions into the statement, with paths of the tree as it is at each, and routes
    /// the slots' nullifiers to them.
    pub(super) fn rebuild(&mut self, steps: &[Step]) {
        self.insert(steps);
        let mut inputs: Vec<usize> = (0..8).collect();
        let nfs: Vec<F> = self.statement.slots.iter().flat_map(|slot| slot.nf).collect();
        let mut take =
            |nf: F| inputs.remove(inputs.iter().position(|&i| nfs[i] == nf).expect("a slot has it"));
        let mut order: Vec<usize> = steps.iter().map(|step| take(step.nf)).collect();
        order.extend(inputs);
        self.statement.nullifiers.switches = network::route(&order);
    }

    /// Puts these insertions into the statement, with paths of the tree as it is at each.
    pub(super) fn insert(&mut self, steps: &[Step]) {
        let mut tree = Overlay::new(&self.fixture.chain.kv);
        let witness = &mut self.statement.nullifiers;
        let blank = BatchStatement::blank(BatchShape::B4x4).nullifiers.insertions[0].clone();
        witness.insertions.fill(blank);
        for (insertion, step) in witness.insertions.iter_mut().zip(steps) {
            let Step {
                nf,
                value,
                next,
                index,
            } = *step;
            let path = NULLIFIERS.path(&tree, index).expect("memory").siblings[..14].to_vec();
            *insertion = InsertionWitness {
                inserted: true,
                value,
                next,
                index,
                path,
            };
            NULLIFIERS
                .set(&mut tree, index, hash(Tag::Imt, &[value, nf]))
                .expect("memory");
        }
        let path = NULLIFIERS
            .path(&tree, self.fixture.number() << (2 * LEAF_DEPTH))
            .expect("memory");
        witness.path = path.siblings[LEAF_DEPTH..14].to_vec();
    }

    /// Replaces the variable that the `offset`-th constraint of a paragraph allocates.
    pub(super) fn cheat(&mut self, name: &str, offset: usize, value: F) {
        let row = paragraph(small_system(), name, 0).start + offset;
        self.cheats.push((product_of(small_system(), row), value));
    }

    /// What the prover's program computes, cheats included.
    fn assignment(&self) -> Assignment {
        let publics = small_system().num_public();
        let mut cs = Cs::cheating(
            self.cheats
                .iter()
                .map(|&(var, value)| (var - publics, value))
                .collect(),
        );
        self.statement.synthesize(&mut cs);
        cs.into_parts().0
    }

    /// Makes everything fit as well as it can, and says which constraints are broken nevertheless.
    pub(super) fn broken(&mut self) -> Broken {
        self.seal();
        let Assignment { az, bz, cz, .. } = self.assignment();
        let mut all = Broken::new();
        for row in (0..az.len()).filter(|&i| az[i] * bz[i] != cz[i]) {
            let name = small_system().paragraph_of(row);
            match all.last_mut() {
                Some((last, count)) if *last == name => *count += 1,
                Some(_) | None => all.push((name, 1)),
            }
        }
        all
    }

    /// The anchors' paths, the new roots and the public inputs, from the forged witness.
    fn seal(&mut self) {
        let before = self.statement.before.batch;
        if !self.keep_before {
            self.statement.public[0] = commitment(&self.statement.before, before);
        }
        let mut history = Overlay::new(&self.fixture.chain.kv);
        HISTORY
            .set(&mut history, self.fixture.number() - 1, self.statement.public[0])
            .expect("memory");
        for anchor in &mut self.statement.anchors {
            let number = field::to_u64(&anchor.state.batch).expect("small");
            anchor.path = HISTORY.path(&history, number).expect("memory").siblings;
        }
        let assignment = self.assignment();
        let gap = |name| assignment.az[paragraph(small_system(), name, 0).end - 1];
        if !self.keep_roots {
            let after = &mut self.statement.after;
            after.history_root += gap("history");
            after.nullifier_root += gap("nullifiers: top after");
            after.notes_root += gap("notes");
        }
        self.statement.public[1] = commitment(&self.statement.after, before + F::from(1u64));
        if !self.keep_digest {
            self.statement.public[2] += gap("digest");
        }
    }
}

fn commitment(state: &StateWitness, batch: F) -> F {
    let StateWitness {
        notes_root,
        nullifier_root,
        history_root,
        supply,
        ..
    } = state;
    hash(
        Tag::State,
        &[*notes_root, *nullifier_root, *history_root, *supply, batch],
    )
}
