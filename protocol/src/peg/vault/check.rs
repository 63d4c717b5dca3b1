//! Judges a confirmed transaction that spends the vault tip: its effects, or the rule it breaks.
//!
//! A vault transaction that breaks a rule cannot be ignored, for money moved; every follower
//! records the [`VaultFault`] for good. The checks run in the order of the variants. What the
//! money was *selected* for (order, ceiling of the rate, refund margins) is the signers' policy and
//! no fault. Specification: `docs/spec/bitcoin.md`.

use bitcoin::{OutPoint, Script, ScriptBuf, Transaction, TxOut, XOnlyPublicKey};
use thiserror::Error;

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError};
use crate::peg::anchor::ANCHOR_AMOUNT;
use crate::peg::epoch::EpochHash;
use crate::peg::fees::{MIN_DEPOSIT, deposit_share_fits};
use crate::peg::vault::meta::{Handover, MetaError, VaultMeta};
use crate::peg::vault::{MAX_VAULT_WEIGHT, P2A_AMOUNT, VAULT_TX_VERSION, VaultTip, WithdrawalView};

/// The rule that a vault transaction breaks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum VaultFault {
    /// Layout: the version is not 3.
    #[error("layout: version is not 3")]
    Version,
    /// Layout: heavier than 10,000 virtual bytes.
    #[error("layout: weight {0} is above {MAX_VAULT_WEIGHT}")]
    Weight(u64),
    /// Tip: input 0 is not the vault tip.
    #[error("tip: input 0 is not the vault tip")]
    TipNotFirst,
    /// Tip: the output spent does not hold what the vault should.
    #[error("tip: the spent vault output has another amount or script")]
    TipContents,
    /// Layout: output 1 is missing or not an OP_RETURN with one push.
    #[error("layout: output 1: {0}")]
    MetaScript(MetaError),
    /// Layout: output 1 holds money.
    #[error("layout: output 1 holds money")]
    MetaValue,
    /// Layout: the OP_RETURN does not decode.
    #[error("layout: OP_RETURN: {0}")]
    Meta(DecodeError),
    /// Layout: the vault is handed over to an epoch that nobody announced, or whose turn it is not.
    #[error("layout: epoch {0} was not announced as the next one")]
    UnknownEpoch(EpochHash),
    /// Layout: output 0 does not pay to the vault.
    #[error("layout: output 0 does not pay to the vault script")]
    VaultScript,
    /// Layout: fewer inputs than deposits announced.
    #[error("layout: fewer inputs than deposits announced")]
    TooFewInputs,
    /// Layout: deposits are not in outpoint order.
    #[error("layout: deposits are not in ascending order of their outpoints")]
    DepositOrder,
    /// Layout: fewer outputs than payouts announced.
    #[error("layout: fewer outputs than payouts announced")]
    TooFewOutputs,
    /// Layout: output 2 is not the first anchor of the sequencer named.
    #[error("layout: output 2 is not the first anchor of the next sequencer")]
    FirstAnchor,
    /// Layout: the pay-to-anchor output does not hold 240 satoshi.
    #[error("layout: the pay-to-anchor output does not hold {P2A_AMOUNT}")]
    AnchorValue,
    /// Layout: outputs beyond one pay-to-anchor and one change, in this order.
    #[error("layout: outputs beyond one pay-to-anchor and one change")]
    TrailingOutputs,
    /// Shares: a deposit is below the minimum.
    #[error("shares: deposit {0} is below {MIN_DEPOSIT} sat")]
    DepositTooSmall(OutPoint),
    /// Shares: a deposit's share is above a twentieth of it.
    #[error("shares: the share of deposit {0} is above a twentieth of it")]
    DepositShare(OutPoint),
    /// Index: no such withdrawal.
    #[error("index: withdrawal {0} is unknown")]
    UnknownIndex(u64),
    /// Index: the withdrawal was paid before.
    #[error("index: withdrawal {0} was paid before")]
    AlreadyPaid(u64),
    /// Index: the withdrawal's batch is not deep enough.
    #[error("index: the batch of withdrawal {0} is not k deep")]
    NotDeep(u64),
    /// Index: the payout goes elsewhere.
    #[error("index: the payout of withdrawal {0} goes to another script")]
    WrongScript(u64),
    /// Shares: a payout's share is above the owner's limit.
    #[error("shares: the share of withdrawal {0} is above its limit")]
    PayoutShare(u64),
    /// Index: the payout is not the exit minus its share.
    #[error("index: the payout of withdrawal {0} is not the exit minus its share")]
    WrongAmount(u64),
    /// Arithmetic: a sum is above all the bitcoin there can be.
    #[error("arithmetic: a sum overflows")]
    Overflow,
    /// Arithmetic: more is paid than the vault and the deposits hold.
    #[error("arithmetic: more is paid out than the vault holds")]
    Overdrawn,
    /// Arithmetic: the new vault output is too small.
    #[error("arithmetic: the vault keeps {kept} but owes {owed}")]
    VaultShort {
        /// The least the output must hold.
        owed: Amount,
        /// What it holds.
        kept: Amount,
    },
    /// Shares: users owe more than the fee that was paid.
    #[error("shares: users owe more than the fee")]
    FeeBelowShares,
}

