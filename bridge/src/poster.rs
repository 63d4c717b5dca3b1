//! Posts an envelope that needs nobody's consent: commit and reveal, from the operator's coins.
//!
//! Both are written down before the first is sent, so that the same bytes are sent again until they are in a
//! block. When rates rise meanwhile, a version that pays more is written down and sent: another commit with its
//! reveal, which spends the coins of the first commit; once a commit is in a block, another reveal of it. So one
//! version can be mined whatever a miner kept, and all of them are remembered. Only when the coins of the first
//! commit have vanished are they forgotten, and whoever wanted the envelope posts it anew.
//! Specification: `docs/spec/handover.md`.

use std::iter::once;
use std::sync::Arc;

use bitcoin::{OutPoint, Txid, XOnlyPublicKey};
use tacit_protocol::envelope::Envelope;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::anchor::AnchorPlanError;
use thiserror::Error;

use crate::client::{BitcoinClient, ClientError, PackageOutcome};
use crate::coins::CoinBook;
use crate::fees::{FeeQuote, RateOrigin};
use crate::journal::{Journal, JournalError};
use crate::keys::SigningKey;

mod entry;

use entry::{Entry, Version};

/// What journal keys of envelopes start with.
const PREFIX: &[u8] = b"post/";

/// The least step: a node wants a replacement to pay one satoshi more for each of its virtual bytes, and a commit
/// that replaces another pays a little less than the rate.
const LEAST_STEP: u64 = 375;

/// Why an envelope cannot be posted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PostError {
    /// Commit and reveal cannot be built.
    #[error("the envelope cannot be posted: {0}")]
    Plan(#[from] AnchorPlanError),
    /// The journal failed; nothing was sent that is not in it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The Bitcoin node gave no answer, or refuses it for now.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// An envelope on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostReport {
    /// The transaction that holds the envelope.
    pub reveal: Txid,
    /// Why the node refuses its latest version for now, or why it does not pay what it should.
    pub stuck: Option<String>,
}

impl PostReport {
    /// With what holds the rate down, unless worse is said.
    fn held(self, held: Option<String>) -> Self {
        Self {
            stuck: self.stuck.or(held),
            ..self
        }
    }
}

fn key(id: &[u8; 32]) -> Vec<u8> {
    [PREFIX, id].concat()
}

/// Posts envelopes.
pub struct Poster {
    client: Arc<dyn BitcoinClient>,
    journal: Arc<dyn Journal>,
    operator_key: Arc<SigningKey>,
}

impl Poster {
    /// A poster that pays with the coins of `operator_key`; [`Self::resume`] comes next.
    #[must_use]
    pub fn new(
        client: Arc<dyn BitcoinClient>,
        journal: Arc<dyn Journal>,
        operator_key: Arc<SigningKey>,
    ) -> Self {
        Self {
            client,
            journal,
            operator_key,
        }
    }

    /// Reserves the coins of everything on its way; called once at start.
    ///
    /// # Errors
    /// [`PostError::Journal`].
    pub fn resume(&self, coins: &mut CoinBook) -> Result<(), PostError> {
        for (key, value) in self.journal.list(PREFIX)? {
            coins.reserve(&key, Entry::decode(&key, &value)?.operator_inputs());
        }
        Ok(())
    }

    /// Posts the envelope called `id`, unless it is on its way. `envelope` makes it for a key.
    ///
    /// # Errors
    /// [`PostError`]. If it is the client's, it may be written down, and [`Self::tend`] sends it.
    pub fn post(
        &self,
        id: &[u8; 32],
        envelope: impl FnOnce(XOnlyPublicKey) -> Result<Envelope, AnchorPlanError>,
        quote: &FeeQuote,
        coins: &mut CoinBook,
    ) -> Result<PostReport, PostError> {
        if let Some(report) = self.tend(id, quote, coins)? {
            return Ok(report);
        }
        let envelope = envelope(self.operator_key.public_key())?;
        let entry = Entry::plan(&self.operator_key, &envelope, quote.rate, coins)?;
        self.store(&key(id), &entry, coins)?;
        let report = self.send(&entry, &[0])?;
        Ok(report.held(held_down(quote)))
    }

