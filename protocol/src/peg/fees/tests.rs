//! Tests of fee rates and shares.

use bitcoin::hashes::Hash;
use bitcoin::{PubkeyHash, ScriptBuf, ScriptHash, WPubkeyHash, WScriptHash};

use super::*;
use crate::peg::fixture::{key_script, sats};

#[test]
fn fees_are_rounded_up() {
    let fee = |rate, weight| FeeRate::from_sat_per_kwu(rate).fee(weight);
    assert_eq!(fee(0, 1_000_000), 0);
    assert_eq!(fee(1_000, 0), 0);
    assert_eq!(fee(1, 1), 1);
    assert_eq!(fee(1, 1_000), 1);
    assert_eq!(fee(1, 1_001), 2);
    assert_eq!(fee(1_000, 230), 230);
    assert_eq!(fee(1_001, 230), 231);
}

#[test]
fn the_highest_rate_and_weight_do_not_overflow() {
    let exact = (u128::from(u32::MAX) * u128::from(u32::MAX)).div_ceil(1000);
    let highest = FeeRate::from_sat_per_kwu(u32::MAX);
    assert_eq!(u128::from(highest.fee(u32::MAX)), exact);
    assert_eq!(
        highest.deposit_share().to_sat(),
        (u64::from(u32::MAX) * 230).div_ceil(1000)
    );
    assert_eq!(
        FeeRate::from_sat_per_vb(4),
        Some(FeeRate::from_sat_per_kwu(1_000))
    );
    assert_eq!(FeeRate::from_sat_per_vb(u32::MAX), None);
}

#[test]
fn payout_weight_is_four_times_the_output() {
    let scripts = [
        (ScriptBuf::new_p2pkh(&PubkeyHash::all_zeros()), 136),
        (ScriptBuf::new_p2sh(&ScriptHash::all_zeros()), 128),
        (ScriptBuf::new_p2wpkh(&WPubkeyHash::all_zeros()), 124),
        (ScriptBuf::new_p2wsh(&WScriptHash::all_zeros()), 172),
        (key_script(1), 172),
    ];
    for (script, weight) in scripts {
        assert_eq!(payout_weight(&ExitScript::new(script).unwrap()), weight);
    }
}

#[test]
fn a_deposit_is_swept_only_above_the_minimum_and_for_at_most_a_twentieth() {
    let cheap = FeeRate::from_sat_per_kwu(0);
    assert!(!deposit_is_sweepable(sats(19_999), cheap));
    assert!(deposit_is_sweepable(sats(20_000), cheap));
    // 230 weight units at 4,347 owe exactly 1,000 sat, a twentieth of 20,000.
    let limit = FeeRate::from_sat_per_kwu(4_347);
    assert_eq!(limit.deposit_share(), sats(1_000));
    assert!(deposit_is_sweepable(sats(20_000), limit));
    let above = FeeRate::from_sat_per_kwu(4_348);
    assert_eq!(above.deposit_share(), sats(1_001));
    assert!(!deposit_is_sweepable(sats(20_000), above));
    assert!(!deposit_is_sweepable(sats(20_019), above));
    assert!(deposit_is_sweepable(sats(20_020), above));
}
