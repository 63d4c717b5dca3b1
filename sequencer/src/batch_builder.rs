//! Which transfers and deposits make the next batch.
//!
//! Every rule that depends on the state is checked again here, whatever was checked when a transfer
//! came: the state has moved since. A transfer that broke a rule is dropped with its reason; one
//! that names an anchor too many waits for the next batch. Forced requests come first, in the order that
//! the chain's rule walks them. The smallest circuit that fits is taken, and the largest one while requests
//! would be left behind.

use std::collections::HashSet;

use tacit_protocol::batch::{Batch, BatchShape, DepositClaim};
use tacit_protocol::kv::{KvError, KvRead};
use tacit_protocol::ledger;
use tacit_protocol::note::Nullifier;
use tacit_protocol::params::ChainParams;
use tacit_protocol::state::State;
use tacit_protocol::transfer::{Transfer, TransferBody, TransferRule};
use tacit_protocol::tree::nullifiers;
use tacit_protocol::{Amount, F};
use tacit_verifier::Rules;
use tacit_verifier::chain::table;

use crate::deposits::Creditable;
use crate::forced::Forced;
use crate::mempool::{Entry, Mempool};
use crate::record::{DropReason, NO_PROOF, Sealed};

/// What a batch is made from.
pub(crate) struct Sources<'a> {
    pub(crate) rules: &'a Rules,
    /// The state that the batch follows.
    pub(crate) view: &'a dyn KvRead,
    /// Height of Bitcoin's last block.
    pub(crate) height: u32,
    /// The operator's `pk_d`.
    pub(crate) operator: F,
    /// The shapes there are keys for, smallest first, at least one.
    pub(crate) shapes: &'a [BatchShape],
    pub(crate) queue: &'a Mempool,
    pub(crate) deposits: &'a [Creditable],
    /// What the batch has to begin with.
    pub(crate) forced: &'a Forced,
    /// Whether an empty batch is wanted if there is nothing to put in.
    pub(crate) heartbeat: bool,
}

/// A choice.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The batch, its state commitment still to be computed; `None` if nothing can go in.
    pub(crate) sealed: Option<Sealed>,
    /// Arrival numbers of its transfers.
    pub(crate) taken: Vec<u64>,
    /// Transfers that no batch can include any more.
    pub(crate) dropped: Vec<(u64, DropReason)>,
}

/// The largest of the shapes, which are sorted: it holds the most of everything.
pub(crate) fn largest(shapes: &[BatchShape]) -> BatchShape {
    *shapes.last().expect("opening refuses a chain without batch keys")
}

/// Sums that must stay amounts as transfers are added.
struct Budget {
    /// Shielded after the deposits and the exits so far.
    supply: Amount,
    /// Fees so far.
    fees: Amount,
    /// Nullifiers so far.
    nullifiers: HashSet<Nullifier>,
}

impl Budget {
    /// Adds a transfer, or says which rule it breaks.
    fn add(&mut self, body: &TransferBody, params: &ChainParams) -> Result<(), DropReason> {
        let fee = body
            .fee_amount(params)
            .map_err(|_: TransferRule| DropReason::Invalid)?;
        let supply = self
            .supply
            .checked_sub(body.exit_amount())
            .ok_or(DropReason::Supply)?;
        let fees = self.fees.checked_add(fee).ok_or(DropReason::Supply)?;
        if let Some(nf) = body.nf.iter().find(|nf| self.nullifiers.contains(*nf)) {
            return Err(DropReason::Spent(*nf));
        }
        self.nullifiers.extend(body.nf);
        (self.supply, self.fees) = (supply, fees);
        Ok(())
    }
}

/// Transfers chosen so far.
#[derive(Default)]
struct Chosen {
    transfers: Vec<Transfer>,
    targets: Vec<u32>,
    anchors: Vec<u32>,
}

impl Chosen {
    fn push(&mut self, transfer: &Transfer, target: u32) {
        if !self.anchors.contains(&transfer.anchor) {
            self.anchors.push(transfer.anchor);
        }
        self.transfers.push(transfer.clone());
        self.targets.push(target);
    }
}

