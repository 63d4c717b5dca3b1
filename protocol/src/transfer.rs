//! A transfer: two notes in, two notes out, perhaps an exit to Bitcoin; what is signed, what is
//! proven and what is published.
//!
//! * [`TransferBody`] is what the spend signature covers (through [`TransferBody::ctx`] and the
//!   statement's public inputs): everything but the anchor and the proof, so a wallet signs first
//!   and proves later, against any anchor.
//! * [`Transfer`] adds the anchor (the batch whose notes tree the inputs are proven in) and the
//!   proof. Its bytes are what wallets submit; a batch stores the same fields in 318 bytes, and in
//!   more if there is an exit or a memo, which a byte of flags says.
//!
//! The identifier covers the body and neither anchor nor proof: a re-randomised proof is the same
//! transaction. Specification: `docs/spec/transfer.md`.

use std::fmt;

use thiserror::Error;

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader, put_u24};
use crate::encryption::{EncryptedOutputs, Memo};
use crate::field::{self, F};
use crate::hash::{B2, Label};
use crate::note::{Commitment, Nullifier};
use crate::params::ChainParams;
use crate::peg::exit::Exit;
use crate::tree::BATCH_LIMIT;

/// Version of the transfer circuit, bound by the context.
pub const CIRCUIT_VERSION: u16 = 1;
/// Bytes of a transfer without exit and memo inside a batch, proof included.
pub const TRANSFER_BYTES: usize = 318;
/// Bytes of the longest transfer inside a batch: with the longest exit, and a memo.
pub const MAX_TRANSFER_BYTES: usize = TRANSFER_BYTES + Exit::MAX_BYTES + Memo::BYTES;

const FLAG_EXIT: u8 = 1;
const FLAG_MEMO: u8 = 2;

/// The bytes of a Groth16 proof; only the verifier looks inside.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProofBytes(pub [u8; 128]);

impl fmt::Debug for ProofBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofBytes({}…)", hex::encode(&self.0[..8]))
    }
}

/// Identifier of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub [u8; 32]);

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for TransferId {
    type Err = DecodeError;
    fn from_str(s: &str) -> Result<Self, DecodeError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(s, &mut bytes).map_err(|_| DecodeError::Unknown("transfer id"))?;
        Ok(Self(bytes))
    }
}

/// A native rule that a transfer breaks whatever the state is.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TransferRule {
    /// The two nullifiers are equal.
    #[error("the two nullifiers are equal")]
    RepeatedNullifier,
    /// A nullifier is zero.
    #[error("a nullifier is zero")]
    ZeroNullifier,
    /// The fee byte points outside the genesis table.
    #[error("fee code {0} is not in the chain's fee table")]
    UnknownFee(u8),
}

/// What a spend signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferBody {
    /// Nullifiers of the two inputs.
    pub nf: [Nullifier; 2],
    /// Commitments of the two outputs, in shuffled order.
    pub cm: [Commitment; 2],
    /// Ephemeral key and the two ciphertexts.
    pub outputs: EncryptedOutputs,
    /// Index into the chain's fee table.
    pub fee: u8,
    /// The last batch that may include the transfer.
    pub expiry: u32,
    /// Money that leaves to Bitcoin.
    pub exit: Option<Exit>,
    /// Words to the recipient of the payment, encrypted.
    pub memo: Option<Memo>,
}

/// The statement's public inputs that follow from a body; the anchor is the seventh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicBody {
    /// Nullifiers.
    pub nf: [F; 2],
    /// Commitments.
    pub cm: [F; 2],
    /// `fee + 2^64·exit`.
    pub out: F,
    /// The context.
    pub ctx: F,
}

impl PublicBody {
    /// The seven public inputs of the transfer statement against the notes root `anchor`.
    #[must_use]
    pub fn inputs(&self, anchor: F) -> [F; 7] {
        [
            anchor, self.nf[0], self.nf[1], self.cm[0], self.cm[1], self.out, self.ctx,
        ]
    }
}

