//! Sending: select, build, sign, prove, remember, hand in.
//!
//! A transfer is saved before it leaves the machine, so a crash or a lost connection never makes the
//! wallet spend a note twice: the next sync finds out what became of it. When the node finds the
//! anchor too old, the same signed body is proven again against the latest state. A refusal is only the
//! node's word, so the next payment spends the same notes: `refused.rs`.

use rand_core::CryptoRngCore;
use tacit_protocol::Amount;
use tacit_protocol::note::{Note, Position};
use tacit_protocol::peg::ExitScript;
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_protocol::tree::{MerklePath, subtree_path};
use thiserror::Error;

use crate::api::{ApiError, FeeEstimate, NodeApi, Receipt};
use crate::builder::exit::{fee_limit, parse_address};
use crate::builder::{Payment, Plan, SignedTransfer, build};
use crate::db::{EventKind, MemoRecord, Outgoing};
use crate::prover::TransferProver;
use crate::select::{self, AnchorView, Candidate, Selection, choose_anchor, expiry_after};
use crate::wallet::{Wallet, WalletError};

/// Why a transfer was not sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// The money stands in too many notes, or notes of refused transfers are in the way.
    #[error(
        "the payment needs more than two notes, counting those of refused transfers that could still \
         be included: merge first, by {transfers} transfers to yourself that cost {fees} in all, then send"
    )]
    NeedsMerge {
        /// Merges needed.
        transfers: usize,
        /// Fees of all merges.
        fees: Amount,
    },
    /// The node asks for more than the user allows.
    #[error("the node asks for a fee of {fee}, the limit is {limit}; raise the limit or ask another node")]
    FeeAboveLimit {
        /// The fee.
        fee: Amount,
        /// The user's limit.
        limit: Amount,
    },
    /// A note is gone or spent since it was chosen.
    #[error("the notes changed while the transfer was made; nothing was sent, try again")]
    Changed,
    /// The sequencer's promise does not hold water.
    #[error(
        "the receipt of transfer {txid} is not signed by the sequencer in office or is about something else; \
         the transfer was handed in, sync shows whether it is included"
    )]
    BadReceipt {
        /// The transfer.
        txid: TransferId,
    },
    /// The node says that it did not take it.
    #[error(
        "{error}. Transfer {txid} counts as not sent. If the node kept it all the same, it could be \
         included until batch {until} is final; so your next payment spends the same notes, and \
         only one of the two can count"
    )]
    Refused {
        /// The transfer.
        txid: TransferId,
        /// Why, in the node's words.
        error: ApiError,
        /// Last batch that could include it.
        until: u32,
    },
    /// Nobody knows whether the node has it.
    #[error(
        "transfer {txid} was handed in and no answer came ({error}); it is saved, \
         sync finds out or hands it in again"
    )]
    Unanswered {
        /// The transfer.
        txid: TransferId,
        /// What went wrong.
        error: ApiError,
    },
}

/// What sending needs from outside.
pub struct Session<'a> {
    /// The node.
    pub api: &'a dyn NodeApi,
    /// Who proves.
    pub prover: &'a dyn TransferProver,
    /// Randomness.
    pub rng: &'a mut dyn CryptoRngCore,
    /// Seconds since 1970.
    pub now: u64,
    /// The highest fee the user accepts.
    pub max_fee: Option<Amount>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A transfer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Identifier.
    pub txid: TransferId,
    /// Refused transfers that it shares a note with: at most one of them all is included.
    pub replaces: Vec<TransferId>,
    /// Amount that left.
    pub amount: Amount,
    /// Fee.
    pub fee: Amount,
    /// What comes back.
    pub change: Amount,
    /// The batch it was proven against.
    pub anchor: u32,
    /// The sequencer's promise.
    pub receipt: Receipt,
}

/// The highest number of proofs made for one transfer.
const ATTEMPTS: usize = 3;

impl Wallet {
    /// Sends a payment or a withdrawal.
    ///
    /// # Errors
    /// [`WalletError`]; [`SendError::NeedsMerge`] if [`Wallet::merge_for`] has to be called first.
    pub fn send(&mut self, session: &mut Session<'_>, payment: &Payment) -> Result<Sent, WalletError> {
        let fee = self.fee(session)?;
        match self.select(payment, fee.fee)? {
            Selection::Direct(inputs) => self.send_from(session, &inputs, payment, fee.fee_code),
            Selection::Merge(plan) => {
                let (transfers, fees) = (plan.transfers, plan.fees);
                Err(SendError::NeedsMerge { transfers, fees }.into())
            }
        }
    }

