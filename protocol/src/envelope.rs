//! Envelopes: bytes of ours inside a Bitcoin tapscript.
//!
//! ```text
//!   <key> OP_CHECKSIGVERIFY ( <≤255 bytes> <≤255 bytes> OP_2DROP )* OP_1
//! ```
//!
//! There is no `OP_IF` and no push above 255 bytes, so that relay policies against embedded data
//! have nothing to hold on to, and the script is one that really runs. The pushes carry
//! `length ‖ content ‖ zeros`, cut every 255 bytes: `length` is the `u32` size of the content, and
//! the zeros are the fewest that make the number of pushes even and the last one at least two bytes
//! (one-byte pushes would have to be written as opcodes to be minimal). The content is
//! `magic ‖ kind ‖ body`. One body has exactly one script, and [`read_envelope`] accepts no other.
//! Specification: `docs/spec/bitcoin.md`.

use bitcoin::opcodes::all::{OP_2DROP, OP_CHECKSIGVERIFY, OP_PUSHDATA1, OP_PUSHNUM_1};
use bitcoin::script::{Builder, PushBytes};
use bitcoin::{Script, ScriptBuf, XOnlyPublicKey};
use thiserror::Error;

use crate::encoding::Reader;

/// What every content starts with.
pub const MAGIC: [u8; 4] = *b"TCTE";

/// The longest body; its script is about 98,800 virtual bytes, just below the standard limit.
pub const MAX_PAYLOAD: usize = 390_000;

/// The longest push.
const CHUNK: usize = 255;

/// Bytes of the length prefix.
const PREFIX: usize = 4;

/// What an envelope carries. The reserved kinds are read and not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnvelopeKind {
    /// The payload of an anchor: a list of batches.
    Anchor,
    /// A higher fee limit of a withdrawal.
    RaiseFee,
    /// A transfer that must be included without the sequencer's will.
    ForcedTransfer,
    /// The claim of a swept deposit that must be credited without the sequencer's will.
    DepositClaim,
    /// The keys of the federation that comes next.
    Epoch,
}

impl EnvelopeKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Anchor,
        Self::RaiseFee,
        Self::ForcedTransfer,
        Self::DepositClaim,
        Self::Epoch,
    ];

    /// The byte that stands for the kind.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Anchor => 0,
            Self::RaiseFee => 1,
            Self::ForcedTransfer => 2,
            Self::DepositClaim => 3,
            Self::Epoch => 4,
        }
    }

    /// The kind of a byte.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Why a script that starts like an envelope is not one, or a body cannot become one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// The body is longer than [`MAX_PAYLOAD`].
    #[error("envelope body of {0} bytes is longer than {MAX_PAYLOAD}")]
    TooLong(usize),
    /// The key is not a point.
    #[error("envelope key is not an x-only public key")]
    Key,
    /// The script ends before the envelope does.
    #[error("envelope ends early")]
    Truncated,
    /// An opcode stands where the layout has another, or a push is not minimal.
    #[error("envelope has an opcode that its layout does not allow")]
    Opcode,
    /// A push other than the last one is not full.
    #[error("envelope has a short push before its last")]
    ShortPush,
    /// Bytes follow the closing opcode.
    #[error("envelope is followed by more script")]
    Trailing,
    /// The length prefix does not fit the pushes.
    #[error("envelope length prefix does not fit its pushes")]
    Length,
    /// The padding is not zero.
    #[error("envelope padding is not zero")]
    Padding,
    /// The kind is not one of those defined.
    #[error("unknown envelope kind {0}")]
    Kind(u8),
}

/// A body with its kind and the key that must sign to publish it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    key: XOnlyPublicKey,
    kind: EnvelopeKind,
    body: Vec<u8>,
}

impl Envelope {
    /// Puts `body` in an envelope that `key` can publish.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`].
    pub fn new(key: XOnlyPublicKey, kind: EnvelopeKind, body: Vec<u8>) -> Result<Self, EnvelopeError> {
        if body.len() > MAX_PAYLOAD {
            return Err(EnvelopeError::TooLong(body.len()));
        }
        Ok(Self { key, kind, body })
    }

    /// The key whose signature publishes it.
    #[must_use]
    pub fn key(&self) -> XOnlyPublicKey {
        self.key
    }

    /// What it carries.
    #[must_use]
    pub fn kind(&self) -> EnvelopeKind {
        self.kind
    }

    /// The bytes it carries.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes it carries, owned.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The tapscript.
    ///
    /// # Panics
    /// Never: the body is bounded by construction and pushes by the chunk size.
    #[must_use]
    pub fn to_script(&self) -> ScriptBuf {
        let content = MAGIC.len() + 1 + self.body.len();
        let mut data = Vec::with_capacity(PREFIX + content + CHUNK + 2);
        let prefix = u32::try_from(content).expect("bodies are bounded");
        data.extend_from_slice(&prefix.to_le_bytes());
        data.extend_from_slice(&MAGIC);
        data.push(self.kind.code());
        data.extend_from_slice(&self.body);
        data.resize(padded_len(data.len()), 0);

        let mut builder = Builder::new()
            .push_x_only_key(&self.key)
            .push_opcode(OP_CHECKSIGVERIFY);
        for (i, chunk) in data.chunks(CHUNK).enumerate() {
            let push: &PushBytes = chunk.try_into().expect("chunks are short");
            builder = builder.push_slice(push);
            if i % 2 == 1 {
                builder = builder.push_opcode(OP_2DROP);
            }
        }
        builder.push_opcode(OP_PUSHNUM_1).into_script()
    }
}

