//! The tables of the followers' state: one function per way in, so that keys are built here only.
//!
//! The trees and the rollup states have their own tables (prefixes `n u h l s`, in
//! `tacit-protocol`); these use capital letters.

use bitcoin::OutPoint;
use bitcoin::hashes::Hash;
use tacit_protocol::F;
use tacit_protocol::encoding::{Decode, Encode, Reader};
use tacit_protocol::kv::{Delta, KvError, KvRead, Overlay, get_decoded};
use tacit_protocol::note::Nullifier;
use tacit_protocol::transfer::TransferId;

use super::forced::{Position, QueuedClaim, QueuedTransfer, Settled};
use super::records::{
    AnchorRecord, BatchRecord, Cursor, Fault, Swept, Tip, TransferPlace, VaultRecord, Withdrawal,
};
use tacit_protocol::field;

mod books;
mod posted;

pub use books::{books, owed, paid_above, put_books, put_owed, sweeps_to, uncredited, unpaid};

pub use posted::{
    forced_claim, forced_transfer, posted_claims, posted_transfers, settled_claim, settled_transfer,
    waiting_before, waiting_count,
};

const CURSOR: &[u8] = b"C";
const ANCHOR_TIP: &[u8] = b"P";
const VAULT_TIP: &[u8] = b"Q";
const FAULT: &[u8] = b"F";
const OPERATOR: &[u8] = b"O";
const ANCHORS: u8 = b'A';
const VAULTS: u8 = b'V';
const BATCHES: u8 = b'B';
const TRANSFERS: u8 = b'T';
const SWEEPS: u8 = b'D';
const SWEEP_BY_OUTPOINT: u8 = b'E';
const WITHDRAWALS: u8 = b'W';
const WITHDRAWAL_BY_TRANSFER: u8 = b'X';
const FORCED_TRANSFERS: u8 = b'G';
const FORCED_CLAIMS: u8 = b'H';
const WAITING_NULLIFIERS: u8 = b'J';
const WAITING_SWEEPS: u8 = b'K';
const SETTLED_TRANSFERS: u8 = b'R';
const SETTLED_CLAIMS: u8 = b'S';
const UNDO: u8 = b'U';

fn numbered(prefix: u8, n: u64) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend_from_slice(&n.to_be_bytes());
    key
}

/// Number of rows of a table whose rows are numbered without gaps.
fn count(kv: &dyn KvRead, prefix: u8) -> Result<u64, KvError> {
    let last = kv.last_in(&numbered(prefix, 0), &numbered(prefix, u64::MAX))?;
    let Some((key, _)) = last else { return Ok(0) };
    let number: [u8; 8] = key[1..]
        .try_into()
        .map_err(|_| KvError::corrupt(&key, "key length"))?;
    Ok(u64::from_be_bytes(number) + 1)
}

fn rows<T: Decode>(kv: &dyn KvRead, prefix: u8, from: u64, limit: usize) -> Result<Vec<(u64, T)>, KvError> {
    let pairs = kv.range(&numbered(prefix, from), &[prefix + 1], limit)?;
    (from..)
        .zip(pairs)
        .map(|(n, (key, bytes))| Ok((n, T::decode(&bytes).map_err(|e| KvError::corrupt(&key, e))?)))
        .collect()
}

macro_rules! single {
    ($get:ident, $put:ident, $key:expr, $type:ty, $what:literal) => {
        #[doc = concat!("Reads ", $what, ".\n\n# Errors\n[`KvError`] if the view fails or is damaged.")]
        pub fn $get(kv: &dyn KvRead) -> Result<Option<$type>, KvError> {
            get_decoded(kv, $key)
        }

        #[doc = concat!("Writes ", $what, ".")]
        pub fn $put(kv: &mut Overlay<'_>, value: &$type) {
            kv.put($key.to_vec(), value.encode());
        }
    };
}

