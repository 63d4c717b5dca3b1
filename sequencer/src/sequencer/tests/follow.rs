//! Reorganisations and rivals.

use std::sync::Arc;

use tacit_protocol::encoding::Encode;
use tacit_protocol::ledger;
use tacit_verifier::chain::UNDO_DEPTH;

use super::{assert_audited, picture};
use crate::fixture::{Chain, draft};
use crate::store::MemoryStore;
use crate::{AdmissionError, Halt, TransferStatus};

/// A second sequencer with the same key on a copy of everything, as a restored backup is.
fn twin(chain: &Chain) -> Chain {
    let mut twin = Chain::new();
    twin.store = Arc::new(MemoryStore::from_snapshot(chain.store.snapshot()));
    twin.register = Arc::clone(&chain.register);
    twin.blocks = chain.blocks.clone();
    twin.now = chain.now;
    twin.reopen();
    twin
}

#[test]
fn reorganisation_returns_batches_with_identical_bytes() {
    let mut chain = Chain::new();
    chain.fund(1);
    for n in 0..2 {
        chain.submit(&draft(n));
        chain.seal();
    }
    chain.prove_all();
    let payload = chain
        .sequencer
        .anchorable(usize::MAX)
        .expect("memory")
        .expect("proven");
    chain.anchor_all();
    chain.mine_empty(1);
    chain.submit(&draft(5));
    chain.seal();
    let root = ledger::tip(&chain.sequencer.view()).expect("memory");
    assert!(chain.disconnect().returned.is_empty());
    assert_eq!(chain.disconnect().returned, [2, 3]);
    assert_eq!(
        ledger::tip(&chain.sequencer.view()).expect("memory"),
        root,
        "the soft state is the same"
    );
    let again = chain
        .sequencer
        .anchorable(usize::MAX)
        .expect("memory")
        .expect("proven still");
    assert_eq!(again.encode(), payload.encode());
    let before = picture(&chain.sequencer);
    chain.reopen();
    assert_eq!(picture(&chain.sequencer), before);
    chain.mine_empty(3);
    assert_eq!(chain.anchor_all().anchored, [2, 3]);
    chain.prove_all();
    assert_eq!(chain.anchor_all().anchored, [4]);
    assert_audited(&chain);
}

#[test]
fn batch_of_a_rival_halts_and_an_operator_resumes() {
    let mut ours = Chain::new();
    ours.submit(&draft(0));
    ours.seal();
    ours.prove_all();
    ours.anchor_all();
    let mut rival = twin(&ours);
    let lost = [ours.submit(&draft(1)), ours.submit(&draft(2))];
    ours.seal();
    let waiting = ours.submit(&draft(3));
    rival.submit(&draft(2));
    rival.seal();
    rival.prove_all();
    ours.prove_all();
    rival.anchor_all();
    let block = rival.blocks.last().expect("the rival's block").clone();
    let halt = Halt::AnotherWriter { number: 2 };
    assert_eq!(ours.connect(block).halted, Some(halt));
    for _ in 0..2 {
        assert_eq!(ours.sequencer.halt(), Some(halt), "also after a restart");
        assert_eq!(ours.try_submit(&draft(7)), Err(AdmissionError::Halted(halt)));
        assert!(ours.seal().is_empty());
        assert_eq!(ours.sequencer.anchorable(usize::MAX), Ok(None));
        assert_eq!(ours.sequencer.next_to_prove(), Ok(None));
        let status = ours.sequencer.status_of(&lost[0].txid).expect("memory");
        assert_eq!(
            status,
            Some(TransferStatus::Held { batch: 2 }),
            "nothing acknowledged is forgotten"
        );
        ours.reopen();
    }
    ours.mine_empty(1);
    let now = ours.time();
    ours.sequencer.acknowledge(now).expect("memory");
    assert_eq!(ours.sequencer.halt(), None);
    let status = |id| ours.sequencer.status_of(&id).expect("memory").expect("known");
    assert_eq!(status(lost[0].txid), TransferStatus::Waiting { target: 2 });
    assert_eq!(
        status(lost[1].txid),
        TransferStatus::Anchored { batch: 2, slot: 0 }
    );
    assert!(matches!(status(waiting.txid), TransferStatus::Waiting { .. }));
    let before = picture(&ours.sequencer);
    ours.reopen();
    assert_eq!(picture(&ours.sequencer), before);
    assert_eq!(ours.seal(), [3]);
    ours.prove_all();
    assert_eq!(ours.anchor_all().anchored, [3]);
    assert_audited(&ours);
}

