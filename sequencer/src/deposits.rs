//! Which deposits the next batch can credit.
//!
//! A deposit's script commits to the note and the refund key but does not show them; the depositor
//! registers them with a node. A deposit is credited once its sweep is deep enough, in order of the
//! sweeps; one that is not registered waits without blocking others.

use bitcoin::{OutPoint, XOnlyPublicKey};
use tacit_protocol::batch::DepositClaim;
use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::params::ChainParams;
use tacit_protocol::{Amount, F};
use tacit_verifier::chain::handover::deposit_matches;
use tacit_verifier::chain::table;

/// What a depositor registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The note's inner commitment.
    pub inner: F,
    /// The refund key.
    pub refund: XOnlyPublicKey,
}

/// The register of deposits, which the node keeps.
pub trait Registrations: Send + Sync {
    /// What was registered for a deposit.
    ///
    /// # Errors
    /// [`KvError`] if the register fails.
    fn find(&self, outpoint: &OutPoint) -> Result<Option<Registration>, KvError>;
}

/// A deposit that can be credited now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Creditable {
    /// The claim.
    pub claim: DepositClaim,
    /// What it credits.
    pub amount: Amount,
}

/// Rows read at a time.
const PAGE: usize = 256;

/// Up to `limit` deposits that can be credited on `view` when Bitcoin's last block has `height`.
///
/// # Errors
/// [`KvError`] if the view or the register fails.
pub(crate) fn creditable(
    view: &dyn KvRead,
    params: &ChainParams,
    height: u32,
    register: &dyn Registrations,
    limit: usize,
) -> Result<Vec<Creditable>, KvError> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let rows = table::uncredited(view, from, PAGE)?;
        let full = rows.len() == PAGE;
        for (number, swept) in rows {
            if found.len() == limit {
                return Ok(found);
            }
            from = number + 1;
            if !params.genesis().is_deep(swept.height, height) {
                continue;
            }
            let Some(Registration { inner, refund }) = register.find(&swept.outpoint)? else {
                continue;
            };
            // A wrong registration would make the whole batch invalid.
            if deposit_matches(view, params, &swept, (inner, refund))? {
                let sweep = u32::try_from(number).map_err(|e| KvError::corrupt(b"D", e))?;
                found.push(Creditable {
                    claim: DepositClaim { sweep, inner, refund },
                    amount: swept.credit,
                });
            }
        }
        if !full {
            return Ok(found);
        }
    }
}
