//! Commit and reveal: how a payload gets into an anchor transaction.
//!
//! The commit pays, from confirmed operator coins, to a Taproot output whose only leaf is the
//! payload's script; the reveal spends the anchor tip and that output. The commit output holds
//! exactly what the reveal needs, fee included. The payload is the commit's tweak, so the two can
//! never be mixed up with those of another payload; callers store both before they send one.

use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::taproot::{LeafVersion, TapNodeHash};
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use thiserror::Error;

use crate::envelope::{Envelope, EnvelopeError, EnvelopeKind};
use crate::peg::anchor::{ANCHOR_AMOUNT, AnchorStep, AnchorTip, single_leaf};
use crate::peg::coins::{Coin, CoinError, Funding, Need, fund};
use crate::peg::fees::FeeRate;
use crate::peg::taproot::{dummy_key_path_witness, key_path_sighash, key_path_witness, script_path_sighash};

/// Bitcoin Core relays transactions up to this weight.
pub const MAX_STANDARD_WEIGHT: u32 = 400_000;

/// Why no commit and reveal can be built.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AnchorPlanError {
    /// The payload does not fit an envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The operator's coins do not pay.
    #[error(transparent)]
    Coins(#[from] CoinError),
    /// A sum does not fit 64 bits.
    #[error("a sum overflows")]
    Overflow,
    /// A transaction would be too heavy to be relayed.
    #[error("weight {0} is above {MAX_STANDARD_WEIGHT}")]
    TooHeavy(u32),
}

/// Everything a commit and its reveal are made from.
#[derive(Clone, Copy, Debug)]
pub struct AnchorPlan<'a> {
    /// The anchor to spend; its script is that of `keys.own`.
    pub tip: &'a AnchorTip,
    /// The keys of this anchor and the next.
    pub keys: &'a AnchorStep,
    /// What to publish.
    pub payload: &'a [u8],
    /// The operator's confirmed coins.
    pub coins: &'a [Coin],
    /// The fee rate of both transactions.
    pub rate: FeeRate,
    /// Where the operator's change goes.
    pub change_script: &'a Script,
}

/// A commit and its reveal, both unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitReveal {
    commit: Transaction,
    commit_prevouts: Vec<TxOut>,
    reveal: Transaction,
    reveal_prevouts: Vec<TxOut>,
    script: ScriptBuf,
    control_block: Vec<u8>,
    anchor_root: TapNodeHash,
}

impl CommitReveal {
    /// The unsigned commit; its txid is final.
    #[must_use]
    pub fn commit(&self) -> &Transaction {
        &self.commit
    }

    /// The outputs the commit spends: operator coins, tweaked without a script tree.
    #[must_use]
    pub fn commit_prevouts(&self) -> &[TxOut] {
        &self.commit_prevouts
    }

    /// The unsigned reveal; its txid is final.
    #[must_use]
    pub fn reveal(&self) -> &Transaction {
        &self.reveal
    }

    /// The outputs the reveal spends: anchor tip, commit, then operator coins if it was bumped.
    #[must_use]
    pub fn reveal_prevouts(&self) -> &[TxOut] {
        &self.reveal_prevouts
    }

