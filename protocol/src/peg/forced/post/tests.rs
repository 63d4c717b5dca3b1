//! Tests of posting: built, signed, read back.

use bitcoin::taproot::ControlBlock;

use super::*;
use crate::peg::block::TxInput;
use crate::peg::coins::CoinError;
use crate::peg::fixture::{all, coin, key, key_script, sign, sign_plain, verifies};
use crate::peg::forced::{FORCED_EXPIRY, ForcedRequest, requests};
use crate::peg::taproot::secp;
use crate::testing;

const OWNER: u8 = 5;
const RATE: FeeRate = FeeRate::from_sat_per_kwu(500);

fn request() -> ForcedRequest {
    let mut transfer = testing::transfer(1);
    transfer.body.expiry = FORCED_EXPIRY;
    ForcedRequest::Transfer(Box::new(transfer))
}

fn plan(coins: &[Coin]) -> Result<Post, AnchorPlanError> {
    plan_with(&[], coins, (RATE, RATE))
}

fn plan_with(
    spend: &[Coin],
    coins: &[Coin],
    (rate, reveal_rate): (FeeRate, FeeRate),
) -> Result<Post, AnchorPlanError> {
    plan_post(&PostPlan {
        envelope: &request().envelope(key(OWNER))?,
        key: key(OWNER),
        spend,
        coins,
        rate,
        reveal_rate,
        change_script: &key_script(OWNER),
    })
}

fn signed(post: &Post) -> [Transaction; 2] {
    let inputs = 0..post.commit().input.len();
    let signatures: Vec<Signature> = inputs
        .map(|i| sign(OWNER, None, &post.commit_sighash(i)))
        .collect();
    post.finalise(&signatures, &sign_plain(OWNER, &post.reveal_sighash()))
}

fn fee(tx: &Transaction, prevouts: &[TxOut]) -> u64 {
    let inputs: u64 = prevouts.iter().map(|output| output.value.to_sat()).sum();
    inputs - tx.output.iter().map(|output| output.value.to_sat()).sum::<u64>()
}

#[test]
fn commit_and_reveal_of_a_request_pay_the_rate_and_verify() {
    let post = plan(&[coin(1, OWNER, 900), coin(2, OWNER, 50_000)]).unwrap();
    let [commit, reveal] = signed(&post);
    assert_eq!(
        fee(&commit, post.commit_prevouts()),
        RATE.fee(u32::try_from(commit.weight().to_wu()).unwrap())
    );
    assert_eq!(
        fee(&reveal, &commit.output[..1]),
        RATE.fee(u32::try_from(reveal.weight().to_wu()).unwrap())
    );
    assert_eq!(commit.compute_txid(), post.commit().compute_txid());
    assert_eq!(reveal.compute_txid(), post.reveal().compute_txid());
    let at = OutPoint {
        txid: commit.compute_txid(),
        vout: 0,
    };
    assert_eq!(reveal.input[0].previous_output, at);
    assert_eq!(reveal.output[0].script_pubkey, key_script(OWNER));
    for (i, prevout) in post.commit_prevouts().iter().enumerate() {
        let signature = Signature::from_slice(&commit.input[i].witness[0]).unwrap();
        assert!(verifies(
            &prevout.script_pubkey,
            &post.commit_sighash(i),
            &signature
        ));
    }
    let witness = &reveal.input[0].witness;
    let signature = Signature::from_slice(&witness[0]).unwrap();
    assert!(
        all()
            .verify_schnorr(&signature, &post.reveal_sighash(), &key(OWNER))
            .is_ok()
    );
    let control = ControlBlock::decode(&witness[2]).unwrap();
    let output = XOnlyPublicKey::from_slice(&commit.output[0].script_pubkey.as_bytes()[2..]).unwrap();
    assert!(control.verify_taproot_commitment(secp(), output, Script::from_bytes(&witness[1])));
}

#[test]
fn a_posted_request_is_found_in_its_reveal() {
    let post = plan(&[coin(2, OWNER, 50_000)]).unwrap();
    let [commit, reveal] = signed(&post);
    let found = |tx: &Transaction, prevouts: &[TxOut]| {
        let tx = TxInput::new(tx.clone(), prevouts.to_vec()).unwrap();
        requests(&tx).collect::<Vec<_>>()
    };
    assert_eq!(found(&reveal, &commit.output[..1]), [(0, request())]);
    assert_eq!(found(&commit, post.commit_prevouts()), []);
}

