//! A database belongs to a chain with its keys; a stop waits for nothing that takes long.

use std::sync::mpsc;

use tacit_protocol::params::{ChainParams, CircuitKey};
use tacit_protocol::testing;
use tempfile::TempDir;

use super::*;

/// Rules that judge by no key, of a chain whose file names a key with this hash.
fn rules(key_hash: [u8; 32]) -> ChainParams {
    let circuit = CircuitKey {
        name: "transfer-v1".to_owned(),
        circuit_digest: [1; 32],
        verifying_key: vec![1],
        key_hash,
        insecure: true,
    };
    ChainParams::new(testing::genesis(), vec![circuit]).unwrap()
}

#[test]
fn a_database_opens_with_the_chain_and_the_keys_it_was_made_for_only() {
    let dir = TempDir::new().unwrap();
    let open = |params: &ChainParams| {
        let store = RocksStore::open(&dir.path().join("db")).unwrap();
        let genesis = chain::genesis(&tacit_protocol::kv::MemoryKv::default(), params).unwrap();
        tacit_sequencer::store::schema::initialise(&store, params.chain_id(), &genesis)
    };
    let ours = rules([7; 32]);
    open(&ours).unwrap();
    open(&ours).unwrap();
    let refused = open(&rules([8; 32])).unwrap_err().to_string();
    let named = [ours.chain_id(), rules([8; 32]).chain_id()].map(|id| id.to_string());
    assert!(named.iter().all(|id| refused.contains(id)), "{refused}");
}

#[test]
fn a_proof_that_takes_long_does_not_hold_up_a_stop() {
    let (end, ended) = mpsc::channel::<()>();
    let proof = thread::spawn(move || ended.recv().unwrap_or(()));
    assert!(!ends_within(Duration::from_millis(50), &proof));
    drop(end);
    assert!(ends_within(Duration::from_secs(60), &proof));
}
