//! Strict byte encodings: every decoder takes the exact canonical bytes or returns a typed error.
//!
//! Integers are little-endian. A decoder never reduces, never skips, never accepts trailing bytes,
//! and never allocates more than its input could fill. Types implement [`Encode`] and [`Decode`];
//! `decode` followed by `encode` gives the same bytes back (`tests/` and `fuzz/` hold them to it).

use thiserror::Error;

use crate::field::{self, F};

/// Why untrusted bytes were refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ended before the value did.
    #[error("unexpected end of input: {needed} more bytes needed")]
    UnexpectedEnd {
        /// Bytes missing.
        needed: usize,
    },
    /// Bytes were left over.
    #[error("{0} trailing bytes")]
    TrailingBytes(usize),
    /// A field element was not below the modulus.
    #[error("field element is not canonical")]
    NonCanonicalField,
    /// A curve point was off the curve, outside the subgroup, the identity or not canonical.
    #[error("{0} is not a canonical point of the prime-order group")]
    BadPoint(&'static str),
    /// A scalar was not below the group order.
    #[error("scalar is not canonical")]
    NonCanonicalScalar,
    /// A number was outside its range.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A tag, flag, magic or version was not one of those defined.
    #[error("unknown {0}")]
    Unknown(&'static str),
    /// A checksum, or the padding around it, was wrong.
    #[error("bad checksum or padding in {0}")]
    BadChecksum(&'static str),
    /// The value belongs to another network or chain.
    #[error("{0} belongs to another network")]
    WrongNetwork(&'static str),
}

/// A cursor over untrusted bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.0.len()
    }

    /// Takes exactly `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        if n > self.0.len() {
            return Err(DecodeError::UnexpectedEnd {
                needed: n - self.0.len(),
            });
        }
        let (head, tail) = self.0.split_at(n);
        self.0 = tail;
        Ok(head)
    }

    /// Takes a fixed array.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    ///
    /// # Panics
    /// Never: [`Reader::take`] returns the length asked for.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self
            .take(N)?
            .try_into()
            .expect("take returns the length asked for"))
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Takes a `u16`.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Takes a 24-bit integer.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    pub fn u24(&mut self) -> Result<u32, DecodeError> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    /// Takes a `u32`.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Takes a `u64`.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Takes a canonical field element.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`], [`DecodeError::NonCanonicalField`].
    pub fn field(&mut self) -> Result<F, DecodeError> {
        field::from_bytes(&self.array()?)
    }

    /// Takes bytes behind a one-byte length.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`].
    pub fn short_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let n = self.u8()?;
        self.take(n as usize)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] if anything is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.0.len() {
            0 => Ok(()),
            n => Err(DecodeError::TrailingBytes(n)),
        }
    }
}

/// A value with canonical bytes.
pub trait Encode {
    /// Appends the canonical bytes.
    fn encode_to(&self, out: &mut Vec<u8>);

    /// The canonical bytes.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_to(&mut out);
        out
    }
}

/// A value that can be read from its canonical bytes and from no others.
pub trait Decode: Sized {
    /// Reads the value, leaving what follows it.
    ///
    /// # Errors
    /// The first rule of the encoding that the bytes break.
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads the value from bytes that hold nothing else.
    ///
    /// # Errors
    /// As [`Decode::decode_from`], and [`DecodeError::TrailingBytes`].
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode_from(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Appends the low three bytes of a number below 2^24.
pub fn put_u24(out: &mut Vec<u8>, x: u32) {
    debug_assert!(x < 1 << 24, "24-bit integer");
    out.extend_from_slice(&x.to_le_bytes()[..3]);
}

/// Appends bytes behind a one-byte length.
///
/// # Panics
/// If `bytes` is longer than 255; callers hold values whose type bounds them.
pub fn put_short_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).expect("short by construction"));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
