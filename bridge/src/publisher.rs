//! Publishes anchors: a payload becomes a commit and a reveal, which are written down, sent, and
//! sent again until they are buried.
//!
//! ```text
//!   publish ──► plan ──► sign ──► journal ──► commit ──► reveal
//!                                    │
//!   tend (after each block) ◄────────┘   send again what fell out of the mempool
//!                                        raise the reveal's fee when it waits too long
//!                                        forget what is buried
//! ```
//!
//! There is one intent per anchor tip. Asking again for the same tip sends the same bytes; a new
//! commit is made only when a coin of the old one has vanished, and it carries the same payload.
//! Fees are raised on the reveal alone, for the payload is part of the commit's output.
//! Specification: `docs/spec/bitcoin.md`.

use std::fmt;
use std::sync::Arc;

use bitcoin::{OutPoint, Txid};
use tacit_protocol::peg::anchor::AnchorPlanError;
use tacit_protocol::peg::{AnchorStep, AnchorTip, FeeRate};
use thiserror::Error;

use crate::chain_link::Fate;
use crate::client::{BitcoinClient, Broadcast, ClientError};
use crate::coins::CoinBook;
use crate::journal::{Journal, JournalError, outpoint_key};
use crate::keys::SigningKey;

mod entry;

use entry::Entry;

/// What journal keys of anchors start with.
const PREFIX: &[u8] = b"anchor/";

/// Why an anchor cannot be published.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    /// The tip has an intent with another payload.
    #[error("anchor tip {0} already has another payload in flight; wait for it")]
    OtherPayload(OutPoint),
    /// The tip is not the expected anchor script, so our key cannot spend it.
    #[error("anchor tip {0} does not have the expected script; the federation has to take over")]
    ForeignTip(OutPoint),
    /// Commit and reveal cannot be built.
    #[error("the anchor cannot be built: {0}")]
    Plan(#[from] AnchorPlanError),
    /// The journal failed; nothing was sent that is not in it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The Bitcoin node gave no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A step of the publication, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Commit and reveal are in the journal; nothing was sent.
    Journalled,
    /// The node has the commit.
    CommitSent,
    /// The node has the reveal.
    RevealSent,
}

/// Called after each step; lets a test stop the process there.
pub type StepObserver = Box<dyn Fn(Step) + Send + Sync>;

/// An anchor in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorReport {
    /// The tip that it spends.
    pub spends: OutPoint,
    /// The commit.
    pub commit: Txid,
    /// The latest version of the reveal.
    pub reveal: Txid,
    /// Where it stands.
    pub state: AnchorState,
}

/// Where an anchor stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorState {
    /// In the mempool.
    InMempool,
    /// Was not in the mempool and was sent now: for the first time, or again.
    Sent,
    /// Waited too long: the reveal was replaced by one that pays more.
    Bumped,
    /// A coin of the commit had vanished: a new commit and reveal carry the same payload.
    Replanned,
    /// In a block, since this height.
    Confirmed(u32),
    /// Confirmed and `k` deep; forgotten from now on.
    Buried,
    /// Another transaction in the mempool spends the tip.
    Contested(Txid),
    /// Another transaction spent the tip in a block, since this height.
    Beaten(u32),
    /// The node refuses it for now, for this reason.
    Stuck(String),
}

impl fmt::Display for AnchorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InMempool => f.write_str("in the mempool"),
            Self::Sent => f.write_str("sent"),
            Self::Bumped => f.write_str("reveal replaced by one that pays more"),
            Self::Replanned => f.write_str("new commit: a coin of the old one vanished"),
            Self::Confirmed(height) => write!(f, "in a block since height {height}"),
            Self::Buried => f.write_str("buried"),
            Self::Contested(by) => write!(f, "the tip is being spent by {by}: another sequencer?"),
            Self::Beaten(height) => {
                write!(
                    f,
                    "another transaction spent the tip at height {height}: another sequencer?"
                )
            }
            Self::Stuck(reason) => write!(f, "refused for now: {reason}"),
        }
    }
}

