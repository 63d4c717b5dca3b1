//! The tables of what is owed: running totals, what is open, and the books after each batch.
//!
//! A withdrawal that is not paid and a deposit that is not credited have a row of their own while that is so,
//! so that whoever pays, signs or credits reads what is open and not the whole history. The rows follow from
//! the [`Withdrawal`]s and [`Swept`]s themselves; [`super::super::audit_books`] compares them.
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::Script;
use tacit_protocol::encoding::Encode;
use tacit_protocol::kv::{KvError, KvRead, Overlay, get_decoded};

use super::super::records::{Swept, Withdrawal};
use super::super::reserves::{Books, Owed};
use super::{swept, withdrawal};

// All of them begin with `L`, for what is left to pay.
const OWED: &[u8; 2] = b"LO";
const UNPAID: &[u8; 2] = b"LW";
const UNCREDITED: &[u8; 2] = b"LD";
const PAYOUTS: &[u8; 2] = b"LP";
const SWEEPS_BY_SCRIPT: &[u8; 2] = b"LS";
const BOOKS: &[u8; 2] = b"LB";

fn key(table: &[u8; 2], number: u64) -> Vec<u8> {
    [&table[..], &number.to_be_bytes()].concat()
}

/// What follows the last key of a table.
fn end(table: &[u8; 2]) -> [u8; 2] {
    [table[0], table[1] + 1]
}

/// What the vault owes besides the supply, as a running total.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn owed(kv: &dyn KvRead) -> Result<Owed, KvError> {
    get_decoded(kv, OWED)?.ok_or_else(|| KvError::corrupt(OWED, "the running totals are missing"))
}

/// Writes the running totals.
pub fn put_owed(kv: &mut Overlay<'_>, owed: &Owed) {
    kv.put(OWED.to_vec(), owed.encode());
}

/// The books as they were after a batch; after genesis for number 0.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn books(kv: &dyn KvRead, number: u32) -> Result<Option<Books>, KvError> {
    get_decoded(kv, &key(BOOKS, u64::from(number)))
}

/// Writes the books after a batch.
pub fn put_books(kv: &mut Overlay<'_>, number: u32, books: &Books) {
    kv.put(key(BOOKS, u64::from(number)), books.encode());
}

/// The number at the end of a key.
fn number(key: &[u8]) -> Result<u64, KvError> {
    let last = key.len().checked_sub(8).and_then(|at| key[at..].try_into().ok());
    last.map(u64::from_be_bytes)
        .ok_or_else(|| KvError::corrupt(key, "key length"))
}

/// The numbers of an index from `from` on.
fn open(kv: &dyn KvRead, table: &[u8; 2], from: u64, limit: usize) -> Result<Vec<u64>, KvError> {
    let rows = kv.range(&key(table, from), &end(table), limit)?;
    rows.iter().map(|(key, _)| number(key)).collect()
}

/// Withdrawals that are not paid, from index `from` on.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn unpaid(kv: &dyn KvRead, from: u64, limit: usize) -> Result<Vec<(u64, Withdrawal)>, KvError> {
    let indices = open(kv, UNPAID, from, limit)?;
    indices.into_iter().map(|index| existing(kv, index)).collect()
}

fn existing(kv: &dyn KvRead, index: u64) -> Result<(u64, Withdrawal), KvError> {
    let missing = || KvError::corrupt(b"W", format!("withdrawal {index} is missing"));
    Ok((index, withdrawal(kv, index)?.ok_or_else(missing)?))
}

/// Swept deposits that are owed and not credited, from number `from` on.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn uncredited(kv: &dyn KvRead, from: u64, limit: usize) -> Result<Vec<(u64, Swept)>, KvError> {
    let row = |number: u64| {
        let index = u32::try_from(number).map_err(|e| KvError::corrupt(UNCREDITED, e))?;
        let missing = || KvError::corrupt(b"D", format!("sweep {index} is missing"));
        Ok((number, swept(kv, index)?.ok_or_else(missing)?))
    };
    open(kv, UNCREDITED, from, limit)?.into_iter().map(row).collect()
}

/// Withdrawals paid in blocks above `height`, by height and index.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn paid_above(kv: &dyn KvRead, height: u32) -> Result<Vec<(u64, Withdrawal)>, KvError> {
    let Some(first) = height.checked_add(1) else {
        return Ok(Vec::new());
    };
    let start = [&PAYOUTS[..], &first.to_be_bytes()].concat();
    let rows = kv.range(&start, &end(PAYOUTS), usize::MAX)?;
    rows.iter().map(|(key, _)| existing(kv, number(key)?)).collect()
}

fn by_script(script: &Script, index: u64) -> Vec<u8> {
    [&SWEEPS_BY_SCRIPT[..], script.as_bytes(), &index.to_be_bytes()].concat()
}

/// Swept deposits to a script, in order of their sweeps.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn sweeps_to(kv: &dyn KvRead, script: &Script) -> Result<Vec<Swept>, KvError> {
    let end = [by_script(script, u64::MAX), vec![0]].concat();
    let rows = kv.range(&by_script(script, 0), &end, usize::MAX)?;
    let mut found = Vec::new();
    for (key, _) in rows {
        let index = u32::try_from(number(&key)?).map_err(|e| KvError::corrupt(&key, e))?;
        let row = swept(kv, index)?.ok_or_else(|| KvError::corrupt(&key, "the sweep is missing"))?;
        // A longer script may begin with this one and look like a number behind it.
        if row.script.as_script() == script {
            found.push(row);
        }
    }
    Ok(found)
}

/// Brings the rows about a swept deposit in line with it.
pub(super) fn index_swept(kv: &mut Overlay<'_>, index: u32, swept: &Swept) {
    let number = u64::from(index);
    kv.put(by_script(&swept.script, number), Vec::new());
    if swept.is_owed() {
        kv.put(key(UNCREDITED, number), Vec::new());
    } else {
        kv.delete(key(UNCREDITED, number));
    }
}

/// Brings the rows about a withdrawal in line with it.
pub(super) fn index_withdrawal(kv: &mut Overlay<'_>, index: u64, withdrawal: &Withdrawal) {
    let Some(paid) = &withdrawal.paid else {
        kv.put(key(UNPAID, index), Vec::new());
        return;
    };
    kv.delete(key(UNPAID, index));
    let key = [&PAYOUTS[..], &paid.height.to_be_bytes(), &index.to_be_bytes()];
    kv.put(key.concat(), Vec::new());
}
