//! Builds unsigned vault transactions that [`super::check_vault_tx`] accepts.
//!
//! The same plan always gives the same transaction. Users pay their shares; the operator's coins
//! pay the rest of the fee, the pay-to-anchor output and any top-up.

use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::Message;
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::taproot::TapNodeHash;
use bitcoin::{OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, XOnlyPublicKey};
use thiserror::Error;

use crate::amount::Amount;
use crate::peg::anchor::ANCHOR_AMOUNT;
use crate::peg::coins::{Coin, CoinError, Need, fund, output_weight};
use crate::peg::deposit::DepositTerms;
use crate::peg::fees::{FeeRate, deposit_is_sweepable};
use crate::peg::taproot::{KEY_INPUT_WEIGHT, dummy_key_path_witness, key_path_sighash, key_path_witness};
use crate::peg::vault::meta::{Handover, MAX_BITMAP, MetaError, VaultMeta};
use crate::peg::vault::{
    HeldReason, MAX_VAULT_WEIGHT, P2A_AMOUNT, VAULT_TX_VERSION, VaultKeys, VaultTip, WithdrawalView, eligible,
};

/// Why a plan gives no transaction.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// More deposits than the layout can count.
    #[error("too many deposits")]
    TooManyDeposits,
    /// A deposit is too small at this rate, or listed twice.
    #[error("deposit {0} is too small at this rate or listed twice")]
    Deposit(OutPoint),
    /// A withdrawal cannot be paid now.
    #[error("withdrawal {index} cannot be paid: {reason}")]
    Held {
        /// Its index.
        index: u64,
        /// Why it waits.
        reason: HeldReason,
    },
    /// The withdrawals do not fit one OP_RETURN.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// More would be paid than the vault and the deposits hold.
    #[error("the vault and the deposits hold less than is to be paid")]
    Overdrawn,
    /// A sum is above all the bitcoin there can be.
    #[error("a sum overflows")]
    Overflow,
    /// The operator's coins do not pay.
    #[error(transparent)]
    Coins(#[from] CoinError),
    /// A handover beside something else.
    #[error("what hands the vault or the anchors over neither sweeps nor pays")]
    MixedHandover,
    /// The vault would go to an epoch that cannot begin.
    #[error("the epoch to hand the vault over to was not announced as the next one, or not deep enough")]
    NoDestination,
    /// The transaction would be above the limit.
    #[error("weight {0} is above {MAX_VAULT_WEIGHT}")]
    TooHeavy(u32),
}

/// A deposit to sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositCoin {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it holds.
    pub amount: Amount,
    /// The terms its script commits to.
    pub terms: DepositTerms,
}

/// A handover, and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverPlan {
    /// What is handed over.
    pub handover: Handover,
    /// The script of the next vault, or of the next sequencer's anchors.
    pub script_pubkey: ScriptBuf,
}

/// Everything a vault transaction is made from.
#[derive(Clone, Copy, Debug)]
pub struct VaultPlan<'a> {
    /// Height of the block by whose state it is judged. It can be mined above it only, or a reorganisation
    /// could put it into a block at which a batch is not deep yet.
    pub height: u32,
    /// The vault's UTXO.
    pub tip: VaultTip,
    /// The keys of the vault's script.
    pub vault: &'a VaultKeys,
    /// Deposits to sweep, in any order.
    pub deposits: &'a [DepositCoin],
    /// Withdrawals to pay, in any order.
    pub withdrawals: &'a [(u64, WithdrawalView)],
    /// The operator's confirmed coins.
    pub coins: &'a [Coin],
    /// The rate of the shares.
    pub q: FeeRate,
    /// The rate the whole transaction should reach.
    pub rate: FeeRate,
    /// Where the operator's change goes.
    pub change_script: &'a Script,
    /// What the operator adds to the vault.
    pub top_up: Amount,
    /// Whether to add a pay-to-anchor output for later fee bumps.
    pub p2a: bool,
    /// What it hands over, if so; it then sweeps and pays nothing.
    pub handover: Option<&'a HandoverPlan>,
}

