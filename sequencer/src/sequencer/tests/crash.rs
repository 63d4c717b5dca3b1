//! Whatever the moment of a crash: nothing acknowledged is lost, nothing is done twice.

use std::sync::Arc;

use tacit_protocol::F;

use super::picture;
use crate::fixture::{Chain, Draft, Register, draft, world};
use crate::store::{MemoryStore, Store};
use crate::{Config, DropReason, OpenError, Registrations, Sequencer, TransferStatus};

/// Reopens and fails if anything looks different.
fn crash(chain: &mut Chain) {
    let before = picture(&chain.sequencer);
    chain.reopen();
    assert_eq!(picture(&chain.sequencer), before);
}

#[test]
fn restart_at_every_step_changes_nothing() {
    let mut chain = Chain::new();
    crash(&mut chain);
    chain.fund(2);
    crash(&mut chain);
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(chain.submit(&draft(n)));
        crash(&mut chain);
    }
    chain.seal();
    crash(&mut chain);
    let job = chain.sequencer.next_to_prove().expect("memory").expect("a job");
    crash(&mut chain);
    assert_eq!(
        chain.sequencer.next_to_prove(),
        Ok(Some(job)),
        "the very same job after a restart"
    );
    chain.submit(&Draft {
        anchor: 1,
        ..draft(9)
    });
    crash(&mut chain);
    chain.prove_all();
    crash(&mut chain);
    let payload = chain
        .sequencer
        .anchorable(usize::MAX)
        .expect("memory")
        .expect("proven");
    crash(&mut chain);
    assert_eq!(
        chain.sequencer.anchorable(usize::MAX),
        Ok(Some(payload)),
        "the very same bytes"
    );
    chain.anchor_all();
    crash(&mut chain);
    for accepted in ids {
        let status = chain
            .sequencer
            .status_of(&accepted.txid)
            .expect("memory")
            .expect("acknowledged");
        assert!(
            matches!(status, TransferStatus::Anchored { batch: 2, .. }),
            "{status:?}"
        );
    }
    super::assert_audited(&chain);
}

#[test]
fn every_failing_write_leaves_a_state_that_a_restart_agrees_with() {
    // Every commit of the story fails once, at a point where the process then dies.
    for allowed in 0..12 {
        let mut chain = Chain::new();
        let mut acknowledged = Vec::new();
        chain.store.fail_after(Some(allowed));
        for n in 0..4 {
            if let Ok(accepted) = chain.try_submit(&draft(n)) {
                acknowledged.push(accepted);
            }
            chain.now += crate::fixture::SEAL_AFTER;
            let _ = chain.sequencer.tick(chain.time());
            if let Ok(Some(job)) = chain.sequencer.next_to_prove() {
                let shape = job.trace.data.shape;
                let proof = crate::fixture::prove_batch(shape, &job.trace.public_inputs(), 0);
                let _ = chain.sequencer.store_proof(job.number, proof);
            }
        }
        let before = picture(&chain.sequencer);
        chain.store.fail_after(None);
        chain.reopen();
        assert_eq!(picture(&chain.sequencer), before, "after {allowed} commits");
        for accepted in acknowledged {
            let status = chain.sequencer.status_of(&accepted.txid).expect("memory");
            assert!(
                matches!(
                    status,
                    Some(TransferStatus::Waiting { .. } | TransferStatus::Sealed { .. })
                ),
                "acknowledged, then {status:?}"
            );
        }
    }
}

#[test]
fn interrupted_change_of_state_stops_all_action_until_reopened() {
    let mut chain = Chain::new();
    chain.submit(&draft(1));
    chain.seal();
    chain.prove_all();
    let payload = chain
        .sequencer
        .anchorable(usize::MAX)
        .expect("memory")
        .expect("proven");
    let tx = chain.anchor(&payload);
    let block = chain.block(vec![tx]);
    let delta = tacit_verifier::chain::connect(&*chain.store, &world().rules, &block).expect("next");
    chain.store.fail_after(Some(0));
    assert!(chain.sequencer.commit_canonical(&delta).is_err());
    chain.store.fail_after(None);
    let now = chain.time();
    assert!(chain.sequencer.tick(now).is_err());
    assert_eq!(chain.try_submit(&draft(2)).expect_err("stale").code(), "storage");
    chain.reopen();
    assert_eq!(chain.connect(block).anchored, [1]);
}

#[test]
fn double_spend_is_refused_in_the_mempool_in_batches_and_after_restarts() {
    let mut chain = Chain::new();
    chain.submit(&draft(1));
    let mut rival = draft(2);
    rival.body.nf[1] = draft(1).body.nf[0];
    let code = |chain: &mut Chain| chain.try_submit(&rival).expect_err("a double spend").code();
    assert_eq!(code(&mut chain), "conflict");
    crash(&mut chain);
    assert_eq!(code(&mut chain), "conflict", "after a restart");
    chain.seal();
    assert_eq!(code(&mut chain), "spent", "against a sealed batch");
    crash(&mut chain);
    assert_eq!(
        code(&mut chain),
        "spent",
        "against a sealed batch, after a restart"
    );
    chain.prove_all();
    chain.anchor_all();
    assert_eq!(code(&mut chain), "spent", "against Bitcoin");
    crash(&mut chain);
    assert_eq!(code(&mut chain), "spent", "against Bitcoin, after a restart");
    chain.disconnect();
    assert_eq!(
        code(&mut chain),
        "spent",
        "after a reorganisation that returned the batch"
    );
}

#[test]
fn damaged_waiting_transfer_is_dropped_by_name_and_the_rest_stays() {
    let mut chain = Chain::new();
    let ids: Vec<_> = (0..3).map(|n| chain.submit(&draft(n)).txid).collect();
    // The second transfer's proof is exchanged on disk for one against another root.
    let wrong = draft(1).prove(F::from(3u64));
    let queued = crate::record::Queued {
        arrived: chain.time(),
        target: 1,
        transfer: wrong,
    };
    let mut delta = tacit_protocol::kv::Delta::default();
    crate::table::put_queued(&mut delta, 1, &queued);
    chain.store.commit(&delta).expect("memory");
    chain.reopen();
    let status = |n: usize| {
        chain
            .sequencer
            .status_of(&ids[n])
            .expect("memory")
            .expect("known")
    };
    assert!(matches!(status(0), TransferStatus::Waiting { .. }));
    assert!(matches!(status(1), TransferStatus::Rejected(r) if r.reason == DropReason::Invalid));
    assert!(matches!(status(2), TransferStatus::Waiting { .. }));
    chain.submit(&draft(1));
    assert_eq!(chain.seal(), [1]);
}

#[test]
fn store_without_genesis_is_refused() {
    let config = Config {
        operator: F::from(1u64),
        policy: crate::fixture::policy(),
    };
    let opened = Sequencer::open(
        Arc::new(MemoryStore::new()) as Arc<dyn Store>,
        Arc::clone(&world().rules),
        Arc::new(Register::default()) as Arc<dyn Registrations>,
        config,
    );
    assert_eq!(opened.map(|_| ()), Err(OpenError::NoGenesis));
}
