//! Follows Bitcoin: block by block through the fold, reorganisations included.
//!
//! Each block is one atomic, synced commit with its undo data, so a stop at any moment resumes at
//! the next block. The best chain is bitcoind's: while it has another block in the place of the last one
//! applied, blocks are taken back. A bitcoind that has none there is loading, downloading or restored;
//! then nothing is taken back and following pauses until it is where this node is. Specification:
//! `docs/spec/bitcoin.md`.

use std::sync::Arc;

use tacit_bridge::client::{BitcoinClient, ChainInfo, ClientError};
use tacit_protocol::encoding::{Decode, Encode, Reader};
use tacit_protocol::kv::{Delta, KvError, get_decoded};
use tacit_protocol::{DecodeError, Network};
use tacit_sequencer::Store;
use tacit_verifier::Rules;
use tacit_verifier::chain::records::Cursor;
use tacit_verifier::chain::{self, ChainError, table};
use thiserror::Error;

use super::Sink;

/// Why following stops or pauses.
#[derive(Debug, Error)]
pub(crate) enum FollowError {
    /// bitcoind fails; the next step tries again.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The database fails.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// A block does not fit the state.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// bitcoind is behind this node; following waits for it.
    #[error(transparent)]
    Behind(#[from] Behind),
}

/// Why bitcoind's best chain is no reason to take blocks back, although the last one is not in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Behind {
    /// It is loading or downloading blocks.
    #[error(
        "bitcoind is loading or downloading its chain (it has blocks up to {height}, headers up to {headers}) and is not at block \
         {known} yet, where this node is; following waits for it"
    )]
    Loading {
        /// Height of bitcoind's best block.
        height: u32,
        /// Height of its best header.
        headers: u32,
        /// Height of the last block applied.
        known: u32,
    },
    /// Its chain ends earlier, with no other block in the place of any that was applied.
    #[error(
        "bitcoind's chain ends at block {height}, below block {known}, where this node is, and has no \
         other block there; following waits for it"
    )]
    Ends {
        /// Height of bitcoind's best block.
        height: u32,
        /// Height of the last block applied.
        known: u32,
    },
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Blocks taken back.
    pub disconnected: u32,
    /// Blocks applied.
    pub connected: u32,
    /// Height of bitcoind's best block.
    pub target: u32,
    /// Whether a block taken back was deep and held a vault transaction or an anchor.
    pub deep_reorg: Option<DeepReorg>,
}

impl Step {
    /// Whether anything changed.
    #[must_use]
    pub(crate) fn changed(&self) -> bool {
        self.disconnected + self.connected > 0
    }
}

/// Where the reorganisation under way is kept.
const FORK: &[u8] = b"y";

/// A reorganisation: blocks taken back since the last one was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeepReorg {
    /// How many blocks were taken back.
    pub(crate) depth: u32,
    /// The height it began at.
    pub(crate) height: u32,
    /// Whether one of them moved the vault or the state.
    pub(crate) touched: bool,
}

impl Encode for DeepReorg {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.depth.to_le_bytes());
        out.extend_from_slice(&self.height.to_le_bytes());
        out.push(u8::from(self.touched));
    }
}

impl Decode for DeepReorg {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            depth: reader.u32()?,
            height: reader.u32()?,
            touched: reader.u8()? != 0,
        })
    }
}

/// Follows one chain into one store.
pub(crate) struct Follower {
    client: Arc<dyn BitcoinClient>,
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    sink: Arc<dyn Sink>,
}

impl Follower {
    /// A follower of a store that holds the genesis state; deltas go through `sink`.
    pub(crate) fn new(
        client: Arc<dyn BitcoinClient>,
        store: Arc<dyn Store>,
        rules: Arc<Rules>,
        sink: Arc<dyn Sink>,
    ) -> Self {
        Self {
            client,
            store,
            rules,
            sink,
        }
    }

    /// The last block applied.
    ///
    /// # Errors
    /// [`KvError`] if the store fails or has no genesis.
    pub(crate) fn cursor(&self) -> Result<Cursor, KvError> {
        table::cursor(&*self.store)?.ok_or_else(|| KvError::corrupt(b"C", "the cursor is missing"))
    }

