//! Operator coins and the deterministic way to pay with them: largest first, ties by outpoint.
//!
//! Coins are outputs that the operator spends by a Taproot key path without a script tree (BIP 86).
//! Callers pass confirmed coins only: nothing of ours ever hangs on an unconfirmed parent.

use bitcoin::{OutPoint, Script, TxOut};
use thiserror::Error;

use crate::peg::fees::FeeRate;
use crate::peg::taproot::KEY_INPUT_WEIGHT;

/// The most coins one transaction takes; keeps the input count in one byte.
pub const MAX_COINS: usize = 200;

/// An output that the operator can spend by a key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it holds.
    pub txout: TxOut,
}

/// Why coins cannot pay.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CoinError {
    /// The coins together are too small.
    #[error("operator coins hold {available} sat, {needed} sat are needed")]
    Insufficient {
        /// Satoshi needed, fee of the coins themselves included.
        needed: u64,
        /// Satoshi held by the coins that one transaction can take.
        available: u64,
    },
    /// Sums do not fit 64 bits.
    #[error("sum of coins overflows")]
    Overflow,
}

/// What coins have to pay for.
#[derive(Clone, Copy, Debug)]
pub struct Need<'a> {
    /// Satoshi that the outputs take, beyond what other inputs are bound to bring.
    pub outputs: u64,
    /// Satoshi that others bring towards outputs and fee.
    pub contributed: u64,
    /// The fee is at least this.
    pub fee_floor: u64,
    /// Weight of the signed transaction without coins and change.
    pub weight: u32,
    /// The fee rate to reach.
    pub rate: FeeRate,
    /// Where change goes.
    pub change_script: &'a Script,
}

/// The coins chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Coins in the order of their inputs.
    pub coins: Vec<Coin>,
    /// Value of the change output, if there is one.
    pub change: Option<u64>,
    /// The fee that results.
    pub fee: u64,
}

/// Chooses coins from `pool`, the largest first, until they pay for `need`.
///
/// # Errors
/// [`CoinError`].
pub fn fund(pool: &[Coin], need: &Need<'_>) -> Result<Funding, CoinError> {
    let mut sorted: Vec<&Coin> = pool.iter().collect();
    sorted.sort_by_key(|coin| (std::cmp::Reverse(coin.txout.value), coin.outpoint));
    sorted.dedup_by_key(|coin| coin.outpoint);
    sorted.truncate(MAX_COINS);

    let mut held = 0u64;
    for taken in 0..=sorted.len() {
        if let Some(funding) = settle(&sorted[..taken], held, need)? {
            return Ok(funding);
        }
        if let Some(coin) = sorted.get(taken) {
            held = held
                .checked_add(coin.txout.value.to_sat())
                .ok_or(CoinError::Overflow)?;
        }
    }
    let all = weight_with(need, sorted.len(), 0)?;
    let needed = cost(need, all)?.saturating_sub(need.contributed);
    Err(CoinError::Insufficient {
        needed,
        available: held,
    })
}

/// Change and fee if `coins`, holding `held`, suffice.
fn settle(coins: &[&Coin], held: u64, need: &Need<'_>) -> Result<Option<Funding>, CoinError> {
    let have = held.checked_add(need.contributed).ok_or(CoinError::Overflow)?;
    if have < cost(need, weight_with(need, coins.len(), 0)?)? {
        return Ok(None);
    }
    let coins: Vec<Coin> = coins.iter().map(|&coin| coin.clone()).collect();
    let change_weight = output_weight(need.change_script);
    let with_change = cost(need, weight_with(need, coins.len(), change_weight)?)?;
    let dust = need.change_script.minimal_non_dust().to_sat();
    Ok(Some(match have.checked_sub(with_change) {
        Some(change) if change >= dust => Funding {
            coins,
            change: Some(change),
            fee: with_change - need.outputs,
        },
        Some(_) | None => Funding {
            coins,
            change: None,
            fee: have - need.outputs,
        },
    }))
}

/// Outputs and fee at `weight`.
fn cost(need: &Need<'_>, weight: u32) -> Result<u64, CoinError> {
    need.outputs
        .checked_add(need.rate.fee(weight).max(need.fee_floor))
        .ok_or(CoinError::Overflow)
}

/// The weight with `coins` more inputs and `extra` weight units.
fn weight_with(need: &Need<'_>, coins: usize, extra: u32) -> Result<u32, CoinError> {
    u32::try_from(coins)
        .ok()
        .and_then(|n| n.checked_mul(KEY_INPUT_WEIGHT))
        .and_then(|w| w.checked_add(need.weight))
        .and_then(|w| w.checked_add(extra))
        .ok_or(CoinError::Overflow)
}

/// Weight units of an output that pays to `script`, a script of fewer than 253 bytes.
#[must_use]
pub(crate) fn output_weight(script: &Script) -> u32 {
    4 * (9 + u32::try_from(script.len()).expect("output scripts are short"))
}

#[cfg(test)]
mod tests;
