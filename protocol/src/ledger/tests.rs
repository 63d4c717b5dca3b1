//! The state transition: each rule, agreement of both modes, undo.

use super::*;
use crate::batch::BatchShape;
use crate::kv::MemoryKv;
use crate::testing::{batch_data, credit, nullifier, slot};

fn genesis() -> MemoryKv {
    let mut store = MemoryKv::default();
    let mut kv = Overlay::new(&store);
    write_genesis(&mut kv).expect("memory");
    let delta = kv.into_delta();
    store.commit(&delta);
    store
}

fn funded() -> MemoryKv {
    let mut store = genesis();
    let mut data = batch_data(BatchShape::B4x4, 1);
    data.credits = vec![credit(1, 100_000)];
    let mut kv = Overlay::new(&store);
    apply(&mut kv, &data).expect("a deposit");
    let delta = kv.into_delta();
    store.commit(&delta);
    store
}

#[test]
fn traced_and_plain_steps_agree_and_undo_restores() {
    let mut store = funded();
    let before = store.clone();
    let mut data = batch_data(BatchShape::B4x4, 2);
    data.anchors = vec![1, 0];
    data.slots = vec![slot(10, 40_000), slot(20, 0)];
    let mut plain = Overlay::new(&store);
    let state = apply(&mut plain, &data).expect("valid");
    let mut traced = Overlay::new(&store);
    let trace = apply_traced(&mut traced, &data, F::from(1u64)).expect("valid");
    assert_eq!(trace.after, state);
    assert_eq!(plain.delta(), traced.delta());
    assert_eq!(state.supply.to_sat(), 60_000);
    assert_eq!(trace.insertions.len(), 4);
    assert!(trace.insertions.is_sorted_by(|a, b| a.nf > b.nf));
    let undo = plain.delta().undo(&store).expect("memory");
    let delta = plain.into_delta();
    store.commit(&delta);
    assert_eq!(tip(&store), Ok(state));
    store.commit(&undo);
    assert_eq!(store, before);
}

#[test]
fn batch_is_rejected_by_the_rule_it_breaks() {
    type Tamper = fn(&mut BatchData);
    let table: [(LedgerError, Tamper); 8] = [
        (
            LedgerError::WrongNumber {
                expected: 2,
                found: 3,
            },
            |d| d.number = 3,
        ),
        (LedgerError::UnknownAnchor(2), |d| d.anchors[1] = 2),
        (LedgerError::AnchorIndex(0), |d| d.slots[0].anchor_index = 2),
        (LedgerError::Shape, |d| d.anchors.push(0)),
        (LedgerError::Shape, |d| {
            d.slots = (0..5).map(|i| slot(10 + 2 * i, 0)).collect()
        }),
        (LedgerError::Spent(nullifier(10)), |d| {
            d.slots[1].nf[0] = nullifier(10)
        }),
        (LedgerError::Spent(nullifier(0)), |d| {
            d.slots[1].nf[0] = nullifier(0)
        }),
        (LedgerError::Turnstile, |d| d.slots[0] = slot(10, 100_001)),
    ];
    let store = funded();
    for (expected, tamper) in table {
        let mut data = batch_data(BatchShape::B4x4, 2);
        data.slots = vec![slot(10, 0), slot(20, 0)];
        tamper(&mut data);
        assert_eq!(apply(&mut Overlay::new(&store), &data), Err(expected));
    }
}

#[test]
fn nullifier_spent_in_an_earlier_batch_is_rejected() {
    let mut store = funded();
    let mut data = batch_data(BatchShape::B4x4, 2);
    data.slots = vec![slot(10, 0)];
    let mut kv = Overlay::new(&store);
    apply(&mut kv, &data).expect("valid");
    let delta = kv.into_delta();
    store.commit(&delta);
    data.number = 3;
    assert_eq!(
        apply(&mut Overlay::new(&store), &data),
        Err(LedgerError::Spent(nullifier(11)))
    );
}

#[test]
fn state_commitment_binds_every_part() {
    let store = funded();
    let state = tip(&store).expect("funded");
    let commitment = state.commitment();
    let one = F::from(1u64);
    let others = [
        State {
            batch: 2,
            ..state.clone()
        },
        State {
            notes_root: one,
            ..state.clone()
        },
        State {
            nullifier_root: one,
            ..state.clone()
        },
        State {
            history_root: one,
            ..state.clone()
        },
        State {
            supply: Amount::ZERO,
            ..state.clone()
        },
    ];
    for other in others {
        assert_ne!(other.commitment(), commitment);
    }
}
