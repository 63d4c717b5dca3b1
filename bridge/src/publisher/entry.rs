//! One anchor on its way: what is written down about it, and how it is planned and signed.
//!
//! The entry holds both signed transactions and everything they were planned from. Planning is
//! deterministic, so that a bump after a restart rebuilds the very same commit.

use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::{OutPoint, Transaction, Txid};
use tacit_protocol::encoding::{DecodeError, Reader};
use tacit_protocol::peg::anchor::{AnchorPlan, CommitReveal, plan_commit_reveal};
use tacit_protocol::peg::exit::read_x_only;
use tacit_protocol::peg::{AnchorKeys, AnchorStep, AnchorTip, Coin, FeeRate};

use super::{AnchorReport, AnchorState, PublishError, PublisherConfig};
use crate::chain_link::Fate;
use crate::coins::CoinBook;
use crate::journal::{
    JournalError, outpoint_key, put_bytes, put_coins, put_outpoint, put_transaction, put_txids, put_txout,
    read_bytes, read_coins, read_outpoint, read_transaction, read_txids, read_txout,
};

/// Version of the entry's layout.
const LAYOUT: u8 = 2;

/// The inputs of a reveal that belong to the anchor: the tip and the commit.
const ANCHOR_INPUTS: usize = 2;

/// An anchor on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tip: AnchorTip,
    /// The keys of the tip and of the next anchor.
    pub(super) keys: AnchorStep,
    pub(super) payload: Vec<u8>,
    /// The coins that the commit spends.
    pub(super) coins: Vec<Coin>,
    /// The rate that commit and first reveal were planned at.
    pub(super) rate: FeeRate,
    /// The rate of the latest reveal.
    pub(super) reveal_rate: FeeRate,
    pub(super) commit: Transaction,
    pub(super) reveal: Transaction,
    /// Older reveals, which may confirm in place of the latest.
    pub(super) superseded: Vec<Txid>,
    /// Height at which the latest reveal was made.
    pub(super) sent_at: u32,
    pub(super) fate: Fate,
}

impl Entry {
    /// Plans and signs a new anchor.
    pub(super) fn plan(
        config: &PublisherConfig,
        (tip, keys): (AnchorTip, AnchorStep),
        payload: Vec<u8>,
        rate: FeeRate,
        height: u32,
        coins: &CoinBook,
    ) -> Result<Self, PublishError> {
        let pool = coins.spendable();
        let plan = AnchorPlan {
            tip: &tip,
            keys: &keys,
            payload: &payload,
            coins: &pool,
            rate,
            change_script: coins.script(),
        };
        let unsigned = plan_commit_reveal(&plan)?;
        let prevouts = unsigned.commit_prevouts();
        let spent = unsigned
            .commit()
            .input
            .iter()
            .zip(prevouts)
            .map(|(input, prevout)| Coin {
                outpoint: input.previous_output,
                txout: prevout.clone(),
            });
        let coins = spent.collect();
        let (commit, reveal) = (sign_commit(config, &unsigned), sign_reveal(config, &unsigned));
        Ok(Self {
            tip,
            keys,
            payload,
            coins,
            rate,
            reveal_rate: rate,
            commit,
            reveal,
            superseded: Vec::new(),
            sent_at: height,
            fate: Fate::Waiting,
        })
    }

    /// The same payload on the same tip with other coins.
    pub(super) fn replan(
        self,
        config: &PublisherConfig,
        rate: FeeRate,
        height: u32,
        coins: &CoinBook,
    ) -> Result<Self, PublishError> {
        let superseded = self.versions();
        let planned = Self::plan(config, (self.tip, self.keys), self.payload, rate, height, coins)?;
        Ok(Self {
            superseded,
            ..planned
        })
    }

    /// The same commit with a reveal that pays `rate`.
    pub(super) fn bump(
        &self,
        config: &PublisherConfig,
        rate: FeeRate,
        height: u32,
        coins: &CoinBook,
    ) -> Result<Self, PublishError> {
        let plan = AnchorPlan {
            tip: &self.tip,
            keys: &self.keys,
            payload: &self.payload,
            coins: &self.coins,
            rate: self.rate,
            change_script: coins.script(),
        };
        let unsigned = plan_commit_reveal(&plan)?;
        if unsigned.commit().compute_txid() != self.commit.compute_txid() {
            let key = outpoint_key(super::PREFIX, &self.tip.outpoint);
            let reason = "the commit cannot be rebuilt: were the operator's or anchor's keys changed?";
            return Err(JournalError::corrupt(&key, &reason).into());
        }
        let bumped = unsigned.bump(&coins.spendable(), rate, coins.script())?;
        Ok(Self {
            reveal: sign_reveal(config, &bumped),
            reveal_rate: rate,
            superseded: self.versions(),
            sent_at: height,
            ..self.clone()
        })
    }

