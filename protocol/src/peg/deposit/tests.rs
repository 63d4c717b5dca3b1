//! Tests of deposit scripts and refunds.

use super::*;
use crate::peg::fixture::{key, key_script, outpoint, sign, sign_plain, txout, verifies};
use crate::peg::taproot::key_path_sighash;

fn terms() -> DepositTerms {
    DepositTerms {
        federation: key(1),
        inner: F::from(77u64),
        refund: key(2),
        timelock: 1_008,
    }
}

#[test]
fn leaves_are_the_two_scripts_byte_for_byte() {
    let note = hex::encode(terms().note_script().as_bytes());
    assert_eq!(note, format!("6a204d{}", "00".repeat(31)));
    let refund = hex::encode(terms().refund_script().as_bytes());
    // <1008> OP_CSV OP_DROP <key> OP_CHECKSIG
    assert_eq!(
        refund,
        format!("02f003b27520{}ac", hex::encode(key(2).serialize()))
    );
}

#[test]
fn the_tree_has_exactly_the_two_leaves() {
    let info = terms().spend_info();
    assert_eq!(info.internal_key(), key(1));
    let mut leaves: Vec<ScriptBuf> = info
        .script_map()
        .keys()
        .map(|(script, _)| script.clone())
        .collect();
    leaves.sort();
    let mut expected = vec![terms().note_script(), terms().refund_script()];
    expected.sort();
    assert_eq!(leaves, expected);
    assert!(
        info.script_map()
            .values()
            .flatten()
            .all(|branch| branch.len() == 1)
    );
}

#[test]
fn every_term_changes_the_address() {
    let script = terms().script_pubkey();
    assert!(terms().matches(&script));
    let others = [
        DepositTerms {
            federation: key(3),
            ..terms()
        },
        DepositTerms {
            inner: F::from(78u64),
            ..terms()
        },
        DepositTerms {
            refund: key(3),
            ..terms()
        },
        DepositTerms {
            timelock: 1_009,
            ..terms()
        },
    ];
    for other in others {
        assert!(!other.matches(&script));
    }
    assert!(
        terms()
            .address(Network::Regtest)
            .to_string()
            .starts_with("bcrt1p")
    );
}

#[test]
fn the_federation_sweeps_by_the_tweaked_key() {
    let refund = terms().refund(
        outpoint(1),
        txout(50_000, terms().script_pubkey()),
        key_script(4),
        FeeRate::default(),
    );
    let tx = refund.unwrap().tx().clone();
    let prevouts = [txout(50_000, terms().script_pubkey())];
    let message = key_path_sighash(&tx, 0, &prevouts);
    let signature = sign(1, Some(terms().merkle_root()), &message);
    assert!(verifies(&terms().script_pubkey(), &message, &signature));
    assert!(!verifies(
        &terms().script_pubkey(),
        &message,
        &sign(1, None, &message)
    ));
}

#[test]
fn the_depositor_takes_the_money_back_after_the_timelock() {
    let deposit = txout(50_000, terms().script_pubkey());
    let rate = FeeRate::from_sat_per_kwu(1_000);
    let refund = terms().refund(outpoint(1), deposit, key_script(4), rate).unwrap();
    let message = refund.sighash();
    let tx = refund.finalise(&sign_plain(2, &message));

    assert_eq!(tx.version, Version::TWO);
    assert_eq!(tx.input[0].sequence, Sequence::from_height(1_008));
    let fee = 50_000 - tx.output[0].value.to_sat();
    assert_eq!(fee, tx.weight().to_wu());
    let leaf = tx.input[0].witness.taproot_leaf_script().unwrap();
    assert_eq!(leaf.script, terms().refund_script().as_script());
    let block = bitcoin::taproot::ControlBlock::decode(tx.input[0].witness.taproot_control_block().unwrap());
    let output_key = XOnlyPublicKey::from_slice(&terms().script_pubkey().as_bytes()[2..]).unwrap();
    assert!(
        block
            .unwrap()
            .verify_taproot_commitment(secp(), output_key, leaf.script)
    );
}

#[test]
fn a_refund_that_would_be_dust_is_refused() {
    let deposit = txout(800, terms().script_pubkey());
    let rate = FeeRate::from_sat_per_kwu(1_000);
    let error = terms()
        .refund(outpoint(1), deposit, key_script(4), rate)
        .unwrap_err();
    assert!(matches!(error, RefundError::Dust { dust: 330, left } if left < 330));
}
