//! What a member of the federation checks before it signs.
//!
//! A [`Judge`] never sees the coordinator's transaction. It takes names ([`Proposal`]), looks each of
//! them up in its own view of the chain, builds the transaction from that, and judges it by the rules
//! that every follower enforces and by its own policy. Refusals are typed and carry a stable code; most
//! are about the moment and are judged anew each time, a few can never become right and are remembered for
//! a while, so that they cost nothing.
//! Specification: `docs/spec/federation.md`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bitcoin::{OutPoint, TxOut, XOnlyPublicKey};
use tacit_protocol::Amount;
use tacit_protocol::encoding::DecodeError;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::vault::{Handover, PlanError, UnsignedVaultTx};
use thiserror::Error;

use super::{SignError, check_proposal};
use crate::journal::JournalError;
use crate::proposal::{DeriveError, Proposal};
use crate::vault::{VaultSnapshot, VaultView, ViewError};
use crate::watcher::{DepositError, Registration};

/// Proposals refused for good that are remembered; older ones are judged again, with the same outcome.
const MOST_REMEMBERED: usize = 1_024;

/// The state as a signer needs it, beyond the vault's.
pub trait SignerView: VaultView {
    /// Checks the terms of a deposit against the chain and keeps them.
    ///
    /// # Errors
    /// [`DepositError`].
    fn admit(&self, registration: Registration) -> Result<(), DepositError>;

    /// A confirmed unspent output.
    ///
    /// # Errors
    /// [`ViewError`].
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<TxOut>, ViewError>;

    /// What was paid out in the last `blocks` blocks.
    ///
    /// # Errors
    /// [`ViewError`].
    fn paid_out(&self, blocks: u32) -> Result<Amount, ViewError>;
}

/// The most that may leave the vault within a number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutflowCap {
    /// How much.
    pub amount: CapAmount,
    /// Blocks.
    pub blocks: u32,
}

/// How much may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapAmount {
    /// This much, whatever the vault holds.
    Fixed(Amount),
    /// A quarter of what the vault held before anything left, and at least [`CapAmount::LEAST_SHARE`].
    Share,
}

impl CapAmount {
    /// What a share is never below, in satoshi: small vaults are not worth a delay.
    pub const LEAST_SHARE: u64 = 10_000_000;

    /// What part of the vault a share is.
    const SHARE_DIVISOR: u64 = 4;

    /// The cap for a vault that held this.
    fn of(self, held: Amount) -> Option<Amount> {
        match self {
            Self::Fixed(amount) => Some(amount),
            Self::Share => {
                let share = held.to_sat() / Self::SHARE_DIVISOR;
                Amount::from_sat(share.max(Self::LEAST_SHARE)).ok()
            }
        }
    }
}

/// What a signer is willing to sign, beyond the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningPolicy {
    /// The highest rate that users may be charged, and the whole transaction may pay.
    pub ceiling: FeeRate,
    /// Delays payouts above it; `None` for no limit.
    pub outflow: Option<OutflowCap>,
}

