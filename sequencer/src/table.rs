//! The sequencer's own tables: one function per way in, so that keys are built here only.
//!
//! The chain's trees use the prefixes `n u h l s`, the followers' tables capital letters; these are
//! the other lower-case ones. They never take part in a block's undo data.
//!
//! | prefix | key | value |
//! |---|---|---|
//! | `v` | – | version of the layout ([`crate::store::schema`]) |
//! | `i` | – | chain identifier ([`crate::store::schema`]) |
//! | `m` | arrival number, u64 | [`Queued`] |
//! | `b` | batch number, u32 | [`Sealed`] |
//! | `p` | batch number, u32 | batch proof, 128 bytes |
//! | `r` | transfer identifier | [`Rejection`] |
//! | `q` | batch number, u32, transfer identifier | empty: rejections by age |
//! | `x` | – | [`Halt`] |
//!
//! Numbers in keys are big-endian, so that they sort.

use tacit_protocol::encoding::{Decode, Encode, Reader};
use tacit_protocol::kv::{Delta, KvError, KvRead, get_decoded};
use tacit_protocol::transfer::{ProofBytes, TransferId};

use crate::halt::Halt;
use crate::record::{Queued, Rejection, Sealed};

/// Version of the layout.
pub(crate) const SCHEMA: &[u8] = b"v";
/// Identifier of the chain whose state this is.
pub(crate) const CHAIN: &[u8] = b"i";
const QUEUED: u8 = b'm';
const SEALED: u8 = b'b';
const PROOFS: u8 = b'p';
const REJECTIONS: u8 = b'r';
const REJECTED_AT: u8 = b'q';
const HALT: &[u8] = b"x";

fn key(prefix: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend_from_slice(rest);
    key
}

fn rows<T: Decode>(kv: &dyn KvRead, start: &[u8], limit: usize) -> Result<Vec<(Vec<u8>, T)>, KvError> {
    let end = [start[0] + 1];
    let decode = |(key, bytes): (Vec<u8>, Vec<u8>)| match T::decode(&bytes) {
        Ok(value) => Ok((key, value)),
        Err(error) => Err(KvError::corrupt(&key, error)),
    };
    kv.range(start, &end, limit)?.into_iter().map(decode).collect()
}

/// The big-endian number that ends a key.
fn number<const N: usize>(key: &[u8]) -> Result<[u8; N], KvError> {
    key[1..]
        .try_into()
        .map_err(|_| KvError::corrupt(key, "key length"))
}

/// All transfers that wait, by arrival.
pub(crate) fn queued(kv: &dyn KvRead) -> Result<Vec<(u64, Queued)>, KvError> {
    rows(kv, &[QUEUED], usize::MAX)?
        .into_iter()
        .map(|(key, value)| Ok((u64::from_be_bytes(number(&key)?), value)))
        .collect()
}

/// The arrival number behind that of every transfer that waits.
pub(crate) fn next_queued(kv: &dyn KvRead) -> Result<u64, KvError> {
    let last = kv.last_in(&key(QUEUED, &[0; 8]), &key(QUEUED, &[0xff; 8]))?;
    match last {
        Some((key, _)) => Ok(u64::from_be_bytes(number(&key)?) + 1),
        None => Ok(0),
    }
}

/// Writes a transfer that waits.
pub(crate) fn put_queued(delta: &mut Delta, seq: u64, queued: &Queued) {
    delta.insert(key(QUEUED, &seq.to_be_bytes()), Some(queued.encode()));
}

/// Removes a transfer that waits.
pub(crate) fn delete_queued(delta: &mut Delta, seq: u64) {
    delta.insert(key(QUEUED, &seq.to_be_bytes()), None);
}

/// A sealed batch.
pub(crate) fn sealed(kv: &dyn KvRead, number: u32) -> Result<Option<Sealed>, KvError> {
    get_decoded(kv, &key(SEALED, &number.to_be_bytes()))
}

/// Sealed batches from number `from` on, ascending.
pub(crate) fn sealed_from(kv: &dyn KvRead, from: u32, limit: usize) -> Result<Vec<(u32, Sealed)>, KvError> {
    rows(kv, &key(SEALED, &from.to_be_bytes()), limit)?
        .into_iter()
        .map(|(key, value)| Ok((u32::from_be_bytes(number(&key)?), value)))
        .collect()
}

/// Writes a sealed batch.
pub(crate) fn put_sealed(delta: &mut Delta, number: u32, sealed: &Sealed) {
    delta.insert(key(SEALED, &number.to_be_bytes()), Some(sealed.encode()));
}

/// Removes a sealed batch and its proof.
pub(crate) fn delete_sealed(delta: &mut Delta, number: u32) {
    delta.insert(key(SEALED, &number.to_be_bytes()), None);
    delta.insert(key(PROOFS, &number.to_be_bytes()), None);
}

/// The proof of a sealed batch.
pub(crate) fn proof(kv: &dyn KvRead, number: u32) -> Result<Option<ProofBytes>, KvError> {
    let key = key(PROOFS, &number.to_be_bytes());
    let Some(bytes) = kv.get(&key)? else {
        return Ok(None);
    };
    let mut reader = Reader::new(&bytes);
    let proof = reader
        .array()
        .and_then(|proof| reader.finish().map(|()| ProofBytes(proof)));
    proof.map(Some).map_err(|e| KvError::corrupt(&key, e))
}

/// Writes the proof of a sealed batch.
pub(crate) fn put_proof(delta: &mut Delta, number: u32, proof: &ProofBytes) {
    delta.insert(key(PROOFS, &number.to_be_bytes()), Some(proof.0.to_vec()));
}

/// Why a transfer was dropped.
pub(crate) fn rejection(kv: &dyn KvRead, id: &TransferId) -> Result<Option<Rejection>, KvError> {
    get_decoded(kv, &key(REJECTIONS, &id.0))
}

fn rejected_at(batch: u32, id: &TransferId) -> Vec<u8> {
    let mut key = key(REJECTED_AT, &batch.to_be_bytes());
    key.extend_from_slice(&id.0);
    key
}

/// Writes why a transfer was dropped.
pub(crate) fn put_rejection(delta: &mut Delta, id: &TransferId, rejection: &Rejection) {
    delta.insert(key(REJECTIONS, &id.0), Some(rejection.encode()));
    delta.insert(rejected_at(rejection.batch, id), Some(Vec::new()));
}

/// Removes a rejection: the transfer was accepted after all.
pub(crate) fn delete_rejection(delta: &mut Delta, id: &TransferId, rejection: &Rejection) {
    delta.insert(key(REJECTIONS, &id.0), None);
    delta.insert(rejected_at(rejection.batch, id), None);
}

/// Removes up to `limit` rejections from before batch `before`.
pub(crate) fn prune_rejections(
    kv: &dyn KvRead,
    delta: &mut Delta,
    before: u32,
    limit: usize,
) -> Result<(), KvError> {
    for (old, _) in kv.range(&[REJECTED_AT], &key(REJECTED_AT, &before.to_be_bytes()), limit)? {
        delta.insert(key(REJECTIONS, &old[5..]), None);
        delta.insert(old, None);
    }
    Ok(())
}

/// Why the sequencer does not act.
pub(crate) fn halt(kv: &dyn KvRead) -> Result<Option<Halt>, KvError> {
    get_decoded(kv, HALT)
}

/// Stops the sequencer, or lets it go on.
pub(crate) fn put_halt(delta: &mut Delta, halt: Option<Halt>) {
    delta.insert(HALT.to_vec(), halt.map(|halt| halt.encode()));
}
