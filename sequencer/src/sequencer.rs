//! The sequencer as a node sees it.
//!
//! | call | who calls it |
//! |---|---|
//! | [`Sequencer::open`] | once; rebuilds everything from the store |
//! | [`Sequencer::commit_canonical`] | the follower of Bitcoin, for every block connected or taken back |
//! | [`Sequencer::set_synced`] | the follower, once it reached Bitcoin's tip |
//! | [`Sequencer::submit`] | the RPC; or [`Sequencer::screen`], [`Candidate::verify`](crate::Candidate::verify), [`Sequencer::admit`] to check proofs outside a lock |
//! | [`Sequencer::tick`] | a timer; seals batches |
//! | [`Sequencer::next_to_prove`], [`Sequencer::store_proof`] | the prover |
//! | [`Sequencer::anchorable`] | the publisher of anchors |
//! | [`Sequencer::acknowledge`] | the operator, after a halt |
//!
//! Invariant: what is in memory can be told from the store alone. Every change is committed first
//! and made in memory after; when a commit fails, memory stays as it was.

use std::collections::HashMap;
use std::sync::Arc;

use tacit_protocol::F;
use tacit_protocol::batch::BatchShape;
use tacit_protocol::kv::{KvError, View};
use tacit_protocol::transfer::TransferId;
use tacit_verifier::Rules;
use tacit_verifier::batch::BatchError;
use tacit_verifier::chain::table as chain_table;
use thiserror::Error;

use crate::admission::Refusals;
use crate::config::Config;
use crate::deposits::Registrations;
use crate::forced::Forced;
use crate::halt::Halt;
use crate::mempool::Mempool;
use crate::record::DropReason;
use crate::state::{Pending, StepError};
use crate::store::Store;

mod follow;
mod load;
mod prove;
mod seal;
mod status;
mod submit;

pub use prove::{ProofError, ProofJob};
pub use status::TransferStatus;

/// Why a sequencer cannot be opened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// The store failed or is damaged.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The store holds no state yet.
    #[error("the database holds no state; initialise it with the chain's genesis first")]
    NoGenesis,
    /// The chain has no verifying key for transfers.
    #[error("chain.json has no verifying key for transfers")]
    NoTransferKey,
    /// The chain has no verifying key for any shape of batch.
    #[error("chain.json has no verifying key for batches")]
    NoBatchKey,
}

/// Why the sequencer could not act.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SequencerError {
    /// The store failed; nothing was changed.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The batch that was chosen breaks a rule: a bug, since every rule was checked while choosing.
    #[error("the next batch breaks a rule: {0}")]
    Batch(BatchError),
}

impl From<StepError> for SequencerError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Kv(error) => Self::Kv(error),
            StepError::Rule(rule) => Self::Batch(rule),
        }
    }
}

/// What a call to [`Sequencer::tick`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Batches sealed.
    pub sealed: Vec<u32>,
    /// Transfers that no batch can include any more.
    pub dropped: Vec<(TransferId, DropReason)>,
}

/// What a change of Bitcoin's state did to the sealed batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Batches sealed here that Bitcoin shows now.
    pub anchored: Vec<u32>,
    /// Batches that Bitcoin showed and that wait again, with the same bytes.
    pub returned: Vec<u32>,
    /// Batches of earlier times, found on Bitcoin and kept in case a reorganisation returns them.
    pub adopted: Vec<u32>,
    /// The first batch that left out a forced request which is due by now. It and those after it were
    /// given up, and their transfers wait again.
    pub resealed_from: Option<u32>,
    /// Why the sequencer stopped acting, if it did just now.
    pub halted: Option<Halt>,
}