/// Why a member does not sign a proposal.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are no proposal.
    #[error("the bytes are no proposal: {0}")]
    Malformed(DecodeError),
    /// Its operator paused it.
    #[error("paused by its operator: {0}")]
    Paused(String),
    /// It has not caught up with Bitcoin.
    #[error("at block {height}, its bitcoind is at {target}; it signs once it has caught up")]
    Behind {
        /// Where it is.
        height: u32,
        /// Where its bitcoind is.
        target: u32,
    },
    /// Its own state forbids any signature.
    #[error("signing is halted: {0}")]
    Halted(String),
    /// It cannot read its own state.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Its disk failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The vault's tip is elsewhere.
    #[error("it spends vault tip {proposed}, the tip here is {own}")]
    Tip {
        /// In the proposal.
        proposed: OutPoint,
        /// Here.
        own: OutPoint,
    },
    /// A deposit that does not pay to the terms it is said to.
    #[error("deposit {0} is not bound to the note and refund key it is said to be")]
    DepositTerms(OutPoint),
    /// A deposit that may not be swept now.
    #[error("deposit {outpoint} may not be swept now: {reason}")]
    Deposit {
        /// Which.
        outpoint: OutPoint,
        /// Why.
        reason: String,
    },
    /// A withdrawal that is unknown, paid, or not to be paid now.
    #[error("withdrawal {index} may not be paid now: {reason}")]
    Withdrawal {
        /// Which.
        index: u64,
        /// Why.
        reason: String,
    },
    /// A withdrawal that could be paid comes before one that is.
    #[error("withdrawal {0} is eligible and earlier, but not paid")]
    Skipped(u64),
    /// The rate is above policy.
    #[error("a rate of {rate} sat/kWU is above the ceiling of {ceiling}")]
    Rate {
        /// Proposed.
        rate: u32,
        /// The most.
        ceiling: u32,
    },
    /// An operator coin that is none.
    #[error("coin {0} is no confirmed unspent output of the operator")]
    Coin(OutPoint),
    /// What it names gives another transaction.
    #[error("what it names gives another transaction than {0}: an output or amount was altered")]
    Altered(bitcoin::Txid),
    /// A rule of the vault would be broken.
    #[error("the transaction breaks a rule: {0}")]
    Rule(String),
    /// Too much would leave in too few blocks.
    #[error(
        "{leaving} would leave the vault within {blocks} blocks, the cap is {cap}; it can be paid later, \
         or once the operator of this signer raises `outflow_cap`"
    )]
    Outflow {
        /// Paid in the window, and this.
        leaving: Amount,
        /// The most.
        cap: Amount,
        /// The window.
        blocks: u32,
    },
    /// It was refused for good before.
    #[error("refused for good before: {0}")]
    Before(String),
    /// The signing round itself went wrong.
    #[error("{0}")]
    Round(String),
    /// Nothing in it is this member's to sign.
    #[error(
        "no input belongs to the key {0}, of which this member has a share; ask the federation that has the others"
    )]
    NotOurs(Box<XOnlyPublicKey>),
    /// Its operator did not consent to a handover, or not for so long.
    #[error("its operator did not consent to {0}; he does so by `tacit federation consent`")]
    Consent(String),
    /// It was judged at another block, so it could be mined where its rules do not hold.
    #[error("it was judged at block {proposed}, here it is block {own}")]
    Height {
        /// In the proposal.
        proposed: u32,
        /// Here.
        own: u32,
    },
    /// It may not be handed over now.
    #[error("it may not be handed over now: {0}")]
    Handover(String),
    /// A handover comes before anything else.
    #[error(
        "its operator consented to {0}, which can be handed over now and comes first; if it is not meant any more, \
         he takes it back by `tacit federation consent withdraw`"
    )]
    HandoverFirst(String),
    /// An epoch that is not this member's to sign.
    #[error("this epoch is not its to sign: {0}")]
    Succession(String),
}

impl Refusal {
    /// The code of [`Self::Outflow`].
    pub const OUTFLOW: u16 = 16;

    /// A stable number for it.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) => 1,
            Self::Paused(_) => 2,
            Self::Behind { .. } => 3,
            Self::Halted(_) => 4,
            Self::View(_) => 5,
            Self::Journal(_) => 6,
            Self::Tip { .. } => 7,
            Self::DepositTerms(_) => 8,
            Self::Deposit { .. } => 9,
            Self::Withdrawal { .. } => 10,
            Self::Skipped(_) => 11,
            Self::Rate { .. } => 12,
            Self::Coin(_) => 13,
            Self::Altered(_) => 14,
            Self::Rule(_) => 15,
            Self::Outflow { .. } => Self::OUTFLOW,
            Self::Before(_) => 17,
            Self::Round(_) => 18,
            Self::NotOurs(_) => 19,
            Self::Consent(_) => 20,
            Self::Handover(_) => 21,
            Self::Height { .. } => 22,
            Self::Succession(_) => 23,
            Self::HandoverFirst(_) => 24,
        }
    }

    /// Whether the same proposal can never become right: what it says contradicts what is on the chain
    /// under names that have one meaning only. Everything else is about the moment.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::DepositTerms(_) | Self::Altered(_) | Self::Before(_))
    }

    /// Whether the next block may settle it: this signer may have seen one less than whoever asks.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Behind { .. }
                | Self::Tip { .. }
                | Self::Deposit { .. }
                | Self::Withdrawal { .. }
                | Self::Coin(_)
                | Self::Handover(_)
                | Self::Succession(_)
                | Self::Height { .. }
        )
    }
}

