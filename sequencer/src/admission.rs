//! The rules of the mempool, cheap ones first, the proof last.
//!
//! | step | rule | error |
//! |---|---|---|
//! | 1 | at most [`MAX_TRANSFER_BYTES`] | `TooLarge` |
//! | 2 | strict encoding, flags included | `Malformed` |
//! | 3 | nullifiers not zero, not equal; fee in the table | `ZeroNullifier`, `RepeatedNullifier`, `UnknownFee` |
//! | – | a transfer accepted before is accepted again | |
//! | 4 | fee at least the floor | `FeeTooLow` |
//! | 5 | not expired for the next batch, not beyond the horizon, rounded | `Expired`, `ExpiryTooFar`, `ExpiryNotRounded` |
//! | 6 | the exit's fee limit covers its share at the lowest rate | `ExitFeeTooLow` |
//! | 7 | nullifiers unspent on Bitcoin and in sealed batches | `Spent` |
//! | 8 | nullifiers not spent by another waiting transfer | `Conflict` |
//! | 9 | the anchor is a recorded state, and recent | `UnknownAnchor`, `StaleAnchor` |
//! | 10 | there is room | `MempoolFull` |
//! | 11 | these bytes were not refused before | `KnownBadProof` |
//! | 12 | the proof verifies | `BadProof` |
//!
//! An anchor is recent if its state was the latest one at some time within the last
//! [`Policy::anchor_window`] blocks: `S_a` is, if it is the latest still, or if batch `a + 1` is at
//! most that deep. States that are only sealed are newer than any on Bitcoin.
//!
//! The floor is one for all transfers, so it has to pay for the longest: exits and memos cost nothing
//! extra, for fees by size would tell transfers apart.
//!
//! Rounded expiries are a mempool rule, not a rule of batches: they keep wallets from standing out.
//! The last batch number there is counts as rounded.

use std::collections::{HashSet, VecDeque};

use tacit_protocol::encoding::Decode;
use tacit_protocol::field;
use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::ledger;
use tacit_protocol::note::Nullifier;
use tacit_protocol::transfer::{self, Transfer, TransferBody, TransferId, TransferRule};
use tacit_protocol::tree::{BATCH_LIMIT, nullifiers};
use tacit_protocol::{Amount, DecodeError, F};
use tacit_verifier::transfer::{TransferError, verify_transfer};
use tacit_verifier::{Rules, VerifiedTransfer};
use thiserror::Error;

use crate::config::Policy;
use crate::halt::Halt;
use crate::mempool::{Full, Mempool};

/// Bytes of the longest transfer; its anchor takes three bytes, one in a batch.
pub const MAX_TRANSFER_BYTES: usize = transfer::MAX_TRANSFER_BYTES + 2;

/// The rule by which a transfer is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AdmissionError {
    /// Too many bytes.
    #[error("the transfer has {size} bytes, the limit is {MAX_TRANSFER_BYTES}")]
    TooLarge {
        /// Bytes given.
        size: usize,
    },
    /// Not the bytes of a transfer.
    #[error("the transfer does not decode: {0}")]
    Malformed(DecodeError),
    /// A nullifier is zero.
    #[error("a nullifier is zero")]
    ZeroNullifier,
    /// The two nullifiers are equal.
    #[error("the two nullifiers are equal")]
    RepeatedNullifier,
    /// The fee byte points outside the table.
    #[error("fee code {0} is not in the chain's fee table")]
    UnknownFee(u8),
    /// The fee is below the floor.
    #[error("the fee of {fee} is below the minimum of {minimum}")]
    FeeTooLow {
        /// The fee.
        fee: Amount,
        /// The floor.
        minimum: Amount,
    },
    /// The next batch is past the expiry.
    #[error("the transfer expired with batch {expiry}, the next is {next}")]
    Expired {
        /// The last batch that may include it.
        expiry: u32,
        /// The next batch.
        next: u32,
    },
    /// The expiry is further ahead than this mempool keeps transfers.
    #[error("the expiry {expiry} is beyond {limit}")]
    ExpiryTooFar {
        /// The expiry.
        expiry: u32,
        /// The highest accepted now.
        limit: u32,
    },
    /// The expiry is not a multiple of the step.
    #[error("the expiry {expiry} is not a multiple of {step}")]
    ExpiryNotRounded {
        /// The expiry.
        expiry: u32,
        /// The step.
        step: u32,
    },
    /// The exit would wait for a very low fee rate, perhaps for ever.
    #[error("the exit allows a fee of {limit}, at least {needed} is needed")]
    ExitFeeTooLow {
        /// The exit's limit.
        limit: Amount,
        /// The share at the lowest rate accepted.
        needed: Amount,
    },
    /// A note is spent already.
    #[error("nullifier {0} is spent already")]
    Spent(Nullifier),
    /// A waiting transfer spends the same note.
    #[error("nullifier {nullifier} is being spent by transfer {by}")]
    Conflict {
        /// The nullifier.
        nullifier: Nullifier,
        /// The transfer that came first.
        by: TransferId,
    },
    /// The anchor names no recorded state.
    #[error("anchor {0} is not a recorded state")]
    UnknownAnchor(u32),
    /// The anchor is too old.
    #[error("anchor {anchor} is too old, the oldest accepted is {oldest}")]
    StaleAnchor {
        /// The anchor.
        anchor: u32,
        /// The oldest state accepted.
        oldest: u32,
    },
    /// No room beside what was promised; a higher fee does not make any.
    #[error("the mempool is full of {waiting} promised transfers; batch {next} makes room")]
    MempoolFull {
        /// How many transfers wait.
        waiting: usize,
        /// The next batch to seal.
        next: u32,
    },
    /// These very bytes were refused before.
    #[error("these bytes were refused before: the proof does not verify")]
    KnownBadProof,
    /// The proof.
    #[error(transparent)]
    BadProof(TransferError),
    /// No batch will ever follow.
    #[error("all batch numbers are used")]
    EndOfChain,
    /// The sequencer has not caught up with Bitcoin.
    #[error("the sequencer is still following Bitcoin; try again later")]
    NotSynced,
    /// The sequencer stopped acting.
    #[error(transparent)]
    Halted(Halt),
    /// The store failed; nothing was accepted.
    #[error(transparent)]
    Store(#[from] KvError),
}

