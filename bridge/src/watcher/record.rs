//! What is written down about a registered deposit.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, XOnlyPublicKey};
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::peg::exit::read_x_only;
use tacit_protocol::{Amount, field};

use super::Registration;
use crate::journal::{JournalError, read_outpoint};

/// Version of the record's layout.
const LAYOUT: u8 = 2;

/// A registered deposit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) registration: Registration,
    /// The federation it was made to.
    pub(super) federation: XOnlyPublicKey,
    pub(super) amount: Amount,
    /// The block it was last seen in.
    pub(super) block: Option<BlockHash>,
    /// Height at which it was first seen spent elsewhere.
    pub(super) gone_since: Option<u32>,
    /// Spent elsewhere so long ago that nobody looks any more.
    pub(super) closed: bool,
}

impl Record {
    pub(super) fn new(registration: Registration, federation: XOnlyPublicKey, amount: Amount) -> Self {
        Self {
            registration,
            federation,
            amount,
            block: None,
            gone_since: None,
            closed: false,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        out.extend_from_slice(&field::to_bytes(&self.registration.inner));
        out.extend_from_slice(&self.registration.refund.serialize());
        out.extend_from_slice(&self.federation.serialize());
        self.amount.encode_to(&mut out);
        out.push(u8::from(self.block.is_some()));
        if let Some(block) = &self.block {
            out.extend_from_slice(block.as_byte_array());
        }
        out.push(u8::from(self.gone_since.is_some()));
        if let Some(height) = self.gone_since {
            out.extend_from_slice(&height.to_le_bytes());
        }
        out.push(u8::from(self.closed));
        out
    }

    pub(super) fn decode(key: &[u8], outpoint: OutPoint, bytes: &[u8]) -> Result<Self, JournalError> {
        Self::read(outpoint, bytes).map_err(|error| JournalError::corrupt(key, &error))
    }

    fn read(outpoint: OutPoint, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let reader = &mut reader;
        if reader.u8()? != LAYOUT {
            return Err(DecodeError::Unknown("layout of a deposit's record"));
        }
        let inner = reader.field()?;
        let refund = read_x_only(reader)?;
        let federation = read_x_only(reader)?;
        let amount = Amount::decode_from(reader)?;
        let block = if flag(reader)? {
            Some(BlockHash::from_byte_array(reader.array()?))
        } else {
            None
        };
        let gone_since = if flag(reader)? { Some(reader.u32()?) } else { None };
        let closed = flag(reader)?;
        reader.clone().finish()?;
        let registration = Registration {
            outpoint,
            inner,
            refund,
        };
        Ok(Self {
            registration,
            federation,
            amount,
            block,
            gone_since,
            closed,
        })
    }
}

fn flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Unknown("flag")),
    }
}

/// The outpoint that a journal key is about.
pub(super) fn outpoint_of(key: &[u8], prefix: &[u8]) -> Result<OutPoint, JournalError> {
    let mut reader = Reader::new(key.get(prefix.len()..).unwrap_or_default());
    read_outpoint(&mut reader).map_err(|error| JournalError::corrupt(key, &error))
}