    /// Merges notes as far as it can be done now, so that `payment` can be sent later: call it again
    /// after a batch and a sync, until it sends nothing.
    ///
    /// # Errors
    /// [`WalletError`]; merges sent before the error stay sent.
    pub fn merge_for(
        &mut self,
        session: &mut Session<'_>,
        payment: &Payment,
    ) -> Result<Vec<Sent>, WalletError> {
        let fee = self.fee(session)?;
        match self.select(payment, fee.fee)? {
            Selection::Direct(_) => Ok(Vec::new()),
            Selection::Merge(plan) => plan
                .now
                .iter()
                .map(|notes| self.send_from(session, notes, &Payment::Merge, fee.fee_code))
                .collect(),
        }
    }

    /// A withdrawal to a Bitcoin address, with a limit for the miner's fee that leaves room for rates
    /// to rise unless one is given.
    ///
    /// # Errors
    /// [`WalletError::Exit`], [`WalletError::Api`].
    pub fn withdrawal(
        &self,
        api: &dyn NodeApi,
        address: &str,
        amount: Amount,
        max_l1_fee: Option<Amount>,
    ) -> Result<Payment, WalletError> {
        let to: ExitScript = parse_address(address, self.params.genesis().network)?;
        let rate = api.fee_estimate()?.bitcoin_rate;
        let max_l1_fee = fee_limit(amount, &to, rate, max_l1_fee)?;
        Ok(Payment::Withdraw {
            amount,
            to,
            max_l1_fee,
        })
    }

    fn select(&self, payment: &Payment, fee: Amount) -> Result<Selection, WalletError> {
        let (notes, rivals) = (self.spendable(), self.rivals());
        Ok(select::select_against(&notes, &rivals, payment.amount(), fee)?)
    }

    /// The fee to pay, checked against the chain's table and the user's limit.
    fn fee(&self, session: &Session<'_>) -> Result<FeeEstimate, WalletError> {
        let estimate = session.api.fee_estimate()?;
        if self.params.fee(estimate.fee_code) != Some(estimate.fee) {
            let text = format!(
                "fee code {} is not {} in chain.json",
                estimate.fee_code, estimate.fee
            );
            return Err(ApiError::BadAnswer(text).into());
        }
        match session.max_fee {
            Some(limit) if estimate.fee > limit => Err(SendError::FeeAboveLimit {
                fee: estimate.fee,
                limit,
            }
            .into()),
            Some(_) | None => Ok(estimate),
        }
    }

    /// The notes that were chosen, if they are still unspent.
    pub(crate) fn notes(&self, candidates: &[Candidate]) -> Result<Vec<(Note, Position)>, SendError> {
        let unspent = |c: &Candidate| {
            let record = self.db.notes.get(&c.position.to_u64())?;
            record
                .spent
                .is_none()
                .then(|| (record.note(self.keys.viewing()), c.position))
        };
        let notes: Option<Vec<_>> = candidates.iter().map(unspent).collect();
        notes.ok_or(SendError::Changed)
    }

    fn send_from(
        &mut self,
        session: &mut Session<'_>,
        candidates: &[Candidate],
        payment: &Payment,
        fee: u8,
    ) -> Result<Sent, WalletError> {
        let inputs = self.notes(candidates)?;
        let plan = Plan {
            inputs: &inputs,
            payment,
            fee,
            expiry: expiry_after(self.db.tip()),
        };
        let signed = build(&self.keys, &self.params, &plan, session.rng)?;
        let replaces = self.replaced_by(&inputs);
        let mut anchor = self.choose_anchor(&signed);
        for attempt in 1..=ATTEMPTS {
            let transfer = self.prove(session, &signed, anchor)?;
            self.remember(session, &signed, &transfer, payment)?;
            match session.api.submit_transfer(&transfer) {
                Ok(receipt) => {
                    let sent = self.accept(session, &signed, &transfer, payment, receipt)?;
                    return Ok(Sent { replaces, ..sent });
                }
                Err(ApiError::UnknownAnchor { .. }) if attempt < ATTEMPTS => {
                    self.sync(session.api, &mut |_| (), session.rng)?;
                    anchor = self.db.tip();
                    let there = |at: Position| {
                        self.db
                            .notes
                            .get(&at.to_u64())
                            .is_some_and(|record| record.spent.is_none())
                    };
                    if !signed.spent().all(there) {
                        self.give_up(signed.txid(), "its notes changed while it was made");
                        self.save(session.rng)?;
                        return Err(SendError::Changed.into());
                    }
                }
                Err(error) => return Err(self.refused(session, signed.txid(), error)),
            }
        }
        unreachable!("the last attempt returns")
    }

    fn choose_anchor(&self, signed: &SignedTransfer) -> u32 {
        let youngest = signed.spent().map(Position::batch).max().unwrap_or(0);
        let height_of = |batch| Some(self.db.batch(batch)?.anchored?.height);
        let view = AnchorView {
            tip: self.db.tip(),
            bitcoin_height: self.db.bitcoin_height,
            height_of: &height_of,
        };
        choose_anchor(youngest, &view)
    }

