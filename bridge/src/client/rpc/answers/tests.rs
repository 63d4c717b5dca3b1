//! Answers of Bitcoin Core are taken exactly, and nothing else is taken.

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use tacit_protocol::peg::FeeRate;

use super::{Block, Btc, Estimate, Mempool, Package, Verdict};
use crate::client::{Acceptance, ClientError};

fn sats(text: &str) -> Option<u64> {
    serde_json::from_str::<Btc>(text).ok().map(|btc| btc.0.to_sat())
}

#[test]
fn amounts_are_read_digit_by_digit() {
    assert_eq!(sats("0.00000001"), Some(1));
    assert_eq!(sats("20999999.97690000"), Some(2_099_999_997_690_000));
    // As a binary floating-point number this is 0.28999999999999998 bitcoin.
    assert_eq!(sats("0.29000000"), Some(29_000_000));
    assert_eq!(sats("12"), Some(1_200_000_000));
}

#[test]
fn amounts_that_are_no_amounts_are_refused() {
    for text in [
        "-0.00000001",
        "0.000000001",
        "1e-5",
        "\"0.1\"",
        "null",
        "[1]",
        "true",
    ] {
        assert_eq!(sats(text), None, "{text}");
    }
}

#[test]
fn a_block_without_spent_outputs_is_malformed() {
    // A payment without its coinbase, as a node without undo data would show it.
    let tx = "0200000001010101010101010101010101010101010101010101010101010101010101010100000000\
              00ffffffff01e803000000000000015100000000";
    let zeros = BlockHash::all_zeros();
    let json = format!(
        r#"{{"hash":"{zeros}","height":5,"previousblockhash":"{zeros}","time":1,
            "tx":[{{"hex":"{tx}","vin":[{{"txid":"{zeros}"}}]}}]}}"#
    );
    let block: Block = serde_json::from_str(&json).unwrap();
    let error = block.into_input(&zeros).unwrap_err();
    assert!(matches!(error, ClientError::Malformed { .. }), "{error}");
}

#[test]
fn a_block_that_was_not_asked_for_is_malformed() {
    let zeros = BlockHash::all_zeros();
    let json = format!(r#"{{"hash":"{zeros}","height":0,"time":1,"tx":[]}}"#);
    let block: Block = serde_json::from_str(&json).unwrap();
    let asked = BlockHash::from_byte_array([1; 32]);
    assert!(matches!(
        block.into_input(&asked),
        Err(ClientError::Malformed { .. })
    ));
}

#[test]
fn rates_are_rounded_up() {
    let estimate: Estimate = serde_json::from_str(r#"{"feerate":0.00001001,"blocks":2}"#).unwrap();
    assert_eq!(
        estimate.into_rate().unwrap(),
        Some(FeeRate::from_sat_per_kwu(251))
    );
    let none: Estimate = serde_json::from_str(r#"{"errors":["x"],"blocks":2}"#).unwrap();
    assert_eq!(none.into_rate().unwrap(), None);
    let json = r#"{"size":3,"mempoolminfee":0.00001000,"minrelaytxfee":0.00000100}"#;
    let info = serde_json::from_str::<Mempool>(json)
        .unwrap()
        .into_info()
        .unwrap();
    assert_eq!((info.count, info.min_rate), (3, FeeRate::from_sat_per_kwu(250)));
}

#[test]
fn verdicts_and_packages_name_their_reasons() {
    let refused: Verdict = serde_json::from_str(r#"{"allowed":false,"reject-reason":"dust"}"#).unwrap();
    assert_eq!(
        refused.into_acceptance(),
        Some(Acceptance::Refused("dust".to_owned()))
    );
    let silent: Verdict = serde_json::from_str(r#"{"allowed":true}"#).unwrap();
    assert_eq!(
        silent.into_acceptance(),
        None,
        "an allowed transaction has a size and a fee"
    );
    let id = "11".repeat(32);
    let json = format!(
        r#"{{"package_msg":"transaction failed",
            "tx-results":{{"{id}":{{"txid":"{id}","error":"min relay fee not met"}}}}}}"#
    );
    let outcome = serde_json::from_str::<Package>(&json).unwrap().into_outcome();
    assert!(!outcome.accepted);
    assert_eq!(
        outcome.refused,
        [(id.parse().unwrap(), "min relay fee not met".to_owned())]
    );
}
