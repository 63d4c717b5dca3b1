//! Raising the fee limit of a withdrawal that waits because miners have become dearer.
//!
//! The raise is signed by the withdrawal's own key, which the mnemonic and the first note it spent give: a
//! restored wallet has it as well. Number, limit and key of a withdrawal are the node's word. A node that
//! lies costs at most the fees of a raise that is ignored, for a raise by another key, of another number or
//! of another chain counts nowhere. Specification: `docs/spec/wallet.md`.

use bitcoin::key::Keypair;
use rand_core::CryptoRngCore;
use tacit_protocol::Amount;
use tacit_protocol::note::Position;
use tacit_protocol::peg::exit::MIN_PAYOUT;
use tacit_protocol::peg::{FeeRaise, FeeRate, ForcedRequest};
use thiserror::Error;

use super::{Order, Posted};
use crate::api::{ApiError, NodeApi, WithdrawalQuery, WithdrawalState, WithdrawalStatus};
use crate::builder::exit::keypair;
use crate::db::{Database, PostedRaise};
use crate::wallet::{Wallet, WalletError};

/// Why the fee limit of a withdrawal cannot be raised.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RaiseError {
    /// The node knows no such withdrawal.
    #[error(
        "the node knows no such withdrawal; check its number or transfer, `history` lists them, and wait for the \
         batch if it was ordered just now"
    )]
    Unknown,
    /// The withdrawal is not this wallet's.
    #[error(
        "withdrawal {0} was not ordered by this wallet, so it cannot sign for it; open the wallet that did, or \
         `sync` if this one was just restored"
    )]
    NotOurs(u64),
    /// Its batch is not on Bitcoin.
    #[error("the batch of withdrawal {0} is not on Bitcoin yet; a raise would be ignored: wait for it")]
    NotAnchored(u64),
    /// It has its payout.
    #[error("withdrawal {0} is paid already; there is nothing left to raise")]
    Paid(u64),
    /// Too little would be left.
    #[error(
        "a limit of {asked} leaves less than {MIN_PAYOUT} sat of the withdrawal; raise it to {most} at most"
    )]
    TooHigh {
        /// What was asked for.
        asked: Amount,
        /// The most that can be.
        most: Amount,
    },
    /// Another raise waits.
    #[error(
        "a raise to {max} is on Bitcoin and in force from block {counts_at} on; until then another one is ignored"
    )]
    Underway {
        /// The limit it asks for.
        max: Amount,
        /// When it counts.
        counts_at: u32,
    },
    /// The limit is not below what was asked for.
    #[error("the limit is {limit} already and can only be raised; name a higher one")]
    NotHigher {
        /// The limit in force.
        limit: Amount,
    },
}

/// A raise that was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The withdrawal as it was before.
    pub withdrawal: WithdrawalStatus,
    /// The new limit.
    pub max: Amount,
    /// The transactions that post the raise.
    pub posted: Posted,
}

impl Wallet {
    /// Posts a raise of a withdrawal's fee limit: saves the two transactions, then sends them, unless `send`
    /// is false. Asked again it sends the same ones, or others if those can never be mined.
    ///
    /// # Errors
    /// [`WalletError::Raise`], [`WalletError::Force`], or the node's.
    pub fn raise_fee(
        &mut self,
        api: &dyn NodeApi,
        query: WithdrawalQuery,
        max: Amount,
        (rate, send): (FeeRate, bool),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Raised, WalletError> {
        let withdrawal = match api.withdrawal_status(query) {
            Ok(withdrawal) => withdrawal,
            Err(ApiError::NotFound { .. }) => return Err(RaiseError::Unknown.into()),
            Err(error) => return Err(error.into()),
        };
        let key = self.raising_key(&withdrawal)?;
        let (txid, index) = (withdrawal.txid, withdrawal.index);
        self.forget_raises(&withdrawal);
        self.may_raise(&withdrawal, max)?;
        let known = |raise: &PostedRaise| (raise.txid, raise.index, raise.max) == (txid, index, max);
        let before = self.db.raises.iter().find(|raise| known(raise));
        let before = before.map_or(Vec::new(), |raise| raise.posted.clone());
        let mut aux = [0; 32];
        rng.fill_bytes(&mut aux);
        let raise = FeeRaise::sign(self.params.chain_id(), index, max, &key, &aux);
        let order = Order {
            request: ForcedRequest::Raise(raise),
            before,
            // What is left over stays at the posting address and pays for the next request.
            change_script: self.posting_script(),
            rate,
            send,
        };
        let keep = |db: &mut Database, posted| {
            db.raises.retain(|raise| !known(raise));
            db.raises.push(PostedRaise {
                txid,
                index,
                max,
                posted,
            });
        };
        let posted = self.post_request(api, &order, keep, rng)?;
        Ok(Raised {
            withdrawal,
            max,
            posted,
        })
    }

    /// The key of a withdrawal that this wallet ordered. It follows from the first note spent, which is
    /// always a real one; the key that the node names only tells which of the two was the first.
    fn raising_key(&self, withdrawal: &WithdrawalStatus) -> Result<Keypair, RaiseError> {
        let viewing = self.keys.viewing();
        let spent = |(at, record): (&u64, &crate::db::NoteRecord)| {
            let ours = record.spent.is_some_and(|spent| spent.txid == withdrawal.txid);
            let position = Position::from_u64(*at).expect("stored positions come from the scan");
            ours.then(|| record.nullifier(viewing, position))
        };
        let candidates = self.db.notes.iter().filter_map(spent);
        candidates
            .map(|nf| keypair(self.keys.root(), &nf))
            .find(|pair| pair.x_only_public_key().0 == withdrawal.key)
            .ok_or(RaiseError::NotOurs(withdrawal.index))
    }

    /// Forgets raises of this withdrawal that are in force, or that nobody needs any more.
    fn forget_raises(&mut self, withdrawal: &WithdrawalStatus) {
        let paid = matches!(withdrawal.status, WithdrawalState::Paid { height: Some(_), .. });
        let done = |raise: &PostedRaise| paid || raise.max <= withdrawal.max_l1_fee;
        self.db
            .raises
            .retain(|raise| raise.txid != withdrawal.txid || !done(raise));
    }

    /// Refuses what would be ignored on Bitcoin.
    fn may_raise(&self, withdrawal: &WithdrawalStatus, max: Amount) -> Result<(), RaiseError> {
        let index = withdrawal.index;
        let batch = self.db.batch(withdrawal.batch);
        if batch.is_none_or(|batch| batch.anchored.is_none()) {
            return Err(RaiseError::NotAnchored(index));
        }
        match withdrawal.status {
            WithdrawalState::Paid { .. } => return Err(RaiseError::Paid(index)),
            WithdrawalState::Burying { .. } | WithdrawalState::Eligible | WithdrawalState::Held { .. } => {}
        }
        let least = Amount::from_sat(MIN_PAYOUT).expect("a small amount");
        let most = withdrawal.amount.checked_sub(least).unwrap_or(Amount::ZERO);
        if max > most {
            return Err(RaiseError::TooHigh { asked: max, most });
        }
        if let Some(raise) = withdrawal.raise {
            return Err(RaiseError::Underway {
                max: raise.max_l1_fee,
                counts_at: raise.counts_at,
            });
        }
        let limit = withdrawal.max_l1_fee;
        if max <= limit {
            return Err(RaiseError::NotHigher { limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