/// The key path of a Taproot output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPath {
    /// The internal key, whose owner signs.
    pub internal: XOnlyPublicKey,
    /// The root of the script tree that tweaks it, if there is one.
    pub merkle_root: Option<TapNodeHash>,
}

/// Who signs an input, and with which tweak. One transaction may have inputs of two federations: the old
/// one's deposits are still swept when the vault is the new one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputRole {
    /// A federation, for the vault.
    Vault(KeyPath),
    /// A federation, for a deposit.
    Deposit(KeyPath),
    /// The operator, tweaked without a script tree.
    Operator,
}

impl InputRole {
    /// The key path by which a federation spends it; `None` for the operator's inputs.
    #[must_use]
    pub fn federation(self) -> Option<KeyPath> {
        match self {
            Self::Vault(path) | Self::Deposit(path) => Some(path),
            Self::Operator => None,
        }
    }

    /// The root of the script tree that tweaks the signing key.
    #[must_use]
    pub fn merkle_root(self) -> Option<TapNodeHash> {
        self.federation().and_then(|path| path.merkle_root)
    }
}

/// A vault transaction that waits for its signatures, one key-path signature per input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedVaultTx {
    tx: Transaction,
    prevouts: Vec<TxOut>,
    roles: Vec<InputRole>,
    fee: u64,
}

impl UnsignedVaultTx {
    /// The transaction without witnesses; its txid is final.
    #[must_use]
    pub fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// The outputs it spends, one per input.
    #[must_use]
    pub fn prevouts(&self) -> &[TxOut] {
        &self.prevouts
    }

    /// Who signs each input.
    #[must_use]
    pub fn roles(&self) -> &[InputRole] {
        &self.roles
    }

    /// The fee it pays.
    #[must_use]
    pub fn fee(&self) -> u64 {
        self.fee
    }

    /// What the signer of `input` signs.
    ///
    /// # Panics
    /// If there is no such input.
    #[must_use]
    pub fn sighash(&self, input: usize) -> Message {
        key_path_sighash(&self.tx, input, &self.prevouts)
    }

    /// The signed transaction; one signature per input, in order.
    ///
    /// # Panics
    /// If the number of signatures is not the number of inputs.
    #[must_use]
    pub fn finalise(mut self, signatures: &[Signature]) -> Transaction {
        assert_eq!(signatures.len(), self.tx.input.len(), "one signature per input");
        for (input, signature) in self.tx.input.iter_mut().zip(signatures) {
            input.witness = key_path_witness(signature);
        }
        self.tx
    }
}

/// The weight of an otherwise empty vault transaction: tip, vault output, the longest OP_RETURN
/// and pay-to-anchor, with output counts of three bytes.
pub(crate) fn frame_weight() -> u32 {
    let meta = 8 + 1 + 1 + 2 + 18 + u32::try_from(MAX_BITMAP).expect("a small constant");
    let head = 4 + 4 + 1 + 3;
    let p2a = output_weight(&ScriptBuf::new_p2a());
    4 * (head + meta) + 2 + KEY_INPUT_WEIGHT + 4 * (9 + 34) + p2a
}

