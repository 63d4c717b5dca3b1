//! Forced requests as followers keep them, with canonical bytes.
//!
//! A request stands in its queue under the place of its envelope, which is also the order in which
//! batches have to honour requests. Once a batch has dealt with it, it leaves the queue, and what became
//! of it stays on record under the same place. Specification: `docs/spec/bitcoin.md`.

use std::fmt;

use bitcoin::Txid;
use bitcoin::hashes::Hash;
use tacit_protocol::batch::DepositClaim;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::note::Nullifier;
use tacit_protocol::transfer::{Transfer, TransferId};
use thiserror::Error;

/// Where on Bitcoin a request stands; requests are ordered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Height of the block.
    pub height: u32,
    /// Index of the transaction in the block.
    pub tx: u32,
    /// Index of the input.
    pub input: u32,
}

impl Position {
    /// The twelve bytes that end its keys; they sort like positions.
    #[must_use]
    pub fn to_key(self) -> [u8; 12] {
        let mut key = [0; 12];
        for (bytes, n) in key.chunks_exact_mut(4).zip([self.height, self.tx, self.input]) {
            bytes.copy_from_slice(&n.to_be_bytes());
        }
        key
    }

    /// The position of such bytes; `None` if there are not twelve.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(key.get(at..at + 4)?.try_into().ok()?));
        let (height, tx, input) = (number(0)?, number(4)?, number(8)?);
        (key.len() == 12).then_some(Self { height, tx, input })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { height, tx, input } = self;
        write!(f, "block {height}, transaction {tx}, input {input}")
    }
}

/// A forced transfer that waits. Its proof was verified when it was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedTransfer {
    /// The transaction that posted it.
    pub txid: Txid,
    /// Its identifier.
    pub id: TransferId,
    /// The transfer.
    pub transfer: Transfer,
}

impl Encode for QueuedTransfer {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.txid.as_byte_array());
        out.extend_from_slice(&self.id.0);
        self.transfer.encode_to(out);
    }
}

impl Decode for QueuedTransfer {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            txid: Txid::from_byte_array(reader.array()?),
            id: TransferId(reader.array()?),
            transfer: Transfer::decode_from(reader)?,
        })
    }
}

/// A forced claim that waits. Everything but the credit itself was checked when it was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedClaim {
    /// The transaction that posted it.
    pub txid: Txid,
    /// The claim as a batch has to make it.
    pub claim: DepositClaim,
}

impl Encode for QueuedClaim {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.txid.as_byte_array());
        self.claim.encode_to(out);
    }
}

impl Decode for QueuedClaim {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            txid: Txid::from_byte_array(reader.array()?),
            claim: DepositClaim::decode_from(reader)?,
        })
    }
}

/// Why a request that was due was dropped for good.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Void {
    /// Its transfer was included, or its deposit credited, before.
    #[error("batch {0} did it before")]
    Done(u32),
    /// One of its notes was spent by another transfer.
    #[error("nullifier {0} is spent")]
    Spent(Nullifier),
    /// A sum is out of range: more would leave than is shielded.
    #[error("its exit, fee or amount does not fit what is shielded")]
    Supply,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The batch honoured it.
    Honoured,
    /// The batch dropped it.
    Void(Void),
}

/// A request that a batch has dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The transaction that posted it.
    pub txid: Txid,
    /// The batch.
    pub batch: u32,
    /// What became of it.
    pub fate: Fate,
}

impl Encode for Settled {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.txid.as_byte_array());
        out.extend_from_slice(&self.batch.to_le_bytes());
        match &self.fate {
            Fate::Honoured => out.push(0),
            Fate::Void(Void::Done(batch)) => {
                out.push(1);
                out.extend_from_slice(&batch.to_le_bytes());
            }
            Fate::Void(Void::Spent(nf)) => {
                out.push(2);
                nf.encode_to(out);
            }
            Fate::Void(Void::Supply) => out.push(3),
        }
    }
}

impl Decode for Settled {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let txid = Txid::from_byte_array(reader.array()?);
        let batch = reader.u32()?;
        let fate = match reader.u8()? {
            0 => Fate::Honoured,
            1 => Fate::Void(Void::Done(reader.u32()?)),
            2 => Fate::Void(Void::Spent(Nullifier::decode_from(reader)?)),
            3 => Fate::Void(Void::Supply),
            _ => return Err(DecodeError::Unknown("fate of a forced request")),
        };
        Ok(Self { txid, batch, fate })
    }
}

#[cfg(test)]
mod tests;
