//! The coefficients of A and B in a `.zkey`, compared with a constraint system of ours.
//!
//! `snarkjs groth16 setup` writes them in the order of the `.r1cs`: per constraint the terms of A,
//! then those of B; behind the constraints one row `z_i · 0 = 0` per public input. Later steps copy
//! the section. So it has to be equal entry by entry.

use ark_ff::{AdditiveGroup, Field, PrimeField};
use tacit_circuits::r1cs::R1cs;
use tacit_protocol::F;

use crate::interop::error::InteropError;
use crate::interop::points::limbs;
use crate::interop::sections::{FIELD_BYTES, SectionReader, u32_of};

/// Bytes of an entry: matrix, constraint, variable, value.
pub(super) const ENTRY: usize = 3 * 4 + FIELD_BYTES;

/// One entry of the section.
pub(super) struct Entry {
    pub(super) matrix: u32,
    pub(super) constraint: u32,
    pub(super) variable: u32,
    pub(super) value: F,
}

/// The entries of a constraint system, in order.
pub(super) fn entries(r1cs: &R1cs) -> impl Iterator<Item = Entry> + '_ {
    let constraints = (0u32..).zip(r1cs.rows()).flat_map(move |(constraint, row)| {
        (0u32..2).zip(row).flat_map(move |(matrix, &id)| {
            r1cs.combination(id as usize)
                .map(move |(variable, &value)| Entry {
                    matrix,
                    constraint,
                    variable: u32_of(variable),
                    value,
                })
        })
    });
    let first = r1cs.num_constraints();
    let public = (0..r1cs.num_public()).map(move |i| Entry {
        matrix: 0,
        constraint: u32_of(first + i),
        variable: u32_of(i),
        value: F::ONE,
    });
    constraints.chain(public)
}

/// How many entries a constraint system has.
fn count(r1cs: &R1cs) -> usize {
    let lengths: Vec<usize> = (0..r1cs.num_combinations())
        .map(|id| r1cs.combination(id).count())
        .collect();
    let terms = |row: &[u32; 3]| lengths[row[0] as usize] + lengths[row[1] as usize];
    r1cs.rows().iter().map(terms).sum::<usize>() + r1cs.num_public()
}

/// `R = 2^256`, the factor of Montgomery forms.
pub(super) fn montgomery_factor() -> F {
    F::from(2u64).pow([256])
}

/// Checks that the section holds exactly the coefficients of `r1cs`.
pub(super) fn check(mut reader: SectionReader<'_>, r1cs: &R1cs) -> Result<(), InteropError> {
    let section = reader.section();
    let (expected, found) = (count(r1cs), reader.u32()? as usize);
    if expected != found {
        return Err(InteropError::OtherSize {
            section,
            what: "coefficients",
            expected,
            found,
        });
    }
    reader.expect_left((expected * ENTRY) as u64)?;
    let factor = montgomery_factor();
    for (at, entry) in entries(r1cs).enumerate() {
        let differs = |what| InteropError::OtherCoefficient {
            section,
            entry: at,
            what,
        };
        for (what, number) in [
            ("the matrix", entry.matrix),
            ("the constraint", entry.constraint),
            ("the variable", entry.variable),
        ] {
            if reader.u32()? != number {
                return Err(differs(what));
            }
        }
        // The file has value·R² as an integer, which is the Montgomery form of value·R.
        let raw = limbs(reader.bytes(FIELD_BYTES)?);
        if raw >= F::MODULUS || F::new_unchecked(raw) != entry.value * factor {
            return Err(differs("the value"));
        }
    }
    Ok(())
}

/// Which variables have a non-zero coefficient in A (the rows of the public inputs included), B and C.
pub(super) fn used(r1cs: &R1cs) -> [Vec<bool>; 3] {
    let mut sides = vec![[false; 3]; r1cs.num_combinations()];
    for row in r1cs.rows() {
        for (side, &id) in row.iter().enumerate() {
            sides[id as usize][side] = true;
        }
    }
    let mut used = [(); 3].map(|()| vec![false; r1cs.num_variables()]);
    used[0][..r1cs.num_public()].fill(true);
    for (id, sides) in sides.iter().enumerate() {
        for (variable, _) in r1cs.combination(id).filter(|(_, value)| **value != F::ZERO) {
            for (used, _) in used.iter_mut().zip(sides).filter(|(_, side)| **side) {
                used[variable] = true;
            }
        }
    }
    used
}
