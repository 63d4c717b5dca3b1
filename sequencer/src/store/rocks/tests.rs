//! The store on disk behaves as every store must, and refuses by name what it cannot use.

use std::sync::Arc;

use tacit_protocol::params::ChainId;
use tempfile::TempDir;

use super::*;
use crate::store::conformance;

fn put(store: &RocksStore, key: &[u8], value: &[u8]) {
    let mut delta = Delta::default();
    delta.insert(key.to_vec(), Some(value.to_vec()));
    store.commit(&delta).expect("commit");
}

/// A folder with a store that holds the layout and `k = v`, closed.
fn closed_store() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let store = RocksStore::open(folder.path()).expect("a new store");
    schema::initialise(&store, ChainId::from_bytes([1; 32]), &Delta::default()).expect("empty");
    put(&store, b"k", b"v");
    folder
}

fn files(folder: &TempDir, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.path()).expect("the folder");
    entries
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.to_string_lossy().ends_with(end))
        .collect()
}

#[test]
fn rocks_store_behaves_as_every_store_must() {
    conformance::check_all(|| {
        let folder = tempfile::tempdir().expect("a folder");
        move || Arc::new(RocksStore::open(folder.path()).expect("opens")) as Arc<dyn Store>
    });
}

#[test]
fn second_opening_names_the_other_process() {
    let folder = closed_store();
    let _first = RocksStore::open(folder.path()).expect("opens");
    let second = RocksStore::open(folder.path()).expect_err("it is in use");
    assert_eq!(second, StoreError::InUse(folder.path().to_owned()));
}

#[test]
fn newer_layout_is_refused_at_open() {
    let folder = closed_store();
    put(
        &RocksStore::open(folder.path()).expect("opens"),
        b"v",
        &(schema::VERSION + 1).to_le_bytes(),
    );
    let refused = RocksStore::open(folder.path()).expect_err("newer");
    assert_eq!(
        refused,
        StoreError::Newer {
            found: schema::VERSION + 1,
            known: schema::VERSION
        }
    );
}

#[test]
fn torn_tail_of_the_log_loses_only_what_was_not_acknowledged() {
    let folder = closed_store();
    let log = files(&folder, ".log").pop().expect("a write-ahead log");
    let bytes = std::fs::read(&log).expect("the log");
    // A record that begins and does not end, as a crash in the middle of a write leaves.
    let mut torn = bytes.clone();
    torn.extend_from_slice(&bytes[..bytes.len().min(9)]);
    std::fs::write(&log, torn).expect("the log");
    let store = RocksStore::open(folder.path()).expect("a torn tail is what a crash leaves");
    assert_eq!(store.get(b"k"), Ok(Some(b"v".to_vec())));
}

#[test]
fn flipped_bit_in_the_log_is_refused_with_the_remedy() {
    let folder = closed_store();
    let log = files(&folder, ".log").pop().expect("a write-ahead log");
    let mut bytes = std::fs::read(&log).expect("the log");
    bytes[12] ^= 1;
    std::fs::write(&log, bytes).expect("the log");
    let refused = RocksStore::open(folder.path()).expect_err("damaged");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("delete the folder and follow Bitcoin again")
    );
}

#[test]
fn flipped_bit_in_the_last_record_is_not_taken_for_a_torn_tail() {
    let folder = closed_store();
    let log = files(&folder, ".log").pop().expect("a write-ahead log");
    let mut bytes = std::fs::read(&log).expect("the log");
    *bytes.last_mut().expect("the value") ^= 1;
    std::fs::write(&log, bytes).expect("the log");
    assert!(matches!(
        RocksStore::open(folder.path()),
        Err(StoreError::Damaged { .. })
    ));
}

#[test]
fn damaged_manifest_is_refused_with_the_remedy() {
    let folder = closed_store();
    let entries = std::fs::read_dir(folder.path()).expect("the folder");
    for entry in entries.map(|e| e.expect("an entry")) {
        if entry.file_name().to_string_lossy().starts_with("MANIFEST") {
            let mut bytes = std::fs::read(entry.path()).expect("the manifest");
            bytes[10] ^= 0x40;
            std::fs::write(entry.path(), bytes).expect("the manifest");
        }
    }
    let refused = RocksStore::open(folder.path()).expect_err("damaged");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

#[test]
fn folder_that_lost_its_head_is_not_started_anew() {
    let folder = closed_store();
    std::fs::remove_file(folder.path().join("CURRENT")).expect("it was there");
    let refused = RocksStore::open(folder.path()).expect_err("headless");
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

#[test]
fn folder_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, b"not a database").expect("a file");
    assert!(matches!(RocksStore::open(&path), Err(StoreError::Io { .. })));
}
