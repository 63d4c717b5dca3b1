//! Posting a request on Bitcoin: two transactions, paid from an address of the wallet's own.

use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::secp256k1::{All, Message};
use bitcoin::{Address, ScriptBuf, Transaction, TxOut};
use rand_core::CryptoRngCore;
use tacit_protocol::peg::anchor::build::AnchorPlanError;
use tacit_protocol::peg::coins::CoinError;
use tacit_protocol::peg::forced::{Post, PostPlan, plan_post};
use tacit_protocol::peg::taproot::{output_script, tweaked_keypair};
use tacit_protocol::peg::{Coin, FeeRate, ForcedRequest};

use super::ForceError;
use crate::api::{ApiError, NodeApi};
use crate::db::Database;
use crate::wallet::{Wallet, WalletError};

/// The transactions that post a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Commits to the request and pays for the reveal.
    pub commit: Transaction,
    /// Holds the request.
    pub reveal: Transaction,
}

/// What is to be posted.
pub(super) struct Order {
    /// The request.
    pub(super) request: ForcedRequest,
    /// The transactions of an earlier attempt, if there was one.
    pub(super) before: Vec<Transaction>,
    /// Where the rest of the coins goes.
    pub(super) change_script: ScriptBuf,
    /// The fee rate of both transactions.
    pub(super) rate: FeeRate,
    /// Whether they are sent, or only made and saved.
    pub(super) send: bool,
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

    pub(super) fn posting_script(&self) -> ScriptBuf {
        output_script(
            self.posting_keypair(&Secp256k1::new()).x_only_public_key().0,
            None,
        )
    }

    fn posting_keypair(&self, secp: &Secp256k1<All>) -> Keypair {
        let secret = self.keys.root().posting_secret();
        Keypair::from_seckey_slice(secp, &secret).expect("derived secrets are valid")
    }

    /// Posts a request: sends the transactions of the earlier attempt again, or makes new ones, has `keep`
    /// put them into the database, saves it and sends them.
    pub(super) fn post_request(
        &mut self,
        api: &dyn NodeApi,
        order: &Order,
        keep: impl FnOnce(&mut Database, Vec<Transaction>),
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Posted, WalletError> {
        if let Some(posted) = self.post_again(api, &order.before, order.send)? {
            return Ok(posted);
        }
        let coins = coins_of(api, &self.posting_script())?;
        let posted = self.signed_post(order, &coins, rng)?;
        keep(&mut self.db, vec![posted.commit.clone(), posted.reveal.clone()]);
        self.save(rng)?;
        if order.send {
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
        order: &Order,
        coins: &[Coin],
        rng: &mut dyn CryptoRngCore,
    ) -> Result<Posted, WalletError> {
        let secp = Secp256k1::new();
        let keypair = self.posting_keypair(&secp);
        let key = keypair.x_only_public_key().0;
        let envelope = order.request.envelope(key);
        let envelope = envelope.map_err(|error| self.why_not(error.into()))?;
        let plan = PostPlan {
            envelope: &envelope,
            key,
            spend: &[],
            coins,
            rate: order.rate,
            reveal_rate: order.rate,
            change_script: &order.change_script,
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
