//! The state as the vault, its signers and the watcher of deposits ask for it.

use std::sync::Arc;

use bitcoin::{OutPoint, TxOut, XOnlyPublicKey};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::signer::judge::SignerView;
use tacit_bridge::vault::{Handovers, VaultSnapshot, VaultView, ViewError};
use tacit_bridge::watcher::{
    DepositError, DepositView, Ended, Registration, SweptView, Tenure, Tenures, Watcher,
};
use tacit_protocol::Amount;
use tacit_protocol::kv::KvError;
use tacit_protocol::peg::epoch::{DEPOSIT_GRACE, SHARES_KEPT};
use tacit_protocol::peg::vault::VaultKeys;
use tacit_protocol::peg::{Epoch, VaultTip, WithdrawalView};
use tacit_sequencer::Store;
use tacit_verifier::Rules;
use tacit_verifier::chain::records::Withdrawal;
use tacit_verifier::chain::{BooksError, audit_books, handover, reserves, table};

/// Attempts to read the state between two blocks.
const READ_AGAIN: usize = 20;

/// Confirmations of a reward that can be spent.
const MATURITY: u32 = 100;

/// Reads the canonical state; nothing pending is ever paid.
pub(crate) struct StateView {
    client: Arc<dyn BitcoinClient>,
    store: Arc<dyn Store>,
    rules: Arc<Rules>,
    watcher: Arc<Watcher>,
    /// Why the running totals cannot be relied on; looked at once, when the node starts.
    books: Option<BooksError>,
}

fn failed(error: &KvError) -> ViewError {
    ViewError(error.to_string())
}

impl StateView {
    /// A view of `store`, after an audit of its books: while they do not add up, no money moves.
    ///
    /// # Errors
    /// [`KvError`] if the store fails.
    pub(super) fn new(
        client: Arc<dyn BitcoinClient>,
        store: Arc<dyn Store>,
        rules: Arc<Rules>,
        watcher: Arc<Watcher>,
    ) -> Result<Self, KvError> {
        let books = match audit_books(&*store) {
            Ok(_) => None,
            Err(BooksError::Kv(error)) => return Err(error),
            Err(error) => {
                tracing::error!(%error, "no money moves");
                Some(error)
            }
        };
        Ok(Self {
            client,
            store,
            rules,
            watcher,
            books,
        })
    }

    fn unpaid(&self, height: u32) -> Result<Vec<(u64, WithdrawalView)>, KvError> {
        let genesis = self.rules.params().genesis();
        let rows = table::unpaid(&*self.store, 0, usize::MAX)?.into_iter();
        Ok(rows
            .map(|(index, withdrawal)| (index, withdrawal.view(genesis, height)))
            .collect())
    }

    fn height(&self) -> Result<u32, ViewError> {
        let cursor = table::cursor(&*self.store).map_err(|e| failed(&e))?;
        let cursor = cursor.ok_or_else(|| ViewError("the cursor is missing".into()))?;
        Ok(cursor.height)
    }

    /// Whether the vault has rested for half of the time after which recovery keys may take it.
    fn rested(&self, vault: &VaultKeys, height: u32) -> Result<bool, KvError> {
        let genesis = self.rules.params().genesis();
        let Some(recovery) = &vault.recovery else {
            return Ok(false);
        };
        let last = table::last_vault(&*self.store)?;
        let since = last.map_or(genesis.start_height, |record| record.place.height);
        Ok(height.saturating_sub(since) >= u32::from(recovery.timelock()) / 2)
    }

    /// What may be handed over: to epochs whose announcement is deep, and of an anchor chain that failed.
    fn handovers(&self, current: &Epoch, height: u32) -> Result<Handovers, KvError> {
        let params = self.rules.params();
        let announced = handover::announcements_after(&*self.store, current)?
            .into_iter()
            .filter(|(_, found)| params.genesis().is_deep(found.height, height))
            .map(|(hash, found)| (hash, found.announcement.epoch.keys.script_pubkey()))
            .collect();
        let reset = handover::reset_reason(&*self.store, &self.rules, height)?;
        Ok(Handovers {
            announced,
            reset: reset.map(|reason| reason.to_string()),
            takeover_timelock: params.genesis().takeover_timelock,
            former: self.former(height)?,
        })
    }