/// What the rules ask of the state before the transaction.
pub trait VaultContext {
    /// The vault's UTXO.
    fn tip(&self) -> VaultTip;
    /// The vault's output script.
    fn vault_script(&self) -> &Script;
    /// The vault's output script in the epoch of this hash, if it was announced as the next one.
    fn successor_script(&self, epoch: &EpochHash) -> Option<ScriptBuf>;
    /// The script of anchors of a sequencer with this key.
    fn anchor_script(&self, sequencer: &XOnlyPublicKey) -> ScriptBuf;
    /// A withdrawal by its index.
    fn withdrawal(&self, index: u64) -> Option<WithdrawalView>;
}

/// A deposit taken into the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweptDeposit {
    /// The output swept.
    pub outpoint: OutPoint,
    /// Its script, which commits to the terms.
    pub script_pubkey: ScriptBuf,
    /// What it held.
    pub amount: Amount,
    /// Its share of the fee.
    pub share: Amount,
    /// What it credits: amount minus share.
    pub credit: Amount,
}

/// A withdrawal paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidWithdrawal {
    /// Its index.
    pub index: u64,
    /// The output that pays it.
    pub vout: u32,
    /// Its share of the fee.
    pub share: Amount,
}

/// What a vault transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultEffects {
    /// The vault's new UTXO.
    pub new_tip: VaultTip,
    /// Deposits swept, in input order.
    pub swept: Vec<SweptDeposit>,
    /// Withdrawals paid, ascending.
    pub paid: Vec<PaidWithdrawal>,
    /// What the operator added to the vault.
    pub top_up: Amount,
    /// The script of the vault's new UTXO.
    pub script_pubkey: ScriptBuf,
    /// What is handed over. Whether a handover of the anchor chain counts, followers decide.
    pub handover: Option<Handover>,
}

/// Checks a transaction that spends the vault tip; `prevouts` are the outputs of its inputs.
///
/// # Errors
/// The first rule that it breaks.
///
/// # Panics
/// If `prevouts` does not list one output per input ([`crate::peg::TxInput`] makes sure).
pub fn check_vault_tx(
    tx: &Transaction,
    prevouts: &[TxOut],
    ctx: &impl VaultContext,
) -> Result<VaultEffects, VaultFault> {
    assert_eq!(prevouts.len(), tx.input.len(), "one spent output per input");
    let meta = check_layout(tx, prevouts, ctx)?;
    let swept = check_deposits(tx, prevouts, &meta)?;
    let (paid, exits) = check_payouts(tx, &meta, ctx)?;
    let (kept, top_up) = check_vault_amount(tx, ctx.tip().amount, &swept, exits)?;
    check_fee(tx, prevouts, &swept, &paid)?;
    let outpoint = OutPoint {
        txid: tx.compute_txid(),
        vout: 0,
    };
    Ok(VaultEffects {
        new_tip: VaultTip {
            outpoint,
            amount: kept,
        },
        swept,
        paid,
        top_up,
        script_pubkey: tx.output[0].script_pubkey.clone(),
        handover: meta.handover(),
    })
}

