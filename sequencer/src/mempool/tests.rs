//! The queue keeps its bounds and its indexes agree with its entries.

use proptest::prelude::*;
use tacit_protocol::F;
use tacit_protocol::encoding::Encode;
use tacit_verifier::transfer::verify_transfer;

use super::*;
use crate::fixture::{draft, nullifier, sats, world};

fn entry(n: u64, fee: u64, expiry: u32) -> Entry {
    let mut draft = draft(n);
    draft.body.expiry = expiry;
    let root = F::from(1u64);
    let transfer = draft.prove(root);
    let size = transfer.encode().len();
    let verified = verify_transfer(&world().rules, transfer, root).expect("a valid transfer");
    Entry {
        verified,
        fee: sats(fee),
        arrived: Time::from_millis(n),
        target: 1,
        size,
    }
}

/// Inserts as the sequencer does: room first.
fn offer(pool: &mut Mempool, entry: Entry) -> Result<Vec<u64>, Full> {
    let victims = pool.make_room(entry.fee, entry.size)?;
    let seq = pool.next_seq();
    for victim in &victims {
        pool.remove(*victim).expect("it was there");
    }
    pool.insert(seq, entry);
    Ok(victims)
}

#[test]
fn order_is_that_of_arrival() {
    let mut pool = Mempool::new(9, 9_999);
    for (n, fee) in [(3, 5), (1, 50), (2, 1)] {
        offer(&mut pool, entry(n, fee, 10)).expect("room");
    }
    let order: Vec<u64> = pool.iter().map(|(_, e)| e.arrived.millis()).collect();
    assert_eq!(order, [3, 1, 2]);
    assert_eq!(pool.oldest(), Some(Time::from_millis(3)));
}

#[test]
fn conflicts_are_found_by_either_nullifier() {
    let mut pool = Mempool::new(9, 9_999);
    let entry = entry(1, 5, 10);
    let id = entry.verified.id();
    offer(&mut pool, entry).expect("room");
    assert_eq!(pool.spender(&nullifier(4)), Some(id));
    assert_eq!(pool.spender(&nullifier(5)), Some(id));
    assert_eq!(pool.spender(&nullifier(6)), None);
}

#[test]
fn full_pool_gives_way_to_higher_fees_only() {
    let mut pool = Mempool::new(2, 9_999);
    offer(&mut pool, entry(1, 5, 10)).expect("room");
    offer(&mut pool, entry(2, 7, 10)).expect("room");
    assert_eq!(offer(&mut pool, entry(3, 5, 10)), Err(Full { above: sats(5) }));
    assert_eq!(offer(&mut pool, entry(4, 6, 10)), Ok(vec![0]));
    assert_eq!(pool.len(), 2);
}

#[test]
fn latest_of_the_cheapest_leaves_first() {
    let mut pool = Mempool::new(2, 9_999);
    offer(&mut pool, entry(1, 5, 10)).expect("room");
    offer(&mut pool, entry(2, 5, 10)).expect("room");
    assert_eq!(offer(&mut pool, entry(3, 6, 10)), Ok(vec![1]));
}

#[test]
fn bytes_are_bounded_too() {
    let size = entry(1, 5, 10).size;
    let mut pool = Mempool::new(9, 2 * size);
    offer(&mut pool, entry(1, 5, 10)).expect("room");
    offer(&mut pool, entry(2, 6, 10)).expect("room");
    assert_eq!(pool.bytes(), 2 * size);
    assert_eq!(offer(&mut pool, entry(3, 7, 10)), Ok(vec![0]));
    assert_eq!(
        Mempool::new(9, size - 1).make_room(sats(7), size),
        Err(Full { above: Amount::MAX })
    );
}

#[test]
fn expired_transfers_are_named() {
    let mut pool = Mempool::new(9, 9_999);
    for (n, expiry) in [(1, 5), (2, 6), (3, 7)] {
        offer(&mut pool, entry(n, 5, expiry)).expect("room");
    }
    assert_eq!(pool.expired(5), Vec::<u64>::new());
    assert_eq!(pool.expired(7), [0, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn indexes_agree_with_the_entries(steps in proptest::collection::vec((0u64..12, 0u64..4, any::<bool>()), 1..30)) {
        let mut pool = Mempool::new(5, 9_999);
        for (n, fee, remove) in steps {
            let entry = entry(n, fee, 10);
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