    /// The payload's tapscript.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.script
    }

    /// The root that tweaks the anchor key for input 0 of the reveal.
    #[must_use]
    pub fn anchor_root(&self) -> TapNodeHash {
        self.anchor_root
    }

    /// What the operator signs for an input of the commit.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn commit_sighash(&self, input: usize) -> Message {
        key_path_sighash(&self.commit, input, &self.commit_prevouts)
    }

    /// What is signed for an input of the reveal: 0 by the anchor key tweaked by
    /// [`Self::anchor_root`], 1 by the plain anchor key, others by the operator as in the commit.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn reveal_sighash(&self, input: usize) -> Message {
        match input {
            1 => script_path_sighash(&self.reveal, 1, &self.reveal_prevouts, &self.script),
            _ => key_path_sighash(&self.reveal, input, &self.reveal_prevouts),
        }
    }

    /// The signed commit; one signature per input, in order.
    ///
    /// # Panics
    /// If the number of signatures is not the number of inputs.
    #[must_use]
    pub fn finalise_commit(&self, signatures: &[Signature]) -> Transaction {
        assert_eq!(
            signatures.len(),
            self.commit.input.len(),
            "one signature per input"
        );
        let mut tx = self.commit.clone();
        for (input, signature) in tx.input.iter_mut().zip(signatures) {
            input.witness = key_path_witness(signature);
        }
        tx
    }

    /// The signed reveal; one signature per input, in order.
    ///
    /// # Panics
    /// If the number of signatures is not the number of inputs.
    #[must_use]
    pub fn finalise_reveal(&self, signatures: &[Signature]) -> Transaction {
        assert_eq!(
            signatures.len(),
            self.reveal.input.len(),
            "one signature per input"
        );
        let mut tx = self.reveal.clone();
        for (i, signature) in signatures.iter().enumerate() {
            tx.input[i].witness = match i {
                1 => script_witness(&signature.serialize(), &self.script, &self.control_block),
                _ => key_path_witness(signature),
            };
        }
        tx
    }

    /// The same payload and commit with a reveal that reaches `rate` by more operator coins.
    ///
    /// # Errors
    /// [`AnchorPlanError`].
    ///
    /// # Panics
    /// Never: a reveal has an anchor, a commit and at least one output.
    pub fn bump(
        &self,
        coins: &[Coin],
        rate: FeeRate,
        change_script: &Script,
    ) -> Result<Self, AnchorPlanError> {
        let mut reveal = self.reveal.clone();
        let mut reveal_prevouts = self.reveal_prevouts.clone();
        reveal.input.truncate(2);
        reveal.output.truncate(1);
        reveal_prevouts.truncate(2);
        reveal.input[0].witness = dummy_key_path_witness();
        reveal.input[1].witness = script_witness(&[0; 64], &self.script, &self.control_block);
        let need = Need {
            outputs: ANCHOR_AMOUNT.to_sat(),
            contributed: sum(&reveal_prevouts)?,
            fee_floor: 0,
            weight: weight_of(&reveal)?,
            rate,
            change_script,
        };
        let funding = fund(coins, &need)?;
        add_coins(&mut reveal, &mut reveal_prevouts, funding, change_script);
        weight_of(&reveal)?;
        strip(&mut reveal);
        Ok(Self {
            reveal,
            reveal_prevouts,
            ..self.clone()
        })
    }
}

/// Builds the commit and the reveal that publish a payload.
///
/// # Errors
/// [`AnchorPlanError`].
///
/// # Panics
/// Never: the leaf asked for is the one the tree was built from.
pub fn plan_commit_reveal(plan: &AnchorPlan<'_>) -> Result<CommitReveal, AnchorPlanError> {
    let envelope = Envelope::new(plan.keys.own.anchor, EnvelopeKind::Anchor, plan.payload.to_vec())?;
    let script = envelope.to_script();
    let spend_info = single_leaf(plan.keys.own.anchor, script.clone());
    let control_block = spend_info
        .control_block(&(script.clone(), LeafVersion::TapScript))
        .expect("the leaf is in the tree")
        .serialize();
    let commit_script = ScriptBuf::new_p2tr_tweaked(spend_info.output_key());

    let mut reveal = transaction(vec![TxOut {
        value: ANCHOR_AMOUNT,
        script_pubkey: plan.keys.next.script_pubkey(),
    }]);
    reveal
        .input
        .push(txin(plan.tip.outpoint, dummy_key_path_witness()));
    // The commit's txid takes as many bytes as any other; it is filled in below.
    let witness = script_witness(&[0; 64], &script, &control_block);
    reveal.input.push(txin(OutPoint::null(), witness));
    let fee = plan.rate.fee(weight_of(&reveal)?);
    let needed = ANCHOR_AMOUNT
        .to_sat()
        .checked_add(fee)
        .ok_or(AnchorPlanError::Overflow)?;
    let missing = needed.saturating_sub(plan.tip.txout.value.to_sat());
    let value = missing.max(commit_script.minimal_non_dust().to_sat());

    let commit_output = TxOut {
        value: bitcoin::Amount::from_sat(value),
        script_pubkey: commit_script,
    };
    let (commit, commit_prevouts) = build_commit(
        &[],
        plan.coins,
        plan.rate,
        plan.change_script,
        commit_output.clone(),
    )?;
    reveal.input[1].previous_output = OutPoint {
        txid: commit.compute_txid(),
        vout: 0,
    };
    strip(&mut reveal);
    Ok(CommitReveal {
        commit,
        commit_prevouts,
        reveal,
        reveal_prevouts: vec![plan.tip.txout.clone(), commit_output],
        script,
        control_block,
        anchor_root: plan.keys.own.merkle_root(),
    })
}

