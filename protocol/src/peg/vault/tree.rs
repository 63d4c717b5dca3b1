//! The vault's script tree: who can move the money when the federation's key cannot.
//!
//! ```text
//!   key path    the federation, by its distributed key         at once
//!   backup      t of the members' own keys                     after a short timelock
//!   recovery    t of the recovery keys                         after a long timelock
//! ```
//!
//! The backup leaf is there against loss of the distributed key, the recovery leaf against loss of
//! the federation. Both are optional: a development chain has one local key and no leaf. Every spend
//! of the vault starts both timelocks anew. Specification: `docs/spec/bitcoin.md`.

use std::collections::BTreeMap;

use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::taproot::{LeafVersion, TapNodeHash, TaprootBuilder, TaprootSpendInfo};
use bitcoin::{ScriptBuf, Sequence, Transaction, TxOut, Witness, XOnlyPublicKey};
use thiserror::Error;

use crate::peg::anchor::single_leaf;
use crate::peg::taproot::{script_path_sighash, secp};
use crate::peg::vault::KeyPath;

mod quorum;

pub use quorum::{MAX_QUORUM_KEYS, Quorum, QuorumError};

/// Weight of an input apart from its witness.
const INPUT_BASE_WEIGHT: usize = 4 * (36 + 1 + 4);

/// The keys that the vault's script is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultKeys {
    /// The federation's key, the internal key.
    pub federation: XOnlyPublicKey,
    /// Who can move the vault when the federation's key is lost.
    pub backup: Option<Quorum>,
    /// Who can move it when the federation is lost.
    pub recovery: Option<Quorum>,
}

/// A leaf of the vault's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VaultLeaf {
    /// The members' own keys, after the short timelock.
    Backup,
    /// The recovery keys, after the long one.
    Recovery,
}

impl VaultKeys {
    /// A vault that the federation's key alone can move.
    #[must_use]
    pub fn without_leaves(federation: XOnlyPublicKey) -> Self {
        Self {
            federation,
            backup: None,
            recovery: None,
        }
    }

    /// The quorum of a leaf, if the tree has it.
    #[must_use]
    pub fn quorum(&self, leaf: VaultLeaf) -> Option<&Quorum> {
        match leaf {
            VaultLeaf::Backup => self.backup.as_ref(),
            VaultLeaf::Recovery => self.recovery.as_ref(),
        }
    }

    /// Whether the recovery leaf opens later than the backup leaf, as far as there are both.
    #[must_use]
    pub fn leaves_in_order(&self) -> bool {
        match (&self.backup, &self.recovery) {
            (Some(backup), Some(recovery)) => recovery.timelock() > backup.timelock(),
            (None, _) | (_, None) => true,
        }
    }

    /// The scripts of the leaves that there are, the backup leaf first.
    #[must_use]
    pub fn leaves(&self) -> Vec<ScriptBuf> {
        self.backup
            .iter()
            .chain(&self.recovery)
            .map(Quorum::leaf)
            .collect()
    }

    /// The whole Taproot construction: two leaves have depth one, a single one is the root.
    ///
    /// # Panics
    /// Never: up to two leaves always make a complete tree.
    #[must_use]
    pub fn spend_info(&self) -> TaprootSpendInfo {
        match (&self.backup, &self.recovery) {
            (None, None) => TaprootSpendInfo::new_key_spend(secp(), self.federation, None),
            (Some(only), None) | (None, Some(only)) => single_leaf(self.federation, only.leaf()),
            (Some(backup), Some(recovery)) => TaprootBuilder::new()
                .add_leaf(1, backup.leaf())
                .and_then(|builder| builder.add_leaf(1, recovery.leaf()))
                .expect("two leaves of depth one fit")
                .finalize(secp(), self.federation)
                .expect("two leaves of depth one are a complete tree"),
        }
    }

    /// The root that tweaks the federation's key when it spends the vault; none without leaves.
    #[must_use]
    pub fn merkle_root(&self) -> Option<TapNodeHash> {
        self.spend_info().merkle_root()
    }

