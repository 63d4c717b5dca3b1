//! A Bitcoin chain in memory, for tests of whatever stands on [`BitcoinClient`].
//!
//! It keeps blocks, a mempool and the unspent outputs, orders conflicts as a node does (first seen,
//! or replaced by a higher fee) and can replace its last blocks. It verifies no signature and has no
//! relay policy: what Bitcoin itself accepts is tested against Bitcoin Core. It passes the same
//! [`conformance`](super::conformance) checks as the real client.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use tacit_protocol::peg::{BlockInput, FeeRate, TxInput};

use crate::client::{
    Acceptance, BitcoinClient, Broadcast, ChainInfo, ClientError, HeaderInfo, MIN_VERSION, MempoolEntry,
    MempoolInfo, PackageOutcome, Scan, ScannedOutput, UnspentOutput,
};

mod state;

use state::State;

/// A chain in memory. Blocks come from [`Self::mine`], money from [`Self::pay`].
#[derive(Debug)]
pub struct MemoryBitcoin {
    state: Mutex<State>,
}

impl Default for MemoryBitcoin {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBitcoin {
    /// A regtest chain with nothing but its first block.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::new()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere leaves a state that is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mines `count` blocks, the first of which takes the whole mempool.
    pub fn mine(&self, count: u32) -> Vec<BlockHash> {
        let mut state = self.state();
        (0..count).map(|_| state.mine(true)).collect()
    }

    /// Mines `count` blocks that leave the mempool alone.
    pub fn mine_empty(&self, count: u32) -> Vec<BlockHash> {
        let mut state = self.state();
        (0..count).map(|_| state.mine(false)).collect()
    }

    /// Puts a transaction that pays `amount` to `script` into the mempool, out of thin air.
    pub fn pay(&self, script: &ScriptBuf, amount: Amount) -> OutPoint {
        self.state().pay(script, amount)
    }

    /// Takes the last `count` blocks off the chain. Their transactions go back to the mempool if
    /// `keep` says so, else they are forgotten. The first block stays.
    pub fn disconnect(&self, count: u32, keep: bool) {
        self.state().disconnect(count, keep);
    }

    /// Empties the mempool, as a node does that is short of room.
    pub fn evict(&self) {
        self.state().mempool.clear();
    }

    /// Drops an output from the chain, as if a reorganisation had spent it elsewhere.
    pub fn forget(&self, outpoint: &OutPoint) {
        let mut state = self.state();
        state.forgotten.push(*outpoint);
        state.drop_orphans();
    }

    /// Sets what [`BitcoinClient::estimate_rate`] answers.
    pub fn set_estimate(&self, rate: Option<FeeRate>) {
        self.state().estimate = rate;
    }

    /// Sets the lowest rate of the mempool.
    pub fn set_min_rate(&self, rate: FeeRate) {
        self.state().min_rate = rate;
    }

    /// Lets the node say that it knows this many headers and is still catching up; `None` ends it.
    pub fn set_catching_up(&self, headers: Option<u32>) {
        self.state().headers = headers;
    }

    /// Lets every call fail like this until it is called with `None`.
    pub fn fail(&self, error: Option<ClientError>) {
        self.state().failure = error;
    }

    /// The state, unless the node is down.
    fn up(&self) -> Result<MutexGuard<'_, State>, ClientError> {
        let state = self.state();
        match &state.failure {
            Some(error) => Err(error.clone()),
            None => Ok(state),
        }
    }
}

impl BitcoinClient for MemoryBitcoin {
    fn chain_info(&self) -> Result<ChainInfo, ClientError> {
        let state = self.up()?;
        Ok(ChainInfo {
            network: "regtest".to_owned(),
            height: state.height(),
            best: state.best(),
            headers: state.headers.unwrap_or_else(|| state.height()),
            version: MIN_VERSION,
            syncing: state.headers.is_some(),
            pruned: false,
        })
    }

    fn block_hash(&self, height: u32) -> Result<Option<BlockHash>, ClientError> {
        Ok(self.up()?.active(height).map(|block| block.hash))
    }

    fn header(&self, hash: &BlockHash) -> Result<Option<HeaderInfo>, ClientError> {
        let state = self.up()?;
        Ok(state.known.get(hash).map(|block| {
            let active = state
                .active(block.height)
                .is_some_and(|found| found.hash == *hash);
            let depth = i64::from(state.height()) - i64::from(block.height) + 1;
            HeaderInfo {
                height: block.height,
                prev: (block.height > 0).then_some(block.prev),
                confirmations: if active { depth } else { -1 },
            }
        }))
    }

