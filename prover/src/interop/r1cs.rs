//! Export of a constraint system as iden3's `.r1cs`, version 1.
//!
//! ```text
//! 1 header       bytes of the field u32 · modulus · wires, outputs, public inputs, private inputs u32
//!                labels u64 · constraints u32
//! 2 constraints  per constraint three combinations: terms u32, then per term wire u32 · coefficient
//! 3 labels       per wire u64
//! ```
//!
//! Wires are our variables in their order: the constant one, the public inputs, the witness. Circom
//! tells outputs from public inputs and inputs from computed signals; here there is no such
//! difference: all public inputs are inputs, all witness variables private inputs. Labels are the
//! wires' own numbers.
//! Specification: `docs/spec/interop.md`.

use std::io::{self, Write};

use tacit_circuits::r1cs::R1cs;
use tacit_protocol::field;

use super::sections::{FIELD_BYTES, Format, put_modulus, u32_of};

/// The format.
pub static FORMAT: Format = Format::new(*b"r1cs", 1, &["header", "constraints", "labels"]);

/// Bytes of a term: wire and coefficient.
const TERM: u64 = 4 + FIELD_BYTES as u64;
/// Bytes of the header section.
const HEADER: u64 = 4 + FIELD_BYTES as u64 + 4 * 4 + 8 + 4;

/// Writes a constraint system. Give it a buffered writer: there are many small pieces.
///
/// # Errors
/// What writing says.
pub fn write(r1cs: &R1cs, out: &mut impl Write) -> io::Result<()> {
    FORMAT.begin(out)?;
    let wires = r1cs.num_variables();

    FORMAT.section(1).begin(out, HEADER)?;
    put_modulus(out)?;
    let outputs = 0;
    for n in [wires, outputs, r1cs.num_public() - 1, r1cs.num_witness()] {
        out.write_all(&u32_of(n).to_le_bytes())?;
    }
    out.write_all(&(wires as u64).to_le_bytes())?;
    out.write_all(&u32_of(r1cs.num_constraints()).to_le_bytes())?;

    // Encoded combinations would fill the memory for a large circuit, so only lengths are kept.
    let lengths: Vec<u64> = (0..r1cs.num_combinations())
        .map(|id| 4 + TERM * r1cs.combination(id).count() as u64)
        .collect();
    let sides = || r1cs.rows().iter().flatten().map(|&id| id as usize);
    let length = sides().map(|id| lengths[id]).sum();
    FORMAT.section(2).begin(out, length)?;
    for id in sides() {
        write_combination(r1cs, id, out)?;
    }

    FORMAT.section(3).begin(out, 8 * wires as u64)?;
    (0..wires as u64).try_for_each(|wire| out.write_all(&wire.to_le_bytes()))
}

/// A linear combination: its terms in ascending order of wires.
fn write_combination(r1cs: &R1cs, id: usize, out: &mut impl Write) -> io::Result<()> {
    let terms = u32_of(r1cs.combination(id).count());
    out.write_all(&terms.to_le_bytes())?;
    r1cs.combination(id).try_for_each(|(wire, coefficient)| {
        out.write_all(&u32_of(wire).to_le_bytes())?;
        out.write_all(&field::to_bytes(coefficient))
    })
}

#[cfg(test)]
mod tests;
