//! The state as the vault, its signer and the watcher of deposits ask for it.

use std::sync::Arc;

use bitcoin::OutPoint;
use tacit_bridge::vault::{VaultSnapshot, VaultView, ViewError};
use tacit_bridge::watcher::{DepositView, SweptView, Watcher};
use tacit_protocol::Amount;
use tacit_protocol::kv::KvError;
use tacit_protocol::peg::{VaultTip, WithdrawalView};
use tacit_sequencer::Store;
use tacit_verifier::Rules;
use tacit_verifier::chain::{reserves, table};

/// Rows read at a time.
const PAGE: usize = 1_024;

/// Reads the canonical state; nothing pending is ever paid.
pub(crate) struct StateView {
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    watcher: Arc<Watcher>,
}

fn failed(error: &KvError) -> ViewError {
    ViewError(error.to_string())
}

impl StateView {
    pub(super) fn new(store: Arc<dyn Store>, rules: Arc<Rules>, watcher: Arc<Watcher>) -> Self {
        Self {
            store,
            rules,
            watcher,
        }
    }

    fn unpaid(&self, height: u32) -> Result<Vec<(u64, WithdrawalView)>, KvError> {
        let genesis = self.rules.params().genesis();
        let (mut found, mut from) = (Vec::new(), 0);
        loop {
            let rows = table::withdrawals(&*self.store, from, PAGE)?;
            let (count, full) = (rows.len() as u64, rows.len() == PAGE);
            for (index, withdrawal) in rows {
                if withdrawal.paid.is_none() {
                    let view = WithdrawalView {
                        amount: withdrawal.exit.amount(),
                        script: withdrawal.exit.script().clone(),
                        max_l1_fee: withdrawal.exit.max_l1_fee(),
                        deep: genesis.is_deep(withdrawal.height, height),
                        paid: false,
                    };
                    found.push((index, view));
                }
            }
            from += count;
            if !full {
                return Ok(found);
            }
        }
    }

    /// Why no money may move.
    fn halted(&self) -> Result<Option<String>, KvError> {
        if let Some(fault) = table::fault(&*self.store)? {
            return Ok(Some(format!(
                "vault transaction {} broke a rule: {}",
                fault.place.txid, fault.rule
            )));
        }
        let gap = reserves(&*self.store, self.rules.params())?.gap();
        Ok((gap > 0).then(|| format!("the vault lacks {gap} sat")))
    }
}

impl VaultView for StateView {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        let missing = |what: &str| ViewError(format!("the {what} is missing"));
        let cursor = table::cursor(&*self.store)
            .map_err(|e| failed(&e))?
            .ok_or_else(|| missing("cursor"))?;
        let tip = table::vault_tip(&*self.store)
            .map_err(|e| failed(&e))?
            .ok_or_else(|| missing("vault tip"))?;
        let amount = Amount::from_sat(tip.txout.value.to_sat()).map_err(|e| ViewError(e.to_string()))?;
        let tip = VaultTip {
            outpoint: tip.outpoint,
            amount,
        };
        let deposits = self
            .watcher
            .sweepable(self)
            .map_err(|e| ViewError(e.to_string()))?;
        let withdrawals = self.unpaid(cursor.height).map_err(|e| failed(&e))?;
        let vault = self.rules.params().genesis().vault_keys();
        let snapshot = VaultSnapshot::new(cursor.height, tip, vault, deposits, withdrawals);
        Ok(match self.halted().map_err(|e| failed(&e))? {
            Some(reason) => snapshot.halt(reason),
            None => snapshot,
        })
    }
}

impl DepositView for StateView {
    fn swept(&self, outpoint: &OutPoint) -> Result<Option<SweptView>, ViewError> {
        let Some(index) = table::sweep_of(&*self.store, outpoint).map_err(|e| failed(&e))? else {
            return Ok(None);
        };
        let swept = table::swept(&*self.store, index).map_err(|e| failed(&e))?;
        Ok(swept.map(|s| SweptView {
            txid: s.txid,
            height: s.height,
            credited: s.credited,
        }))
    }
}
