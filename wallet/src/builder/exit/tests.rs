//! Tests of withdrawals' addresses and fee limits.

use super::*;

fn sat(v: u64) -> Amount {
    Amount::from_sat(v).unwrap()
}

fn script() -> ExitScript {
    parse_address("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", Network::Regtest).unwrap()
}

#[test]
fn addresses_of_the_network_are_read_and_others_refused() {
    let mainnet = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    assert!(parse_address(mainnet, Network::Mainnet).is_ok());
    assert!(matches!(
        parse_address(mainnet, Network::Regtest),
        Err(ExitOrderError::WrongNetwork {
            expected: Network::Regtest,
            ..
        })
    ));
    assert!(matches!(
        parse_address("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", Network::Mainnet),
        Err(ExitOrderError::Unreadable { .. })
    ));
    assert!(matches!(
        parse_address("", Network::Mainnet),
        Err(ExitOrderError::Unreadable { .. })
    ));
}

#[test]
fn a_witness_version_nobody_can_spend_yet_is_refused() {
    let future = "bc1sw50qgdz25j";
    assert!(matches!(
        parse_address(future, Network::Mainnet),
        Err(ExitOrderError::Kind(_) | ExitOrderError::Unreadable { .. })
    ));
}

#[test]
fn the_default_limit_leaves_room_and_never_makes_dust() {
    let rate = FeeRate::from_sat_per_kwu(5_000);
    let share = rate.payout_share(&script()).to_sat();
    let limit = fee_limit(sat(1_000_000), &script(), rate, None).unwrap();
    assert_eq!(limit, sat((4 * share).max(1_000)));
    let small = fee_limit(sat(MIN_PAYOUT + share), &script(), rate, None).unwrap();
    assert_eq!(small, sat(share));
    assert_eq!(
        fee_limit(sat(MIN_PAYOUT + share - 1), &script(), rate, None),
        Err(ExitOrderError::Dust {
            amount: sat(MIN_PAYOUT + share - 1),
            fee: sat(share),
            minimum: sat(MIN_PAYOUT + share)
        })
    );
}

#[test]
fn a_limit_asked_for_is_taken_unless_it_makes_dust() {
    let rate = FeeRate::from_sat_per_kwu(250);
    assert_eq!(
        fee_limit(sat(2_000), &script(), rate, Some(sat(1_454))),
        Ok(sat(1_454))
    );
    assert!(matches!(
        fee_limit(sat(2_000), &script(), rate, Some(sat(1_455))),
        Err(ExitOrderError::Dust { .. })
    ));
}
