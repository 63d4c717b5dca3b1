//! Checks that every engine passes, called from the tests of each.
//!
//! They use small statements of their own, so that they run in seconds on the slowest engine.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_circuits::r1cs::{Cs, Num, Statement};
use tacit_protocol::F;
use tacit_verifier::groth16;

use super::reference::Reference;
use super::{Backend, Blinding};
use crate::keys::ProvingKey;
use crate::progress::Silent;
use crate::setup;

/// `y_j = x_j^(2^squarings)` for some public `y_j`, with a bit decomposition of a number beside it so
/// that zero and one scalars occur, and a variable that no constraint uses.
#[derive(Clone, Debug)]
pub struct Powers {
    /// The bases; one public input each.
    pub bases: Vec<u64>,
    /// Squarings per base.
    pub squarings: usize,
    /// Bits of the decomposition.
    pub number: u64,
}

impl Statement for Powers {
    fn synthesize(&self, cs: &mut Cs) {
        let power = |x: u64| (0..self.squarings).fold(F::from(x), |x, _| x * x);
        let publics: Vec<Num> = self.bases.iter().map(|&x| cs.public(power(x))).collect();
        cs.paragraph("powers");
        for (&base, y) in self.bases.iter().zip(&publics) {
            let mut x = cs.alloc(F::from(base));
            for _ in 0..self.squarings {
                x = cs.mul(&x, &x);
            }
            cs.enforce_equal(&x, y);
        }
        cs.paragraph("bits");
        let mut sum = Num::zero();
        for i in 0..64 {
            let bit = cs.alloc(F::from(self.number >> i & 1));
            cs.enforce(&bit, &bit, &bit);
            sum = sum.add_scaled(&bit, F::from(1u64 << i));
        }
        cs.enforce_equal(&sum, &Num::constant(F::from(self.number)));
        cs.paragraph("unused");
        let _ = cs.alloc(F::from(7u64));
    }
}

/// The statements the checks run over: one and several public inputs, sizes around a power of two.
#[must_use]
pub fn statements() -> Vec<Powers> {
    [
        (vec![3], 1),
        (vec![2, 3, 5, 7], 4),
        (vec![9, 0, 1], 62),
        (vec![4; 5], 200),
    ]
    .into_iter()
    .map(|(bases, squarings)| Powers {
        bases,
        squarings,
        number: 0xa5a5_0000_0000_0001,
    })
    .collect()
}

fn key(statement: &Powers) -> ProvingKey {
    setup::development(&statement.r1cs(), "conformance", &Silent).expect("every public input is used")
}

/// Proofs verify.
///
/// # Panics
/// If one does not.
pub fn check_proofs_verify(backend: &dyn Backend) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for statement in statements() {
        let (key, assignment) = (key(&statement), statement.assignment());
        let blinding = Blinding {
            r: setup::random_field(&mut rng),
            s: setup::random_field(&mut rng),
        };
        let proof = backend
            .prove(&key, &assignment, blinding, &Silent)
            .expect("a satisfied assignment");
        groth16::verify(key.verifier(), assignment.public_inputs(), &proof)
            .expect("the engine's proof verifies");
    }
}

/// Given the same blinding factors, the proof is the reference engine's, bit for bit.
///
/// # Panics
/// If one is not.
pub fn check_proofs_equal_the_reference(backend: &dyn Backend) {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for statement in statements() {
        let (key, assignment) = (key(&statement), statement.assignment());
        let zero = F::from(0u64);
        for (r, s) in [
            (zero, zero),
            (setup::random_field(&mut rng), setup::random_field(&mut rng)),
        ] {
            let prove = |engine: &dyn Backend| engine.prove(&key, &assignment, Blinding { r, s }, &Silent);
            assert_eq!(prove(backend), prove(&Reference), "engine {}", backend.name());
        }
    }
}

/// An assignment that does not satisfy the system never gives a proof that verifies.
///
/// # Panics
/// If one does.
pub fn check_broken_assignments_do_not_verify(backend: &dyn Backend) {
    let statement = &statements()[1];
    let key = key(statement);
    let one = F::from(1u64);
    let mut assignment = statement.assignment();
    for i in 0..assignment.az.len() {
        assignment.cz[i] += one;
        let blinding = Blinding { r: one, s: one };
        let verified = backend
            .prove(&key, &assignment, blinding, &Silent)
            .is_ok_and(|proof| groth16::verify(key.verifier(), assignment.public_inputs(), &proof).is_ok());
        assert!(!verified, "constraint {i} was broken");
        assignment.cz[i] -= one;
    }
}
