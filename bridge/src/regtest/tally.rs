//! What whole blocks say of the money, counted anew by tests.
//!
//! It shares nothing with the fold of `tacit_verifier`: outputs are counted by their script over all
//! blocks, and the two chains of UTXOs are followed by their first output alone. What the transactions on
//! them *say* is for the caller to judge. Specification: `docs/spec/faults.md`.

use std::collections::BTreeMap;

use bitcoin::{OutPoint, ScriptBuf, TxOut};
use tacit_protocol::encoding::Decode;
use tacit_protocol::peg::vault::{Handover, VaultMeta};
use tacit_protocol::peg::{FeeRate, TxInput};

use crate::client::{BitcoinClient, ClientError};

/// Everything that blocks above a height show.
#[derive(Debug, Default)]
pub struct Tally {
    /// Height of the last block read.
    pub height: u32,
    /// Transactions that spent the vault's tip, in order.
    pub vault_txs: Vec<TxInput>,
    /// Transactions that spent the anchor's tip, in order.
    pub anchor_txs: Vec<TxInput>,
    /// The vault's tip.
    pub vault: OutPoint,
    /// The anchor's tip, if anchors are of interest.
    pub anchor: Option<OutPoint>,
    /// First anchors of resets that nobody has spent yet.
    resets: Vec<OutPoint>,
    paid: BTreeMap<ScriptBuf, Vec<u32>>,
    spent: BTreeMap<OutPoint, u32>,
}

impl Tally {
    /// Reads all blocks above `height`, where the tips were `vault` and `anchor`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn read(
        client: &dyn BitcoinClient,
        height: u32,
        vault: OutPoint,
        anchor: Option<OutPoint>,
    ) -> Result<Self, ClientError> {
        let mut tally = Self {
            height,
            vault,
            anchor,
            ..Self::default()
        };
        while let Some(hash) = client.block_hash(tally.height + 1)? {
            for tx in client.block(&hash)?.txs {
                tally.add(tx, tally.height + 1);
            }
            tally.height += 1;
        }
        Ok(tally)
    }

    fn add(&mut self, tx: TxInput, height: u32) {
        for output in &tx.tx().output {
            self.paid
                .entry(output.script_pubkey.clone())
                .or_default()
                .push(height);
        }
        for input in &tx.tx().input {
            *self.spent.entry(input.previous_output).or_default() += 1;
        }
        let spends = |tip: OutPoint| tx.tx().input.iter().any(|input| input.previous_output == tip);
        let next = OutPoint {
            txid: tx.txid(),
            vout: 0,
        };
        if spends(self.vault) {
            self.vault = next;
            self.vault_txs.push(tx.clone());
            if let Some(Handover::Anchor(_)) = handover_of(&tx) {
                self.resets.push(OutPoint {
                    txid: tx.txid(),
                    vout: 2,
                });
            }
        }
        // Whoever writes from a reset on has the chain from there; who writes on the old one is not heard.
        let began = self.resets.iter().position(|first| spends(*first));
        if let Some(reset) = began {
            self.resets.remove(reset);
        }
        if began.is_some() || self.anchor.is_some_and(spends) {
            self.anchor = Some(next);
            self.anchor_txs.push(tx);
        }
    }

    /// Heights of the blocks with outputs to this script, one for each, in whatever transaction.
    #[must_use]
    pub fn payments(&self, script: &ScriptBuf) -> &[u32] {
        self.paid.get(script).map_or(&[], Vec::as_slice)
    }

    /// How many outputs pay to this script.
    #[must_use]
    pub fn times_paid(&self, script: &ScriptBuf) -> u32 {
        u32::try_from(self.payments(script).len()).unwrap_or(u32::MAX)
    }

    /// Whether an output was spent.
    #[must_use]
    pub fn is_spent(&self, outpoint: &OutPoint) -> bool {
        self.spent.contains_key(outpoint)
    }
}

/// What a vault transaction says that it hands over.
#[must_use]
pub fn handover_of(tx: &TxInput) -> Option<Handover> {
    let meta = VaultMeta::script_bytes(&tx.tx().output.get(1)?.script_pubkey).ok()?;
    VaultMeta::decode(meta).ok()?.handover()
}

/// What a vault transaction says that it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The rate of the shares.
    pub rate: FeeRate,
    /// The deposits that it swept, with what each held.
    pub swept: Vec<(OutPoint, u64)>,
    /// The withdrawals that it paid, by index, with their outputs.
    pub paid: Vec<(u64, TxOut)>,
}

impl Moved {
    /// Takes a vault transaction at its word; `None` if it gives none, or has fewer inputs or outputs than it
    /// announces.
    #[must_use]
    pub fn by(tx: &TxInput) -> Option<Self> {
        let (inputs, outputs) = (&tx.tx().input, &tx.tx().output);
        let meta = VaultMeta::script_bytes(&outputs.get(1)?.script_pubkey).ok()?;
        let meta = VaultMeta::decode(meta).ok()?;
        let deposits = 1..1 + usize::from(meta.n_dep());
        let held = tx.prevouts().get(deposits.clone())?.iter();
        let swept = inputs.get(deposits)?.iter().zip(held);
        let payouts = outputs.get(2..2 + meta.paid().len())?;
        Some(Self {
            rate: meta.rate(),
            swept: swept
                .map(|(input, held)| (input.previous_output, held.value.to_sat()))
                .collect(),
            paid: meta.paid().iter().copied().zip(payouts.iter().cloned()).collect(),
        })
    }

    /// What the swept deposits credit, and what the exits paid come to, in satoshi.
    #[must_use]
    pub fn flows(&self) -> (u64, u64) {
        let share = share_of(self.rate, 230);
        let credited = self
            .swept
            .iter()
            .map(|(_, held)| held.saturating_sub(share))
            .sum();
        let paid = self.paid.iter().map(|(_, output)| {
            let size = 9 + u64::try_from(output.script_pubkey.len()).unwrap_or(u64::MAX);
            output.value.to_sat() + share_of(self.rate, 4 * size)
        });
        (credited, paid.sum())
    }
}

/// `⌈q·weight / 1000⌉`: deposits weigh 230, payouts what their outputs do. As the specification has it, and
/// not as the code does.
fn share_of(rate: FeeRate, weight: u64) -> u64 {
    (u64::from(rate.sat_per_kwu()) * weight).div_ceil(1_000)
}
