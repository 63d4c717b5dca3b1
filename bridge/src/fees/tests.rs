//! Rates stay within their bounds, and every bound that acts is reported.

use std::sync::Arc;

use tacit_protocol::peg::FeeRate;

use super::{FeePolicy, FeeSource, NodeFees, RateOrigin};
use crate::client::memory::MemoryBitcoin;

fn rate(sats: u32) -> FeeRate {
    FeeRate::from_sat_per_kwu(sats)
}

fn policy() -> FeePolicy {
    FeePolicy {
        target: 3,
        floor: rate(500),
        ceiling: rate(10_000),
        fallback: rate(2_000),
    }
}

#[test]
fn an_estimate_within_bounds_is_taken() {
    let quote = policy().quote(Some(rate(3_000)), rate(25));
    assert_eq!((quote.rate, quote.origin), (rate(3_000), RateOrigin::Estimate));
}

#[test]
fn without_an_estimate_the_fallback_is_taken() {
    let quote = policy().quote(None, rate(25));
    assert_eq!((quote.rate, quote.origin), (rate(2_000), RateOrigin::Fallback));
}

#[test]
fn the_floor_and_the_mempool_lift_a_rate() {
    let quote = policy().quote(Some(rate(10)), rate(25));
    assert_eq!((quote.rate, quote.origin), (rate(500), RateOrigin::Floor));
    let quote = policy().quote(Some(rate(10)), rate(700));
    assert_eq!(
        (quote.rate, quote.origin),
        (rate(700), RateOrigin::MempoolMinimum)
    );
}

#[test]
fn the_ceiling_holds_in_a_fee_storm_and_is_reported() {
    let wanted = rate(250_000);
    for quote in [
        policy().quote(Some(wanted), rate(25)),
        policy().quote(None, wanted),
    ] {
        assert_eq!(
            (quote.rate, quote.origin),
            (rate(10_000), RateOrigin::Ceiling { wanted })
        );
        assert!(quote.to_string().contains("transactions may wait"));
    }
}

#[test]
fn the_node_is_asked_for_estimate_and_minimum() {
    let client = Arc::new(MemoryBitcoin::new());
    let fees = NodeFees::new(client.clone(), policy());
    assert_eq!(fees.quote().unwrap().origin, RateOrigin::Fallback);
    client.set_estimate(Some(rate(4_000)));
    assert_eq!(fees.quote().unwrap().rate, rate(4_000));
    client.set_min_rate(rate(5_000));
    assert_eq!(fees.quote().unwrap().origin, RateOrigin::MempoolMinimum);
}
