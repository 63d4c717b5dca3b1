//! A child that pays for a vault transaction which pays too little and which the signers, for the
//! moment, will not replace.
//!
//! A pay-to-anchor output belongs to nobody: the operator spends it together with coins of its own, and
//! needs no signature but its own for that. Parent and child go to the node as one package, so that it
//! takes the parent even below its minimum. The child is written down before it is sent.
//! Specification: `docs/spec/bitcoin.md`.

use std::cmp::Reverse;

use bitcoin::absolute::LockTime;
use bitcoin::{Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Weight, Witness};
use tacit_protocol::peg::coins::CoinError;
use tacit_protocol::peg::taproot::{key_path_sighash, key_path_witness};
use tacit_protocol::peg::vault::VAULT_TX_VERSION;
use tacit_protocol::peg::{Coin, FeeRate};

use super::entry::{Entry, Signed};
use super::{Old, VaultError, VaultOperator, VaultRates, VaultReport, VaultSnapshot, VaultState, VaultStep};
use crate::client::ClientError;
use crate::coins::CoinBook;
use crate::keys::SigningKey;
use crate::signer::SignError;

/// The heaviest child of a TRUC transaction: 1,000 virtual bytes.
const MAX_CHILD_WEIGHT: Weight = Weight::from_wu(4_000);

impl VaultOperator {
    /// Makes a new version, or else, when the signers refuse it, a child for the one that is signed.
    pub(super) fn make_or_lift(
        &self,
        key: &[u8],
        old: Old<'_>,
        snapshot: &VaultSnapshot,
        rates: VaultRates,
        coins: &mut CoinBook,
    ) -> Result<VaultReport, VaultError> {
        match self.make(key, Some(old), snapshot, rates, coins) {
            Err(VaultError::Sign(refused)) => self.lift(key, refused, rates, coins),
            outcome => outcome,
        }
    }

    /// Lets a child pay for the version that is signed, if it has an output for that.
    fn lift(
        &self,
        key: &[u8],
        refused: SignError,
        rates: VaultRates,
        coins: &mut CoinBook,
    ) -> Result<VaultReport, VaultError> {
        let Some(bytes) = self.config.journal.get(key)? else {
            return Err(refused.into());
        };
        let mut entry = Entry::decode(key, &bytes)?;
        let Some(signed) = &mut entry.signed else {
            return Err(refused.into());
        };
        let Some(anchor) = pay_to_anchor(&signed.tx) else {
            return Err(refused.into());
        };
        // It may spend what an older child or another version does, but not what its parent does.
        let mut pool = coins.spendable_by(key);
        pool.retain(|coin| !spends(&signed.tx, &coin.outpoint));
        let txid = signed.txid();
        // The node keeps one child only, the one that pays more.
        let sibling = match self.config.client.mempool_entry(&txid)? {
            Some(paid) => paid.family_fee.to_sat().saturating_sub(paid.fee.to_sat()),
            None => 0,
        };
        let family = Family {
            parent: signed,
            anchor: &anchor,
            sibling,
        };
        let state = match family.child(pool, rates.whole, coins.script()) {
            Err(error) => VaultState::OutOfCoins(error),
            Ok(draft) => {
                let child = draft.sign(&self.config.operator_key);
                signed.child = Some(child.clone());
                let package = [signed.tx.clone(), child.clone()];
                self.store(key, &entry, coins)?;
                self.step(VaultStep::ChildSigned);
                let outcome = self.config.client.submit_package(&package)?;
                if outcome.accepted {
                    self.step(VaultStep::Sent);
                    let child = child.compute_txid();
                    VaultState::Lifted { txid, child }
                } else {
                    let (message, each) = (outcome.message, outcome.refused);
                    let reason = format!("{refused}; nor does a child help: {message} {each:?}");
                    VaultState::Stuck { txid, reason }
                }
            }
        };
        let held = Vec::new();
        Ok(VaultReport { state, held })
    }

    /// Sends a version again, with its child if it does not get in by itself; the reason if it is
    /// refused.
    pub(super) fn send_again(&self, signed: &Signed) -> Result<Option<String>, VaultError> {
        let client = self.config.client.as_ref();
        let reason = match client.send(&signed.tx) {
            Ok(_) => None,
            Err(ClientError::Rejected { reason, .. }) => Some(reason),
            Err(error) => return Err(error.into()),
        };
        let Some(child) = &signed.child else {
            return Ok(reason);
        };
        let outcome = client.submit_package(&[signed.tx.clone(), child.clone()])?;
        Ok(reason.filter(|_| !outcome.accepted))
    }
}