impl TransferBody {
    /// Amount that leaves to Bitcoin.
    #[must_use]
    pub fn exit_amount(&self) -> Amount {
        self.exit.as_ref().map_or(Amount::ZERO, Exit::amount)
    }

    /// Checks the rules that hold whatever the state is.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self, params: &ChainParams) -> Result<(), TransferRule> {
        if self.nf.iter().any(Nullifier::is_zero) {
            return Err(TransferRule::ZeroNullifier);
        }
        if self.nf[0] == self.nf[1] {
            return Err(TransferRule::RepeatedNullifier);
        }
        self.fee_amount(params).map(|_| ())
    }

    /// The fee in satoshi.
    ///
    /// # Errors
    /// [`TransferRule::UnknownFee`].
    pub fn fee_amount(&self, params: &ChainParams) -> Result<Amount, TransferRule> {
        params
            .genesis()
            .fee_table
            .fee(self.fee)
            .ok_or(TransferRule::UnknownFee(self.fee))
    }

    /// The context: the low 248 bits of a hash of all that the statement does not see itself.
    ///
    /// # Errors
    /// [`TransferRule::UnknownFee`].
    ///
    /// # Panics
    /// Never: 248 bits are below the modulus.
    pub fn ctx(&self, params: &ChainParams) -> Result<F, TransferRule> {
        let fee = self.fee_amount(params)?;
        let exit = self.exit.as_ref().map(Encode::encode).unwrap_or_default();
        let memo = self.memo.as_ref().map(Encode::encode).unwrap_or_default();
        let digest = B2::new(Label::Ctx)
            .bytes(params.chain_id().as_bytes())
            .u64(u64::from(CIRCUIT_VERSION))
            .u64(fee.to_sat())
            .bytes(&exit)
            .u64(u64::from(self.expiry))
            .bytes(&self.outputs.encode())
            .bytes(&memo)
            .finish();
        let mut low = [0; 32];
        low[..31].copy_from_slice(&digest[..31]);
        Ok(field::from_bytes(&low).expect("248 bits are below the modulus"))
    }

    /// The public inputs that follow from the body.
    ///
    /// # Errors
    /// [`TransferRule::UnknownFee`].
    pub fn public(&self, params: &ChainParams) -> Result<PublicBody, TransferRule> {
        Ok(PublicBody {
            nf: self.nf.map(|nf| nf.to_field()),
            cm: self.cm.map(Commitment::to_field),
            out: out_field(self.fee_amount(params)?, self.exit_amount()),
            ctx: self.ctx(params)?,
        })
    }

    /// The identifier.
    ///
    /// # Errors
    /// [`TransferRule::UnknownFee`].
    pub fn id(&self, params: &ChainParams) -> Result<TransferId, TransferRule> {
        let public = self.public(params)?;
        let hash = B2::new(Label::Tx)
            .bytes(self.nf[0].as_bytes())
            .bytes(self.nf[1].as_bytes())
            .field(&public.cm[0])
            .field(&public.cm[1])
            .field(&public.out)
            .field(&public.ctx);
        Ok(TransferId(hash.finish32()))
    }

    fn flags(&self) -> u8 {
        let exit = if self.exit.is_some() { FLAG_EXIT } else { 0 };
        exit | if self.memo.is_some() { FLAG_MEMO } else { 0 }
    }

    /// Appends the fields; `anchor` writes what stands between the outputs and the fee.
    fn encode_around(&self, out: &mut Vec<u8>, anchor: impl FnOnce(&mut Vec<u8>)) {
        for nf in &self.nf {
            nf.encode_to(out);
        }
        for cm in &self.cm {
            cm.encode_to(out);
        }
        self.outputs.encode_to(out);
        anchor(out);
        out.push(self.fee);
        put_u24(out, self.expiry);
        out.push(self.flags());
        if let Some(exit) = &self.exit {
            exit.encode_to(out);
        }
        if let Some(memo) = &self.memo {
            memo.encode_to(out);
        }
    }

    fn decode_around<T>(
        reader: &mut Reader<'_>,
        anchor: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<(Self, T), DecodeError> {
        let nf = [Nullifier::decode_from(reader)?, Nullifier::decode_from(reader)?];
        let cm = [Commitment::decode_from(reader)?, Commitment::decode_from(reader)?];
        let outputs = EncryptedOutputs::decode_from(reader)?;
        let anchor = anchor(reader)?;
        let fee = reader.u8()?;
        let expiry = reader.u24()?;
        let flags = reader.u8()?;
        if flags & !(FLAG_EXIT | FLAG_MEMO) != 0 {
            return Err(DecodeError::Unknown("transfer flags"));
        }
        let has = |flag| flags & flag != 0;
        let exit = has(FLAG_EXIT).then(|| Exit::decode_from(reader)).transpose()?;
        let memo = has(FLAG_MEMO).then(|| Memo::decode_from(reader)).transpose()?;
        let body = Self {
            nf,
            cm,
            outputs,
            fee,
            expiry,
            exit,
            memo,
        };
        Ok((body, anchor))
    }
}