/// Orders transfers into batches on top of the state that Bitcoin shows.
pub struct Sequencer {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    register: Arc<dyn Registrations>,
    config: Config,
    /// Shapes there are keys for, smallest first, at least one.
    shapes: Vec<BatchShape>,
    mempool: Mempool,
    refusals: Refusals,
    pending: Pending,
    /// The requests that the next batch begins with, until a block or a batch changes them.
    forced: Option<Arc<Forced>>,
    halt: Option<Halt>,
    /// Transfers in sealed batches that a halt keeps from being anchored.
    held: HashMap<TransferId, u32>,
    /// The first sealed batch that cannot be anchored any more.
    void_from: Option<u32>,
    synced: bool,
    /// A change of Bitcoin's state was committed and not taken over.
    stale: bool,
    /// Height of the last block.
    height: u32,
    /// The last batch that Bitcoin shows, and its state commitment.
    tip: (u32, F),
    /// The oldest state accepted as an anchor.
    oldest_anchor: u32,
    /// Height of the last sign of life on Bitcoin: a batch, or a reset of the anchor chain.
    active_since: u32,
    /// When a deposit that can be credited was first seen.
    deposit_seen: Option<crate::config::Time>,
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequencer")
            .field("height", &self.height)
            .field("tip", &self.tip.0)
            .field("pending", &self.pending.batches().len())
            .field("mempool", &self.mempool.len())
            .field("halt", &self.halt)
            .finish_non_exhaustive()
    }
}

impl Sequencer {
    /// Rebuilds the sequencer from a store that holds the chain's state ([`crate::store::schema`]
    /// initialises it). It does not act until [`Sequencer::set_synced`].
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        store: Arc<dyn Store>,
        rules: Arc<Rules>,
        register: Arc<dyn Registrations>,
        config: Config,
    ) -> Result<Self, OpenError> {
        if rules.transfer_key().is_none() {
            return Err(OpenError::NoTransferKey);
        }
        let shapes = rules.shapes();
        if shapes.is_empty() {
            return Err(OpenError::NoBatchKey);
        }
        if chain_table::cursor(&*store)?.is_none() {
            return Err(OpenError::NoGenesis);
        }
        let policy = &config.policy;
        let mut sequencer = Self {
            mempool: Mempool::new(policy.max_transfers, policy.max_bytes),
            refusals: Refusals::new(policy.max_refusals),
            pending: Pending::default(),
            forced: None,
            halt: None,
            held: HashMap::new(),
            void_from: None,
            synced: false,
            stale: true,
            height: 0,
            tip: (0, F::from(0u64)),
            oldest_anchor: 0,
            active_since: 0,
            deposit_seen: None,
            store,
            rules,
            register,
            config,
            shapes,
        };
        sequencer.load()?;
        Ok(sequencer)
    }

    /// Says whether the store has caught up with Bitcoin. Nothing is accepted, sealed or anchored
    /// before: deposits and batches that are still to be read from Bitcoin would be taken for new.
    pub fn set_synced(&mut self, synced: bool) {
        self.synced = synced;
    }

    /// Whether the store has caught up with Bitcoin.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// The state after the last sealed batch, for questions that need no confirmation. Records of
    /// batches that are not anchored name a transaction of zeros as their place.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        self.pending.view(&*self.store)
    }

    /// The state that Bitcoin shows, and the sequencer's own tables.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The transfers that wait.
    #[must_use]
    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// The sealed batches that Bitcoin does not show yet.
    #[must_use]
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// The last batch that Bitcoin shows.
    #[must_use]
    pub fn anchored_batch(&self) -> u32 {
        self.tip.0
    }

    /// The number that the next sealed batch gets.
    #[must_use]
    pub fn next_batch(&self) -> u32 {
        self.pending
            .batches()
            .back()
            .map_or(self.tip.0, crate::state::PendingBatch::number)
            + 1
    }

    /// The oldest state whose root a transfer may be proven against.
    #[must_use]
    pub fn oldest_anchor(&self) -> u32 {
        self.oldest_anchor
    }

    /// Why the sequencer does not act, if it does not.
    #[must_use]
    pub fn halt(&self) -> Option<Halt> {
        self.halt
    }

    /// Fails if a change of Bitcoin's state was committed and not taken over.
    fn check_current(&self) -> Result<(), KvError> {
        if self.stale {
            return Err(KvError::Io(
                "the last change of the state was not taken over; restart".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
