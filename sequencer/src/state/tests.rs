//! Pending batches replay exactly, and a changed one is noticed.

use tacit_protocol::batch::BatchShape;
use tacit_verifier::groth16;

use super::*;
use crate::fixture::{Chain, draft, prove_batch, world};

#[test]
fn trace_belongs_to_the_sealed_batch() {
    let mut chain = Chain::new();
    for n in 0..3 {
        chain.submit(&draft(n));
        chain.seal();
    }
    let pending = chain.sequencer.pending();
    for batch in pending.batches() {
        let trace = pending
            .trace(&world().rules, &*chain.store, batch.number())
            .expect("memory")
            .expect("pending");
        assert_eq!(trace.public_inputs(), batch.public_inputs());
        assert_eq!(trace.after.commitment(), batch.sealed().batch.state);
        assert_eq!(trace.data.number, batch.number());
    }
    assert!(
        pending
            .trace(&world().rules, &*chain.store, 4)
            .expect("memory")
            .is_none()
    );
}

#[test]
fn follower_accepts_what_was_replayed() {
    let mut chain = Chain::new();
    chain.submit(&draft(1));
    chain.seal();
    let batch = chain.sequencer.pending().get(1).expect("sealed").clone();
    let proof = prove_batch(BatchShape::B4x4, &batch.public_inputs(), 3);
    let key = world().rules.batch_key(BatchShape::B4x4).expect("a key");
    let decoded = groth16::Proof::from_bytes(&proof.0).expect("canonical");
    assert_eq!(groth16::verify(key, &batch.public_inputs(), &decoded), Ok(()));
    let base = chain.store.snapshot();
    let mut overlay = Overlay::new(&base);
    let place = Place {
        height: 101,
        ..pending_place(batch.sealed())
    };
    let verified = tacit_verifier::batch::verify(
        &world().rules,
        &mut overlay,
        batch.sealed().with_proof(proof),
        &place,
        None,
    );
    assert_eq!(verified.expect("valid").ids(), batch.ids());
}

#[test]
fn replay_notices_another_state() {
    let mut chain = Chain::new();
    chain.submit(&draft(1));
    chain.seal();
    let mut sealed = chain.sequencer.pending().get(1).expect("sealed").sealed().clone();
    sealed.batch.state = F::from(1u64);
    let base = chain.store.snapshot();
    let replayed = PendingBatch::replay(&world().rules, &base, &sealed, 100);
    assert_eq!(replayed, Err(StepError::Rule(BatchError::WrongState)));
}

#[test]
fn failures_of_the_view_are_not_taken_for_broken_rules() {
    let io = KvError::Io("gone".to_owned());
    assert_eq!(
        StepError::from(BatchError::Kv(io.clone())),
        StepError::Kv(io.clone())
    );
    assert_eq!(StepError::from(LedgerError::Kv(io.clone())), StepError::Kv(io));
    assert_eq!(
        StepError::from(LedgerError::Shape),
        StepError::Rule(BatchError::Ledger(LedgerError::Shape))
    );
}
