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
