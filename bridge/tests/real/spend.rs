//! Transactions of strangers, payees and the operator besides the vault's, signed by key path.

use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use tacit_bridge::keys::SigningKey;
use tacit_protocol::peg::taproot::{key_path_sighash, key_path_witness};

/// An output to spend; without a key it is one that anybody may spend.
pub(crate) struct Spent<'a> {
    pub(crate) outpoint: OutPoint,
    pub(crate) txout: TxOut,
    pub(crate) key: Option<&'a SigningKey>,
}

impl<'a> Spent<'a> {
    /// An output of a transaction.
    pub(crate) fn of(tx: &Transaction, vout: u32, key: Option<&'a SigningKey>) -> Self {
        let txid = tx.compute_txid();
        Self {
            outpoint: OutPoint { txid, vout },
            txout: tx.output[vout as usize].clone(),
            key,
        }
    }
}

/// A replaceable transaction of this version that spends `spent` and makes `output`.
pub(crate) fn spend(version: i32, spent: &[Spent<'_>], output: Vec<TxOut>) -> Transaction {
    let input = spent.iter().map(|spent| TxIn {
        previous_output: spent.outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    });
    let mut tx = Transaction {
        version: Version(version),
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output,
    };
    let prevouts: Vec<TxOut> = spent.iter().map(|spent| spent.txout.clone()).collect();
    for (input, spent) in spent.iter().enumerate() {
        if let Some(key) = spent.key {
            let message = key_path_sighash(&tx, input, &prevouts);
            tx.input[input].witness = key_path_witness(&key.sign_key_path(&message, None));
        }
    }
    tx
}

/// One output that takes what the inputs hold beyond `fee`.
pub(crate) fn spend_all(version: i32, spent: &[Spent<'_>], to: ScriptBuf, fee: u64) -> Transaction {
    let held: Amount = spent.iter().map(|spent| spent.txout.value).sum();
    let output = TxOut {
        value: held - Amount::from_sat(fee),
        script_pubkey: to,
    };
    spend(version, spent, vec![output])
}
