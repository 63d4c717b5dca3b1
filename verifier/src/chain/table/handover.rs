//! Rows about handovers: epochs, announcements, resets of the anchor chain.

use tacit_protocol::encoding::{Decode, Encode, Reader};
use tacit_protocol::kv::{KvError, KvRead, Overlay, get_decoded};
use tacit_protocol::peg::EpochHash;

use super::{count, numbered, rows};
use crate::chain::handover::{Announced, EpochRecord};

const EPOCHS: u8 = b'Y';
pub(super) const ANNOUNCED: u8 = b'I';
const LAST_RESET: &[u8] = b"Z";

/// Epochs of the federation from number `from`.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn epochs(kv: &dyn KvRead, from: u64, limit: usize) -> Result<Vec<(u64, EpochRecord)>, KvError> {
    rows(kv, EPOCHS, from, limit)
}

/// An epoch by its number.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn epoch(kv: &dyn KvRead, number: u32) -> Result<Option<EpochRecord>, KvError> {
    get_decoded(kv, &numbered(EPOCHS, u64::from(number)))
}

/// The number of epochs so far, which is one above that of the present one.
///
/// # Errors
/// [`KvError`] if the view fails.
pub fn epoch_count(kv: &dyn KvRead) -> Result<u64, KvError> {
    count(kv, EPOCHS)
}

/// Writes an epoch under its number.
pub fn put_epoch(kv: &mut Overlay<'_>, record: &EpochRecord) {
    kv.put(numbered(EPOCHS, u64::from(record.epoch.number)), record.encode());
}

fn announced_key(hash: &EpochHash) -> Vec<u8> {
    [&[ANNOUNCED][..], &hash.0].concat()
}

/// An announcement by the hash of its epoch; those of epochs that have begun stay.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn announced(kv: &dyn KvRead, hash: &EpochHash) -> Result<Option<Announced>, KvError> {
    get_decoded(kv, &announced_key(hash))
}

/// All announcements ever recorded; each took a federation's signature.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn all_announced(kv: &dyn KvRead) -> Result<Vec<(EpochHash, Announced)>, KvError> {
    let row = |(key, bytes): (Vec<u8>, Vec<u8>)| {
        let hash = key[1..]
            .try_into()
            .map_err(|_| KvError::corrupt(&key, "key length"))?;
        let announced = Announced::decode(&bytes).map_err(|e| KvError::corrupt(&key, e))?;
        Ok((EpochHash(hash), announced))
    };
    let rows = kv.range(&[ANNOUNCED], &[ANNOUNCED + 1], usize::MAX)?;
    rows.into_iter().map(row).collect()
}

/// Writes an announcement under the hash of its epoch.
pub fn put_announced(kv: &mut Overlay<'_>, hash: &EpochHash, announced: &Announced) {
    kv.put(announced_key(hash), announced.encode());
}

/// Height of the last reset of the anchor chain that counted.
///
/// # Errors
/// [`KvError`] if the view fails or is damaged.
pub fn last_reset(kv: &dyn KvRead) -> Result<Option<u32>, KvError> {
    let Some(bytes) = kv.get(LAST_RESET)? else {
        return Ok(None);
    };
    let height = Reader::new(&bytes).u32();
    height.map(Some).map_err(|e| KvError::corrupt(LAST_RESET, e))
}

/// Writes the height of a reset that counted.
pub fn put_last_reset(kv: &mut Overlay<'_>, height: u32) {
    kv.put(LAST_RESET.to_vec(), height.to_le_bytes().to_vec());
}
