//! Fee rates, and the shares of the miner's fee that deposits and payouts owe.
//!
//! A vault transaction declares a rate `q`; whoever adds weight `w` to it owes
//! `share = ⌈q·w / 1000⌉`. Shares follow from public data alone, so every follower computes the same
//! credits and payouts to the satoshi. Specification: `docs/spec/bitcoin.md`.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::peg::exit::ExitScript;
use crate::peg::taproot::KEY_INPUT_WEIGHT;

/// Weight units that one swept deposit adds: an input spent by its key path.
pub const DEPOSIT_WEIGHT: u32 = KEY_INPUT_WEIGHT;

/// The smallest deposit that is credited.
pub const MIN_DEPOSIT: u64 = 20_000;

/// A deposit's share is at most its amount divided by this.
pub const MAX_SHARE_DIVISOR: u64 = 20;

/// A fee rate in satoshi per 1,000 weight units (1 sat/vB is 250).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeeRate(u32);

impl FeeRate {
    /// A rate of `sats` satoshi per 1,000 weight units.
    #[must_use]
    pub const fn from_sat_per_kwu(sats: u32) -> Self {
        Self(sats)
    }

    /// A rate of `sats` satoshi per virtual byte; `None` if it does not fit.
    #[must_use]
    pub fn from_sat_per_vb(sats: u32) -> Option<Self> {
        sats.checked_mul(250).map(Self)
    }

    /// Satoshi per 1,000 weight units.
    #[must_use]
    pub const fn sat_per_kwu(self) -> u32 {
        self.0
    }

    /// The fee of `weight` weight units: `⌈rate·weight / 1000⌉` satoshi.
    #[must_use]
    pub const fn fee(self, weight: u32) -> u64 {
        (self.0 as u64 * weight as u64).div_ceil(1000)
    }

    /// The share that a swept deposit owes at this rate.
    ///
    /// # Panics
    /// Never: the largest share is below 21 million bitcoin.
    #[must_use]
    pub fn deposit_share(self) -> Amount {
        Amount::from_sat(self.fee(DEPOSIT_WEIGHT)).expect("2^32·230/1000 is below 21e14")
    }

    /// The share that a payout to `script` owes at this rate.
    ///
    /// # Panics
    /// Never: the largest share is below 21 million bitcoin.
    #[must_use]
    pub fn payout_share(self, script: &ExitScript) -> Amount {
        Amount::from_sat(self.fee(payout_weight(script))).expect("2^32·172/1000 is below 21e14")
    }
}

/// Weight units that one payout adds: value, script length and script of an output.
///
/// # Panics
/// Never: exit scripts have at most 34 bytes.
#[must_use]
pub fn payout_weight(script: &ExitScript) -> u32 {
    let len = u32::try_from(script.as_script().len()).expect("exit scripts have at most 34 bytes");
    4 * (9 + len)
}

/// Whether a deposit of `amount` is large enough to be swept at rate `q`.
#[must_use]
pub fn deposit_is_sweepable(amount: Amount, q: FeeRate) -> bool {
    amount.to_sat() >= MIN_DEPOSIT && deposit_share_fits(amount, q)
}

/// Whether the share at rate `q` is at most a twentieth of `amount`.
#[must_use]
pub fn deposit_share_fits(amount: Amount, q: FeeRate) -> bool {
    q.deposit_share().to_sat() <= amount.to_sat() / MAX_SHARE_DIVISOR
}

#[cfg(test)]
mod tests;