#[test]
fn coins_that_do_not_pay_for_a_request_are_refused() {
    let refused = plan(&[coin(1, OWNER, 300)]).unwrap_err();
    assert!(matches!(
        refused,
        AnchorPlanError::Coins(CoinError::Insufficient { available: 300, .. })
    ));
}

/// What a transaction should pay at a rate.
fn due(tx: &Transaction, rate: FeeRate) -> u64 {
    rate.fee(u32::try_from(tx.weight().to_wu()).unwrap())
}

#[test]
fn a_commit_spends_the_coins_it_must_and_of_others_as_many_as_it_takes() {
    let (must, pool) = (
        [coin(1, OWNER, 400), coin(3, OWNER, 350)],
        [coin(1, OWNER, 400), coin(2, OWNER, 50_000)],
    );
    let spent = |post: &Post| {
        let inputs = post.commit().input.iter();
        inputs.map(|input| input.previous_output).collect::<Vec<_>>()
    };
    let (rate, better) = (RATE, FeeRate::from_sat_per_kwu(600));
    let post = plan_with(&must, &pool, (rate, better)).unwrap();
    let all = [must[0].outpoint, must[1].outpoint, pool[1].outpoint];
    assert_eq!(spent(&post), all, "none twice");
    let [commit, reveal] = signed(&post);
    assert_eq!(fee(&commit, post.commit_prevouts()), due(&commit, rate));
    assert_eq!(fee(&reveal, &commit.output[..1]), due(&reveal, better));
    // Where they suffice, nothing else is spent, although it is larger.
    let must = [coin(1, OWNER, 20_000)];
    let post = plan_with(&must, &pool, (rate, rate)).unwrap();
    assert_eq!(spent(&post), [must[0].outpoint]);
}

#[test]
fn what_is_too_little_for_change_is_given_back_by_the_reveal() {
    let whole = plan(&[coin(2, OWNER, 50_000)]).unwrap();
    let needed = 50_000 - whole.commit().output[1].value.to_sat();
    let post = plan(&[coin(2, OWNER, needed + 100)]).unwrap();
    let [commit, reveal] = signed(&post);
    assert_eq!(commit.output.len(), 1);
    assert_eq!(fee(&commit, post.commit_prevouts()), due(&commit, RATE));
    assert_eq!(fee(&reveal, &commit.output[..1]), due(&reveal, RATE));
    assert!(reveal.output[0].value > whole.reveal().output[0].value);
}

#[test]
fn another_reveal_pays_more_from_coins_and_holds_the_same() {
    let post = plan(&[coin(2, OWNER, 50_000)]).unwrap();
    let [commit, reveal] = signed(&post);
    let coins = [coin(6, OWNER, 30_000)];
    let rate = FeeRate::from_sat_per_kwu(4_000);
    let plan = |coins: &[Coin]| {
        plan_reveal(&RevealPlan {
            envelope: &request().envelope(key(OWNER))?,
            committed: &commit.output[0],
            outpoint: reveal.input[0].previous_output,
            coins,
            rate,
            change_script: &key_script(OWNER),
        })
    };
    let raised = plan(&coins).unwrap();
    let prevouts = [commit.output[0].clone(), coins[0].txout.clone()];
    let signatures = [
        sign_plain(OWNER, &raised.sighash(0)),
        sign(OWNER, None, &raised.sighash(1)),
    ];
    let tx = raised.finalise(&signatures);
    assert_eq!(tx.compute_txid(), raised.tx().compute_txid());
    assert_eq!(tx.input[0].previous_output, reveal.input[0].previous_output);
    assert_eq!((tx.input.len(), tx.output.len()), (2, 1));
    let paid = fee(&tx, &prevouts);
    assert!(paid >= due(&tx, rate) && paid < due(&tx, rate) + 1_000, "{paid}");
    assert_eq!(tx.input[0].witness.nth(1), reveal.input[0].witness.nth(1));
    let script = Script::from_bytes(&tx.input[0].witness[1]);
    let message = script_path_sighash(&tx, 0, &prevouts, script);
    assert_eq!(message, raised.sighash(0));
    let found = TxInput::new(tx, prevouts.to_vec()).unwrap();
    assert_eq!(requests(&found).collect::<Vec<_>>(), [(0, request())]);
    assert!(matches!(plan(&[]), Err(AnchorPlanError::Coins(_))));
}
