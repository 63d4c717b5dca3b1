//! The vault's rules, as far as a transaction that moves it by a leaf can be judged by itself.
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::{Script, ScriptBuf, XOnlyPublicKey};
use tacit_protocol::peg::vault::Handover;
use tacit_protocol::peg::{Announcement, EpochHash, Lineage, VaultContext, VaultTip, WithdrawalView};

/// The vault as the transaction itself shows it: without withdrawals, so none can be paid.
pub(super) struct Alone {
    tip: VaultTip,
    script: ScriptBuf,
    /// The epoch that it may be handed over to.
    next: Option<(EpochHash, ScriptBuf)>,
}

impl VaultContext for Alone {
    fn tip(&self) -> VaultTip {
        self.tip
    }

    fn vault_script(&self) -> &Script {
        &self.script
    }

    fn successor_script(&self, hash: &EpochHash) -> Option<ScriptBuf> {
        let next = self.next.as_ref().filter(|(known, _)| known == hash);
        next.map(|(_, script)| script.clone())
    }

    fn anchor_script(&self, _: &XOnlyPublicKey) -> ScriptBuf {
        ScriptBuf::new()
    }

    fn withdrawal(&self, _: u64) -> Option<WithdrawalView> {
        None
    }
}

impl Alone {
    /// The vault of the last epoch of `lineage`, at `tip`, which may be handed over to `next`.
    pub(super) fn new(tip: VaultTip, lineage: &Lineage, next: Option<&Announcement>) -> Self {
        let next = next.map(|next| &next.epoch);
        Self {
            tip,
            script: lineage.last().keys.script_pubkey(),
            next: next.map(|epoch| (lineage.hash(epoch), epoch.keys.script_pubkey())),
        }
    }

    /// What it has to hand over.
    pub(super) fn handover(&self) -> Option<Handover> {
        let next = self.next.as_ref();
        next.map(|(hash, _)| Handover::Vault(*hash))
    }
}