/// What the publisher is made from.
#[derive(Clone)]
pub struct PublisherConfig {
    /// The way to Bitcoin.
    pub client: Arc<dyn BitcoinClient>,
    /// Where intents are written down.
    pub journal: Arc<dyn Journal>,
    /// The sequencer's secret, which spends anchors.
    pub anchor_key: Arc<SigningKey>,
    /// The secret of the operator's coins.
    pub operator_key: Arc<SigningKey>,
    /// Blocks after which an anchor is buried: the chain's finality depth.
    pub depth: u32,
    /// Blocks after which an unconfirmed reveal may pay more.
    pub bump_after: u32,
}

/// Publishes anchors.
pub struct Publisher {
    config: PublisherConfig,
    observer: Option<StepObserver>,
}

impl Publisher {
    /// A publisher; [`Self::resume`] comes next.
    #[must_use]
    pub fn new(config: PublisherConfig) -> Self {
        Self {
            config,
            observer: None,
        }
    }

    /// Calls `observer` after each step.
    #[must_use]
    pub fn with_observer(mut self, observer: StepObserver) -> Self {
        self.observer = Some(observer);
        self
    }

    fn step(&self, step: Step) {
        if let Some(observer) = &self.observer {
            observer(step);
        }
    }

    /// Reserves the coins of everything in flight; called once at start.
    ///
    /// # Errors
    /// [`PublishError::Journal`].
    pub fn resume(&self, coins: &mut CoinBook) -> Result<(), PublishError> {
        for (key, entry) in self.entries()? {
            coins.reserve(&key, entry.operator_inputs());
        }
        Ok(())
    }

    /// The payload that is on its way from `tip`, if there is one.
    ///
    /// # Errors
    /// [`PublishError::Journal`].
    pub fn payload_in_flight(&self, tip: &OutPoint) -> Result<Option<Vec<u8>>, PublishError> {
        Ok(self.load(&outpoint_key(PREFIX, tip))?.map(|entry| entry.payload))
    }

    /// Publishes `payload` on top of `tip`, which is confirmed and has the first of the keys in its script.
    /// Asking again is harmless.
    ///
    /// # Errors
    /// [`PublishError`]. If it is the client's, the intent may be written down and [`Self::tend`]
    /// will send it.
    pub fn publish(
        &self,
        tip: &AnchorTip,
        keys: &AnchorStep,
        payload: &[u8],
        height: u32,
        rate: FeeRate,
        coins: &mut CoinBook,
    ) -> Result<AnchorReport, PublishError> {
        let key = outpoint_key(PREFIX, &tip.outpoint);
        let entry = match self.load(&key)? {
            Some(entry) if entry.payload == payload => entry,
            Some(_) => return Err(PublishError::OtherPayload(tip.outpoint)),
            None => {
                let ours = keys.own.anchor == self.config.anchor_key.public_key();
                if !ours || tip.txout.script_pubkey != keys.own.script_pubkey() {
                    return Err(PublishError::ForeignTip(tip.outpoint));
                }
                // Before the chain moves on through what this tip came from.
                self.settle(tip.outpoint, height)?;
                let at = (tip.clone(), *keys);
                let entry = Entry::plan(&self.config, at, payload.to_vec(), rate, height, coins)?;
                self.store(&key, &entry, coins)?;
                self.step(Step::Journalled);
                entry
            }
        };
        let (entry, state) = self.push(&key, entry, height, rate, coins)?;
        Ok(entry.report(state))
    }

    /// Looks after everything in flight when the chain's anchor tip is `tip` at `height`.
    ///
    /// # Errors
    /// [`PublishError`]; whatever was not reached is looked after next time.
    pub fn tend(
        &self,
        tip: OutPoint,
        height: u32,
        rate: FeeRate,
        coins: &mut CoinBook,
    ) -> Result<Vec<AnchorReport>, PublishError> {
        let mut reports = Vec::new();
        for (key, entry) in self.settle(tip, height)? {
            let fate = entry.fate;
            let buried = fate.is_buried(height, self.config.depth);
            if buried {
                self.config.journal.delete(&key)?;
                coins.release(&key);
            }
            let (entry, state) = match fate {
                Fate::Waiting => self.push(&key, entry, height, rate, coins)?,
                Fate::Confirmed(_) if buried => (entry, AnchorState::Buried),
                Fate::Confirmed(at) => (entry, AnchorState::Confirmed(at)),
                Fate::Beaten(at) => (entry, AnchorState::Beaten(at)),
            };
            reports.push(entry.report(state));
        }
        Ok(reports)
    }

