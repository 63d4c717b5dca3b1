//! The sequencer over time: restarts, reorganisations, rivals.

mod crash;
mod follow;
mod forced;
mod pace;
mod random;

use tacit_protocol::kv::KvRead;
use tacit_protocol::ledger;

use super::Sequencer;
use crate::fixture::{Chain, draft};

/// What can be told from outside, for comparing two sequencers.
pub(super) fn picture(sequencer: &Sequencer) -> impl PartialEq + std::fmt::Debug + use<> {
    let queue: Vec<_> = sequencer
        .mempool()
        .iter()
        .map(|(seq, entry)| (seq, entry.clone()))
        .collect();
    (
        queue,
        sequencer.pending().clone(),
        sequencer.halt(),
        sequencer.anchored_batch(),
        sequencer.next_batch(),
        sequencer.oldest_anchor(),
        ledger::tip(&sequencer.view()).expect("memory"),
    )
}

/// Fails unless the auditor's state, from blocks alone, is the store's, own tables apart.
pub(super) fn assert_audited(chain: &Chain) {
    let audited = chain.audit();
    for prefix in *b"nuhlsABCDEFGHOPQRSTVW" {
        let rows = |kv: &dyn KvRead| kv.range(&[prefix], &[prefix + 1], usize::MAX).expect("memory");
        assert_eq!(
            rows(&*chain.store),
            rows(&audited),
            "table {}",
            char::from(prefix)
        );
    }
}

#[test]
fn payment_goes_from_submission_to_bitcoin() {
    let mut chain = Chain::new();
    let accepted = chain.submit(&draft(1));
    assert_eq!((accepted.target_batch, accepted.nf), (1, draft(1).body.nf));
    let status = |chain: &Chain| {
        chain
            .sequencer
            .status_of(&accepted.txid)
            .expect("memory")
            .expect("known")
    };
    assert_eq!(status(&chain), super::TransferStatus::Waiting { target: 1 });
    assert_eq!(chain.seal(), [1]);
    assert_eq!(
        status(&chain),
        super::TransferStatus::Sealed {
            batch: 1,
            slot: 0,
            proven: false
        }
    );
    assert_eq!(
        chain.sequencer.anchorable(usize::MAX),
        Ok(None),
        "nothing is anchored without a proof"
    );
    chain.prove_all();
    assert_eq!(
        status(&chain),
        super::TransferStatus::Sealed {
            batch: 1,
            slot: 0,
            proven: true
        }
    );
    assert_eq!(chain.anchor_all().anchored, [1]);
    assert_eq!(
        status(&chain),
        super::TransferStatus::Anchored { batch: 1, slot: 0 }
    );
    assert!(chain.sequencer.pending().batches().is_empty());
    assert_eq!(chain.sequencer.status_of(&draft(2).id()), Ok(None));
    assert_audited(&chain);
}
