//! The anchor chain: a chain of UTXOs that orders writers and carries the batches.
//!
//! ```text
//!   anchor transaction (reveal)     input 0   the previous anchor's output 0
//!                                   input 1   the commit, by script path: the payload
//!                                   output 0  the next anchor
//! ```
//!
//! Whoever spends the tip first wins; Bitcoin itself decides between two writers. Any other spend
//! of the tip is an *empty* anchor: it moves the tip and never the state. [`classify_anchor_spend`]
//! says which of the two a transaction is, [`build`] makes commit and reveal.
//!
//! The anchor's script is Taproot: the sequencer's key on the key path, and one leaf by which the
//! federation can take the chain over after a long silence. Specification: `docs/spec/bitcoin.md`.

use bitcoin::opcodes::all::{OP_CHECKSIG, OP_CSV, OP_DROP};
use bitcoin::script::Builder;
use bitcoin::taproot::{LeafVersion, TapNodeHash, TaprootBuilder, TaprootSpendInfo};
use bitcoin::{OutPoint, Script, ScriptBuf, Transaction, TxIn, TxOut, XOnlyPublicKey};
use thiserror::Error;

use crate::envelope::{Envelope, EnvelopeError, EnvelopeKind, peek_envelope, read_envelope};
use crate::peg::block::TxInput;
use crate::peg::taproot::secp;

pub mod build;

pub use build::{AnchorPlan, AnchorPlanError, CommitReveal, plan_commit_reveal};

/// What an anchor output holds: enough never to be dust.
pub const ANCHOR_AMOUNT: bitcoin::Amount = bitcoin::Amount::from_sat(1_000);

/// The keys an anchor's script is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnchorKeys {
    /// The sequencer's anchor key.
    pub anchor: XOnlyPublicKey,
    /// The federation's key.
    pub federation: XOnlyPublicKey,
    /// Blocks without an anchor after which the federation may spend the tip.
    pub takeover_timelock: u16,
}

impl AnchorKeys {
    /// The leaf by which the federation takes the chain over.
    #[must_use]
    pub fn takeover_script(&self) -> ScriptBuf {
        Builder::new()
            .push_int(i64::from(self.takeover_timelock))
            .push_opcode(OP_CSV)
            .push_opcode(OP_DROP)
            .push_x_only_key(&self.federation)
            .push_opcode(OP_CHECKSIG)
            .into_script()
    }

    /// The whole Taproot construction.
    ///
    /// # Panics
    /// Never: one leaf of depth zero is a complete tree.
    #[must_use]
    pub fn spend_info(&self) -> TaprootSpendInfo {
        single_leaf(self.anchor, self.takeover_script())
    }

    /// The root that tweaks the sequencer's key when it spends an anchor.
    ///
    /// # Panics
    /// Never: the tree has a leaf.
    #[must_use]
    pub fn merkle_root(&self) -> TapNodeHash {
        self.spend_info().merkle_root().expect("the tree has a leaf")
    }

    /// The anchor's output script.
    #[must_use]
    pub fn script_pubkey(&self) -> ScriptBuf {
        ScriptBuf::new_p2tr_tweaked(self.spend_info().output_key())
    }
}

/// A Taproot construction with one leaf.
pub(crate) fn single_leaf(internal: XOnlyPublicKey, leaf: ScriptBuf) -> TaprootSpendInfo {
    TaprootBuilder::new()
        .add_leaf(0, leaf)
        .expect("one leaf of depth zero fits")
        .finalize(secp(), internal)
        .expect("one leaf of depth zero is a complete tree")
}

/// The keys of an anchor and of the one that spends it: they differ after the federation was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnchorStep {
    /// The keys in the script of the tip.
    pub own: AnchorKeys,
    /// The keys that the script of the next anchor has to have.
    pub next: AnchorKeys,
}

impl AnchorStep {
    /// The step from an anchor to one with the same keys.
    #[must_use]
    pub fn within(keys: AnchorKeys) -> Self {
        Self {
            own: keys,
            next: keys,
        }
    }
}

/// The UTXO at the end of the anchor chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorTip {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it holds and who can spend it.
    pub txout: TxOut,
}

/// Why a spend of the anchor tip carries nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EmptyReason {
    /// The tip is spent by an input other than the first.
    #[error("the anchor tip is not input 0")]
    TipNotFirst,
    /// The tip is spent by its leaf: the federation frees it, and writes nothing.
    #[error("the anchor tip is spent by its leaf")]
    ByLeaf,
    /// The first output goes elsewhere.
    #[error("output 0 is not the expected anchor script")]
    UnexpectedScript,
    /// There is no second input.
    #[error("there is no commit input")]
    NoCommit,
    /// The second input does not spend a Taproot output by a tapscript.
    #[error("input 1 does not spend a Taproot output by script path")]
    NoScriptPath,
    /// The tapscript is not an envelope of ours.
    #[error("input 1 holds no envelope")]
    NoEnvelope,
    /// The envelope is malformed.
    #[error(transparent)]
    BadEnvelope(EnvelopeError),
    /// The envelope carries something else.
    #[error("the envelope is of kind {0:?}")]
    OtherKind(EnvelopeKind),
}