    /// Brings the fate of everything in flight up to date, and writes it down.
    fn settle(&self, tip: OutPoint, height: u32) -> Result<Vec<(Vec<u8>, Entry)>, PublishError> {
        let mut entries = self.entries()?;
        for (key, entry) in &mut entries {
            let fate = entry
                .fate
                .next(entry.tip.outpoint, &entry.versions(), tip, height);
            if fate != entry.fate {
                entry.fate = fate;
                self.config.journal.put(key, &entry.encode())?;
            }
        }
        Ok(entries)
    }

    /// Brings an awaited anchor into the mempool, or finds out why not.
    fn push(
        &self,
        key: &[u8],
        entry: Entry,
        height: u32,
        rate: FeeRate,
        coins: &mut CoinBook,
    ) -> Result<(Entry, AnchorState), PublishError> {
        let client = self.config.client.as_ref();
        for version in entry.versions() {
            if client.mempool_entry(&version)?.is_some() {
                return self.bump_if_late(key, entry, height, rate, coins);
            }
            // The node may be a block ahead of whoever says where the tip is.
            let output = OutPoint {
                txid: version,
                vout: 0,
            };
            if client.unspent(&output, false)?.is_some() {
                return Ok((entry, AnchorState::Confirmed(height)));
            }
        }
        match self.send(&entry)? {
            Sending::Done => Ok((entry, AnchorState::Sent)),
            Sending::Refused(reason) => self.recover(key, entry, reason, height, rate, coins),
        }
    }

    /// Finds another way for an anchor that the node refuses, if there is one.
    fn recover(
        &self,
        key: &[u8],
        entry: Entry,
        reason: String,
        height: u32,
        rate: FeeRate,
        coins: &mut CoinBook,
    ) -> Result<(Entry, AnchorState), PublishError> {
        let client = self.config.client.as_ref();
        if let Some(other) = client.mempool_spender(&entry.tip.outpoint)? {
            return Ok((entry, AnchorState::Contested(other)));
        }
        let output = OutPoint {
            txid: entry.commit.compute_txid(),
            vout: 0,
        };
        let committed = client.unspent(&output, true)?.is_some();
        let (planned, state) = if !committed && self.is_any_gone(entry.commit_inputs())? {
            // The old commit can never confirm, so its other coins are free.
            coins.release(key);
            (
                entry.clone().replan(&self.config, rate, height, coins),
                AnchorState::Replanned,
            )
        } else if rate > entry.reveal_rate || self.is_any_gone(entry.bump_inputs())? {
            (entry.bump(&self.config, rate, height, coins), AnchorState::Bumped)
        } else {
            return Ok((entry, AnchorState::Stuck(reason)));
        };
        let planned = match planned {
            Ok(planned) => planned,
            Err(PublishError::Plan(error)) => {
                coins.reserve(key, entry.operator_inputs());
                return Ok((
                    entry,
                    AnchorState::Stuck(format!("{reason}; nor can it be replaced: {error}")),
                ));
            }
            Err(error) => return Err(error),
        };
        self.store(key, &planned, coins)?;
        self.step(Step::Journalled);
        match self.send(&planned)? {
            Sending::Done => Ok((planned, state)),
            Sending::Refused(reason) => Ok((planned, AnchorState::Stuck(reason))),
        }
    }

