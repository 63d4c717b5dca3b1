//! When batches are sealed, proven and anchored.

use tacit_protocol::batch::MAX_PARTIAL;
use tacit_protocol::encoding::Encode;
use tacit_protocol::transfer::ProofBytes;

use crate::config::{Policy, Time};
use crate::fixture::{Chain, SEAL_AFTER, draft, policy, prove_batch, with_proof};
use crate::{DropReason, ProofError, Rejection, TransferStatus};

#[test]
fn batch_is_sealed_when_its_first_transfer_has_waited() {
    let mut chain = Chain::new();
    let start = chain.now;
    chain.submit(&draft(1));
    chain.now += SEAL_AFTER / 2;
    chain.submit(&draft(2));
    let at = |millis| Time::from_millis(start + millis);
    assert!(
        chain
            .sequencer
            .tick(at(SEAL_AFTER - 1))
            .expect("tick")
            .sealed
            .is_empty()
    );
    assert_eq!(chain.sequencer.tick(at(SEAL_AFTER)).expect("tick").sealed, [1]);
    assert!(chain.sequencer.mempool().is_empty());
}

#[test]
fn full_batch_is_sealed_at_once() {
    let mut chain = Chain::new();
    (0..19).for_each(|n| {
        chain.submit(&draft(n));
    });
    let now = chain.time();
    assert!(chain.sequencer.tick(now).expect("tick").sealed.is_empty());
    let last = chain.submit(&draft(19));
    let next = chain.submit(&draft(20));
    assert_eq!(
        (last.target_batch, next.target_batch),
        (1, 2),
        "receipts name the batch that has room"
    );
    assert_eq!(chain.sequencer.tick(now).expect("tick").sealed, [1]);
    assert_eq!(chain.sequencer.mempool().len(), 1);
}

#[test]
fn clock_that_was_set_back_does_not_stop_sealing() {
    let mut chain = Chain::new();
    chain.submit(&draft(1));
    let yesterday = Time::from_millis(chain.now - 100_000);
    assert_eq!(chain.sequencer.tick(yesterday).expect("tick").sealed, [1]);
}

#[test]
fn nothing_is_sealed_without_need_or_before_syncing() {
    let mut chain = Chain::new();
    assert!(chain.seal().is_empty());
    chain.submit(&draft(1));
    chain.sequencer.set_synced(false);
    assert!(chain.seal().is_empty());
    chain.sequencer.set_synced(true);
    assert_eq!(chain.seal(), [1]);
}

#[test]
fn an_idle_sequencer_seals_an_empty_batch_at_half_of_the_takeover_timelock() {
    let mut chain = Chain::new();
    chain.mine_empty(503);
    assert!(chain.seal().is_empty());
    chain.mine_empty(1);
    assert_eq!(chain.seal(), [1]);
    assert!(chain.seal().is_empty(), "one is enough until it is on Bitcoin");
    chain.mine_empty(10);
    assert!(chain.seal().is_empty());
    chain.prove_all();
    chain.anchor_all();
    assert!(chain.seal().is_empty(), "the batch was a sign of life");
    chain.mine_empty(504);
    assert_eq!(chain.seal(), [2]);
}

#[test]
fn expiry_counts_from_the_next_batch_to_seal() {
    let mut chain = Chain::new();
    chain.submit(&draft(0));
    chain.seal();
    let mut short = draft(1);
    short.body.expiry = 1;
    let refused = chain.try_submit(&short).expect_err("the next batch is 2");
    assert_eq!(refused.code(), "expired");
    short.body.expiry = 2;
    let accepted = chain.submit(&short);
    chain.seal();
    let status = chain.sequencer.status_of(&accepted.txid).expect("memory");
    assert_eq!(
        status,
        Some(TransferStatus::Sealed {
            batch: 2,
            slot: 0,
            proven: false
        })
    );
}

#[test]
fn transfer_that_no_batch_took_in_time_expires() {
    let mut chain = Chain::new();
    for n in 0..3 {
        chain.submit(&draft(n));
        chain.seal();
    }
    // A fifth anchor makes the transfer wait while batch 4 is sealed.
    let anchored_at = |anchor, n| crate::fixture::Draft { anchor, ..draft(n) };
    chain.submit(&draft(3));
    chain.seal();
    for anchor in 0..4 {
        chain.submit(&anchored_at(anchor, 10 + u64::from(anchor)));
    }
    let mut late = anchored_at(4, 20);
    late.body.expiry = 5;
    let accepted = chain.submit(&late);
    chain.now += SEAL_AFTER;
    let tick = chain.sequencer.tick(chain.time()).expect("tick");
    assert_eq!(tick.sealed, [5]);
    assert_eq!(tick.dropped, [(accepted.txid, DropReason::Expired { expiry: 5 })]);
    let rejection = Rejection {
        batch: 6,
        reason: DropReason::Expired { expiry: 5 },
    };
    for _ in 0..2 {
        let status = chain.sequencer.status_of(&accepted.txid).expect("memory");
        assert_eq!(status, Some(TransferStatus::Rejected(rejection)));
        chain.reopen();
    }
}

