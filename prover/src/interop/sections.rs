//! The container of iden3's binary files: a magic word, a version, and numbered sections.
//!
//! ```text
//! magic 4 bytes · version u32 · number of sections u32
//! then per section: number u32 · length u64 · that many bytes
//! ```
//!
//! Integers are little-endian. Sections may come in any order; here each known one has to be there
//! exactly once, and nothing else may. Specification: `docs/spec/interop.md`.

use std::fmt;
use std::io::{self, Write};

use ark_ff::{BigInteger, PrimeField};
use tacit_protocol::F;

use super::error::{InteropError, Place};

/// Bytes of a coordinate or scalar.
pub(super) const FIELD_BYTES: usize = 32;
/// Bytes of the file's own header.
const FILE_HEADER: u64 = 12;
/// Bytes of a section's header.
const SECTION_HEADER: u64 = 12;

/// A kind of file: its magic word, version and the names of its sections, the first one number 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Format {
    magic: [u8; 4],
    version: u32,
    sections: &'static [&'static str],
}

impl Format {
    pub(super) const fn new(magic: [u8; 4], version: u32, sections: &'static [&'static str]) -> Self {
        Self {
            magic,
            version,
            sections,
        }
    }

    /// The version that is read and written.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The section of a number.
    pub(super) const fn section(&'static self, number: u32) -> Section {
        Section { format: self, number }
    }

    /// Writes the file's header.
    pub(super) fn begin(&self, out: &mut impl Write) -> io::Result<()> {
        let count = u32::try_from(self.sections.len()).expect("a handful of sections");
        out.write_all(&self.magic)?;
        out.write_all(&self.version.to_le_bytes())?;
        out.write_all(&count.to_le_bytes())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ".{}", self.magic.escape_ascii())
    }
}

/// A section of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    format: &'static Format,
    number: u32,
}

impl Section {
    /// Its number in the file.
    #[must_use]
    pub fn number(self) -> u32 {
        self.number
    }

    /// Writes the section's header; `length` bytes have to follow.
    pub(super) fn begin(self, out: &mut impl Write, length: u64) -> io::Result<()> {
        out.write_all(&self.number.to_le_bytes())?;
        out.write_all(&length.to_le_bytes())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.format.sections.get((self.number - 1) as usize);
        write!(f, "section {} ({})", self.number, name.unwrap_or(&"unknown"))
    }
}

/// The sections of a file that was taken apart.
#[derive(Debug)]
pub(super) struct Sections<'a> {
    format: &'static Format,
    /// By number, the first one number 1.
    bodies: Vec<&'a [u8]>,
}

impl<'a> Sections<'a> {
    /// Takes a file apart.
    pub(super) fn parse(format: &'static Format, bytes: &'a [u8]) -> Result<Self, InteropError> {
        let known = bytes.len().min(format.magic.len());
        if bytes[..known] != format.magic[..known] {
            return Err(InteropError::OtherMagic { format });
        }
        let mut rest = bytes;
        let header = take(&mut rest, FILE_HEADER, format, Place::FileHeader)?;
        let (version, count) = (u32_at(header, 4), u32_at(header, 8));
        if version != format.version {
            return Err(InteropError::UnsupportedVersion {
                format,
                found: version,
            });
        }
        let mut bodies = vec![None; format.sections.len()];
        for nth in 1..=count {
            let header = take(&mut rest, SECTION_HEADER, format, Place::SectionHeader(nth))?;
            let number = u32_at(header, 0);
            let length = u64::from(u32_at(header, 4)) | u64::from(u32_at(header, 8)) << 32;
            let section = format.section(number);
            let slot = (number as usize)
                .checked_sub(1)
                .and_then(|at| bodies.get_mut(at))
                .ok_or(InteropError::UnknownSection { format, number })?;
            let body = take(&mut rest, length, format, Place::Section(section))?;
            if slot.replace(body).is_some() {
                return Err(InteropError::RepeatedSection(section));
            }
        }
        if !rest.is_empty() {
            return Err(InteropError::TrailingBytes {
                format,
                count: rest.len(),
            });
        }
        let numbered = (1..).zip(bodies);
        let bodies = numbered.map(|(n, body)| body.ok_or(InteropError::MissingSection(format.section(n))));
        Ok(Self {
            format,
            bodies: bodies.collect::<Result<_, _>>()?,
        })
    }

    /// The bytes of a section.
    pub(super) fn reader(&self, section: Section) -> SectionReader<'a> {
        debug_assert_eq!(section.format, self.format, "a section of this format");
        SectionReader {
            section,
            rest: self.bodies[(section.number - 1) as usize],
        }
    }
}

/// Takes bytes off the front of a file.
fn take<'a>(
    rest: &mut &'a [u8],
    length: u64,
    format: &'static Format,
    place: Place,
) -> Result<&'a [u8], InteropError> {
    let split = usize::try_from(length)
        .ok()
        .and_then(|n| rest.split_at_checked(n));
    let Some((taken, behind)) = split else {
        return Err(InteropError::Truncated {
            format,
            place,
            needed: length,
            found: rest.len() as u64,
        });
    };
    *rest = behind;
    Ok(taken)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads one section from front to end.
#[derive(Debug)]
pub(super) struct SectionReader<'a> {
    section: Section,
    rest: &'a [u8],
}

impl<'a> SectionReader<'a> {
    /// Which section this is.
    pub(super) fn section(&self) -> Section {
        self.section
    }

    /// Bytes not read yet.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `n` bytes.
    pub(super) fn bytes(&mut self, n: usize) -> Result<&'a [u8], InteropError> {
        let place = Place::Section(self.section);
        take(&mut self.rest, n as u64, self.section.format, place)
    }

    /// The next bytes, as many as the array has.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], InteropError> {
        Ok(self
            .bytes(N)?
            .try_into()
            .expect("as many bytes as were asked for"))
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Result<u8, InteropError> {
        Ok(self.array::<1>()?[0])
    }

    /// The next integer.
    pub(super) fn u32(&mut self) -> Result<u32, InteropError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads a modulus with its length in front, and refuses any but `P`'s.
    pub(super) fn modulus<P: PrimeField>(&mut self, field: &'static str) -> Result<(), InteropError> {
        let other = InteropError::OtherField {
            section: self.section,
            field,
        };
        if self.u32()? as usize != FIELD_BYTES || self.bytes(FIELD_BYTES)? != P::MODULUS.to_bytes_le() {
            return Err(other);
        }
        Ok(())
    }

    /// Refuses a section that is not exactly `expected` bytes from here on.
    pub(super) fn expect_left(&self, expected: u64) -> Result<(), InteropError> {
        let found = self.rest.len() as u64;
        if found == expected {
            Ok(())
        } else {
            Err(InteropError::SectionLength {
                section: self.section,
                expected,
                found,
            })
        }
    }
}

/// Writes the modulus of `F` with its length in front.
pub(super) fn put_modulus(out: &mut impl Write) -> io::Result<()> {
    let bytes = u32::try_from(FIELD_BYTES).expect("32");
    out.write_all(&bytes.to_le_bytes())?;
    out.write_all(&F::MODULUS.to_bytes_le())
}

/// A number of variables or constraints as the formats hold it.
pub(super) fn u32_of(n: usize) -> u32 {
    u32::try_from(n).expect("circuits have fewer than 2^32 variables and constraints")
}

#[cfg(test)]
mod tests;