single!(cursor, put_cursor, CURSOR, Cursor, "the last block applied");
single!(
    anchor_tip,
    put_anchor_tip,
    ANCHOR_TIP,
    Tip,
    "the tip of the anchor chain"
);
single!(
    vault_tip,
    put_vault_tip,
    VAULT_TIP,
    Tip,
    "the tip of the vault chain"
);
single!(fault, put_fault, FAULT, Fault, "the first fault of the vault");

/// The operator's `pk_d` after the last batch.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn operator(kv: &dyn KvRead) -> Result<Option<F>, KvError> {
    let Some(bytes) = kv.get(OPERATOR)? else {
        return Ok(None);
    };
    Reader::new(&bytes)
        .field()
        .map(Some)
        .map_err(|e| KvError::corrupt(OPERATOR, e))
}

/// Writes the operator's `pk_d`.
pub fn put_operator(kv: &mut Overlay<'_>, operator: &F) {
    kv.put(OPERATOR.to_vec(), field::to_bytes(operator).to_vec());
}

/// Spends of the anchor tip from number `from`.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn anchors(kv: &dyn KvRead, from: u64, limit: usize) -> Result<Vec<(u64, AnchorRecord)>, KvError> {
    rows(kv, ANCHORS, from, limit)
}

/// Appends a spend of the anchor tip.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn append_anchor(kv: &mut Overlay<'_>, record: &AnchorRecord) -> Result<(), KvError> {
    let n = count(kv, ANCHORS)?;
    kv.put(numbered(ANCHORS, n), record.encode());
    Ok(())
}

/// Height of the block that holds the anchor tip; `None` while it is the genesis output.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn anchor_height(kv: &dyn KvRead) -> Result<Option<u32>, KvError> {
    let last = kv.last_in(&numbered(ANCHORS, 0), &numbered(ANCHORS, u64::MAX))?;
    let Some((key, bytes)) = last else { return Ok(None) };
    let record = AnchorRecord::decode(&bytes).map_err(|e| KvError::corrupt(&key, e))?;
    Ok(Some(record.place.height))
}

/// Spends of the vault tip from number `from`.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn vaults(kv: &dyn KvRead, from: u64, limit: usize) -> Result<Vec<(u64, VaultRecord)>, KvError> {
    rows(kv, VAULTS, from, limit)
}

/// The last spend of the vault tip.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn last_vault(kv: &dyn KvRead) -> Result<Option<VaultRecord>, KvError> {
    let Some(last) = count(kv, VAULTS)?.checked_sub(1) else {
        return Ok(None);
    };
    Ok(vaults(kv, last, 1)?.pop().map(|(_, record)| record))
}

/// Appends a spend of the vault tip.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn append_vault(kv: &mut Overlay<'_>, record: &VaultRecord) -> Result<(), KvError> {
    let n = count(kv, VAULTS)?;
    kv.put(numbered(VAULTS, n), record.encode());
    Ok(())
}

/// A batch by number.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn batch(kv: &dyn KvRead, number: u32) -> Result<Option<BatchRecord>, KvError> {
    get_decoded(kv, &numbered(BATCHES, u64::from(number)))
}

/// Writes a batch.
pub fn put_batch(kv: &mut Overlay<'_>, number: u32, record: &BatchRecord) {
    kv.put(numbered(BATCHES, u64::from(number)), record.encode());
}

fn transfer_key(id: &TransferId) -> Vec<u8> {
    let mut key = vec![TRANSFERS];
    key.extend_from_slice(&id.0);
    key
}

/// Where a transfer stands.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn transfer(kv: &dyn KvRead, id: &TransferId) -> Result<Option<TransferPlace>, KvError> {
    get_decoded(kv, &transfer_key(id))
}

/// Writes where a transfer stands.
pub fn put_transfer(kv: &mut Overlay<'_>, id: &TransferId, place: TransferPlace) {
    kv.put(transfer_key(id), place.encode());
}

/// Number of deposits swept so far.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn sweep_count(kv: &dyn KvRead) -> Result<u64, KvError> {
    count(kv, SWEEPS)
}

/// A swept deposit by its running number.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn swept(kv: &dyn KvRead, index: u32) -> Result<Option<Swept>, KvError> {
    get_decoded(kv, &numbered(SWEEPS, u64::from(index)))
}

