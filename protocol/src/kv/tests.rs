//! An overlay behaves as its base after commit; undo restores.

use proptest::prelude::*;

use super::*;

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0u8..4, 3)
}

fn writes() -> impl Strategy<Value = Vec<(Vec<u8>, Option<Vec<u8>>)>> {
    proptest::collection::vec(
        (
            key(),
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3)),
        ),
        0..40,
    )
}

fn delta(writes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Delta {
    let mut delta = Delta::default();
    for (k, v) in writes {
        delta.insert(k, v);
    }
    delta
}

proptest! {
    #[test]
    fn overlay_reads_like_the_committed_store(base in writes(), over in writes(), from in key(), to in key(), limit in 0usize..20) {
        let mut store = MemoryKv::default();
        store.commit(&delta(base));
        let before = store.clone();
        let mut overlay = Overlay::new(&before);
        overlay.apply(&delta(over.clone()));
        let undo = overlay.delta().undo(&before).expect("memory");
        store.commit(overlay.delta());
        prop_assert_eq!(overlay.range(&from, &to, limit), store.range(&from, &to, limit));
        prop_assert_eq!(overlay.last_in(&from, &to), store.last_in(&from, &to));
        prop_assert_eq!(overlay.get(&from), store.get(&from));
        store.commit(&undo);
        prop_assert_eq!(store, before);
    }

    #[test]
    fn deltas_survive_their_encoding(writes in writes()) {
        let delta = delta(writes);
        prop_assert_eq!(Delta::decode(&delta.encode()), Ok(delta));
    }
}

#[test]
fn damaged_delta_is_refused() {
    let mut bytes = Delta::default().encode();
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    assert!(Delta::decode(&bytes).is_err());
}