    pub(crate) fn prove(
        &self,
        session: &mut Session<'_>,
        signed: &SignedTransfer,
        anchor: u32,
    ) -> Result<Transfer, WalletError> {
        let root = self.view.tree.root_at(anchor);
        let statement = signed.statement(root, |position| self.path(position, anchor));
        let proof = session.prover.prove_transfer(&statement, session.rng)?;
        Ok(signed.with_proof(anchor, proof))
    }

    /// The path from a note to the notes root after `anchor`.
    fn path(&self, position: Position, anchor: u32) -> MerklePath {
        let batch = self
            .db
            .batch(position.batch())
            .expect("notes stand in known batches");
        let leaves = &batch
            .leaves
            .as_ref()
            .expect("the leaves of batches with notes are kept")
            .0;
        let above = self.view.tree.path(position.batch(), anchor);
        subtree_path(leaves, usize::from(position.leaf())).join(&above)
    }

    /// Saves the transfer before it leaves the machine.
    fn remember(
        &mut self,
        session: &mut Session<'_>,
        signed: &SignedTransfer,
        transfer: &Transfer,
        payment: &Payment,
    ) -> Result<(), WalletError> {
        self.db.outgoing.retain(|outgoing| outgoing.txid != signed.txid());
        let outgoing = self.outgoing(session.now, signed, transfer, payment);
        self.db.outgoing.push(outgoing);
        self.save(session.rng)
    }

    /// What the history will say of a payment.
    pub(crate) fn event_of(&self, payment: &Payment) -> EventKind {
        match payment {
            Payment::Pay { to, .. } => EventKind::Sent {
                recipient: Some(self.address_text(to)),
            },
            Payment::Withdraw { to, max_l1_fee, .. } => EventKind::Withdrew {
                address: to.address(self.params.genesis().network).to_string(),
                max_l1_fee: *max_l1_fee,
            },
            Payment::Merge => EventKind::Merged,
        }
    }

    /// The record of a transfer that leaves the machine.
    pub(crate) fn outgoing(
        &self,
        now: u64,
        signed: &SignedTransfer,
        transfer: &Transfer,
        payment: &Payment,
    ) -> Outgoing {
        Outgoing {
            txid: signed.txid(),
            transfer: transfer.clone(),
            inputs: signed.spent().map(Position::to_u64).collect(),
            what: self.event_of(payment),
            amount: payment.amount(),
            fee: signed.fee(),
            change: signed.change(),
            created: now,
            receipt: None,
            batch: None,
            refused: None,
            memo: payment.memo().cloned().map(MemoRecord::Text),
            forced: None,
        }
    }

    fn accept(
        &mut self,
        session: &mut Session<'_>,
        signed: &SignedTransfer,
        transfer: &Transfer,
        payment: &Payment,
        receipt: Receipt,
    ) -> Result<Sent, WalletError> {
        let (promise, txid) = (&receipt.promise, signed.txid());
        let status = session.api.status();
        let sequencer = status
            .map_err(|error| SendError::Unanswered { txid, error })?
            .sequencer;
        let good = promise.chain_id == self.params.chain_id()
            && promise.txid == txid
            && promise.nf == transfer.body.nf
            && promise.target_batch <= transfer.body.expiry
            && receipt.verify(&sequencer);
        if !good {
            return Err(SendError::BadReceipt { txid }.into());
        }
        if let Some(outgoing) = self.db.outgoing.iter_mut().find(|outgoing| outgoing.txid == txid) {
            outgoing.receipt = Some(receipt);
        }
        self.save(session.rng)?;
        Ok(Sent {
            txid,
            replaces: Vec::new(),
            amount: payment.amount(),
            fee: signed.fee(),
            change: signed.change(),
            anchor: transfer.anchor,
            receipt,
        })
    }

    /// What to make of an answer that is no receipt.
    fn refused(&mut self, session: &mut Session<'_>, txid: TransferId, error: ApiError) -> WalletError {
        let unclear = matches!(
            error,
            ApiError::Transport(_)
                | ApiError::BadAnswer(_)
                | ApiError::Internal(_)
                | ApiError::Busy
                | ApiError::DiskFull
                | ApiError::SequencerUnavailable { .. }
        );
        if unclear {
            return SendError::Unanswered { txid, error }.into();
        }
        if let ApiError::Conflict { txid: other, .. } = &error {
            self.take_back_refusal(*other);
        }
        let until = self.give_up(txid, &error.to_string());
        match self.save(session.rng) {
            Ok(()) => SendError::Refused { txid, error, until }.into(),
            Err(failed) => failed,
        }
    }
}

#[cfg(test)]
mod tests;