/// The output of a vault transaction that anybody may spend.
fn pay_to_anchor(tx: &Transaction) -> Option<Coin> {
    let script = ScriptBuf::new_p2a();
    let (txid, outputs) = (tx.compute_txid(), (0u32..).zip(&tx.output));
    let mut anchors = outputs.filter(|(_, txout)| txout.script_pubkey == script);
    anchors.next().map(|(vout, txout)| Coin {
        outpoint: OutPoint { txid, vout },
        txout: txout.clone(),
    })
}

fn spends(tx: &Transaction, outpoint: &OutPoint) -> bool {
    tx.input.iter().any(|input| input.previous_output == *outpoint)
}

/// A child that waits for the operator's signatures.
#[derive(Debug)]
struct Draft {
    tx: Transaction,
    prevouts: Vec<TxOut>,
}

impl Draft {
    fn new(output: TxOut) -> Self {
        let tx = Transaction {
            version: VAULT_TX_VERSION,
            lock_time: LockTime::ZERO,
            input: Vec::new(),
            output: vec![output],
        };
        let prevouts = Vec::new();
        Self { tx, prevouts }
    }

    fn input(&mut self, coin: &Coin, witness: Witness) {
        self.tx.input.push(TxIn {
            previous_output: coin.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness,
        });
        self.prevouts.push(coin.txout.clone());
    }

    /// Signs every input but the first, which needs no signature.
    fn sign(mut self, key: &SigningKey) -> Transaction {
        for input in 1..self.tx.input.len() {
            let message = key_path_sighash(&self.tx, input, &self.prevouts);
            self.tx.input[input].witness = key_path_witness(&key.sign_key_path(&message, None));
        }
        self.tx
    }
}

/// What a child joins.
struct Family<'a> {
    parent: &'a Signed,
    /// The parent's output that anybody may spend.
    anchor: &'a Coin,
    /// The fee of the child that the mempool has.
    sibling: u64,
}

impl Family<'_> {
    /// The fee of a child of this weight that brings itself and its parent to `rate`, and takes the
    /// place of the one that is there.
    fn fee(&self, weight: Weight, rate: FeeRate) -> Result<u64, CoinError> {
        let both = u32::try_from((self.parent.tx.weight() + weight).to_wu());
        let both = rate.fee(both.map_err(|_| CoinError::Overflow)?);
        let outbid = match self.sibling {
            0 => 0,
            sibling => sibling + weight.to_vbytes_ceil(),
        };
        let own = weight.to_vbytes_ceil();
        Ok(both.saturating_sub(self.parent.fee).max(outbid).max(own))
    }

    /// The child, paid for with the largest coins of `pool`.
    fn child(&self, mut pool: Vec<Coin>, rate: FeeRate, change: &Script) -> Result<Draft, CoinError> {
        let mut draft = Draft::new(TxOut {
            value: Amount::ZERO,
            script_pubkey: change.into(),
        });
        draft.input(self.anchor, Witness::new());
        let dust = change.minimal_non_dust().to_sat();
        let mut held = self.anchor.txout.value.to_sat();
        let mut needed = self.fee(draft.tx.weight(), rate)?.saturating_add(dust);
        pool.sort_by_key(|coin| (Reverse(coin.txout.value), coin.outpoint));
        for coin in &pool {
            draft.input(coin, Witness::from_slice(&[[0; 64]]));
            let weight = draft.tx.weight();
            if weight > MAX_CHILD_WEIGHT {
                break;
            }
            held = held
                .checked_add(coin.txout.value.to_sat())
                .ok_or(CoinError::Overflow)?;
            let fee = self.fee(weight, rate)?;
            needed = fee.saturating_add(dust);
            if held >= needed {
                draft.tx.output[0].value = Amount::from_sat(held - fee);
                return Ok(draft);
            }
        }
        let available = held;
        Err(CoinError::Insufficient { needed, available })
    }
}

#[cfg(test)]
mod tests;