impl AdmissionError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::Malformed(_) => "malformed",
            Self::ZeroNullifier => "zero-nullifier",
            Self::RepeatedNullifier => "repeated-nullifier",
            Self::UnknownFee(_) => "unknown-fee",
            Self::FeeTooLow { .. } => "fee-too-low",
            Self::Expired { .. } => "expired",
            Self::ExpiryTooFar { .. } => "expiry-too-far",
            Self::ExpiryNotRounded { .. } => "expiry-not-rounded",
            Self::ExitFeeTooLow { .. } => "exit-fee-too-low",
            Self::Spent(_) => "spent",
            Self::Conflict { .. } => "conflict",
            Self::UnknownAnchor(_) => "unknown-anchor",
            Self::StaleAnchor { .. } => "stale-anchor",
            Self::MempoolFull { .. } => "mempool-full",
            Self::KnownBadProof => "known-bad-proof",
            Self::BadProof(_) => "bad-proof",
            Self::EndOfChain => "end-of-chain",
            Self::NotSynced => "not-synced",
            Self::Halted(_) => "halted",
            Self::Store(_) => "storage",
        }
    }
}

impl From<TransferRule> for AdmissionError {
    fn from(rule: TransferRule) -> Self {
        match rule {
            TransferRule::RepeatedNullifier => Self::RepeatedNullifier,
            TransferRule::ZeroNullifier => Self::ZeroNullifier,
            TransferRule::UnknownFee(code) => Self::UnknownFee(code),
        }
    }
}

/// What the sequencer promises: the content of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The transfer.
    pub txid: TransferId,
    /// Its nullifiers.
    pub nf: [Nullifier; 2],
    /// The batch it should go into.
    pub target_batch: u32,
}

/// A transfer that passed every rule but the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub(crate) bytes: Vec<u8>,
    pub(crate) transfer: Transfer,
    pub(crate) id: TransferId,
    pub(crate) fee: Amount,
    pub(crate) anchor_root: F,
}

impl Candidate {
    /// Checks the proof: the one expensive step, which needs no sequencer and so no lock.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn verify(&self, rules: &Rules) -> Result<VerifiedTransfer, TransferError> {
        verify_transfer(rules, self.transfer.clone(), self.anchor_root)
    }

    /// Its identifier.
    #[must_use]
    pub fn id(&self) -> TransferId {
        self.id
    }
}

/// The outcome of the cheap rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// The transfer was accepted before.
    Known(Accepted),
    /// Only its proof is left to check.
    Fresh(Box<Candidate>),
}

/// What the rules look at.
pub(crate) struct Context<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) policy: &'a Policy,
    /// The state after the last sealed batch.
    pub(crate) view: &'a dyn KvRead,
    /// The next batch.
    pub(crate) next: u32,
    /// The oldest recent state.
    pub(crate) oldest_anchor: u32,
    pub(crate) mempool: &'a Mempool,
    pub(crate) refusals: &'a Refusals,
}

