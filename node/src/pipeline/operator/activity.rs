//! What anchors and the vault do and why anything waits, kept for whoever asks.

use bitcoin::Txid;
use tacit_bridge::fees::{FeeQuote, RateOrigin};
use tacit_bridge::vault::{VaultError, VaultReport, VaultSnapshot, VaultState};
use tacit_protocol::peg::{FeeRate, VaultContext};
use tacit_wallet::api::{
    AnchorActivity, BridgeStatus, EpochStatus, FederationStatus, OfficeStatus, Queued, SignerHealth,
    VaultActivity,
};

use crate::federation::coordinator::FederationSigner;

/// The last look at the anchors and at the vault.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    anchor: AnchorActivity,
    vault: VaultActivity,
    queue: Vec<Queued>,
    fee_origin: String,
    ceiling_reached: bool,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            anchor: AnchorActivity {
                state: "starting".into(),
                reason: None,
                txid: None,
            },
            vault: VaultActivity {
                state: "starting".into(),
                reason: None,
                txid: None,
                last_sent: None,
            },
            queue: Vec::new(),
            fee_origin: String::new(),
            ceiling_reached: false,
        }
    }
}

impl Activity {
    /// Enters what became of a look at the anchors.
    pub(super) fn enter_anchors(&mut self, now: AnchorActivity) {
        self.anchor = now;
    }

    /// Enters what became of a look at the vault.
    pub(super) fn enter(
        &mut self,
        quote: &FeeQuote,
        snapshot: &VaultSnapshot,
        outcome: &Result<VaultReport, VaultError>,
    ) {
        self.fee_origin = quote.to_string();
        self.ceiling_reached = matches!(quote.origin, RateOrigin::Ceiling { .. });
        let (state, txid, reason) = match outcome {
            Ok(report) => words(&report.state),
            Err(VaultError::Sign(error)) => ("unsigned", None, Some(error.to_string())),
            Err(error) => ("failing", None, Some(error.to_string())),
        };
        if let Ok(report) = outcome {
            if matches!(report.state, VaultState::Sent { .. } | VaultState::Bumped { .. }) {
                self.vault.last_sent = txid;
            }
            self.queue = queue(report, snapshot);
        }
        self.vault = VaultActivity {
            state: state.to_owned(),
            reason,
            txid,
            last_sent: self.vault.last_sent,
        };
    }

    /// The answer to whoever asks.
    pub(super) fn status(
        &self,
        rate: FeeRate,
        (office, epoch): (OfficeStatus, EpochStatus),
        federation: Option<&FederationSigner>,
    ) -> BridgeStatus {
        BridgeStatus {
            anchor: self.anchor.clone(),
            vault: self.vault.clone(),
            queue: self.queue.clone(),
            fee_rate: rate,
            fee_origin: self.fee_origin.clone(),
            fee_ceiling_reached: self.ceiling_reached,
            office,
            epoch,
            federation: federation.map(members),
        }
    }
}

fn queue(report: &VaultReport, snapshot: &VaultSnapshot) -> Vec<Queued> {
    let held = report.held.iter().filter_map(|held| {
        Some(Queued {
            index: held.index,
            amount: snapshot.withdrawal(held.index)?.amount,
            reason: held.reason.to_string(),
        })
    });
    held.collect()
}

fn words(state: &VaultState) -> (&'static str, Option<Txid>, Option<String>) {
    match state {
        VaultState::Idle => ("idle", None, None),
        VaultState::Halted(reason) => ("halted", None, Some(reason.clone())),
        VaultState::Sent { txid, .. } => ("sent", Some(*txid), None),
        VaultState::Bumped { txid, replaced } => {
            let reason = format!("{replaced} paid too little for too long");
            ("bumped", Some(*txid), Some(reason))
        }
        VaultState::Lifted { txid, child } => {
            let reason = format!("the signers refuse a replacement; {child} pays for it");
            ("lifted", Some(*txid), Some(reason))
        }
        VaultState::InMempool(txid) => ("inMempool", Some(*txid), None),
        VaultState::Resent(txid) => ("resent", Some(*txid), None),
        VaultState::Confirmed(txid) => ("confirmed", Some(*txid), None),
        VaultState::Stuck { txid, reason } => ("stuck", Some(*txid), Some(reason.clone())),
        VaultState::OutOfCoins(error) => ("outOfCoins", None, Some(error.to_string())),
    }
}

fn members(federation: &FederationSigner) -> FederationStatus {
    let (rounds, health) = (federation.rounds(), federation.health());
    let signers = federation.federation().members().iter().map(|member| {
        let known = health.get(&member.id).cloned().unwrap_or_default();
        let (state, reason) = known.condition();
        SignerHealth {
            member: member.id.number(),
            name: member.name.clone(),
            state: state.to_owned(),
            reason,
            height: known.status.as_ref().map(|status| status.height),
            signed: known.status.as_ref().map(|status| status.signed),
            refused: known.status.as_ref().map(|status| status.refused),
            excluded: known.excluded,
            last_exclusion: known.last_exclusion,
        }
    });
    FederationStatus {
        threshold: federation.federation().roster().threshold(),
        rounds_signed: rounds.signed,
        rounds_failed: rounds.failed,
        attempts: rounds.attempts,
        signers: signers.collect(),
    }
}

#[cfg(test)]
mod tests;