/// The fields in the order of a batch, without an anchor: what wallets scan.
impl Encode for TransferBody {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.encode_around(out, |_| ());
    }
}

impl Decode for TransferBody {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_around(reader, |_| Ok(())).map(|(body, ())| body)
    }
}

/// `fee + 2^64·exit`.
#[must_use]
pub fn out_field(fee: Amount, exit: Amount) -> F {
    fee.to_field() + exit.to_field() * field::pow2(64)
}

/// A whole transfer, as a wallet submits it and a batch contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What is signed.
    pub body: TransferBody,
    /// The batch whose notes root the inputs are proven in.
    pub anchor: u32,
    /// The proof.
    pub proof: ProofBytes,
}

impl Transfer {
    /// Appends the bytes of a batch: `anchor_index` names the anchor among the batch's own.
    pub fn encode_in_batch(&self, anchor_index: u8, out: &mut Vec<u8>) {
        self.encode_fields(out, |out| out.push(anchor_index));
    }

    /// Reads the bytes of a batch with these anchors.
    ///
    /// # Errors
    /// [`DecodeError`]; an index outside `anchors`, or of a repetition, is out of range.
    pub fn decode_in_batch(reader: &mut Reader<'_>, anchors: &[u32]) -> Result<Self, DecodeError> {
        Self::decode_fields(reader, |reader| {
            let index = usize::from(reader.u8()?);
            let anchor = anchors.get(index).copied();
            // Padding repeats an anchor; only its first place names it, so that a transfer has one
            // encoding.
            anchor
                .filter(|anchor| !anchors[..index].contains(anchor))
                .ok_or(DecodeError::OutOfRange("anchor index"))
        })
    }

    fn encode_fields(&self, out: &mut Vec<u8>, anchor: impl FnOnce(&mut Vec<u8>)) {
        self.body.encode_around(out, anchor);
        out.extend_from_slice(&self.proof.0);
    }

    fn decode_fields(
        reader: &mut Reader<'_>,
        anchor: impl FnOnce(&mut Reader<'_>) -> Result<u32, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let (body, anchor) = TransferBody::decode_around(reader, anchor)?;
        let proof = ProofBytes(reader.array()?);
        Ok(Self { body, anchor, proof })
    }
}

impl Encode for Transfer {
    fn encode_to(&self, out: &mut Vec<u8>) {
        self.encode_fields(out, |out| put_u24(out, self.anchor));
    }
}

impl Decode for Transfer {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode_fields(reader, |reader| {
            let anchor = reader.u24()?;
            if anchor < BATCH_LIMIT {
                Ok(anchor)
            } else {
                Err(DecodeError::OutOfRange("anchor"))
            }
        })
    }
}

#[cfg(test)]
mod tests;
