//! One negative test per rule of the mempool, and the order of the rules.

use std::collections::HashSet;

use tacit_protocol::encoding::Encode;

use super::*;
use crate::config::{Policy, Time};
use crate::fixture::{Chain, Draft, draft, nullifier, policy, sats};

/// One rule: how the policy differs, how the transfer breaks the rule, what the answer is.
struct Case {
    rule: &'static str,
    policy: fn(&mut Policy),
    tamper: fn(&mut Draft),
    code: &'static str,
}

const CASES: [Case; 10] = [
    Case {
        rule: "zero nullifier",
        policy: |_| {},
        tamper: |d| d.body.nf[1] = Nullifier::ZERO,
        code: "zero-nullifier",
    },
    Case {
        rule: "equal nullifiers",
        policy: |_| {},
        tamper: |d| d.body.nf[1] = d.body.nf[0],
        code: "repeated-nullifier",
    },
    Case {
        rule: "unknown fee",
        policy: |_| {},
        tamper: |d| d.body.fee = 4,
        code: "unknown-fee",
    },
    Case {
        rule: "fee floor",
        policy: |p| p.min_fee = sats(101),
        tamper: |_| {},
        code: "fee-too-low",
    },
    Case {
        rule: "expired",
        policy: |_| {},
        tamper: |d| d.body.expiry = 0,
        code: "expired",
    },
    Case {
        rule: "expiry horizon",
        policy: |p| p.expiry_horizon = 9,
        tamper: |d| d.body.expiry = 11,
        code: "expiry-too-far",
    },
    Case {
        rule: "expiry step",
        policy: |p| p.expiry_step = 8,
        tamper: |d| d.body.expiry = 12,
        code: "expiry-not-rounded",
    },
    Case {
        rule: "exit fee limit",
        policy: |p| p.min_exit_rate = tacit_protocol::peg::FeeRate::from_sat_per_kwu(10_000),
        tamper: |d| *d = d.clone().exit(50_000, 500),
        code: "exit-fee-too-low",
    },
    Case {
        rule: "no proof for this fee",
        policy: |_| {},
        tamper: |_| {},
        code: "bad-proof",
    },
    Case {
        rule: "wrong chain of states",
        policy: |_| {},
        tamper: |d| d.anchor = 1,
        code: "unknown-anchor",
    },
];

#[test]
fn every_rule_that_looks_at_the_transfer_has_a_case() {
    let mut chain = Chain::new();
    for case in CASES {
        let mut policy = policy();
        (case.policy)(&mut policy);
        chain.policy = policy;
        chain.reopen();
        let mut changed = draft(1);
        (case.tamper)(&mut changed);
        let mut transfer = draft(1).prove(F::from(5u64));
        transfer.body = changed.body;
        transfer.anchor = changed.anchor;
        let refused = chain
            .sequencer
            .submit(&transfer.encode(), chain.time())
            .expect_err(case.rule);
        assert_eq!(refused.code(), case.code, "{}: {refused}", case.rule);
        assert!(chain.sequencer.mempool().is_empty());
    }
}

#[test]
fn last_batch_of_all_counts_as_a_rounded_expiry() {
    let mut chain = Chain::with_policy(Policy {
        expiry_horizon: BATCH_LIMIT,
        expiry_step: 8,
        ..policy()
    });
    let mut transfer = draft(1);
    transfer.body.expiry = BATCH_LIMIT - 1;
    chain.submit(&transfer);
}

#[test]
fn oversized_bytes_are_refused_unread() {
    let chain = Chain::new();
    let refused = chain.sequencer.screen(&[0; MAX_TRANSFER_BYTES + 1]);
    assert_eq!(
        refused,
        Err(AdmissionError::TooLarge {
            size: MAX_TRANSFER_BYTES + 1
        })
    );
}

#[test]
fn longest_transfer_fits_the_limit() {
    let longest = draft(1).exit(50_000, 500).memo(7).prove(F::from(5u64));
    assert_eq!((longest.encode().len(), MAX_TRANSFER_BYTES), (531, 531));
    let mut chain = Chain::new();
    chain.submit(&draft(1).exit(50_000, 500).memo(7));
}

#[test]
fn a_memo_that_is_not_the_signed_one_makes_the_proof_worthless() {
    let mut chain = Chain::new();
    let root = ledger::state(&chain.sequencer.view(), 0)
        .expect("memory")
        .expect("genesis")
        .notes_root;
    let signed = [draft(1).memo(7), draft(2)].map(|draft| draft.prove(root));
    let changed = [
        Transfer {
            body: draft(1).body,
            ..signed[0].clone()
        },
        Transfer {
            body: draft(1).memo(8).body,
            ..signed[0].clone()
        },
        Transfer {
            body: draft(2).memo(7).body,
            ..signed[1].clone()
        },
    ];
    for transfer in changed {
        let refused = chain.sequencer.submit(&transfer.encode(), chain.time());
        assert_eq!(refused.expect_err("tampered with").code(), "bad-proof");
    }
    assert!(chain.sequencer.mempool().is_empty());
    for transfer in signed {
        assert!(chain.sequencer.submit(&transfer.encode(), chain.time()).is_ok());
    }
}

