//! Moves the vault by a leaf of its tree, when the federation's key cannot.
//!
//! The transaction is an ordinary vault transaction that sweeps and pays nothing: it moves the vault to
//! itself or hands it over to the federation that was announced as the next one, and coins of whoever is ready
//! to pay give the fee. It travels as a PSBT (BIP 174, 371) between
//! people who are offline: [`Rescue::prepare`], then [`Rescue::sign`] by each, [`Rescue::combine`],
//! [`Rescue::finish`]. Whoever reads one checks all of it that can be told from the chain's first epoch and
//! the bytes alone: what the tool before claims is not believed. Specification: `docs/spec/bitcoin.md`.

use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::psbt::Psbt;
use bitcoin::secp256k1::{Message, Secp256k1, schnorr};
use bitcoin::sighash::TapSighashType;
use bitcoin::taproot::{self, ControlBlock, LeafVersion, TapLeafHash};
use bitcoin::{ScriptBuf, Transaction, TxOut, Witness, XOnlyPublicKey};
use tacit_protocol::Amount;
use tacit_protocol::peg::taproot::{KEY_INPUT_WEIGHT, key_path_sighash, key_path_witness};
use tacit_protocol::peg::vault::{
    Handover, HandoverPlan, LeafSpend, MAX_VAULT_WEIGHT, PlanError, Quorum, VaultKeys, VaultLeaf, VaultPlan,
    plan_vault_tx,
};
use tacit_protocol::peg::{
    Announcement, FeeRate, Lineage, VaultEffects, VaultFault, VaultTip, check_vault_tx,
};

use crate::client::{BitcoinClient, ClientError};
use crate::keys::SigningKey;

mod alone;
mod lineage;
mod report;

use alone::Alone;
pub use lineage::{is_announced, lineage_of};
pub use report::{FeeSource, RescueError, Summary, leaf_name};

/// The longest PSBT that is read: far beyond one of a hundred keys and two hundred coins.
pub const LONGEST_PSBT: usize = 1024 * 1024;

/// Weight of the witness of a key path, and of the marker of a transaction that has witnesses.
const KEY_WITNESS_WEIGHT: u64 = 66;
const MARKER_WEIGHT: u64 = 2;

/// A spend of the vault by a leaf, in the making.
#[derive(Clone, Debug)]
pub struct Rescue {
    psbt: Psbt,
    lineage: Lineage,
    /// How the epoch was announced that the vault is handed over to, if it is.
    next: Option<Announcement>,
    prevouts: Vec<TxOut>,
    leaf: VaultLeaf,
    quorum: Quorum,
    spend: LeafSpend,
    hash: TapLeafHash,
    effects: VaultEffects,
}

