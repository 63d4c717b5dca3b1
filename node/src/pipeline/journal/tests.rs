//! The journal in a database conforms, and lists what it is asked for only.

use tacit_sequencer::store::MemoryStore;

use super::*;

#[test]
fn a_list_holds_one_prefix_and_its_edges() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let journal = StoreJournal(store);
    let names: [&[u8]; 7] = [b"a", b"a/", b"a/1", b"a/\xff\xff", b"a0", b"b", b"\xff\xff"];
    for name in names {
        journal.put(name, name).unwrap();
    }
    let listed = |prefix: &[u8]| -> Vec<Vec<u8>> {
        journal
            .list(prefix)
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(
        listed(b"a/"),
        [b"a/".to_vec(), b"a/1".to_vec(), b"a/\xff\xff".to_vec()]
    );
    assert_eq!(listed(b"\xff"), [b"\xff\xff".to_vec()]);
    assert_eq!(listed(b"").len(), names.len());
    journal.delete(b"a/1").unwrap();
    assert_eq!(listed(b"a/").len(), 2);
    assert_eq!(journal.get(b"a/1").unwrap(), None);
}
