//! Tests of exits and the scripts they may pay to.

use bitcoin::hashes::Hash;
use bitcoin::opcodes::all::OP_CHECKSIG;
use bitcoin::script::Builder;
use bitcoin::{PubkeyHash, ScriptHash, WPubkeyHash, WScriptHash};
use proptest::prelude::*;

use super::*;
use crate::peg::fixture::{exit_script, key, key_script, sats};

fn five_kinds() -> [ScriptBuf; 5] {
    [
        ScriptBuf::new_p2pkh(&PubkeyHash::all_zeros()),
        ScriptBuf::new_p2sh(&ScriptHash::all_zeros()),
        ScriptBuf::new_p2wpkh(&WPubkeyHash::all_zeros()),
        ScriptBuf::new_p2wsh(&WScriptHash::all_zeros()),
        key_script(7),
    ]
}

#[test]
fn the_five_kinds_of_script_are_accepted_and_have_addresses() {
    for script in five_kinds() {
        let exit = ExitScript::new(script.clone()).unwrap();
        assert_eq!(exit.address(Network::Regtest).script_pubkey(), script);
        assert_eq!(ExitScript::decode(&exit.encode()).unwrap(), exit);
    }
}

#[test]
fn other_scripts_are_refused() {
    let bare_key = Builder::new()
        .push_slice([2u8; 33])
        .push_opcode(OP_CHECKSIG)
        .into_script();
    let unknown_witness = ScriptBuf::from_hex("5220")
        .map(|s| [s.as_bytes(), &[7; 32]].concat())
        .unwrap();
    let others = [
        ScriptBuf::new(),
        ScriptBuf::new_p2a(),
        ScriptBuf::new_op_return([1, 2, 3]),
        bare_key,
        ScriptBuf::from_bytes(unknown_witness),
    ];
    for script in others {
        assert_eq!(ExitScript::new(script.clone()), Err(ExitError::Script));
        let mut bytes = Vec::new();
        put_short_bytes(&mut bytes, script.as_bytes());
        assert_eq!(
            ExitScript::decode(&bytes),
            Err(DecodeError::Unknown("exit script"))
        );
    }
}

#[test]
fn exactly_546_sat_must_remain_after_the_highest_fee() {
    let exit = |amount, fee| Exit::new(sats(amount), exit_script(1), sats(fee), key(1));
    assert!(exit(546, 0).is_ok());
    assert!(exit(1_546, 1_000).is_ok());
    assert_eq!(exit(545, 0), Err(ExitError::BelowDust));
    assert_eq!(exit(1_545, 1_000), Err(ExitError::BelowDust));
    assert_eq!(exit(1_000, 1_001), Err(ExitError::BelowDust));
}

#[test]
fn an_encoded_exit_that_breaks_a_rule_is_refused() {
    let exit = Exit::new(sats(10_000), exit_script(1), sats(9_454), key(1)).unwrap();
    let good = exit.encode();
    assert_eq!(Exit::decode(&good).unwrap(), exit);
    let mut dust = good.clone();
    dust[0] -= 1;
    assert_eq!(
        Exit::decode(&dust),
        Err(DecodeError::OutOfRange("fee limit of an exit"))
    );
    let mut bad_key = good.clone();
    let at = bad_key.len() - 32;
    bad_key[at..].fill(0xff);
    assert_eq!(
        Exit::decode(&bad_key),
        Err(DecodeError::BadPoint("x-only public key"))
    );
    let mut huge = good;
    huge[7] = 0xff;
    assert_eq!(Exit::decode(&huge), Err(DecodeError::OutOfRange("amount")));
}

proptest! {
    #[test]
    fn exits_round_trip_and_are_never_read_from_a_prefix_or_more(
        amount in 546u64..=Amount::MAX.to_sat(),
        fee in 0u64..1_000_000,
        n in 1u8..=200,
    ) {
        let fee = fee.min(amount - MIN_PAYOUT);
        let exit = Exit::new(sats(amount), exit_script(n), sats(fee), key(n)).unwrap();
        let mut bytes = exit.encode();
        prop_assert_eq!(&Exit::decode(&bytes).unwrap(), &exit);
        for cut in 0..bytes.len() {
            prop_assert!(Exit::decode(&bytes[..cut]).is_err());
        }
        bytes.push(0);
        prop_assert_eq!(Exit::decode(&bytes), Err(DecodeError::TrailingBytes(1)));
    }
}
