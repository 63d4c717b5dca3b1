//! Amounts are read to the satoshi or not at all.

use super::{AmountError, parse};

fn sats(text: &str) -> u64 {
    parse(text).expect("an amount").to_sat()
}

#[test]
fn satoshi_and_bitcoin_are_read_exactly() {
    assert_eq!(sats("0"), 0);
    assert_eq!(sats("25000"), 25_000);
    assert_eq!(sats(" 25000 sat"), 25_000);
    assert_eq!(sats("0.001btc"), 100_000);
    assert_eq!(sats("0.00000001BTC"), 1);
    assert_eq!(sats("1btc"), 100_000_000);
    assert_eq!(sats("1.1 btc"), 110_000_000);
    assert_eq!(sats("21000000btc"), 2_100_000_000_000_000);
}

#[test]
fn what_is_no_amount_is_refused_with_the_form_to_use() {
    for text in [
        "", "btc", ".5btc", "1.btc", "0.5", "-1", "+1", "1e3", "0x10", "1,000", "1.2.3btc", "ten", "½btc",
    ] {
        assert_eq!(
            parse(text),
            Err(AmountError::Unreadable(text.to_owned())),
            "{text}"
        );
    }
    assert!(
        parse("ten")
            .expect_err("no amount")
            .to_string()
            .contains("0.00025btc")
    );
}

#[test]
fn fractions_of_a_satoshi_are_refused_and_not_rounded() {
    for text in ["0.000000001btc", "0.000000010btc"] {
        assert_eq!(parse(text), Err(AmountError::TooFine(text.to_owned())));
    }
}

#[test]
fn more_than_all_bitcoin_is_refused_without_overflow() {
    for text in [
        "2100000000000001",
        "21000000.00000001btc",
        "99999999999999999999999",
        "184467440737.09551616btc",
    ] {
        assert_eq!(parse(text), Err(AmountError::TooLarge(text.to_owned())));
    }
}