/// Inputs and outputs stand where they should.
fn check_layout(
    tx: &Transaction,
    prevouts: &[TxOut],
    ctx: &impl VaultContext,
) -> Result<VaultMeta, VaultFault> {
    if tx.version != VAULT_TX_VERSION {
        return Err(VaultFault::Version);
    }
    let weight = tx.weight().to_wu();
    if weight > u64::from(MAX_VAULT_WEIGHT) {
        return Err(VaultFault::Weight(weight));
    }
    let tip = ctx.tip();
    if tx.input.first().map(|input| input.previous_output) != Some(tip.outpoint) {
        return Err(VaultFault::TipNotFirst);
    }
    if prevouts[0].value.to_sat() != tip.amount.to_sat()
        || prevouts[0].script_pubkey.as_script() != ctx.vault_script()
    {
        return Err(VaultFault::TipContents);
    }
    let output = tx
        .output
        .get(1)
        .ok_or(VaultFault::MetaScript(MetaError::Script))?;
    let bytes = VaultMeta::script_bytes(&output.script_pubkey).map_err(VaultFault::MetaScript)?;
    if output.value != bitcoin::Amount::ZERO {
        return Err(VaultFault::MetaValue);
    }
    let meta = VaultMeta::decode(bytes).map_err(VaultFault::Meta)?;
    let vault = tx.output[0].script_pubkey.as_script();
    let expected = match meta.handover() {
        Some(Handover::Vault(epoch)) => {
            let script = ctx.successor_script(&epoch);
            vault == script.ok_or(VaultFault::UnknownEpoch(epoch))?.as_script()
        }
        Some(Handover::Anchor(_)) | None => vault == ctx.vault_script(),
    };
    if !expected {
        return Err(VaultFault::VaultScript);
    }
    let deposits = tx.input[1..]
        .get(..usize::from(meta.n_dep()))
        .ok_or(VaultFault::TooFewInputs)?;
    if !deposits.is_sorted_by(|a, b| a.previous_output < b.previous_output) {
        return Err(VaultFault::DepositOrder);
    }
    let mut rest = tx
        .output
        .get(2 + meta.paid().len()..)
        .ok_or(VaultFault::TooFewOutputs)?;
    if let Some(Handover::Anchor(sequencer)) = meta.handover() {
        rest = check_first_anchor(rest, &ctx.anchor_script(&sequencer))?;
    }
    check_rest(rest)?;
    Ok(meta)
}

/// The next sequencer's first anchor, then the rest.
fn check_first_anchor<'a>(outputs: &'a [TxOut], script: &Script) -> Result<&'a [TxOut], VaultFault> {
    match outputs.split_first() {
        Some((first, rest)) if first.script_pubkey.as_script() == script && first.value == ANCHOR_AMOUNT => {
            Ok(rest)
        }
        Some(_) | None => Err(VaultFault::FirstAnchor),
    }
}

/// At most one pay-to-anchor output, then at most one change output.
fn check_rest(rest: &[TxOut]) -> Result<(), VaultFault> {
    let p2a = ScriptBuf::new_p2a();
    let change = match rest.split_first() {
        Some((first, change)) if first.script_pubkey == p2a => {
            if first.value != P2A_AMOUNT {
                return Err(VaultFault::AnchorValue);
            }
            change
        }
        Some(_) | None => rest,
    };
    if change.len() > 1 || change.iter().any(|output| output.script_pubkey == p2a) {
        return Err(VaultFault::TrailingOutputs);
    }
    Ok(())
}

/// Every deposit is large enough for its share.
fn check_deposits(
    tx: &Transaction,
    prevouts: &[TxOut],
    meta: &VaultMeta,
) -> Result<Vec<SweptDeposit>, VaultFault> {
    let share = meta.rate().deposit_share();
    let inputs = tx
        .input
        .iter()
        .zip(prevouts)
        .skip(1)
        .take(usize::from(meta.n_dep()));
    inputs
        .map(|(input, prevout)| {
            let outpoint = input.previous_output;
            let amount = to_amount(prevout.value.to_sat())?;
            if amount.to_sat() < MIN_DEPOSIT {
                return Err(VaultFault::DepositTooSmall(outpoint));
            }
            if !deposit_share_fits(amount, meta.rate()) {
                return Err(VaultFault::DepositShare(outpoint));
            }
            let credit = amount
                .checked_sub(share)
                .ok_or(VaultFault::DepositShare(outpoint))?;
            let script_pubkey = prevout.script_pubkey.clone();
            Ok(SweptDeposit {
                outpoint,
                script_pubkey,
                amount,
                share,
                credit,
            })
        })
        .collect()
}