/// Builds the unsigned vault transaction of a plan. One with nothing to sweep or pay moves the vault to
/// itself, which starts the timelocks of its leaves anew.
///
/// # Errors
/// [`PlanError`].
///
/// # Panics
/// Never: weights of planned transactions fit 32 bits.
pub fn plan_vault_tx(plan: &VaultPlan<'_>) -> Result<UnsignedVaultTx, PlanError> {
    let deposits = sorted_deposits(plan)?;
    let (payouts, payout_shares) = payouts(plan)?;
    let deposit_share = plan.q.deposit_share();
    let indices = payouts.iter().map(|(index, _)| *index).collect();
    let n_dep = u16::try_from(deposits.len()).map_err(|_| PlanError::TooManyDeposits)?;
    let meta = match plan.handover {
        Some(_) if !(deposits.is_empty() && payouts.is_empty()) => return Err(PlanError::MixedHandover),
        Some(plan_of) => VaultMeta::handing_over(plan_of.handover, plan.q),
        None => VaultMeta::new(n_dep, plan.q, indices)?,
    };

    let mut shares = payout_shares;
    for _ in &deposits {
        shares = shares.checked_add(deposit_share).ok_or(PlanError::Overflow)?;
    }
    let script = plan.vault.script_pubkey();
    let (next_vault, first_anchor) = destinations(plan, &script);
    let mut output = vec![
        to_txout(vault_after(plan, &deposits)?, next_vault),
        to_txout(Amount::ZERO, meta.to_script()),
    ];
    output.extend(payouts.into_iter().map(|(_, output)| output));
    let p2a = plan.p2a.then(|| TxOut {
        value: P2A_AMOUNT,
        script_pubkey: ScriptBuf::new_p2a(),
    });
    let operators: Vec<TxOut> = first_anchor.into_iter().chain(p2a).collect();
    let added: u64 = operators.iter().map(|output| output.value.to_sat()).sum();
    output.extend(operators);

    let lock_time = LockTime::from_height(plan.height).map_err(|_| PlanError::Overflow)?;
    let mut draft = Draft::new(lock_time, output);
    draft.input(
        plan.tip.outpoint,
        to_txout(plan.tip.amount, script),
        InputRole::Vault(plan.vault.key_path()),
    );
    for deposit in deposits {
        let txout = to_txout(deposit.amount, deposit.terms.script_pubkey());
        draft.input(
            deposit.outpoint,
            txout,
            InputRole::Deposit(deposit.terms.key_path()),
        );
    }
    let funding = fund(
        plan.coins,
        &Need {
            outputs: plan
                .top_up
                .to_sat()
                .checked_add(added)
                .ok_or(PlanError::Overflow)?,
            contributed: shares.to_sat(),
            fee_floor: shares.to_sat(),
            weight: draft.weight(),
            rate: plan.rate,
            change_script: plan.change_script,
        },
    )?;
    draft.finish(funding, plan.change_script)
}

/// The script of the next vault output, and the first anchor of the next sequencer if there is one.
fn destinations(plan: &VaultPlan<'_>, vault: &Script) -> (ScriptBuf, Option<TxOut>) {
    match plan.handover {
        None => (vault.to_owned(), None),
        Some(plan_of) => match plan_of.handover {
            Handover::Vault(_) => (plan_of.script_pubkey.clone(), None),
            Handover::Anchor(_) => {
                let anchor = TxOut {
                    value: ANCHOR_AMOUNT,
                    script_pubkey: plan_of.script_pubkey.clone(),
                };
                (vault.to_owned(), Some(anchor))
            }
        },
    }
}

/// Deposits in outpoint order, each one sweepable.
fn sorted_deposits<'a>(plan: &VaultPlan<'a>) -> Result<Vec<&'a DepositCoin>, PlanError> {
    let mut deposits: Vec<&DepositCoin> = plan.deposits.iter().collect();
    deposits.sort_by_key(|deposit| deposit.outpoint);
    for (i, deposit) in deposits.iter().enumerate() {
        let repeated = i > 0 && deposits[i - 1].outpoint == deposit.outpoint;
        if repeated || !deposit_is_sweepable(deposit.amount, plan.q) {
            return Err(PlanError::Deposit(deposit.outpoint));
        }
    }
    Ok(deposits)
}

