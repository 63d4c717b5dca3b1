//! The OP_RETURN of a vault transaction: what it claims to do, in at most 80 bytes.
//!
//! ```text
//!   magic 4 ‖ version 1 ‖ flags 1 = 0 ‖ n_dep u16 ‖ q u32 ‖ first u48 ‖ bitmap ≤ 62
//!                       ‖ flags 1 = 1 ‖ 0     u16 ‖ q u32 ‖ hash of the next epoch 32
//!                       ‖ flags 1 = 2 ‖ 0     u16 ‖ q u32 ‖ key of the next sequencer 32
//! ```
//!
//! Bit `i` of the bitmap (lowest bit of the first byte first) says that withdrawal `first + i` is
//! paid. The encoding is canonical: bit 0 is set, the last byte is not zero, and with nothing paid
//! `first` is 0 and the bitmap empty. What hands something over neither sweeps nor pays.

use bitcoin::opcodes::all::OP_RETURN;
use bitcoin::script::{Builder, Instruction, PushBytes};
use bitcoin::{Script, ScriptBuf, XOnlyPublicKey};
use thiserror::Error;

use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::peg::epoch::EpochHash;
use crate::peg::exit::read_x_only;
use crate::peg::fees::FeeRate;

/// What the OP_RETURN of every vault transaction starts with.
pub const MAGIC: [u8; 4] = *b"TCTV";

/// Version of the layout.
pub const VERSION: u8 = 1;

/// Longest bitmap in bytes.
pub const MAX_BITMAP: usize = 62;

/// How far the last withdrawal paid may lie behind the first one.
pub const MAX_SPAN: u64 = 8 * MAX_BITMAP as u64;

/// Why a list of withdrawals cannot be written down, or an output is not a vault's OP_RETURN.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MetaError {
    /// The indices do not strictly ascend.
    #[error("withdrawal indices do not ascend")]
    Order,
    /// The indices lie too far apart, or the first one needs more than 48 bits.
    #[error("withdrawal indices do not fit the bitmap")]
    Span,
    /// The script is not `OP_RETURN` with one minimal push.
    #[error("not an OP_RETURN with one minimal push")]
    Script,
}

/// What a vault transaction that neither sweeps nor pays hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Handover {
    /// The vault, to the federation of the next epoch: output 0 pays to its keys.
    Vault(EpochHash),
    /// The anchor chain, to a sequencer with this key: output 2 is its first anchor.
    Anchor(XOnlyPublicKey),
}

impl Handover {
    /// The byte that stands for the kind; zero is that of everyday transactions.
    const fn flag(&self) -> u8 {
        match self {
            Self::Vault(_) => 1,
            Self::Anchor(_) => 2,
        }
    }
}

/// The contents of the OP_RETURN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultMeta {
    n_dep: u16,
    rate: FeeRate,
    paid: Vec<u64>,
    handover: Option<Handover>,
}

impl VaultMeta {
    /// States `n_dep` deposits, the rate of the shares and the withdrawals paid, ascending.
    ///
    /// # Errors
    /// [`MetaError::Order`], [`MetaError::Span`].
    pub fn new(n_dep: u16, rate: FeeRate, paid: Vec<u64>) -> Result<Self, MetaError> {
        if !paid.is_sorted_by(|a, b| a < b) {
            return Err(MetaError::Order);
        }
        if let (Some(&first), Some(&last)) = (paid.first(), paid.last())
            && (first >= 1 << 48 || last - first >= MAX_SPAN)
        {
            return Err(MetaError::Span);
        }
        Ok(Self {
            n_dep,
            rate,
            paid,
            handover: None,
        })
    }

    /// States that something is handed over, and nothing swept or paid.
    #[must_use]
    pub fn handing_over(handover: Handover, rate: FeeRate) -> Self {
        Self {
            n_dep: 0,
            rate,
            paid: Vec::new(),
            handover: Some(handover),
        }
    }

    /// What is handed over, if anything.
    #[must_use]
    pub fn handover(&self) -> Option<Handover> {
        self.handover
    }

    /// Number of deposits swept.
    #[must_use]
    pub fn n_dep(&self) -> u16 {
        self.n_dep
    }

