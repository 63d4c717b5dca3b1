//! How journal entries write down Bitcoin's types: little-endian, lengths in front.

use std::collections::BTreeSet;

use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use tacit_protocol::encoding::{DecodeError, Reader};
use tacit_protocol::peg::Coin;

/// The key of the entry about an outpoint.
pub(crate) fn outpoint_key(prefix: &[u8], outpoint: &OutPoint) -> Vec<u8> {
    let mut key = prefix.to_vec();
    put_outpoint(&mut key, outpoint);
    key
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("entries are far below 4 GiB");
    out.extend_from_slice(&count.to_le_bytes());
}

pub(crate) fn read_bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let n = usize::try_from(reader.u32()?).map_err(|_| DecodeError::OutOfRange("length"))?;
    reader.take(n)
}

pub(crate) fn put_outpoint(out: &mut Vec<u8>, outpoint: &OutPoint) {
    out.extend_from_slice(outpoint.txid.as_byte_array());
    out.extend_from_slice(&outpoint.vout.to_le_bytes());
}

pub(crate) fn read_outpoint(reader: &mut Reader<'_>) -> Result<OutPoint, DecodeError> {
    Ok(OutPoint {
        txid: Txid::from_byte_array(reader.array()?),
        vout: reader.u32()?,
    })
}

pub(crate) fn put_txout(out: &mut Vec<u8>, txout: &TxOut) {
    out.extend_from_slice(&txout.value.to_sat().to_le_bytes());
    put_bytes(out, txout.script_pubkey.as_bytes());
}

pub(crate) fn read_txout(reader: &mut Reader<'_>) -> Result<TxOut, DecodeError> {
    let value = Amount::from_sat(reader.u64()?);
    Ok(TxOut {
        value,
        script_pubkey: ScriptBuf::from_bytes(read_bytes(reader)?.to_vec()),
    })
}

pub(crate) fn put_transaction(out: &mut Vec<u8>, tx: &Transaction) {
    put_bytes(out, &serialize(tx));
}

pub(crate) fn read_transaction(reader: &mut Reader<'_>) -> Result<Transaction, DecodeError> {
    deserialize(read_bytes(reader)?).map_err(|_| DecodeError::Unknown("transaction"))
}

pub(crate) fn put_txids(out: &mut Vec<u8>, txids: &[Txid]) {
    put_count(out, txids.len());
    for txid in txids {
        out.extend_from_slice(txid.as_byte_array());
    }
}

pub(crate) fn read_txids(reader: &mut Reader<'_>) -> Result<Vec<Txid>, DecodeError> {
    (0..reader.u32()?)
        .map(|_| Ok(Txid::from_byte_array(reader.array()?)))
        .collect()
}

pub(crate) fn put_outpoints(out: &mut Vec<u8>, outpoints: &BTreeSet<OutPoint>) {
    put_count(out, outpoints.len());
    for outpoint in outpoints {
        put_outpoint(out, outpoint);
    }
}

/// Reads what [`put_outpoints`] wrote: ascending, each once.
pub(crate) fn read_outpoints(reader: &mut Reader<'_>) -> Result<BTreeSet<OutPoint>, DecodeError> {
    let outpoints: Vec<OutPoint> = (0..reader.u32()?)
        .map(|_| read_outpoint(reader))
        .collect::<Result<_, _>>()?;
    if !outpoints.is_sorted_by(|a, b| a < b) {
        return Err(DecodeError::OutOfRange("order of the outpoints"));
    }
    Ok(outpoints.into_iter().collect())
}

pub(crate) fn put_coins(out: &mut Vec<u8>, coins: &[Coin]) {
    put_count(out, coins.len());
    for coin in coins {
        put_outpoint(out, &coin.outpoint);
        put_txout(out, &coin.txout);
    }
}

/// Reads what [`put_coins`] wrote.
pub(crate) fn read_coins(reader: &mut Reader<'_>) -> Result<Vec<Coin>, DecodeError> {
    (0..reader.u32()?)
        .map(|_| {
            Ok(Coin {
                outpoint: read_outpoint(reader)?,
                txout: read_txout(reader)?,
            })
        })
        .collect()
}