impl Rescue {
    /// Builds the transaction that moves the vault of the last epoch by `leaf`: to `next`, an epoch that was
    /// announced, or else to itself.
    ///
    /// # Errors
    /// [`RescueError::NoLeaf`], [`RescueError::Plan`], [`RescueError::Announcement`].
    pub fn prepare(
        lineage: &Lineage,
        tip: VaultTip,
        (leaf, next): (VaultLeaf, Option<&Announcement>),
        fee: FeeSource<'_>,
    ) -> Result<Self, RescueError> {
        let vault = &lineage.last().keys;
        let (quorum, spend) = leaf_of(vault, leaf)?;
        let handover = next.map(|next| HandoverPlan {
            handover: Handover::Vault(lineage.hash(&next.epoch)),
            script_pubkey: next.epoch.keys.script_pubkey(),
        });
        let plan = |rate| {
            plan_vault_tx(&VaultPlan {
                height: 0,
                tip,
                vault,
                deposits: &[],
                withdrawals: &[],
                coins: fee.coins,
                q: fee.rate,
                rate,
                change_script: fee.change,
                top_up: Amount::ZERO,
                p2a: false,
                handover: handover.as_ref(),
            })
        };
        // Plans reckon with a key path; a leaf is heavier. More coins only make the difference smaller.
        let by_key = plan(fee.rate)?;
        let weight = by_key.tx().weight().to_wu()
            + MARKER_WEIGHT
            + KEY_WITNESS_WEIGHT * by_key.tx().input.len() as u64;
        let extra = u64::from(spend.input_weight().saturating_sub(KEY_INPUT_WEIGHT));
        let scaled = (u64::from(fee.rate.sat_per_kwu()) * (weight + extra)).div_ceil(weight);
        let rate = u32::try_from(scaled).map_err(|_| PlanError::Overflow)?;
        let unsigned = plan(FeeRate::from_sat_per_kwu(rate))?;
        let mut tx = unsigned.tx().clone();
        tx.input[0].sequence = spend.sequence();
        let mut psbt = Psbt::from_unsigned_tx(tx).map_err(|error| RescueError::Psbt(error.to_string()))?;
        for (input, prevout) in psbt.inputs.iter_mut().zip(unsigned.prevouts()) {
            input.witness_utxo = Some(prevout.clone());
        }
        let (control, script) = control_of(vault, &quorum);
        let hash = TapLeafHash::from_script(&script, LeafVersion::TapScript);
        let input = &mut psbt.inputs[0];
        input.tap_internal_key = Some(vault.federation);
        input.tap_merkle_root = vault.merkle_root();
        input
            .tap_scripts
            .insert(control, (script, LeafVersion::TapScript));
        for &key in quorum.keys() {
            input
                .tap_key_origins
                .insert(key, (vec![hash], Default::default()));
        }
        lineage::put(&mut psbt, lineage, next);
        let rescue = Self::check(psbt, (lineage, next))?;
        let weight = u32::try_from(rescue.weight()).map_err(|_| PlanError::Overflow)?;
        if weight > MAX_VAULT_WEIGHT {
            return Err(PlanError::TooHeavy(weight).into());
        }
        Ok(rescue)
    }

    /// From the bytes of a PSBT, if it is a spend of the vault by a leaf that a member should sign.
    ///
    /// The PSBT has the announcements that lead from the first epoch of `known` to the vault's, and that of the
    /// epoch that the vault is handed over to; where it has none, the vault is that of the last epoch of `known`.
    ///
    /// # Errors
    /// [`RescueError`].
    pub fn read(bytes: &[u8], known: &Lineage) -> Result<Self, RescueError> {
        Self::check(psbt(bytes)?, (known, None))
    }

    /// The same for a copy of this one, from which a tool may have dropped the announcements.
    ///
    /// # Errors
    /// [`RescueError`].
    pub fn read_copy(&self, bytes: &[u8]) -> Result<Self, RescueError> {
        Self::check(psbt(bytes)?, (&self.lineage, self.next.as_ref()))
    }