/// A commit: coins in, all of `spend` and of the others as many as it takes, the commit output and change out.
pub(crate) fn build_commit(
    spend: &[Coin],
    coins: &[Coin],
    rate: FeeRate,
    change_script: &Script,
    output: TxOut,
) -> Result<(Transaction, Vec<TxOut>), AnchorPlanError> {
    let outputs = output.value.to_sat();
    let mut commit = transaction(vec![output]);
    let mut prevouts = Vec::new();
    for coin in spend {
        commit.input.push(txin(coin.outpoint, dummy_key_path_witness()));
        prevouts.push(coin.txout.clone());
    }
    let need = Need {
        outputs,
        contributed: sum(&prevouts)?,
        fee_floor: 0,
        weight: weight_of(&commit)?,
        rate,
        change_script,
    };
    let is_taken = |coin: &Coin| spend.iter().any(|taken| taken.outpoint == coin.outpoint);
    let others: Vec<Coin> = coins.iter().filter(|coin| !is_taken(coin)).cloned().collect();
    let funding = fund(&others, &need)?;
    add_coins(&mut commit, &mut prevouts, funding, change_script);
    weight_of(&commit)?;
    strip(&mut commit);
    Ok((commit, prevouts))
}

/// What outputs hold together.
pub(crate) fn sum(outputs: &[TxOut]) -> Result<u64, AnchorPlanError> {
    outputs
        .iter()
        .try_fold(0u64, |sum, output| sum.checked_add(output.value.to_sat()))
        .ok_or(AnchorPlanError::Overflow)
}

/// Appends coins and change.
fn add_coins(tx: &mut Transaction, prevouts: &mut Vec<TxOut>, funding: Funding, change_script: &Script) {
    for coin in funding.coins {
        tx.input.push(txin(coin.outpoint, dummy_key_path_witness()));
        prevouts.push(coin.txout);
    }
    if let Some(change) = funding.change {
        let value = bitcoin::Amount::from_sat(change);
        tx.output.push(TxOut {
            value,
            script_pubkey: change_script.into(),
        });
    }
}

/// A transaction without inputs.
pub(crate) fn transaction(output: Vec<TxOut>) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: Vec::new(),
        output,
    }
}

/// An input that may be replaced by a later version of the transaction.
pub(crate) fn txin(previous_output: OutPoint, witness: Witness) -> TxIn {
    TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness,
    }
}

/// The witness of a spend by the payload's script.
pub(crate) fn script_witness(signature: &[u8; 64], script: &Script, control_block: &[u8]) -> Witness {
    Witness::from_slice(&[&signature[..], script.as_bytes(), control_block])
}

/// The weight of a transaction, if it can be relayed.
pub(crate) fn weight_of(tx: &Transaction) -> Result<u32, AnchorPlanError> {
    let weight = u32::try_from(tx.weight().to_wu()).map_err(|_| AnchorPlanError::Overflow)?;
    if weight > MAX_STANDARD_WEIGHT {
        Err(AnchorPlanError::TooHeavy(weight))
    } else {
        Ok(weight)
    }
}

/// Takes the stand-in witnesses out.
pub(crate) fn strip(tx: &mut Transaction) {
    for input in &mut tx.input {
        input.witness = Witness::new();
    }
}

#[cfg(test)]
pub(crate) mod tests;
