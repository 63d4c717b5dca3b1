//! Finds deposits by their scripts: unspent ones from bitcoind, swept ones from the state.

use std::sync::{Mutex, TryLockError};

use bitcoin::ScriptBuf;
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::Amount;
use tacit_protocol::kv::KvRead;
use tacit_verifier::chain::table;
use tacit_wallet::api::{ApiError, FoundDeposit};

use super::{bitcoin, storage};

/// Rows read at a time.
const PAGE: usize = 1_024;

/// bitcoind runs one scan at a time.
static SCAN: Mutex<()> = Mutex::new(());

/// Confirmed outputs that pay to any of `scripts`: unspent, or swept into the vault.
///
/// # Errors
/// [`ApiError::Busy`] while another scan runs; bitcoind's or the storage's failure.
pub(super) fn find(
    client: &dyn BitcoinClient,
    kv: &dyn KvRead,
    scripts: &[ScriptBuf],
) -> Result<Vec<FoundDeposit>, ApiError> {
    let _one_at_a_time = match SCAN.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::WouldBlock) => return Err(ApiError::Busy),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
    };
    let scan = client.scan(scripts).map_err(|e| bitcoin(&e))?;
    let mut found = Vec::new();
    for output in scan.outputs {
        let amount =
            Amount::from_sat(output.txout.value.to_sat()).map_err(|e| ApiError::Internal(e.to_string()))?;
        found.push(FoundDeposit {
            script: output.txout.script_pubkey,
            outpoint: output.outpoint,
            amount,
            height: output.height,
            spent_by: None,
        });
    }
    let mut from = 0;
    loop {
        let rows = table::sweeps(kv, from, PAGE).map_err(|e| storage(&e))?;
        for (_, swept) in rows.iter().filter(|(_, swept)| scripts.contains(&swept.script)) {
            found.push(FoundDeposit {
                script: swept.script.clone(),
                outpoint: swept.outpoint,
                amount: swept.amount,
                height: swept.height,
                spent_by: Some(swept.txid),
            });
        }
        from += rows.len() as u64;
        if rows.len() < PAGE {
            return Ok(found);
        }
    }
}