/// Payout outputs by ascending index, and the sum of their shares.
fn payouts(plan: &VaultPlan<'_>) -> Result<(Vec<(u64, TxOut)>, Amount), PlanError> {
    let mut shares = Amount::ZERO;
    let mut payouts = Vec::with_capacity(plan.withdrawals.len());
    for (index, withdrawal) in plan.withdrawals {
        let index = *index;
        let held = |reason| PlanError::Held { index, reason };
        let share = eligible(withdrawal, plan.q).map_err(held)?;
        let value = withdrawal.amount.checked_sub(share).ok_or(PlanError::Overdrawn)?;
        shares = shares.checked_add(share).ok_or(PlanError::Overflow)?;
        payouts.push((index, to_txout(value, withdrawal.script.to_script_buf())));
    }
    payouts.sort_by_key(|(index, _)| *index);
    Ok((payouts, shares))
}

/// `vault + Σ(amount − share) − Σ exits + top-up`.
fn vault_after(plan: &VaultPlan<'_>, deposits: &[&DepositCoin]) -> Result<Amount, PlanError> {
    let share = plan.q.deposit_share();
    let mut amount = plan
        .tip
        .amount
        .checked_add(plan.top_up)
        .ok_or(PlanError::Overflow)?;
    for deposit in deposits {
        let credit = deposit.amount.checked_sub(share);
        let credit = credit.ok_or(PlanError::Deposit(deposit.outpoint))?;
        amount = amount.checked_add(credit).ok_or(PlanError::Overflow)?;
    }
    for (_, withdrawal) in plan.withdrawals {
        amount = amount
            .checked_sub(withdrawal.amount)
            .ok_or(PlanError::Overdrawn)?;
    }
    // A top-up is not there to be paid out.
    if amount < plan.top_up {
        Err(PlanError::Overdrawn)
    } else {
        Ok(amount)
    }
}

/// An output.
fn to_txout(amount: Amount, script_pubkey: ScriptBuf) -> TxOut {
    TxOut {
        value: bitcoin::Amount::from_sat(amount.to_sat()),
        script_pubkey,
    }
}

/// A transaction in the making; its inputs carry stand-in witnesses so that it can be weighed.
struct Draft {
    tx: Transaction,
    prevouts: Vec<TxOut>,
    roles: Vec<InputRole>,
}

impl Draft {
    fn new(lock_time: LockTime, output: Vec<TxOut>) -> Self {
        let tx = Transaction {
            version: VAULT_TX_VERSION,
            lock_time,
            input: Vec::new(),
            output,
        };
        Self {
            tx,
            prevouts: Vec::new(),
            roles: Vec::new(),
        }
    }

    fn input(&mut self, previous_output: OutPoint, prevout: TxOut, role: InputRole) {
        self.tx.input.push(TxIn {
            previous_output,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: dummy_key_path_witness(),
        });
        self.prevouts.push(prevout);
        self.roles.push(role);
    }

    /// The weight when signed, and a little more: output and input counts may grow by two bytes.
    fn weight(&self) -> u32 {
        u32::try_from(self.tx.weight().to_wu()).expect("far below 2^32") + 16
    }

    fn finish(
        mut self,
        funding: crate::peg::coins::Funding,
        change_script: &Script,
    ) -> Result<UnsignedVaultTx, PlanError> {
        for coin in funding.coins {
            self.input(coin.outpoint, coin.txout, InputRole::Operator);
        }
        if let Some(change) = funding.change {
            let value = bitcoin::Amount::from_sat(change);
            self.tx.output.push(TxOut {
                value,
                script_pubkey: change_script.into(),
            });
        }
        let weight = u32::try_from(self.tx.weight().to_wu()).expect("far below 2^32");
        if weight > MAX_VAULT_WEIGHT {
            return Err(PlanError::TooHeavy(weight));
        }
        for input in &mut self.tx.input {
            input.witness = Witness::new();
        }
        let Self { tx, prevouts, roles } = self;
        Ok(UnsignedVaultTx {
            tx,
            prevouts,
            roles,
            fee: funding.fee,
        })
    }
}

#[cfg(test)]
mod tests;