    /// Sends commit and reveal.
    fn send(&self, entry: &Entry) -> Result<Sending, PublishError> {
        let client = self.config.client.as_ref();
        // A confirmed commit whose change is spent looks like a double spend to the node.
        let output = OutPoint {
            txid: entry.commit.compute_txid(),
            vout: 0,
        };
        let is_there = client.unspent(&output, false)?.is_some();
        // One whose sending was never answered may be in the mempool: sent is what the node has.
        if !is_there && client.mempool_entry(&output.txid)?.is_none() {
            match client.send(&entry.commit) {
                Ok(Broadcast::InMempool | Broadcast::AlreadyConfirmed) => {}
                Err(error @ ClientError::Rejected { .. }) if error.is_missing_inputs() => {
                    return Ok(Sending::Refused(error.to_string()));
                }
                // Too cheap on its own, perhaps; together with its reveal it may pass.
                Err(ClientError::Rejected { .. }) => {
                    let package = [entry.commit.clone(), entry.reveal.clone()];
                    let outcome = client.submit_package(&package)?;
                    return Ok(if outcome.accepted {
                        Sending::Done
                    } else {
                        Sending::Refused(format!("{} {:?}", outcome.message, outcome.refused))
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.step(Step::CommitSent);
        match client.send(&entry.reveal) {
            Ok(Broadcast::InMempool | Broadcast::AlreadyConfirmed) => {
                self.step(Step::RevealSent);
                Ok(Sending::Done)
            }
            Err(error @ ClientError::Rejected { .. }) => Ok(Sending::Refused(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether one of these coins is spent elsewhere or was taken back by a reorganisation.
    fn is_any_gone(&self, coins: impl Iterator<Item = OutPoint>) -> Result<bool, PublishError> {
        for coin in coins {
            if self.config.client.unspent(&coin, true)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Replaces the reveal by one that pays more, if it waits too long and rates have risen.
    fn bump_if_late(
        &self,
        key: &[u8],
        entry: Entry,
        height: u32,
        rate: FeeRate,
        coins: &mut CoinBook,
    ) -> Result<(Entry, AnchorState), PublishError> {
        let late = height.saturating_sub(entry.sent_at) >= self.config.bump_after;
        // The mempool takes a replacement only if it pays a good deal more.
        let risen = rate.sat_per_kwu() >= entry.reveal_rate.sat_per_kwu().saturating_mul(5) / 4;
        if !(late && risen && rate > entry.reveal_rate) {
            return Ok((entry, AnchorState::InMempool));
        }
        let bumped = match entry.bump(&self.config, rate, height, coins) {
            Ok(bumped) => bumped,
            Err(PublishError::Plan(error)) => {
                tracing::warn!(%error, "the reveal cannot pay more");
                return Ok((entry, AnchorState::InMempool));
            }
            Err(error) => return Err(error),
        };
        self.store(key, &bumped, coins)?;
        match self.config.client.send(&bumped.reveal) {
            Ok(_) => Ok((bumped, AnchorState::Bumped)),
            Err(error @ ClientError::Rejected { .. }) => Ok((bumped, AnchorState::Stuck(error.to_string()))),
            Err(error) => Err(error.into()),
        }
    }

    fn load(&self, key: &[u8]) -> Result<Option<Entry>, PublishError> {
        let bytes = self.config.journal.get(key)?;
        bytes
            .map(|bytes| Entry::decode(key, &bytes))
            .transpose()
            .map_err(PublishError::from)
    }

    fn entries(&self) -> Result<Vec<(Vec<u8>, Entry)>, PublishError> {
        let listed = self.config.journal.list(PREFIX)?;
        listed
            .into_iter()
            .map(|(key, value)| {
                let entry = Entry::decode(&key, &value)?;
                Ok((key, entry))
            })
            .collect()
    }

    fn store(&self, key: &[u8], entry: &Entry, coins: &mut CoinBook) -> Result<(), PublishError> {
        self.config.journal.put(key, &entry.encode())?;
        coins.reserve(key, entry.operator_inputs());
        Ok(())
    }
}

/// What became of an attempt to send.
enum Sending {
    /// The node has both transactions.
    Done,
    /// The node refuses one of them.
    Refused(String),
}

#[cfg(test)]
mod tests;
