//! Choosing: which notes to spend, which anchor to prove against, when a transfer expires.
//!
//! A transfer spends at most two notes. If one suffices the smallest such is taken, else the pair
//! with the smallest sufficient sum. If more are needed, notes are merged by transfers to oneself
//! first; [`select`] says which, how many and at what cost. Where refused transfers could still count,
//! the choice shares a note with each of them, so that at most one of them all is paid: [`select_against`].

use tacit_protocol::Amount;
use tacit_protocol::note::Position;
use tacit_protocol::tree::BATCH_LIMIT;
use thiserror::Error;

/// A note that may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it stands.
    pub position: Position,
    /// What it is worth.
    pub v: Amount,
}

/// What to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// One or two notes suffice.
    Direct(Vec<Candidate>),
    /// Notes have to be merged first.
    Merge(MergePlan),
}

/// Transfers to oneself that come before a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergePlan {
    /// Notes that can be merged now, at the same time: two each, or one that only changes places.
    pub now: Vec<Vec<Candidate>>,
    /// Merges needed in all, these included.
    pub transfers: usize,
    /// Fees of all merges.
    pub fees: Amount,
}

/// Why nothing can be chosen.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SelectError {
    /// Too little money.
    #[error(
        "{needed} are needed (fees included) and {available} can be spent now; \
         wait for pending money, deposit more or send less"
    )]
    Insufficient {
        /// Amount, fee and fees of merges.
        needed: Amount,
        /// Spendable now.
        available: Amount,
    },
    /// The amount with its fee is no amount.
    #[error("the amount is larger than all bitcoin there can be")]
    TooLarge,
}

/// Chooses notes for `amount` (payment and exit) and `fee`.
///
/// # Errors
/// [`SelectError`].
pub fn select(candidates: &[Candidate], amount: Amount, fee: Amount) -> Result<Selection, SelectError> {
    let target = amount.checked_add(fee).ok_or(SelectError::TooLarge)?;
    let mut sorted: Vec<Candidate> = candidates
        .iter()
        .filter(|c| c.v > Amount::ZERO)
        .copied()
        .collect();
    sorted.sort_by_key(|c| (c.v, c.position));
    if let Some(single) = sorted.iter().find(|c| c.v >= target) {
        return Ok(Selection::Direct(vec![*single]));
    }
    if let Some(pair) = best_pair(&sorted, target) {
        return Ok(Selection::Direct(pair.to_vec()));
    }
    sorted.reverse();
    merge_plan(&sorted, target, fee).map(Selection::Merge)
}

/// As [`select`], but whatever is spent first shares a note with each of `rivals`: the notes of
/// transfers that may still be included although they were refused. A note is spent once, so a rival
/// and this payment cannot both count.
///
/// # Errors
/// [`SelectError`].
pub fn select_against(
    candidates: &[Candidate],
    rivals: &[Vec<Position>],
    amount: Amount,
    fee: Amount,
) -> Result<Selection, SelectError> {
    let Some(first) = rivals.first() else {
        return select(candidates, amount, fee);
    };
    let target = amount.checked_add(fee).ok_or(SelectError::TooLarge)?;
    let hits = |chosen: &[Candidate]| rivals.iter().all(|rival| touches(chosen, rival));
    let single = candidates.iter().filter(|c| c.v >= target && hits(&[**c]));
    if let Some(single) = single.min_by_key(|c| (c.v, c.position)) {
        return Ok(Selection::Direct(vec![*single]));
    }
    let pairs = candidates
        .iter()
        .filter(|c| first.contains(&c.position))
        .flat_map(|a| candidates.iter().map(move |b| [*a, *b]))
        .filter(|[a, b]| a.position != b.position && hits(&[*a, *b]));
    let paying = pairs.filter_map(|pair| Some((total(&pair)?, pair)));
    if let Some((_, pair)) = paying
        .filter(|(sum, _)| *sum >= target)
        .min_by_key(|(sum, _)| *sum)
    {
        return Ok(Selection::Direct(pair.to_vec()));
    }
    displace(candidates, rivals, amount, fee).map(Selection::Merge)
}

/// Merges that make every rival void, and what has to follow them.
fn displace(
    candidates: &[Candidate],
    rivals: &[Vec<Position>],
    amount: Amount,
    fee: Amount,
) -> Result<MergePlan, SelectError> {
    let available = total(candidates).ok_or(SelectError::TooLarge)?;
    let mut left = candidates.to_vec();
    let mut open: Vec<&Vec<Position>> = rivals.iter().collect();
    let (mut now, mut merged) = (Vec::new(), Vec::new());
    while let Some(rival) = open.first() {
        let missing = SelectError::Insufficient {
            needed: fee,
            available,
        };
        let of_rival = left.iter().filter(|c| rival.contains(&c.position));
        let a = *of_rival.max_by_key(|c| c.v).ok_or(missing)?;
        left.retain(|c| c.position != a.position);
        let worth = |c: &&Candidate| (open.iter().filter(|r| r.contains(&c.position)).count(), c.v);
        let mut step = vec![a];
        if let Some(b) = left.iter().max_by_key(worth).copied() {
            left.retain(|c| c.position != b.position);
            step.push(b);
        }
        let after = total(&step).and_then(|sum| sum.checked_sub(fee)).ok_or(missing)?;
        merged.push(Candidate {
            position: a.position,
            v: after,
        });
        open.retain(|rival| !touches(&step, rival));
        now.push(step);
    }
    left.extend(merged);
    let spent = multiply(fee, now.len()).ok_or(SelectError::TooLarge)?;
    let (more, fees) = match select(&left, amount, fee) {
        Ok(Selection::Direct(_)) => (0, Amount::ZERO),
        Ok(Selection::Merge(plan)) => (plan.transfers, plan.fees),
        Err(SelectError::Insufficient { needed, .. }) => {
            let needed = needed.checked_add(spent).ok_or(SelectError::TooLarge)?;
            return Err(SelectError::Insufficient { needed, available });
        }
        Err(error) => return Err(error),
    };
    Ok(MergePlan {
        transfers: now.len() + more,
        fees: spent.checked_add(fees).ok_or(SelectError::TooLarge)?,
        now,
    })
}