#[test]
fn truncated_and_padded_bytes_are_malformed() {
    let chain = Chain::new();
    let bytes = draft(1).bytes(&chain.sequencer);
    for bad in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat(), &[]] {
        let refused = chain.sequencer.screen(bad).expect_err("malformed");
        assert_eq!(refused.code(), "malformed");
    }
}

#[test]
fn unknown_flags_are_malformed() {
    let chain = Chain::new();
    let mut bytes = draft(1).bytes(&chain.sequencer);
    let flags = bytes.len() - 128 - 1;
    bytes[flags] = 4;
    let refused = chain.sequencer.screen(&bytes).expect_err("unknown flag");
    assert_eq!(
        refused,
        AdmissionError::Malformed(DecodeError::Unknown("transfer flags"))
    );
}

#[test]
fn same_transfer_with_another_proof_gets_the_same_answer() {
    let mut chain = Chain::new();
    let first = chain.submit(&draft(1));
    let other = Draft { salt: 9, ..draft(1) };
    assert_ne!(other.bytes(&chain.sequencer), draft(1).bytes(&chain.sequencer));
    assert_eq!(chain.submit(&other), first);
    assert_eq!(chain.sequencer.mempool().len(), 1);
    chain.seal();
    assert_eq!(
        chain.submit(&other),
        first,
        "the answer stays the same once it is sealed"
    );
    chain.prove_all();
    chain.anchor_all();
    chain.reopen();
    assert_eq!(chain.submit(&other), first, "and once it is anchored");
}

#[test]
fn conflicting_transfer_is_refused_by_name() {
    let mut chain = Chain::new();
    let first = chain.submit(&draft(1));
    let mut second = draft(2);
    second.body.nf[0] = draft(1).body.nf[1];
    let refused = chain.try_submit(&second).expect_err("a double spend");
    assert_eq!(
        refused,
        AdmissionError::Conflict {
            nullifier: second.body.nf[0],
            by: first.txid
        }
    );
}

#[test]
fn anchor_must_have_been_current_within_the_window() {
    let mut chain = Chain::with_policy(Policy {
        anchor_window: 3,
        ..policy()
    });
    for n in 0..2 {
        chain.submit(&draft(n));
        chain.seal();
        chain.prove_all();
        chain.anchor_all();
    }
    let at = |anchor, n| Draft { anchor, ..draft(n) };
    chain.mine_empty(2);
    chain.submit(&at(0, 10));
    chain.mine_empty(1);
    let refused = chain.try_submit(&at(0, 11)).expect_err("too old");
    assert_eq!(refused, AdmissionError::StaleAnchor { anchor: 0, oldest: 1 });
    chain.mine_empty(50);
    chain.submit(&at(2, 12));
    assert_eq!(
        chain.sequencer.oldest_anchor(),
        2,
        "the latest state never grows too old"
    );
    chain.seal();
    let sealed_only = chain.sequencer.next_batch() - 1;
    chain.submit(&at(sealed_only, 13));
    let unknown = chain
        .try_submit(&Draft {
            anchor: 0,
            ..draft(14)
        })
        .expect_err("too old");
    assert_eq!(unknown.code(), "stale-anchor");
}

#[test]
fn refused_proof_is_remembered_with_what_it_was_checked_against() {
    let mut chain = Chain::new();
    let bad = draft(1).prove(F::from(5u64)).encode();
    let now = chain.time();
    assert_eq!(
        chain.sequencer.submit(&bad, now).expect_err("bad").code(),
        "bad-proof"
    );
    assert_eq!(
        chain.sequencer.submit(&bad, now),
        Err(AdmissionError::KnownBadProof)
    );
    chain.submit(&draft(1));
}

#[test]
fn refusals_are_bounded_and_keyed_by_everything() {
    let mut refusals = Refusals::new(2);
    let (one, two) = (F::from(1u64), F::from(2u64));
    refusals.insert(b"a", &one);
    assert!(refusals.contains(b"a", &one));
    assert!(!refusals.contains(b"a", &two), "another root is another question");
    refusals.insert(b"b", &one);
    refusals.insert(b"c", &one);
    refusals.insert(b"c", &one);
    assert!(!refusals.contains(b"a", &one), "the oldest is forgotten");
    assert!(refusals.contains(b"b", &one) && refusals.contains(b"c", &one));
    let mut none = Refusals::new(0);
    none.insert(b"a", &one);
    assert!(!none.contains(b"a", &one));
}

