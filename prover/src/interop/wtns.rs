//! Export of an assignment as iden3's `.wtns`, version 2.
//!
//! ```text
//! 1 header  bytes of the field u32 · modulus · number of values u32
//! 2 values  32 bytes each, little-endian, in the order of the `.r1cs`'s wires
//! ```
//!
//! **It holds every secret of the statement:** whoever has the file knows what the proof hides.
//! Specification: `docs/spec/interop.md`.

use std::io::{self, Write};

use tacit_circuits::r1cs::Assignment;
use tacit_protocol::field;

use super::sections::{FIELD_BYTES, Format, put_modulus, u32_of};

/// The format.
pub static FORMAT: Format = Format::new(*b"wtns", 2, &["header", "values"]);

/// Writes an assignment. Give it a buffered writer: there are many small pieces.
///
/// # Errors
/// What writing says.
pub fn write(assignment: &Assignment, out: &mut impl Write) -> io::Result<()> {
    FORMAT.begin(out)?;
    let values = assignment.public.len() + assignment.witness.len();

    FORMAT.section(1).begin(out, 4 + FIELD_BYTES as u64 + 4)?;
    put_modulus(out)?;
    out.write_all(&u32_of(values).to_le_bytes())?;

    FORMAT.section(2).begin(out, (values * FIELD_BYTES) as u64)?;
    let z = assignment.public.iter().chain(&assignment.witness);
    z.map(field::to_bytes).try_for_each(|value| out.write_all(&value))
}

#[cfg(test)]
mod tests;
