//! The memory store behaves as every store must.

use std::sync::Arc;

use super::*;
use crate::store::conformance;

#[test]
fn memory_store_behaves_as_every_store_must() {
    conformance::check_all(|| {
        let store = Arc::new(MemoryStore::new());
        move || store.clone() as Arc<dyn Store>
    });
}

#[test]
fn failed_commit_writes_nothing() {
    let store = MemoryStore::new();
    store.fail_after(Some(1));
    let mut delta = Delta::default();
    delta.insert(b"a".to_vec(), Some(b"1".to_vec()));
    store.commit(&delta).expect("the first commit has room");
    delta.insert(b"b".to_vec(), Some(b"2".to_vec()));
    assert!(matches!(store.commit(&delta), Err(KvError::Full(_))));
    assert_eq!(store.get(b"b"), Ok(None));
}