    /// How the federation spends the vault.
    #[must_use]
    pub fn key_path(&self) -> KeyPath {
        KeyPath {
            internal: self.federation,
            merkle_root: self.merkle_root(),
        }
    }

    /// The vault's output script.
    #[must_use]
    pub fn script_pubkey(&self) -> ScriptBuf {
        ScriptBuf::new_p2tr_tweaked(self.spend_info().output_key())
    }

    /// What a spend of the vault by `leaf` takes, if the tree has it.
    ///
    /// # Panics
    /// Never: the leaf is in the tree.
    #[must_use]
    pub fn spend_by(&self, leaf: VaultLeaf) -> Option<LeafSpend> {
        let quorum = self.quorum(leaf)?.clone();
        let script = quorum.leaf();
        let control_block = self
            .spend_info()
            .control_block(&(script.clone(), LeafVersion::TapScript))
            .expect("the leaf is in the tree")
            .serialize();
        Some(LeafSpend {
            quorum,
            script,
            control_block,
        })
    }
}

/// Why signatures do not open a leaf.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LeafSpendError {
    /// A signature of somebody else.
    #[error("key {0} is not one of the leaf's; leave its signature out")]
    Stranger(XOnlyPublicKey),
    /// Fewer signatures than the leaf asks for.
    #[error("the leaf takes {needed} signatures and there are {given}; collect more")]
    TooFew {
        /// Signatures given.
        given: usize,
        /// Signatures it takes.
        needed: u16,
    },
}

/// How the vault is spent by one of its leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafSpend {
    quorum: Quorum,
    script: ScriptBuf,
    control_block: Vec<u8>,
}

impl LeafSpend {
    /// The sequence number of the input: the timelock.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        Sequence::from_height(self.quorum.timelock())
    }

    /// What every key of the quorum signs (without a tweak).
    ///
    /// # Panics
    /// If `input` is not an input of `tx`, or `prevouts` does not list one output per input.
    #[must_use]
    pub fn sighash(&self, tx: &Transaction, input: usize, prevouts: &[TxOut]) -> Message {
        script_path_sighash(tx, input, prevouts, &self.script)
    }

    /// The witness of the input. Each signature is over [`Self::sighash`]; the caller has verified
    /// them, for one that is wrong makes the whole spend invalid. The leaf counts to its threshold
    /// exactly, so of too many signatures the first are taken, in the order of the keys.
    ///
    /// # Errors
    /// [`LeafSpendError`].
    pub fn witness(
        &self,
        signatures: &BTreeMap<XOnlyPublicKey, Signature>,
    ) -> Result<Witness, LeafSpendError> {
        let (keys, needed) = (self.quorum.keys(), self.quorum.threshold());
        if let Some(stranger) = signatures.keys().find(|key| !keys.contains(key)) {
            return Err(LeafSpendError::Stranger(*stranger));
        }
        let given = signatures.len();
        if given < usize::from(needed) {
            return Err(LeafSpendError::TooFew { given, needed });
        }
        let mut missing = needed;
        let element = |key| match signatures.get(key) {
            Some(signature) if missing > 0 => {
                missing -= 1;
                signature.serialize().to_vec()
            }
            Some(_) | None => Vec::new(),
        };
        let elements: Vec<Vec<u8>> = keys.iter().map(element).collect();
        Ok(self.stack(&elements))
    }

    /// The weight of the input when it is signed.
    ///
    /// # Panics
    /// Never: a hundred keys and signatures are small.
    #[must_use]
    pub fn input_weight(&self) -> u32 {
        let mut elements = vec![Vec::new(); self.quorum.keys().len()];
        elements[..usize::from(self.quorum.threshold())].fill(vec![0; 64]);
        let weight = INPUT_BASE_WEIGHT + self.stack(&elements).size();
        u32::try_from(weight).expect("a hundred keys and signatures are small")
    }

    /// One element per key, in the order of the keys; the script takes the first key's from the top.
    fn stack(&self, elements: &[Vec<u8>]) -> Witness {
        let mut witness = Witness::new();
        elements.iter().rev().for_each(|element| witness.push(element));
        witness.push(&self.script);
        witness.push(&self.control_block);
        witness
    }
}

#[cfg(test)]
mod tests;