    fn block(&self, hash: &BlockHash) -> Result<BlockInput, ClientError> {
        self.up()?
            .known
            .get(hash)
            .cloned()
            .ok_or(ClientError::UnknownBlock(*hash))
    }

    fn send(&self, tx: &Transaction) -> Result<Broadcast, ClientError> {
        self.up()?.accept(tx)
    }

    fn submit_package(&self, txs: &[Transaction]) -> Result<PackageOutcome, ClientError> {
        let refused = self.up()?.accept_package(txs);
        let accepted = refused.is_empty();
        let message = if accepted { "success" } else { "transaction failed" };
        Ok(PackageOutcome {
            accepted,
            message: message.to_owned(),
            refused,
        })
    }

    fn test_accept(&self, tx: &Transaction) -> Result<Acceptance, ClientError> {
        let state = self.up()?;
        Ok(match state.judge(tx) {
            Ok(fee) => Acceptance::Allowed {
                vsize: tx.vsize() as u64,
                fee,
            },
            Err(reason) => Acceptance::Refused(reason.to_owned()),
        })
    }

    fn mempool_entry(&self, txid: &Txid) -> Result<Option<MempoolEntry>, ClientError> {
        let state = self.up()?;
        Ok(state
            .mempool
            .iter()
            .find(|tx| tx.compute_txid() == *txid)
            .map(|tx| {
                let family = state.family(tx);
                MempoolEntry {
                    vsize: tx.vsize() as u64,
                    fee: state.fee(tx),
                    family_vsize: family.iter().map(|tx| tx.vsize() as u64).sum(),
                    family_fee: family.iter().map(|tx| state.fee(tx)).sum(),
                    ancestors: state.ancestors(tx),
                }
            }))
    }

    fn mempool_spender(&self, outpoint: &OutPoint) -> Result<Option<Txid>, ClientError> {
        Ok(self
            .up()?
            .mempool_spender(outpoint)
            .map(Transaction::compute_txid))
    }

    fn unspent(&self, outpoint: &OutPoint, with_mempool: bool) -> Result<Option<UnspentOutput>, ClientError> {
        let state = self.up()?;
        if with_mempool && state.mempool_spender(outpoint).is_some() {
            return Ok(None);
        }
        if let Some(coin) = state.coins().get(outpoint) {
            let confirmations = state.height() - coin.height + 1;
            let (txout, coinbase) = (coin.txout.clone(), coin.coinbase);
            return Ok(Some(UnspentOutput {
                txout,
                confirmations,
                coinbase,
            }));
        }
        let pending = state.pending_output(outpoint).filter(|_| with_mempool);
        Ok(pending.map(|txout| UnspentOutput {
            txout,
            confirmations: 0,
            coinbase: false,
        }))
    }

    fn transaction(
        &self,
        txid: &Txid,
        block: Option<&BlockHash>,
    ) -> Result<Option<Transaction>, ClientError> {
        let state = self.up()?;
        Ok(match block {
            Some(hash) => state.known.get(hash).and_then(|block| {
                block
                    .txs
                    .iter()
                    .find(|tx| tx.txid() == *txid)
                    .map(|tx| tx.tx().clone())
            }),
            None => state
                .mempool
                .iter()
                .find(|tx| tx.compute_txid() == *txid)
                .cloned(),
        })
    }

    fn scan(&self, scripts: &[ScriptBuf]) -> Result<Scan, ClientError> {
        let state = self.up()?;
        let outputs = state
            .coins()
            .into_iter()
            .filter(|(_, coin)| scripts.contains(&coin.txout.script_pubkey))
            .map(|(outpoint, coin)| ScannedOutput {
                outpoint,
                txout: coin.txout,
                height: coin.height,
                coinbase: coin.coinbase,
            })
            .collect();
        Ok(Scan {
            height: state.height(),
            best: state.best(),
            outputs,
        })
    }

    fn estimate_rate(&self, _blocks: u16) -> Result<Option<FeeRate>, ClientError> {
        Ok(self.up()?.estimate)
    }

    fn mempool_info(&self) -> Result<MempoolInfo, ClientError> {
        let state = self.up()?;
        Ok(MempoolInfo {
            min_rate: state.min_rate,
            count: state.mempool.len() as u64,
        })
    }
}

/// An unspent output with where it comes from.
#[derive(Clone, Debug)]
struct HeldCoin {
    txout: TxOut,
    height: u32,
    coinbase: bool,
}

/// Unspent outputs by their place.
type Coins = BTreeMap<OutPoint, HeldCoin>;

/// Blocks by their hash.
type Known = HashMap<BlockHash, BlockInput>;

#[cfg(test)]
mod tests;
