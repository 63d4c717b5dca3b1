//! What an operator decides: limits, intervals, the key that earns the fees.
//!
//! None of it is a rule of the chain. Two sequencers with different policies make batches that every
//! follower accepts.

use std::time::Duration;

use tacit_protocol::peg::FeeRate;
use tacit_protocol::{Amount, F};

/// A moment of the caller's clock, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The moment `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whether `wait` has passed since `start`. A clock that was set back counts as passed: acting
    /// early is harmless, waiting for a day is not.
    #[must_use]
    pub fn has_passed(self, wait: Duration, start: Self) -> bool {
        self.0
            .checked_sub(start.0)
            .is_none_or(|elapsed| u128::from(elapsed) >= wait.as_millis())
    }
}

/// The limits of a mempool and the pace of batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Fees below this are refused.
    pub min_fee: Amount,
    /// A transfer may expire at most this many batches after the next one.
    pub expiry_horizon: u32,
    /// Expiries must be multiples of this, so that they say little about who made a transfer; 1
    /// accepts all.
    pub expiry_step: u32,
    /// An anchor must have been the latest state at some time within this many Bitcoin blocks.
    pub anchor_window: u32,
    /// An exit's fee limit must cover its share at this rate, or it might never be paid.
    pub min_exit_rate: FeeRate,
    /// The most transfers waiting.
    pub max_transfers: usize,
    /// The most bytes waiting.
    pub max_bytes: usize,
    /// Refused proofs remembered.
    pub max_refusals: usize,
    /// A batch is sealed this long after its first transfer came, or when it is full.
    pub seal_after: Duration,
    /// A batch is sealed this long after a deposit can be credited.
    pub deposit_after: Duration,
    /// Nothing is sealed while this many batches wait for Bitcoin.
    pub max_pending: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_fee: Amount::ZERO,
            expiry_horizon: 1 << 16,
            expiry_step: 8,
            anchor_window: 144,
            min_exit_rate: FeeRate::from_sat_per_kwu(250),
            max_transfers: 20_000,
            max_bytes: 8 << 20,
            max_refusals: 4_096,
            seal_after: Duration::from_secs(30),
            deposit_after: Duration::from_secs(5),
            max_pending: 64,
        }
    }
}

/// An operator's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The `pk_d` that fee notes go to.
    pub operator: F,
    /// Limits and intervals.
    pub policy: Policy,
}
