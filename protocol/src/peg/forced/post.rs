//! Commit and reveal of an envelope, a forced request's or another's: two transactions that need nobody's consent.
//!
//! ```text
//!   commit   coins of one key  ──▶  output 0: internal key and one leaf, the envelope;  change
//!   reveal   commit's output 0, by the leaf  ──▶  output 0: back to the key
//! ```
//!
//! The commit output holds what the reveal pays and gives back. Callers keep both before they send one:
//! the commit output can be spent with the envelope's script only, or by its key alone.
//!
//! Who has to pay more makes another commit that spends a coin of the first, with a reveal of its own; once a
//! commit is in a block, another reveal of it. Either way only one of them can ever be mined.

use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::taproot::LeafVersion;
use bitcoin::{OutPoint, Script, ScriptBuf, Transaction, TxOut, Witness, XOnlyPublicKey};

use crate::envelope::Envelope;
use crate::peg::anchor::build::{
    AnchorPlanError, build_commit, script_witness, strip, sum, transaction, txin, weight_of,
};
use crate::peg::anchor::single_leaf;
use crate::peg::coins::{Coin, Need, fund};
use crate::peg::fees::FeeRate;
use crate::peg::taproot::{dummy_key_path_witness, key_path_sighash, key_path_witness, script_path_sighash};

/// Weight that a key path's signature adds to an input, and the first one to a transaction.
const SIGNATURE_WEIGHT: u64 = 66;
const MARKER_WEIGHT: u64 = 2;

/// Everything that commit and reveal are made from.
#[derive(Clone, Copy, Debug)]
pub struct PostPlan<'a> {
    /// What to post, under `key`.
    pub envelope: &'a Envelope,
    /// The key that holds the coins and signs the reveal.
    pub key: XOnlyPublicKey,
    /// Coins as below that the commit spends whatever it costs: those of a commit that it replaces.
    pub spend: &'a [Coin],
    /// Confirmed coins of the key, spent by its key path without a script tree.
    pub coins: &'a [Coin],
    /// The fee rate of the commit.
    pub rate: FeeRate,
    /// The fee rate of the reveal. A node replaces two transactions by two at once only if the second pays better.
    pub reveal_rate: FeeRate,
    /// Where change and the reveal's output go.
    pub change_script: &'a Script,
}

/// A commit and its reveal, both unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    commit: Transaction,
    commit_prevouts: Vec<TxOut>,
    reveal: Transaction,
    leaf: Leaf,
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
        script_path_sighash(&self.reveal, 0, &self.commit.output[..1], &self.leaf.script)
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
        second.input[0].witness = self.leaf.witness(&reveal.serialize());
        [first, second]
    }
}

/// Builds the transactions that post an envelope.
///
/// # Errors
/// [`AnchorPlanError`].
pub fn plan_post(plan: &PostPlan<'_>) -> Result<Post, AnchorPlanError> {
    let leaf = Leaf::of(plan.envelope, plan.key);
    let back = plan.change_script.minimal_non_dust();
    let mut reveal = transaction(vec![TxOut {
        value: back,
        script_pubkey: plan.change_script.into(),
    }]);
    // The commit's txid takes as many bytes as any other; it is filled in below.
    reveal.input.push(txin(OutPoint::null(), leaf.witness(&[0; 64])));
    let fee = plan.reveal_rate.fee(weight_of(&reveal)?);
    let value = back.to_sat().checked_add(fee).ok_or(AnchorPlanError::Overflow)?;
    let output = TxOut {
        value: bitcoin::Amount::from_sat(value),
        script_pubkey: leaf.output.clone(),
    };
    let (mut commit, commit_prevouts) =
        build_commit(plan.spend, plan.coins, plan.rate, plan.change_script, output)?;
    if commit.output.len() == 1 {
        // What is too little for change goes on to the reveal, which gives it back.
        let signatures = SIGNATURE_WEIGHT * commit.input.len() as u64;
        let weight = commit.weight().to_wu() + MARKER_WEIGHT + signatures;
        let weight = u32::try_from(weight).map_err(|_| AnchorPlanError::Overflow)?;
        let spare = sum(&commit_prevouts)?.saturating_sub(value + plan.rate.fee(weight));
        commit.output[0].value += bitcoin::Amount::from_sat(spare);
        reveal.output[0].value += bitcoin::Amount::from_sat(spare);
    }
    reveal.input[0].previous_output = OutPoint {
        txid: commit.compute_txid(),
        vout: 0,
    };
    strip(&mut reveal);
    Ok(Post {
        commit,
        commit_prevouts,
        reveal,
        leaf,
    })
}

