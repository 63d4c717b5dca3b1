//! Tests of what a vault transaction takes and what it leaves.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, ScriptBuf, Txid};

use super::*;
use crate::peg::exit::ExitScript;
use crate::peg::fixture::{coin, key_script, sats};
use crate::peg::vault::fixture::{OPERATOR, Parts, deposit, withdrawal};
use crate::peg::vault::plan_vault_tx;

const Q: FeeRate = FeeRate::from_sat_per_kwu(1_000);

fn indices(selection: &Selection) -> Vec<u64> {
    selection.withdrawals.iter().map(|(index, _)| *index).collect()
}

#[test]
fn withdrawals_are_taken_in_order_and_those_that_wait_do_not_block() {
    let shallow = WithdrawalView {
        deep: false,
        ..withdrawal(4, 10_000, 500)
    };
    let paid = WithdrawalView {
        paid: true,
        ..withdrawal(5, 10_000, 500)
    };
    let list = [
        (3, withdrawal(3, 10_000, 100)),
        (4, shallow),
        (5, paid),
        (6, withdrawal(6, 10_000, 500)),
        (9, withdrawal(9, 10_000, 500)),
    ];
    let selection = select_vault(&[], list, Q);
    assert_eq!(indices(&selection), [6, 9]);
    let too_dear = HeldReason::FeeAboveLimit {
        share: sats(124),
        max: sats(100),
    };
    let held = [
        Held {
            index: 3,
            reason: too_dear,
        },
        Held {
            index: 4,
            reason: HeldReason::NotDeep,
        },
    ];
    assert_eq!(selection.held, held);
}

#[test]
fn deposits_come_largest_first_and_small_ones_wait() {
    let pool = [
        deposit(1, 20_000),
        deposit(2, 19_999),
        deposit(3, 90_000),
        deposit(4, 90_000),
    ];
    let selection = select_vault(&pool, [], Q);
    let order: Vec<OutPoint> = selection
        .deposits
        .iter()
        .map(|deposit| deposit.outpoint)
        .collect();
    assert_eq!(order, [pool[2].outpoint, pool[3].outpoint, pool[0].outpoint]);
    assert!(select_vault(&[], [], Q).is_empty());
}

#[test]
fn a_full_selection_still_fits_with_the_coins_it_leaves_room_for() {
    let scripts = |n: u8| ExitScript::new(key_script(n)).unwrap();
    let list = (0..300u64).map(|i| {
        let n = u8::try_from(i % 50 + 1).unwrap();
        (
            i,
            WithdrawalView {
                script: scripts(n),
                ..withdrawal(n, 2_000, 500)
            },
        )
    });
    let mut pool = Vec::new();
    for i in 0..200u32 {
        let mut one = deposit(1, 50_000);
        one.outpoint = OutPoint {
            txid: Txid::all_zeros(),
            vout: i,
        };
        pool.push(one);
    }
    for (withdrawals, deposits) in [(300, 200), (100, 200), (0, 200), (300, 0)] {
        let selection = select_vault(&pool[..deposits], list.clone().take(withdrawals), Q);
        let mut parts = Parts::valid();
        parts.deposits = selection.deposits.clone();
        parts.withdrawals = selection.withdrawals.clone();
        parts.coins = (30..34).map(|n| coin(n, OPERATOR, 3_000)).collect();
        let unsigned = plan_vault_tx(&parts.plan()).unwrap();
        let weight = parts.judged(&unsigned).tx.weight().to_wu();
        assert!(weight <= u64::from(MAX_VAULT_WEIGHT));
        let waiting = selection.withdrawals.len() < withdrawals || selection.deposits.len() < deposits;
        assert!(waiting && weight > 38_500, "{weight} of the room is used");
        assert!(selection.held.iter().all(|held| held.reason == HeldReason::Full));
    }
}

#[test]
fn withdrawals_too_far_behind_the_first_wait_for_the_next_transaction() {
    let list = [
        (1, withdrawal(1, 10_000, 500)),
        (MAX_SPAN, withdrawal(2, 10_000, 500)),
        (MAX_SPAN + 1, withdrawal(3, 10_000, 500)),
    ];
    let selection = select_vault(&[], list, Q);
    assert_eq!(indices(&selection), [1, MAX_SPAN]);
    assert_eq!(
        selection.held,
        [Held {
            index: MAX_SPAN + 1,
            reason: HeldReason::Full
        }]
    );
}

#[test]
fn the_frame_weighs_what_an_empty_transaction_with_the_longest_op_return_does() {
    let mut parts = Parts::valid();
    parts.deposits.clear();
    parts.withdrawals = vec![
        (0, withdrawal(1, 10_000, 500)),
        (MAX_SPAN - 1, withdrawal(2, 10_000, 500)),
    ];
    let unsigned = plan_vault_tx(&parts.plan()).unwrap();
    let weight = parts.judged(&unsigned).tx.weight().to_wu();
    let change = output_weight(&ScriptBuf::from_bytes(vec![0; 34]));
    let counted = frame_weight() + 2 * 124 + KEY_INPUT_WEIGHT + change;
    // The frame counts outputs by three bytes where this transaction needs one.
    assert_eq!(weight + 8, u64::from(counted));
}

#[test]
fn nobody_is_skipped_for_a_smaller_one_behind() {
    // Room for all but the last few, of which small ones would still fit behind a large one.
    let to = |script: ScriptBuf| WithdrawalView {
        script: ExitScript::new(script).unwrap(),
        ..withdrawal(3, 10_000, 500)
    };
    let small = to(ScriptBuf::new_p2wpkh(&bitcoin::WPubkeyHash::hash(&[1])));
    let large = to(key_script(1));
    for first_large in 0..260 {
        let list = (0..600u64).map(|index| {
            let is_large = index < first_large || index % 2 == 0;
            (index, if is_large { large.clone() } else { small.clone() })
        });
        let taken = indices(&select_vault(&[], list, Q));
        let first: Vec<u64> = (0..taken.len() as u64).collect();
        assert_eq!(taken, first, "{first_large} large ones first");
        assert!(taken.len() < 600, "it is full");
    }
}

#[test]
fn a_shorter_selection_takes_the_first_and_says_why_the_others_wait() {
    let list = (0..5).map(|index| (index, withdrawal(3, 10_000, 500)));
    let mut selection = select_vault(&[], list, Q);
    selection.keep_first(2);
    assert_eq!(indices(&selection), [0, 1]);
    let held: Vec<_> = selection
        .held
        .iter()
        .map(|held| (held.index, held.reason))
        .collect();
    assert_eq!(held, [2, 3, 4].map(|index| (index, HeldReason::Delayed)));
    selection.keep_first(9);
    assert_eq!(indices(&selection), [0, 1], "there are no more");
}