/// Steps 1 to 3: a transfer with its identifier.
pub(crate) fn decode(rules: &Rules, bytes: &[u8]) -> Result<(Transfer, TransferId), AdmissionError> {
    if bytes.len() > MAX_TRANSFER_BYTES {
        return Err(AdmissionError::TooLarge { size: bytes.len() });
    }
    let transfer = Transfer::decode(bytes).map_err(AdmissionError::Malformed)?;
    transfer.body.check(rules.params())?;
    let id = transfer.body.id(rules.params())?;
    Ok((transfer, id))
}

/// Steps 4 to 11.
pub(crate) fn screen(
    context: &Context<'_>,
    bytes: &[u8],
    transfer: Transfer,
    id: TransferId,
) -> Result<Candidate, AdmissionError> {
    let body = &transfer.body;
    let fee = body.fee_amount(context.rules.params())?;
    if fee < context.policy.min_fee {
        return Err(AdmissionError::FeeTooLow {
            fee,
            minimum: context.policy.min_fee,
        });
    }
    check_expiry(context, body.expiry)?;
    check_exit(context.policy, body)?;
    for nf in &body.nf {
        if nullifiers::contains(context.view, nf)? {
            return Err(AdmissionError::Spent(*nf));
        }
        if let Some(by) = context.mempool.spender(nf) {
            return Err(AdmissionError::Conflict { nullifier: *nf, by });
        }
    }
    let anchor_root = check_anchor(context, transfer.anchor)?;
    let next = context.next;
    let full = |Full { waiting }| AdmissionError::MempoolFull { waiting, next };
    context.mempool.check_room(bytes.len()).map_err(full)?;
    if context.refusals.contains(bytes, &anchor_root) {
        return Err(AdmissionError::KnownBadProof);
    }
    Ok(Candidate {
        bytes: bytes.to_vec(),
        transfer,
        id,
        fee,
        anchor_root,
    })
}

fn check_expiry(context: &Context<'_>, expiry: u32) -> Result<(), AdmissionError> {
    let (next, policy) = (context.next, context.policy);
    if next >= BATCH_LIMIT {
        return Err(AdmissionError::EndOfChain);
    }
    if expiry < next {
        return Err(AdmissionError::Expired { expiry, next });
    }
    let limit = next.saturating_add(policy.expiry_horizon);
    if expiry > limit {
        return Err(AdmissionError::ExpiryTooFar { expiry, limit });
    }
    let step = policy.expiry_step.max(1);
    // The last batch of all is as common a choice as any multiple.
    let rounded = expiry.is_multiple_of(step) || expiry == BATCH_LIMIT - 1;
    if rounded {
        Ok(())
    } else {
        Err(AdmissionError::ExpiryNotRounded { expiry, step })
    }
}

fn check_exit(policy: &Policy, body: &TransferBody) -> Result<(), AdmissionError> {
    let Some(exit) = &body.exit else { return Ok(()) };
    let (limit, needed) = (
        exit.max_l1_fee(),
        policy.min_exit_rate.payout_share(exit.script()),
    );
    if limit < needed {
        Err(AdmissionError::ExitFeeTooLow { limit, needed })
    } else {
        Ok(())
    }
}

/// The notes root of a recent anchor.
fn check_anchor(context: &Context<'_>, anchor: u32) -> Result<F, AdmissionError> {
    if anchor >= context.next {
        return Err(AdmissionError::UnknownAnchor(anchor));
    }
    if anchor < context.oldest_anchor {
        return Err(AdmissionError::StaleAnchor {
            anchor,
            oldest: context.oldest_anchor,
        });
    }
    let state = ledger::state(context.view, anchor)?;
    Ok(state.ok_or(AdmissionError::UnknownAnchor(anchor))?.notes_root)
}

/// Bytes whose proof was refused, the latest ones, each with the root it was checked against.
///
/// Whole bytes are kept, not hashes, so no two submissions can be mistaken for each other.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    limit: usize,
    known: HashSet<Vec<u8>>,
    order: VecDeque<Vec<u8>>,
}

impl Refusals {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// The root has a fixed length, so the two parts cannot run into each other.
    fn key(bytes: &[u8], anchor_root: &F) -> Vec<u8> {
        let mut key = field::to_bytes(anchor_root).to_vec();
        key.extend_from_slice(bytes);
        key
    }

    pub(crate) fn contains(&self, bytes: &[u8], anchor_root: &F) -> bool {
        self.known.contains(&Self::key(bytes, anchor_root))
    }

    pub(crate) fn insert(&mut self, bytes: &[u8], anchor_root: &F) {
        let key = Self::key(bytes, anchor_root);
        if self.limit == 0 || !self.known.insert(key.clone()) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