/// Whether one of the chosen notes is one of these.
fn touches(chosen: &[Candidate], notes: &[Position]) -> bool {
    chosen.iter().any(|c| notes.contains(&c.position))
}

fn total(candidates: &[Candidate]) -> Option<Amount> {
    candidates
        .iter()
        .try_fold(Amount::ZERO, |sum, c| sum.checked_add(c.v))
}

/// The pair with the smallest sum not below `target`; `sorted` ascends.
fn best_pair(sorted: &[Candidate], target: Amount) -> Option<[Candidate; 2]> {
    let (mut low, mut high) = (0, sorted.len().checked_sub(1)?);
    let mut best: Option<(u64, [Candidate; 2])> = None;
    while low < high {
        let sum = sorted[low].v.to_sat() + sorted[high].v.to_sat();
        if sum < target.to_sat() {
            low += 1;
        } else {
            if best.is_none_or(|(found, _)| sum < found) {
                best = Some((sum, [sorted[high], sorted[low]]));
            }
            high -= 1;
        }
    }
    best.map(|(_, pair)| pair)
}

/// Takes the fewest, largest notes that pay for `target` and for merging them down to two.
fn merge_plan(descending: &[Candidate], target: Amount, fee: Amount) -> Result<MergePlan, SelectError> {
    let mut sum = Amount::ZERO;
    let mut needed = target;
    for (i, candidate) in descending.iter().enumerate() {
        sum = sum.checked_add(candidate.v).ok_or(SelectError::TooLarge)?;
        let transfers = (i + 1).saturating_sub(2);
        let fees = multiply(fee, transfers).ok_or(SelectError::TooLarge)?;
        needed = target.checked_add(fees).ok_or(SelectError::TooLarge)?;
        if sum >= needed && transfers > 0 {
            let pairs = descending[..=i]
                .rchunks_exact(2)
                .take(transfers)
                .map(<[Candidate]>::to_vec);
            return Ok(MergePlan {
                now: pairs.collect(),
                transfers,
                fees,
            });
        }
    }
    let available = sum;
    // Every further note costs a fee to merge; with none left the target alone says what is missing.
    Err(SelectError::Insufficient {
        needed: if sum < target { target } else { needed },
        available,
    })
}

fn multiply(fee: Amount, times: usize) -> Option<Amount> {
    let times = u64::try_from(times).ok()?;
    Amount::from_sat(fee.to_sat().checked_mul(times)?).ok()
}

/// The most that one transfer can spend without merging, less `fee`.
#[must_use]
pub fn max_direct(candidates: &[Candidate], fee: Amount) -> Amount {
    let mut values: Vec<Amount> = candidates.iter().map(|c| c.v).collect();
    values.sort_unstable();
    let top = values
        .iter()
        .rev()
        .take(2)
        .try_fold(Amount::ZERO, |sum, v| sum.checked_add(*v));
    top.and_then(|sum| sum.checked_sub(fee)).unwrap_or(Amount::ZERO)
}

/// Every so many batches stands an anchor that wallets prefer, so that many transfers share one.
pub const ANCHOR_STEP: u32 = 8;
/// Bitcoin blocks after which a preferred anchor is too old; nodes refuse at 144.
pub const ANCHOR_MAX_AGE: u32 = 72;
/// Expiries are multiples of this.
pub const EXPIRY_STEP: u32 = 64;
/// Batches that a transfer lives at least.
pub const EXPIRY_MIN: u32 = 192;

/// What a wallet knows about the states that transfers can be proven against.
#[derive(Clone, Copy)]
pub struct AnchorView<'a> {
    /// The latest batch.
    pub tip: u32,
    /// Height of Bitcoin.
    pub bitcoin_height: u32,
    /// Height of the block that anchors a batch; `None` while it is pending.
    pub height_of: &'a dyn Fn(u32) -> Option<u32>,
}

/// The anchor for inputs of which the youngest stands in batch `youngest`: the latest multiple of
/// [`ANCHOR_STEP`] that is on Bitcoin, recent and contains them; else the latest batch on Bitcoin that
/// contains them; else the latest.
#[must_use]
pub fn choose_anchor(youngest: u32, view: &AnchorView<'_>) -> u32 {
    let age = |batch| (view.height_of)(batch).map(|height| view.bitcoin_height.saturating_sub(height));
    let anchored = (youngest..=view.tip).rev().find(|batch| age(*batch).is_some());
    let preferred = anchored.map(|batch| batch - batch % ANCHOR_STEP);
    match preferred {
        Some(batch)
            if batch >= youngest && batch > 0 && age(batch).is_some_and(|age| age <= ANCHOR_MAX_AGE) =>
        {
            batch
        }
        Some(_) | None => anchored.unwrap_or(view.tip),
    }
}

/// The last batch that may include a transfer made when `tip` is the latest: rounded up, so that
/// expiries tell little about when it was made.
#[must_use]
pub fn expiry_after(tip: u32) -> u32 {
    tip.saturating_add(EXPIRY_MIN)
        .next_multiple_of(EXPIRY_STEP)
        .min(BATCH_LIMIT - 1)
}

#[cfg(test)]
mod tests;
