//! Leaving against the sequencer's will: a withdrawal that is posted on Bitcoin.
//!
//! The transfer is built as any other, but it expires with the last batch of all, pays the chain's lowest
//! fee, spends notes that are final, and is proven against a final state: a request whose state is not on
//! Bitcoin is ignored. Its bytes go to Bitcoin in a commit and a reveal, paid from an address of the
//! wallet's own; any full node sends them. The transfer and the two transactions are saved before anything
//! is sent, and asking again sends the same ones. Claims of deposits and raises of fee limits are posted
//! likewise: `posting` does it for all. Specification: `docs/spec/wallet.md`.

use bitcoin::{Address, OutPoint};
use rand_core::CryptoRngCore;
use tacit_protocol::Amount;
use tacit_protocol::note::Position;
use tacit_protocol::peg::anchor::build::AnchorPlanError;
use tacit_protocol::peg::forced::FORCED_EXPIRY;
use tacit_protocol::peg::{FeeRate, ForcedRequest};
use tacit_protocol::transfer::TransferId;
use thiserror::Error;

use crate::api::NodeApi;
use crate::builder::{Payment, Plan, SignedTransfer, build};
use crate::db::{Database, EventKind, Outgoing};
use crate::select::{AnchorView, Candidate, Selection, choose_anchor, max_direct, select_against};
use crate::send::{SendError, Session};
use crate::wallet::{Wallet, WalletError};

mod claim;
mod posting;
pub mod raise;

use posting::Order;
pub use posting::Posted;

/// Why a transfer cannot be forced.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ForceError {
    /// More than two notes are needed.
    #[error(
        "a forced withdrawal spends two notes at most, and merging them needs the sequencer; \
         withdraw {most} or less, and the rest by another one"
    )]
    TooManyNotes {
        /// The most that can be withdrawn at once.
        most: Amount,
    },
    /// The chain knows no fee above zero, which a forced transfer has to pay.
    #[error("this chain's fees are all zero, and a forced transfer has to pay one: it cannot be forced")]
    NoFee,
    /// The coins that pay for posting are missing.
    #[error(
        "posting costs {needed} sat, and {address} holds {available} sat in confirmed coins; \
         pay {missing} sat or more to it, wait for a block and run the same again"
    )]
    Unfunded {
        /// Where to pay to.
        address: Address,
        /// Satoshi needed, about.
        needed: u64,
        /// Satoshi there.
        available: u64,
        /// The difference.
        missing: u64,
    },
    /// The two transactions cannot be built.
    #[error("the request cannot be posted: {0}")]
    Plan(AnchorPlanError),
    /// The deposit's sweep is not deep enough, or it was never swept.
    #[error(
        "deposit {outpoint} is not swept and {needed} blocks deep: a claim would be ignored; `deposit status` says \
         how far it is, and what is never swept can be taken back"
    )]
    NotSwept {
        /// The deposit.
        outpoint: OutPoint,
        /// Blocks that the sweep needs on top of it.
        needed: u16,
    },
    /// There is no such transfer.
    #[error("no forced transfer {0} waits in this wallet")]
    Unknown(TransferId),
}

/// A transfer that waits to be posted, or was posted and waits to be included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forced {
    /// Identifier.
    pub txid: TransferId,
    /// Amount that leaves.
    pub amount: Amount,
    /// Fee.
    pub fee: Amount,
    /// What comes back.
    pub change: Amount,
    /// The batch it was proven against.
    pub anchor: u32,
}

impl From<&Outgoing> for Forced {
    fn from(outgoing: &Outgoing) -> Self {
        Self {
            txid: outgoing.txid,
            amount: outgoing.amount,
            fee: outgoing.fee,
            change: outgoing.change,
            anchor: outgoing.transfer.anchor,
        }
    }
}

