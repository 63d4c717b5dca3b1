//! What followers remember about Bitcoin, with canonical bytes.

use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, TxOut, Txid, XOnlyPublicKey};
use tacit_protocol::batch::Batch;
use tacit_protocol::encoding::{Decode, DecodeError, Encode, Reader};
use tacit_protocol::peg::Exit;
use tacit_protocol::peg::exit::read_x_only;
use tacit_protocol::transfer::TransferId;
use tacit_protocol::{Amount, F, field};

use super::limits::FeeLimit;

/// The last block applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}

/// Where on Bitcoin something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Height of the block.
    pub height: u32,
    /// Hash of the block.
    pub block: BlockHash,
    /// Time in the block's header.
    pub time: u32,
    /// The transaction.
    pub txid: Txid,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferPlace {
    /// The batch.
    pub batch: u32,
    /// The slot in it.
    pub slot: u8,
}

/// An applied batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// The anchor that carried it.
    pub place: Place,
    /// The operator's `pk_d` in force, named by this batch or by one before it.
    pub operator: F,
    /// The batch.
    pub batch: Batch,
}

/// A deposit that was swept into the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The deposit's outpoint.
    pub outpoint: OutPoint,
    /// Its script, which commits to the note and the refund key.
    pub script: ScriptBuf,
    /// What it held.
    pub amount: Amount,
    /// What it credits.
    pub credit: Amount,
    /// Height of the sweep.
    pub height: u32,
    /// The epoch that swept it; the deposit was made to its federation or to the one before.
    pub epoch: u32,
    /// The vault transaction that swept it.
    pub txid: Txid,
    /// Whether the vault had broken a rule before.
    pub after_fault: bool,
    /// The batch that credited it.
    pub credited: Option<u32>,
}

impl Swept {
    /// Whether it is owed: it was swept by the rules and no batch has credited it.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        self.credited.is_none() && !self.after_fault
    }
}

/// An exit that waits for its payout or has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// What is owed.
    pub exit: Exit,
    /// The batch of the transfer.
    pub batch: u32,
    /// Height of the batch's anchor.
    pub height: u32,
    /// The transfer.
    pub id: TransferId,
    /// The highest fee share that it bears.
    pub limit: FeeLimit,
    /// The payout.
    pub paid: Option<Payout>,
}

/// A payout on Bitcoin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Its height.
    pub height: u32,
    /// The vault transaction and the output that pays.
    pub outpoint: OutPoint,
    /// Its share of the miner's fee; the output holds the exit minus this.
    pub share: Amount,
}

/// The verdict on one spend of the anchor tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The payload was valid: these batches were applied.
    Applied {
        /// The first.
        first: u32,
        /// How many.
        count: u32,
    },
    /// It carried no payload; the reason.
    Empty(String),
    /// The payload was invalid; the first rule broken.
    Invalid(String),
    /// Not a spend: a vault transaction began the chain anew, for the sequencer with this key.
    Reset(XOnlyPublicKey),
}

/// One step of the anchor chain: a spend of its tip, or a reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorRecord {
    /// Where.
    pub place: Place,
    /// The verdict.
    pub verdict: Verdict,
}

/// One spend of the vault tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultRecord {
    /// Where.
    pub place: Place,
    /// Number of deposits swept.
    pub swept: u32,
    /// Number of withdrawals paid.
    pub paid: u32,
    /// The vault's amount afterwards.
    pub amount: Amount,
    /// What it handed over.
    pub handover: Handed,
}

/// What a vault transaction handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handed {
    /// Nothing: it swept, paid, or moved the vault to itself.
    Nothing,
    /// The vault, to the federation of this epoch.
    Vault(u32),
    /// The anchor chain, to another sequencer.
    Anchor,
    /// The anchor chain, at a time when that did not count: nothing changed.
    Void,
}

/// A transaction that spent the vault against the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The rule.
    pub rule: String,
}

