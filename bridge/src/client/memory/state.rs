//! The chain behind [`MemoryBitcoin`](super::MemoryBitcoin): blocks, mempool, unspent outputs.
//!
//! Unspent outputs are derived from the blocks whenever they are asked for. That is slow and can
//! never be out of step, which is what a chain of a few dozen blocks wants.

use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version as BlockVersion};
use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Txid, Witness, merkle_tree,
};

use super::{BlockInput, Broadcast, ClientError, Coins, FeeRate, HeldCoin, Known, TxInput};

/// Bitcoin Core's code for a transaction that its mempool refuses.
const VERIFY_REJECTED: i32 = -26;

/// Blocks, mempool and what tests set.
#[derive(Debug)]
pub(super) struct State {
    chain: Vec<BlockHash>,
    pub(super) known: Known,
    pub(super) mempool: Vec<Transaction>,
    gifts: Vec<(OutPoint, TxOut)>,
    pub(super) forgotten: Vec<OutPoint>,
    counter: u32,
    pub(super) estimate: Option<FeeRate>,
    pub(super) min_rate: FeeRate,
    pub(super) failure: Option<ClientError>,
    pub(super) headers: Option<u32>,
}

impl State {
    pub(super) fn new() -> Self {
        let mut state = Self {
            chain: Vec::new(),
            known: Known::new(),
            mempool: Vec::new(),
            gifts: Vec::new(),
            forgotten: Vec::new(),
            counter: 0,
            estimate: None,
            min_rate: FeeRate::from_sat_per_kwu(25),
            failure: None,
            headers: None,
        };
        state.mine(false);
        state
    }

    pub(super) fn height(&self) -> u32 {
        u32::try_from(self.chain.len()).expect("few blocks") - 1
    }

    pub(super) fn best(&self) -> BlockHash {
        *self.chain.last().expect("the first block stays")
    }

    /// The block of the best chain at `height`.
    pub(super) fn active(&self, height: u32) -> Option<&BlockInput> {
        self.chain.get(height as usize).map(|hash| &self.known[hash])
    }

    /// All outputs that no confirmed transaction has spent.
    pub(super) fn coins(&self) -> Coins {
        let mut coins: Coins = self
            .gifts
            .iter()
            .map(|(outpoint, txout)| {
                (
                    *outpoint,
                    HeldCoin {
                        txout: txout.clone(),
                        height: 0,
                        coinbase: false,
                    },
                )
            })
            .collect();
        for block in self.chain.iter().map(|hash| &self.known[hash]) {
            for tx in block.txs.iter().map(TxInput::tx) {
                for input in &tx.input {
                    coins.remove(&input.previous_output);
                }
                let (coinbase, height) = (tx.is_coinbase(), block.height);
                for (outpoint, txout) in outputs(tx) {
                    coins.insert(
                        outpoint,
                        HeldCoin {
                            txout: txout.clone(),
                            height,
                            coinbase,
                        },
                    );
                }
            }
        }
        coins.retain(|outpoint, _| !self.forgotten.contains(outpoint));
        coins
    }

    /// An output of the mempool.
    pub(super) fn pending_output(&self, outpoint: &OutPoint) -> Option<TxOut> {
        let parent = self
            .mempool
            .iter()
            .find(|tx| tx.compute_txid() == outpoint.txid)?;
        parent.output.get(outpoint.vout as usize).cloned()
    }

    pub(super) fn mempool_spender(&self, outpoint: &OutPoint) -> Option<&Transaction> {
        self.mempool.iter().find(|tx| spends(tx, outpoint))
    }

    /// The fee of a transaction whose inputs exist.
    pub(super) fn fee(&self, tx: &Transaction) -> Amount {
        let coins = self.coins();
        let value = |outpoint: &OutPoint| {
            let confirmed = coins.get(outpoint).map(|coin| coin.txout.clone());
            confirmed
                .or_else(|| self.pending_output(outpoint))
                .map_or(0, |o| o.value.to_sat())
        };
        let paid: u64 = tx.input.iter().map(|input| value(&input.previous_output)).sum();
        let kept: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
        Amount::from_sat(paid.saturating_sub(kept))
    }

    pub(super) fn ancestors(&self, tx: &Transaction) -> u32 {
        let parents = self.mempool.iter().filter(|parent| {
            let txid = parent.compute_txid();
            tx.input.iter().any(|input| input.previous_output.txid == txid)
        });
        1 + parents.map(|parent| self.ancestors(parent)).sum::<u32>()
    }