impl Wallet {
    /// Makes and saves a transfer for [`Wallet::post`]. One of the same amount to the same place that was
    /// not included yet is given again.
    ///
    /// # Errors
    /// [`WalletError`]; nothing has left the machine then.
    pub fn force(&mut self, session: &mut Session<'_>, payment: &Payment) -> Result<Forced, WalletError> {
        let what = self.event_of(payment);
        let same = |o: &&mut Outgoing| {
            let waits = o.forced.is_some() && o.batch.is_none();
            waits && is_same(&o.what, &what) && o.amount == payment.amount()
        };
        if let Some(outgoing) = self.db.outgoing.iter_mut().find(same) {
            outgoing.refused = None;
            let forced = Forced::from(&*outgoing);
            self.save(session.rng)?;
            return Ok(forced);
        }
        // What was never posted is in nobody's hands.
        self.db
            .outgoing
            .retain(|o| o.forced.as_ref().is_none_or(|posted| !posted.is_empty()));
        let inputs = self.notes(&self.choose_final(session, payment)?)?;
        let plan = Plan {
            inputs: &inputs,
            payment,
            fee: self.forced_fee()?.0,
            expiry: FORCED_EXPIRY,
        };
        let signed = build(&self.keys, &self.params, &plan, session.rng)?;
        let transfer = self.prove(session, &signed, self.final_anchor(&signed))?;
        let mut outgoing = self.outgoing(session.now, &signed, &transfer, payment);
        outgoing.forced = Some(Vec::new());
        let forced = Forced::from(&outgoing);
        self.db.outgoing.push(outgoing);
        self.save(session.rng)?;
        Ok(forced)
    }

    fn is_deep(&self, batch: u32) -> bool {
        let k = u32::from(self.params.genesis().finality_depth);
        self.db.depth(batch).is_some_and(|depth| depth >= k)
    }

    /// The fee that forced transfers pay, with its index in the chain's table: the lowest above zero.
    fn forced_fee(&self) -> Result<(u8, Amount), ForceError> {
        let table = &self.params.genesis().fee_table;
        let lowest = table.fees().iter().position(|fee| *fee > Amount::ZERO);
        let code = lowest.and_then(|index| u8::try_from(index).ok());
        code.and_then(|code| Some((code, table.fee(code)?)))
            .ok_or(ForceError::NoFee)
    }

    /// Notes that are final and pay for `payment`.
    fn choose_final(&self, session: &Session<'_>, payment: &Payment) -> Result<Vec<Candidate>, WalletError> {
        let (_, fee) = self.forced_fee()?;
        if let Some(limit) = session.max_fee.filter(|limit| fee > *limit) {
            return Err(SendError::FeeAboveLimit { fee, limit }.into());
        }
        let mut notes = self.spendable();
        notes.retain(|note| self.is_deep(note.position.batch()));
        match select_against(&notes, &self.rivals(), payment.amount(), fee)? {
            Selection::Direct(chosen) => Ok(chosen),
            Selection::Merge(_) => Err(ForceError::TooManyNotes {
                most: max_direct(&notes, fee),
            }
            .into()),
        }
    }

    /// A final state that holds the notes, chosen as for any transfer.
    fn final_anchor(&self, signed: &SignedTransfer) -> u32 {
        let youngest = signed.spent().map(Position::batch).max().unwrap_or(0);
        let height_of = |batch| {
            let anchored = self.db.batch(batch)?.anchored?;
            self.is_deep(batch).then_some(anchored.height)
        };
        let view = AnchorView {
            tip: self.db.tip(),
            bitcoin_height: self.db.bitcoin_height,
            height_of: &height_of,
        };
        choose_anchor(youngest, &view)
    }

    /// Posts a transfer that [`Wallet::force`] made: saves the two transactions, then sends them, unless
    /// `send` is false. Asked again it sends the same ones, or others if those can never be mined.
    ///
    /// # Errors
    /// [`WalletError::Force`], or the node's.
    pub fn post(
        &mut self,
        api: &dyn NodeApi,
        txid: TransferId,
        (rate, send): (FeeRate, bool),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Posted, WalletError> {
        let at = self.db.outgoing.iter().position(|o| o.txid == txid);
        let at = at.ok_or(ForceError::Unknown(txid))?;
        let outgoing = &self.db.outgoing[at];
        let before = outgoing.forced.clone().ok_or(ForceError::Unknown(txid))?;
        // What is left goes where the withdrawal goes, so that nothing remains here.
        let change_script = match &outgoing.transfer.body.exit {
            Some(exit) => exit.script().to_script_buf(),
            None => self.posting_script(),
        };
        let order = Order {
            request: ForcedRequest::Transfer(Box::new(outgoing.transfer.clone())),
            before,
            change_script,
            rate,
            send,
        };
        let keep = |db: &mut Database, posted| db.outgoing[at].forced = Some(posted);
        self.post_request(api, &order, keep, rng)
    }
}

/// Whether two payments go to the same place. The limit for the miner's fee follows the rate of the
/// moment and makes no other payment, or asking again could pay twice.
fn is_same(one: &EventKind, other: &EventKind) -> bool {
    match (one, other) {
        (EventKind::Withdrew { address: one, .. }, EventKind::Withdrew { address: other, .. }) => {
            one == other
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests;
