//! The slots of a batch: what each transfer says in public.

use tacit_protocol::F;
use tacit_protocol::batch::BatchShape;
use tacit_protocol::field::pow2;

use super::amounts;
use super::state::AMOUNT_BITS;
use super::witness::SlotWitness;
use crate::bits::{Bit, alloc_ranged};
use crate::r1cs::{Cs, Num};

/// One slot. In a disabled slot every number is zero.
pub(super) struct SlotVar {
    pub(super) enabled: Bit,
    pub(super) fee: Num,
    pub(super) exit: Num,
    /// Index of the anchor, below K by its number of bits.
    pub(super) anchor_index: Num,
    pub(super) nf: [Num; 2],
    pub(super) cm: [Num; 2],
    pub(super) ctx: Num,
}

impl SlotVar {
    /// Allocates a slot; `fee`, `exit` and the index as booleans, all else bound by the digest.
    fn alloc(cs: &mut Cs, slot: &SlotWitness, index_bits: usize) -> Self {
        let enabled = Bit::alloc(cs, slot.enabled);
        let fee = alloc_ranged(cs, slot.fee, AMOUNT_BITS);
        let exit = alloc_ranged(cs, slot.exit, AMOUNT_BITS);
        let anchor_index = alloc_ranged(cs, slot.anchor_index, index_bits);
        let nf = slot.nf.map(|x| cs.alloc(x));
        let cm = slot.cm.map(|x| cs.alloc(x));
        let ctx = cs.alloc(slot.ctx);
        let slot = Self {
            enabled,
            fee,
            exit,
            anchor_index,
            nf,
            cm,
            ctx,
        };
        slot.enforce_zero_if_disabled(cs);
        slot
    }

    /// `enabled · x = x` for everything in the slot; the three small numbers go in one word.
    fn enforce_zero_if_disabled(&self, cs: &mut Cs) {
        let word = self.small_word();
        let [nf0, nf1] = &self.nf;
        let [cm0, cm1] = &self.cm;
        for x in [&word, nf0, nf1, cm0, cm1, &self.ctx] {
            cs.enforce(self.enabled.num(), x, x);
        }
    }

    /// `fee + 2^64·exit + 2^129·anchor index`: zero only if all three are, by their ranges.
    fn small_word(&self) -> Num {
        let terms = [
            (F::from(1u64), &self.fee),
            (pow2(64), &self.exit),
            (pow2(129), &self.anchor_index),
        ];
        Num::linear(F::from(0u64), terms)
    }

    /// The slot's word in the digest: the small word and `2^128·enabled`.
    pub(super) fn word(&self) -> Num {
        self.small_word().add_scaled(self.enabled.num(), pow2(128))
    }
}

/// All slots of a shape; the enabled ones are a prefix.
pub(super) struct Slots(Vec<SlotVar>);

impl Slots {
    /// Allocates the slots of `shape`.
    pub(super) fn alloc(cs: &mut Cs, shape: BatchShape, slots: &[SlotWitness]) -> Self {
        debug_assert!(
            shape.anchors().is_power_of_two(),
            "an index below K is a number of log K bits"
        );
        let index_bits = shape.anchors().trailing_zeros() as usize;
        let slots: Vec<SlotVar> = slots
            .iter()
            .map(|slot| SlotVar::alloc(cs, slot, index_bits))
            .collect();
        enforce_prefix(cs, slots.iter().map(|slot| &slot.enabled));
        Self(slots)
    }

    /// The slots in order.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, SlotVar> {
        self.0.iter()
    }

    /// The nullifiers in slot order; zero where disabled.
    pub(super) fn nullifiers(&self) -> Vec<Num> {
        self.iter().flat_map(|slot| slot.nf.iter().cloned()).collect()
    }

    /// Σ fees.
    pub(super) fn fees(&self) -> Num {
        amounts::total(self.iter().map(|slot| &slot.fee))
    }

    /// Σ exits.
    pub(super) fn exits(&self) -> Num {
        amounts::total(self.iter().map(|slot| &slot.exit))
    }
}

/// No flag is set behind one that is not: `later · earlier = later`.
pub(super) fn enforce_prefix<'a>(cs: &mut Cs, flags: impl Iterator<Item = &'a Bit> + Clone) {
    for (earlier, later) in flags.clone().zip(flags.skip(1)) {
        cs.enforce(later.num(), earlier.num(), later.num());
    }
}
