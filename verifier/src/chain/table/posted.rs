//! Where requests were posted: by what they ask for, with their numbers in their queue, and what became of them.
//!
//! Requests enter a queue at its end and leave it from its front, so the number of a request and that of
//! the first one that waits say how many stand before it. Specification: `docs/spec/bitcoin.md`.

use tacit_protocol::kv::{KvError, KvRead, Overlay, get_decoded};
use tacit_protocol::transfer::TransferId;

use super::super::forced::{Position, QueuedClaim, QueuedTransfer, Settled};
use super::{FORCED_CLAIMS, FORCED_TRANSFERS, SETTLED_CLAIMS, SETTLED_TRANSFERS, placed};
use crate::batch::due::Queue;

const TRANSFERS_BY_ID: &[u8; 2] = b"MT";
const CLAIMS_BY_SWEEP: &[u8; 2] = b"MC";
const TRANSFER_NUMBERS: &[u8; 2] = b"NT";
const CLAIM_NUMBERS: &[u8; 2] = b"NC";

fn numbers(queue: Queue) -> &'static [u8; 2] {
    match queue {
        Queue::Transfers => TRANSFER_NUMBERS,
        Queue::Claims => CLAIM_NUMBERS,
    }
}

fn position(key: &[u8]) -> Result<Position, KvError> {
    let last = key.len().checked_sub(12).map(|at| &key[at..]);
    last.and_then(Position::from_key)
        .ok_or_else(|| KvError::corrupt(key, "key length"))
}

fn number(key: &[u8], value: &[u8]) -> Result<u64, KvError> {
    let bytes = value.try_into().map_err(|_| KvError::corrupt(key, "a number"))?;
    Ok(u64::from_le_bytes(bytes))
}

/// How many requests ever entered a queue.
fn entered(kv: &dyn KvRead, queue: Queue) -> Result<u64, KvError> {
    let table = numbers(queue);
    let last = kv.last_in(table, &[&table[..], &[0xff; 12]].concat())?;
    last.map_or(Ok(0), |(key, value)| Ok(number(&key, &value)? + 1))
}

/// The number of the request posted there, if one was: they are numbered in the order of their queue.
fn number_of(kv: &dyn KvRead, queue: Queue, position: Position) -> Result<Option<u64>, KvError> {
    let key = [&numbers(queue)[..], &position.to_key()].concat();
    kv.get(&key)?.map(|value| number(&key, &value)).transpose()
}

/// The number of the first request that waits; that of the next to come if none does.
fn first_waiting(kv: &dyn KvRead, queue: Queue) -> Result<u64, KvError> {
    let prefix = match queue {
        Queue::Transfers => FORCED_TRANSFERS,
        Queue::Claims => FORCED_CLAIMS,
    };
    let rows = kv.range(&[prefix], &[prefix + 1], 1)?;
    let Some((key, _)) = rows.first() else {
        return entered(kv, queue);
    };
    number_of(kv, queue, position(key)?)?.ok_or_else(|| KvError::corrupt(key, "a request without a number"))
}

/// How many requests wait in a queue.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn waiting_count(kv: &dyn KvRead, queue: Queue) -> Result<u64, KvError> {
    Ok(entered(kv, queue)?.saturating_sub(first_waiting(kv, queue)?))
}

/// How many requests stand before the one posted there; `None` if none waits there.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn waiting_before(kv: &dyn KvRead, queue: Queue, position: Position) -> Result<Option<u64>, KvError> {
    let number = number_of(kv, queue, position)?;
    let first = first_waiting(kv, queue)?;
    Ok(number.and_then(|number| number.checked_sub(first)))
}

/// The forced transfer that waits there.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn forced_transfer(kv: &dyn KvRead, at: Position) -> Result<Option<QueuedTransfer>, KvError> {
    get_decoded(kv, &placed(FORCED_TRANSFERS, at))
}

/// The forced claim that waits there.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn forced_claim(kv: &dyn KvRead, at: Position) -> Result<Option<QueuedClaim>, KvError> {
    get_decoded(kv, &placed(FORCED_CLAIMS, at))
}

/// What became of the forced transfer posted there.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn settled_transfer(kv: &dyn KvRead, position: Position) -> Result<Option<Settled>, KvError> {
    get_decoded(kv, &placed(SETTLED_TRANSFERS, position))
}

/// What became of the forced claim posted there.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn settled_claim(kv: &dyn KvRead, position: Position) -> Result<Option<Settled>, KvError> {
    get_decoded(kv, &placed(SETTLED_CLAIMS, position))
}

fn posted(kv: &dyn KvRead, subject: &[u8]) -> Result<Vec<Position>, KvError> {
    let end = [subject, &[0xff; 13]].concat();
    let rows = kv.range(subject, &end, usize::MAX)?;
    rows.iter().map(|(key, _)| position(key)).collect()
}

fn transfer_key(id: &TransferId) -> Vec<u8> {
    [&TRANSFERS_BY_ID[..], &id.0].concat()
}

fn claim_key(sweep: u32) -> Vec<u8> {
    [&CLAIMS_BY_SWEEP[..], &sweep.to_be_bytes()].concat()
}

/// Where requests for this transfer were posted that entered the queue, in order.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn posted_transfers(kv: &dyn KvRead, id: &TransferId) -> Result<Vec<Position>, KvError> {
    posted(kv, &transfer_key(id))
}

/// Where claims of this sweep were posted that entered the queue, in order.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn posted_claims(kv: &dyn KvRead, sweep: u32) -> Result<Vec<Position>, KvError> {
    posted(kv, &claim_key(sweep))
}

fn enter(kv: &mut Overlay<'_>, queue: Queue, subject: &[u8], at: Position) -> Result<(), KvError> {
    let number = entered(kv, queue)?;
    let place = at.to_key();
    kv.put(
        [&numbers(queue)[..], &place].concat(),
        number.to_le_bytes().to_vec(),
    );
    kv.put([subject, &place].concat(), Vec::new());
    Ok(())
}

/// Numbers a transfer that enters its queue.
pub(super) fn enter_transfer(
    kv: &mut Overlay<'_>,
    at: Position,
    queued: &QueuedTransfer,
) -> Result<(), KvError> {
    enter(kv, Queue::Transfers, &transfer_key(&queued.id), at)
}

/// Numbers a claim that enters its queue.
pub(super) fn enter_claim(kv: &mut Overlay<'_>, at: Position, sweep: u32) -> Result<(), KvError> {
    enter(kv, Queue::Claims, &claim_key(sweep), at)
}