/// Swept deposits from number `from`.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn sweeps(kv: &dyn KvRead, from: u64, limit: usize) -> Result<Vec<(u64, Swept)>, KvError> {
    rows(kv, SWEEPS, from, limit)
}

/// Writes a swept deposit and what is looked up by it.
pub fn put_swept(kv: &mut Overlay<'_>, index: u32, swept: &Swept) {
    kv.put(numbered(SWEEPS, u64::from(index)), swept.encode());
    books::index_swept(kv, index, swept);
    kv.put(outpoint_key(&swept.outpoint), index.to_le_bytes().to_vec());
}

fn outpoint_key(outpoint: &OutPoint) -> Vec<u8> {
    let mut key = vec![SWEEP_BY_OUTPOINT];
    key.extend_from_slice(outpoint.txid.as_byte_array());
    key.extend_from_slice(&outpoint.vout.to_le_bytes());
    key
}

/// The running number of a swept deposit.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn sweep_of(kv: &dyn KvRead, outpoint: &OutPoint) -> Result<Option<u32>, KvError> {
    let key = outpoint_key(outpoint);
    let Some(bytes) = kv.get(&key)? else {
        return Ok(None);
    };
    Reader::new(&bytes)
        .u32()
        .map(Some)
        .map_err(|e| KvError::corrupt(&key, e))
}

/// Number of withdrawals so far; also the index of the next.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn withdrawal_count(kv: &dyn KvRead) -> Result<u64, KvError> {
    count(kv, WITHDRAWALS)
}

/// A withdrawal by its index.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn withdrawal(kv: &dyn KvRead, index: u64) -> Result<Option<Withdrawal>, KvError> {
    get_decoded(kv, &numbered(WITHDRAWALS, index))
}

/// Withdrawals from index `from`.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn withdrawals(kv: &dyn KvRead, from: u64, limit: usize) -> Result<Vec<(u64, Withdrawal)>, KvError> {
    rows(kv, WITHDRAWALS, from, limit)
}

/// Writes a withdrawal under its index, and what is looked up by it.
pub fn put_withdrawal(kv: &mut Overlay<'_>, index: u64, withdrawal: &Withdrawal) {
    kv.put(numbered(WITHDRAWALS, index), withdrawal.encode());
    books::index_withdrawal(kv, index, withdrawal);
}

/// Appends a withdrawal and returns its index.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn append_withdrawal(kv: &mut Overlay<'_>, withdrawal: &Withdrawal) -> Result<u64, KvError> {
    let index = withdrawal_count(kv)?;
    put_withdrawal(kv, index, withdrawal);
    kv.put(by_transfer(&withdrawal.id), index.to_le_bytes().to_vec());
    Ok(index)
}

fn by_transfer(id: &TransferId) -> Vec<u8> {
    let mut key = vec![WITHDRAWAL_BY_TRANSFER];
    key.extend_from_slice(&id.0);
    key
}

/// The index of a transfer's withdrawal.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn withdrawal_of(kv: &dyn KvRead, id: &TransferId) -> Result<Option<u64>, KvError> {
    let key = by_transfer(id);
    let Some(bytes) = kv.get(&key)? else {
        return Ok(None);
    };
    Reader::new(&bytes)
        .u64()
        .map(Some)
        .map_err(|e| KvError::corrupt(&key, e))
}

fn placed(prefix: u8, position: Position) -> Vec<u8> {
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

/// Whether `key` is that of the anchor tip or the vault tip, one of which everything moves that moves money.
pub(super) fn is_tip(key: &[u8]) -> bool {
    [ANCHOR_TIP, VAULT_TIP].contains(&key)
}

/// The delta that takes the block at `height` back.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn undo(kv: &dyn KvRead, height: u32) -> Result<Option<Delta>, KvError> {
    get_decoded(kv, &undo_key(height))
}

/// The key under which [`undo`] is kept.
pub(super) fn undo_key(height: u32) -> Vec<u8> {
    numbered(UNDO, u64::from(height))
}
