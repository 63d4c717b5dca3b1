//! One vault transaction on its way: what is written down about it.

use bitcoin::{OutPoint, Transaction, Txid};
use tacit_protocol::encoding::{DecodeError, Reader};

use crate::chain_link::Fate;
use crate::journal::{
    JournalError, put_outpoint, put_transaction, put_txids, read_outpoint, read_transaction, read_txids,
};

/// Version of the entry's layout.
const LAYOUT: u8 = 1;

/// A vault transaction on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The vault tip that it spends.
    pub(super) spends: OutPoint,
    /// Its latest version, signed.
    pub(super) tx: Transaction,
    /// The operator's coins that it spends.
    pub(super) operator: Vec<OutPoint>,
    /// Older versions, which may confirm in place of the latest.
    pub(super) superseded: Vec<Txid>,
    pub(super) fate: Fate,
}

impl Entry {
    /// All versions that may confirm, the latest first.
    pub(super) fn versions(&self) -> Vec<Txid> {
        let latest = std::iter::once(self.tx.compute_txid());
        latest.chain(self.superseded.iter().copied()).collect()
    }

    pub(super) fn operator_inputs(&self) -> Vec<OutPoint> {
        self.operator.clone()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        put_outpoint(&mut out, &self.spends);
        put_transaction(&mut out, &self.tx);
        let count = u32::try_from(self.operator.len()).expect("a transaction has few inputs");
        out.extend_from_slice(&count.to_le_bytes());
        for outpoint in &self.operator {
            put_outpoint(&mut out, outpoint);
        }
        put_txids(&mut out, &self.superseded);
        self.fate.encode_to(&mut out);
        out
    }

    pub(super) fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, JournalError> {
        Self::read(bytes).map_err(|error| JournalError::corrupt(key, &error))
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let reader = &mut reader;
        if reader.u8()? != LAYOUT {
            return Err(DecodeError::Unknown("layout of a vault transaction's entry"));
        }
        let spends = read_outpoint(reader)?;
        let tx = read_transaction(reader)?;
        let operator = (0..reader.u32()?)
            .map(|_| read_outpoint(reader))
            .collect::<Result<_, _>>()?;
        let superseded = read_txids(reader)?;
        let fate = Fate::decode_from(reader)?;
        reader.clone().finish()?;
        Ok(Self {
            spends,
            tx,
            operator,
            superseded,
            fate,
        })
    }
}