    /// Takes back what left the best chain, then applies up to `limit` blocks.
    ///
    /// # Errors
    /// [`FollowError`]; what was done before it stays done.
    pub(crate) fn step(&self, limit: u32) -> Result<Step, FollowError> {
        let mut step = Step {
            target: self.client.chain_info()?.height,
            ..Step::default()
        };
        while self.is_replaced()? {
            self.take_back()?;
            step.disconnected += 1;
        }
        let depth = u32::from(self.rules.params().genesis().finality_depth);
        if let Some(fork) = self.fork()? {
            if fork.touched && fork.depth > depth {
                // Whoever halts the node calls `forget_fork`; nothing is applied before.
                step.deep_reorg = Some(fork);
                return Ok(step);
            }
            self.forget_fork()?;
        }
        while step.connected < limit {
            let cursor = self.cursor()?;
            let Some(hash) = self.client.block_hash(cursor.height + 1)? else {
                break;
            };
            let block = self.client.block(&hash)?;
            if block.prev != cursor.hash {
                break;
            }
            self.sink
                .commit(&chain::connect(&*self.store, &self.rules, &block)?)?;
            step.connected += 1;
        }
        Ok(step)
    }

    /// Takes the last block back and writes down, in the same commit, how deep the fork is by now: a
    /// failing bitcoind or a crash half-way through must not hide a deep one.
    fn take_back(&self) -> Result<(), FollowError> {
        let cursor = self.cursor()?;
        let before = self.fork()?.unwrap_or(DeepReorg {
            depth: 0,
            height: cursor.height,
            touched: false,
        });
        let fork = DeepReorg {
            depth: before.depth + 1,
            touched: before.touched || self.holds_money()?,
            ..before
        };
        let mut delta = chain::disconnect(&*self.store)?;
        delta.insert(FORK.to_vec(), Some(fork.encode()));
        self.sink.commit(&delta)?;
        Ok(())
    }

    /// The reorganisation under way, if blocks were taken back and none applied since.
    fn fork(&self) -> Result<Option<DeepReorg>, KvError> {
        get_decoded(&*self.store, FORK)
    }

    /// Ends the judgement of a reorganisation.
    ///
    /// # Errors
    /// [`KvError`] if the store fails.
    pub(crate) fn forget_fork(&self) -> Result<(), KvError> {
        let mut delta = Delta::default();
        delta.insert(FORK.to_vec(), None);
        self.store.commit(&delta)
    }

    /// Whether bitcoind's best chain has another block in the place of the last one applied.
    ///
    /// # Errors
    /// [`Behind`] if it has none there and cannot be trusted to know better.
    fn is_replaced(&self) -> Result<bool, FollowError> {
        let cursor = self.cursor()?;
        let known = cursor.height;
        if self.client.block_hash(known)? == Some(cursor.hash) {
            return Ok(false);
        }
        let ChainInfo {
            height,
            headers,
            best,
            syncing,
            ..
        } = self.client.chain_info()?;
        // A regtest node calls itself syncing whenever its last block is a day old.
        let syncs = syncing && self.rules.params().genesis().network != Network::Regtest;
        if syncs || headers > height {
            return Err(Behind::Loading {
                height,
                headers,
                known,
            }
            .into());
        }
        if height < known {
            let ours = chain::block_at(&*self.store, height)?;
            let forked = ours.is_some_and(|block| block.hash != best);
            if !forked || syncing {
                return Err(Behind::Ends { height, known }.into());
            }
            return Ok(true);
        }
        // Asked again: it may have caught up between the two questions.
        Ok(self
            .client
            .block_hash(known)?
            .is_some_and(|hash| hash != cursor.hash))
    }

    /// Whether the last block applied moved the vault or the state.
    fn holds_money(&self) -> Result<bool, FollowError> {
        let height = self.cursor()?.height;
        Ok(chain::moved_money(&*self.store, height)?)
    }
}

#[cfg(test)]
mod tests;
