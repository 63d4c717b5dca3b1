//! Follows Bitcoin: block by block through the fold, reorganisations included.
//!
//! Each block is one atomic, synced commit with its undo data, so a stop at any moment resumes at
//! the next block. The best chain is bitcoind's: while the last block applied is not in it, blocks
//! are taken back.

use std::sync::Arc;

use tacit_bridge::client::{BitcoinClient, ClientError};
use tacit_protocol::DecodeError;
use tacit_protocol::encoding::{Decode, Encode, Reader};
use tacit_protocol::kv::{Delta, KvError, get_decoded};
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
        while !self.is_active(&self.cursor()?)? {
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

    fn is_active(&self, cursor: &Cursor) -> Result<bool, FollowError> {
        Ok(self
            .client
            .header(&cursor.hash)?
            .is_some_and(|header| header.is_active()))
    }

    /// Whether the last block applied moved the vault or the state.
    fn holds_money(&self) -> Result<bool, FollowError> {
        let height = self.cursor()?.height;
        let undo = table::undo(&*self.store, height)?;
        // A block without anchor and vault transaction changes the cursor alone.
        Ok(undo.is_some_and(|undo| undo.writes().count() > 1))
    }
}
