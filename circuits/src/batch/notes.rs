//! The batch's subtree of notes: outputs by slot, deposits, the fee note.
//!
//! Twin of `BatchData::note_leaves`.

use tacit_protocol::F;

use super::amounts::enforce_amount;
use super::deposits::DepositVar;
use super::slots::Slots;
use super::state::{Numbers, StateVar};
use super::subtree;
use crate::r1cs::{Cs, Num};
use crate::{merkle, note};

/// `H[note](Σ fees, H[inner](operator, b))`: all fees go to the operator named in the digest.
pub(super) fn fee_note(cs: &mut Cs, slots: &Slots, operator: &Num, number: &Num) -> Num {
    let fees = slots.fees();
    enforce_amount(cs, &fees);
    let inner = note::inner(cs, operator, number);
    note::commitment(cs, &fees, &inner)
}

/// The leaves in order. Outputs of a disabled slot are zero already; a disabled deposit's hash is
/// multiplied away.
pub(super) fn leaves(cs: &mut Cs, slots: &Slots, deposits: &[DepositVar], fee_note: Num) -> Vec<Num> {
    let mut leaves: Vec<Num> = slots.iter().flat_map(|slot| slot.cm.iter().cloned()).collect();
    for deposit in deposits {
        let cm = note::commitment(cs, &deposit.v, &deposit.inner);
        leaves.push(cs.mul(deposit.enabled.num(), &cm));
    }
    leaves.push(fee_note);
    leaves
}

/// Writes the subtree of `leaves` over the empty subtree `b`; both roots belong to the states.
pub(super) fn append(
    cs: &mut Cs,
    before: &StateVar,
    after: &StateVar,
    leaves: Vec<Num>,
    numbers: &Numbers,
    path: &[[F; 3]],
) {
    let subtree = subtree::root(cs, leaves);
    let (old, new) = merkle::update(cs, &subtree::empty(), &subtree, numbers.current_bits(), path);
    cs.enforce_equal(&old, before.notes_root());
    cs.enforce_equal(&new, after.notes_root());
}
