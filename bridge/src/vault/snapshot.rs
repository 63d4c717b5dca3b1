//! The rollup's state as far as the vault needs it, at one block.
//!
//! A [`VaultSnapshot`] is a plain value taken under one lock, so that selection, checks and
//! signatures look at the same state. Whoever follows the chain provides it as a [`VaultView`].

use bitcoin::{Script, ScriptBuf, XOnlyPublicKey};
use tacit_protocol::peg::vault::{DepositCoin, VaultKeys};
use tacit_protocol::peg::{VaultContext, VaultTip, WithdrawalView};
use thiserror::Error;

/// Why the state cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the rollup's state cannot be read: {0}")]
pub struct ViewError(
    /// The cause, in the words of whoever holds the state.
    pub String,
);

/// The rollup's state, as whoever follows the chain sees it.
pub trait VaultView: Send + Sync {
    /// The state now.
    ///
    /// # Errors
    /// [`ViewError`].
    fn snapshot(&self) -> Result<VaultSnapshot, ViewError>;
}

/// What the vault's operator and its signers have to know, as of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultSnapshot {
    height: u32,
    tip: VaultTip,
    vault: VaultKeys,
    script: ScriptBuf,
    deposits: Vec<DepositCoin>,
    withdrawals: Vec<(u64, WithdrawalView)>,
    halted: Option<String>,
    refresh_due: bool,
    /// Keys of federations before, whose deposits may still be swept.
    former: Vec<XOnlyPublicKey>,
}

impl VaultSnapshot {
    /// The state at `height`: the vault's confirmed tip and its keys, registered deposits that may
    /// be swept, and withdrawals that are not paid.
    #[must_use]
    pub fn new(
        height: u32,
        tip: VaultTip,
        vault: VaultKeys,
        deposits: Vec<DepositCoin>,
        mut withdrawals: Vec<(u64, WithdrawalView)>,
    ) -> Self {
        withdrawals.sort_by_key(|(index, _)| *index);
        let script = vault.script_pubkey();
        Self {
            height,
            tip,
            vault,
            script,
            deposits,
            withdrawals,
            halted: None,
            refresh_due: false,
            former: Vec::new(),
        }
    }

    /// The same state in which nothing may be signed or sent, for this reason.
    #[must_use]
    pub fn halt(mut self, reason: impl Into<String>) -> Self {
        self.halted = Some(reason.into());
        self
    }

    /// The same state in which the vault has rested for so long that it should be moved to itself.
    #[must_use]
    pub fn due_for_refresh(mut self) -> Self {
        self.refresh_due = true;
        self
    }

    /// Whether the vault should be moved although there is nothing to sweep or pay.
    #[must_use]
    pub fn refresh_due(&self) -> bool {
        self.refresh_due
    }

    /// The same state in which federations before hand over: deposits under their keys may still be swept.
    #[must_use]
    pub fn handing_over(mut self, former: Vec<XOnlyPublicKey>) -> Self {
        self.former = former;
        self
    }

    /// Whether deposits under this key may be swept: it is the vault's, or of a federation that hands over.
    #[must_use]
    pub fn sweeps(&self, key: &XOnlyPublicKey) -> bool {
        *key == self.vault.federation || self.former.contains(key)
    }

    /// Height of the block.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The federation's key.
    #[must_use]
    pub fn federation(&self) -> XOnlyPublicKey {
        self.vault.federation
    }

    /// The keys of the vault's script.
    #[must_use]
    pub fn vault(&self) -> &VaultKeys {
        &self.vault
    }

    /// Deposits that may be swept: registered, deep, not near their refund.
    #[must_use]
    pub fn deposits(&self) -> &[DepositCoin] {
        &self.deposits
    }

    /// Withdrawals that are not paid, ascending by index.
    #[must_use]
    pub fn withdrawals(&self) -> &[(u64, WithdrawalView)] {
        &self.withdrawals
    }

    /// Why nothing may be done, if so.
    #[must_use]
    pub fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }
}

impl VaultContext for VaultSnapshot {
    fn tip(&self) -> VaultTip {
        self.tip
    }

    fn vault_script(&self) -> &Script {
        &self.script
    }

    fn withdrawal(&self, index: u64) -> Option<WithdrawalView> {
        let found = self
            .withdrawals
            .binary_search_by_key(&index, |(index, _)| *index)
            .ok()?;
        Some(self.withdrawals[found].1.clone())
    }
}
