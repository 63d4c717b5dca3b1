//! The parts of the checks that no honest fold lets happen, made to happen.

use bitcoin::hashes::Hash;
use bitcoin::{Amount, TxOut, Txid};
use tacit_protocol::peg::FeeRate;

use super::*;

fn outpoint(vout: u32) -> OutPoint {
    OutPoint {
        txid: Txid::all_zeros(),
        vout,
    }
}

fn script(tag: u8) -> ScriptBuf {
    ScriptBuf::new_op_return([tag])
}

/// A vault transaction that sweeps these deposits and pays these withdrawals 900 sat each.
fn moved(swept: &[u32], paid: &[(u64, u8)]) -> Moved {
    let output = |tag| TxOut {
        value: Amount::from_sat(900),
        script_pubkey: script(tag),
    };
    Moved {
        rate: FeeRate::from_sat_per_kwu(250),
        swept: swept.iter().map(|vout| (outpoint(*vout), 20_000)).collect(),
        paid: paid.iter().map(|(index, tag)| (*index, output(*tag))).collect(),
    }
}

fn said(credits: &[(u32, u32)], orders: &[u8]) -> Said {
    let order = |tag: &u8| Ordered {
        script: script(*tag),
        amount: 1_000,
    };
    Said {
        credits: credits.iter().copied().collect(),
        orders: orders.iter().map(order).collect(),
        transfers: BTreeMap::new(),
    }
}

/// What is wrong with the credits.
fn wrong_credits(moves: &[Moved], credited: &[(u32, u32)]) -> String {
    credits(moves, &said(credited, &[])).unwrap_err().to_string()
}

#[test]
fn a_deposit_swept_twice_credited_twice_or_never_swept_is_noticed() {
    let twice = [moved(&[1, 2], &[]), moved(&[1], &[])];
    assert!(wrong_credits(&twice, &[]).contains("swept twice"));
    let once = [moved(&[1], &[]), moved(&[2], &[])];
    assert!(wrong_credits(&once, &[(0, 1), (1, 2)]).contains("credited 2 times"));
    assert!(wrong_credits(&once, &[(2, 1)]).contains("never was"));
    let fine = credits(&once, &said(&[(0, 1), (1, 1)], &[])).unwrap();
    assert_eq!(fine, [outpoint(1), outpoint(2)]);
}

#[test]
fn a_withdrawal_paid_twice_to_another_too_much_or_unasked_is_noticed() {
    let tally = Tally::default();
    let orders = said(&[], &[7, 8]);
    let wrong = |moves: &[Moved]| {
        payouts(&tally, moves, &orders, &Work::default())
            .unwrap_err()
            .to_string()
    };
    let twice = [moved(&[], &[(0, 7)]), moved(&[], &[(0, 7)])];
    assert!(wrong(&twice).contains("withdrawal 0 is paid twice"));
    assert!(wrong(&[moved(&[], &[(1, 7)])]).contains("paid to another"));
    assert!(wrong(&[moved(&[], &[(2, 7)])]).contains("nobody ordered it"));
    let mut greedy = moved(&[], &[(0, 7)]);
    greedy.paid[0].1.value = Amount::from_sat(1_001);
    assert!(wrong(&[greedy]).contains("too much"));
    assert_eq!(
        payouts(
            &tally,
            &[moved(&[], &[(0, 7), (1, 8)])],
            &orders,
            &Work::default()
        )
        .unwrap(),
        2
    );
}

#[test]
fn a_promise_that_was_not_kept_is_noticed() {
    let tally = Tally::default();
    let wrong = |work: &Work| promises(&[outpoint(1)], &tally, &said(&[(0, 1)], &[7]), work);
    let credited = |vout| Work {
        credited: [outpoint(vout)].into(),
        ..Work::default()
    };
    wrong(&credited(1)).unwrap();
    assert!(wrong(&credited(2)).unwrap_err().to_string().contains("is lost"));
    let paid = Work {
        paid: [script(7)].into(),
        ..Work::default()
    };
    assert!(wrong(&paid).unwrap_err().to_string().contains("paid 0 times"));
}
