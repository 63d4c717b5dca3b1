//! Commit and reveal of an envelope, a forced request's or another's: two transactions that need nobody's consent.
//!
//! ```text
//!   commit   coins of one key  ──▶  output 0: internal key and one leaf, the envelope;  change
//!   reveal   commit's output 0, by the leaf  ──▶  output 0: back to the key
//! ```
//!
//! The commit output holds what the reveal pays and gives back. Callers keep both before they send one:
//! the commit output can be spent with the envelope's script only, or by its key alone.

use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::taproot::LeafVersion;
use bitcoin::{OutPoint, Script, ScriptBuf, Transaction, TxOut, XOnlyPublicKey};

use crate::envelope::Envelope;
use crate::peg::anchor::build::{
    AnchorPlanError, build_commit, script_witness, strip, transaction, txin, weight_of,
};
use crate::peg::anchor::single_leaf;
use crate::peg::coins::Coin;
use crate::peg::fees::FeeRate;
use crate::peg::taproot::{key_path_sighash, key_path_witness, script_path_sighash};

/// Everything that commit and reveal are made from.
#[derive(Clone, Copy, Debug)]
pub struct PostPlan<'a> {
    /// What to post, under `key`.
    pub envelope: &'a Envelope,
    /// The key that holds the coins and signs the reveal.
    pub key: XOnlyPublicKey,
    /// Confirmed coins of the key, spent by its key path without a script tree.
    pub coins: &'a [Coin],
    /// The fee rate of both transactions.
    pub rate: FeeRate,
    /// Where change and the reveal's output go.
    pub change_script: &'a Script,
}

/// A commit and its reveal, both unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    commit: Transaction,
    commit_prevouts: Vec<TxOut>,
    reveal: Transaction,
    script: ScriptBuf,
    control_block: Vec<u8>,
}

impl Post {
    /// The unsigned commit; its txid is final.
    #[must_use]
    pub fn commit(&self) -> &Transaction {
        &self.commit
    }

    /// The outputs that the commit spends.
    #[must_use]
    pub fn commit_prevouts(&self) -> &[TxOut] {
        &self.commit_prevouts
    }

    /// The unsigned reveal; its txid is final.
    #[must_use]
    pub fn reveal(&self) -> &Transaction {
        &self.reveal
    }

    /// What the key, tweaked without a script tree, signs for an input of the commit.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn commit_sighash(&self, input: usize) -> Message {
        key_path_sighash(&self.commit, input, &self.commit_prevouts)
    }

    /// What the plain key signs for the reveal.
    #[must_use]
    pub fn reveal_sighash(&self) -> Message {
        script_path_sighash(&self.reveal, 0, &self.commit.output[..1], &self.script)
    }

    /// The signed transactions, commit first: one signature per input of the commit, and the reveal's.
    ///
    /// # Panics
    /// If the number of signatures is not the number of the commit's inputs.
    #[must_use]
    pub fn finalise(&self, commit: &[Signature], reveal: &Signature) -> [Transaction; 2] {
        let (mut first, mut second) = (self.commit.clone(), self.reveal.clone());
        assert_eq!(commit.len(), first.input.len(), "one signature per input");
        for (input, signature) in first.input.iter_mut().zip(commit) {
            input.witness = key_path_witness(signature);
        }
        second.input[0].witness = script_witness(&reveal.serialize(), &self.script, &self.control_block);
        [first, second]
    }
}

/// Builds the transactions that post an envelope.
///
/// # Errors
/// [`AnchorPlanError`].
///
/// # Panics
/// Never: the leaf asked for is the one the tree was built from.
pub fn plan_post(plan: &PostPlan<'_>) -> Result<Post, AnchorPlanError> {
    let script = plan.envelope.to_script();
    let spend_info = single_leaf(plan.key, script.clone());
    let control_block = spend_info
        .control_block(&(script.clone(), LeafVersion::TapScript))
        .expect("the leaf is in the tree")
        .serialize();
    let back = plan.change_script.minimal_non_dust();
    let mut reveal = transaction(vec![TxOut {
        value: back,
        script_pubkey: plan.change_script.into(),
    }]);
    // The commit's txid takes as many bytes as any other; it is filled in below.
    let witness = script_witness(&[0; 64], &script, &control_block);
    reveal.input.push(txin(OutPoint::null(), witness));
    let fee = plan.rate.fee(weight_of(&reveal)?);
    let value = back.to_sat().checked_add(fee).ok_or(AnchorPlanError::Overflow)?;
    let output = TxOut {
        value: bitcoin::Amount::from_sat(value),
        script_pubkey: ScriptBuf::new_p2tr_tweaked(spend_info.output_key()),
    };
    let (commit, commit_prevouts) = build_commit(plan.coins, plan.rate, plan.change_script, output)?;
    reveal.input[0].previous_output = OutPoint {
        txid: commit.compute_txid(),
        vout: 0,
    };
    strip(&mut reveal);
    Ok(Post {
        commit,
        commit_prevouts,
        reveal,
        script,
        control_block,
    })
}

#[cfg(test)]
mod tests;
