//! One look at the anchors: what is published, and what is said about it.
//!
//! Specification: `docs/spec/bitcoin.md`.

use std::sync::PoisonError;

use anyhow::anyhow;
use tacit_bridge::coins::CoinBook;
use tacit_bridge::publisher::{AnchorReport, AnchorState, PublishError};
use tacit_protocol::encoding::Encode;
use tacit_protocol::envelope::MAX_PAYLOAD;
use tacit_protocol::peg::anchor::AnchorPlanError;
use tacit_protocol::peg::{AnchorStep, AnchorTip, FeeRate};
use tacit_wallet::api::AnchorActivity;

use super::Operator;

/// What a look found.
#[derive(Clone, Debug)]
pub(super) enum Look {
    /// The next anchor is another sequencer's to write.
    OutOfOffice,
    /// There is nothing to anchor.
    Idle,
    /// So many batches are sealed, and the next one has no proof yet.
    Proving(usize),
    /// An anchor that is on its way, was just sent, or is not deep yet.
    Anchor(AnchorReport),
}

impl Look {
    /// What is worth telling, of what is in flight and of what comes next: what is in no block first.
    fn of(mut reports: Vec<AnchorReport>, next: Self) -> Self {
        reports.retain(|report| report.state != AnchorState::Buried);
        let unsettled = |report: &AnchorReport| !matches!(report.state, AnchorState::Confirmed(_));
        match (reports.iter().rposition(unsettled), next) {
            (Some(at), _) => Self::Anchor(reports.swap_remove(at)),
            (None, Self::Idle) => reports.pop().map_or(Self::Idle, Self::Anchor),
            (None, next) => next,
        }
    }

    /// The word for it, why, and which transaction.
    pub(super) fn activity(&self) -> AnchorActivity {
        let (state, txid, reason) = match self {
            Self::OutOfOffice => ("outOfOffice", None, None),
            Self::Idle => ("idle", None, None),
            Self::Proving(batches) => {
                let reason = format!("the first of {batches} sealed batches is being proven");
                ("proving", None, Some(reason))
            }
            Self::Anchor(report) => {
                let reason = report.state.to_string();
                (word(&report.state), Some(report.reveal), Some(reason))
            }
        };
        AnchorActivity {
            state: state.to_owned(),
            reason,
            txid,
        }
    }
}

fn word(state: &AnchorState) -> &'static str {
    match state {
        AnchorState::InMempool => "inMempool",
        AnchorState::Sent => "sent",
        AnchorState::Bumped => "bumped",
        AnchorState::Replanned => "replanned",
        AnchorState::Confirmed(_) | AnchorState::Buried => "confirmed",
        AnchorState::Contested(_) => "contested",
        AnchorState::Beaten(_) => "beaten",
        AnchorState::Stuck(_) => "stuck",
    }
}

/// Whether a look failed because the operator's coins do not pay.
pub(super) fn is_out_of_coins(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref();
    matches!(error, Some(PublishError::Plan(AnchorPlanError::Coins(_))))
}

/// The words for a look that failed.
pub(super) fn failure(error: &anyhow::Error) -> AnchorActivity {
    let state = if is_out_of_coins(error) {
        "outOfCoins"
    } else {
        "failing"
    };
    AnchorActivity {
        state: state.to_owned(),
        reason: Some(format!("{error:#}")),
        txid: None,
    }
}

impl Operator {
    pub(super) fn tend_anchors(
        &self,
        height: u32,
        rate: FeeRate,
        coins: &mut CoinBook,
    ) -> anyhow::Result<()> {
        let outcome = self.look_at_anchors(height, rate, coins);
        let now = outcome.as_ref().map_or_else(failure, Look::activity);
        self.activity
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .enter_anchors(now);
        outcome.map(drop)
    }

    fn look_at_anchors(&self, height: u32, rate: FeeRate, coins: &mut CoinBook) -> anyhow::Result<Look> {
        let head = self.anchor_head()?;
        let timelock = self.rules.params().genesis().takeover_timelock;
        let keys = AnchorStep {
            own: head.own_keys(timelock),
            next: head.next_keys(timelock),
        };
        let tip = AnchorTip {
            outpoint: head.tip.outpoint,
            txout: head.tip.txout,
        };
        let reports = self.publisher.tend(tip.outpoint, height, rate, coins)?;
        for report in &reports {
            tracing::debug!(commit = %report.commit, reveal = %report.reveal, state = %report.state, "anchor");
        }
        if !self.is_in_office()? {
            return Ok(Look::OutOfOffice);
        }
        if self.publisher.payload_in_flight(&tip.outpoint)?.is_some() {
            return Ok(Look::of(reports, Look::Idle));
        }
        let (payload, sealed) = {
            let sequencer = self.sequencer();
            (
                sequencer.anchorable(MAX_PAYLOAD)?,
                sequencer.pending().batches().len(),
            )
        };
        let Some(payload) = payload else {
            let next = if sealed == 0 {
                Look::Idle
            } else {
                Look::Proving(sealed)
            };
            return Ok(Look::of(reports, next));
        };
        match self
            .publisher
            .publish(&tip, &keys, &payload.encode(), height, rate, coins)
        {
            Ok(report) => {
                let batches = payload.batches().len();
                tracing::info!(batches, commit = %report.commit, reveal = %report.reveal, state = %report.state, "anchoring");
                Ok(Look::Anchor(report))
            }
            Err(PublishError::ForeignTip(tip)) => {
                Err(anyhow!("the anchor chain left this sequencer's key at {tip}"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
