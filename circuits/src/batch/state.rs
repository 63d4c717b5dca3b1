//! States and batch numbers in the batch statement: twin of `tacit_protocol::state`.

use tacit_protocol::F;
use tacit_protocol::hash::Tag;
use tacit_protocol::tree::BATCH_DEPTH;

use super::witness::StateWitness;
use crate::bits::{Bit, alloc_bits, alloc_ranged, pack, range_bits};
use crate::hash::hash;
use crate::r1cs::{Cs, Num};

/// Bits of a batch number.
pub(super) const NUMBER_BITS: usize = 2 * BATCH_DEPTH;
/// Bits of every amount.
pub(super) const AMOUNT_BITS: usize = 64;

/// The numbers `b − 1` and `b`, each as 24 booleans: the two end at `2^24`.
pub(super) struct Numbers {
    previous: Vec<Bit>,
    current: Vec<Bit>,
}

impl Numbers {
    /// Allocates both; 49 constraints.
    pub(super) fn alloc(cs: &mut Cs, previous: F) -> Self {
        let previous = alloc_bits(cs, previous, NUMBER_BITS);
        let current = range_bits(cs, &pack(&previous).add_constant(F::from(1u64)), NUMBER_BITS);
        Self { previous, current }
    }

    /// `b − 1`.
    pub(super) fn previous(&self) -> Num {
        pack(&self.previous)
    }

    /// The bits of `b − 1`, the position in the history.
    pub(super) fn previous_bits(&self) -> &[Bit] {
        &self.previous
    }

    /// `b`.
    pub(super) fn current(&self) -> Num {
        pack(&self.current)
    }

    /// The bits of `b`, the position of the batch's subtrees.
    pub(super) fn current_bits(&self) -> &[Bit] {
        &self.current
    }
}

/// An opened state. The roots are bound by whoever enforces the commitment.
pub(super) struct StateVar {
    notes_root: Num,
    nullifier_root: Num,
    history_root: Num,
    supply: Num,
    batch: Num,
}

impl StateVar {
    /// Allocates the state of batch `batch`; 64 constraints, the range of its supply.
    pub(super) fn alloc(cs: &mut Cs, state: &StateWitness, batch: Num) -> Self {
        Self {
            notes_root: cs.alloc(state.notes_root),
            nullifier_root: cs.alloc(state.nullifier_root),
            history_root: cs.alloc(state.history_root),
            supply: alloc_ranged(cs, state.supply, AMOUNT_BITS),
            batch,
        }
    }

    /// Allocates a recorded state, whose supply was in range when it was recorded.
    pub(super) fn alloc_recorded(cs: &mut Cs, state: &StateWitness, batch: Num) -> Self {
        Self {
            notes_root: cs.alloc(state.notes_root),
            nullifier_root: cs.alloc(state.nullifier_root),
            history_root: cs.alloc(state.history_root),
            supply: cs.alloc(state.supply),
            batch,
        }
    }

    /// `S = H[state](notes_root, nullifier_root, history_root, supply, b)`; 528 constraints.
    pub(super) fn commitment(&self, cs: &mut Cs) -> Num {
        let fields = [
            &self.notes_root,
            &self.nullifier_root,
            &self.history_root,
            &self.supply,
            &self.batch,
        ];
        hash(cs, Tag::State, &fields.map(Num::clone))
    }

    /// Enforces that `commitment` opens to this state.
    pub(super) fn enforce_commitment(&self, cs: &mut Cs, commitment: &Num) {
        let computed = self.commitment(cs);
        cs.enforce_equal(&computed, commitment);
    }

    /// Root of the notes tree.
    pub(super) fn notes_root(&self) -> &Num {
        &self.notes_root
    }

    /// Root of the nullifier tree.
    pub(super) fn nullifier_root(&self) -> &Num {
        &self.nullifier_root
    }

    /// Root of the history.
    pub(super) fn history_root(&self) -> &Num {
        &self.history_root
    }

    /// The supply.
    pub(super) fn supply(&self) -> &Num {
        &self.supply
    }
}