    /// A transaction of the mempool and all that hangs on it.
    pub(super) fn family<'a>(&'a self, tx: &'a Transaction) -> Vec<&'a Transaction> {
        let mut family = vec![tx];
        let mut looked = 0;
        while let Some(parent) = family.get(looked) {
            let txid = parent.compute_txid();
            let spends = |other: &Transaction| other.input.iter().any(|i| i.previous_output.txid == txid);
            let children = self.mempool.iter().filter(|other| spends(other));
            let new: Vec<_> = children.filter(|child| !family.contains(child)).collect();
            family.extend(new);
            looked += 1;
        }
        family
    }

    /// The fee of a transaction that the mempool would take, or why it would not.
    pub(super) fn judge(&self, tx: &Transaction) -> Result<Amount, &'static str> {
        let coins = self.coins();
        for input in &tx.input {
            let outpoint = input.previous_output;
            if !coins.contains_key(&outpoint) && self.pending_output(&outpoint).is_none() {
                return Err("bad-txns-inputs-missingorspent");
            }
        }
        let fee = self.fee(tx);
        let weight = u32::try_from(tx.weight().to_wu()).map_err(|_| "tx-size")?;
        if fee.to_sat() < self.min_rate.fee(weight) {
            return Err("mempool min fee not met");
        }
        let txid = tx.compute_txid();
        let conflicts = self.mempool.iter().filter(|other| {
            other.compute_txid() != txid && tx.input.iter().any(|i| spends(other, &i.previous_output))
        });
        for conflict in conflicts {
            let family = self.family(conflict);
            if fee <= family.iter().map(|tx| self.fee(tx)).sum() {
                return Err("insufficient fee, rejecting replacement");
            }
        }
        Ok(fee)
    }

    /// Takes a transaction into the mempool, in place of those it conflicts with.
    pub(super) fn accept(&mut self, tx: &Transaction) -> Result<Broadcast, ClientError> {
        let txid = tx.compute_txid();
        if outputs(tx).any(|(outpoint, _)| self.coins().contains_key(&outpoint)) {
            return Ok(Broadcast::AlreadyConfirmed);
        }
        if self.mempool.iter().any(|other| other.compute_txid() == txid) {
            return Ok(Broadcast::InMempool);
        }
        self.judge(tx).map_err(|reason| ClientError::Rejected {
            txid,
            code: VERIFY_REJECTED,
            reason: reason.to_owned(),
        })?;
        let replaced: Vec<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
        self.mempool
            .retain(|other| !replaced.iter().any(|outpoint| spends(other, outpoint)));
        self.drop_orphans();
        self.mempool.push(tx.clone());
        Ok(Broadcast::InMempool)
    }

    /// Takes transactions that pay for each other, parents first, if together they pay the lowest rate and more than
    /// all that they replace.
    pub(super) fn accept_package(&mut self, txs: &[Transaction]) -> Vec<(Txid, String)> {
        let (mempool, min_rate) = (self.mempool.clone(), self.min_rate);
        self.min_rate = FeeRate::default();
        let ids: Vec<Txid> = txs.iter().map(Transaction::compute_txid).collect();
        let rivals = mempool.iter().filter(|other| {
            let conflicts =
                |tx: &Transaction| tx.input.iter().any(|input| spends(other, &input.previous_output));
            !ids.contains(&other.compute_txid()) && txs.iter().any(conflicts)
        });
        let thrown_out: Vec<Transaction> = rivals.flat_map(|rival| self.family(rival)).cloned().collect();
        let outbid: u64 = thrown_out.iter().map(|tx| self.fee(tx).to_sat()).sum();
        self.mempool.retain(|tx| !thrown_out.contains(tx));
        let mut refused = Vec::new();
        let (mut fee, mut weight) = (0, 0);
        for tx in txs {
            match self.accept(tx) {
                Ok(_) => (fee, weight) = (fee + self.fee(tx).to_sat(), weight + tx.weight().to_wu()),
                Err(error) => refused.push((tx.compute_txid(), error.to_string())),
            }
        }
        self.min_rate = min_rate;
        let all = |reason: &str| ids.iter().map(|txid| (*txid, reason.to_owned())).collect();
        if refused.is_empty() && fee < min_rate.fee(u32::try_from(weight).unwrap_or(u32::MAX)) {
            refused = all("mempool min fee not met");
        } else if refused.is_empty() && !thrown_out.is_empty() && fee <= outbid {
            refused = all("insufficient fee, rejecting replacement");
        }
        if !refused.is_empty() {
            self.mempool = mempool;
        }
        refused
    }

    /// Drops from the mempool whatever has lost an input.
    pub(super) fn drop_orphans(&mut self) {
        loop {
            let coins = self.coins();
            let orphan = self.mempool.iter().position(|tx| {
                tx.input.iter().any(|input| {
                    let outpoint = input.previous_output;
                    !coins.contains_key(&outpoint) && self.pending_output(&outpoint).is_none()
                })
            });
            match orphan {
                Some(index) => drop(self.mempool.remove(index)),
                None => return,
            }
        }
    }

    /// Puts a payment into the mempool.
    pub(super) fn pay(&mut self, script: &ScriptBuf, amount: Amount) -> OutPoint {
        self.counter += 1;
        let gift = OutPoint {
            txid: Txid::from_byte_array([0xfa; 32]),
            vout: self.counter,
        };
        let fee = Amount::from_sat(1_000);
        self.gifts.push((
            gift,
            TxOut {
                value: amount + fee,
                script_pubkey: ScriptBuf::new(),
            },
        ));
        let tx = transaction(gift, ScriptBuf::new(), script.clone(), amount);
        let outpoint = OutPoint {
            txid: tx.compute_txid(),
            vout: 0,
        };
        self.mempool.push(tx);
        outpoint
    }

    /// Mines a block, with the mempool or without.
    pub(super) fn mine(&mut self, with_mempool: bool) -> BlockHash {
        self.counter += 1;
        let height = u32::try_from(self.chain.len()).expect("few blocks");
        let prev = self.chain.last().copied().unwrap_or_else(BlockHash::all_zeros);
        let tag = Builder::new()
            .push_int(height.into())
            .push_int(self.counter.into())
            .into_script();
        let reward = Amount::from_int_btc(50);
        let mut txs = vec![transaction(OutPoint::null(), tag, ScriptBuf::new(), reward)];
        if with_mempool {
            txs.append(&mut self.mempool);
        }
        let ids = txs.iter().map(|tx| tx.compute_txid().to_raw_hash());
        let header = Header {
            version: BlockVersion::TWO,
            prev_blockhash: prev,
            merkle_root: merkle_tree::calculate_root(ids)
                .map_or_else(TxMerkleNode::all_zeros, TxMerkleNode::from_raw_hash),
            time: 1_700_000_000 + self.counter,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: self.counter,
        };
        let hash = header.block_hash();
        let txs = self.with_prevouts(txs);
        self.known.insert(
            hash,
            BlockInput {
                height,
                hash,
                prev,
                time: header.time,
                txs,
            },
        );
        self.chain.push(hash);
        self.drop_orphans();
        hash
    }

    /// Joins transactions, in order, with what they spend.
    fn with_prevouts(&self, txs: Vec<Transaction>) -> Vec<TxInput> {
        let mut coins = self.coins();
        txs.into_iter()
            .map(|tx| {
                let spent = tx.input.iter().filter_map(|i| coins.remove(&i.previous_output));
                let prevouts = spent.map(|coin| coin.txout).collect();
                for (outpoint, txout) in outputs(&tx) {
                    let coin = HeldCoin {
                        txout: txout.clone(),
                        height: 0,
                        coinbase: false,
                    };
                    coins.insert(outpoint, coin);
                }
                TxInput::new(tx, prevouts).expect("the mempool holds no orphans")
            })
            .collect()
    }

    /// Takes blocks off the chain.
    pub(super) fn disconnect(&mut self, count: u32, keep: bool) {
        for _ in 0..count {
            if self.chain.len() < 2 {
                break;
            }
            let hash = self.chain.pop().expect("there are two");
            let txs = self.known[&hash].txs.iter().map(TxInput::tx);
            let mut back: Vec<Transaction> = txs.filter(|tx| !tx.is_coinbase()).cloned().collect();
            if keep {
                back.append(&mut self.mempool);
                self.mempool = back;
            }
        }
        self.drop_orphans();
    }
}

/// A transaction with one input and one output.
fn transaction(from: OutPoint, tag: ScriptBuf, to: ScriptBuf, value: Amount) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: from,
            script_sig: tag,
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value,
            script_pubkey: to,
        }],
    }
}

/// The outputs of a transaction with their places.
fn outputs(tx: &Transaction) -> impl Iterator<Item = (OutPoint, &TxOut)> {
    let txid = tx.compute_txid();
    (0u32..)
        .zip(&tx.output)
        .map(move |(vout, txout)| (OutPoint { txid, vout }, txout))
}

fn spends(tx: &Transaction, outpoint: &OutPoint) -> bool {
    tx.input.iter().any(|input| input.previous_output == *outpoint)
}
