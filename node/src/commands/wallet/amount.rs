//! Amounts on the command line: satoshi, or bitcoin with the unit named. Never floating point.

use tacit_protocol::Amount;
use thiserror::Error;

/// Decimals of a bitcoin.
const DECIMALS: usize = 8;

/// Why a text is no amount.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum AmountError {
    /// Not digits, or digits with a point and no unit.
    #[error("{0:?} is no amount; write satoshi as 25000 or bitcoin as 0.00025btc")]
    Unreadable(String),
    /// Smaller than a satoshi.
    #[error("{0:?} has more than {DECIMALS} decimals; the smallest unit is 0.00000001btc, one satoshi")]
    TooFine(String),
    /// More than there is.
    #[error("{0:?} is more than all bitcoin there can be")]
    TooLarge(String),
}

/// Reads `25000`, `25000sat` or `0.00025btc`.
pub(super) fn parse(text: &str) -> Result<Amount, AmountError> {
    let lower = text.trim().to_ascii_lowercase();
    let unreadable = || AmountError::Unreadable(text.to_owned());
    let too_large = || AmountError::TooLarge(text.to_owned());
    let digits = if let Some(bitcoin) = lower.strip_suffix("btc") {
        let (whole, fraction) = bitcoin
            .trim_end()
            .split_once('.')
            .unwrap_or((bitcoin.trim_end(), "0"));
        if whole.is_empty() || fraction.is_empty() {
            return Err(unreadable());
        }
        if fraction.len() > DECIMALS {
            return Err(AmountError::TooFine(text.to_owned()));
        }
        format!("{whole}{fraction:0<DECIMALS$}")
    } else {
        lower.strip_suffix("sat").unwrap_or(&lower).trim_end().to_owned()
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(unreadable());
    }
    let sats: u64 = digits.parse().map_err(|_| too_large())?;
    Amount::from_sat(sats).map_err(|_| too_large())
}

#[cfg(test)]
mod tests;
