//! Posts an envelope that needs nobody's consent: commit and reveal, from the operator's coins.
//!
//! Both are written down before the first is sent, so that the same bytes are sent again until they are in a
//! block. Only when a coin of the commit has vanished are they forgotten, and whoever wanted the envelope
//! posts it anew. Specification: `docs/spec/bitcoin.md`.

use std::sync::Arc;

use bitcoin::{OutPoint, Transaction, Txid};
use tacit_protocol::encoding::{DecodeError, Reader};
use tacit_protocol::envelope::Envelope;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::anchor::AnchorPlanError;
use tacit_protocol::peg::forced::{PostPlan, plan_post};
use thiserror::Error;

use crate::client::{BitcoinClient, ClientError};
use crate::coins::CoinBook;
use crate::journal::{Journal, JournalError, put_transaction, read_transaction};
use crate::keys::SigningKey;

/// What journal keys of envelopes start with.
const PREFIX: &[u8] = b"post/";

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
    /// Why the node refuses it for now, if it does.
    pub stuck: Option<String>,
}

/// Commit and reveal, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Posted {
    commit: Transaction,
    reveal: Transaction,
}

impl Posted {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_transaction(&mut out, &self.commit);
        put_transaction(&mut out, &self.reveal);
        out
    }

    fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, JournalError> {
        let mut reader = Reader::new(bytes);
        let mut read = || -> Result<Self, DecodeError> {
            let (commit, reveal) = (read_transaction(&mut reader)?, read_transaction(&mut reader)?);
            Ok(Self { commit, reveal })
        };
        let posted = read().map_err(|error| JournalError::corrupt(key, &error))?;
        reader
            .finish()
            .map_err(|error| JournalError::corrupt(key, &error))?;
        Ok(posted)
    }

    fn coins(&self) -> impl Iterator<Item = OutPoint> + '_ {
        self.commit.input.iter().map(|input| input.previous_output)
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
            coins.reserve(&key, Posted::decode(&key, &value)?.coins());
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
        envelope: impl FnOnce(bitcoin::XOnlyPublicKey) -> Result<Envelope, AnchorPlanError>,
        rate: FeeRate,
        coins: &mut CoinBook,
    ) -> Result<PostReport, PostError> {
        if let Some(report) = self.tend(id, coins)? {
            return Ok(report);
        }
        let own = self.operator_key.public_key();
        let pool = coins.spendable();
        let post = plan_post(&PostPlan {
            envelope: &envelope(own)?,
            key: own,
            coins: &pool,
            rate,
            change_script: coins.script(),
        })?;
        let inputs: Vec<_> = (0..post.commit().input.len())
            .map(|input| self.operator_key.sign_key_path(&post.commit_sighash(input), None))
            .collect();
        let [commit, reveal] = post.finalise(&inputs, &self.operator_key.sign_plain(&post.reveal_sighash()));
        let posted = Posted { commit, reveal };
        self.journal.put(&key(id), &posted.encode())?;
        coins.reserve(&key(id), posted.coins());
        self.send(&posted)
    }

    /// Sends the envelope called `id` again, if it is written down and not in a block. `None` if it is not, or
    /// its commit can never be mined any more.
    ///
    /// # Errors
    /// [`PostError::Journal`], [`PostError::Client`].
    pub fn tend(&self, id: &[u8; 32], coins: &mut CoinBook) -> Result<Option<PostReport>, PostError> {
        let key = key(id);
        let Some(bytes) = self.journal.get(&key)? else {
            return Ok(None);
        };
        let posted = Posted::decode(&key, &bytes)?;
        let report = self.send(&posted)?;
        if report.stuck.is_some() && self.is_lost(&posted)? {
            self.journal.delete(&key)?;
            coins.release(&key);
            return Ok(None);
        }
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

    fn is_there(&self, txid: Txid) -> Result<bool, ClientError> {
        let output = OutPoint { txid, vout: 0 };
        Ok(self.client.unspent(&output, false)?.is_some() || self.client.mempool_entry(&txid)?.is_some())
    }

    /// Sends what the node has not; a refusal is said in the report.
    fn send(&self, posted: &Posted) -> Result<PostReport, PostError> {
        let reveal = posted.reveal.compute_txid();
        if self.is_there(reveal)? {
            return Ok(PostReport { reveal, stuck: None });
        }
        for tx in [&posted.commit, &posted.reveal] {
            if self.is_there(tx.compute_txid())? {
                continue;
            }
            match self.client.send(tx) {
                Ok(_) => {}
                Err(error @ ClientError::Rejected { .. }) => {
                    let stuck = Some(error.to_string());
                    return Ok(PostReport { reveal, stuck });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(PostReport { reveal, stuck: None })
    }

    /// Whether the commit is nowhere, and one of its coins is spent elsewhere.
    fn is_lost(&self, posted: &Posted) -> Result<bool, ClientError> {
        if self.is_there(posted.commit.compute_txid())? {
            return Ok(false);
        }
        for coin in posted.coins() {
            if self.client.unspent(&coin, true)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
