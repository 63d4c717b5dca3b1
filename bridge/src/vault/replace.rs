//! When a version in the mempool is to be replaced, and what it takes.
//!
//! Anybody paid by a vault transaction may hang one small child on it (TRUC), and a node wants a
//! replacement to pay more than old version and child together. A child that pays well helps the old
//! version, which is left alone then. One that pays badly is outbid: the operator, and not the users,
//! pays what that takes, at most what 1,000 virtual bytes cost at a rate below the one wanted.
//! Specification: `docs/spec/bitcoin.md`.

use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::vault::UnsignedVaultTx;

use crate::client::MempoolEntry;

/// Weight that signatures add: marker and flag, and per input a count, a length and 64 bytes.
const WITNESS: (u64, u64) = (2, 66);

/// Whether the rate is so far above what is paid that the mempool should take a replacement: above what
/// the version pays itself, and above what it pays together with what hangs on it.
pub(super) fn pays_too_little(paid: &MempoolEntry, rate: FeeRate) -> bool {
    let below = |fee: bitcoin::Amount, vsize: u64| {
        let wanted = u64::from(rate.sat_per_kwu()).saturating_mul(vsize.saturating_mul(4)) / 1_000;
        wanted > fee.to_sat().saturating_mul(5) / 4
    };
    below(paid.fee, paid.vsize) && below(paid.family_fee, paid.family_vsize)
}

/// The rate at which a replacement outbids what is in the mempool, if it does not do so as it is: more
/// than all that is thrown out paid, by one satoshi for each of its own virtual bytes.
pub(super) fn outbid(new: &UnsignedVaultTx, rival: Option<&MempoolEntry>) -> Option<FeeRate> {
    let inputs = new.tx().input.len() as u64;
    let weight = new.tx().weight().to_wu() + WITNESS.0 + WITNESS.1 * inputs;
    let needed = rival?.family_fee.to_sat() + weight.div_ceil(4);
    if new.fee() >= needed {
        return None;
    }
    let rate = needed.saturating_mul(1_000).div_ceil(weight);
    Some(FeeRate::from_sat_per_kwu(u32::try_from(rate).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests;