    /// All reveals that may confirm, the latest first.
    pub(super) fn versions(&self) -> Vec<Txid> {
        let latest = std::iter::once(self.reveal.compute_txid());
        latest.chain(self.superseded.iter().copied()).collect()
    }

    /// The operator's coins that the commit spends.
    pub(super) fn commit_inputs(&self) -> impl Iterator<Item = OutPoint> + use<'_> {
        self.coins.iter().map(|coin| coin.outpoint)
    }

    /// The operator's coins that the latest reveal spends.
    pub(super) fn bump_inputs(&self) -> impl Iterator<Item = OutPoint> + use<'_> {
        self.reveal
            .input
            .iter()
            .skip(ANCHOR_INPUTS)
            .map(|input| input.previous_output)
    }

    /// All of the operator's coins that the anchor spends.
    pub(super) fn operator_inputs(&self) -> Vec<OutPoint> {
        self.commit_inputs().chain(self.bump_inputs()).collect()
    }

    pub(super) fn report(&self, state: AnchorState) -> AnchorReport {
        AnchorReport {
            spends: self.tip.outpoint,
            commit: self.commit.compute_txid(),
            reveal: self.reveal.compute_txid(),
            state,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        put_outpoint(&mut out, &self.tip.outpoint);
        put_txout(&mut out, &self.tip.txout);
        put_step(&mut out, &self.keys);
        put_bytes(&mut out, &self.payload);
        put_coins(&mut out, &self.coins);
        out.extend_from_slice(&self.rate.sat_per_kwu().to_le_bytes());
        out.extend_from_slice(&self.reveal_rate.sat_per_kwu().to_le_bytes());
        put_transaction(&mut out, &self.commit);
        put_transaction(&mut out, &self.reveal);
        put_txids(&mut out, &self.superseded);
        out.extend_from_slice(&self.sent_at.to_le_bytes());
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
            return Err(DecodeError::Unknown("layout of an anchor's entry"));
        }
        let entry = Self {
            tip: AnchorTip {
                outpoint: read_outpoint(reader)?,
                txout: read_txout(reader)?,
            },
            keys: read_step(reader)?,
            payload: read_bytes(reader)?.to_vec(),
            coins: read_coins(reader)?,
            rate: FeeRate::from_sat_per_kwu(reader.u32()?),
            reveal_rate: FeeRate::from_sat_per_kwu(reader.u32()?),
            commit: read_transaction(reader)?,
            reveal: read_transaction(reader)?,
            superseded: read_txids(reader)?,
            sent_at: reader.u32()?,
            fate: Fate::decode_from(reader)?,
        };
        reader.clone().finish()?;
        Ok(entry)
    }
}

/// Appends the keys of a step; both anchors have one sequencer and one timelock.
fn put_step(out: &mut Vec<u8>, step: &AnchorStep) {
    for key in [&step.own.anchor, &step.own.federation, &step.next.federation] {
        out.extend_from_slice(&key.serialize());
    }
    out.extend_from_slice(&step.own.takeover_timelock.to_le_bytes());
}

fn read_step(reader: &mut Reader<'_>) -> Result<AnchorStep, DecodeError> {
    let (anchor, own, next) = (read_x_only(reader)?, read_x_only(reader)?, read_x_only(reader)?);
    let takeover_timelock = reader.u16()?;
    let keys = |federation| AnchorKeys {
        anchor,
        federation,
        takeover_timelock,
    };
    Ok(AnchorStep {
        own: keys(own),
        next: keys(next),
    })
}

fn sign_commit(config: &PublisherConfig, unsigned: &CommitReveal) -> Transaction {
    let signatures: Vec<Signature> = (0..unsigned.commit().input.len())
        .map(|input| {
            config
                .operator_key
                .sign_key_path(&unsigned.commit_sighash(input), None)
        })
        .collect();
    unsigned.finalise_commit(&signatures)
}

fn sign_reveal(config: &PublisherConfig, unsigned: &CommitReveal) -> Transaction {
    let signatures: Vec<Signature> = (0..unsigned.reveal().input.len())
        .map(|input| {
            let message = unsigned.reveal_sighash(input);
            match input {
                0 => config
                    .anchor_key
                    .sign_key_path(&message, Some(unsigned.anchor_root())),
                1 => config.anchor_key.sign_plain(&message),
                _ => config.operator_key.sign_key_path(&message, None),
            }
        })
        .collect();
    unsigned.finalise_reveal(&signatures)
}
