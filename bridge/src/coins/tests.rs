//! The book of coins follows the chain back and forth, and never offers a coin twice.

use bitcoin::{Amount, ScriptBuf, WScriptHash, hashes::Hash};

use super::CoinBook;
use crate::client::BitcoinClient;
use crate::client::memory::MemoryBitcoin;

fn script() -> ScriptBuf {
    ScriptBuf::new_p2wsh(&WScriptHash::hash(b"operator"))
}

fn sats(book: &CoinBook) -> Vec<u64> {
    let mut sats: Vec<u64> = book.spendable().iter().map(|c| c.txout.value.to_sat()).collect();
    sats.sort_unstable();
    sats
}

/// A book that knows one coin of 10,000 satoshi.
fn started() -> (MemoryBitcoin, CoinBook) {
    let chain = MemoryBitcoin::new();
    chain.pay(&script(), Amount::from_sat(10_000));
    chain.mine(1);
    let book = CoinBook::scan(&chain, script()).unwrap();
    assert_eq!(sats(&book), [10_000]);
    (chain, book)
}

#[test]
fn coins_come_with_blocks_and_not_before() {
    let (chain, mut book) = started();
    chain.pay(&script(), Amount::from_sat(20_000));
    book.follow(&chain).unwrap();
    assert_eq!(sats(&book), [10_000], "the mempool does not count");
    chain.mine(3);
    book.follow(&chain).unwrap();
    assert_eq!(sats(&book), [10_000, 20_000]);
    assert_eq!((book.height(), book.balance()), (4, Amount::from_sat(30_000)));
}

#[test]
fn a_reorganisation_takes_coins_back_and_returns_spent_ones() {
    let (chain, mut book) = started();
    let coin = book.spendable().remove(0);
    let gift = chain.pay(&script(), Amount::from_sat(20_000));
    let mut spend = chain.transaction(&gift.txid, None).unwrap().unwrap();
    spend.input[0].previous_output = coin.outpoint;
    spend.output[0].value = Amount::from_sat(9_000);
    chain.send(&spend).unwrap();
    chain.mine(1);
    book.follow(&chain).unwrap();
    assert_eq!(sats(&book), [9_000, 20_000]);
    chain.disconnect(1, false);
    chain.mine_empty(2);
    book.follow(&chain).unwrap();
    assert_eq!(sats(&book), [10_000], "as a book that never saw the fork");
}

#[test]
fn a_reorganisation_below_the_scan_is_scanned_again() {
    let (chain, mut book) = started();
    chain.disconnect(1, false);
    chain.mine_empty(2);
    book.follow(&chain).unwrap();
    assert_eq!(sats(&book), [0u64; 0]);
    assert_eq!(book.height(), 2);
}

#[test]
fn reserved_coins_are_not_offered_until_released() {
    let (chain, mut book) = started();
    chain.pay(&script(), Amount::from_sat(20_000));
    chain.mine(1);
    book.follow(&chain).unwrap();
    let coin = book.spendable().remove(0).outpoint;
    book.reserve(b"anchor/1", [coin]);
    assert_eq!(book.spendable().len(), 1);
    assert_eq!(
        book.spendable_by(b"anchor/1").len(),
        2,
        "but to their owner they are"
    );
    assert_eq!(book.spendable_by(b"anchor/2"), book.spendable());
    assert_eq!(book.balance(), Amount::from_sat(30_000));
    book.reserve(b"anchor/1", []);
    assert_eq!(
        book.spendable().len(),
        2,
        "a new reservation replaces the old one"
    );
    book.reserve(b"anchor/1", [coin]);
    book.release(b"vault/1");
    assert_eq!(book.spendable().len(), 1, "owners release their own only");
    book.release(b"anchor/1");
    assert_eq!(book.spendable().len(), 2);
}
