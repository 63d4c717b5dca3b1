//! A member signs an epoch: as one of the federation in office, or as one of the federation to come.
//!
//! Specification: `docs/spec/handover.md`, `docs/spec/federation.md`.

use std::sync::PoisonError;

use tacit_bridge::signer::judge::Refusal;
use tacit_federation::signer::Input;
use tacit_protocol::encoding::Decode;
use tacit_protocol::peg::epoch::{Epoch, Voice};
use tacit_verifier::chain::handover;

use super::{Consent, SignerDesk, unreadable};
use crate::federation::succession::Succession;

impl SignerDesk {
    /// What to sign for an epoch, if this signer is willing.
    pub(super) fn succession(&self, request: &[u8]) -> Result<Input, Refusal> {
        let Succession { voice, epoch } = Succession::decode(request).map_err(Refusal::Malformed)?;
        self.require_ready()?;
        let _judging = self.judging.lock().unwrap_or_else(PoisonError::into_inner);
        self.judge.require_sound()?;
        let current = handover::epoch(&*self.store).map_err(|error| unreadable(&error))?;
        if epoch.follows(&current).is_err() {
            return Err(Refusal::Succession(format!(
                "epoch {} with the key {} does not follow epoch {}, which is in office",
                epoch.number, epoch.keys.federation, current.number
            )));
        }
        let keys = match voice {
            Voice::Incumbent => {
                self.require_office(&current)?;
                self.require_consent(&Consent::Epoch(epoch.hash(self.chain).0))?;
                current.keys
            }
            Voice::Successor => {
                self.require_own(&epoch)?;
                epoch.keys.clone()
            }
        };
        Ok(Succession { voice, epoch }.input(self.chain, &keys))
    }

    /// The vault belongs to the key of which this member has a share.
    fn require_office(&self, current: &Epoch) -> Result<(), Refusal> {
        let own = self.key();
        if own == current.keys.federation {
            return Ok(());
        }
        Err(Refusal::Succession(format!(
            "this member's federation, with the key {own}, is not in office; the one with the key {} is",
            current.keys.federation
        )))
    }

    /// The epoch is that of this member's own federation, leaves and all.
    fn require_own(&self, epoch: &Epoch) -> Result<(), Refusal> {
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.federation.vault_keys(signer.share().group());
        let own = own.map_err(|error| Refusal::Succession(error.to_string()))?;
        if own == epoch.keys {
            return Ok(());
        }
        Err(Refusal::Succession(format!(
            "its keys are not those of this member's federation, which has the key {} and the leaves of its \
             own federation file",
            own.federation
        )))
    }
}

#[cfg(test)]
mod tests;
