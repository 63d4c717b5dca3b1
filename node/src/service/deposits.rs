//! Finds deposits by their scripts: unspent ones from bitcoind, swept ones from the state.
//!
//! To look through its unspent outputs keeps bitcoind busy, on a large chain for minutes, and anybody may
//! ask. So one search runs at a time, its outcome answers the same question until the next block, and
//! after a search that took long bitcoind rests for a multiple of that time. Specification:
//! `docs/spec/rpc.md`.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use bitcoin::{BlockHash, ScriptBuf};
use tacit_bridge::client::{BitcoinClient, ScannedOutput};
use tacit_protocol::Amount;
use tacit_protocol::kv::KvRead;
use tacit_verifier::chain::table;
use tacit_wallet::api::{ApiError, FoundDeposit};

use super::{bitcoin, storage};

/// Searches remembered until the next block.
const REMEMBERED: usize = 64;
/// Outputs of a search that is remembered, at most.
const REMEMBERED_OUTPUTS: usize = 256;
/// A search up to this long needs no rest.
const SHORT: Duration = Duration::from_secs(2);
/// Rest after a longer one, as a multiple of its time: bitcoind searches for a quarter of the time.
const REST: u32 = 3;

/// Searches for deposits, bounded.
#[derive(Debug, Default)]
pub(crate) struct Search(Mutex<Past>);

/// What earlier searches found and cost.
#[derive(Debug, Default)]
struct Past {
    tip: Option<BlockHash>,
    found: VecDeque<(Vec<ScriptBuf>, Vec<ScannedOutput>)>,
    rests_until: Option<Instant>,
}

impl Past {
    /// What an earlier search for these scripts found at this tip.
    fn recall(&mut self, tip: BlockHash, scripts: &[ScriptBuf]) -> Option<Vec<ScannedOutput>> {
        if self.tip != Some(tip) {
            (self.tip, self.found) = (Some(tip), VecDeque::new());
        }
        let known = self.found.iter().find(|(asked, _)| asked == scripts);
        known.map(|(_, outputs)| outputs.clone())
    }

    /// Whether bitcoind may be asked now.
    fn check_rest(&self, now: Instant) -> Result<(), ApiError> {
        match self.rests_until {
            Some(until) if now < until => Err(ApiError::Busy),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts the time of a search, whatever came of it.
    fn count(&mut self, started: Instant, ended: Instant) {
        let took = ended.saturating_duration_since(started);
        self.rests_until = (took > SHORT).then(|| ended + took * REST);
    }

    /// Keeps what a search found.
    fn keep(&mut self, scripts: Vec<ScriptBuf>, outputs: &[ScannedOutput]) {
        if outputs.len() <= REMEMBERED_OUTPUTS {
            self.found.truncate(REMEMBERED - 1);
            self.found.push_front((scripts, outputs.to_vec()));
        }
    }
}

impl Search {
    /// Confirmed outputs that pay to any of `scripts`: unspent, or swept into the vault.
    ///
    /// # Errors
    /// [`ApiError::Busy`] while another search runs or bitcoind rests from one; bitcoind's or the
    /// storage's failure.
    pub(super) fn find(
        &self,
        client: &dyn BitcoinClient,
        kv: &dyn KvRead,
        scripts: &[ScriptBuf],
    ) -> Result<Vec<FoundDeposit>, ApiError> {
        let mut found = Vec::new();
        for output in self.unspent(client, scripts)? {
            let amount = Amount::from_sat(output.txout.value.to_sat())
                .map_err(|e| ApiError::Internal(e.to_string()))?;
            found.push(FoundDeposit {
                script: output.txout.script_pubkey,
                outpoint: output.outpoint,
                amount,
                height: output.height,
                spent_by: None,
            });
        }
        found.extend(swept(kv, scripts)?);
        Ok(found)
    }

    fn unspent(
        &self,
        client: &dyn BitcoinClient,
        scripts: &[ScriptBuf],
    ) -> Result<Vec<ScannedOutput>, ApiError> {
        let mut past = match self.0.try_lock() {
            Ok(past) => past,
            Err(TryLockError::WouldBlock) => return Err(ApiError::Busy),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        let mut asked = scripts.to_vec();
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let tip = client.chain_info().map_err(|e| bitcoin(&e))?.best;
        if let Some(outputs) = past.recall(tip, &asked) {
            return Ok(outputs);
        }
        let started = Instant::now();
        past.check_rest(started)?;
        let scan = client.scan(&asked);
        past.count(started, Instant::now());
        let scan = scan.map_err(|e| bitcoin(&e))?;
        if scan.best == tip {
            past.keep(asked, &scan.outputs);
        }
        Ok(scan.outputs)
    }
}

/// Deposits to any of `scripts` that are in the vault, each once.
fn swept(kv: &dyn KvRead, scripts: &[ScriptBuf]) -> Result<Vec<FoundDeposit>, ApiError> {
    let mut found = Vec::new();
    for script in BTreeSet::from_iter(scripts) {
        for swept in table::sweeps_to(kv, script).map_err(|e| storage(&e))? {
            found.push(FoundDeposit {
                script: swept.script,
                outpoint: swept.outpoint,
                amount: swept.amount,
                height: swept.height,
                spent_by: Some(swept.txid),
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
