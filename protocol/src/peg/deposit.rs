//! Deposits: a Taproot output that the federation can sweep and the depositor can take back.
//!
//! The internal key is the federation's. Exactly two leaves hang under it:
//!
//! ```text
//!   OP_RETURN <inner>                                   binds the note, can never be spent
//!   <timelock> OP_CSV OP_DROP <refund> OP_CHECKSIG      the depositor's way back
//! ```
//!
//! `inner` commits to the note's owner and randomness without showing either, and the leaf makes
//! the output worthless for any other note. `inner` and `refund` derive from the mnemonic by an
//! index, so a restored wallet finds its deposits. Specification: `docs/spec/bitcoin.md`.

use bitcoin::absolute::LockTime;
use bitcoin::opcodes::all::{OP_CHECKSIG, OP_CSV, OP_DROP, OP_RETURN};
use bitcoin::script::Builder;
use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::taproot::{LeafVersion, TapNodeHash, TaprootBuilder, TaprootSpendInfo};
use bitcoin::transaction::Version;
use bitcoin::{
    Address, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, XOnlyPublicKey,
};
use thiserror::Error;

use crate::field::{self, F};
use crate::network::Network;
use crate::peg::fees::FeeRate;
use crate::peg::taproot::{script_path_sighash, secp};
use crate::peg::vault::KeyPath;

/// Why a refund cannot be built.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RefundError {
    /// Less than the dust limit would be left.
    #[error("{left} sat would be left after the fee, the destination needs {dust} sat")]
    Dust {
        /// Satoshi left after the fee.
        left: u64,
        /// The dust limit of the destination's script.
        dust: u64,
    },
}

/// The terms a deposit address commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DepositTerms {
    /// The federation's key.
    pub federation: XOnlyPublicKey,
    /// The note's inner commitment.
    pub inner: F,
    /// The depositor's key for the way back.
    pub refund: XOnlyPublicKey,
    /// Blocks after which the way back opens.
    pub timelock: u16,
}

impl DepositTerms {
    /// The leaf that binds the note.
    #[must_use]
    pub fn note_script(&self) -> ScriptBuf {
        Builder::new()
            .push_opcode(OP_RETURN)
            .push_slice(field::to_bytes(&self.inner))
            .into_script()
    }

    /// The leaf that lets the depositor take the money back.
    #[must_use]
    pub fn refund_script(&self) -> ScriptBuf {
        Builder::new()
            .push_int(i64::from(self.timelock))
            .push_opcode(OP_CSV)
            .push_opcode(OP_DROP)
            .push_x_only_key(&self.refund)
            .push_opcode(OP_CHECKSIG)
            .into_script()
    }

    /// The whole Taproot construction.
    ///
    /// # Panics
    /// Never: two leaves of depth one make a complete tree.
    #[must_use]
    pub fn spend_info(&self) -> TaprootSpendInfo {
        TaprootBuilder::new()
            .add_leaf(1, self.note_script())
            .and_then(|builder| builder.add_leaf(1, self.refund_script()))
            .expect("two leaves of depth one fit")
            .finalize(secp(), self.federation)
            .expect("two leaves of depth one are a complete tree")
    }

    /// The root that tweaks the federation's key when it sweeps the deposit.
    ///
    /// # Panics
    /// Never: the tree has two leaves.
    #[must_use]
    pub fn merkle_root(&self) -> TapNodeHash {
        self.spend_info().merkle_root().expect("the tree has leaves")
    }

    /// How the federation sweeps the deposit.
    #[must_use]
    pub fn key_path(&self) -> KeyPath {
        KeyPath {
            internal: self.federation,
            merkle_root: Some(self.merkle_root()),
        }
    }

    /// The output script to pay to.
    #[must_use]
    pub fn script_pubkey(&self) -> ScriptBuf {
        ScriptBuf::new_p2tr_tweaked(self.spend_info().output_key())
    }

    /// The address to pay to.
    #[must_use]
    pub fn address(&self, network: Network) -> Address {
        Address::p2tr_tweaked(self.spend_info().output_key(), network.bitcoin())
    }

    /// Whether an output pays to these terms.
    #[must_use]
    pub fn matches(&self, script: &Script) -> bool {
        self.script_pubkey().as_script() == script
    }

    /// Builds the unsigned transaction that takes a deposit back to `to`, after the timelock.
    ///
    /// # Errors
    /// [`RefundError::Dust`] if too little is left after the fee.
    ///
    /// # Panics
    /// Never: the transaction has one input and one output.
    pub fn refund(
        &self,
        outpoint: OutPoint,
        deposit: TxOut,
        to: ScriptBuf,
        rate: FeeRate,
    ) -> Result<Refund, RefundError> {
        let spend_info = self.spend_info();
        let script = self.refund_script();
        let control_block = spend_info
            .control_block(&(script.clone(), LeafVersion::TapScript))
            .expect("the leaf is in the tree")
            .serialize();
        let mut tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![TxIn {
                previous_output: outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::from_height(self.timelock),
                witness: Witness::from_slice(&[&[0u8; 64][..], script.as_bytes(), &control_block]),
            }],
            output: vec![TxOut {
                value: deposit.value,
                script_pubkey: to,
            }],
        };
        let weight = u32::try_from(tx.weight().to_wu()).expect("one input and one output");
        let left = deposit.value.to_sat().saturating_sub(rate.fee(weight));
        let dust = tx.output[0].script_pubkey.minimal_non_dust().to_sat();
        if left < dust {
            return Err(RefundError::Dust { left, dust });
        }
        tx.output[0].value = bitcoin::Amount::from_sat(left);
        tx.input[0].witness = Witness::new();
        Ok(Refund {
            tx,
            deposit,
            script,
            control_block,
        })
    }
}

/// An unsigned refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    tx: Transaction,
    deposit: TxOut,
    script: ScriptBuf,
    control_block: Vec<u8>,
}

impl Refund {
    /// The unsigned transaction.
    #[must_use]
    pub fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// What the refund key signs (without a tweak).
    #[must_use]
    pub fn sighash(&self) -> Message {
        script_path_sighash(&self.tx, 0, std::slice::from_ref(&self.deposit), &self.script)
    }

    /// The signed transaction.
    #[must_use]
    pub fn finalise(mut self, signature: &Signature) -> Transaction {
        self.tx.input[0].witness = Witness::from_slice(&[
            &signature.serialize()[..],
            self.script.as_bytes(),
            &self.control_block,
        ]);
        self.tx
    }
}

#[cfg(test)]
mod tests;
