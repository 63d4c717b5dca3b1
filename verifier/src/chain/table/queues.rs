//! The queues of forced requests that wait, and what became of those that do not any more.
//! Specification: `docs/spec/bitcoin.md`.

use tacit_protocol::encoding::{Decode, Encode};
use tacit_protocol::kv::{KvError, KvRead, Overlay, get_decoded};
use tacit_protocol::note::Nullifier;

use super::super::forced::{Position, QueuedClaim, QueuedTransfer, Settled};
use super::posted;

pub(super) const FORCED_TRANSFERS: u8 = b'G';
pub(super) const FORCED_CLAIMS: u8 = b'H';
const WAITING_NULLIFIERS: u8 = b'J';
const WAITING_SWEEPS: u8 = b'K';
const SETTLED_TRANSFERS: u8 = b'R';
const SETTLED_CLAIMS: u8 = b'S';

pub(super) fn placed(prefix: u8, position: Position) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend_from_slice(&position.to_key());
    key
}

/// Rows of a queue behind `after`, posted up to height `until`.
fn queue<T: Decode>(
    kv: &dyn KvRead,
    prefix: u8,
    after: Option<Position>,
    until: u32,
    limit: usize,
) -> Result<Vec<(Position, T)>, KvError> {
    // The keys that follow immediately: every position has twelve bytes.
    let start = after.map_or(vec![prefix], |position| {
        [placed(prefix, position), vec![0]].concat()
    });
    let last = Position {
        height: until,
        tx: u32::MAX,
        input: u32::MAX,
    };
    let end = [placed(prefix, last), vec![0]].concat();
    let row = |(key, bytes): (Vec<u8>, Vec<u8>)| {
        let position = Position::from_key(&key[1..]).ok_or_else(|| KvError::corrupt(&key, "key length"))?;
        let value = T::decode(&bytes).map_err(|e| KvError::corrupt(&key, e))?;
        Ok((position, value))
    };
    kv.range(&start, &end, limit)?.into_iter().map(row).collect()
}

/// Forced transfers that wait, behind `after` and posted up to height `until`, in order.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn forced_transfers(
    kv: &dyn KvRead,
    after: Option<Position>,
    until: u32,
    limit: usize,
) -> Result<Vec<(Position, QueuedTransfer)>, KvError> {
    queue(kv, FORCED_TRANSFERS, after, until, limit)
}

fn waiting_nullifier(nf: &Nullifier) -> Vec<u8> {
    let mut key = vec![WAITING_NULLIFIERS];
    nf.encode_to(&mut key);
    key
}

fn waiting_sweep(sweep: u32) -> Vec<u8> {
    [&[WAITING_SWEEPS][..], &sweep.to_be_bytes()].concat()
}

/// Whether a forced transfer that spends this note waits already.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn is_note_queued(kv: &dyn KvRead, nf: &Nullifier) -> Result<bool, KvError> {
    Ok(kv.get(&waiting_nullifier(nf))?.is_some())
}

/// Whether a forced claim of this sweep waits already.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn is_claim_queued(kv: &dyn KvRead, sweep: u32) -> Result<bool, KvError> {
    Ok(kv.get(&waiting_sweep(sweep))?.is_some())
}

/// Queues a forced transfer.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn put_forced_transfer(
    kv: &mut Overlay<'_>,
    position: Position,
    queued: &QueuedTransfer,
) -> Result<(), KvError> {
    posted::enter_transfer(kv, position, queued)?;
    for nf in &queued.transfer.body.nf {
        kv.put(waiting_nullifier(nf), Vec::new());
    }
    kv.put(placed(FORCED_TRANSFERS, position), queued.encode());
    Ok(())
}

/// Forced claims that wait, behind `after` and posted up to height `until`, in order.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn forced_claims(
    kv: &dyn KvRead,
    after: Option<Position>,
    until: u32,
    limit: usize,
) -> Result<Vec<(Position, QueuedClaim)>, KvError> {
    queue(kv, FORCED_CLAIMS, after, until, limit)
}

/// Queues a forced claim.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn put_forced_claim(
    kv: &mut Overlay<'_>,
    position: Position,
    queued: &QueuedClaim,
) -> Result<(), KvError> {
    posted::enter_claim(kv, position, queued.claim.sweep)?;
    kv.put(waiting_sweep(queued.claim.sweep), Vec::new());
    kv.put(placed(FORCED_CLAIMS, position), queued.encode());
    Ok(())
}

/// Takes a forced transfer out of its queue and records what became of it.
pub fn settle_forced_transfer(
    kv: &mut Overlay<'_>,
    position: Position,
    queued: &QueuedTransfer,
    settled: &Settled,
) {
    for nf in &queued.transfer.body.nf {
        kv.delete(waiting_nullifier(nf));
    }
    kv.delete(placed(FORCED_TRANSFERS, position));
    kv.put(placed(SETTLED_TRANSFERS, position), settled.encode());
}

/// Takes a forced claim out of its queue and records what became of it.
pub fn settle_forced_claim(
    kv: &mut Overlay<'_>,
    position: Position,
    queued: &QueuedClaim,
    settled: &Settled,
) {
    kv.delete(waiting_sweep(queued.claim.sweep));
    kv.delete(placed(FORCED_CLAIMS, position));
    kv.put(placed(SETTLED_CLAIMS, position), settled.encode());
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
