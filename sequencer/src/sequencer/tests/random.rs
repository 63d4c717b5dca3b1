//! Random histories: whatever happens, a replay from the store gives the same sequencer, and Bitcoin
//! alone gives the same state.

use proptest::prelude::*;
use tacit_protocol::peg::BlockInput;
use tacit_protocol::peg::vault::VAULT_TX_VERSION;
use tacit_protocol::transfer::TransferId;

use super::{assert_audited, picture};
use crate::fixture::requests::forced;
use crate::fixture::{Chain, Draft, draft};
use crate::{DropReason, Rejection, TransferStatus};

#[derive(Clone, Debug)]
enum Step {
    Submit { n: u64, back: u32 },
    Seal,
    ProveOne,
    Anchor,
    Mine,
    Sweep,
    Force { n: u64 },
    EmptyAnchor,
    Disconnect,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u64..30, 0u32..4).prop_map(|(n, back)| Step::Submit { n, back }),
        3 => Just(Step::Seal),
        3 => Just(Step::ProveOne),
        2 => Just(Step::Anchor),
        2 => Just(Step::Mine),
        1 => Just(Step::Sweep),
        2 => Just(Step::Disconnect),
        1 => Just(Step::Reopen),
    ]
}

/// Steps with forced requests among them, and with anchors that make them due.
fn step_or_request() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => step(),
        1 => (100u64..110).prop_map(|n| Step::Force { n }),
        1 => Just(Step::EmptyAnchor),
    ]
}

fn run(chain: &mut Chain, step: &Step, accepted: &mut Vec<TransferId>) {
    match step {
        Step::Submit { n, back } => {
            let anchor = (chain.sequencer.next_batch() - 1).saturating_sub(*back);
            if let Ok(answer) = chain.try_submit(&Draft { anchor, ..draft(*n) }) {
                accepted.push(answer.txid);
            }
        }
        Step::Seal => {
            chain.seal();
        }
        Step::ProveOne => {
            if let Some(job) = chain.sequencer.next_to_prove().expect("memory") {
                let proof = crate::fixture::prove_batch(job.trace.data.shape, &job.trace.public_inputs(), 0);
                chain.sequencer.store_proof(job.number, proof).expect("valid");
            }
        }
        Step::Anchor => {
            if let Some(payload) = chain.sequencer.anchorable(usize::MAX).expect("memory") {
                let tx = chain.anchor(&payload);
                let changes = chain.mine(vec![tx]);
                assert_eq!(
                    changes.anchored.len(),
                    payload.batches().len(),
                    "followers accept every batch"
                );
            }
        }
        Step::Mine => chain.mine_empty(1),
        Step::Sweep => {
            let sweep = chain.sweep(2, true);
            chain.mine(vec![sweep]);
        }
        Step::Force { n } => chain.force(&[forced(*n)]),
        Step::EmptyAnchor => {
            let anchor = chain.empty_anchor();
            chain.mine(vec![anchor]);
        }
        Step::Disconnect => {
            // Not below a sweep that a sealed batch stands on: that halts, and is tested elsewhere.
            let sweeps = |block: &BlockInput| block.txs.iter().any(|tx| tx.tx().version == VAULT_TX_VERSION);
            if chain.blocks.last().is_some_and(|block| !sweeps(block)) {
                chain.disconnect();
            }
        }
        Step::Reopen => chain.reopen(),
    }
}

/// Runs the steps and what it takes to settle everything; what became of the accepted transfers.
fn settle(steps: &[Step]) -> Vec<TransferStatus> {
    let mut chain = Chain::new();
    let mut accepted = Vec::new();
    for step in steps {
        run(&mut chain, step, &mut accepted);
        assert_eq!(chain.sequencer.halt(), None);
    }
    let before = picture(&chain.sequencer);
    chain.reopen();
    assert!(picture(&chain.sequencer) == before, "a restart changes nothing");
    // Everything acknowledged ends on Bitcoin, once deposits are deep again where blocks were undone.
    for _ in 0..8 {
        chain.seal();
        chain.prove_all();
        if chain.sequencer.anchorable(usize::MAX).expect("memory").is_some() {
            chain.anchor_all();
        } else {
            chain.mine_empty(1);
        }
    }
    assert_audited(&chain);
    let status = |id| chain.sequencer.status_of(id).expect("memory").expect("accepted");
    accepted.iter().map(status).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_history_equals_its_replay(steps in proptest::collection::vec(step(), 1..40)) {
        for status in settle(&steps) {
            prop_assert!(matches!(status, TransferStatus::Anchored { .. }), "{:?}", status);
        }
    }

    #[test]
    fn random_history_with_forced_requests_equals_its_replay(
        steps in proptest::collection::vec(step_or_request(), 1..50),
    ) {
        for status in settle(&steps) {
            // A batch that is sealed anew has another state, which proofs made against it are not about.
            let replaced = matches!(
                status,
                TransferStatus::Rejected(Rejection { reason: DropReason::AnchorReplaced(_), .. })
            );
            prop_assert!(replaced || matches!(status, TransferStatus::Anchored { .. }), "{:?}", status);
        }
    }
}