impl From<DeriveError> for Refusal {
    fn from(error: DeriveError) -> Self {
        match error {
            DeriveError::Height { proposed, own } => Self::Height { proposed, own },
            DeriveError::Tip { proposed, own } => Self::Tip { proposed, own },
            DeriveError::Deposit(outpoint) => Self::Deposit {
                outpoint,
                reason: "it is not deep enough, spent, or too near its refund".into(),
            },
            DeriveError::Terms(outpoint) => Self::DepositTerms(outpoint),
            DeriveError::Withdrawal(index) => Self::Withdrawal {
                index,
                reason: "it is unknown here, or paid".into(),
            },
            DeriveError::Coin(outpoint) => Self::Coin(outpoint),
            DeriveError::Plan(PlanError::Held { index, reason }) => Self::Withdrawal {
                index,
                reason: reason.to_string(),
            },
            DeriveError::Change | DeriveError::Plan(_) => Self::Rule(error.to_string()),
            DeriveError::Altered { proposed, .. } => Self::Altered(proposed),
        }
    }
}

impl From<SignError> for Refusal {
    fn from(error: SignError) -> Self {
        match error {
            SignError::View(error) => Self::View(error),
            SignError::Halted(reason) => Self::Halted(reason),
            SignError::RateCeiling { q, ceiling } => Self::Rate { rate: q, ceiling },
            SignError::Deposit(outpoint) => Self::Deposit {
                outpoint,
                reason: "it is not one that this signer may sweep".into(),
            },
            SignError::Skipped(index) => Self::Skipped(index),
            SignError::LockTime { lock, height } => Self::Height {
                proposed: lock,
                own: height,
            },
            SignError::Fault(_)
            | SignError::Role(_)
            | SignError::Key { .. }
            | SignError::NoSigner { .. }
            | SignError::TooFew { .. }
            | SignError::Outflow(_) => Self::Rule(error.to_string()),
        }
    }
}

/// Judges proposals by one view of the chain and one policy.
pub struct Judge {
    view: Arc<dyn SignerView>,
    policy: SigningPolicy,
    /// Digests of proposals refused for good, with the reason; the oldest first.
    refused: Mutex<VecDeque<([u8; 32], String)>>,
}

impl Judge {
    /// A judge.
    #[must_use]
    pub fn new(view: Arc<dyn SignerView>, policy: SigningPolicy) -> Self {
        Self {
            view,
            policy,
            refused: Mutex::default(),
        }
    }

    fn refused(&self) -> MutexGuard<'_, VecDeque<([u8; 32], String)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view's own state does not forbid every signature.
    ///
    /// # Errors
    /// [`Refusal::View`], [`Refusal::Halted`].
    pub fn require_sound(&self) -> Result<(), Refusal> {
        match self.view.snapshot()?.halted() {
            Some(reason) => Err(Refusal::Halted(reason.to_owned())),
            None => Ok(()),
        }
    }

    /// Whether the chain allows this handover now.
    ///
    /// # Errors
    /// [`Refusal::View`].
    pub fn allows(&self, handover: &Handover) -> Result<bool, Refusal> {
        Ok(self.view.snapshot()?.allows(handover))
    }

