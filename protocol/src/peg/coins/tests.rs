//! Tests of coin selection.

use proptest::prelude::*;

use super::*;
use crate::peg::fixture::{coin, key_script, outpoint};

fn need(change: &Script) -> Need<'_> {
    Need {
        outputs: 10_000,
        contributed: 0,
        fee_floor: 0,
        weight: 500,
        rate: FeeRate::from_sat_per_kwu(1_000),
        change_script: change,
    }
}

#[test]
fn the_largest_coins_are_taken_first_and_change_comes_back() {
    let change = key_script(9);
    let pool = [coin(1, 1, 5_000), coin(2, 1, 9_000), coin(3, 1, 4_000)];
    let funding = fund(&pool, &need(&change)).unwrap();
    assert_eq!(funding.coins, [pool[1].clone(), pool[0].clone()]);
    // 500 + 2·230 for the coins + 172 for the change, at one satoshi per weight unit.
    assert_eq!(funding.fee, 1_132);
    assert_eq!(funding.change, Some(14_000 - 10_000 - 1_132));
}

#[test]
fn what_would_be_dust_goes_to_the_fee() {
    let change = key_script(9);
    // One coin: 730 of fee without change; with it 902, and 330 is the least a P2TR output holds.
    let just_below = fund(&[coin(1, 1, 10_000 + 902 + 329)], &need(&change)).unwrap();
    assert_eq!((just_below.change, just_below.fee), (None, 902 + 329));
    let enough = fund(&[coin(1, 1, 10_000 + 902 + 330)], &need(&change)).unwrap();
    assert_eq!((enough.change, enough.fee), (Some(330), 902));
}

#[test]
fn too_few_coins_are_a_typed_error() {
    let change = key_script(9);
    let pool = [coin(1, 1, 10_729)];
    let error = CoinError::Insufficient {
        needed: 10_730,
        available: 10_729,
    };
    assert_eq!(fund(&pool, &need(&change)), Err(error));
    assert!(fund(&[coin(1, 1, 10_730)], &need(&change)).is_ok());
}

#[test]
fn no_coin_is_taken_when_others_pay() {
    let change = key_script(9);
    let paid = Need {
        outputs: 0,
        contributed: 600,
        fee_floor: 600,
        ..need(&change)
    };
    let funding = fund(&[coin(1, 1, 50_000)], &paid).unwrap();
    assert_eq!(
        funding,
        Funding {
            coins: vec![],
            change: None,
            fee: 600
        }
    );
}

#[test]
fn a_coin_listed_twice_counts_once() {
    let change = key_script(9);
    let pool = [coin(1, 1, 6_000), coin(1, 1, 6_000)];
    assert!(matches!(
        fund(&pool, &need(&change)),
        Err(CoinError::Insufficient { available: 6_000, .. })
    ));
}

proptest! {
    #[test]
    fn money_is_conserved_and_the_rate_is_reached(
        values in prop::collection::vec(300u64..100_000, 0..20),
        outputs in 0u64..200_000,
        contributed in 0u64..5_000,
        rate in 0u32..20_000,
    ) {
        let change = key_script(9);
        let pool: Vec<Coin> = values
            .iter()
            .zip(1u8..)
            .map(|(value, n)| Coin { outpoint: outpoint(n), ..coin(n, 1, *value) })
            .collect();
        let rate = FeeRate::from_sat_per_kwu(rate);
        let need = Need { outputs, contributed, fee_floor: contributed, weight: 700, rate, change_script: &change };
        if let Ok(funding) = fund(&pool, &need) {
            let brought: u64 = funding.coins.iter().map(|coin| coin.txout.value.to_sat()).sum();
            let change_out = funding.change.unwrap_or(0);
            prop_assert_eq!(brought + contributed, outputs + funding.fee + change_out);
            let inputs = u32::try_from(funding.coins.len()).unwrap();
            let weight = 700 + inputs * KEY_INPUT_WEIGHT + if funding.change.is_some() { 172 } else { 0 };
            prop_assert!(funding.fee >= rate.fee(weight).max(contributed));
        }
    }
}