/// The fewest bytes, at least `len`, whose chunks are even in number with none of one byte.
fn padded_len(len: usize) -> usize {
    let chunks = len.div_ceil(CHUNK);
    if chunks % 2 == 1 {
        chunks * CHUNK + 2
    } else if len % CHUNK == 1 {
        len + 1
    } else {
        len
    }
}

/// Reads the envelope in a tapscript; `None` if the script does not start like one.
///
/// # Errors
/// The first rule of the layout that a script starting like an envelope breaks.
pub fn read_envelope(script: &Script) -> Result<Option<Envelope>, EnvelopeError> {
    if !starts_like_envelope(script.as_bytes()) {
        return Ok(None);
    }
    let mut reader = Reader::new(script.as_bytes());
    let key = reader.take(34).map_err(|_| EnvelopeError::Truncated)?;
    let key = XOnlyPublicKey::from_slice(&key[1..33]).map_err(|_| EnvelopeError::Key)?;
    let data = read_pushes(reader)?;

    let mut reader = Reader::new(&data);
    let content = reader.u32().map_err(|_| EnvelopeError::Length)?;
    let content = usize::try_from(content).map_err(|_| EnvelopeError::Length)?;
    if content > data.len() - PREFIX || padded_len(PREFIX + content) != data.len() {
        return Err(EnvelopeError::Length);
    }
    let (content, padding) = data[PREFIX..].split_at(content);
    if padding.iter().any(|&byte| byte != 0) {
        return Err(EnvelopeError::Padding);
    }
    let (&code, body) = content
        .strip_prefix(&MAGIC)
        .and_then(<[u8]>::split_first)
        .ok_or(EnvelopeError::Length)?;
    let kind = EnvelopeKind::from_code(code).ok_or(EnvelopeError::Kind(code))?;
    Envelope::new(key, kind, body.to_vec()).map(Some)
}

/// Kind and length of the body as the first bytes of a script tell them, without reading the rest:
/// `None` if the script does not start like an envelope or names no kind. What [`read_envelope`] accepts
/// has this kind and this length.
#[must_use]
pub fn peek_envelope(script: &Script) -> Option<(EnvelopeKind, usize)> {
    let bytes = script.as_bytes();
    if !starts_like_envelope(bytes) {
        return None;
    }
    let kind = EnvelopeKind::from_code(*bytes.get(44)?)?;
    let content = Reader::new(&bytes[36..]).u32().ok()?;
    let body = usize::try_from(content).ok()?.checked_sub(MAGIC.len() + 1)?;
    Some((kind, body))
}

/// Whether the first bytes are a key, its check, a full push and our magic behind a length.
fn starts_like_envelope(script: &[u8]) -> bool {
    script.len() >= 44
        && script[0] == 32
        && script[33] == OP_CHECKSIGVERIFY.to_u8()
        && script[34] == OP_PUSHDATA1.to_u8()
        && usize::from(script[35]) == CHUNK
        && script[40..44] == MAGIC
}

/// Concatenates the pushes between the key check and the closing opcode.
fn read_pushes(mut reader: Reader<'_>) -> Result<Vec<u8>, EnvelopeError> {
    let mut data = Vec::with_capacity(reader.remaining());
    loop {
        let opcode = reader.u8().map_err(|_| EnvelopeError::Truncated)?;
        if opcode == OP_PUSHNUM_1.to_u8() {
            break;
        }
        push(&mut reader, opcode, &mut data)?;
        let second = reader.u8().map_err(|_| EnvelopeError::Truncated)?;
        push(&mut reader, second, &mut data)?;
        if reader.u8().map_err(|_| EnvelopeError::Truncated)? != OP_2DROP.to_u8() {
            return Err(EnvelopeError::Opcode);
        }
    }
    reader.finish().map_err(|_| EnvelopeError::Trailing)?;
    Ok(data)
}

/// Appends one minimal push of 2 to 255 bytes, which must follow full ones only.
fn push(reader: &mut Reader<'_>, opcode: u8, data: &mut Vec<u8>) -> Result<(), EnvelopeError> {
    let len = match opcode {
        2..=75 => opcode,
        _ if opcode == OP_PUSHDATA1.to_u8() => {
            let len = reader.u8().map_err(|_| EnvelopeError::Truncated)?;
            if len < 76 {
                return Err(EnvelopeError::Opcode);
            }
            len
        }
        _ => return Err(EnvelopeError::Opcode),
    };
    if !data.len().is_multiple_of(CHUNK) {
        return Err(EnvelopeError::ShortPush);
    }
    let chunk = reader
        .take(usize::from(len))
        .map_err(|_| EnvelopeError::Truncated)?;
    data.extend_from_slice(chunk);
    Ok(())
}

#[cfg(test)]
mod tests;
