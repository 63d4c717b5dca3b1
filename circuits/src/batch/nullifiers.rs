//! The nullifier tree's step: who spends what, once.
//!
//! A leaf `H[imt](value, next)` says that no nullifier lies strictly between the two. The leaves of
//! the tree, together with those of this batch that wait for their subtree, always split the
//! numbers from 0 to `2^160` into gaps, each bounded by one leaf. An insertion must show a leaf *in
//! the tree* around its nullifier and shrinks that leaf's gap to what lies below.
//!
//! Why no order is enforced. Insertions go in descending order, but a prover who chooses another
//! gains nothing: of two nullifiers in one gap, inserting the smaller first leaves the upper part of
//! the gap with a waiting leaf, which no insertion can show, so the greater one has no proof. Of
//! two in different gaps the order does not change the result. A nullifier that is in the tree or
//! waits is a boundary of gaps and lies strictly inside none. Hence the outcome is a function of the
//! set of nullifiers alone, and the permutation may be any.
//!
//! Ranges. By induction `value < 2^160` and `next ≤ 2^160` in every leaf. The two checks
//! `nf − value − 1 < 2^160` and `next − nf − 1 < 2^160` then place `nf` strictly between them as
//! integers, for any field element `nf`: no check of its own is needed.

use tacit_protocol::F;
use tacit_protocol::hash::Tag;
use tacit_protocol::ledger::NULLIFIER_LOW_LEVELS;
use tacit_protocol::note::NULLIFIER_BITS;
use tacit_protocol::tree::LEAF_DEPTH;

use super::amounts::total;
use super::network::Network;
use super::slots::Slots;
use super::state::{Numbers, StateVar};
use super::subtree;
use super::top::{Selector, Top};
use super::witness::{InsertionWitness, NullifierWitness};
use crate::bits::{alloc_bits, pack, range_bits};
use crate::hash::hash;
use crate::merkle;
use crate::r1cs::{Cs, Num};

/// Inserts the nullifiers of the enabled slots; the roots before and after belong to the states.
pub(super) fn transition(
    cs: &mut Cs,
    before: &StateVar,
    after: &StateVar,
    numbers: &Numbers,
    slots: &Slots,
    witness: &NullifierWitness,
) {
    // The array of 64 subtree roots hashes to the old root.
    cs.paragraph("nullifiers: top before");
    let mut top = Top::alloc(cs, &witness.top);
    let root = top.root(cs);
    cs.enforce_equal(&root, before.nullifier_root());

    // The nullifiers, zero where disabled, are permuted.
    cs.paragraph("nullifiers: network");
    let in_slot_order = slots.nullifiers();
    let network = Network::alloc(cs, in_slot_order.len(), &witness.switches);
    let items = network.forward(cs, in_slot_order);

    // Those that are not zero are inserted, one after the other.
    cs.paragraph("nullifiers: insertions");
    let inserted: Vec<Inserted> = items
        .iter()
        .zip(&witness.insertions)
        .map(|(nf, witness)| insert(cs, &mut top, nf, witness))
        .collect();

    // Nullifiers of enabled slots are not zero: there are as many insertions.
    cs.paragraph("nullifiers: count");
    let insertions = total(inserted.iter().map(|item| &item.inserted));
    let enabled = total(slots.iter().map(|slot| slot.enabled.num()));
    cs.enforce_equal(&insertions, &enabled.scale(F::from(2u64)));

    // Each new leaf (nf, next) goes back to its slot; disabled slots have empty leaves.
    cs.paragraph("nullifiers: leaves");
    let next = network.backward(cs, inserted.into_iter().map(|item| item.next).collect());
    let leaves = leaves(cs, slots, next);
    let subtree = subtree::root(cs, leaves);

    // They fill subtree b, which was empty.
    cs.paragraph("nullifiers: append");
    append(cs, &mut top, &subtree, numbers, &witness.path);

    // The array hashes to the new root.
    cs.paragraph("nullifiers: top after");
    let root = top.root(cs);
    cs.enforce_equal(&root, after.nullifier_root());
}

/// The outcome of one item.
struct Inserted {
    /// 1 if the item was inserted, 0 if it was zero.
    inserted: Num,
    /// The successor, for the new leaf.
    next: Num,
}

/// Inserts `nf` unless it is zero.
///
/// `inserted` follows from `nf`: an item that is not inserted is zero by its constraint, and one
/// that is lies above the value of a leaf. If not inserted, no entry of the array is chosen, so the
/// whole path means nothing and nothing changes.
fn insert(cs: &mut Cs, top: &mut Top, nf: &Num, witness: &InsertionWitness) -> Inserted {
    // The selector's 65 constraints make `inserted` a boolean.
    let selector = Selector::alloc(cs, witness.top_index());
    let inserted = selector.any();
    cs.enforce(inserted, nf, nf);

    // value < nf < next; with nothing to insert, value ≤ 0 ≤ next.
    let (value, next) = (cs.alloc(witness.value), cs.alloc(witness.next));
    range_bits(cs, &(&(nf - &value) - inserted), NULLIFIER_BITS);
    range_bits(cs, &(&(&next - nf) - inserted), NULLIFIER_BITS);

    // The low leaf (value, next) is in the tree and becomes (value, nf).
    let old = hash(cs, Tag::Imt, &[value.clone(), next.clone()]);
    let new = hash(cs, Tag::Imt, &[value, nf.clone()]);
    let position = alloc_bits(cs, witness.low_position(), 2 * NULLIFIER_LOW_LEVELS);
    let (old, new) = merkle::update(cs, &old, &new, &position, &witness.path);
    top.replace(cs, &selector, &old, &new);
    Inserted {
        inserted: inserted.clone(),
        next,
    }
}

/// `enabled · H[imt](nf, next)` in slot order.
fn leaves(cs: &mut Cs, slots: &Slots, next: Vec<Num>) -> Vec<Num> {
    let items = slots
        .iter()
        .flat_map(|slot| slot.nf.iter().map(|nf| (&slot.enabled, nf)));
    items
        .zip(next)
        .map(|((enabled, nf), next)| {
            let leaf = hash(cs, Tag::Imt, &[nf.clone(), next]);
            cs.mul(enabled.num(), &leaf)
        })
        .collect()
}

/// Writes `subtree` over the empty subtree `b`: nine levels of path, then the array.
fn append(cs: &mut Cs, top: &mut Top, subtree: &Num, numbers: &Numbers, path: &[[F; 3]]) {
    let (low, high) = numbers
        .current_bits()
        .split_at(2 * (NULLIFIER_LOW_LEVELS - LEAF_DEPTH));
    let (old, new) = merkle::update(cs, &subtree::empty(), subtree, low, path);
    let chosen = high
        .iter()
        .rev()
        .fold(0, |k, bit| 2 * k + usize::from(bit.value()));
    let selector = Selector::alloc(cs, Some(chosen));
    selector.enforce_index(cs, &pack(high));
    top.replace(cs, &selector, &old, &new);
}
