//! Leaving against the sequencer's will: a withdrawal that is posted on Bitcoin.
//!
//! The transfer is built as any other, but it expires with the last batch of all, pays the chain's lowest
//! fee, spends notes that are final, and is proven against a final state: a request whose state is not on
//! Bitcoin is ignored. Its bytes go to Bitcoin in a commit and a reveal, paid from an address of the
//! wallet's own; any full node sends them. The transfer and the two transactions are saved before anything
//! is sent, and asking again sends the same ones. Specification: `docs/spec/wallet.md`.

use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::secp256k1::{All, Message};
use bitcoin::{Address, OutPoint, Script, ScriptBuf, Transaction, TxOut};
use rand_core::CryptoRngCore;
use tacit_protocol::Amount;
use tacit_protocol::note::Position;
use tacit_protocol::peg::anchor::build::AnchorPlanError;
use tacit_protocol::peg::coins::CoinError;
use tacit_protocol::peg::forced::{FORCED_EXPIRY, Post, PostPlan, plan_post};
use tacit_protocol::peg::taproot::{output_script, tweaked_keypair};
use tacit_protocol::peg::{Coin, FeeRate, ForcedRequest};
use tacit_protocol::transfer::TransferId;
use thiserror::Error;

use crate::api::{ApiError, NodeApi};
use crate::builder::{Payment, Plan, SignedTransfer, build};
use crate::db::{EventKind, Outgoing};
use crate::select::{AnchorView, Candidate, Selection, choose_anchor, max_direct, select_against};
use crate::send::{SendError, Session};
use crate::wallet::{Wallet, WalletError};

mod claim;

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

/// The transactions that post a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Commits to the request and pays for the reveal.
    pub commit: Transaction,
    /// Holds the request.
    pub reveal: Transaction,
}

impl Wallet {
    /// The address whose coins pay for posting.
    ///
    /// # Panics
    /// Never: the script is a standard one.
    #[must_use]
    pub fn posting_address(&self) -> Address {
        let network = self.params.genesis().network.bitcoin();
        Address::from_script(&self.posting_script(), network).expect("a Taproot script has an address")
    }

    fn posting_script(&self) -> ScriptBuf {
        output_script(
            self.posting_keypair(&Secp256k1::new()).x_only_public_key().0,
            None,
        )
    }

    fn posting_keypair(&self, secp: &Secp256k1<All>) -> Keypair {
        let secret = self.keys.root().posting_secret();
        Keypair::from_seckey_slice(secp, &secret).expect("derived secrets are valid")
    }

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
        let before = outgoing.forced.as_ref().ok_or(ForceError::Unknown(txid))?;
        let script = self.posting_script();
        if let Some(posted) = self.post_again(api, before, send)? {
            return Ok(posted);
        }
        // What is left goes where the withdrawal goes, so that nothing remains here.
        let change = match &outgoing.transfer.body.exit {
            Some(exit) => exit.script().as_script().to_owned(),
            None => script.clone(),
        };
        let request = ForcedRequest::Transfer(Box::new(outgoing.transfer.clone()));
        let posted = self.signed_post(&request, &coins_of(api, &script)?, (rate, &change), rng)?;
        let outgoing = &mut self.db.outgoing[at];
        outgoing.forced = Some(vec![posted.commit.clone(), posted.reveal.clone()]);
        self.save(rng)?;
        if send {
            send_both(api, &posted)?;
        }
        Ok(posted)
    }

    /// The transactions of an earlier attempt, sent again if asked for; `None` if there are none, or their
    /// commit can be mined no more.
    fn post_again(
        &self,
        api: &dyn NodeApi,
        before: &[Transaction],
        send: bool,
    ) -> Result<Option<Posted>, WalletError> {
        let [commit, reveal] = before else { return Ok(None) };
        let posted = Posted {
            commit: commit.clone(),
            reveal: reveal.clone(),
        };
        let failed = match send.then(|| send_both(api, &posted)) {
            None | Some(Ok(())) => return Ok(Some(posted)),
            Some(Err(error)) => error,
        };
        // While its coins are there the commit was never mined.
        let coins = coins_of(api, &self.posting_script())?;
        let unspent = |outpoint| coins.iter().any(|coin| coin.outpoint == outpoint);
        if commit.input.iter().all(|input| unspent(input.previous_output)) {
            Ok(None)
        } else {
            Err(failed.into())
        }
    }

    fn signed_post(
        &self,
        request: &ForcedRequest,
        coins: &[Coin],
        (rate, change_script): (FeeRate, &Script),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Posted, WalletError> {
        let secp = Secp256k1::new();
        let keypair = self.posting_keypair(&secp);
        let key = keypair.x_only_public_key().0;
        let plan = PostPlan {
            request,
            key,
            coins,
            rate,
            change_script,
        };
        let post: Post = plan_post(&plan).map_err(|error| self.why_not(error))?;
        let tweaked = tweaked_keypair(&secp, &keypair, None);
        let mut sign = |keypair: &Keypair, message: Message| {
            let mut aux = [0; 32];
            rng.fill_bytes(&mut aux);
            secp.sign_schnorr_with_aux_rand(&message, keypair, &aux)
        };
        let inputs: Vec<_> = (0..post.commit().input.len())
            .map(|input| sign(&tweaked, post.commit_sighash(input)))
            .collect();
        let [commit, reveal] = post.finalise(&inputs, &sign(&keypair, post.reveal_sighash()));
        Ok(Posted { commit, reveal })
    }

    fn why_not(&self, error: AnchorPlanError) -> ForceError {
        match error {
            AnchorPlanError::Coins(CoinError::Insufficient { needed, available }) => ForceError::Unfunded {
                address: self.posting_address(),
                needed,
                available,
                missing: needed.saturating_sub(available),
            },
            AnchorPlanError::Coins(CoinError::Overflow)
            | AnchorPlanError::Envelope(_)
            | AnchorPlanError::Overflow
            | AnchorPlanError::TooHeavy(_) => ForceError::Plan(error),
        }
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

/// Confirmed coins of a script.
fn coins_of(api: &dyn NodeApi, script: &ScriptBuf) -> Result<Vec<Coin>, ApiError> {
    let found = api.find_deposits(std::slice::from_ref(script))?;
    let unspent = found
        .into_iter()
        .filter(|coin| coin.spent_by.is_none() && coin.script == *script);
    Ok(unspent
        .map(|coin| Coin {
            outpoint: coin.outpoint,
            txout: TxOut {
                value: bitcoin::Amount::from_sat(coin.amount.to_sat()),
                script_pubkey: coin.script,
            },
        })
        .collect())
}

/// Sends both. The commit may be in a block long since: if the reveal is taken, all is well.
fn send_both(api: &dyn NodeApi, posted: &Posted) -> Result<(), ApiError> {
    let commit = api.broadcast(&posted.commit);
    match api.broadcast(&posted.reveal) {
        Ok(_) => Ok(()),
        Err(error) => Err(commit.err().unwrap_or(error)),
    }
}

#[cfg(test)]
mod tests;
