//! The rollup's state as far as the vault needs it, at one block.
//!
//! A [`VaultSnapshot`] is a plain value taken under one lock, so that selection, checks and
//! signatures look at the same state. Whoever follows the chain provides it as a [`VaultView`].

use bitcoin::{Script, ScriptBuf, XOnlyPublicKey};
use tacit_protocol::peg::vault::{DepositCoin, Handover, HandoverPlan, VaultKeys};
use tacit_protocol::peg::{AnchorKeys, EpochHash, VaultContext, VaultTip, WithdrawalView};
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

/// What may be handed over at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handovers {
    /// Epochs announced as the next one, deep enough to be acted on: hash and the vault's script.
    pub announced: Vec<(EpochHash, ScriptBuf)>,
    /// Why the anchor chain may begin anew, if it may.
    pub reset: Option<String>,
    /// The timelock in the script of anchors.
    pub takeover_timelock: u16,
    /// Keys of federations before, whose deposits may still be swept.
    pub former: Vec<XOnlyPublicKey>,
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
    handovers: Handovers,
    wanted: Option<Handover>,
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
            handovers: Handovers::default(),
            wanted: None,
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

    /// The same state in which the operator wants this handed over as soon as that is possible.
    #[must_use]
    pub fn wanting(mut self, handover: Option<Handover>) -> Self {
        self.wanted = handover;
        self
    }

    /// What the operator wants handed over, if it is possible by now.
    #[must_use]
    pub fn wanted(&self) -> Option<Handover> {
        self.wanted.filter(|handover| self.allows(handover))
    }

    /// Whether the chain allows this handover by now.
    #[must_use]
    pub fn allows(&self, handover: &Handover) -> bool {
        match handover {
            Handover::Vault(epoch) => self.successor_script(epoch).is_some(),
            Handover::Anchor(_) => self.handovers.reset.is_some(),
        }
    }

    /// A handover with the script it goes to, if that is known.
    #[must_use]
    pub fn handover_plan(&self, handover: Handover) -> Option<HandoverPlan> {
        let script_pubkey = match handover {
            Handover::Vault(epoch) => self.successor_script(&epoch)?,
            Handover::Anchor(sequencer) => self.anchor_script(&sequencer),
        };
        Some(HandoverPlan {
            handover,
            script_pubkey,
        })
    }

    /// The same state in which this may be handed over.
    #[must_use]
    pub fn with_handovers(mut self, handovers: Handovers) -> Self {
        self.handovers = handovers;
        self
    }

    /// What may be handed over.
    #[must_use]
    pub fn handovers(&self) -> &Handovers {
        &self.handovers
    }

    /// Whether the vault should be moved although there is nothing to sweep or pay.
    #[must_use]
    pub fn refresh_due(&self) -> bool {
        self.refresh_due
    }

    /// Whether deposits under this key may be swept: it is the vault's, or of a federation that hands over.
    #[must_use]
    pub fn sweeps(&self, key: &XOnlyPublicKey) -> bool {
        *key == self.vault.federation || self.handovers.former.contains(key)
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

    fn successor_script(&self, epoch: &EpochHash) -> Option<ScriptBuf> {
        let mut announced = self.handovers.announced.iter();
        let found = announced.find(|(hash, _)| hash == epoch);
        found.map(|(_, script)| script.clone())
    }

    fn anchor_script(&self, sequencer: &XOnlyPublicKey) -> ScriptBuf {
        let keys = AnchorKeys {
            anchor: *sequencer,
            federation: self.vault.federation,
            takeover_timelock: self.handovers.takeover_timelock,
        };
        keys.script_pubkey()
    }

    fn withdrawal(&self, index: u64) -> Option<WithdrawalView> {
        let found = self
            .withdrawals
            .binary_search_by_key(&index, |(index, _)| *index)
            .ok()?;
        Some(self.withdrawals[found].1.clone())
    }
}
