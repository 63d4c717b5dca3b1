//! Tests of selection.

use super::*;
use proptest::prelude::*;

fn sat(v: u64) -> Amount {
    Amount::from_sat(v).unwrap()
}

fn notes(values: &[u64]) -> Vec<Candidate> {
    (0u64..)
        .zip(values)
        .map(|(i, v)| Candidate {
            position: Position::from_u64(i).unwrap(),
            v: sat(*v),
        })
        .collect()
}

fn values(selection: &Selection) -> Vec<u64> {
    match selection {
        Selection::Direct(chosen) => chosen.iter().map(|c| c.v.to_sat()).collect(),
        Selection::Merge(plan) => panic!("a merge: {plan:?}"),
    }
}

#[test]
fn the_smallest_sufficient_note_is_taken() {
    let chosen = select(&notes(&[100, 40, 70]), sat(50), sat(10)).unwrap();
    assert_eq!(values(&chosen), [70]);
}

#[test]
fn the_pair_with_the_smallest_sufficient_sum_is_taken() {
    let chosen = select(&notes(&[10, 50, 60, 80, 90]), sat(100), sat(10)).unwrap();
    assert_eq!(values(&chosen), [60, 50]);
    let chosen = select(&notes(&[1, 99, 90, 20]), sat(100), sat(0)).unwrap();
    assert_eq!(values(&chosen), [99, 1]);
}

#[test]
fn more_than_two_notes_are_merged_first() {
    let Selection::Merge(plan) = select(&notes(&[40, 40, 40, 1]), sat(100), sat(5)).unwrap() else {
        panic!("two notes of 40 do not pay 105");
    };
    assert_eq!((plan.transfers, plan.fees), (1, sat(5)));
    assert_eq!(plan.now.len(), 1);
    let Selection::Merge(plan) = select(&notes(&[30; 9]), sat(200), sat(1)).unwrap() else {
        panic!("two notes of 30 do not pay 201");
    };
    assert_eq!(plan.transfers, 5);
    assert_eq!(plan.now.len(), 3);
}

#[test]
fn too_little_money_is_said_with_figures() {
    assert_eq!(
        select(&notes(&[10, 20]), sat(30), sat(5)),
        Err(SelectError::Insufficient {
            needed: sat(35),
            available: sat(30)
        })
    );
    assert_eq!(
        select(&[], sat(1), sat(0)),
        Err(SelectError::Insufficient {
            needed: sat(1),
            available: sat(0)
        })
    );
    // Enough for the payment, not for the merges it takes.
    assert_eq!(
        select(&notes(&[10, 10, 10]), sat(25), sat(5)),
        Err(SelectError::Insufficient {
            needed: sat(35),
            available: sat(30)
        })
    );
    assert_eq!(
        select(&notes(&[1]), Amount::MAX, sat(1)),
        Err(SelectError::TooLarge)
    );
}

proptest! {
    #[test]
    fn a_selection_always_pays_and_spends_nothing_twice(
        amounts in proptest::collection::vec(1u64..1_000, 0..12),
        amount in 0u64..4_000,
        fee in 0u64..50,
    ) {
        let candidates = notes(&amounts);
        match select(&candidates, sat(amount), sat(fee)) {
            Ok(Selection::Direct(chosen)) => {
                let sum: u64 = chosen.iter().map(|c| c.v.to_sat()).sum();
                prop_assert!(sum >= amount + fee && chosen.len() <= 2);
                prop_assert!(chosen.len() == 1 || chosen[0].position != chosen[1].position);
            }
            Ok(Selection::Merge(plan)) => {
                let mut used: Vec<Position> = plan.now.iter().flatten().map(|c| c.position).collect();
                prop_assert!(!used.is_empty() && plan.now.len() <= plan.transfers);
                used.sort_unstable();
                let all = used.len();
                used.dedup();
                prop_assert_eq!(used.len(), all);
                for pair in &plan.now {
                    let [a, b] = pair[..] else { panic!("a pair") };
                    prop_assert!(a.v.to_sat() + b.v.to_sat() > fee);
                }
                prop_assert!(amounts.iter().sum::<u64>() >= amount + fee + plan.fees.to_sat());
            }
            Err(SelectError::Insufficient { needed, available }) => {
                prop_assert_eq!(available.to_sat(), amounts.iter().sum::<u64>());
                prop_assert!(needed > available || amount + fee == 0);
            }
            Err(SelectError::TooLarge) => prop_assert!(false),
        }
    }

    #[test]
    fn merging_as_planned_ends_in_a_direct_payment(
        amounts in proptest::collection::vec(1u64..1_000, 0..12),
        amount in 1u64..4_000,
        fee in 0u64..50,
    ) {
        let mut values = amounts;
        for _ in 0..12 {
            match select(&notes(&values), sat(amount), sat(fee)) {
                Ok(Selection::Merge(plan)) => {
                    let spent: Vec<u64> = plan.now.iter().flatten().map(|c| c.position.to_u64()).collect();
                    let merged: Vec<u64> =
                        plan.now.iter().map(|pair| pair.iter().map(|c| c.v.to_sat()).sum::<u64>() - fee).collect();
                    values = (0u64..).zip(&values).filter(|(i, _)| !spent.contains(i)).map(|(_, v)| *v).collect();
                    values.extend(merged);
                }
                Ok(Selection::Direct(_)) => return Ok(()),
                Err(_) => {
                    prop_assert!(values.iter().sum::<u64>() < amount + fee + fee * values.len() as u64);
                    return Ok(());
                }
            }
        }
        prop_assert!(false, "merging does not end");
    }
}

fn anchor(youngest: u32, tip: u32, anchored: u32, age: u32) -> u32 {
    let height_of = |batch| (batch <= anchored).then_some(1_000);
    choose_anchor(
        youngest,
        &AnchorView {
            tip,
            bitcoin_height: 1_000 + age,
            height_of: &height_of,
        },
    )
}

#[test]
fn a_multiple_of_eight_is_preferred_if_it_contains_the_notes() {
    assert_eq!(anchor(5, 21, 21, 0), 16);
    assert_eq!(anchor(16, 21, 21, 0), 16);
    assert_eq!(anchor(17, 21, 21, 0), 21);
}

#[test]
fn a_batch_on_bitcoin_is_preferred_to_a_pending_one() {
    assert_eq!(anchor(5, 21, 15, 0), 8);
    assert_eq!(anchor(9, 21, 15, 0), 15);
    assert_eq!(anchor(18, 21, 15, 0), 21);
}

#[test]
fn an_old_anchor_and_the_genesis_state_are_not_preferred() {
    assert_eq!(anchor(5, 21, 21, ANCHOR_MAX_AGE + 1), 21);
    assert_eq!(anchor(0, 3, 3, 0), 3);
}

#[test]
fn expiries_are_rounded_and_far_enough() {
    for tip in 0..300 {
        let expiry = expiry_after(tip);
        assert_eq!(expiry % EXPIRY_STEP, 0);
        assert!((EXPIRY_MIN..EXPIRY_MIN + EXPIRY_STEP).contains(&(expiry - tip)));
    }
    assert_eq!(expiry_after(BATCH_LIMIT - 2), BATCH_LIMIT - 1);
}
