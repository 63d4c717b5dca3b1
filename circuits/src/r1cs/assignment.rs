//! What proving needs: the values of all variables and the three products of every constraint.

use ark_ff::{AdditiveGroup, Field};
use tacit_protocol::F;

/// An assignment `z = (1, public, witness)` with `Az`, `Bz` and `Cz`.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The constant one followed by the public inputs.
    pub public: Vec<F>,
    /// The witness.
    pub witness: Vec<F>,
    /// `⟨a_i, z⟩` per constraint.
    pub az: Vec<F>,
    /// `⟨b_i, z⟩` per constraint.
    pub bz: Vec<F>,
    /// `⟨c_i, z⟩` per constraint.
    pub cz: Vec<F>,
}

impl Assignment {
    pub(super) fn new() -> Self {
        Self {
            public: vec![F::ONE],
            witness: Vec::new(),
            az: Vec::new(),
            bz: Vec::new(),
            cz: Vec::new(),
        }
    }

    pub(super) fn push_products(&mut self, a: F, b: F, c: F) {
        self.az.push(a);
        self.bz.push(b);
        self.cz.push(c);
    }

    /// The public inputs without the leading one.
    #[must_use]
    pub fn public_inputs(&self) -> &[F] {
        &self.public[1..]
    }

    /// All of `z`.
    #[must_use]
    pub fn z(&self) -> Vec<F> {
        self.public.iter().chain(&self.witness).copied().collect()
    }

    /// The first constraint whose products disagree.
    #[must_use]
    pub fn first_unsatisfied(&self) -> Option<usize> {
        (0..self.az.len()).find(|&i| self.az[i] * self.bz[i] - self.cz[i] != F::ZERO)
    }
}
