//! The rule that no sequencer can keep anybody out: each batch walks through the requests that are due.
//!
//! A request is due for an anchor if it was posted at least `forced_window` blocks before the block of
//! the anchor tip that this anchor spends. The tip is fixed when the batch is built, so a batch built on
//! a confirmed tip stays valid however late it is mined. [`walk`] goes through the due requests in order.
//! One that cannot be honoured any more is dropped for good; any other takes the batch's next slot, or
//! its next deposit. A queue stops when half of the slots, half of the anchors or all deposits of the
//! batch's shape are used up, or after [`LOOK`] requests. A batch that does not begin with what the walk
//! took is invalid, and so is one of a smaller shape than the largest whose room was used up while more
//! stood in a queue. The shorter window's walk is a beginning of the longer one's, so a sequencer may
//! honour requests before they are due. Specification: `docs/spec/batch.md`.

use std::collections::HashSet;
use std::fmt;

use tacit_protocol::Amount;
use tacit_protocol::batch::{Batch, BatchShape};
use tacit_protocol::kv::{KvError, KvRead, Overlay};
use tacit_protocol::ledger;
use tacit_protocol::note::Nullifier;
use tacit_protocol::params::ChainParams;
use tacit_protocol::transfer::{TransferId, TransferRule};
use tacit_protocol::tree::nullifiers;

use super::BatchError;
use crate::chain::forced::{Fate, Position, QueuedClaim, QueuedTransfer, Settled, Void};
use crate::chain::table;
use crate::rules::Rules;

/// Requests of each queue that one batch looks at: bounds what a flood of void ones costs.
pub const LOOK: usize = 1_024;
/// Rows read at a time.
const PAGE: usize = 64;

/// Which of the two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Forced transfers.
    Transfers,
    /// Forced claims of deposits.
    Claims,
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transfers => "transfer",
            Self::Claims => "deposit",
        })
    }
}

/// A request that a walk has dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T> {
    /// Its place.
    pub position: Position,
    /// The request.
    pub request: T,
    /// What becomes of it.
    pub fate: Fate,
}

/// What a batch has to do with the due requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Forced transfers, in order.
    pub transfers: Vec<Step<QueuedTransfer>>,
    /// Forced claims, in order.
    pub claims: Vec<Step<QueuedClaim>>,
    /// A queue in which another request stood when the shape's slots, anchors or deposits were used up.
    pub full: Option<Queue>,
}

/// Walks the requests posted up to height `until`, for a batch of `shape` on top of `kv`, looking at
/// `look` of each queue; followers look at [`LOOK`].
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn walk(
    rules: &Rules,
    kv: &dyn KvRead,
    shape: BatchShape,
    until: Option<u32>,
    look: usize,
) -> Result<Walk, KvError> {
    let Some(until) = until else {
        return Ok(Walk::default());
    };
    let (transfers, no_slot) = walk_transfers(rules.params(), kv, shape, until, look)?;
    let (claims, no_deposit) = walk_claims(kv, shape, until, look)?;
    let full = match (no_slot, no_deposit) {
        (true, _) => Some(Queue::Transfers),
        (false, true) => Some(Queue::Claims),
        (false, false) => None,
    };
    Ok(Walk {
        transfers,
        claims,
        full,
    })
}

/// What a walk has dealt with in a queue, and whether it stopped because the shape had no more room.
type Walked<T> = (Vec<Step<T>>, bool);

/// What the forced transfers before it have used up.
struct Used {
    supply: Amount,
    fees: Amount,
    nullifiers: HashSet<Nullifier>,
    anchors: Vec<u32>,
    slots: usize,
}

fn walk_transfers(
    params: &ChainParams,
    kv: &dyn KvRead,
    shape: BatchShape,
    until: u32,
    look: usize,
) -> Result<Walked<QueuedTransfer>, KvError> {
    let mut used = Used {
        supply: ledger::tip(kv)?.supply,
        fees: Amount::ZERO,
        nullifiers: HashSet::new(),
        anchors: Vec::new(),
        slots: 0,
    };
    let fetch = |after, limit| table::forced_transfers(kv, after, until, limit);
    each(look, fetch, |request: &QueuedTransfer| {
        if used.slots == shape.slots() / 2 {
            return Ok(None);
        }
        let (supply, fees) = match judge(params, kv, &used, request)? {
            Ok(sums) => sums,
            Err(void) => return Ok(Some(Fate::Void(void))),
        };
        let anchor = request.transfer.anchor;
        if !used.anchors.contains(&anchor) {
            if used.anchors.len() == shape.anchors() / 2 {
                return Ok(None);
            }
            used.anchors.push(anchor);
        }
        (used.supply, used.fees) = (supply, fees);
        used.nullifiers.extend(request.transfer.body.nf);
        used.slots += 1;
        Ok(Some(Fate::Honoured))
    })
}

