//! One look at the vault: what is swept, paid or handed over, and what is said about it.
//!
//! Specification: `docs/spec/bitcoin.md`.

use std::sync::PoisonError;

use anyhow::anyhow;
use tacit_bridge::coins::CoinBook;
use tacit_bridge::fees::FeeQuote;
use tacit_bridge::vault::{VaultError, VaultRates, VaultState, VaultView};

use super::Operator;

impl Operator {
    pub(super) fn tend_vault(&self, quote: &FeeQuote, coins: &mut CoinBook) -> anyhow::Result<()> {
        let snapshot = self.view.snapshot()?.wanting(self.wanted_handover()?);
        let outcome = self.vault.tend(&snapshot, VaultRates::at(quote.rate), coins);
        self.activity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .enter(quote, &snapshot, &outcome);
        let report = match outcome {
            Ok(report) => report,
            Err(VaultError::Sign(error)) => return Err(anyhow!("the signer refuses: {error}")),
            Err(error) => return Err(error.into()),
        };
        match &report.state {
            VaultState::Sent {
                txid,
                deposits: 0,
                withdrawals: 0,
                ..
            } => {
                tracing::warn!(%txid, "the vault rested for half of its recovery timelock; refreshing it");
            }
            VaultState::Sent {
                txid,
                deposits,
                withdrawals,
                fee,
            } => {
                tracing::info!(%txid, deposits, withdrawals, fee, "vault transaction sent");
            }
            VaultState::OutOfCoins(error) => {
                tracing::warn!(%error, "the operator's coins do not pay for the vault transaction");
            }
            VaultState::Halted(reason) => tracing::error!(reason, "the vault is halted"),
            VaultState::Stuck { txid, reason } => tracing::warn!(%txid, reason, "vault transaction stuck"),
            VaultState::Bumped { txid, replaced } => {
                tracing::info!(%txid, %replaced, "vault transaction replaced by one that pays more");
            }
            VaultState::Lifted { txid, child } => {
                tracing::info!(%txid, %child, "the signers refuse a replacement; a child pays for the vault transaction");
            }
            VaultState::Idle
            | VaultState::InMempool(_)
            | VaultState::Resent(_)
            | VaultState::Confirmed(_) => {}
        }
        for held in &report.held {
            tracing::debug!(?held, "withdrawal held");
        }
        Ok(())
    }
}
