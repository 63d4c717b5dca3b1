//! Tests of the wire format.

use super::*;
use bitcoin::{Txid, hashes::Hash};
use serde_json::{from_str, to_string};
use tacit_protocol::F;

#[test]
fn requests_refuse_unknown_fields() {
    assert!(from_str::<Range>(r#"{"from":1,"limit":2}"#).is_ok());
    assert!(from_str::<Range>(r#"{"from":1,"limit":2,"x":3}"#).is_err());
    assert!(from_str::<FindDeposits>(r#"{"scripts":[],"x":3}"#).is_err());
    assert!(from_str::<WithdrawalQuery>(r#"{"index":1,"txid":2}"#).is_err());
}

#[test]
fn a_withdrawal_is_asked_for_by_number_or_transfer() {
    assert_eq!(to_string(&WithdrawalQuery::Index(7)).unwrap(), r#"{"index":7}"#);
    let query = WithdrawalQuery::Txid(TransferId([0xab; 32]));
    let text = to_string(&query).unwrap();
    assert_eq!(text, format!(r#"{{"txid":"{}"}}"#, "ab".repeat(32)));
    assert_eq!(from_str::<WithdrawalQuery>(&text).unwrap(), query);
}

#[test]
fn tagged_answers_survive_json() {
    let status = TransferStatus::Batched {
        batch: 1,
        slot: 2,
        anchored: None,
        depth: 0,
    };
    assert_eq!(
        to_string(&status).unwrap(),
        r#"{"state":"batched","batch":1,"slot":2,"depth":0}"#
    );
    assert_eq!(
        from_str::<TransferStatus>(&to_string(&status).unwrap()).unwrap(),
        status
    );
    let paid = WithdrawalState::Paid {
        txid: Txid::all_zeros(),
        vout: 2,
        amount: tacit_protocol::Amount::ZERO,
        height: Some(4),
    };
    assert_eq!(
        from_str::<WithdrawalState>(&to_string(&paid).unwrap()).unwrap(),
        paid
    );
}

#[test]
fn field_elements_at_or_above_the_modulus_are_refused() {
    let roots = SubtreeRoots {
        from: 0,
        roots: vec![F::from(1u64)],
    };
    let text = to_string(&roots).unwrap();
    assert_eq!(from_str::<SubtreeRoots>(&text).unwrap(), roots);
    let bad = format!(r#"{{"from":0,"roots":["{}"]}}"#, "ff".repeat(32));
    assert!(from_str::<SubtreeRoots>(&bad).is_err());
}
