//! The constraint builder: rank-1 constraints `⟨a, z⟩ · ⟨b, z⟩ = ⟨c, z⟩` over `z = (1, public, witness)`.
//!
//! Two ways to run one statement:
//! * [`Cs::recorder`] records the system itself ([`R1cs`]), for set-up, checks and export;
//! * [`Cs::assigner`] records only values: the assignment and, per constraint, the three inner
//!   products. Proving needs nothing else, so no linear combination is ever built there.
//!
//! A [`Num`] is a value together with the linear combination that computes it. Additions and
//! multiplications by constants are free; only [`Cs::enforce`] adds a constraint and only
//! [`Cs::public`] and [`Cs::alloc`] add variables.

mod assignment;
mod num;
mod system;

pub use assignment::Assignment;
pub use num::{Lc, Num, Var};
pub use system::{Paragraph, R1cs};

use system::Recorder;
use tacit_protocol::F;

/// A statement that can be synthesised.
pub trait Statement {
    /// Walks over the witness, allocating variables and enforcing constraints.
    ///
    /// Public inputs come first. The constraints must not depend on the witness, only on the shape.
    fn synthesize(&self, cs: &mut Cs);

    /// The constraint system of this statement's shape.
    fn r1cs(&self) -> R1cs {
        let mut cs = Cs::recorder();
        self.synthesize(&mut cs);
        cs.into_parts().1.expect("a recorder keeps the system")
    }

    /// The assignment and the products of this witness.
    fn assignment(&self) -> Assignment {
        let mut cs = Cs::assigner();
        self.synthesize(&mut cs);
        cs.into_parts().0
    }

    /// Both at once, for tests and diagnosis.
    fn r1cs_and_assignment(&self) -> (R1cs, Assignment) {
        let mut cs = Cs::recorder();
        self.synthesize(&mut cs);
        let (assignment, system) = cs.into_parts();
        (system.expect("a recorder keeps the system"), assignment)
    }
}

/// A constraint system under construction.
#[derive(Debug)]
pub struct Cs {
    assignment: Assignment,
    recorder: Option<Recorder>,
    /// Values that a cheating prover puts in place of computed ones, by index in the witness.
    #[cfg(test)]
    overrides: std::collections::HashMap<usize, F>,
}

impl Cs {
    /// A builder that records values and the constraint system.
    #[must_use]
    pub fn recorder() -> Self {
        Self {
            assignment: Assignment::new(),
            recorder: Some(Recorder::new()),
            #[cfg(test)]
            overrides: std::collections::HashMap::new(),
        }
    }

    /// A builder that records values only.
    #[must_use]
    pub fn assigner() -> Self {
        Self {
            assignment: Assignment::new(),
            recorder: None,
            #[cfg(test)]
            overrides: std::collections::HashMap::new(),
        }
    }

    /// Allocates a public input.
    ///
    /// # Panics
    /// If a witness variable was allocated before: public inputs come first.
    pub fn public(&mut self, value: F) -> Num {
        assert!(self.assignment.witness.is_empty(), "public inputs come first");
        self.assignment.public.push(value);
        self.num(self.assignment.public.len() - 1, value)
    }

    /// Allocates a witness variable. Whoever calls this owes the constraints that bind it.
    pub fn alloc(&mut self, value: F) -> Num {
        let value = self.push_witness(value);
        self.num(
            self.assignment.public.len() + self.assignment.witness.len() - 1,
            value,
        )
    }

    fn push_witness(&mut self, value: F) -> F {
        #[cfg(test)]
        let value = self
            .overrides
            .get(&self.assignment.witness.len())
            .copied()
            .unwrap_or(value);
        self.assignment.witness.push(value);
        value
    }

    /// An assigner of a prover that cheats at some variables and follows the statement elsewhere.
    #[cfg(test)]
    pub(crate) fn cheating(overrides: std::collections::HashMap<usize, F>) -> Self {
        Self {
            overrides,
            ..Self::assigner()
        }
    }

    fn num(&self, index: usize, value: F) -> Num {
        let var = Var(u32::try_from(index).expect("fewer than 2^32 variables"));
        Num::new(value, self.recorder.is_some().then(|| Lc::variable(var)))
    }

    /// Enforces `a · b = c`.
    pub fn enforce(&mut self, a: &Num, b: &Num, c: &Num) {
        self.assignment.push_products(a.value(), b.value(), c.value());
        if let Some(recorder) = &mut self.recorder {
            recorder.push(a, b, c);
        }
    }

    /// Enforces `a = b` with one constraint, `(a − b) · 1 = 0`.
    pub fn enforce_equal(&mut self, a: &Num, b: &Num) {
        self.enforce(&(a - b), &Num::one(), &Num::zero());
    }

    /// Allocates the product of `a` and `b`; one constraint binds it.
    pub fn mul(&mut self, a: &Num, b: &Num) -> Num {
        let product = self.alloc(a.value() * b.value());
        self.enforce(a, b, &product);
        product
    }

    /// Whether linear combinations are recorded; otherwise only values are.
    pub(crate) fn is_recording(&self) -> bool {
        self.recorder.is_some()
    }

    /// [`Cs::mul`] on bare values, for gadgets with a fast path while only assigning.
    pub(crate) fn mul_values(&mut self, a: F, b: F) -> F {
        debug_assert!(self.recorder.is_none(), "a recorder needs linear combinations");
        let product = self.push_witness(a * b);
        self.assignment.push_products(a, b, product);
        product
    }

    /// A value that fast paths computed; only while assigning, where no combination is needed.
    pub(crate) fn bare(&self, value: F) -> Num {
        debug_assert!(self.recorder.is_none(), "a recorder needs linear combinations");
        Num::new(value, None)
    }

    /// Names the paragraph of the specification that the following constraints implement.
    pub fn paragraph(&mut self, name: &'static str) {
        if let Some(recorder) = &mut self.recorder {
            recorder.paragraph(name);
        }
    }

    /// Number of constraints so far.
    #[must_use]
    pub fn num_constraints(&self) -> usize {
        self.assignment.az.len()
    }

    pub(crate) fn into_parts(self) -> (Assignment, Option<R1cs>) {
        let publics = self.assignment.public.len();
        let witnesses = self.assignment.witness.len();
        (
            self.assignment,
            self.recorder.map(|r| r.finish(publics, witnesses)),
        )
    }
}

#[cfg(test)]
mod tests;
