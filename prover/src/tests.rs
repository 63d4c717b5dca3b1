//! Whole proofs: beside ark-groth16, with broken witnesses, with a faulty engine.

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystemRef, SynthesisError};
use ark_relations::lc;
use ark_snark::SNARK;
use tacit_protocol::F;
use tacit_verifier::groth16::{PreparedVerifyingKey, VerifyError, VerifyingKey};

use super::*;
use crate::backend::conformance::Powers;

fn ark_key(vk: &VerifyingKey) -> ark_groth16::VerifyingKey<Bn254> {
    ark_groth16::VerifyingKey {
        alpha_g1: vk.alpha_g1(),
        beta_g2: vk.beta_g2(),
        gamma_g2: vk.gamma_g2(),
        delta_g2: vk.delta_g2(),
        gamma_abc_g1: vk.ic().to_vec(),
    }
}

fn ark_proof(proof: &Proof) -> ark_groth16::Proof<Bn254> {
    ark_groth16::Proof {
        a: proof.a(),
        b: proof.b(),
        c: proof.c(),
    }
}

#[test]
fn ark_groth16_accepts_our_proofs_and_refuses_what_we_refuse() {
    let key = testing::powers_key();
    let statement = testing::powers();
    let proof = Prover::cpu().prove_statement(&key, &statement, &mut testing::rng(1), &Silent);
    let proof = proof.expect("a satisfied statement");
    let public = statement.assignment().public_inputs().to_vec();
    let peer = ark_groth16::prepare_verifying_key(&ark_key(key.verifying_key()));
    let accepts = |public: &[F]| Groth16::<Bn254>::verify_proof(&peer, &ark_proof(&proof), public);
    assert!(accepts(&public).expect("the right number of inputs"));
    assert_eq!(groth16::verify(key.verifier(), &public, &proof), Ok(()));
    for i in 0..public.len() {
        let mut wrong = public.clone();
        wrong[i] += F::from(1u64);
        assert!(!accepts(&wrong).expect("the right number of inputs"));
        assert_eq!(
            groth16::verify(key.verifier(), &wrong, &proof),
            Err(VerifyError::Invalid)
        );
    }
}

/// `a·b = c` with `c` public.
#[derive(Clone)]
struct Product(F, F);

impl ConstraintSynthesizer<F> for Product {
    fn generate_constraints(self, cs: ConstraintSystemRef<F>) -> Result<(), SynthesisError> {
        let c = cs.new_input_variable(|| Ok(self.0 * self.1))?;
        let a = cs.new_witness_variable(|| Ok(self.0))?;
        let b = cs.new_witness_variable(|| Ok(self.1))?;
        cs.enforce_r1cs_constraint(|| lc!() + a, || lc!() + b, || lc!() + c)?;
        cs.enforce_r1cs_constraint(|| lc!() + b, || lc!() + a, || lc!() + c)
    }
}

#[test]
fn our_verifier_accepts_the_proofs_of_ark_groth16() {
    let mut rng = testing::rng(2);
    let circuit = Product(F::from(6u64), F::from(7u64));
    let (pk, vk) =
        Groth16::<Bn254>::circuit_specific_setup(circuit.clone(), &mut rng).expect("a small circuit");
    let theirs = Groth16::<Bn254>::prove(&pk, circuit, &mut rng).expect("a satisfied circuit");
    let vk = VerifyingKey::new(vk.alpha_g1, vk.beta_g2, vk.gamma_g2, vk.delta_g2, vk.gamma_abc_g1);
    let pvk = PreparedVerifyingKey::new(vk, 1).expect("a sound key");
    let proof = Proof::new(theirs.a, theirs.b, theirs.c).expect("points of the groups");
    assert_eq!(groth16::verify(&pvk, &[F::from(42u64)], &proof), Ok(()));
    assert_eq!(
        groth16::verify(&pvk, &[F::from(43u64)], &proof),
        Err(VerifyError::Invalid)
    );
}

#[test]
fn two_proofs_of_one_statement_differ_and_both_verify() {
    let (key, assignment) = (testing::powers_key(), testing::powers().assignment());
    let mut rng = testing::rng(5);
    let mut prove = || {
        Prover::cpu()
            .prove(&key, &assignment, &mut rng, &Silent)
            .expect("a satisfied assignment")
    };
    let (one, two) = (prove(), prove());
    assert_ne!(one, two);
    let public = assignment.public_inputs();
    assert_eq!(
        groth16::verify_batch(key.verifier(), &[(public, &one), (public, &two)]),
        Ok(())
    );
}