/// Every payout is owed, to this script, in this amount. Returns the sum of the exits too.
fn check_payouts(
    tx: &Transaction,
    meta: &VaultMeta,
    ctx: &impl VaultContext,
) -> Result<(Vec<PaidWithdrawal>, Amount), VaultFault> {
    let mut paid = Vec::with_capacity(meta.paid().len());
    let mut exits = Amount::ZERO;
    for ((vout, output), &index) in (2u32..).zip(&tx.output[2..]).zip(meta.paid()) {
        let withdrawal = ctx.withdrawal(index).ok_or(VaultFault::UnknownIndex(index))?;
        if withdrawal.paid {
            return Err(VaultFault::AlreadyPaid(index));
        }
        if !withdrawal.deep {
            return Err(VaultFault::NotDeep(index));
        }
        if output.script_pubkey.as_script() != withdrawal.script.as_script() {
            return Err(VaultFault::WrongScript(index));
        }
        let share = meta.rate().payout_share(&withdrawal.script);
        if share > withdrawal.max_l1_fee {
            return Err(VaultFault::PayoutShare(index));
        }
        let due = withdrawal.amount.checked_sub(share).map(Amount::to_sat);
        if due != Some(output.value.to_sat()) {
            return Err(VaultFault::WrongAmount(index));
        }
        exits = exits.checked_add(withdrawal.amount).ok_or(VaultFault::Overflow)?;
        paid.push(PaidWithdrawal { index, vout, share });
    }
    Ok((paid, exits))
}

/// `vault' = vault + Σ credits − Σ exits + top-up`; returns the new amount and the top-up.
fn check_vault_amount(
    tx: &Transaction,
    before: Amount,
    swept: &[SweptDeposit],
    exits: Amount,
) -> Result<(Amount, Amount), VaultFault> {
    let kept = to_amount(tx.output[0].value.to_sat())?;
    let held = swept
        .iter()
        .try_fold(before, |sum, deposit| sum.checked_add(deposit.credit))
        .ok_or(VaultFault::Overflow)?;
    let owed = held.checked_sub(exits).ok_or(VaultFault::Overdrawn)?;
    let top_up = kept
        .checked_sub(owed)
        .ok_or(VaultFault::VaultShort { owed, kept })?;
    Ok((kept, top_up))
}

/// `Σ shares ≤ fee`.
fn check_fee(
    tx: &Transaction,
    prevouts: &[TxOut],
    swept: &[SweptDeposit],
    paid: &[PaidWithdrawal],
) -> Result<(), VaultFault> {
    let inputs = sum(prevouts.iter().map(|output| output.value.to_sat()))?;
    let outputs = sum(tx.output.iter().map(|output| output.value.to_sat()))?;
    let shares = swept.iter().map(|deposit| deposit.share);
    let owed = sum(shares
        .chain(paid.iter().map(|payout| payout.share))
        .map(Amount::to_sat))?;
    match inputs.checked_sub(outputs) {
        Some(fee) if fee >= owed => Ok(()),
        Some(_) | None => Err(VaultFault::FeeBelowShares),
    }
}

/// The sum, unless it overflows.
fn sum(mut values: impl Iterator<Item = u64>) -> Result<u64, VaultFault> {
    values
        .try_fold(0u64, u64::checked_add)
        .ok_or(VaultFault::Overflow)
}

/// A value on Bitcoin as an amount.
fn to_amount(sats: u64) -> Result<Amount, VaultFault> {
    Amount::from_sat(sats).map_err(|_| VaultFault::Overflow)
}

#[cfg(test)]
mod tests;