    /// The transaction that the proposal stands for, if this signer is willing to sign it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, proposal: &Proposal) -> Result<UnsignedVaultTx, Refusal> {
        let digest = proposal.digest();
        if let Some((_, reason)) = self.refused().iter().find(|(known, _)| *known == digest) {
            return Err(Refusal::Before(reason.clone()));
        }
        let judged = self.judge_anew(proposal);
        if let Err(refusal) = &judged
            && refusal.is_permanent()
        {
            let mut refused = self.refused();
            if refused.len() == MOST_REMEMBERED {
                refused.pop_front();
            }
            refused.push_back((digest, refusal.to_string()));
        }
        judged
    }

    fn judge_anew(&self, proposal: &Proposal) -> Result<UnsignedVaultTx, Refusal> {
        let ceiling = self.policy.ceiling;
        let rates = proposal.rates();
        let rate = rates.shares.max(rates.whole);
        if rate > ceiling {
            let (rate, ceiling) = (rate.sat_per_kwu(), ceiling.sat_per_kwu());
            return Err(Refusal::Rate { rate, ceiling });
        }
        for &registration in proposal.deposits() {
            self.admit(registration)?;
        }
        let snapshot = self.view.snapshot()?;
        if let Some(reason) = snapshot.halted() {
            return Err(Refusal::Halted(reason.to_owned()));
        }
        let nothing = proposal.deposits().is_empty() && proposal.withdrawals().is_empty();
        if let Some(handover) = proposal.handover() {
            check_handover(&handover, &snapshot)?;
        } else if nothing && !snapshot.refresh_due() {
            return Err(Refusal::Rule(
                "there is nothing to sweep or pay, and the vault need not be refreshed yet".into(),
            ));
        }
        let unsigned = proposal.derive(&snapshot, |coin| self.view.coin(coin))??;
        check_proposal(&unsigned, &snapshot, ceiling)?;
        self.check_outflow(&unsigned, proposal)?;
        Ok(unsigned)
    }

    fn admit(&self, registration: Registration) -> Result<(), Refusal> {
        let outpoint = registration.outpoint;
        match self.view.admit(registration) {
            Ok(()) => Ok(()),
            Err(DepositError::Terms(outpoint)) => Err(Refusal::DepositTerms(outpoint)),
            Err(DepositError::Journal(error)) => Err(error.into()),
            Err(DepositError::View(error)) => Err(error.into()),
            Err(
                error @ (DepositError::Unconfirmed(_)
                | DepositError::NotFound(_)
                | DepositError::TooSmall { .. }
                | DepositError::Unregistered(_)
                | DepositError::Client(_)),
            ) => Err(Refusal::Deposit {
                outpoint,
                reason: error.to_string(),
            }),
        }
    }

    /// What leaves with this transaction and left shortly before, against the cap.
    fn check_outflow(&self, unsigned: &UnsignedVaultTx, proposal: &Proposal) -> Result<(), Refusal> {
        let Some(OutflowCap { amount, blocks }) = self.policy.outflow else {
            return Ok(());
        };
        let payouts = &unsigned.tx().output[2..2 + proposal.withdrawals().len()];
        let overflow = || Refusal::Rule("a sum overflows".into());
        let before = self.view.paid_out(blocks)?;
        let held = Amount::from_sat(unsigned.prevouts()[0].value.to_sat()).map_err(|_| overflow())?;
        let held = held.checked_add(before).ok_or_else(overflow)?;
        let cap = amount.of(held).ok_or_else(overflow)?;
        let mut leaving = before;
        for payout in payouts {
            let sats = Amount::from_sat(payout.value.to_sat()).map_err(|_| overflow())?;
            leaving = leaving.checked_add(sats).ok_or_else(overflow)?;
        }
        // One alone may be above the cap, once nothing else left for a whole window: it has no other way.
        let alone = payouts.len() == 1 && before == Amount::ZERO;
        if leaving > cap && !payouts.is_empty() && !alone {
            return Err(Refusal::Outflow { leaving, cap, blocks });
        }
        Ok(())
    }
}

/// The chain allows it. Whether the operator does is asked by whoever has the operator's word.
fn check_handover(handover: &Handover, snapshot: &VaultSnapshot) -> Result<(), Refusal> {
    if snapshot.allows(handover) {
        return Ok(());
    }
    Err(Refusal::Handover(match handover {
        Handover::Vault(epoch) => {
            format!("epoch {epoch} was not announced as the next one, or is not deep enough")
        }
        Handover::Anchor(_) => "the anchor chain has not failed".into(),
    }))
}

#[cfg(test)]
mod tests;
