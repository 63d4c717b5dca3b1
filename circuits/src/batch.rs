//! The statement `Batch<N, D>`: a batch takes the rollup from `S_{b-1}` to `S_b`.
//!
//! Twin of `tacit_protocol::{batch, ledger, state, tree}`. Public inputs: `S_{b-1}`, `S_b` and the
//! digest of everything the batch says. Whoever knows the digest's preimage and has checked each
//! transfer's own proof against the anchor that its slot names needs nothing else. The constraints
//! depend on the [`BatchShape`] only. Specification: `docs/spec/batch.md`.
//!
//! | paragraph | what it proves |
//! |---|---|
//! | `state` | `S_{b-1}` and `S_b` open; b grows by one below 2^24; both supplies have 64 bits |
//! | `history` | leaf b − 1 was empty and becomes `S_{b-1}` |
//! | `anchors` | K states open in the new history, each under its own number |
//! | `slots`, `deposits` | flags are booleans and a prefix; 64-bit amounts; index below K; disabled ⇒ zero |
//! | `nullifiers: top before` | the array of 64 roots hashes to the old nullifier root |
//! | `nullifiers: network` | the items are a permutation of the slots' nullifiers |
//! | `nullifiers: insertions` | an item is zero, or lies strictly inside the gap of a leaf, which shrinks |
//! | `nullifiers: count` | enabled slots have two nullifiers that are not zero |
//! | `nullifiers: leaves` | `enabled · H[imt](nf, next)` in slot order |
//! | `nullifiers: append` | subtree b was empty and becomes these leaves |
//! | `nullifiers: top after` | the array hashes to the new nullifier root |
//! | `notes` | subtree b was empty and becomes outputs, deposits, `H[note](Σ fees, …)` |
//! | `supply` | `supply' = supply + Σ deposits − Σ exits`, every sum of 64 bits |
//! | `digest` | the sponge over everything public |
//!
//! ```text
//!   slots ──nf──▶ switching network ──▶ insertions, one after the other ──▶ 64 subtree roots
//!     ▲                                        │ next                            │
//!     └── leaves H[imt](nf, next) ◀── network, backwards                 nullifier root
//!            └──────────────▶ subtree b ─────────────────────────────────────────▲
//!   slots ──cm──▶ subtree b of the notes ◀── deposits, fee note
//! ```

use tacit_protocol::F;
use tacit_protocol::batch::BatchShape;

use crate::r1cs::{Cs, Statement};

mod amounts;
mod deposits;
mod digest;
mod history;
mod network;
mod notes;
mod nullifiers;
mod slots;
mod state;
mod subtree;
mod top;
mod witness;

use digest::Digest;
use slots::Slots;
use state::{Numbers, StateVar};
use witness::{AnchorWitness, DepositWitness, NullifierWitness, SlotWitness, StateWitness};

/// A batch with the witness that proves it.
///
/// The witness is held as bare field elements, so that tests can write into it what no native type
/// would take.
#[derive(Clone, Debug)]
pub struct BatchStatement {
    shape: BatchShape,
    /// `S_{b-1}`, `S_b`, digest.
    public: [F; 3],
    chain: F,
    operator: F,
    before: StateWitness,
    after: StateWitness,
    /// Path of the empty history leaf `b − 1`.
    history_path: Vec<[F; 3]>,
    anchors: Vec<AnchorWitness>,
    /// All slots of the shape; the disabled ones hold zeros.
    slots: Vec<SlotWitness>,
    /// All deposits of the shape; the disabled ones hold zeros.
    deposits: Vec<DepositWitness>,
    nullifiers: NullifierWitness,
    /// Path of the empty notes subtree `b`.
    notes_path: Vec<[F; 3]>,
}

impl BatchStatement {
    /// The shape.
    #[must_use]
    pub fn shape(&self) -> BatchShape {
        self.shape
    }
}

impl Statement for BatchStatement {
    fn synthesize(&self, cs: &mut Cs) {
        let [public_before, public_after, public_digest] = self.public.map(|x| cs.public(x));

        // Both states are opened, and the number grows by one. Neither number nor supply leaves its
        // range: they are written as 24 and 64 booleans.
        cs.paragraph("state");
        let numbers = Numbers::alloc(cs, self.before.batch);
        let before = StateVar::alloc(cs, &self.before, numbers.previous());
        let after = StateVar::alloc(cs, &self.after, numbers.current());
        before.enforce_commitment(cs, &public_before);
        after.enforce_commitment(cs, &public_after);

        // The history's leaf b − 1 was empty and becomes S_{b-1}.
        cs.paragraph("history");
        history::append(cs, &before, &after, &public_before, &numbers, &self.history_path);

        // K recorded states are opened in the new history, each under its own number.
        cs.paragraph("anchors");
        let anchors = history::open_anchors(cs, after.history_root(), &self.anchors);

        // Flags are booleans and a prefix, amounts have 64 bits whether enabled or not, an anchor
        // index is below K, and all of a disabled slot or deposit is zero.
        cs.paragraph("slots");
        let slots = Slots::alloc(cs, self.shape, &self.slots);
        cs.paragraph("deposits");
        let deposits = deposits::alloc(cs, &self.deposits);

        // Every nullifier of an enabled slot, and nothing else, is inserted where it was absent.
        // Then the new leaves, in slot order, fill subtree b, which was empty.
        nullifiers::transition(cs, &before, &after, &numbers, &slots, &self.nullifiers);

        // Subtree b of the notes was empty and becomes outputs, deposits and the fee note.
        cs.paragraph("notes");
        let operator = cs.alloc(self.operator);
        let fee_note = notes::fee_note(cs, &slots, &operator, &numbers.current());
        let leaves = notes::leaves(cs, &slots, &deposits, fee_note);
        notes::append(cs, &before, &after, leaves, &numbers, &self.notes_path);

        // supply' = supply + Σ deposits − Σ exits, and none of the four exceeds 64 bits.
        cs.paragraph("supply");
        amounts::enforce_supply(cs, &before, &after, &slots, &deposits);

        // The digest covers all public data.
        cs.paragraph("digest");
        let chain = cs.alloc(self.chain);
        let data = Digest {
            chain,
            number: numbers.current(),
            operator,
            anchors,
            slots,
            deposits,
        };
        let digest = data.hash(cs, self.shape);
        cs.enforce_equal(&digest, &public_digest);
    }
}

#[cfg(test)]
mod tests;