    /// The PSBT.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.psbt.serialize()
    }

    /// Checks whatever can be told from the chain's first epoch and the PSBT alone.
    fn check(mut psbt: Psbt, known: (&Lineage, Option<&Announcement>)) -> Result<Self, RescueError> {
        let (lineage, next) = lineage::read(&psbt, known)?;
        lineage::put(&mut psbt, &lineage, next.as_ref());
        let (epoch, vault) = (lineage.last().number, &lineage.last().keys);
        let tx = &psbt.unsigned_tx;
        let prevouts: Option<Vec<TxOut>> = psbt
            .inputs
            .iter()
            .map(|input| input.witness_utxo.clone())
            .collect();
        let prevouts = prevouts.ok_or(RescueError::Layout("does not say what every input holds"))?;
        let (Some(first), Some(held)) = (tx.input.first(), prevouts.first()) else {
            return Err(RescueError::OtherVault { epoch });
        };
        if held.script_pubkey != vault.script_pubkey() {
            return Err(RescueError::OtherVault { epoch });
        }
        let leaf = leaf_in(&psbt, vault).ok_or(RescueError::Layout(
            "names no leaf of the vault, or was finalised by another tool",
        ))?;
        let (quorum, spend) = leaf_of(vault, leaf)?;
        if first.sequence != spend.sequence() {
            return Err(RescueError::Layout("has another timelock than the leaf"));
        }
        if tx.lock_time != LockTime::ZERO {
            return Err(RescueError::Layout("waits for a lock time of its own"));
        }
        let amount = Amount::from_sat(held.value.to_sat()).map_err(|_| VaultFault::Overflow)?;
        let tip = VaultTip {
            outpoint: first.previous_output,
            amount,
        };
        let alone = Alone::new(tip, &lineage, next.as_ref());
        let effects = check_vault_tx(tx, &prevouts, &alone)?;
        if effects.handover != alone.handover() {
            return Err(RescueError::Layout(
                "hands the vault or the anchors over to somebody else than it says",
            ));
        }
        if !effects.swept.is_empty() {
            return Err(RescueError::Layout("sweeps deposits, which a leaf cannot"));
        }
        let hash = TapLeafHash::from_script(&quorum.leaf(), LeafVersion::TapScript);
        let rescue = Self {
            psbt,
            lineage,
            next,
            prevouts,
            leaf,
            quorum,
            spend,
            hash,
            effects,
        };
        rescue.check_signatures()?;
        Ok(rescue)
    }

    /// Every signature for the vault is one of the leaf's keys, for this transaction.
    fn check_signatures(&self) -> Result<(), RescueError> {
        let message = self.message();
        for ((key, hash), signature) in &self.psbt.inputs[0].tap_script_sigs {
            let plain = signature.sighash_type == TapSighashType::Default && *hash == self.hash;
            let known = self.quorum.keys().contains(key);
            if !plain || !known || !verifies(&signature.signature, &message, key) {
                return Err(RescueError::BadSignature(Box::new(*key)));
            }
        }
        Ok(())
    }

    fn message(&self) -> Message {
        self.spend.sighash(&self.psbt.unsigned_tx, 0, &self.prevouts)
    }

    /// Weight of the signed transaction.
    fn weight(&self) -> u64 {
        let tx = &self.psbt.unsigned_tx;
        let coins = tx.input.len() as u64 - 1;
        let base = tx.weight().to_wu() + MARKER_WEIGHT + KEY_WITNESS_WEIGHT * coins;
        base + u64::from(self.spend.input_weight()) + KEY_WITNESS_WEIGHT - u64::from(KEY_INPUT_WEIGHT)
    }

    /// What it does.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let tx = &self.psbt.unsigned_tx;
        let sats = |outputs: &[TxOut]| outputs.iter().map(|output| output.value.to_sat()).sum::<u64>();
        let fee = sats(&self.prevouts).saturating_sub(sats(&tx.output));
        let rate = (fee * 1_000).checked_div(self.weight()).unwrap_or_default();
        let inputs = tx.input.iter().zip(&self.prevouts).skip(1);
        let held = Amount::from_sat(self.prevouts[0].value.to_sat());
        let signed: Vec<XOnlyPublicKey> = self.signatures().into_keys().collect();
        let missing = self.quorum.keys().iter().filter(|key| !signed.contains(key));
        Summary {
            epoch: self.lineage.last().number,
            next: self.next.as_ref().map(|next| next.epoch.clone()),
            next_hash: self.next.as_ref().map(|next| self.lineage.hash(&next.epoch)),
            leaf: self.leaf,
            txid: tx.compute_txid(),
            vault: tx.input[0].previous_output,
            before: held.unwrap_or(Amount::ZERO),
            after: self.effects.new_tip.amount,
            fee,
            rate: FeeRate::from_sat_per_kwu(u32::try_from(rate).unwrap_or(u32::MAX)),
            coins: inputs
                .map(|(input, held)| (input.previous_output, held.value.to_sat()))
                .collect(),
            change: tx
                .output
                .get(2)
                .map(|output| (output.script_pubkey.clone(), output.value.to_sat())),
            timelock: self.quorum.timelock(),
            needed: self.quorum.threshold(),
            missing: missing.copied().collect(),
            signed,
        }
    }

    /// Blocks until the leaf opens, for a vault output with so many confirmations: none is left when the
    /// next block may hold the transaction.
    #[must_use]
    pub fn blocks_left(&self, confirmations: u32) -> u32 {
        u32::from(self.quorum.timelock()).saturating_sub(confirmations)
    }

    /// Adds the signature of one of the leaf's keys.
    ///
    /// # Errors
    /// [`RescueError::WrongKey`].
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), RescueError> {
        let public = key.public_key();
        if !self.quorum.keys().contains(&public) {
            let (key, leaf) = (Box::new(public), leaf_name(self.leaf));
            return Err(RescueError::WrongKey { key, leaf });
        }
        let signature = plain(key.sign_plain(&self.message()));
        let signatures = &mut self.psbt.inputs[0].tap_script_sigs;
        signatures.insert((public, self.hash), signature);
        Ok(())
    }

    /// Signs for the fee coins that this key holds; returns how many.
    ///
    /// # Errors
    /// [`RescueError::NoCoin`].
    pub fn sign_coins(&mut self, key: &SigningKey) -> Result<usize, RescueError> {
        let script = key.output_script();
        let mut signed = 0;
        for input in 1..self.prevouts.len() {
            if self.prevouts[input].script_pubkey == script {
                let message = key_path_sighash(&self.psbt.unsigned_tx, input, &self.prevouts);
                self.psbt.inputs[input].tap_key_sig = Some(plain(key.sign_key_path(&message, None)));
                signed += 1;
            }
        }
        match signed {
            0 => Err(RescueError::NoCoin(Box::new(key.public_key()))),
            signed => Ok(signed),
        }
    }

    /// Takes over the signatures of a copy that somebody else signed.
    ///
    /// # Errors
    /// [`RescueError::Different`], [`RescueError::BadSignature`].
    pub fn combine(&mut self, other: Self) -> Result<(), RescueError> {
        let same = self.psbt.unsigned_tx == other.psbt.unsigned_tx && self.prevouts == other.prevouts;
        if !same || self.next != other.next {
            return Err(RescueError::Different);
        }
        self.psbt
            .combine(other.psbt)
            .map_err(|_| RescueError::Different)?;
        lineage::put(&mut self.psbt, &self.lineage, self.next.as_ref());
        self.check_signatures()
    }

    fn signatures(&self) -> BTreeMap<XOnlyPublicKey, schnorr::Signature> {
        let all = self.psbt.inputs[0].tap_script_sigs.iter();
        all.map(|((key, _), signature)| (*key, signature.signature))
            .collect()
    }

    /// The signed transaction.
    ///
    /// # Errors
    /// [`RescueError::TooFew`], [`RescueError::CoinUnsigned`], [`RescueError::CoinSignature`],
    /// [`RescueError::Fault`].
    ///
    /// # Panics
    /// Never: the signatures were checked when they came.
    pub fn finish(self) -> Result<Transaction, RescueError> {
        let Summary {
            needed,
            signed,
            missing,
            ..
        } = self.summary();
        if signed.len() < usize::from(needed) {
            let (leaf, given) = (leaf_name(self.leaf), signed.len());
            return Err(RescueError::TooFew {
                leaf,
                given,
                needed,
                missing,
            });
        }
        let mut tx = self.psbt.unsigned_tx.clone();
        let vault = self.spend.witness(&self.signatures());
        tx.input[0].witness = vault.expect("signatures were checked when they came, and counted above");
        for input in 1..tx.input.len() {
            tx.input[input].witness = self.coin_witness(input)?;
        }
        let alone = Alone::new(self.tip(), &self.lineage, self.next.as_ref());
        check_vault_tx(&tx, &self.prevouts, &alone)?;
        Ok(tx)
    }

    /// Whether the vault's output is there and the leaf open, as a Bitcoin node sees it now.
    ///
    /// # Errors
    /// [`RescueError::Moved`], [`RescueError::Locked`], [`RescueError::Client`].
    pub fn check_open(&self, client: &dyn BitcoinClient) -> Result<(), RescueError> {
        let outpoint = self.tip().outpoint;
        let found = client.unspent(&outpoint, false)?;
        let found = found.filter(|found| found.txout == self.prevouts[0]);
        let confirmations = found.ok_or(RescueError::Moved(outpoint))?.confirmations;
        match self.blocks_left(confirmations) {
            0 => Ok(()),
            left => Err(RescueError::Locked {
                leaf: leaf_name(self.leaf),
                timelock: self.quorum.timelock(),
                left,
            }),
        }
    }

    /// Finishes the transaction and sends it, if the leaf is open.
    ///
    /// # Errors
    /// As [`Rescue::finish`] and [`Rescue::check_open`], and [`RescueError::Refused`].
    pub fn send(self, client: &dyn BitcoinClient) -> Result<Transaction, RescueError> {
        let tx = self.clone().finish()?;
        self.check_open(client)?;
        match client.send(&tx) {
            Ok(_) => Ok(tx),
            Err(ClientError::Rejected { reason, .. }) => Err(RescueError::Refused(reason)),
            Err(error) => Err(error.into()),
        }
    }

    /// The vault's output that it spends.
    #[must_use]
    pub fn tip(&self) -> VaultTip {
        let Summary { vault, before, .. } = self.summary();
        VaultTip {
            outpoint: vault,
            amount: before,
        }
    }

    /// The witness of a fee coin: as its owner's tool finalised it, or of the signature for its key.
    fn coin_witness(&self, input: usize) -> Result<Witness, RescueError> {
        let (signed, held) = (&self.psbt.inputs[input], &self.prevouts[input].script_pubkey);
        let outpoint = self.psbt.unsigned_tx.input[input].previous_output;
        if let Some(witness) = &signed.final_script_witness {
            return Ok(witness.clone());
        }
        let signature = signed.tap_key_sig.ok_or(RescueError::CoinUnsigned(outpoint))?;
        let message = key_path_sighash(&self.psbt.unsigned_tx, input, &self.prevouts);
        let key = held
            .is_p2tr()
            .then(|| XOnlyPublicKey::from_slice(&held.as_bytes()[2..]));
        let valid = signature.sighash_type == TapSighashType::Default
            && matches!(key, Some(Ok(key)) if verifies(&signature.signature, &message, &key));
        if valid {
            Ok(key_path_witness(&signature.signature))
        } else {
            Err(RescueError::CoinSignature(outpoint))
        }
    }
}

