//! Whose anchors the chain takes: this sequencer's, or another's.
//!
//! A sequencer whose key is not the one in the anchor tip's record follows and takes nothing. With `take_over`
//! it waits for the anchor chain to fail, and then has the federation begin a new one with its own key.
//! Specification: `docs/spec/handover.md`.

use std::sync::Arc;

use anyhow::ensure;
use bitcoin::XOnlyPublicKey;
use tacit_bridge::signer::VaultSigner;
use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::params::Genesis;
use tacit_protocol::peg::vault::Handover;
use tacit_verifier::chain::handover::{self, AnchorHead, ResetReason, reset_reason};
use tacit_verifier::chain::table;
use tacit_wallet::api::{ApiError, OfficeStatus};

use super::Operator;
use crate::config::SequencerConfig;
use crate::federation::coordinator::FederationSigner;

/// Refuses a key that is not in office, unless it is to take over.
pub(super) fn check_key(
    own: &SequencerConfig,
    key: XOnlyPublicKey,
    store: &dyn KvRead,
    genesis: &Genesis,
) -> anyhow::Result<()> {
    let head = table::anchor_head(store)?;
    let in_office = head.map_or(genesis.anchor_key, |head| head.sequencer);
    ensure!(
        key == in_office || own.take_over,
        "{} holds the anchor key {key}, and the sequencer in office has {in_office}; use its key, or set \
         `take_over = true` if this one shall take its place once the chain of anchors has failed",
        own.anchor_key_file.display()
    );
    Ok(())
}

impl Operator {
    /// The tip of the anchor chain.
    pub(super) fn anchor_head(&self) -> Result<AnchorHead, KvError> {
        let head = table::anchor_head(&*self.store)?;
        head.ok_or_else(|| KvError::corrupt(b"P", "the anchor tip is missing"))
    }

    /// Whether the next anchor is this sequencer's to write.
    pub(super) fn is_in_office(&self) -> Result<bool, KvError> {
        let head = self.anchor_head()?;
        Ok(head.sequencer == self.anchor_key.public_key() && !head.lost)
    }

    /// Why the anchor chain could begin anew in the next block, if it could.
    fn reset_reason(&self) -> Result<Option<ResetReason>, KvError> {
        let height = table::cursor(&*self.store)?.map_or(0, |cursor| cursor.height);
        reset_reason(&*self.store, &self.rules, height)
    }

    /// Whether this sequencer is to begin the anchor chain anew now.
    pub(super) fn may_take_over(&self) -> Result<bool, KvError> {
        Ok(self.take_over && !self.is_in_office()? && self.reset_reason()?.is_some())
    }

    /// The federation in office, if this sequencer coordinates it.
    pub(super) fn incumbent(&self) -> Option<Arc<FederationSigner>> {
        let current = handover::epoch(&*self.store).ok()?.keys.federation;
        let mut federations = self.federations().iter();
        let found = federations.find(|federation| federation.keys().contains(&current));
        // Until the chain was followed that far the first one is shown.
        found.or(self.federations().first()).map(Arc::clone)
    }

    /// What the vault is to hand over as soon as the chain allows it.
    pub(super) fn wanted_handover(&self) -> Result<Option<Handover>, KvError> {
        if self.take_over && !self.is_in_office()? {
            return Ok(Some(Handover::Anchor(self.anchor_key.public_key())));
        }
        Ok(self.epoch_to_come()?.map(Handover::Vault))
    }

    /// Refuses whoever wants a promise from a sequencer that cannot keep it.
    pub(in crate::pipeline) fn require_office(&self) -> Result<(), ApiError> {
        match self.is_in_office() {
            Ok(true) => Ok(()),
            Ok(false) => Err(ApiError::Halted {
                reason:
                    "this sequencer is not in office: the anchor chain takes another one's batches, or has \
                         failed; ask the one in office"
                        .into(),
            }),
            Err(error) => Err(crate::service::storage(&error)),
        }
    }

    /// Whose anchors the chain takes, for operators.
    pub(super) fn office(&self) -> OfficeStatus {
        let failed = |error: &KvError| Some(format!("the state cannot be read: {error}"));
        match (self.anchor_head(), self.reset_reason()) {
            (Ok(head), Ok(reason)) => OfficeStatus {
                sequencer: Some(head.sequencer.to_string()),
                in_office: head.sequencer == self.anchor_key.public_key() && !head.lost,
                takes_over: self.take_over,
                reset: reason.map(|reason| reason.to_string()),
            },
            (Err(error), _) | (_, Err(error)) => OfficeStatus {
                sequencer: None,
                in_office: false,
                takes_over: self.take_over,
                reset: failed(&error),
            },
        }
    }
}
