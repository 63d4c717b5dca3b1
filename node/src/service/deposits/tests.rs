//! Searches are remembered, run one at a time, and let bitcoind rest.

use bitcoin::OutPoint;
use bitcoin::hashes::Hash;
use tacit_bridge::client::memory::MemoryBitcoin;
use tacit_protocol::kv::MemoryKv;

use super::*;

fn script(n: u8) -> ScriptBuf {
    ScriptBuf::from_bytes(vec![0x51, n])
}

fn pay(chain: &MemoryBitcoin, n: u8) -> OutPoint {
    let outpoint = chain.pay(&script(n), bitcoin::Amount::from_sat(50_000));
    chain.mine(1);
    outpoint
}

#[test]
fn the_same_search_is_answered_from_memory_until_the_next_block() {
    let (chain, search, kv) = (MemoryBitcoin::new(), Search::default(), MemoryKv::default());
    let outpoint = pay(&chain, 1);
    let find = |scripts: &[ScriptBuf]| search.find(&chain, &kv, scripts).unwrap();
    let first = find(&[script(1), script(2)]);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].outpoint, outpoint);
    // The chain forgets the output without a block, so whoever still finds it did not ask again.
    chain.forget(&outpoint);
    assert_eq!(find(&[script(2), script(1), script(1)]), first);
    assert!(find(&[script(1)]).is_empty(), "another question");
    chain.mine(1);
    assert!(find(&[script(1), script(2)]).is_empty());
    assert!(find(&[]).is_empty());
}

#[test]
fn only_so_many_searches_are_remembered() {
    let mut past = Past::default();
    let tip = BlockHash::all_zeros();
    assert_eq!(past.recall(tip, &[script(0)]), None);
    for n in 0..=u8::try_from(REMEMBERED).unwrap() {
        past.keep(vec![script(n)], &[]);
    }
    assert_eq!(past.found.len(), REMEMBERED);
    assert_eq!(past.recall(tip, &[script(0)]), None);
    assert!(past.recall(tip, &[script(1)]).is_some());
}

#[test]
fn one_search_runs_at_a_time() {
    let (chain, search, kv) = (MemoryBitcoin::new(), Search::default(), MemoryKv::default());
    let running = search.0.lock().unwrap();
    assert_eq!(search.find(&chain, &kv, &[script(1)]), Err(ApiError::Busy));
    drop(running);
    assert_eq!(search.find(&chain, &kv, &[script(1)]), Ok(Vec::new()));
}

#[test]
fn bitcoind_rests_after_a_long_search_and_not_after_a_short_one() {
    let mut past = Past::default();
    let start = Instant::now();
    past.count(start, start + SHORT);
    assert_eq!(past.check_rest(start + SHORT), Ok(()));
    let end = start + Duration::from_secs(60);
    past.count(start, end);
    assert_eq!(past.check_rest(end), Err(ApiError::Busy));
    assert_eq!(
        past.check_rest(end + Duration::from_secs(179)),
        Err(ApiError::Busy)
    );
    assert_eq!(past.check_rest(end + Duration::from_secs(180)), Ok(()));
}
