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
    plan_post(&PostPlan {
        envelope: &request().envelope(key(OWNER))?,
        key: key(OWNER),
        coins,
        rate: RATE,
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
