//! One vault transaction on its way: what is written down about it.
//!
//! ```text
//!   planned ──► signed ──► sent ──► confirmed ──► buried (forgotten)
//!      ▲           │         │          │
//!      └───────────┴─────────┘          └──► beaten by another spend of the tip
//!        refused, too cheap: a new version
//! ```
//! It is written down when it is planned, before anybody is asked to sign it, and again when it is
//! signed, before it is sent. So is a child that pays for it.

use std::collections::BTreeSet;

use bitcoin::{OutPoint, Transaction, Txid};
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};

use crate::chain_link::Fate;
use crate::journal::{
    JournalError, put_bytes, put_outpoints, put_transaction, put_txids, read_bytes, read_outpoints,
    read_transaction, read_txids,
};
use crate::proposal::Proposal;

/// Version of the entry's layout.
const LAYOUT: u8 = 3;

/// Older versions that are remembered: far more than the blocks of a fee storm.
const MOST_SUPERSEDED: usize = 256;

/// A version with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) tx: Transaction,
    /// The fee it pays by itself.
    pub(super) fee: u64,
    /// The operator's child that pays for it too.
    pub(super) child: Option<Transaction>,
}

impl Signed {
    pub(super) fn txid(&self) -> Txid {
        self.tx.compute_txid()
    }
}

/// A vault transaction on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its latest version.
    pub(super) proposal: Proposal,
    /// The latest version that is signed; while a newer one is planned, still the one before.
    pub(super) signed: Option<Signed>,
    /// Height at which the latest version was planned.
    pub(super) since: u32,
    /// Older versions, which may confirm in place of the latest: whoever signed them may have kept them.
    pub(super) superseded: Vec<Txid>,
    /// The operator's coins that older versions spend: the node may still have one of them.
    pub(super) older_coins: BTreeSet<OutPoint>,
    pub(super) fate: Fate,
}

impl Entry {
    /// The first version.
    pub(super) fn planned(proposal: Proposal, since: u32) -> Self {
        Self {
            proposal,
            signed: None,
            since,
            superseded: Vec::new(),
            older_coins: BTreeSet::new(),
            fate: Fate::Waiting,
        }
    }

    /// The entry with this version as its latest; the very same version stays as it is.
    pub(super) fn replan(self, proposal: Proposal, since: u32) -> Self {
        if self.proposal == proposal {
            return self;
        }
        let signed = self.signed.as_ref().map(Signed::txid);
        let mut superseded: Vec<Txid> = self.versions();
        superseded.retain(|version| *version != proposal.txid());
        // The one that is signed is never forgotten: it may be in a block tomorrow.
        let kept = signed.filter(|signed| superseded.contains(signed));
        superseded.truncate(MOST_SUPERSEDED);
        if let Some(signed) = kept.filter(|signed| !superseded.contains(signed)) {
            superseded.push(signed);
        }
        Self {
            superseded,
            older_coins: self.operator_inputs(),
            signed: self.signed,
            ..Self::planned(proposal, since)
        }
    }

    /// The latest version, if it is signed.
    pub(super) fn latest_signed(&self) -> Option<&Signed> {
        let latest = self.proposal.txid();
        self.signed.as_ref().filter(|signed| signed.txid() == latest)
    }

    /// The vault tip that it spends.
    pub(super) fn spends(&self) -> OutPoint {
        self.proposal.tip()
    }

    /// All versions that may confirm, the latest first.
    pub(super) fn versions(&self) -> Vec<Txid> {
        let latest = std::iter::once(self.proposal.txid());
        latest.chain(self.superseded.iter().copied()).collect()
    }

    /// The operator's coins that any version or the child spends.
    pub(super) fn operator_inputs(&self) -> BTreeSet<OutPoint> {
        let latest = self.proposal.coins().iter().copied();
        let child = self.signed.as_ref().and_then(|signed| signed.child.as_ref());
        let childs = child.into_iter().flat_map(|child| &child.input);
        latest
            .chain(self.older_coins.iter().copied())
            .chain(childs.map(|input| input.previous_output))
            .collect()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        put_bytes(&mut out, &self.proposal.encode());
        let child = self.signed.as_ref().and_then(|signed| signed.child.as_ref());
        out.push(u8::from(self.signed.is_some()) + u8::from(child.is_some()));
        if let Some(signed) = &self.signed {
            put_transaction(&mut out, &signed.tx);
            out.extend_from_slice(&signed.fee.to_le_bytes());
        }
        if let Some(child) = child {
            put_transaction(&mut out, child);
        }
        out.extend_from_slice(&self.since.to_le_bytes());
        put_txids(&mut out, &self.superseded);
        put_outpoints(&mut out, &self.older_coins);
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
        let proposal = Proposal::decode(read_bytes(reader)?)?;
        let signed = match reader.u8()? {
            0 => None,
            flag @ (1 | 2) => {
                let (tx, fee) = (read_transaction(reader)?, reader.u64()?);
                let child = (flag == 2).then(|| read_transaction(reader)).transpose()?;
                Some(Signed { tx, fee, child })
            }
            _ => return Err(DecodeError::Unknown("flag")),
        };
        let since = reader.u32()?;
        let superseded = read_txids(reader)?;
        let older_coins = read_outpoints(reader)?;
        let fate = Fate::decode_from(reader)?;
        reader.clone().finish()?;
        let entry = Self {
            proposal,
            signed,
            since,
            superseded,
            older_coins,
            fate,
        };
        let signed = entry.signed.as_ref().map(Signed::txid);
        if signed.is_some_and(|txid| !entry.versions().contains(&txid)) {
            return Err(DecodeError::OutOfRange("the signed transaction"));
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests;