/// What another reveal of a commit that is in a block is made from.
#[derive(Clone, Copy, Debug)]
pub struct RevealPlan<'a> {
    /// What was posted, under its key.
    pub envelope: &'a Envelope,
    /// The output of the commit.
    pub committed: &'a TxOut,
    /// Where it is.
    pub outpoint: OutPoint,
    /// Confirmed coins of the envelope's key, spent by its key path without a script tree.
    pub coins: &'a [Coin],
    /// The fee rate.
    pub rate: FeeRate,
    /// Where the reveal's output goes.
    pub change_script: &'a Script,
}

/// Another reveal, unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reveal {
    tx: Transaction,
    prevouts: Vec<TxOut>,
    leaf: Leaf,
}

impl Reveal {
    /// The unsigned transaction; its txid is final.
    #[must_use]
    pub fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// What is signed for an input: 0 by the plain key, others by the key tweaked without a script tree.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn sighash(&self, input: usize) -> Message {
        match input {
            0 => script_path_sighash(&self.tx, 0, &self.prevouts, &self.leaf.script),
            _ => key_path_sighash(&self.tx, input, &self.prevouts),
        }
    }

    /// The signed transaction; one signature per input.
    ///
    /// # Panics
    /// If the number of signatures is not the number of inputs.
    #[must_use]
    pub fn finalise(&self, signatures: &[Signature]) -> Transaction {
        let mut tx = self.tx.clone();
        assert_eq!(signatures.len(), tx.input.len(), "one signature per input");
        for (input, signature) in tx.input.iter_mut().zip(signatures) {
            input.witness = key_path_witness(signature);
        }
        tx.input[0].witness = self.leaf.witness(&signatures[0].serialize());
        tx
    }
}

/// Builds a reveal that pays `rate`: coins bring what the commit's output does not.
///
/// # Errors
/// [`AnchorPlanError`].
pub fn plan_reveal(plan: &RevealPlan<'_>) -> Result<Reveal, AnchorPlanError> {
    let leaf = Leaf::of(plan.envelope, plan.envelope.key());
    let back = plan.change_script.minimal_non_dust();
    let mut tx = transaction(vec![TxOut {
        value: back,
        script_pubkey: plan.change_script.into(),
    }]);
    tx.input.push(txin(plan.outpoint, leaf.witness(&[0; 64])));
    let mut prevouts = vec![plan.committed.clone()];
    let need = Need {
        outputs: back.to_sat(),
        contributed: sum(&prevouts)?,
        fee_floor: 0,
        weight: weight_of(&tx)?,
        rate: plan.rate,
        change_script: plan.change_script,
    };
    let funding = fund(plan.coins, &need)?;
    // There is an output already that takes the change.
    tx.output[0].value += bitcoin::Amount::from_sat(funding.change.unwrap_or(0));
    for coin in funding.coins {
        tx.input.push(txin(coin.outpoint, dummy_key_path_witness()));
        prevouts.push(coin.txout);
    }
    weight_of(&tx)?;
    strip(&mut tx);
    Ok(Reveal { tx, prevouts, leaf })
}

/// An envelope as the only leaf of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaf {
    script: ScriptBuf,
    control_block: Vec<u8>,
    output: ScriptBuf,
}

impl Leaf {
    fn of(envelope: &Envelope, key: XOnlyPublicKey) -> Self {
        let script = envelope.to_script();
        let spend_info = single_leaf(key, script.clone());
        let control_block = spend_info
            .control_block(&(script.clone(), LeafVersion::TapScript))
            .expect("the leaf is in the tree")
            .serialize();
        let output = ScriptBuf::new_p2tr_tweaked(spend_info.output_key());
        Self {
            script,
            control_block,
            output,
        }
    }

    fn witness(&self, signature: &[u8; 64]) -> Witness {
        script_witness(signature, &self.script, &self.control_block)
    }
}

#[cfg(test)]
mod tests;
