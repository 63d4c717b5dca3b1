//! Requests in a transaction: those that can be honoured enter a queue, others are ignored.
//!
//! Everything that cannot change any more is judged here, once, at the block that holds the request: a
//! recorded state keeps its number and its root, so a transfer's proof verifies now or never, and the
//! terms of a deposit match now or never. Only what a later batch can change is left to the
//! [walk](crate::batch::due). Cheap rules come first and the proof last.
//!
//! A queue must cost something to fill: a transfer that could stand there without a note of its own, because
//! it pays no fee or because its notes wait there already, is ignored, and so is a second claim of a deposit.
//!
//! A raise of a fee limit waits in no queue, for no batch has to do anything about it: [`limits`] has it.

use tacit_protocol::Amount;
use tacit_protocol::batch::DepositClaim;
use tacit_protocol::kv::{KvError, KvRead, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::peg::forced::requests;
use tacit_protocol::peg::{ForcedClaim, ForcedRequest, TxInput};
use tacit_protocol::transfer::{Transfer, TransferId};
use tacit_protocol::tree::nullifiers;

use super::forced::{Position, QueuedClaim, QueuedTransfer};
use super::{handover, limits, table};
use crate::rules::Rules;
use crate::transfer::verify_transfer;

/// Queues or applies the requests of a transaction, number `index` of the block at `height`.
pub(super) fn connect(
    kv: &mut Overlay<'_>,
    rules: &Rules,
    height: u32,
    index: u32,
    tx: &TxInput,
) -> Result<(), KvError> {
    for (input, request) in requests(tx) {
        let position = Position {
            height,
            tx: index,
            input,
        };
        let txid = tx.txid();
        match request {
            ForcedRequest::Transfer(transfer) => {
                if let Some(id) = transfer_id(kv, rules, &transfer)? {
                    let transfer = *transfer;
                    let queued = QueuedTransfer { txid, id, transfer };
                    table::put_forced_transfer(kv, position, &queued)?;
                }
            }
            ForcedRequest::Raise(raise) => limits::connect(kv, rules.params(), &raise, height)?,
            ForcedRequest::Claim(claim) => {
                if let Some(claim) = deposit_claim(kv, rules, &claim, height)? {
                    table::put_forced_claim(kv, position, &QueuedClaim { txid, claim })?;
                }
            }
        }
    }
    Ok(())
}

/// The identifier of a transfer that a batch could include now; `None` if it breaks a rule.
fn transfer_id(kv: &dyn KvRead, rules: &Rules, transfer: &Transfer) -> Result<Option<TransferId>, KvError> {
    let fee = transfer.body.fee_amount(rules.params());
    if transfer.body.check(rules.params()).is_err() || fee.is_ok_and(|fee| fee == Amount::ZERO) {
        return Ok(None);
    }
    let Some(anchor) = ledger::state(kv, transfer.anchor)? else {
        return Ok(None);
    };
    for nf in &transfer.body.nf {
        if table::is_note_queued(kv, nf)? || nullifiers::contains(kv, nf)? {
            return Ok(None);
        }
    }
    let verified = verify_transfer(rules, transfer.clone(), anchor.notes_root);
    Ok(verified.ok().map(|verified| verified.id()))
}

/// The claim as a batch could make it now; `None` if it breaks a rule.
fn deposit_claim(
    kv: &dyn KvRead,
    rules: &Rules,
    claim: &ForcedClaim,
    height: u32,
) -> Result<Option<DepositClaim>, KvError> {
    let Some(sweep) = table::sweep_of(kv, &claim.outpoint)? else {
        return Ok(None);
    };
    let swept = table::swept(kv, sweep)?
        .ok_or_else(|| KvError::corrupt(b"D", format!("sweep {sweep} is missing")))?;
    let genesis = rules.params().genesis();
    let ForcedClaim { inner, refund, .. } = claim.clone();
    // The terms are the dear part and come last.
    let creditable = !table::is_claim_queued(kv, sweep)?
        && !swept.after_fault
        && swept.credited.is_none()
        && genesis.is_deep(swept.height, height)
        && handover::deposit_matches(kv, rules.params(), &swept, (inner, refund))?;
    Ok(creditable.then_some(DepositClaim { sweep, inner, refund }))
}
