//! `ark-groth16` as a peer: our constraint system, keys and proofs in its types.
//!
//! The system that our statement recorded is replayed row by row, so both provers work on the same
//! variables, the same constraints and the same coefficients.

use ark_bn254::Bn254;
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystemRef, LinearCombination, Matrix, SynthesisError, Variable,
};
use tacit_circuits::r1cs::{Assignment, R1cs};
use tacit_protocol::F;
use tacit_verifier::groth16::{Proof, VerifyingKey};

/// A recorded system as a circuit of arkworks, with a witness or, for its set-up, without.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    system: &'a R1cs,
    assignment: Option<&'a Assignment>,
}

impl<'a> Replay<'a> {
    /// The system alone.
    #[must_use]
    pub fn shape(system: &'a R1cs) -> Self {
        Self {
            system,
            assignment: None,
        }
    }

    /// The system with the values of its variables.
    #[must_use]
    pub fn satisfied(system: &'a R1cs, assignment: &'a Assignment) -> Self {
        Self {
            system,
            assignment: Some(assignment),
        }
    }

    /// Variable `index` of `(1, public, witness)`.
    fn variable(&self, index: usize) -> Variable {
        match (index, index.checked_sub(self.system.num_public())) {
            (0, _) => Variable::One,
            (_, None) => Variable::instance(index),
            (_, Some(witness)) => Variable::witness(witness),
        }
    }

    fn combination(&self, id: u32) -> LinearCombination<F> {
        let terms = self.system.combination(id as usize);
        LinearCombination(terms.map(|(index, c)| (*c, self.variable(index))).collect())
    }
}

impl ConstraintSynthesizer<F> for Replay<'_> {
    fn generate_constraints(self, cs: ConstraintSystemRef<F>) -> Result<(), SynthesisError> {
        let given = self.assignment.ok_or(SynthesisError::AssignmentMissing);
        for i in 1..self.system.num_public() {
            let _ = cs.new_input_variable(|| given.map(|z| z.public[i]))?;
        }
        for i in 0..self.system.num_witness() {
            let _ = cs.new_witness_variable(|| given.map(|z| z.witness[i]))?;
        }
        for &[a, b, c] in self.system.rows() {
            cs.enforce_r1cs_constraint(
                || self.combination(a),
                || self.combination(b),
                || self.combination(c),
            )?;
        }
        Ok(())
    }
}

/// The matrices A, B and C, for a peer that need not build them for every proof.
#[must_use]
pub fn matrices(system: &R1cs) -> Vec<Matrix<F>> {
    let row = |id: u32| system.combination(id as usize).map(|(i, c)| (*c, i)).collect();
    (0..3)
        .map(|side| system.rows().iter().map(|ids| row(ids[side])).collect())
        .collect()
}

/// Our verifying key in the peer's type.
#[must_use]
pub fn verifying_key(vk: &VerifyingKey) -> ark_groth16::VerifyingKey<Bn254> {
    ark_groth16::VerifyingKey {
        alpha_g1: vk.alpha_g1(),
        beta_g2: vk.beta_g2(),
        gamma_g2: vk.gamma_g2(),
        delta_g2: vk.delta_g2(),
        gamma_abc_g1: vk.ic().to_vec(),
    }
}

/// Our proof in the peer's type.
#[must_use]
pub fn proof(proof: &Proof) -> ark_groth16::Proof<Bn254> {
    ark_groth16::Proof {
        a: proof.a(),
        b: proof.b(),
        c: proof.c(),
    }
}

#[cfg(test)]
mod tests;
