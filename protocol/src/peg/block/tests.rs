//! Tests of blocks as followers get them.

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, TxIn, Witness};

use super::*;
use crate::peg::fixture::{key_script, outpoint, txout};

fn spending(previous_output: OutPoint) -> Transaction {
    let script_sig = ScriptBuf::new();
    let input = TxIn {
        previous_output,
        script_sig,
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = vec![txout(1_000, key_script(1))];
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input],
        output,
    }
}

#[test]
fn a_transaction_comes_with_one_spent_output_per_input() {
    let tx = spending(outpoint(1));
    let joined = TxInput::new(tx.clone(), vec![txout(2_000, key_script(2))]).unwrap();
    assert_eq!(joined.txid(), tx.compute_txid());
    let error = TxInput::new(tx, vec![]).unwrap_err();
    assert_eq!((error.inputs, error.prevouts), (1, 0));
}

#[test]
fn a_coinbase_comes_with_none() {
    let coinbase = spending(OutPoint::null());
    assert!(TxInput::new(coinbase.clone(), vec![]).is_ok());
    assert!(TxInput::new(coinbase, vec![txout(0, ScriptBuf::new())]).is_err());
}