pub(super) fn put_outpoint(out: &mut Vec<u8>, outpoint: &OutPoint) {
    out.extend_from_slice(outpoint.txid.as_byte_array());
    out.extend_from_slice(&outpoint.vout.to_le_bytes());
}

pub(super) fn outpoint(reader: &mut Reader<'_>) -> Result<OutPoint, DecodeError> {
    Ok(OutPoint {
        txid: Txid::from_byte_array(reader.array()?),
        vout: reader.u32()?,
    })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let length = u32::try_from(bytes.len()).expect("short texts");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn bytes<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let n = usize::try_from(reader.u32()?).map_err(|_| DecodeError::OutOfRange("length"))?;
    reader.take(n)
}

fn text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    String::from_utf8(bytes(reader)?.to_vec()).map_err(|_| DecodeError::Unknown("text"))
}

/// Reads a value behind a byte that says whether there is one.
pub(super) fn option<T>(
    reader: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => read(reader).map(Some),
        _ => Err(DecodeError::Unknown("option")),
    }
}

impl Encode for Cursor {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(self.hash.as_byte_array());
    }
}

impl Decode for Cursor {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            height: reader.u32()?,
            hash: BlockHash::from_byte_array(reader.array()?),
        })
    }
}

impl Encode for Place {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(self.block.as_byte_array());
        out.extend_from_slice(&self.time.to_le_bytes());
        out.extend_from_slice(self.txid.as_byte_array());
    }
}

impl Decode for Place {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let height = reader.u32()?;
        let block = BlockHash::from_byte_array(reader.array()?);
        let time = reader.u32()?;
        Ok(Self {
            height,
            block,
            time,
            txid: Txid::from_byte_array(reader.array()?),
        })
    }
}

impl Encode for TransferPlace {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.batch.to_le_bytes());
        out.push(self.slot);
    }
}

impl Decode for TransferPlace {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            batch: reader.u32()?,
            slot: reader.u8()?,
        })
    }
}

impl Encode for BatchRecord {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.place.encode_to(out);
        out.extend_from_slice(&field::to_bytes(&self.operator));
        self.batch.encode_to(out);
    }
}

impl Decode for BatchRecord {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            place: Place::decode_from(reader)?,
            operator: reader.field()?,
            batch: Batch::decode_from(reader)?,
        })
    }
}

impl Encode for Swept {
    fn encode_to(&self, out: &mut Vec<u8>) {
        put_outpoint(out, &self.outpoint);
        let script = self.script.as_bytes();
        out.extend_from_slice(
            &u32::try_from(script.len())
                .expect("scripts are short")
                .to_le_bytes(),
        );
        out.extend_from_slice(script);
        self.amount.encode_to(out);
        self.credit.encode_to(out);
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(self.txid.as_byte_array());
        out.push(u8::from(self.after_fault));
        out.push(u8::from(self.credited.is_some()));
        if let Some(batch) = self.credited {
            out.extend_from_slice(&batch.to_le_bytes());
        }
    }
}

impl Decode for Swept {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            outpoint: outpoint(reader)?,
            script: ScriptBuf::from_bytes(bytes(reader)?.to_vec()),
            amount: Amount::decode_from(reader)?,
            credit: Amount::decode_from(reader)?,
            height: reader.u32()?,
            epoch: reader.u32()?,
            txid: Txid::from_byte_array(reader.array()?),
            after_fault: reader.u8()? != 0,
            credited: option(reader, |r| r.u32())?,
        })
    }
}

impl Encode for Withdrawal {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.exit.encode_to(out);
        out.extend_from_slice(&self.batch.to_le_bytes());
        out.extend_from_slice(&self.height.to_le_bytes());
        out.extend_from_slice(&self.id.0);
        self.limit.encode_to(out);
        out.push(u8::from(self.paid.is_some()));
        if let Some(payout) = &self.paid {
            out.extend_from_slice(&payout.height.to_le_bytes());
            put_outpoint(out, &payout.outpoint);
            payout.share.encode_to(out);
        }
    }
}