    /// Looks after the envelope called `id`, if it is written down: sends it again while it is not in a block, and
    /// raises its fee when rates have risen. `None` if it is not, or none of its versions can be mined any more.
    ///
    /// # Errors
    /// [`PostError::Journal`], [`PostError::Client`].
    pub fn tend(
        &self,
        id: &[u8; 32],
        quote: &FeeQuote,
        coins: &mut CoinBook,
    ) -> Result<Option<PostReport>, PostError> {
        let key = key(id);
        let Some(bytes) = self.journal.get(&key)? else {
            return Ok(None);
        };
        let mut entry = Entry::decode(&key, &bytes)?;
        let report = match self.standing(&entry)? {
            Standing::Mined(reveal) => PostReport { reveal, stuck: None },
            Standing::Committed(at) => {
                let held = self.raise(&key, &mut entry, At::Reveal(at), quote, coins)?;
                let (reveal, stuck) = self.send_reveal(&entry.versions[at])?;
                PostReport { reveal, stuck }.held(held)
            }
            Standing::Open(mut live) => {
                let Some(&last) = live.last() else {
                    self.journal.delete(&key)?;
                    coins.release(&key);
                    return Ok(None);
                };
                let known = entry.versions.len();
                let held = if self.is_rooted(&entry)? {
                    self.raise(&key, &mut entry, At::Commit(last), quote, coins)?
                } else {
                    None
                };
                live.extend(known..entry.versions.len());
                self.send(&entry, &live)?.held(held)
            }
        };
        Ok(Some(report))
    }

    /// Forgets every envelope but this one: it is deep, or nobody wants it any more.
    ///
    /// # Errors
    /// [`PostError::Journal`].
    pub fn forget_all_but(&self, id: Option<&[u8; 32]>, coins: &mut CoinBook) -> Result<(), PostError> {
        let kept = id.map(key);
        for (key, _) in self.journal.list(PREFIX)? {
            if Some(&key) != kept.as_ref() {
                self.journal.delete(&key)?;
                coins.release(&key);
            }
        }
        Ok(())
    }

    fn store(&self, key: &[u8], entry: &Entry, coins: &mut CoinBook) -> Result<(), PostError> {
        self.journal.put(key, &entry.encode())?;
        coins.reserve(key, entry.operator_inputs());
        Ok(())
    }

    /// Writes a version down that pays more, if rates have risen by a good step; says what holds it down else.
    fn raise(
        &self,
        key: &[u8],
        entry: &mut Entry,
        at: At,
        quote: &FeeQuote,
        coins: &mut CoinBook,
    ) -> Result<Option<String>, PostError> {
        let version = match at {
            At::Commit(at) | At::Reveal(at) => &entry.versions[at],
        };
        let paid = version.paid();
        if is_step(paid, quote.rate) {
            let raised = (quote.rate, key);
            let planned = match at {
                At::Commit(_) => entry.raise_commit(&self.operator_key, raised, coins),
                At::Reveal(at) => entry.raise_reveal(at, &self.operator_key, raised, coins),
            };
            if let Err(error) = planned {
                let (paid, rate) = (paid.sat_per_kwu(), quote.rate.sat_per_kwu());
                return Ok(Some(format!(
                    "it pays {paid} sat/kWU and cannot pay {rate}: {error}; pay to the operator's script"
                )));
            }
            self.store(key, entry, coins)?;
        }
        Ok(held_down(quote))
    }

    /// Where it stands on the chain.
    fn standing(&self, entry: &Entry) -> Result<Standing, ClientError> {
        let confirmed = |output: &OutPoint| Ok(self.client.unspent(output, false)?.is_some());
        for (_, reveal) in entry.versions.iter().flat_map(|version| &version.reveals) {
            let txid = reveal.compute_txid();
            if confirmed(&OutPoint { txid, vout: 0 })? {
                return Ok(Standing::Mined(txid));
            }
        }
        let mut live = Vec::new();
        for (at, version) in entry.versions.iter().enumerate() {
            if confirmed(&version.committed())? {
                return Ok(Standing::Committed(at));
            }
            if self.is_live(version)? {
                live.push(at);
            }
        }
        Ok(Standing::Open(live))
    }

