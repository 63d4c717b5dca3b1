//! The chain in memory keeps the contract.

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf};

use super::MemoryBitcoin;
use crate::client::conformance::{TestChain, check_all};
use crate::client::{BitcoinClient, ClientError};

impl TestChain for MemoryBitcoin {
    fn mine(&self, count: u32) -> Vec<BlockHash> {
        Self::mine(self, count)
    }

    fn pay(&self, script: &ScriptBuf, amount: Amount) -> OutPoint {
        Self::pay(self, script, amount)
    }

    fn replace_tip(&self) {
        self.disconnect(1, true);
        self.mine_empty(2);
    }
}

#[test]
fn the_chain_in_memory_conforms() {
    let chain = MemoryBitcoin::new();
    check_all(&chain, &chain);
}

#[test]
fn a_conflict_needs_a_higher_fee() {
    let chain = MemoryBitcoin::new();
    let paid = chain.pay(&ScriptBuf::new(), Amount::from_sat(50_000));
    let mut rival = chain.transaction(&paid.txid, None).unwrap().unwrap();
    rival.output[0].value = Amount::from_sat(50_500);
    assert!(
        matches!(chain.send(&rival), Err(ClientError::Rejected { .. })),
        "a lower fee loses"
    );
    rival.output[0].value = Amount::from_sat(40_000);
    chain.send(&rival).unwrap();
    assert!(
        chain.mempool_entry(&paid.txid).unwrap().is_none(),
        "the first one is replaced"
    );
}

#[test]
fn a_package_replaces_another_only_if_it_pays_more_than_all_of_it() {
    let chain = MemoryBitcoin::new();
    let coin = chain.pay(&ScriptBuf::new(), Amount::from_sat(50_000));
    let template = chain.transaction(&coin.txid, None).unwrap().unwrap();
    chain.mine(1);
    // A pair whose parent pays `first` and whose child pays `second`.
    let pair = |first: u64, second: u64| {
        let spend = |from: OutPoint, value: u64| {
            let mut tx = template.clone();
            tx.input[0].previous_output = from;
            tx.output[0].value = Amount::from_sat(value);
            tx
        };
        let parent = spend(coin, 50_000 - first);
        let txid = parent.compute_txid();
        let child = spend(OutPoint { txid, vout: 0 }, 50_000 - first - second);
        [parent, child]
    };
    let (old, new) = (pair(1_000, 5_000), pair(1_500, 5_500));
    for tx in &old {
        chain.send(tx).unwrap();
    }
    assert!(chain.send(&new[0]).is_err(), "alone it does not outbid both");
    let less = chain.submit_package(&pair(3_000, 3_000)).unwrap();
    assert!(!less.accepted, "{less:?}");
    assert!(chain.mempool_entry(&old[1].compute_txid()).unwrap().is_some());
    let more = chain.submit_package(&new).unwrap();
    assert!(more.accepted, "{more:?}");
    assert_eq!(chain.mempool_info().unwrap().count, 2);
    assert!(chain.mempool_entry(&new[1].compute_txid()).unwrap().is_some());
}
