//! Which deposits the next batch can credit.
//!
//! A deposit's script commits to the note and the refund key but does not show them; the depositor
//! registers them with a node. A deposit is credited once its sweep is deep enough, in order of the
//! sweeps; one that is not registered waits without blocking others.

use std::collections::BTreeSet;

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

/// The swept deposits that Bitcoin does not show as credited.
#[derive(Debug, Default)]
pub struct Uncredited {
    /// Sweeps looked at so far.
    scanned: u64,
    indices: BTreeSet<u32>,
}

/// Rows read at a time.
const CHUNK: usize = 256;

impl Uncredited {
    /// Looks at the canonical state again: all of it after a reorganisation, else what is new.
    ///
    /// # Errors
    /// [`KvError`] if the store fails or is damaged.
    pub(crate) fn refresh(&mut self, canonical: &dyn KvRead, from_start: bool) -> Result<(), KvError> {
        if from_start {
            *self = Self::default();
        }
        let mut settled = Vec::new();
        for &index in &self.indices {
            if table::swept(canonical, index)?.is_none_or(|swept| swept.credited.is_some()) {
                settled.push(index);
            }
        }
        settled.iter().for_each(|index| {
            self.indices.remove(index);
        });
        loop {
            let rows = table::sweeps(canonical, self.scanned, CHUNK)?;
            let full = rows.len() == CHUNK;
            for (index, swept) in rows {
                self.scanned = index + 1;
                if swept.credited.is_none() && !swept.after_fault {
                    self.indices
                        .insert(u32::try_from(index).map_err(|e| KvError::corrupt(b"D", e))?);
                }
            }
            if !full {
                return Ok(());
            }
        }
    }

    /// Up to `limit` deposits that can be credited on `view` when Bitcoin's last block has `height`.
    ///
    /// # Errors
    /// [`KvError`] if the view or the register fails.
    pub(crate) fn creditable(
        &self,
        view: &dyn KvRead,
        params: &ChainParams,
        height: u32,
        register: &dyn Registrations,
        limit: usize,
    ) -> Result<Vec<Creditable>, KvError> {
        let mut found = Vec::new();
        for &sweep in &self.indices {
            if found.len() == limit {
                break;
            }
            let Some(swept) = table::swept(view, sweep)? else {
                continue;
            };
            if swept.credited.is_some() || !params.genesis().is_deep(swept.height, height) {
                continue;
            }
            let Some(Registration { inner, refund }) = register.find(&swept.outpoint)? else {
                continue;
            };
            // A wrong registration would make the whole batch invalid.
            if deposit_matches(view, params, &swept, (inner, refund))? {
                let claim = DepositClaim { sweep, inner, refund };
                found.push(Creditable {
                    claim,
                    amount: swept.credit,
                });
            }
        }
        Ok(found)
    }
}
