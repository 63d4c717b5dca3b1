//! Tests of commit and reveal: built, signed, read back.

use bitcoin::XOnlyPublicKey;
use bitcoin::taproot::ControlBlock;

use super::*;
use crate::envelope::MAX_PAYLOAD;
use crate::peg::anchor::AnchorKeys;
use crate::peg::anchor::{AnchorOutcome, classify_anchor_spend};
use crate::peg::fixture::{all, coin, key, key_script, outpoint, sign, sign_plain, txout, verifies};
use crate::peg::taproot::secp;

/// Number of the anchor key.
pub(crate) const ANCHOR: u8 = 4;
const OPERATOR: u8 = 9;
const RATE: FeeRate = FeeRate::from_sat_per_kwu(1_000);

pub(crate) fn keys() -> AnchorKeys {
    AnchorKeys {
        anchor: key(ANCHOR),
        federation: key(1),
        takeover_timelock: 1_008,
    }
}

pub(crate) fn tip() -> AnchorTip {
    AnchorTip {
        outpoint: outpoint(200),
        txout: txout(1_000, keys().script_pubkey()),
    }
}

fn plan(payload: &[u8], coins: &[Coin]) -> Result<CommitReveal, AnchorPlanError> {
    plan_commit_reveal(&AnchorPlan {
        tip: &tip(),
        keys: &AnchorStep::within(keys()),
        payload,
        coins,
        rate: RATE,
        change_script: &key_script(OPERATOR),
    })
}

pub(crate) fn plan_of(payload: &[u8]) -> CommitReveal {
    plan(payload, &[coin(1, OPERATOR, 400_000), coin(2, OPERATOR, 200_000)]).unwrap()
}

/// Signs every input of the reveal by its owner.
pub(crate) fn signed_reveal(planned: &CommitReveal) -> Transaction {
    let signatures: Vec<Signature> = (0..planned.reveal().input.len())
        .map(|i| {
            let message = planned.reveal_sighash(i);
            match i {
                0 => sign(ANCHOR, Some(planned.anchor_root()), &message),
                1 => sign_plain(ANCHOR, &message),
                _ => sign(OPERATOR, None, &message),
            }
        })
        .collect();
    planned.finalise_reveal(&signatures)
}

fn signed_commit(planned: &CommitReveal) -> Transaction {
    let inputs = 0..planned.commit().input.len();
    let signatures: Vec<Signature> = inputs
        .map(|i| sign(OPERATOR, None, &planned.commit_sighash(i)))
        .collect();
    planned.finalise_commit(&signatures)
}

fn fee(tx: &Transaction, prevouts: &[TxOut]) -> u64 {
    let inputs: u64 = prevouts.iter().map(|output| output.value.to_sat()).sum();
    inputs - tx.output.iter().map(|output| output.value.to_sat()).sum::<u64>()
}

#[test]
fn both_transactions_pay_exactly_the_rate() {
    for payload in [&b""[..], b"batches", &[7; 600], &[7; 100_000]] {
        let planned = plan_of(payload);
        let (commit, reveal) = (signed_commit(&planned), signed_reveal(&planned));
        assert_eq!(fee(&commit, planned.commit_prevouts()), commit.weight().to_wu());
        assert_eq!(fee(&reveal, planned.reveal_prevouts()), reveal.weight().to_wu());
        assert_eq!(
            reveal.input[1].previous_output,
            OutPoint {
                txid: commit.compute_txid(),
                vout: 0
            }
        );
        assert_eq!(planned.reveal_prevouts()[1], commit.output[0]);
        assert_eq!(reveal.output, [txout(1_000, keys().script_pubkey())]);
        assert_eq!(commit.compute_txid(), planned.commit().compute_txid());
        assert_eq!(reveal.compute_txid(), planned.reveal().compute_txid());
    }
}

#[test]
fn every_signature_verifies_and_the_commit_commits_to_the_payload() {
    let planned = plan_of(b"batches");
    let commit = signed_commit(&planned);
    for (i, prevout) in planned.commit_prevouts().iter().enumerate() {
        let signature = Signature::from_slice(&commit.input[i].witness[0]).unwrap();
        assert!(verifies(
            &prevout.script_pubkey,
            &planned.commit_sighash(i),
            &signature
        ));
    }
    let reveal = signed_reveal(&planned);
    let prevouts = planned.reveal_prevouts();
    let anchor = Signature::from_slice(&reveal.input[0].witness[0]).unwrap();
    assert!(verifies(
        &prevouts[0].script_pubkey,
        &planned.reveal_sighash(0),
        &anchor
    ));
    let payload = Signature::from_slice(&reveal.input[1].witness[0]).unwrap();
    assert!(
        all()
            .verify_schnorr(&payload, &planned.reveal_sighash(1), &key(ANCHOR))
            .is_ok()
    );

    let block = ControlBlock::decode(&reveal.input[1].witness[2]).unwrap();
    let output_key = XOnlyPublicKey::from_slice(&prevouts[1].script_pubkey.as_bytes()[2..]).unwrap();
    assert!(block.verify_taproot_commitment(secp(), output_key, planned.script()));
}