/// Chooses the next batch after `tip`.
///
/// # Errors
/// [`KvError`] if the view fails.
pub(crate) fn draft(sources: &Sources<'_>, tip: &State) -> Result<Draft, KvError> {
    let number = tip.batch + 1;
    let (largest, params) = (largest(sources.shapes), sources.rules.params());
    let mut draft = Draft::default();
    let (deposits, supply) = choose_deposits(sources, tip.supply, largest)?;
    let mut budget = Budget {
        supply,
        fees: Amount::ZERO,
        nullifiers: HashSet::new(),
    };
    let mut chosen = Chosen::default();
    for forced in &sources.forced.transfers {
        // The walk that found them has judged each of them after those before it.
        if budget.add(&forced.transfer.body, params).is_err() {
            break;
        }
        let waiting = sources.queue.seq_of(&forced.id);
        let promised = waiting.and_then(|seq| sources.queue.at(seq));
        chosen.push(&forced.transfer, promised.map_or(number, |entry| entry.target));
        draft.taken.extend(waiting);
    }
    let early: HashSet<u64> = draft.taken.iter().copied().collect();
    for (seq, entry) in sources.queue.iter().filter(|(seq, _)| !early.contains(seq)) {
        if chosen.transfers.len() == largest.slots() {
            break;
        }
        let transfer = entry.verified.transfer();
        let no_room = !chosen.anchors.contains(&transfer.anchor) && chosen.anchors.len() == largest.anchors();
        let verdict = match recheck(sources, entry, number)? {
            Ok(()) if no_room => continue,
            Ok(()) => budget.add(&transfer.body, params),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = verdict {
            draft.dropped.push((seq, reason));
            continue;
        }
        chosen.push(transfer, entry.target);
        draft.taken.push(seq);
    }
    let Chosen {
        transfers,
        targets,
        mut anchors,
    } = chosen;
    if transfers.is_empty() && deposits.is_empty() && !sources.heartbeat {
        return Ok(draft);
    }
    if anchors.is_empty() {
        anchors.push(tip.batch);
    }
    let shape = choose_shape(sources, transfers.len(), deposits.len(), anchors.len())?;
    let operator = (table::operator(sources.view)? != Some(sources.operator)).then_some(sources.operator);
    let anchors = Batch::pad_anchors(shape, &anchors).expect("the shape fits");
    let state = tip.commitment();
    let batch = Batch {
        shape,
        operator,
        state,
        proof: NO_PROOF,
        anchors,
        transfers,
        deposits,
    };
    draft.sealed = Some(Sealed {
        height: sources.height,
        batch,
        targets,
    });
    Ok(draft)
}

/// The smallest shape with room for so much that leaves no request behind which a larger one would take;
/// else the largest.
fn choose_shape(
    sources: &Sources<'_>,
    transfers: usize,
    deposits: usize,
    anchors: usize,
) -> Result<BatchShape, KvError> {
    let largest = largest(sources.shapes);
    for &shape in sources.shapes {
        let fits = transfers <= shape.slots() && deposits <= shape.deposits() && anchors <= shape.anchors();
        let Sources {
            rules, view, height, ..
        } = *sources;
        if fits && shape != largest && !sources.forced.overflow(rules, view, height, shape)? {
            return Ok(shape);
        }
    }
    Ok(largest)
}

/// The deposits of the next batch, forced claims first, and what is shielded with them.
fn choose_deposits(
    sources: &Sources<'_>,
    mut supply: Amount,
    largest: BatchShape,
) -> Result<(Vec<DepositClaim>, Amount), KvError> {
    let mut chosen: Vec<DepositClaim> = Vec::new();
    let mut add = |claim: &DepositClaim, amount: Amount| {
        let known = chosen.iter().any(|other| other.sweep == claim.sweep);
        if known || chosen.len() == largest.deposits() {
            return;
        }
        if let Some(sum) = supply.checked_add(amount) {
            supply = sum;
            chosen.push(claim.clone());
        }
    };
    for forced in &sources.forced.claims {
        let swept = table::swept(sources.view, forced.claim.sweep)?
            .ok_or_else(|| KvError::corrupt(b"D", "a claimed deposit is missing"))?;
        add(&forced.claim, swept.credit);
    }
    for deposit in sources.deposits {
        add(&deposit.claim, deposit.amount);
    }
    Ok((chosen, supply))
}

/// The rules that depend on the state, for a transfer in batch `number`.
fn recheck(sources: &Sources<'_>, entry: &Entry, number: u32) -> Result<Result<(), DropReason>, KvError> {
    let transfer = entry.verified.transfer();
    let body = &transfer.body;
    if body.expiry < number {
        return Ok(Err(DropReason::Expired { expiry: body.expiry }));
    }
    for nf in &body.nf {
        if nullifiers::contains(sources.view, nf)? {
            return Ok(Err(DropReason::Spent(*nf)));
        }
    }
    let state = ledger::state(sources.view, transfer.anchor)?;
    if state.map(|state| state.notes_root) != Some(entry.verified.anchor_root()) {
        return Ok(Err(DropReason::AnchorReplaced(transfer.anchor)));
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests;
