//! The operator's own coins: confirmed outputs of one Taproot key, which pay miners.
//!
//! A [`CoinBook`] starts from a scan of the unspent outputs and then follows blocks; it undoes
//! replaced ones from memory and scans again when a reorganisation reaches below what it remembers.
//! Coins that a transaction in flight spends are reserved under its journal key, so that nothing
//! ever hangs on two transactions at once, and nothing of ours on an unconfirmed parent.

use std::collections::{BTreeMap, VecDeque};

use bitcoin::{BlockHash, OutPoint, ScriptBuf, TxOut};
use tacit_protocol::peg::{BlockInput, Coin};

use crate::client::{BitcoinClient, ClientError, Scan};

/// Blocks on top of a reward before it can be spent.
const MATURITY: u32 = 100;

/// Blocks that are remembered for reorganisations.
const MAX_UNDO: usize = 144;

/// A confirmed coin.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    txout: TxOut,
    height: u32,
    coinbase: bool,
}

/// What one block did to the coins.
#[derive(Clone, Debug)]
struct Undo {
    prev: BlockHash,
    made: Vec<OutPoint>,
    spent: Vec<(OutPoint, Held)>,
}

/// The confirmed coins of one script.
#[derive(Clone, Debug)]
pub struct CoinBook {
    script: ScriptBuf,
    coins: BTreeMap<OutPoint, Held>,
    reserved: BTreeMap<OutPoint, Vec<u8>>,
    height: u32,
    best: BlockHash,
    undo: VecDeque<Undo>,
}

impl CoinBook {
    /// Finds the coins of `script`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn scan(client: &dyn BitcoinClient, script: ScriptBuf) -> Result<Self, ClientError> {
        let scan = client.scan(std::slice::from_ref(&script))?;
        let mut book = Self {
            script,
            coins: BTreeMap::new(),
            reserved: BTreeMap::new(),
            height: 0,
            best: scan.best,
            undo: VecDeque::new(),
        };
        book.take(scan);
        Ok(book)
    }

    fn take(&mut self, scan: Scan) {
        let coins = scan.outputs.into_iter().map(|found| {
            let (height, coinbase) = (found.height, found.coinbase);
            (
                found.outpoint,
                Held {
                    txout: found.txout,
                    height,
                    coinbase,
                },
            )
        });
        self.coins = coins.collect();
        (self.height, self.best) = (scan.height, scan.best);
        self.undo.clear();
    }

    /// Follows the node to its tip, through reorganisations if need be.
    ///
    /// # Errors
    /// [`ClientError`]; the book stands at some block of the way then, and goes on from there.
    pub fn follow(&mut self, client: &dyn BitcoinClient) -> Result<(), ClientError> {
        loop {
            let active = client
                .header(&self.best)?
                .is_some_and(|header| header.is_active());
            if !active {
                if !self.disconnect() {
                    let scan = client.scan(std::slice::from_ref(&self.script))?;
                    self.take(scan);
                }
                continue;
            }
            let Some(next) = client.block_hash(self.height + 1)? else {
                return Ok(());
            };
            let block = client.block(&next)?;
            // The chain may have changed between the two questions; then the next round sees it.
            if block.prev == self.best {
                self.connect(&block);
            }
        }
    }

    fn connect(&mut self, block: &BlockInput) {
        let mut undo = Undo {
            prev: self.best,
            made: Vec::new(),
            spent: Vec::new(),
        };
        for tx in &block.txs {
            for input in &tx.tx().input {
                if let Some(held) = self.coins.remove(&input.previous_output) {
                    undo.spent.push((input.previous_output, held));
                }
            }
            let coinbase = tx.tx().is_coinbase();
            for (vout, txout) in (0u32..).zip(&tx.tx().output) {
                if txout.script_pubkey == self.script {
                    let outpoint = OutPoint {
                        txid: tx.txid(),
                        vout,
                    };
                    let held = Held {
                        txout: txout.clone(),
                        height: block.height,
                        coinbase,
                    };
                    self.coins.insert(outpoint, held);
                    undo.made.push(outpoint);
                }
            }
        }
        (self.height, self.best) = (block.height, block.hash);
        self.undo.push_back(undo);
        if self.undo.len() > MAX_UNDO {
            self.undo.pop_front();
        }
    }

    /// Takes the last block back; `false` if it is not remembered.
    fn disconnect(&mut self) -> bool {
        let Some(undo) = self.undo.pop_back() else {
            return false;
        };
        self.coins.extend(undo.spent);
        for outpoint in &undo.made {
            self.coins.remove(outpoint);
        }
        self.best = undo.prev;
        self.height -= 1;
        true
    }

    /// The script whose coins these are; change goes there too.
    #[must_use]
    pub fn script(&self) -> &ScriptBuf {
        &self.script
    }

    /// Height of the block that the book stands at.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Coins that may be spent now: confirmed, mature and not reserved.
    #[must_use]
    pub fn spendable(&self) -> Vec<Coin> {
        self.select(|holder| holder.is_none())
    }

    /// Coins that `owner` may spend now in place of what it has reserved: those included.
    #[must_use]
    pub fn spendable_by(&self, owner: &[u8]) -> Vec<Coin> {
        self.select(|holder| holder.is_none_or(|holder| holder == owner))
    }

    /// Mature coins whose holder, if they have one, passes.
    fn select(&self, may_spend: impl Fn(Option<&[u8]>) -> bool) -> Vec<Coin> {
        self.coins
            .iter()
            .filter(|(outpoint, held)| {
                let mature = !held.coinbase || self.height + 1 >= held.height + MATURITY;
                mature && may_spend(self.reserved.get(outpoint).map(Vec::as_slice))
            })
            .map(|(outpoint, held)| Coin {
                outpoint: *outpoint,
                txout: held.txout.clone(),
            })
            .collect()
    }

    /// Satoshi in all confirmed coins, reserved ones included.
    #[must_use]
    pub fn balance(&self) -> bitcoin::Amount {
        self.coins.values().map(|held| held.txout.value).sum()
    }

    /// Reserves coins for `owner`, a journal key, in place of those it had reserved before.
    pub fn reserve(&mut self, owner: &[u8], coins: impl IntoIterator<Item = OutPoint>) {
        self.release(owner);
        self.reserved
            .extend(coins.into_iter().map(|coin| (coin, owner.to_vec())));
    }

    /// Frees what `owner` had reserved.
    pub fn release(&mut self, owner: &[u8]) {
        self.reserved.retain(|_, holder| holder != owner);
    }
}

#[cfg(test)]
mod tests;