/// What a spend of the anchor tip carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchorOutcome {
    /// A payload to judge.
    Payload(Vec<u8>),
    /// Nothing: the tip moves, the state does not.
    Empty(EmptyReason),
}

/// A step of the anchor chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorSpend {
    /// The new tip: output 0 of the spender, whatever its script.
    pub tip: AnchorTip,
    /// What the spender carries.
    pub outcome: AnchorOutcome,
}

/// Judges `tx` if it spends `tip`; `prevouts` are the outputs of its inputs.
///
/// # Panics
/// If `tx` has no output, which no confirmed transaction does, or `prevouts` does not list one
/// output per input ([`crate::peg::TxInput`] makes sure).
#[must_use]
pub fn classify_anchor_spend(
    tx: &Transaction,
    prevouts: &[TxOut],
    tip: OutPoint,
    expected_script: &Script,
) -> Option<AnchorSpend> {
    if !tx.input.iter().any(|input| input.previous_output == tip) {
        return None;
    }
    assert_eq!(prevouts.len(), tx.input.len(), "one spent output per input");
    let outcome = match read_payload(tx, prevouts, tip, expected_script) {
        Ok(payload) => AnchorOutcome::Payload(payload),
        Err(reason) => AnchorOutcome::Empty(reason),
    };
    let outpoint = OutPoint {
        txid: tx.compute_txid(),
        vout: 0,
    };
    let txout = tx
        .output
        .first()
        .expect("a confirmed transaction has outputs")
        .clone();
    Some(AnchorSpend {
        tip: AnchorTip { outpoint, txout },
        outcome,
    })
}

/// The payload of an anchor, or the first rule that makes it empty.
fn read_payload(
    tx: &Transaction,
    prevouts: &[TxOut],
    tip: OutPoint,
    expected_script: &Script,
) -> Result<Vec<u8>, EmptyReason> {
    if tx.input[0].previous_output != tip {
        return Err(EmptyReason::TipNotFirst);
    }
    if tx.input[0].witness.taproot_control_block().is_some() {
        return Err(EmptyReason::ByLeaf);
    }
    if tx.output.first().map(|output| output.script_pubkey.as_script()) != Some(expected_script) {
        return Err(EmptyReason::UnexpectedScript);
    }
    let (commit, prevout) = tx
        .input
        .get(1)
        .zip(prevouts.get(1))
        .ok_or(EmptyReason::NoCommit)?;
    let script = tapscript_of(commit, prevout).ok_or(EmptyReason::NoScriptPath)?;
    let envelope = read_envelope(script)
        .map_err(EmptyReason::BadEnvelope)?
        .ok_or(EmptyReason::NoEnvelope)?;
    match envelope.kind() {
        EnvelopeKind::Anchor => Ok(Envelope::into_body(envelope)),
        other @ (EnvelopeKind::RaiseFee
        | EnvelopeKind::ForcedTransfer
        | EnvelopeKind::DepositClaim
        | EnvelopeKind::Epoch) => Err(EmptyReason::OtherKind(other)),
    }
}

/// The tapscript that a confirmed input runs, if it spends a Taproot output by one.
#[must_use]
pub fn tapscript_of<'a>(input: &'a TxIn, prevout: &TxOut) -> Option<&'a Script> {
    if !prevout.script_pubkey.is_p2tr() {
        return None;
    }
    let leaf = input.witness.taproot_leaf_script()?;
    (leaf.version == LeafVersion::TapScript).then_some(leaf.script)
}

/// The envelopes in the inputs of a confirmed transaction, with the inputs' numbers: those whose kind and length
/// of the body are `wanted`. The first bytes decide about almost every input, so that no witness is read in vain;
/// what is malformed is passed over.
pub fn envelopes(
    tx: &TxInput,
    wanted: impl Fn(EnvelopeKind, usize) -> bool,
) -> impl Iterator<Item = (u32, Envelope)> {
    let inputs = tx.tx().input.iter().zip(tx.prevouts());
    (0u32..)
        .zip(inputs)
        .filter_map(move |(number, (input, prevout))| {
            let script = tapscript_of(input, prevout)?;
            let (kind, length) = peek_envelope(script)?;
            if !wanted(kind, length) {
                return None;
            }
            Some((number, read_envelope(script).ok()??))
        })
}

#[cfg(test)]
mod tests;