    /// Rate of the shares.
    #[must_use]
    pub fn rate(&self) -> FeeRate {
        self.rate
    }

    /// Indices of the withdrawals paid, ascending.
    #[must_use]
    pub fn paid(&self) -> &[u64] {
        &self.paid
    }

    /// The output script.
    ///
    /// # Panics
    /// Never: the encoding has at most 80 bytes.
    #[must_use]
    pub fn to_script(&self) -> ScriptBuf {
        let bytes = self.encode();
        let push: &PushBytes = bytes.as_slice().try_into().expect("at most 80 bytes");
        Builder::new()
            .push_opcode(OP_RETURN)
            .push_slice(push)
            .into_script()
    }

    /// The bytes behind an `OP_RETURN`, if the script is nothing but that.
    ///
    /// # Errors
    /// [`MetaError::Script`].
    pub fn script_bytes(script: &Script) -> Result<&[u8], MetaError> {
        let mut instructions = script.instructions_minimal();
        match (instructions.next(), instructions.next(), instructions.next()) {
            (Some(Ok(Instruction::Op(OP_RETURN))), Some(Ok(Instruction::PushBytes(b))), None) => {
                Ok(b.as_bytes())
            }
            _ => Err(MetaError::Script),
        }
    }
}

impl Encode for VaultMeta {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.handover.as_ref().map_or(0, Handover::flag)]);
        out.extend_from_slice(&self.n_dep.to_le_bytes());
        out.extend_from_slice(&self.rate.sat_per_kwu().to_le_bytes());
        match &self.handover {
            Some(Handover::Vault(hash)) => out.extend_from_slice(&hash.0),
            Some(Handover::Anchor(key)) => out.extend_from_slice(&key.serialize()),
            None => self.encode_paid(out),
        }
    }
}

impl VaultMeta {
    fn encode_paid(&self, out: &mut Vec<u8>) {
        let first = self.paid.first().copied().unwrap_or(0);
        out.extend_from_slice(&first.to_le_bytes()[..6]);
        let mut bitmap = [0u8; MAX_BITMAP];
        let mut used = 0;
        for index in &self.paid {
            let bit = usize::try_from(index - first).expect("the span is bounded");
            bitmap[bit / 8] |= 1 << (bit % 8);
            used = bit / 8 + 1;
        }
        out.extend_from_slice(&bitmap[..used]);
    }
}

impl Decode for VaultMeta {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.array::<4>()? != MAGIC {
            return Err(DecodeError::Unknown("vault magic"));
        }
        if reader.u8()? != VERSION {
            return Err(DecodeError::Unknown("vault version"));
        }
        let flags = reader.u8()?;
        let n_dep = reader.u16()?;
        let rate = FeeRate::from_sat_per_kwu(reader.u32()?);
        let handover = match flags {
            0 => {
                let paid = read_paid(reader)?;
                return Ok(Self {
                    n_dep,
                    rate,
                    paid,
                    handover: None,
                });
            }
            1 => Handover::Vault(EpochHash(reader.array()?)),
            2 => Handover::Anchor(read_x_only(reader)?),
            _ => return Err(DecodeError::Unknown("vault flags")),
        };
        if n_dep != 0 {
            return Err(DecodeError::OutOfRange("deposits beside a handover"));
        }
        Ok(Self::handing_over(handover, rate))
    }
}

/// The withdrawals of `first` and bitmap, which end the bytes.
fn read_paid(reader: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    let [a, b, c, d, e, f] = reader.array()?;
    let first = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    if reader.remaining() > MAX_BITMAP {
        return Err(DecodeError::TrailingBytes(reader.remaining() - MAX_BITMAP));
    }
    let bitmap = reader.take(reader.remaining())?;
    let canonical = match (bitmap.first(), bitmap.last()) {
        (Some(head), Some(tail)) => head & 1 == 1 && *tail != 0,
        _ => first == 0,
    };
    if !canonical {
        return Err(DecodeError::OutOfRange("vault bitmap"));
    }
    let bits = (0..8 * bitmap.len()).filter(|bit| bitmap[bit / 8] >> (bit % 8) & 1 == 1);
    Ok(bits.map(|bit| first + bit as u64).collect())
}

#[cfg(test)]
mod tests;
