//! The public digest: twin of `BatchData::digest`.

use ark_ff::AdditiveGroup;
use tacit_protocol::F;
use tacit_protocol::batch::{BatchData, BatchShape};
use tacit_protocol::field::pow2;
use tacit_protocol::hash::Tag;

use super::deposits::DepositVar;
use super::history::AnchorVar;
use super::slots::Slots;
use super::state::NUMBER_BITS;
use crate::hash::hash;
use crate::r1cs::{Cs, Num};

/// Everything the digest covers.
pub(super) struct Digest {
    /// The chain identifier; free here, known to the verifier.
    pub(super) chain: Num,
    /// The batch's number.
    pub(super) number: Num,
    /// The operator's `pk_d`.
    pub(super) operator: Num,
    /// The anchors, as many as the shape opens.
    pub(super) anchors: Vec<AnchorVar>,
    /// The slots.
    pub(super) slots: Slots,
    /// The deposits.
    pub(super) deposits: Vec<DepositVar>,
}

impl Digest {
    /// The sponge over all of it, in the order of the native twin.
    pub(super) fn hash(self, cs: &mut Cs, shape: BatchShape) -> Num {
        let mut inputs = vec![
            self.chain,
            self.number,
            Num::constant(shape.field()),
            self.operator,
            anchors_word(&self.anchors),
        ];
        inputs.extend(self.anchors.into_iter().map(|anchor| anchor.notes_root));
        for slot in self.slots.iter() {
            let [nf0, nf1] = slot.nf.clone();
            let [cm0, cm1] = slot.cm.clone();
            inputs.extend([slot.word(), nf0, nf1, cm0, cm1, slot.ctx.clone()]);
        }
        for deposit in self.deposits {
            inputs.extend([deposit.word(), deposit.inner, deposit.outpoint]);
        }
        debug_assert_eq!(
            inputs.len(),
            BatchData::digest_len(shape),
            "the layout of the native twin"
        );
        hash(cs, Tag::Digest, &inputs)
    }
}

/// `Σ 2^(24·i)·a_i`: at most 192 bits.
fn anchors_word(anchors: &[AnchorVar]) -> Num {
    let terms = anchors
        .iter()
        .enumerate()
        .map(|(i, anchor)| (pow2(NUMBER_BITS * i), &anchor.number));
    Num::linear(F::ZERO, terms)
}