#[test]
fn batch_that_was_never_sealed_here_halts_a_synced_sequencer() {
    let mut ours = Chain::new();
    let mut rival = twin(&ours);
    rival.submit(&draft(1));
    rival.seal();
    rival.prove_all();
    rival.anchor_all();
    let block = rival.blocks.last().expect("a block").clone();
    assert_eq!(
        ours.connect(block).halted,
        Some(Halt::AnotherWriter { number: 1 })
    );
}

#[test]
fn restored_backup_catches_up_and_keeps_what_a_reorganisation_may_return() {
    let mut ours = Chain::new();
    let backup = twin(&ours);
    for n in 0..2 {
        ours.submit(&draft(n));
        ours.seal();
        ours.prove_all();
        ours.anchor_all();
    }
    let payload = ours.blocks[1].clone();
    let mut restored = backup;
    restored.sequencer.set_synced(false);
    for block in ours.blocks.clone() {
        assert_eq!(restored.connect(block).halted, None, "its own past");
    }
    restored.sequencer.set_synced(true);
    assert_eq!(restored.disconnect().returned, [2]);
    let again = restored
        .sequencer
        .anchorable(usize::MAX)
        .expect("memory")
        .expect("kept with its proof");
    let tx = restored.anchor(&again);
    assert_eq!(
        tx.tx().input[1].witness.nth(1),
        payload.txs[0].tx().input[1].witness.nth(1),
        "the same bytes"
    );
    assert_eq!(restored.anchor_all().anchored, [2]);
    assert_audited(&restored);
}

#[test]
fn deposits_are_credited_once_through_a_reorganisation() {
    let mut chain = Chain::new();
    chain.fund(2);
    let supply = ledger::tip(&chain.sequencer.view()).expect("memory").supply;
    chain.disconnect();
    assert!(chain.seal().is_empty(), "the returned batch credits them already");
    chain.mine_empty(1);
    chain.anchor_all();
    assert!(chain.seal().is_empty());
    assert_eq!(ledger::tip(&*chain.store).expect("memory").supply, supply);
    assert_audited(&chain);
}

#[test]
fn lost_sweep_halts_instead_of_anchoring_an_invalid_batch() {
    let mut chain = Chain::new();
    let sweep = chain.sweep(1, true);
    chain.mine(vec![sweep]);
    chain.mine_empty(2);
    let accepted = chain.submit(&draft(1));
    chain.seal();
    chain.prove_all();
    chain.disconnect();
    chain.disconnect();
    assert_eq!(chain.sequencer.halt(), None);
    assert_eq!(
        chain.sequencer.anchorable(usize::MAX),
        Ok(None),
        "too shallow for the next block"
    );
    let halted = chain.disconnect().halted;
    assert_eq!(halted, Some(Halt::Unreachable { number: 1 }));
    chain.mine_empty(3);
    let now = chain.time();
    chain.sequencer.acknowledge(now).expect("memory");
    let status = chain.sequencer.status_of(&accepted.txid).expect("memory");
    assert!(matches!(status, Some(TransferStatus::Waiting { .. })));
    assert_eq!(chain.seal(), [1]);
    chain.prove_all();
    chain.anchor_all();
    assert_eq!(
        ledger::tip(&*chain.store).expect("memory").supply,
        tacit_protocol::Amount::ZERO
    );
    assert_audited(&chain);
}

