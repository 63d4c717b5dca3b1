//! Epochs of the federation: whom deposits are paid to.
//!
//! A wallet starts from the first epoch, which `chain.json` has, and takes every next one only with the
//! signatures of the federation before it and of the federation to come. A node says which of them have
//! begun, and when; that is its word. What was learnt is kept: a node that tells of fewer epochs takes
//! none away, and deposits to any of them are looked for, for ever. What a lie can cost:
//! `docs/spec/wallet.md`.

use bitcoin::XOnlyPublicKey;
use rand_core::CryptoRngCore;
use tacit_protocol::peg::epoch::{DEPOSIT_GRACE, SHARES_KEPT};
use tacit_protocol::peg::{Epoch, Lineage, SuccessionError};
use thiserror::Error;

use crate::api::{EpochDetails, NodeApi};
use crate::wallet::{Wallet, WalletError};

/// Why a node is not believed about epochs. Nothing was changed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EpochsError {
    /// An announcement is about another epoch than the node says.
    #[error(
        "the node calls an epoch number {stated} whose announcement says {announced}; connect to another \
         node, best one of your own"
    )]
    Number {
        /// The node's word.
        stated: u32,
        /// In the announcement.
        announced: u32,
    },
    /// An announcement breaks a rule.
    #[error(
        "the node says that epoch {number} has begun, and that cannot be: {rule}; do not pay to a deposit \
         address that this node shows, connect to another one, best your own"
    )]
    Announcement {
        /// Its number.
        number: u32,
        /// The rule.
        rule: SuccessionError,
    },
}

impl Wallet {
    /// Asks a node which epochs have begun, checks and keeps them; returns the number of the one in office.
    ///
    /// # Errors
    /// [`WalletError::Epochs`] if an announcement is none, [`WalletError::Api`], [`WalletError::Store`].
    pub fn learn_epochs(
        &mut self,
        api: &dyn NodeApi,
        rng: &mut dyn CryptoRngCore,
    ) -> Result<u32, WalletError> {
        self.check_node(&api.status()?)?;
        self.follow_epochs(api)?;
        self.save(rng)?;
        Ok(self.epoch().number)
    }

    /// As [`Wallet::learn_epochs`], of a node that was checked, without saving.
    pub(crate) fn follow_epochs(&mut self, api: &dyn NodeApi) -> Result<(), WalletError> {
        let told = api.epochs()?.begun;
        self.check_epochs(&told)?;
        let known = &self.db.epochs;
        let (kept, replaced) = if told.len() < known.len() {
            (known.clone(), told)
        } else {
            (told, known.clone())
        };
        let key = |details: &EpochDetails| details.announcement.epoch.keys.federation;
        let mut seen = std::mem::take(&mut self.db.passed_over);
        seen.extend(replaced.iter().map(key));
        self.db.epochs = kept;
        let first = self.params.genesis().federation_key;
        let current: Vec<_> = self.db.epochs.iter().map(key).chain([first]).collect();
        for federation in seen {
            if !current.contains(&federation) && !self.db.passed_over.contains(&federation) {
                self.db.passed_over.push(federation);
            }
        }
        Ok(())
    }

    fn check_epochs(&self, told: &[EpochDetails]) -> Result<(), EpochsError> {
        let mut lineage = Lineage::new(self.params.chain_id(), self.params.genesis().epoch());
        for details in told {
            let (number, announced) = (details.number, &details.announcement);
            if number != announced.epoch.number {
                return Err(EpochsError::Number {
                    stated: number,
                    announced: announced.epoch.number,
                });
            }
            lineage
                .follow(announced.clone())
                .map_err(|rule| EpochsError::Announcement { number, rule })?;
        }
        Ok(())
    }

    /// The epoch in office, as far as the wallet knows: new deposits are made to it.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        let last = self.db.epochs.last();
        last.map_or_else(
            || self.params.genesis().epoch(),
            |details| details.announcement.epoch.clone(),
        )
    }

    /// All federations that deposits may have been made to.
    pub(crate) fn federations(&self) -> Vec<XOnlyPublicKey> {
        let known = self.db.epochs.iter();
        let known = known.map(|details| details.announcement.epoch.keys.federation);
        let mut all = vec![self.params.genesis().federation_key];
        for federation in known.chain(self.db.passed_over.iter().copied()) {
            if !all.contains(&federation) {
                all.push(federation);
            }
        }
        all
    }

    /// Whether nobody sweeps a deposit to this federation that confirmed at `height`: it had handed the
    /// vault over.
    pub(crate) fn is_too_late(&self, federation: XOnlyPublicKey, height: u32) -> bool {
        if self.epoch().keys.federation == federation {
            return false;
        }
        let Some((last, earlier)) = self.db.epochs.split_last() else {
            return true;
        };
        let first = self.params.genesis().federation_key;
        let before = earlier.last();
        let before = before.map_or(first, |details| details.announcement.epoch.keys.federation);
        before != federation
            || height > last.height.saturating_add(DEPOSIT_GRACE)
            || self.db.bitcoin_height > last.height.saturating_add(SHARES_KEPT)
    }
}

#[cfg(test)]
mod tests;