#[test]
fn sealing_pauses_while_too_many_batches_wait_for_bitcoin() {
    let mut chain = Chain::with_policy(Policy {
        max_pending: 2,
        ..policy()
    });
    for n in 0..3 {
        chain.submit(&draft(n));
        chain.seal();
    }
    assert_eq!(chain.sequencer.pending().batches().len(), 2);
    assert_eq!(chain.sequencer.mempool().len(), 1);
    chain.prove_all();
    chain.anchor_all();
    assert_eq!(chain.seal(), [3]);
}

#[test]
fn wrong_proofs_are_never_kept() {
    let mut chain = Chain::new();
    (0..2).for_each(|n| {
        chain.submit(&draft(n));
        chain.seal();
    });
    let jobs: Vec<_> = (1..=2)
        .map(|n| chain.sequencer.proof_job(n).expect("memory").expect("sealed"))
        .collect();
    let proof =
        |job: &crate::ProofJob, salt| prove_batch(job.trace.data.shape, &job.trace.public_inputs(), salt);
    let (one, two) = (proof(&jobs[0], 0), proof(&jobs[1], 0));
    let sequencer = &mut chain.sequencer;
    assert_eq!(sequencer.store_proof(1, two), Err(ProofError::Invalid));
    assert!(matches!(
        sequencer.store_proof(1, ProofBytes([0; 128])),
        Err(ProofError::Encoding(_))
    ));
    assert_eq!(sequencer.store_proof(3, one), Err(ProofError::NotPending(3)));
    assert_eq!(
        sequencer.next_to_prove().expect("memory").expect("a job"),
        jobs[0]
    );
    assert_eq!(sequencer.store_proof(1, one), Ok(()));
    assert_eq!(
        sequencer.next_to_prove().expect("memory").expect("a job"),
        jobs[1]
    );
    assert_eq!(
        sequencer.store_proof(1, proof(&jobs[0], 7)),
        Ok(()),
        "a second proof is not needed"
    );
    assert_eq!(
        sequencer.pending().get(1).expect("sealed").proof(),
        Some(one),
        "the first one is kept"
    );
}

#[test]
fn batches_are_anchored_in_order_without_gaps() {
    let mut chain = Chain::new();
    (0..3).for_each(|n| {
        chain.submit(&draft(n));
        chain.seal();
    });
    let job = |chain: &Chain, n| chain.sequencer.proof_job(n).expect("memory").expect("sealed");
    for n in [3, 1] {
        let job = job(&chain, n);
        let proof = prove_batch(job.trace.data.shape, &job.trace.public_inputs(), 0);
        chain.sequencer.store_proof(n, proof).expect("valid");
    }
    let payload = chain
        .sequencer
        .anchorable(usize::MAX)
        .expect("memory")
        .expect("batch 1");
    assert_eq!(payload.batches().len(), 1, "batch 2 has no proof yet");
    chain.prove_all();
    let payload = chain
        .sequencer
        .anchorable(usize::MAX)
        .expect("memory")
        .expect("all");
    assert_eq!(payload.batches().len(), 3);
    let exact = payload.encode().len();
    let fitting = |max| {
        chain
            .sequencer
            .anchorable(max)
            .expect("memory")
            .map(|p| p.batches().len())
    };
    assert_eq!(fitting(exact), Some(3));
    assert_eq!(fitting(exact - 1), Some(2));
    assert_eq!(fitting(100), None);
}

#[test]
fn one_anchor_carries_no_more_partial_batches_than_the_rules_allow() {
    let mut chain = Chain::new();
    let limit = u64::try_from(MAX_PARTIAL).expect("small");
    (0..limit + 2).for_each(|n| {
        chain.submit(&draft(n));
        chain.seal();
    });
    chain.prove_all();
    assert_eq!(u64::try_from(chain.anchor_all().anchored.len()), Ok(limit));
    assert_eq!(chain.anchor_all().anchored.len(), 2);
}

#[test]
fn anchored_proof_need_not_be_ours() {
    let mut chain = Chain::new();
    chain.submit(&draft(1));
    chain.seal();
    chain.prove_all();
    let batch = chain.sequencer.pending().get(1).expect("sealed").clone();
    let other = prove_batch(batch.sealed().batch.shape, &batch.public_inputs(), 5);
    let payload = tacit_protocol::batch::Payload::new(vec![with_proof(&batch.sealed().batch, other)]);
    let tx = chain.anchor(&payload.expect("one batch"));
    let changes = chain.mine(vec![tx]);
    assert_eq!((changes.anchored, changes.halted), (vec![1], None));
}