#[test]
fn lost_batch_of_deposits_alone_is_given_up_when_acknowledged() {
    let mut chain = Chain::new();
    let sweep = chain.sweep(1, true);
    chain.mine(vec![sweep]);
    chain.mine_empty(2);
    assert_eq!(chain.seal(), [1], "a batch without any transfer");
    let accepted = chain.submit(&draft(1));
    assert_eq!(chain.seal(), [2]);
    for _ in 0..3 {
        chain.disconnect();
    }
    assert_eq!(chain.sequencer.halt(), Some(Halt::Unreachable { number: 1 }));
    chain.mine_empty(3);
    let now = chain.time();
    chain.sequencer.acknowledge(now).expect("memory");
    assert_eq!(
        chain.sequencer.halt(),
        None,
        "it does not halt over the same batch again"
    );
    assert_eq!(chain.seal(), [1], "the transfer goes on without the deposit");
    let status = chain.sequencer.status_of(&accepted.txid).expect("memory");
    assert!(
        matches!(status, Some(TransferStatus::Sealed { .. })),
        "{status:?}"
    );
    chain.prove_all();
    chain.anchor_all();
    assert_audited(&chain);
}

#[test]
fn proof_of_deposits_that_a_reorganisation_exchanged_is_made_again() {
    let mut chain = Chain::new();
    // Two outputs of one script and amount: batch and state are the same in either order of the sweeps.
    let twins = [chain.deposit(1, 7, true), chain.deposit(2, 7, true)];
    for deposit in &twins {
        let sweep = chain.sweep_of(std::slice::from_ref(deposit));
        chain.mine(vec![sweep]);
    }
    chain.mine_empty(2);
    assert_eq!(chain.seal(), [1]);
    chain.prove_all();
    let sealed = crate::table::sealed(&*chain.store, 1).expect("memory");
    for _ in 0..4 {
        chain.disconnect();
    }
    for deposit in twins.iter().rev() {
        let sweep = chain.sweep_of(std::slice::from_ref(deposit));
        chain.mine(vec![sweep]);
    }
    chain.mine_empty(2);
    let now = chain.time();
    chain.sequencer.acknowledge(now).expect("memory");
    for _ in 0..2 {
        assert_eq!(crate::table::sealed(&*chain.store, 1).expect("memory"), sealed);
        assert_eq!(
            chain.sequencer.anchorable(usize::MAX),
            Ok(None),
            "an anchor that every follower refuses"
        );
        let job = chain.sequencer.next_to_prove().expect("memory");
        assert_eq!(job.map(|job| job.number), Some(1));
        chain.reopen();
    }
    chain.prove_all();
    let before = picture(&chain.sequencer);
    chain.reopen();
    assert_eq!(picture(&chain.sequencer), before);
    assert_eq!(chain.anchor_all().anchored, [1]);
    assert_eq!(ledger::tip(&*chain.store).expect("memory").batch, 1);
    assert_audited(&chain);
}

#[test]
fn halt_that_lost_its_cause_keeps_everything_when_acknowledged() {
    let mut ours = Chain::new();
    let mut rival = twin(&ours);
    ours.submit(&draft(1));
    ours.seal();
    ours.prove_all();
    rival.submit(&draft(2));
    rival.seal();
    rival.prove_all();
    rival.anchor_all();
    ours.connect(rival.blocks.last().expect("a block").clone());
    ours.disconnect();
    assert!(ours.sequencer.halt().is_some(), "only an operator ends a halt");
    let now = ours.time();
    ours.sequencer.acknowledge(now).expect("memory");
    assert_eq!(ours.anchor_all().anchored, [1]);
}

#[test]
fn buried_batches_are_forgotten_once_nothing_can_return_them() {
    let mut chain = Chain::new();
    chain.submit(&draft(1));
    chain.seal();
    chain.prove_all();
    chain.anchor_all();
    let kept = |chain: &Chain| crate::table::sealed(&*chain.store, 1).expect("memory").is_some();
    let blocks = usize::try_from(UNDO_DEPTH).expect("small") + 2;
    chain.mine_empty(blocks);
    assert!(kept(&chain));
    chain.mine_empty(1);
    assert!(!kept(&chain));
    assert_eq!(crate::table::proof(&*chain.store, 1), Ok(None));
    let accepted = chain.submit(&draft(1));
    assert_eq!(
        accepted.target_batch, 1,
        "the answer to a late repetition stays the same"
    );
}
