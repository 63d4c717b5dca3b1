//! A follower as small as can be: it walks the vault's chain block by block, judges each vault
//! transaction as everybody does, and takes blocks back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bitcoin::{BlockHash, OutPoint, ScriptBuf};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::vault::VaultSnapshot;
use tacit_protocol::peg::vault::DepositCoin;
use tacit_protocol::peg::{BlockInput, DepositTerms, VaultTip, WithdrawalView, check_vault_tx};

use super::setting::vault_keys;

/// Blocks that can be taken back.
const MEMORY: usize = 30;

/// What is known as of one block.
#[derive(Clone)]
struct State {
    height: u32,
    hash: BlockHash,
    tip: VaultTip,
    paid: BTreeSet<u64>,
    swept: BTreeSet<OutPoint>,
    /// Deposits with the height of their block.
    deposits: BTreeMap<OutPoint, (u32, DepositCoin)>,
}

pub(crate) struct Follower {
    states: VecDeque<State>,
    /// Withdrawals by index; that they are owed is a fact of the rollup and not of these blocks.
    pub(crate) owed: BTreeMap<u64, WithdrawalView>,
    /// Registered terms by their script.
    pub(crate) terms: BTreeMap<ScriptBuf, DepositTerms>,
    depth: u32,
}

impl Follower {
    /// Starts at the best block, whose vault is `tip`; deposits are swept `depth` deep.
    pub(crate) fn new(client: &dyn BitcoinClient, tip: VaultTip, depth: u32) -> Self {
        let best = client.chain_info().unwrap();
        let start = State {
            height: best.height,
            hash: best.best,
            tip,
            paid: BTreeSet::new(),
            swept: BTreeSet::new(),
            deposits: BTreeMap::new(),
        };
        Self {
            states: VecDeque::from([start]),
            owed: BTreeMap::new(),
            terms: BTreeMap::new(),
            depth,
        }
    }

    fn state(&self) -> &State {
        self.states
            .back()
            .expect("a reorganisation stays above the start")
    }

    pub(crate) fn tip(&self) -> VaultTip {
        self.state().tip
    }

    pub(crate) fn height(&self) -> u32 {
        self.state().height
    }

    /// What operator and signers see: deposits that may be swept, withdrawals that are not paid.
    pub(crate) fn snapshot(&self) -> VaultSnapshot {
        self.snapshot_of(self.state())
    }

    fn snapshot_of(&self, state: &State) -> VaultSnapshot {
        let ready = |(height, deposit): &&(u32, DepositCoin)| {
            state.height >= height + self.depth && !state.swept.contains(&deposit.outpoint)
        };
        let deposits = state.deposits.values().filter(ready);
        let deposits = deposits.map(|(_, deposit)| deposit.clone()).collect();
        let owed = self.owed.iter().filter(|(index, _)| !state.paid.contains(index));
        let owed = owed.map(|(index, view)| (*index, view.clone())).collect();
        VaultSnapshot::new(state.height, state.tip, vault_keys(), deposits, owed)
    }

    /// Goes to the node's best block.
    pub(crate) fn follow(&mut self, client: &Arc<dyn BitcoinClient>) {
        loop {
            let header = client.header(&self.state().hash).unwrap();
            if !header.is_some_and(|header| header.is_active()) {
                self.states.pop_back();
                continue;
            }
            let Some(next) = client.block_hash(self.height() + 1).unwrap() else {
                return;
            };
            self.connect(&client.block(&next).unwrap());
        }
    }

    fn connect(&mut self, block: &BlockInput) {
        let mut state = self.state().clone();
        assert_eq!(block.prev, state.hash);
        (state.height, state.hash) = (block.height, block.hash);
        for tx in &block.txs {
            let mut inputs = tx.tx().input.iter();
            if inputs.any(|input| input.previous_output == state.tip.outpoint) {
                let effects = check_vault_tx(tx.tx(), tx.prevouts(), &self.snapshot_of(&state));
                let effects = effects.expect("a vault transaction without fault");
                assert_eq!(effects.top_up.to_sat(), 0);
                state.tip = effects.new_tip;
                state.paid.extend(effects.paid.iter().map(|paid| paid.index));
                state
                    .swept
                    .extend(effects.swept.iter().map(|swept| swept.outpoint));
            }
            for (vout, txout) in (0u32..).zip(&tx.tx().output) {
                let Some(terms) = self.terms.get(&txout.script_pubkey) else {
                    continue;
                };
                let txid = tx.txid();
                let outpoint = OutPoint { txid, vout };
                let amount = tacit_protocol::Amount::from_sat(txout.value.to_sat()).unwrap();
                let terms = *terms;
                let deposit = DepositCoin {
                    outpoint,
                    amount,
                    terms,
                };
                state.deposits.insert(outpoint, (block.height, deposit));
            }
        }
        self.states.push_back(state);
        if self.states.len() > MEMORY {
            self.states.pop_front();
        }
    }
}