fn verifies(signature: &schnorr::Signature, message: &Message, key: &XOnlyPublicKey) -> bool {
    let secp = Secp256k1::verification_only();
    secp.verify_schnorr(signature, message, key).is_ok()
}

fn plain(signature: schnorr::Signature) -> taproot::Signature {
    taproot::Signature {
        signature,
        sighash_type: TapSighashType::Default,
    }
}

fn psbt(bytes: &[u8]) -> Result<Psbt, RescueError> {
    Psbt::deserialize(bytes).map_err(|error| RescueError::Psbt(error.to_string()))
}

fn leaf_of(vault: &VaultKeys, leaf: VaultLeaf) -> Result<(Quorum, LeafSpend), RescueError> {
    let spend = vault.spend_by(leaf);
    let quorum = vault.quorum(leaf).cloned();
    quorum.zip(spend).ok_or(RescueError::NoLeaf(leaf_name(leaf)))
}

/// Where a leaf stands in the tree.
fn control_of(vault: &VaultKeys, quorum: &Quorum) -> (ControlBlock, ScriptBuf) {
    let script = quorum.leaf();
    let control = vault
        .spend_info()
        .control_block(&(script.clone(), LeafVersion::TapScript))
        .expect("the leaf is in the tree");
    (control, script)
}

/// The leaf of the vault that the PSBT names, and no other.
fn leaf_in(psbt: &Psbt, vault: &VaultKeys) -> Option<VaultLeaf> {
    let named = &psbt.inputs.first()?.tap_scripts;
    let leaves = [VaultLeaf::Backup, VaultLeaf::Recovery];
    leaves.into_iter().find(|&leaf| {
        vault.quorum(leaf).is_some_and(|quorum| {
            let (control, script) = control_of(vault, quorum);
            named.len() == 1 && named.get(&control) == Some(&(script, LeafVersion::TapScript))
        })
    })
}

#[cfg(test)]
mod tests;
