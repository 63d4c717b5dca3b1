//! The second engine steps in when the first fails or errs, and only then.

use std::sync::Arc;

use tacit_circuits::r1cs::Statement;
use tacit_protocol::F;

use super::*;
use crate::backend::reference::Reference;
use crate::progress::Silent;
use crate::testing;

#[derive(Clone, Copy)]
enum Manner {
    Works,
    Fails,
    Errs,
}

/// An engine in some manner, which counts how often it is asked.
struct Moody(Manner, Arc<AtomicU32>);

impl Backend for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn prove(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let proof = Reference.prove(key, assignment, blinding, progress)?;
        match self.0 {
            Manner::Works => Ok(proof),
            Manner::Fails => Err(ProveError::Engine {
                engine: self.name().to_owned(),
                reason: "the device was lost".to_owned(),
            }),
            Manner::Errs => Ok(Proof::new(proof.c(), proof.b(), proof.a()).expect("points of the group")),
        }
    }
}

/// Proves several times; how often the first was asked, and the second had to step in.
fn proofs(manner: Manner, count: usize) -> (u32, u64, bool) {
    let asked = Arc::new(AtomicU32::new(0));
    let engine = WithFallback::new(Box::new(Moody(manner, Arc::clone(&asked))), Box::new(Reference));
    let (key, assignment) = (testing::powers_key(), testing::powers().assignment());
    let blinding = Blinding {
        r: F::from(3u64),
        s: F::from(4u64),
    };
    for _ in 0..count {
        let proof = engine.prove(&key, &assignment, blinding, &Silent);
        assert_eq!(proof, Reference.prove(&key, &assignment, blinding, &Silent));
    }
    (
        asked.load(Ordering::Relaxed),
        engine.fallbacks(),
        engine.is_trying(),
    )
}

#[test]
fn engine_that_works_is_the_only_one_asked() {
    assert_eq!(proofs(Manner::Works, 2), (2, 0, true));
}

#[test]
fn engine_that_fails_is_replaced_and_after_a_while_left_alone() {
    assert_eq!(proofs(Manner::Fails, 5), (PATIENCE, 5, false));
}

#[test]
fn wrong_proof_is_noticed_and_made_again() {
    assert_eq!(proofs(Manner::Errs, 2), (2, 2, true));
}
