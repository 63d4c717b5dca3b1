//! One Bitcoin block as the pure fold over the chain takes it: transactions with what they spend.
//!
//! A Bitcoin client fills it from a block and the outputs it spends (`getblock`, verbosity 3);
//! nothing else about Bitcoin enters the derivation of the state.

use bitcoin::{BlockHash, Transaction, TxOut, Txid};
use thiserror::Error;

/// Why a transaction and its spent outputs do not belong together.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("transaction {txid} has {inputs} inputs but {prevouts} spent outputs came with it")]
pub struct PrevoutCount {
    /// The transaction.
    pub txid: Txid,
    /// Its inputs.
    pub inputs: usize,
    /// Outputs given.
    pub prevouts: usize,
}

/// A confirmed transaction with the outputs it spends, in the order of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxInput {
    tx: Transaction,
    txid: Txid,
    prevouts: Vec<TxOut>,
}

impl TxInput {
    /// Joins a transaction with the outputs it spends: none for a coinbase, else one per input.
    ///
    /// # Errors
    /// [`PrevoutCount`].
    pub fn new(tx: Transaction, prevouts: Vec<TxOut>) -> Result<Self, PrevoutCount> {
        let txid = tx.compute_txid();
        let expected = if tx.is_coinbase() { 0 } else { tx.input.len() };
        if prevouts.len() != expected {
            let (inputs, prevouts) = (tx.input.len(), prevouts.len());
            return Err(PrevoutCount {
                txid,
                inputs,
                prevouts,
            });
        }
        Ok(Self { tx, txid, prevouts })
    }

    /// The transaction.
    #[must_use]
    pub fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// Its identifier.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.txid
    }

    /// The outputs it spends, one per input; empty for a coinbase.
    #[must_use]
    pub fn prevouts(&self) -> &[TxOut] {
        &self.prevouts
    }
}

/// One block of the best chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInput {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
    /// The hash of the block below it.
    pub prev: BlockHash,
    /// The time in its header; shown to users, never used by a rule.
    pub time: u32,
    /// Its transactions in order.
    pub txs: Vec<TxInput>,
}

#[cfg(test)]
mod tests;
