//! Forced requests, as the next batch has to begin with them.
//!
//! A batch is sealed some blocks before it is on Bitcoin, and by then more requests may be due. So a
//! request is taken when half of the window has passed: what a batch must begin with is then a beginning
//! of what it does begin with, unless it waits for the other half as well. For that case
//! `Pending::first_left_out` finds the batch, and it is made again. A request costs its author Bitcoin's
//! fees, so it is taken whatever the policy says.
//!
//! A batch that leaves requests behind for want of room has to be of the largest shape, so it is one as
//! soon as it would leave behind any of those that are honoured early. A walk that is full stays full
//! when more is due and looked at, so a smaller batch that was not full is right on every tip from before
//! the other half of the window has passed. Specification: `docs/spec/sequencer.md`.

use tacit_protocol::batch::BatchShape;
use tacit_protocol::kv::{KvError, KvRead};
use tacit_verifier::Rules;
use tacit_verifier::batch::due::{Step, Walk, walk};
use tacit_verifier::chain::forced::{Fate, QueuedClaim, QueuedTransfer};

/// Requests that the next batch begins with.
#[derive(Debug, Default)]
pub(crate) struct Forced {
    pub(crate) transfers: Vec<QueuedTransfer>,
    pub(crate) claims: Vec<QueuedClaim>,
}

impl Forced {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.transfers.is_empty() && self.claims.is_empty()
    }

    /// The requests for a batch of `shape` on `view` when Bitcoin's last block has `height`. It looks behind
    /// as many void ones as there are: followers look at so many only, and what is further is free.
    ///
    /// # Errors
    /// [`KvError`] if the view fails.
    pub(crate) fn find(
        rules: &Rules,
        view: &dyn KvRead,
        height: u32,
        shape: BatchShape,
    ) -> Result<Self, KvError> {
        let walk = early_walk(rules, view, height, shape)?;
        Ok(Self {
            transfers: honoured(walk.transfers),
            claims: honoured(walk.claims),
        })
    }

    /// Whether a batch of `shape` on `view` would leave some requests to the next for want of room.
    ///
    /// # Errors
    /// [`KvError`] if the view fails.
    pub(crate) fn overflow(
        &self,
        rules: &Rules,
        view: &dyn KvRead,
        height: u32,
        shape: BatchShape,
    ) -> Result<bool, KvError> {
        Ok(!self.is_empty() && early_walk(rules, view, height, shape)?.full.is_some())
    }
}

/// What is due at half of the window, however many void ones stand before it.
fn early_walk(rules: &Rules, view: &dyn KvRead, height: u32, shape: BatchShape) -> Result<Walk, KvError> {
    let window = u32::from(rules.params().genesis().forced_window);
    let until = (height + 1).checked_sub(window.div_ceil(2));
    walk(rules, view, shape, until, usize::MAX)
}

fn honoured<T>(steps: Vec<Step<T>>) -> Vec<T> {
    let kept = steps.into_iter().filter(|step| step.fate == Fate::Honoured);
    kept.map(|step| step.request).collect()
}