#[test]
fn full_mempool_refuses_higher_fees_too_and_keeps_every_promise() {
    let mut chain = Chain::with_policy(Policy {
        max_transfers: 1,
        ..policy()
    });
    let first = chain.submit(&draft(1));
    let mut dearer = draft(3);
    dearer.body.fee = 2;
    for _ in 0..2 {
        let refused = chain.try_submit(&dearer).expect_err("no room");
        assert_eq!(refused, AdmissionError::MempoolFull { waiting: 1, next: 1 });
        let status = chain.sequencer.status_of(&first.txid).expect("memory");
        assert_eq!(status, Some(crate::TransferStatus::Waiting { target: 1 }));
        chain.reopen();
    }
    assert_eq!(chain.seal(), [1]);
    chain.submit(&dearer);
}

#[test]
fn nothing_is_taken_before_the_chain_is_synced() {
    let mut chain = Chain::new();
    let bytes = draft(1).bytes(&chain.sequencer);
    chain.sequencer.set_synced(false);
    assert_eq!(
        chain.sequencer.submit(&bytes, chain.time()),
        Err(AdmissionError::NotSynced)
    );
}

#[test]
fn failed_write_acknowledges_nothing() {
    let mut chain = Chain::new();
    chain.store.fail_after(Some(0));
    let refused = chain.try_submit(&draft(1)).expect_err("the disk is full");
    assert_eq!(refused.code(), "storage");
    assert!(chain.sequencer.mempool().is_empty());
    chain.store.fail_after(None);
    chain.reopen();
    assert!(chain.sequencer.mempool().is_empty());
}

#[test]
fn candidate_checked_outside_the_lock_is_checked_again_inside() {
    let mut chain = Chain::new();
    let mut rival = draft(2);
    rival.body.nf[0] = draft(1).body.nf[0];
    let candidate =
        |chain: &Chain, draft: &Draft| match chain.sequencer.screen(&draft.bytes(&chain.sequencer)) {
            Ok(Screened::Fresh(candidate)) => *candidate,
            other => panic!("a fresh candidate, not {other:?}"),
        };
    let (first, second) = (candidate(&chain, &draft(1)), candidate(&chain, &rival));
    let rules = chain.sequencer.rules().clone();
    let (first_verdict, second_verdict) = (first.verify(&rules), second.verify(&rules));
    let now = Time::from_millis(1);
    let swapped = chain.sequencer.admit(first.clone(), second_verdict.clone(), now);
    assert_eq!(
        swapped.expect_err("the verdict of another transfer").code(),
        "bad-proof"
    );
    let taken = chain
        .sequencer
        .admit(first.clone(), first_verdict.clone(), now)
        .expect("accepted");
    let refused = chain
        .sequencer
        .admit(second, second_verdict, now)
        .expect_err("overtaken");
    assert_eq!(refused.code(), "conflict");
    assert_eq!(chain.sequencer.admit(first, first_verdict, now), Ok(taken));
}

#[test]
fn codes_are_stable_and_distinct() {
    let nf = nullifier(1);
    let errors = [
        AdmissionError::TooLarge { size: 1 },
        AdmissionError::Malformed(DecodeError::TrailingBytes(1)),
        AdmissionError::ZeroNullifier,
        AdmissionError::RepeatedNullifier,
        AdmissionError::UnknownFee(1),
        AdmissionError::FeeTooLow {
            fee: sats(1),
            minimum: sats(2),
        },
        AdmissionError::Expired { expiry: 1, next: 2 },
        AdmissionError::ExpiryTooFar { expiry: 1, limit: 2 },
        AdmissionError::ExpiryNotRounded { expiry: 1, step: 2 },
        AdmissionError::ExitFeeTooLow {
            limit: sats(1),
            needed: sats(2),
        },
        AdmissionError::Spent(nf),
        AdmissionError::Conflict {
            nullifier: nf,
            by: TransferId([0; 32]),
        },
        AdmissionError::UnknownAnchor(1),
        AdmissionError::StaleAnchor { anchor: 1, oldest: 2 },
        AdmissionError::MempoolFull { waiting: 1, next: 2 },
        AdmissionError::KnownBadProof,
        AdmissionError::BadProof(TransferError::Proof),
        AdmissionError::EndOfChain,
        AdmissionError::NotSynced,
        AdmissionError::Halted(Halt::AnotherWriter { number: 1 }),
        AdmissionError::Store(KvError::Io(String::new())),
    ];
    let codes: HashSet<_> = errors.iter().map(AdmissionError::code).collect();
    assert_eq!(codes.len(), errors.len());
}
