//! Tests of forced requests: their bytes, and where they are found.

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::*;
use crate::envelope::MAX_PAYLOAD;
use crate::peg::anchor::single_leaf;
use crate::peg::fixture::{exit_script, key, key_script, keypair, outpoint, sats, txout};
use crate::testing;

fn transfer(expiry: u32) -> Transfer {
    let mut transfer = testing::transfer(1);
    transfer.body.expiry = expiry;
    transfer.body.exit = Some(crate::peg::Exit::new(sats(5_000), exit_script(3), sats(900), key(6)).unwrap());
    transfer
}

fn claim() -> ForcedClaim {
    ForcedClaim {
        outpoint: outpoint(7),
        inner: F::from(9u64),
        refund: key(8),
    }
}

fn all() -> [ForcedRequest; 3] {
    let chain = testing::params().chain_id();
    [
        ForcedRequest::Transfer(Box::new(transfer(FORCED_EXPIRY))),
        ForcedRequest::Claim(claim()),
        ForcedRequest::Raise(FeeRaise::sign(chain, 4, sats(950), &keypair(6), &[3; 32])),
    ]
}

/// An input that runs this script in a leaf of its own, with the output it spends.
fn input(n: u8, script: &ScriptBuf, annex: bool) -> (TxIn, TxOut) {
    let info = single_leaf(key(1), script.clone());
    let control = info
        .control_block(&(script.clone(), bitcoin::taproot::LeafVersion::TapScript))
        .unwrap();
    let mut witness = Witness::from_slice(&[&[0; 64][..], script.as_bytes(), &control.serialize()]);
    if annex {
        witness.push([0x50, 1]);
    }
    let input = TxIn {
        previous_output: outpoint(n),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness,
    };
    (
        input,
        txout(1_000, ScriptBuf::new_p2tr_tweaked(info.output_key())),
    )
}

fn found(inputs: Vec<(TxIn, TxOut)>) -> Vec<(u32, ForcedRequest)> {
    let (input, prevouts) = inputs.into_iter().unzip();
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input,
        output: vec![txout(500, key_script(1))],
    };
    requests(&TxInput::new(tx, prevouts).unwrap()).collect()
}

fn script(kind: EnvelopeKind, body: Vec<u8>) -> ScriptBuf {
    Envelope::new(key(1), kind, body).unwrap().to_script()
}

#[test]
fn bodies_of_requests_are_as_documented_and_come_back() {
    let body = claim().encode();
    assert_eq!(body.len(), 100);
    assert_eq!(body[..32], [7; 32]);
    assert_eq!(body[32..36], 7u32.to_le_bytes());
    assert_eq!(body[36], 9);
    assert_eq!(body[68..], key(8).serialize());
    assert_eq!(all()[0].body(), transfer(FORCED_EXPIRY).encode());
    for request in all() {
        let read = ForcedRequest::read(request.kind(), &request.body()).unwrap();
        assert_eq!(read, Some(request));
    }
    assert_eq!(FORCED_EXPIRY, 0xff_ffff);
}

#[test]
fn bodies_that_are_not_canonical_are_refused() {
    for request in all() {
        let body = request.body();
        assert!(ForcedRequest::read(request.kind(), &body[..body.len() - 1]).is_err());
        let longer = [&body[..], &[0]].concat();
        assert!(ForcedRequest::read(request.kind(), &longer).is_err());
    }
    for expiry in [0, FORCED_EXPIRY - 1] {
        let refused = ForcedRequest::read(EnvelopeKind::ForcedTransfer, &transfer(expiry).encode());
        assert_eq!(
            refused,
            Err(DecodeError::OutOfRange("expiry of a forced transfer"))
        );
    }
    let mut off_curve = claim().encode();
    off_curve[68..].fill(0xff);
    assert_eq!(
        ForcedRequest::read(EnvelopeKind::DepositClaim, &off_curve),
        Err(DecodeError::BadPoint("refund key"))
    );
    for kind in [EnvelopeKind::Anchor, EnvelopeKind::Epoch] {
        assert_eq!(ForcedRequest::read(kind, &claim().encode()), Ok(None));
    }
}

#[test]
fn requests_are_found_in_every_input_in_order_and_what_is_malformed_is_passed_over() {
    let [transfer, claim, raise] = all();
    let envelope = |request: &ForcedRequest| request.envelope(key(1)).unwrap().to_script();
    let key_path = TxIn {
        previous_output: outpoint(1),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[0; 64]]),
    };
    let mut damaged = envelope(&transfer).into_bytes();
    let last = damaged.len() - 1;
    damaged[last] = 0;
    let inputs = vec![
        (key_path, txout(1_000, key_script(1))),
        input(2, &envelope(&claim), false),
        input(3, &script(EnvelopeKind::Anchor, transfer.body()), false),
        input(4, &script(EnvelopeKind::ForcedTransfer, vec![1; 400]), false),
        input(5, &script(EnvelopeKind::DepositClaim, transfer.body()), false),
        input(6, &ScriptBuf::from_bytes(damaged), false),
        input(7, &envelope(&transfer), true),
        input(8, &envelope(&transfer), false),
        input(9, &script(EnvelopeKind::RaiseFee, claim.body()), false),
        input(10, &envelope(&raise), false),
    ];
    assert_eq!(
        found(inputs),
        [(1, claim), (6, transfer.clone()), (7, transfer), (9, raise)]
    );
}

#[test]
fn a_request_counts_in_a_tapscript_of_a_taproot_output_only() {
    let script = all()[0].envelope(key(1)).unwrap().to_script();
    let (spend, _) = input(1, &script, false);
    assert_eq!(found(vec![(spend.clone(), txout(1_000, script.to_p2wsh()))]), []);
    let mut other_leaf = spend.witness.to_vec();
    other_leaf[2][0] = 0xc2;
    let (mut spend, prevout) = input(1, &script, false);
    spend.witness = Witness::from_slice(&other_leaf);
    assert_eq!(found(vec![(spend, prevout)]), []);
}

#[test]
fn a_long_body_is_no_request_whatever_it_holds() {
    for kind in [EnvelopeKind::ForcedTransfer, EnvelopeKind::RaiseFee] {
        let longest = script(kind, vec![7; MAX_PAYLOAD]);
        assert_eq!(found(vec![input(1, &longest, false)]), []);
    }
}
