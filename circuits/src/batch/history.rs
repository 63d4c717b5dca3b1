//! The history of states: `S_{b-1}` goes in, the anchors come out.

use tacit_protocol::F;

use super::state::{NUMBER_BITS, Numbers, StateVar};
use super::witness::AnchorWitness;
use crate::bits::{alloc_bits, pack};
use crate::merkle;
use crate::r1cs::{Cs, Num};

/// Writes `S_{b-1}` over the empty leaf `b − 1`; both roots belong to the states.
pub(super) fn append(
    cs: &mut Cs,
    before: &StateVar,
    after: &StateVar,
    leaf: &Num,
    numbers: &Numbers,
    path: &[[F; 3]],
) {
    let (old, new) = merkle::update(cs, &Num::zero(), leaf, numbers.previous_bits(), path);
    cs.enforce_equal(&old, before.history_root());
    cs.enforce_equal(&new, after.history_root());
}

/// An anchor of the batch.
pub(super) struct AnchorVar {
    /// Its batch number, 24 bits.
    pub(super) number: Num,
    /// The notes root of that state.
    pub(super) notes_root: Num,
}

/// Opens the anchors in the history.
///
/// The leaf at position `a` must be the commitment of a state that calls itself `a`. A commitment is
/// a hash and an empty leaf is zero, so `a` is one of the numbers recorded so far, `b − 1` included.
pub(super) fn open_anchors(cs: &mut Cs, root: &Num, anchors: &[AnchorWitness]) -> Vec<AnchorVar> {
    anchors
        .iter()
        .map(|anchor| open_anchor(cs, root, anchor))
        .collect()
}

fn open_anchor(cs: &mut Cs, root: &Num, anchor: &AnchorWitness) -> AnchorVar {
    let position = alloc_bits(cs, anchor.state.batch, NUMBER_BITS);
    let number = pack(&position);
    let state = StateVar::alloc_recorded(cs, &anchor.state, number.clone());
    let leaf = state.commitment(cs);
    let computed = merkle::root(cs, &leaf, &position, &anchor.path);
    cs.enforce_equal(&computed, root);
    AnchorVar {
        number,
        notes_root: state.notes_root().clone(),
    }
}
