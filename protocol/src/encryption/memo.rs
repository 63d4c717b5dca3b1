//! Memos: a short text that goes with a payment, in one authenticated block of 128 bytes.
//!
//! ```text
//! key    B2[Memo](rseed, epk, cm0, cm1)
//! block  ChaCha20-Poly1305 under that key, zero nonce, of  length 1 | UTF-8 | zeros up to 112
//! ```
//!
//! The seed `rseed` stands in the payment's ciphertext and follows from the sender's `ovk`, so the
//! recipient reads a memo once the payment is found, and the sender again from the 24 words alone.
//! The note commits to the seed, so a block has one key and one text, whoever opens it. All blocks
//! are of one size: a stranger sees that there is a memo and nothing of its length. Decoding a block
//! never fails but for its size; what is in it is found out by [`MemoKey::open`], and an unreadable
//! memo never touches the payment it came with. Specification: `docs/spec/encryption.md`.

use std::fmt;
use std::str::FromStr;

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Rseed;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::hash::{B2, Label};
use crate::note::Commitment;

/// Bytes of the tag at the end of a block.
const TAG_BYTES: usize = 16;
/// Bytes that are encrypted: the length, the text, zeros.
const PLAIN_BYTES: usize = Memo::BYTES - TAG_BYTES;

/// Why a memo cannot be written or read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MemoError {
    /// There is no text.
    #[error("the memo is empty; leave it out instead")]
    Empty,
    /// The text does not fit.
    #[error("the memo has {bytes} bytes, at most {} fit", MemoText::MAX_BYTES)]
    TooLong {
        /// Bytes of the text as UTF-8.
        bytes: usize,
    },
    /// The block was not made with this key.
    #[error("the memo was not encrypted for this transfer")]
    Unauthentic,
    /// Something stands behind the text.
    #[error("the memo is not padded with zeros")]
    Padding,
    /// The text is not UTF-8.
    #[error("the memo is not UTF-8")]
    NotUtf8,
}

/// The text of a memo: UTF-8, 1 to [`MemoText::MAX_BYTES`] bytes, whatever its characters are.
///
/// Strangers write memos. `Display` is safe for a terminal: the text stands in quotes with control
/// characters, line breaks, direction marks and all else that is not printed escaped.
/// [`MemoText::as_str`] is the text as it was sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemoText(String);

impl MemoText {
    /// The most bytes that a text may have.
    pub const MAX_BYTES: usize = PLAIN_BYTES - 1;

    /// Takes a text.
    ///
    /// # Errors
    /// [`MemoError::Empty`], [`MemoError::TooLong`].
    pub fn new(text: impl Into<String>) -> Result<Self, MemoError> {
        let text = text.into();
        match text.len() {
            0 => Err(MemoError::Empty),
            1..=Self::MAX_BYTES => Ok(Self(text)),
            bytes => Err(MemoError::TooLong { bytes }),
        }
    }

    /// The text as it was sent, not to be printed on a terminal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn pad(&self) -> [u8; PLAIN_BYTES] {
        let mut plain = [0; PLAIN_BYTES];
        plain[0] = u8::try_from(self.0.len()).expect("a text has at most 111 bytes");
        plain[1..=self.0.len()].copy_from_slice(self.0.as_bytes());
        plain
    }

    /// The one text that pads to these bytes.
    fn unpad(plain: &[u8; PLAIN_BYTES]) -> Result<Self, MemoError> {
        let bytes = usize::from(plain[0]);
        if bytes > Self::MAX_BYTES {
            return Err(MemoError::TooLong { bytes });
        }
        let (text, padding) = plain[1..].split_at(bytes);
        if padding.iter().any(|&byte| byte != 0) {
            return Err(MemoError::Padding);
        }
        Self::new(std::str::from_utf8(text).map_err(|_| MemoError::NotUtf8)?)
    }
}

impl fmt::Display for MemoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The debug form of a string escapes whatever is not printable.
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for MemoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoText(..)")
    }
}

impl FromStr for MemoText {
    type Err = MemoError;
    fn from_str(text: &str) -> Result<Self, MemoError> {
        Self::new(text)
    }
}

impl TryFrom<String> for MemoText {
    type Error = MemoError;
    fn try_from(text: String) -> Result<Self, MemoError> {
        Self::new(text)
    }
}

impl From<MemoText> for String {
    fn from(text: MemoText) -> Self {
        text.0
    }
}

/// The encrypted memo of a transfer. Any 128 bytes are one; [`MemoKey::open`] tells what they say.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Memo([u8; Self::BYTES]);

impl Memo {
    /// Bytes of a block.
    pub const BYTES: usize = 128;

    /// Takes the bytes of a block.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the block.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memo({}…)", hex::encode(&self.0[..8]))
    }
}

impl Encode for Memo {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Memo {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

/// What opens the memo of one transfer: known to its sender and to the recipient of its payment.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MemoKey([u8; 32]);

impl MemoKey {
    /// `B2[Memo](rseed, epk, cm0, cm1)`, of the payment's seed.
    pub(super) fn derive(rseed: &Rseed, epk: &[u8; 32], cm: &[Commitment; 2]) -> Self {
        let hash = B2::new(Label::Memo).bytes(rseed).bytes(epk);
        Self(hash.bytes(&cm[0].to_bytes()).bytes(&cm[1].to_bytes()).finish32())
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&self.0.into())
    }

    /// Encrypts a text. A key is for one text: the salt of a transfer is fresh for every attempt.
    ///
    /// # Panics
    /// Never: the block is far below the cipher's limit.
    #[must_use]
    pub fn seal(&self, text: &MemoText) -> Memo {
        let mut plain = text.pad();
        let tag = self
            .cipher()
            .encrypt_in_place_detached(&Nonce::default(), &[], &mut plain)
            .expect("112 bytes are below the cipher's limit");
        let mut block = [0; Memo::BYTES];
        block[..PLAIN_BYTES].copy_from_slice(&plain);
        block[PLAIN_BYTES..].copy_from_slice(&tag);
        Memo(block)
    }

    /// Decrypts a block.
    ///
    /// # Errors
    /// [`MemoError`], the first rule broken; it says nothing about the payment beside it.
    ///
    /// # Panics
    /// Never: a block has a fixed length.
    pub fn open(&self, memo: &Memo) -> Result<MemoText, MemoError> {
        let (sealed, tag) = memo.0.split_at(PLAIN_BYTES);
        let mut plain: [u8; PLAIN_BYTES] = sealed.try_into().expect("a block has 128 bytes");
        self.cipher()
            .decrypt_in_place_detached(&Nonce::default(), &[], &mut plain, Tag::from_slice(tag))
            .map_err(|_| MemoError::Unauthentic)?;
        MemoText::unpad(&plain)
    }
}

impl fmt::Debug for MemoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoKey(..)")
    }
}

#[cfg(test)]
mod tests;
