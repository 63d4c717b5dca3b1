//! The queue keeps its bounds and its indexes agree with its entries.

use proptest::prelude::*;
use tacit_protocol::F;
use tacit_protocol::encoding::Encode;
use tacit_verifier::transfer::verify_transfer;

use super::*;
use crate::fixture::{draft, nullifier, world};

fn entry(n: u64, expiry: u32) -> Entry {
    let mut draft = draft(n);
    draft.body.expiry = expiry;
    let root = F::from(1u64);
    let transfer = draft.prove(root);
    let size = transfer.encode().len();
    let verified = verify_transfer(&world().rules, transfer, root).expect("a valid transfer");
    Entry {
        verified,
        arrived: Time::from_millis(n),
        target: 1,
        size,
    }
}

/// Inserts as the sequencer does: room first.
fn offer(pool: &mut Mempool, entry: Entry) -> Result<(), Full> {
    pool.check_room(entry.size)?;
    pool.insert(pool.next_seq(), entry);
    Ok(())
}

#[test]
fn order_is_that_of_arrival() {
    let mut pool = Mempool::new(9, 9_999);
    for n in [3, 1, 2] {
        offer(&mut pool, entry(n, 10)).expect("room");
    }
    let order: Vec<u64> = pool.iter().map(|(_, e)| e.arrived.millis()).collect();
    assert_eq!(order, [3, 1, 2]);
    assert_eq!(pool.oldest(), Some(Time::from_millis(3)));
}

#[test]
fn conflicts_are_found_by_either_nullifier() {
    let mut pool = Mempool::new(9, 9_999);
    let entry = entry(1, 10);
    let id = entry.verified.id();
    offer(&mut pool, entry).expect("room");
    assert_eq!(pool.spender(&nullifier(4)), Some(id));
    assert_eq!(pool.spender(&nullifier(5)), Some(id));
    assert_eq!(pool.spender(&nullifier(6)), None);
}

#[test]
fn full_pool_refuses_newcomers_and_keeps_what_it_has() {
    let mut pool = Mempool::new(2, 9_999);
    offer(&mut pool, entry(1, 10)).expect("room");
    offer(&mut pool, entry(2, 10)).expect("room");
    assert_eq!(offer(&mut pool, entry(3, 10)), Err(Full { waiting: 2 }));
    pool.remove(0).expect("it was there");
    offer(&mut pool, entry(3, 10)).expect("room again");
}

#[test]
fn bytes_are_bounded_too() {
    let size = entry(1, 10).size;
    let mut pool = Mempool::new(9, 2 * size);
    offer(&mut pool, entry(1, 10)).expect("room");
    offer(&mut pool, entry(2, 10)).expect("room");
    assert_eq!(pool.bytes(), 2 * size);
    assert_eq!(offer(&mut pool, entry(3, 10)), Err(Full { waiting: 2 }));
    let tiny = Mempool::new(9, size - 1);
    assert_eq!(tiny.check_room(size), Err(Full { waiting: 0 }));
}

#[test]
fn expired_transfers_are_named() {
    let mut pool = Mempool::new(9, 9_999);
    for (n, expiry) in [(1, 5), (2, 6), (3, 7)] {
        offer(&mut pool, entry(n, expiry)).expect("room");
    }
    assert_eq!(pool.expired(5), Vec::<u64>::new());
    assert_eq!(pool.expired(7), [0, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn indexes_agree_with_the_entries(steps in proptest::collection::vec((0u64..12, any::<bool>()), 1..30)) {
        let mut pool = Mempool::new(5, 9_999);
        for (n, remove) in steps {
            let entry = entry(n, 10);
            if remove {
                let seq = pool.iter().nth(usize::try_from(n).expect("small")).map(|(seq, _)| seq);
                if let Some(seq) = seq {
                    prop_assert!(pool.remove(seq).is_some());
                }
            } else if pool.get(&entry.verified.id()).is_none() {
                let _ = offer(&mut pool, entry);
            }
            let mut fresh = Mempool::new(5, 9_999);
            for (seq, entry) in pool.iter() {
                fresh.insert(seq, entry.clone());
            }
            prop_assert!(pool.len() <= 5);
            prop_assert_eq!(&pool, &fresh);
        }
    }
}
