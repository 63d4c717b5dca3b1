//! What to pay miners: the node's estimate between a floor and a ceiling, or a fallback.
//!
//! The rate never exceeds the ceiling: above it transactions wait, and the state says so. A source
//! is a trait, so that tests can bring fee storms that regtest does not have.

use std::fmt;
use std::sync::Arc;

use tacit_protocol::peg::FeeRate;

use crate::client::{BitcoinClient, ClientError};

/// Where a rate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateOrigin {
    /// The node's estimate.
    Estimate,
    /// The node has no estimate: the configured fallback.
    Fallback,
    /// The estimate is below the configured floor.
    Floor,
    /// The mempool takes nothing below this.
    MempoolMinimum,
    /// The ceiling holds the rate down; transactions may wait.
    Ceiling {
        /// What would be needed.
        wanted: FeeRate,
    },
}

/// A rate to pay and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeQuote {
    /// The rate.
    pub rate: FeeRate,
    /// Where it comes from.
    pub origin: RateOrigin,
}

impl fmt::Display for FeeQuote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat/kWU ", self.rate.sat_per_kwu())?;
        match self.origin {
            RateOrigin::Estimate => f.write_str("(estimate)"),
            RateOrigin::Fallback => f.write_str("(fallback: the node has no estimate)"),
            RateOrigin::Floor => f.write_str("(floor)"),
            RateOrigin::MempoolMinimum => f.write_str("(the mempool's minimum)"),
            RateOrigin::Ceiling { wanted } => {
                write!(
                    f,
                    "(ceiling: {} would be needed, transactions may wait)",
                    wanted.sat_per_kwu()
                )
            }
        }
    }
}

/// Says what to pay.
pub trait FeeSource: Send + Sync {
    /// The rate for a transaction sent now.
    ///
    /// # Errors
    /// [`ClientError`].
    fn quote(&self) -> Result<FeeQuote, ClientError>;
}

/// The bounds of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeePolicy {
    /// Blocks within which transactions should confirm.
    pub target: u16,
    /// Never pay less.
    pub floor: FeeRate,
    /// Never pay more.
    pub ceiling: FeeRate,
    /// What to pay when the node has no estimate.
    pub fallback: FeeRate,
}

impl Default for FeePolicy {
    /// Three blocks, 1 to 200 sat/vB, else 10 sat/vB.
    fn default() -> Self {
        Self {
            target: 3,
            floor: FeeRate::from_sat_per_kwu(250),
            ceiling: FeeRate::from_sat_per_kwu(50_000),
            fallback: FeeRate::from_sat_per_kwu(2_500),
        }
    }
}

impl FeePolicy {
    /// The quote for an estimate and the lowest rate of the mempool.
    #[must_use]
    pub fn quote(&self, estimate: Option<FeeRate>, minimum: FeeRate) -> FeeQuote {
        let (mut rate, mut origin) = match estimate {
            Some(rate) => (rate, RateOrigin::Estimate),
            None => (self.fallback, RateOrigin::Fallback),
        };
        if rate < self.floor {
            (rate, origin) = (self.floor, RateOrigin::Floor);
        }
        if rate < minimum {
            (rate, origin) = (minimum, RateOrigin::MempoolMinimum);
        }
        if rate > self.ceiling {
            (rate, origin) = (self.ceiling, RateOrigin::Ceiling { wanted: rate });
        }
        FeeQuote { rate, origin }
    }
}

/// Asks a Bitcoin node.
pub struct NodeFees {
    client: Arc<dyn BitcoinClient>,
    policy: FeePolicy,
}

impl NodeFees {
    /// The estimates of `client` within the bounds of `policy`.
    #[must_use]
    pub fn new(client: Arc<dyn BitcoinClient>, policy: FeePolicy) -> Self {
        Self { client, policy }
    }
}

impl FeeSource for NodeFees {
    fn quote(&self) -> Result<FeeQuote, ClientError> {
        let estimate = self.client.estimate_rate(self.policy.target)?;
        Ok(self.policy.quote(estimate, self.client.mempool_info()?.min_rate))
    }
}

/// Always the same quote; for tests and private chains.
#[derive(Clone, Copy, Debug)]
pub struct FixedFees(pub FeeQuote);

impl FixedFees {
    /// Always this rate.
    #[must_use]
    pub fn at(rate: FeeRate) -> Self {
        Self(FeeQuote {
            rate,
            origin: RateOrigin::Estimate,
        })
    }
}

impl FeeSource for FixedFees {
    fn quote(&self) -> Result<FeeQuote, ClientError> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests;