impl Decode for Withdrawal {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let exit = Exit::decode_from(reader)?;
        let (batch, height) = (reader.u32()?, reader.u32()?);
        let id = TransferId(reader.array()?);
        let limit = FeeLimit::read(reader, &exit)?;
        Ok(Self {
            exit,
            batch,
            height,
            id,
            limit,
            paid: option(reader, |r| {
                let (height, outpoint) = (r.u32()?, outpoint(r)?);
                Ok(Payout {
                    height,
                    outpoint,
                    share: Amount::decode_from(r)?,
                })
            })?,
        })
    }
}

impl Encode for AnchorRecord {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.place.encode_to(out);
        match &self.verdict {
            Verdict::Applied { first, count } => {
                out.push(0);
                out.extend_from_slice(&first.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
            }
            Verdict::Empty(reason) => {
                out.push(1);
                put_text(out, reason);
            }
            Verdict::Invalid(rule) => {
                out.push(2);
                put_text(out, rule);
            }
            Verdict::Reset(sequencer) => {
                out.push(3);
                out.extend_from_slice(&sequencer.serialize());
            }
        }
    }
}

impl Decode for AnchorRecord {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = Place::decode_from(reader)?;
        let verdict = match reader.u8()? {
            0 => Verdict::Applied {
                first: reader.u32()?,
                count: reader.u32()?,
            },
            1 => Verdict::Empty(text(reader)?),
            2 => Verdict::Invalid(text(reader)?),
            3 => Verdict::Reset(read_x_only(reader)?),
            _ => return Err(DecodeError::Unknown("verdict")),
        };
        Ok(Self { place, verdict })
    }
}

impl Encode for VaultRecord {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.place.encode_to(out);
        out.extend_from_slice(&self.swept.to_le_bytes());
        out.extend_from_slice(&self.paid.to_le_bytes());
        self.amount.encode_to(out);
        match self.handover {
            Handed::Nothing => out.push(0),
            Handed::Vault(epoch) => {
                out.push(1);
                out.extend_from_slice(&epoch.to_le_bytes());
            }
            Handed::Anchor => out.push(2),
            Handed::Void => out.push(3),
        }
    }
}

impl Decode for VaultRecord {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = Place::decode_from(reader)?;
        let (swept, paid) = (reader.u32()?, reader.u32()?);
        Ok(Self {
            place,
            swept,
            paid,
            amount: Amount::decode_from(reader)?,
            handover: match reader.u8()? {
                0 => Handed::Nothing,
                1 => Handed::Vault(reader.u32()?),
                2 => Handed::Anchor,
                3 => Handed::Void,
                _ => return Err(DecodeError::Unknown("handover")),
            },
        })
    }
}

impl Encode for Fault {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.place.encode_to(out);
        put_text(out, &self.rule);
    }
}

impl Decode for Fault {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            place: Place::decode_from(reader)?,
            rule: text(reader)?,
        })
    }
}

/// An unspent output with its place: the tips of the two chains of UTXOs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it holds, and its script.
    pub txout: TxOut,
}

impl Encode for Tip {
    fn encode_to(&self, out: &mut Vec<u8>) {
        put_outpoint(out, &self.outpoint);
        out.extend_from_slice(&self.txout.value.to_sat().to_le_bytes());
        out.extend_from_slice(self.txout.script_pubkey.as_bytes());
    }
}

impl Decode for Tip {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let outpoint = outpoint(reader)?;
        let value = bitcoin::Amount::from_sat(reader.u64()?);
        let script_pubkey = ScriptBuf::from_bytes(reader.take(reader.remaining())?.to_vec());
        Ok(Self {
            outpoint,
            txout: TxOut { value, script_pubkey },
        })
    }
}