/// Looks at the requests of a queue in order, at most `look` of them: what `fate` says of each, until it
/// says that there is no more room.
fn each<T>(
    look: usize,
    fetch: impl Fn(Option<Position>, usize) -> Result<Vec<(Position, T)>, KvError>,
    mut fate: impl FnMut(&T) -> Result<Option<Fate>, KvError>,
) -> Result<Walked<T>, KvError> {
    let mut steps: Vec<Step<T>> = Vec::new();
    while steps.len() < look {
        let limit = PAGE.min(look - steps.len());
        let page = fetch(steps.last().map(|step| step.position), limit)?;
        let last = page.len() < limit;
        for (position, request) in page {
            let Some(fate) = fate(&request)? else {
                return Ok((steps, true));
            };
            steps.push(Step {
                position,
                request,
                fate,
            });
        }
        if last {
            break;
        }
    }
    Ok((steps, false))
}

/// The supply and the fees once this transfer is in, or why no batch can include it any more.
fn judge(
    params: &ChainParams,
    kv: &dyn KvRead,
    used: &Used,
    request: &QueuedTransfer,
) -> Result<Result<(Amount, Amount), Void>, KvError> {
    if let Some(place) = table::transfer(kv, &request.id)? {
        return Ok(Err(Void::Done(place.batch)));
    }
    let body = &request.transfer.body;
    for nf in &body.nf {
        if used.nullifiers.contains(nf) || nullifiers::contains(kv, nf)? {
            return Ok(Err(Void::Spent(*nf)));
        }
    }
    let fee = body
        .fee_amount(params)
        .map_err(|e: TransferRule| KvError::corrupt(b"G", e))?;
    let sums = used
        .supply
        .checked_sub(body.exit_amount())
        .zip(used.fees.checked_add(fee));
    Ok(sums.ok_or(Void::Supply))
}

fn walk_claims(
    kv: &dyn KvRead,
    shape: BatchShape,
    until: u32,
    look: usize,
) -> Result<Walked<QueuedClaim>, KvError> {
    let tip = ledger::tip(kv)?;
    let (mut supply, number) = (tip.supply, tip.batch + 1);
    let mut taken = HashSet::new();
    let fetch = |after, limit| table::forced_claims(kv, after, until, limit);
    each(look, fetch, |request: &QueuedClaim| {
        if taken.len() == shape.deposits() {
            return Ok(None);
        }
        let sweep = request.claim.sweep;
        let swept = table::swept(kv, sweep)?
            .ok_or_else(|| KvError::corrupt(b"D", format!("sweep {sweep} is missing")))?;
        Ok(Some(if let Some(batch) = swept.credited {
            Fate::Void(Void::Done(batch))
        } else if taken.contains(&sweep) {
            Fate::Void(Void::Done(number))
        } else if let Some(sum) = supply.checked_add(swept.credit) {
            supply = sum;
            taken.insert(sweep);
            Fate::Honoured
        } else {
            Fate::Void(Void::Supply)
        }))
    })
}

impl<T> Step<T> {
    fn settled(&self, txid: bitcoin::Txid, batch: u32) -> Settled {
        Settled {
            txid,
            batch,
            fate: self.fate,
        }
    }
}

impl Walk {
    /// The transfers that the batch has to begin with.
    pub fn honoured_transfers(&self) -> impl Iterator<Item = &Step<QueuedTransfer>> {
        self.transfers.iter().filter(|step| step.fate == Fate::Honoured)
    }

    /// The deposits that the batch has to begin with.
    pub fn honoured_claims(&self) -> impl Iterator<Item = &Step<QueuedClaim>> {
        self.claims.iter().filter(|step| step.fate == Fate::Honoured)
    }

    /// Whether `batch`, whose transfers have these identifiers, begins with what was taken, and is of the
    /// chain's largest shape if there was more to take. Another proof or anchor makes no other transfer.
    ///
    /// # Errors
    /// [`BatchError::LeftOut`], [`BatchError::SmallShape`].
    pub fn check(&self, rules: &Rules, batch: &Batch, ids: &[TransferId]) -> Result<(), BatchError> {
        for (at, step) in self.honoured_transfers().enumerate() {
            if ids.get(at) != Some(&step.request.id) {
                return Err(left_out(Queue::Transfers, at, step.position));
            }
        }
        for (at, step) in self.honoured_claims().enumerate() {
            if batch.deposits.get(at).map(|claim| claim.sweep) != Some(step.request.claim.sweep) {
                return Err(left_out(Queue::Claims, at, step.position));
            }
        }
        match (self.full, rules.largest_shape()) {
            (Some(queue), Some(required)) if batch.shape != required => Err(BatchError::SmallShape {
                queue,
                shape: batch.shape.circuit_name(),
                required: required.circuit_name(),
            }),
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Takes out of the queues what the walk has dealt with, and records what became of it.
    pub fn settle(&self, kv: &mut Overlay<'_>, batch: u32) {
        for step in &self.transfers {
            let settled = step.settled(step.request.txid, batch);
            table::settle_forced_transfer(kv, step.position, &step.request, &settled);
        }
        for step in &self.claims {
            let settled = step.settled(step.request.txid, batch);
            table::settle_forced_claim(kv, step.position, &step.request, &settled);
        }
    }
}

fn left_out(queue: Queue, at: usize, position: Position) -> BatchError {
    BatchError::LeftOut { queue, at, position }
}
