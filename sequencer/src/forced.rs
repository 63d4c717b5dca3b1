//! Forced requests, as the next batch has to begin with them.
//!
//! A batch is sealed some blocks before it is on Bitcoin, and by then more requests may be due. So a
//! request is taken when half of the window has passed: what a batch must begin with is then a beginning
//! of what it does begin with, unless it waits for the other half as well. For that case
//! `Pending::first_left_out` finds the batch, and it is made again. A request costs its author Bitcoin's
//! fees, so it is taken whatever the policy says. Specification: `docs/spec/sequencer.md`.

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
        let window = u32::from(rules.params().genesis().forced_window);
        let until = (height + 1).checked_sub(window.div_ceil(2));
        let Walk { transfers, claims } = walk(rules, view, shape, until, usize::MAX)?;
        Ok(Self {
            transfers: honoured(transfers),
            claims: honoured(claims),
        })
    }
}

fn honoured<T>(steps: Vec<Step<T>>) -> Vec<T> {
    let kept = steps.into_iter().filter(|step| step.fate == Fate::Honoured);
    kept.map(|step| step.request).collect()
}