#[test]
fn broken_witness_is_named_by_constraint_and_paragraph() {
    let key = testing::powers_key();
    let mut assignment = testing::powers().assignment();
    let last = assignment.az.len() - 1;
    assignment.cz[last] += F::from(1u64);
    let error = Prover::cpu()
        .prove(&key, &assignment, &mut testing::rng(1), &Silent)
        .expect_err("unsatisfied");
    assert_eq!(
        error,
        ProveError::Unsatisfied {
            constraint: last,
            paragraph: None
        }
    );
    let named = error.in_system(&testing::powers().r1cs());
    assert_eq!(
        named,
        ProveError::Unsatisfied {
            constraint: last,
            paragraph: Some("bits")
        }
    );
    assert_eq!(
        named.to_string(),
        format!("the witness breaks constraint {last} (bits)")
    );
}

/// The statement with a public input that is not the power it claims to be.
struct Wrong(Powers);

impl Statement for Wrong {
    fn synthesize(&self, cs: &mut tacit_circuits::r1cs::Cs) {
        let y = cs.public(F::from(5u64));
        let x = cs.alloc(F::from(self.0.bases[0]));
        cs.paragraph("square");
        let square = cs.mul(&x, &x);
        cs.paragraph("equality");
        cs.enforce_equal(&square, &y);
    }
}

#[test]
fn unsatisfied_statement_is_named_by_its_paragraph() {
    let statement = Wrong(testing::powers());
    let key = setup::development(&statement.r1cs(), "wrong", &Silent).expect("a sound key");
    let result = Prover::cpu().prove_statement(&key, &statement, &mut testing::rng(1), &Silent);
    assert_eq!(
        result,
        Err(ProveError::Unsatisfied {
            constraint: 1,
            paragraph: Some("equality")
        })
    );
}

#[test]
fn key_for_another_circuit_is_named() {
    let key = testing::powers_key();
    for (statement, what) in [
        (
            Powers {
                bases: vec![2, 3],
                ..testing::powers()
            },
            "public inputs",
        ),
        (
            Powers {
                squarings: 7,
                ..testing::powers()
            },
            "witness variables",
        ),
    ] {
        let result = Prover::cpu().prove_statement(&key, &statement, &mut testing::rng(1), &Silent);
        assert!(
            matches!(result, Err(ProveError::OtherCircuit { what: w, .. }) if w == what),
            "{what}"
        );
    }
    let mut longer = testing::powers().assignment();
    longer.az.push(F::from(0u64));
    let result = Prover::cpu().prove(&key, &longer, &mut testing::rng(1), &Silent);
    assert!(matches!(
        result,
        Err(ProveError::OtherCircuit {
            what: "constraints",
            ..
        })
    ));
}

/// An engine that returns a proof of something else.
struct Faulty;

impl Backend for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn prove(
        &self,
        key: &ProvingKey,
        good: &Assignment,
        b: Blinding,
        p: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        let proof = backend::reference::Reference.prove(key, good, b, p)?;
        Proof::new(proof.a(), proof.b(), -proof.c()).map_err(|_| unreachable!("a point of the group"))
    }
}

#[test]
fn proof_of_a_faulty_engine_never_leaves() {
    let (key, assignment) = (testing::powers_key(), testing::powers().assignment());
    let prover = Prover::new(Box::new(Faulty));
    let result = prover.prove(&key, &assignment, &mut testing::rng(1), &Silent);
    assert_eq!(
        result,
        Err(ProveError::SelfVerification {
            engine: "faulty".to_owned()
        })
    );
}

#[test]
fn two_circuits_of_one_size_do_not_share_a_key() {
    // The same sizes, another bit decomposition: only self-verification can tell, and does.
    let other = Powers {
        number: 3,
        ..testing::powers()
    };
    let key = setup::development(&other.r1cs(), "powers", &Silent).expect("a sound key");
    let prover = Prover::cpu();
    let result = prover.prove_statement(&key, &testing::powers(), &mut testing::rng(1), &Silent);
    assert_eq!(
        result,
        Err(ProveError::SelfVerification {
            engine: prover.engine().to_owned()
        })
    );
}