    /// Whether the coins of the first commit are in blocks: while a reorganisation has them wait, the node replaces
    /// nothing that spends them, and every version would be followed by another.
    fn is_rooted(&self, entry: &Entry) -> Result<bool, ClientError> {
        for coin in entry.versions.iter().take(1).flat_map(Version::commit_inputs) {
            if self.client.unspent(&coin, false)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a commit that is in no block can be in one: it waits for one, or its coins are there. A coin that a
    /// transaction in the mempool spends is still there.
    fn is_live(&self, version: &Version) -> Result<bool, ClientError> {
        let client = &self.client;
        if client.mempool_entry(&version.commit.compute_txid())?.is_some() {
            return Ok(true);
        }
        for coin in version.commit_inputs() {
            if client.unspent(&coin, false)?.is_none() && client.unspent(&coin, true)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sends the latest of these versions that the node takes, unless it has one; a refusal is said in the report.
    fn send(&self, entry: &Entry, live: &[usize]) -> Result<PostReport, PostError> {
        let mut refused = None;
        for version in live.iter().rev().map(|&at| &entry.versions[at]) {
            match self.send_version(version)? {
                Ok((reveal, stuck)) => {
                    let stuck = refused.or(stuck);
                    return Ok(PostReport { reveal, stuck });
                }
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        let latest = live.last().map(|&at| entry.versions[at].reveal());
        let reveal = latest.expect("there is a version");
        Ok(PostReport {
            reveal,
            stuck: refused,
        })
    }

    /// Commit and reveal, the commit alone first; why the node refuses it, if it does.
    fn send_version(&self, version: &Version) -> Result<Result<(Txid, Option<String>), String>, PostError> {
        if !self.is_there(version.commit.compute_txid())? {
            match self.client.send(&version.commit) {
                Ok(_) => {}
                // Too cheap on its own, perhaps; together with its reveal it may pass, and replace another pair.
                Err(ClientError::Rejected { .. }) => {
                    let package: Vec<_> = once(&version.commit)
                        .chain(version.reveals.iter().map(|(_, tx)| tx).next_back())
                        .cloned()
                        .collect();
                    let outcome = self.client.submit_package(&package)?;
                    if !outcome.accepted {
                        return Ok(Err(told(&outcome)));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Ok(self.send_reveal(version)?))
    }

    /// The latest reveal that the node takes, unless it has one, and why it refuses a later one.
    fn send_reveal(&self, version: &Version) -> Result<(Txid, Option<String>), PostError> {
        let mut refused = None;
        for (_, reveal) in version.reveals.iter().rev() {
            let txid = reveal.compute_txid();
            if self.is_there(txid)? {
                return Ok((txid, refused));
            }
            match self.client.send(reveal) {
                Ok(_) => return Ok((txid, refused)),
                Err(error @ ClientError::Rejected { .. }) => refused = refused.or(Some(error.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((version.reveal(), refused))
    }

    fn is_there(&self, txid: Txid) -> Result<bool, ClientError> {
        let output = OutPoint { txid, vout: 0 };
        Ok(self.client.unspent(&output, false)?.is_some() || self.client.mempool_entry(&txid)?.is_some())
    }
}

/// What pays more: another commit than that of this version, or another reveal of it.
#[derive(Clone, Copy)]
enum At {
    Commit(usize),
    Reveal(usize),
}

/// Where an envelope stands.
enum Standing {
    /// This reveal is in a block.
    Mined(Txid),
    /// The commit of this version is.
    Committed(usize),
    /// None is; these versions can be, if there are any.
    Open(Vec<usize>),
}

/// Whether a rate is so far above what is paid that a node takes a replacement: a quarter, and [`LEAST_STEP`].
fn is_step(paid: FeeRate, rate: FeeRate) -> bool {
    let paid = u64::from(paid.sat_per_kwu());
    u64::from(rate.sat_per_kwu()) >= (paid + paid.div_ceil(4)).max(paid + LEAST_STEP)
}

/// What to say while the ceiling holds the rate down.
fn held_down(quote: &FeeQuote) -> Option<String> {
    match quote.origin {
        RateOrigin::Ceiling { wanted } => Some(format!(
            "the ceiling of {} sat/kWU is reached and {} would be needed; it waits until rates fall",
            quote.rate.sat_per_kwu(),
            wanted.sat_per_kwu()
        )),
        RateOrigin::Estimate | RateOrigin::Fallback | RateOrigin::Floor | RateOrigin::MempoolMinimum => None,
    }
}

/// Why a node took no package.
fn told(outcome: &PackageOutcome) -> String {
    let each = outcome.refused.iter();
    let each: Vec<String> = each.map(|(txid, reason)| format!("{txid}: {reason}")).collect();
    format!("{} ({})", outcome.message, each.join("; "))
}

#[cfg(test)]
mod tests;
