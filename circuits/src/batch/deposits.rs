//! The deposits a batch credits.

use tacit_protocol::field::pow2;

use super::slots::enforce_prefix;
use super::state::AMOUNT_BITS;
use super::witness::DepositWitness;
use crate::bits::{Bit, alloc_ranged};
use crate::r1cs::{Cs, Num};

/// One deposit. In a disabled one every number is zero.
pub(super) struct DepositVar {
    pub(super) enabled: Bit,
    pub(super) v: Num,
    pub(super) inner: Num,
    pub(super) outpoint: Num,
}

impl DepositVar {
    /// Allocates a deposit; `v` as booleans, all else bound by the digest.
    fn alloc(cs: &mut Cs, deposit: &DepositWitness) -> Self {
        let enabled = Bit::alloc(cs, deposit.enabled);
        let v = alloc_ranged(cs, deposit.v, AMOUNT_BITS);
        let inner = cs.alloc(deposit.inner);
        let outpoint = cs.alloc(deposit.outpoint);
        for x in [&v, &inner, &outpoint] {
            cs.enforce(enabled.num(), x, x);
        }
        Self {
            enabled,
            v,
            inner,
            outpoint,
        }
    }

    /// The deposit's word in the digest: `v + 2^64·enabled`.
    pub(super) fn word(&self) -> Num {
        self.v.add_scaled(self.enabled.num(), pow2(64))
    }
}

/// Allocates all deposits of the shape; the enabled ones are a prefix.
pub(super) fn alloc(cs: &mut Cs, deposits: &[DepositWitness]) -> Vec<DepositVar> {
    let deposits: Vec<DepositVar> = deposits
        .iter()
        .map(|deposit| DepositVar::alloc(cs, deposit))
        .collect();
    enforce_prefix(cs, deposits.iter().map(|deposit| &deposit.enabled));
    deposits
}