#[test]
fn the_overhead_beyond_the_payload_is_small() {
    let weight = |payload: &[u8]| {
        let planned = plan(payload, &[coin(1, OPERATOR, 600_000)]).unwrap();
        signed_commit(&planned).weight().to_wu() + signed_reveal(&planned).weight().to_wu()
    };
    // Two bodies that fill whole pairs of pushes, 510 bytes apart.
    assert_eq!(weight(&[1; 501 + 510]) - weight(&[1; 501]), 515);
    let overhead = weight(&[1; 501]) - 501;
    assert!(overhead.div_ceil(4) <= 345, "{} vB", overhead.div_ceil(4));
}

#[test]
fn the_longest_payload_makes_a_standard_transaction() {
    let planned = plan_of(&vec![1; MAX_PAYLOAD]);
    let reveal = signed_reveal(&planned);
    assert!(reveal.weight().to_wu() <= u64::from(MAX_STANDARD_WEIGHT));
    assert!(reveal.vsize() <= 98_900, "{}", reveal.vsize());
    let prevouts = planned.reveal_prevouts();
    let spend = classify_anchor_spend(&reveal, prevouts, tip().outpoint, &keys().script_pubkey()).unwrap();
    assert_eq!(spend.outcome, AnchorOutcome::Payload(vec![1; MAX_PAYLOAD]));
}

#[test]
fn a_bump_touches_the_reveal_only_and_reaches_the_new_rate() {
    let planned = plan_of(b"batches");
    let rate = FeeRate::from_sat_per_kwu(20_000);
    let coins = [coin(3, OPERATOR, 100_000), coin(4, OPERATOR, 50_000)];
    let bumped = planned.bump(&coins, rate, &key_script(OPERATOR)).unwrap();
    assert_eq!(bumped.commit(), planned.commit());
    let reveal = signed_reveal(&bumped);
    assert_eq!(
        fee(&reveal, bumped.reveal_prevouts()),
        20 * reveal.weight().to_wu()
    );
    for (i, prevout) in bumped
        .reveal_prevouts()
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != 1)
    {
        let signature = Signature::from_slice(&reveal.input[i].witness[0]).unwrap();
        assert!(verifies(
            &prevout.script_pubkey,
            &bumped.reveal_sighash(i),
            &signature
        ));
    }
    let spend = classify_anchor_spend(
        &reveal,
        bumped.reveal_prevouts(),
        tip().outpoint,
        &keys().script_pubkey(),
    );
    assert_eq!(
        spend.unwrap().outcome,
        AnchorOutcome::Payload(b"batches".to_vec())
    );
    // A second bump starts from the first two inputs again.
    let again = bumped
        .bump(&coins, FeeRate::from_sat_per_kwu(30_000), &key_script(OPERATOR))
        .unwrap();
    assert_eq!(again.reveal().input.len(), bumped.reveal().input.len());
}

#[test]
fn a_rich_tip_leaves_a_commit_output_above_dust() {
    let mut rich = tip();
    rich.txout.value = bitcoin::Amount::from_sat(1_000_000);
    let planned = plan_commit_reveal(&AnchorPlan {
        tip: &rich,
        keys: &AnchorStep::within(keys()),
        payload: b"batches",
        coins: &[coin(1, OPERATOR, 100_000)],
        rate: RATE,
        change_script: &key_script(OPERATOR),
    });
    assert_eq!(planned.unwrap().reveal_prevouts()[1].value.to_sat(), 330);
}

#[test]
fn payloads_and_coins_that_do_not_do_are_refused() {
    let too_long = plan(&vec![0; MAX_PAYLOAD + 1], &[coin(1, OPERATOR, 600_000)]);
    let error = EnvelopeError::TooLong(MAX_PAYLOAD + 1);
    assert_eq!(too_long.unwrap_err(), AnchorPlanError::Envelope(error));
    let poor = plan(b"batches", &[coin(1, OPERATOR, 500)]).unwrap_err();
    assert!(matches!(
        poor,
        AnchorPlanError::Coins(CoinError::Insufficient { available: 500, .. })
    ));
    let planned = plan_of(&vec![1; MAX_PAYLOAD]);
    let many: Vec<Coin> = (1..=60).map(|n| coin(n, OPERATOR, 4_000)).collect();
    let bumped = planned.bump(&many, FeeRate::from_sat_per_kwu(1_300), &key_script(OPERATOR));
    assert!(matches!(bumped, Err(AnchorPlanError::TooHeavy(_))));
}
