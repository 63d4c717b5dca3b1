//! What an operator without coins is told.

use tacit_protocol::peg::coins::CoinError;

use super::*;

#[test]
fn too_few_coins_are_said_once_with_the_script_to_pay_to() {
    let missing = CoinError::Insufficient {
        needed: 12_345,
        available: 67,
    };
    let script = bitcoin::ScriptBuf::from_bytes(vec![0x51, 0x20]);
    let said = format!("{:#}", unfunded(RegtestError::Coins(missing), &script));
    assert_eq!(said.matches(&missing.to_string()).count(), 1, "{said}");
    assert!(said.contains("5120") && said.contains("pay to script"), "{said}");
}
