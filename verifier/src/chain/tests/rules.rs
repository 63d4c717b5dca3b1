//! One anchor per rule of followers: each breaks that rule alone, is named by it and changes nothing.

use tacit_protocol::batch::Batch;
use tacit_protocol::encryption::Memo;
use tacit_protocol::note::Nullifier;
use tacit_protocol::transfer::{ProofBytes, Transfer};
use tacit_protocol::{F, ledger};

use super::super::records::Verdict;
use super::super::table;
use super::theft;
use super::world::{Chain, claim, exit};

/// The batch that breaks a rule, and how the record names the rule.
type Case = (&'static str, fn(&mut Chain) -> Batch);

/// The second batch, with one transfer changed before it is proven.
fn with_transfer(chain: &Chain, change: impl FnOnce(&mut Transfer)) -> Batch {
    let transfer = chain.transfer(1, 1, change);
    chain.batch(vec![transfer], Vec::new())
}

/// The second batch, complete and valid, then changed.
fn after_sealing(chain: &Chain, change: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = with_transfer(chain, |_| ());
    change(&mut batch);
    batch
}

/// A second deposit is swept, deep if asked for.
fn sweep_again(chain: &mut Chain, deep: bool) {
    let sweep = chain.sweep(&[2]);
    chain.mine(vec![sweep]);
    if deep {
        chain.mine(Vec::new());
    }
}

const CASES: &[Case] = &[
    ("anchor 2 is not a recorded state", |c| {
        after_sealing(c, |b| {
            b.transfers.clear();
            b.anchors = vec![2, 2];
        })
    }),
    ("transfer 0 expired with batch 1", |c| {
        with_transfer(c, |t| t.body.expiry = 1)
    }),
    ("transfer 0: the two nullifiers are equal", |c| {
        with_transfer(c, |t| t.body.nf[1] = t.body.nf[0])
    }),
    ("transfer 0: a nullifier is zero", |c| {
        with_transfer(c, |t| t.body.nf[0] = Nullifier::ZERO)
    }),
    ("transfer 0: fee code 3 is not in the chain's fee table", |c| {
        with_transfer(c, |t| t.body.fee = 3)
    }),
    ("transfer 0: the proof does not verify", |c| {
        let mut transfer = c.transfer(1, 1, |_| ());
        transfer.proof = c.transfer(2, 1, |_| ()).proof;
        c.batch(vec![transfer], Vec::new())
    }),
    ("transfer 0: the proof does not verify", |c| {
        // Proven against another anchor than the one it names.
        let mut transfer = c.transfer(1, 0, |_| ());
        transfer.anchor = 1;
        c.batch(vec![transfer], Vec::new())
    }),
    ("transfer 0: the proof does not verify", |c| {
        // Signed without a memo, published with one.
        let mut transfer = c.transfer(1, 1, |_| ());
        transfer.body.memo = Some(Memo::new([1; 128]));
        c.batch(vec![transfer], Vec::new())
    }),
    ("transfer 0: the proof does not verify", |c| {
        // Signed with a memo that somebody changed.
        let mut transfer = c.transfer(1, 1, |t| t.body.memo = Some(Memo::new([1; 128])));
        transfer.body.memo = Some(Memo::new([2; 128]));
        c.batch(vec![transfer], Vec::new())
    }),
    ("transfer 0: the proof does not verify", |c| {
        // Signed with a memo that somebody left out.
        let mut transfer = c.transfer(1, 1, |t| t.body.memo = Some(Memo::new([1; 128])));
        transfer.body.memo = None;
        c.batch(vec![transfer], Vec::new())
    }),
    ("transfer 0: the proof does not decode", |c| {
        let mut transfer = c.transfer(1, 1, |_| ());
        transfer.proof = ProofBytes([0xff; 128]);
        c.batch(vec![transfer], Vec::new())
    }),
    ("transfer 1: the proof does not verify", |c| {
        // One bad proof among good ones, and it is the one that is named.
        let mut transfers: Vec<Transfer> = (1..4).map(|n| c.transfer(n, 1, |_| ())).collect();
        transfers[1].proof = transfers[0].proof;
        c.batch(transfers, Vec::new())
    }),
    ("deposit 9 is unknown", |c| c.batch(Vec::new(), vec![claim(9, 1)])),
    ("deposit 0 is credited twice", |c| {
        c.batch(Vec::new(), vec![claim(0, 1)])
    }),
    ("deposit 1 is credited twice", |c| {
        sweep_again(c, true);
        c.batch(Vec::new(), vec![claim(1, 2), claim(1, 2)])
    }),
    ("the claim of deposit 1 does not match its script", |c| {
        sweep_again(c, true);
        c.batch(Vec::new(), vec![claim(1, 3)])
    }),
    ("nullifier", |c| {
        let twice = [c.transfer(1, 1, |_| ()), c.transfer(1, 0, |_| ())];
        c.batch(twice.to_vec(), Vec::new())
    }),
    ("exits and fees exceed the supply", |c| {
        with_transfer(c, |t| t.body.exit = Some(exit(1_000_000)))
    }),
    ("the state commitment is wrong", |c| {
        after_sealing(c, |b| b.state += F::from(1u64))
    }),
    ("the batch proof does not decode", |c| {
        after_sealing(c, |b| b.proof = ProofBytes([0; 128]))
    }),
    ("the batch proof does not verify", |c| {
        // A proof of the same step for another operator's fees.
        let batch = with_transfer(c, |_| ());
        let other = c.sealed(Batch {
            operator: Some(F::from(78u64)),
            ..batch.clone()
        });
        Batch {
            proof: other.proof,
            ..batch
        }
    }),
];

#[test]
fn every_rule_of_followers_has_an_anchor_that_breaks_it() {
    for (expected, make) in CASES {
        let mut chain = Chain::funded();
        let batch = make(&mut chain);
        let before = ledger::tip(&chain.kv).expect("memory");
        let verdict = chain.publish(vec![batch]);
        let Verdict::Invalid(rule) = verdict else {
            panic!("{expected}: {verdict:?}")
        };
        assert!(
            rule.starts_with(&format!("batch 2: {expected}")),
            "{rule:?} should say {expected:?}"
        );
        assert_eq!(ledger::tip(&chain.kv).expect("memory"), before, "{expected}");
        // The chain goes on from there.
        let next = with_transfer(&chain, |_| ());
        assert_eq!(
            chain.publish(vec![next]),
            Verdict::Applied { first: 2, count: 1 },
            "{expected}"
        );
    }
}

#[test]
fn a_memo_travels_through_the_fold_unchanged() {
    let mut chain = Chain::funded();
    let memo = Memo::new([9; 128]);
    let batch = with_transfer(&chain, |t| t.body.memo = Some(memo));
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
    let record = table::batch(&chain.kv, 2).expect("memory").expect("applied");
    assert_eq!(record.batch.transfers[0].body.memo, Some(memo));
    // A batch proof covers the memo too: the digest holds the context.
    let plain = Chain::funded();
    let without = with_transfer(&plain, |_| ());
    let mut forged = with_transfer(&plain, |t| t.body.memo = Some(memo));
    assert_eq!(forged.state, without.state, "the state says nothing of memos");
    forged.proof = without.proof;
    let verdict = plain.clone().publish(vec![forged]);
    let expected = Verdict::Invalid("batch 2: the batch proof does not verify".to_owned());
    assert_eq!(verdict, expected);
}

#[test]
fn the_first_batch_must_name_its_operator() {
    let mut chain = Chain::new();
    let batch = Batch {
        operator: None,
        ..chain.batch(Vec::new(), Vec::new())
    };
    let expected = Verdict::Invalid("batch 1: the first batch must name the operator's key".to_owned());
    assert_eq!(chain.publish(vec![batch]), expected);
}

#[test]
fn a_deposit_is_credited_only_when_its_sweep_is_deep() {
    let mut chain = Chain::funded();
    let sweep = chain.sweep(&[2]);
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    let payload = tacit_protocol::batch::Payload::new(vec![batch]).expect("one batch");
    let anchor = chain.anchor(tacit_protocol::encoding::Encode::encode(&payload));
    chain.mine(vec![sweep, anchor]);
    let expected = Verdict::Invalid("batch 2: the sweep of deposit 1 is not deep enough".to_owned());
    assert_eq!(chain.last_anchor().verdict, expected);
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    assert_eq!(
        chain.publish(vec![batch]),
        Verdict::Applied { first: 2, count: 1 }
    );
}

#[test]
fn a_deposit_swept_after_a_fault_is_never_credited() {
    let mut chain = Chain::funded();
    // A fault that leaves the money with the vault.
    let fault = super::underpaid(&mut chain);
    chain.mine(vec![fault]);
    sweep_again(&mut chain, true);
    let batch = chain.batch(Vec::new(), vec![claim(1, 2)]);
    let expected = Verdict::Invalid("batch 2: deposit 1 was swept after the vault broke a rule".to_owned());
    assert_eq!(chain.publish(vec![batch]), expected);
    let reserves = super::reserves(&chain.kv).expect("memory");
    assert_eq!(reserves.uncredited_count, 0, "nothing is owed for it");
}

#[test]
fn garbage_is_an_invalid_payload() {
    let mut chain = Chain::funded();
    for payload in [
        vec![],
        vec![0xab; 700],
        b"TACT\x01\x00\x00".to_vec(),
        b"TACT\x02\x01\x00".to_vec(),
    ] {
        let anchor = chain.anchor(payload);
        chain.mine(vec![anchor]);
        let verdict = chain.last_anchor().verdict;
        assert!(
            matches!(&verdict, Verdict::Invalid(rule) if rule.starts_with("payload: ")),
            "{verdict:?}"
        );
    }
    let stolen = theft(&mut chain);
    chain.mine(vec![stolen]);
    assert_eq!(ledger::tip(&chain.kv).expect("memory").batch, 1);
}
