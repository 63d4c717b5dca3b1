//! The top of the nullifier tree: the 64 roots at level 14, held as an array.
//!
//! Three levels of the tree would cost every insertion 1,602 constraints; the array costs 131, and
//! is hashed to the tree's root once before and once after the batch (21 nodes each).

use ark_ff::{AdditiveGroup, Field};
use tacit_protocol::F;
use tacit_protocol::ledger::NULLIFIER_TOP;

use super::amounts::total;
use crate::bits::Bit;
use crate::hash::node;
use crate::r1cs::{Cs, Num};

/// Chooses one entry of the array, or none.
pub(super) struct Selector {
    flags: Vec<Bit>,
    any: Num,
}

impl Selector {
    /// Allocates 64 booleans of which at most one is set; 65 constraints.
    ///
    /// Their sum is an integer up to 64 and a boolean.
    pub(super) fn alloc(cs: &mut Cs, chosen: Option<usize>) -> Self {
        let flags: Vec<Bit> = (0..NULLIFIER_TOP)
            .map(|k| Bit::alloc(cs, chosen == Some(k)))
            .collect();
        let any = total(flags.iter().map(Bit::num));
        cs.enforce(&any, &any, &any);
        Self { flags, any }
    }

    /// 1 if an entry is chosen, 0 if none.
    pub(super) fn any(&self) -> &Num {
        &self.any
    }

    /// Enforces that entry `index` is chosen; 2 constraints.
    pub(super) fn enforce_index(&self, cs: &mut Cs, index: &Num) {
        cs.enforce_equal(&self.any, &Num::one());
        let numbers = (0u64..).map(F::from).zip(self.flags.iter().map(Bit::num));
        cs.enforce_equal(&Num::linear(F::ZERO, numbers), index);
    }
}

/// The array.
pub(super) struct Top(Vec<Num>);

impl Top {
    /// Allocates the array, which [`Top::root`] then ties to a root.
    pub(super) fn alloc(cs: &mut Cs, roots: &[F]) -> Self {
        Self(roots.iter().map(|root| cs.alloc(*root)).collect())
    }

    /// The root of the tree over the array; 21 nodes.
    pub(super) fn root(&self, cs: &mut Cs) -> Num {
        let mut nodes = self.0.clone();
        while let [_, _, ..] = nodes[..] {
            nodes = nodes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|children| node(cs, children))
                .collect();
        }
        nodes.pop().expect("a power of four has a root")
    }

    /// The chosen entry was `old` and becomes `new`; without one nothing changes. 65 constraints.
    ///
    /// With flags `e_k` each entry becomes `r_k + e_k·(new − r_k)`. The array as a whole then grows
    /// by `new − r` for the chosen `r`; that this equals `new − old` makes `r = old`.
    pub(super) fn replace(&mut self, cs: &mut Cs, selector: &Selector, old: &Num, new: &Num) {
        let mut growth = Vec::with_capacity(2 * self.0.len());
        for (entry, flag) in self.0.iter_mut().zip(&selector.flags) {
            let value = if flag.value() { new.value() } else { entry.value() };
            let replaced = cs.alloc(value);
            cs.enforce(flag.num(), &(new - entry), &(&replaced - entry));
            growth.push((F::ONE, replaced.clone()));
            growth.push((-F::ONE, std::mem::replace(entry, replaced)));
        }
        let growth = Num::linear(F::ZERO, growth.iter().map(|(k, x)| (*k, x)));
        cs.enforce(selector.any(), &(new - old), &growth);
    }
}
