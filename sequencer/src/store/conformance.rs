//! What every store must do, as functions that each store's tests call.
//!
//! A store under test is a function that opens it; calling it again opens the same store anew.

use std::sync::Arc;

use tacit_protocol::kv::{Delta, KvRead, MemoryKv};
use tacit_protocol::params::ChainId;

use super::{Store, StoreError, schema};

type Opened = Arc<dyn Store>;

fn delta(writes: &[(&[u8], Option<&[u8]>)]) -> Delta {
    let mut delta = Delta::default();
    for (key, value) in writes {
        delta.insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }
    delta
}

/// Runs every check, each on a fresh store made by `fresh`.
pub(crate) fn check_all<Open: FnMut() -> Opened>(fresh: impl Fn() -> Open) {
    check_reads_are_ordered(&mut fresh());
    check_deletes_are_seen(&mut fresh());
    check_commits_survive_reopening(&mut fresh());
    check_undo_restores(&mut fresh());
    check_random_commits_match_a_map(&mut fresh());
    check_layout_is_checked(&mut fresh());
    check_chain_is_checked(&mut fresh());
}

/// `range` and `last_in` go by byte order and respect both ends.
pub(crate) fn check_reads_are_ordered(open: &mut impl FnMut() -> Opened) {
    let store = open();
    let writes: Vec<(&[u8], Option<&[u8]>)> = vec![
        (b"b\xff", Some(b"4")),
        (b"a", Some(b"1")),
        (b"b", Some(b"2")),
        (b"b\x00", Some(b"3")),
        (b"c", Some(b"")),
    ];
    store.commit(&delta(&writes)).expect("commit");
    let keys = |from: &[u8], to: &[u8], limit| -> Vec<Vec<u8>> {
        store
            .range(from, to, limit)
            .expect("range")
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    };
    assert_eq!(
        keys(b"a", b"c", 9),
        [b"a".to_vec(), b"b".to_vec(), b"b\x00".to_vec(), b"b\xff".to_vec()]
    );
    assert_eq!(keys(b"a", b"c", 2), [b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(keys(b"b\x00", b"b\xff", 9), [b"b\x00".to_vec()]);
    assert!(keys(b"c", b"a", 9).is_empty());
    assert!(keys(b"a", b"z", 0).is_empty());
    let last = |from: &[u8], to: &[u8]| store.last_in(from, to).expect("last").map(|(key, _)| key);
    assert_eq!(last(b"a", b"b\x80"), Some(b"b\x00".to_vec()));
    assert_eq!(last(b"a", b"b\xff"), Some(b"b\xff".to_vec()));
    assert_eq!(last(b"c\x00", b"d"), None);
    assert_eq!(last(b"b\x01", b"b\x02"), None, "nothing below the start is found");
    assert_eq!(
        store.get(b"c").expect("get"),
        Some(Vec::new()),
        "an empty value is a value"
    );
    assert_eq!(store.get(b"bb").expect("get"), None);
}

/// A deleted key is gone from every kind of read.
pub(crate) fn check_deletes_are_seen(open: &mut impl FnMut() -> Opened) {
    let store = open();
    store
        .commit(&delta(&[(b"k1", Some(b"x")), (b"k2", Some(b"y"))]))
        .expect("commit");
    store
        .commit(&delta(&[(b"k2", None), (b"k3", None)]))
        .expect("commit");
    assert_eq!(store.get(b"k2").expect("get"), None);
    assert_eq!(store.range(b"k", b"l", 9).expect("range").len(), 1);
    assert_eq!(
        store.last_in(b"k", b"l").expect("last"),
        Some((b"k1".to_vec(), b"x".to_vec()))
    );
}

/// What was committed is there when the store is opened again.
pub(crate) fn check_commits_survive_reopening(open: &mut impl FnMut() -> Opened) {
    let store = open();
    let chain = ChainId::from_bytes([7; 32]);
    schema::initialise(&*store, chain, &delta(&[(b"first", Some(b"1"))])).expect("an empty store");
    store.commit(&delta(&[(b"k", Some(b"v"))])).expect("commit");
    drop(store);
    let store = open();
    assert_eq!(store.get(b"first").expect("get"), Some(b"1".to_vec()));
    assert_eq!(store.get(b"k").expect("get"), Some(b"v".to_vec()));
    assert_eq!(schema::chain(&*store).expect("chain"), Some(chain));
}

/// Committing the undo of a delta restores what was there.
pub(crate) fn check_undo_restores(open: &mut impl FnMut() -> Opened) {
    let store = open();
    store
        .commit(&delta(&[(b"a", Some(b"1")), (b"b", Some(b"2"))]))
        .expect("commit");
    let before = store.range(&[], &[0xff], 99).expect("range");
    let change = delta(&[(b"a", Some(b"9")), (b"b", None), (b"c", Some(b"3"))]);
    let undo = change.undo(&*store as &dyn KvRead).expect("undo");
    store.commit(&change).expect("commit");
    store.commit(&undo).expect("commit");
    assert_eq!(store.range(&[], &[0xff], 99).expect("range"), before);
}

/// After many commits the store equals a map that saw the same writes.
pub(crate) fn check_random_commits_match_a_map(open: &mut impl FnMut() -> Opened) {
    let mut twin = MemoryKv::default();
    let mut state = 1u32;
    let mut next = move || {
        // A linear congruential generator: the test is the same every time.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let mut store = open();
    schema::initialise(&*store, ChainId::from_bytes([3; 32]), &Delta::default()).expect("an empty store");
    for round in 0..40 {
        let mut change = Delta::default();
        for _ in 0..20 {
            let key = vec![next() % 4, next() % 8];
            let value = (next() % 3 > 0).then(|| vec![next(); 3]);
            change.insert(key, value);
        }
        store.commit(&change).expect("commit");
        twin.commit(&change);
        if round == 20 {
            drop(store);
            store = open();
        }
    }
    assert_eq!(store.range(&[0], &[9], 999), twin.range(&[0], &[9], 999));
    for from in 0..4u8 {
        assert_eq!(
            store.last_in(&[from, 0], &[from, 5]),
            twin.last_in(&[from, 0], &[from, 5])
        );
    }
}

/// A store of another layout, or of none, is refused.
pub(crate) fn check_layout_is_checked(open: &mut impl FnMut() -> Opened) {
    let store = open();
    assert_eq!(schema::check(&*store), Ok(()), "an empty store is fine");
    for (version, expected) in [
        (
            schema::VERSION + 1,
            StoreError::Newer {
                found: schema::VERSION + 1,
                known: schema::VERSION,
            },
        ),
        (
            schema::VERSION - 1,
            StoreError::Older {
                found: schema::VERSION - 1,
                known: schema::VERSION,
            },
        ),
    ] {
        store
            .commit(&delta(&[(b"v", Some(&version.to_le_bytes()))]))
            .expect("commit");
        assert_eq!(schema::check(&*store), Err(expected));
    }
    store
        .commit(&delta(&[(b"v", None), (b"z", Some(b"?"))]))
        .expect("commit");
    assert_eq!(schema::check(&*store), Err(StoreError::Foreign));
}

/// A store keeps to the chain it began with.
pub(crate) fn check_chain_is_checked(open: &mut impl FnMut() -> Opened) {
    let store = open();
    let (found, expected) = (ChainId::from_bytes([1; 32]), ChainId::from_bytes([2; 32]));
    let first = delta(&[(b"s", Some(b"genesis"))]);
    schema::initialise(&*store, found, &first).expect("an empty store");
    schema::initialise(&*store, found, &Delta::default()).expect("the same chain");
    assert_eq!(
        schema::initialise(&*store, expected, &first),
        Err(StoreError::OtherChain { found, expected })
    );
    assert_eq!(store.get(b"s").expect("get"), Some(b"genesis".to_vec()));
}