    /// The federation before the one in office, while its members have their shares.
    fn former(&self, height: u32) -> Result<Vec<XOnlyPublicKey>, KvError> {
        let tenures = StoreTenures(Arc::clone(&self.store)).read()?;
        let before = tenures.get(1).into_iter();
        let sweeps = |tenure: &&Tenure| tenure.ended.is_some_and(|ended| height <= ended.swept_until);
        Ok(before.filter(sweeps).map(|tenure| tenure.federation).collect())
    }

    /// Why no money may move.
    fn halted(&self) -> Result<Option<String>, KvError> {
        if let Some(fault) = table::fault(&*self.store)? {
            return Ok(Some(format!(
                "vault transaction {} broke a rule: {}",
                fault.place.txid, fault.rule
            )));
        }
        if let Some(error) = &self.books {
            return Ok(Some(error.to_string()));
        }
        let gap = reserves(&*self.store)?.gap();
        Ok((gap > 0).then(|| format!("the vault lacks {gap} sat")))
    }
}

impl StateView {
    /// The state at one block, if no other came while it was read.
    fn read_snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        let missing = |what: &str| ViewError(format!("the {what} is missing"));
        let height = self.height()?;
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
        let withdrawals = self.unpaid(height).map_err(|e| failed(&e))?;
        let epoch = handover::epoch(&*self.store).map_err(|e| failed(&e))?;
        let rested = self.rested(&epoch.keys, height).map_err(|e| failed(&e))?;
        let handovers = self.handovers(&epoch, height).map_err(|e| failed(&e))?;
        let snapshot = VaultSnapshot::new(height, tip, epoch.keys, deposits, withdrawals);
        let snapshot = snapshot.with_handovers(handovers);
        let snapshot = if rested {
            snapshot.due_for_refresh()
        } else {
            snapshot
        };
        Ok(match self.halted().map_err(|e| failed(&e))? {
            Some(reason) => snapshot.halt(reason),
            None => snapshot,
        })
    }
}

impl VaultView for StateView {
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError> {
        let place = || table::cursor(&*self.store).map_err(|e| failed(&e));
        for _ in 0..READ_AGAIN {
            let before = place()?;
            let read = self.read_snapshot();
            // The follower goes on meanwhile: parts of two blocks are the state of none.
            if place()? == before {
                return read;
            }
        }
        Err(ViewError("blocks come faster than the state can be read".into()))
    }
}

impl SignerView for StateView {
    fn admit(&self, registration: Registration) -> Result<(), DepositError> {
        self.watcher.register(registration).map(drop)
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<TxOut>, ViewError> {
        let found = self.client.unspent(outpoint, false);
        let found = found.map_err(|error| ViewError(error.to_string()))?;
        let usable = found.filter(|coin| coin.confirmations >= if coin.coinbase { MATURITY } else { 1 });
        Ok(usable.map(|coin| coin.txout))
    }

    fn paid_out(&self, blocks: u32) -> Result<Amount, ViewError> {
        let since = self.height()?.saturating_sub(blocks);
        let rows = table::paid_above(&*self.store, since).map_err(|e| failed(&e))?;
        let share = |paid: &Withdrawal| paid.paid.map_or(Amount::ZERO, |paid| paid.share);
        let sum = rows.iter().try_fold(Amount::ZERO, |sum, (_, paid)| {
            sum.checked_add(paid.exit.amount().checked_sub(share(paid))?)
        });
        sum.ok_or_else(|| ViewError("the sum of the payouts overflows".into()))
    }
}

/// The federations of the epochs that the state knows.
pub(super) struct StoreTenures(pub(super) Arc<dyn Store>);

impl StoreTenures {
    fn read(&self) -> Result<Vec<Tenure>, KvError> {
        let records = table::epochs(&*self.0, 0, usize::MAX)?;
        let mut tenures = Vec::with_capacity(records.len());
        // Each rotation ends the epoch before it.
        let mut ended = None;
        for (_, record) in records.iter().rev() {
            tenures.push(Tenure {
                federation: record.epoch.keys.federation,
                ended,
            });
            ended = Some(Ended {
                confirmed_until: record.height.saturating_add(DEPOSIT_GRACE),
                swept_until: record.height.saturating_add(SHARES_KEPT),
            });
        }
        Ok(tenures)
    }
}

impl Tenures for StoreTenures {
    fn tenures(&self) -> Result<Vec<Tenure>, ViewError> {
        self.read().map_err(|e| failed(&e))
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

#[cfg(test)]
mod tests;
