//! Tests of the judgement on spends of the anchor tip.

use bitcoin::Witness;

use super::*;
use crate::peg::anchor::build::tests::{ANCHOR, keys, plan_of, signed_reveal, tip};
use crate::peg::fixture::{key, key_script, outpoint, txout};

/// A valid anchor with the outputs it spends.
struct Judged {
    tx: Transaction,
    prevouts: Vec<TxOut>,
    tip: OutPoint,
    expected: ScriptBuf,
}

fn valid() -> Judged {
    let planned = plan_of(b"batches");
    let tx = signed_reveal(&planned);
    let prevouts = planned.reveal_prevouts().to_vec();
    Judged {
        tx,
        prevouts,
        tip: tip().outpoint,
        expected: keys().script_pubkey(),
    }
}

fn judge(case: &Judged) -> Option<AnchorSpend> {
    classify_anchor_spend(&case.tx, &case.prevouts, case.tip, &case.expected)
}

fn empty(tamper: impl FnOnce(&mut Judged)) -> EmptyReason {
    let mut case = valid();
    tamper(&mut case);
    let spend = judge(&case).unwrap();
    let outpoint = OutPoint {
        txid: case.tx.compute_txid(),
        vout: 0,
    };
    assert_eq!(
        spend.tip,
        AnchorTip {
            outpoint,
            txout: case.tx.output[0].clone()
        }
    );
    match spend.outcome {
        AnchorOutcome::Empty(reason) => reason,
        AnchorOutcome::Payload(_) => panic!("carries a payload"),
    }
}

/// Replaces the tapscript that input 1 runs.
fn run(case: &mut Judged, script: &Script) {
    let witness = &case.tx.input[1].witness;
    let (signature, block) = (witness[0].to_vec(), witness[2].to_vec());
    case.tx.input[1].witness = Witness::from_slice(&[&signature[..], script.as_bytes(), &block]);
}

#[test]
fn an_anchor_carries_its_payload_and_moves_the_tip() {
    let case = valid();
    let spend = judge(&case).unwrap();
    assert_eq!(spend.outcome, AnchorOutcome::Payload(b"batches".to_vec()));
    assert_eq!(
        spend.tip.outpoint,
        OutPoint {
            txid: case.tx.compute_txid(),
            vout: 0
        }
    );
    assert_eq!(spend.tip.txout, txout(1_000, keys().script_pubkey()));
}

#[test]
fn more_inputs_and_outputs_change_nothing() {
    let mut case = valid();
    case.tx.input.push(TxIn {
        previous_output: outpoint(99),
        ..TxIn::default()
    });
    case.prevouts.push(txout(5_000, key_script(9)));
    case.tx.output.push(txout(4_000, key_script(9)));
    assert_eq!(
        judge(&case).unwrap().outcome,
        AnchorOutcome::Payload(b"batches".to_vec())
    );
}

#[test]
fn an_annex_changes_nothing() {
    let mut case = valid();
    case.tx.input[1].witness.push([0x50, 1, 2]);
    assert_eq!(
        judge(&case).unwrap().outcome,
        AnchorOutcome::Payload(b"batches".to_vec())
    );
}

#[test]
fn a_transaction_that_does_not_spend_the_tip_is_no_anchor() {
    let mut case = valid();
    case.tip = outpoint(98);
    assert_eq!(judge(&case), None);
}

#[test]
fn every_other_spend_of_the_tip_is_empty_with_its_reason() {
    let swap = |c: &mut Judged| {
        c.tx.input.swap(0, 1);
        c.prevouts.swap(0, 1);
    };
    assert_eq!(empty(swap), EmptyReason::TipNotFirst);
    assert_eq!(
        empty(|c| c.expected = key_script(5)),
        EmptyReason::UnexpectedScript
    );
    let by_leaf = |c: &mut Judged| c.tx.input[0].witness = c.tx.input[1].witness.clone();
    assert_eq!(empty(by_leaf), EmptyReason::ByLeaf);
    let alone = |c: &mut Judged| {
        c.tx.input.truncate(1);
        c.prevouts.truncate(1);
    };
    assert_eq!(empty(alone), EmptyReason::NoCommit);
    assert_eq!(
        empty(|c| c.tx.input[1].witness = Witness::from_slice(&[[0; 64]])),
        EmptyReason::NoScriptPath
    );
    assert_eq!(
        empty(|c| c.tx.input[1].witness = Witness::new()),
        EmptyReason::NoScriptPath
    );
    // The same witness on an output that never ran it.
    let not_taproot = |c: &mut Judged| c.prevouts[1].script_pubkey = c.prevouts[1].script_pubkey.to_p2wsh();
    assert_eq!(empty(not_taproot), EmptyReason::NoScriptPath);
    let other_leaf_version = |c: &mut Judged| {
        let mut parts = c.tx.input[1].witness.to_vec();
        parts[2][0] = 0xc2;
        c.tx.input[1].witness = Witness::from_slice(&parts);
    };
    assert_eq!(empty(other_leaf_version), EmptyReason::NoScriptPath);
    assert_eq!(empty(|c| run(c, &key_script(1))), EmptyReason::NoEnvelope);
    let of_kind = |kind| {
        Envelope::new(key(ANCHOR), kind, b"x".to_vec())
            .unwrap()
            .to_script()
    };
    let malformed = |c: &mut Judged| {
        let mut bytes = of_kind(EnvelopeKind::Anchor).into_bytes();
        bytes.push(0x51);
        run(c, Script::from_bytes(&bytes));
    };
    assert_eq!(
        empty(malformed),
        EmptyReason::BadEnvelope(EnvelopeError::Trailing)
    );
    for kind in EnvelopeKind::ALL.into_iter().skip(1) {
        assert_eq!(empty(|c| run(c, &of_kind(kind))), EmptyReason::OtherKind(kind));
    }
}

#[test]
fn the_takeover_leaf_is_as_documented_and_every_key_changes_the_script() {
    let leaf = hex::encode(keys().takeover_script().as_bytes());
    assert_eq!(
        leaf,
        format!("02f003b27520{}ac", hex::encode(keys().federation.serialize()))
    );
    let info = keys().spend_info();
    assert_eq!(info.internal_key(), keys().anchor);
    assert_eq!(info.script_map().len(), 1);
    let others = [
        AnchorKeys {
            anchor: key(7),
            ..keys()
        },
        AnchorKeys {
            federation: key(7),
            ..keys()
        },
        AnchorKeys {
            takeover_timelock: 1_009,
            ..keys()
        },
    ];
    for other in others {
        assert_ne!(other.script_pubkey(), keys().script_pubkey());
    }
}
