//! The contributions that a `.zkey` records.
//!
//! ```text
//! hash of the circuit 64 · number u32, then per contribution:
//! δ afterwards · s·G, s·x·G in G1 · x in G2 · transcript 64 · kind u32 (1 is a beacon)
//! length of the parameters u32, then in ascending order
//!   1 name (length u8 · bytes) · 2 logarithm of the beacon's iterations u8 · 3 beacon (length u8 · bytes)
//! ```
//!
//! The proofs of knowledge in it are `snarkjs zkey verify`'s business. Read here is what a user
//! should see: who contributed, in which order, and whether a beacon came last.

use ark_bn254::{G1Affine, G2Affine, g1, g2};

use crate::interop::error::InteropError;
use crate::interop::points;
use crate::interop::sections::SectionReader;

const HASH: usize = 64;
const ORDINARY: u32 = 0;
const BEACON: u32 = 1;

/// What a file says about the ceremony it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// The hash that snarkjs prints as the circuit's.
    pub circuit_hash: [u8; HASH],
    /// The contributions, in order; at least one.
    pub contributions: Vec<Contribution>,
}

impl Ceremony {
    /// Whether a beacon came last, which takes the last word from the last contributor.
    #[must_use]
    pub fn ends_with_beacon(&self) -> bool {
        self.contributions
            .last()
            .is_some_and(|last| last.beacon.is_some())
    }
}

/// One contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// The name the contributor gave; anything at all, so escape it before it is shown.
    pub name: Option<String>,
    /// The beacon it was made from, if it is one.
    pub beacon: Option<Beacon>,
}

/// A public random value that nobody chose, hashed many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The value.
    pub value: Vec<u8>,
    /// It was hashed `2^iterations_log2` times.
    pub iterations_log2: u8,
}

/// Reads the section; `delta` is the key's δ in G1, which the last contribution has to end with.
pub(super) fn read(mut reader: SectionReader<'_>, delta: &G1Affine) -> Result<Ceremony, InteropError> {
    let section = reader.section();
    let circuit_hash = reader.array()?;
    let count = reader.u32()? as usize;
    let mut contributions = Vec::new();
    let mut after = None;
    for nth in 1..=count {
        let at = 4 * (nth - 1);
        after = Some(points::read::<g1::Config>(&mut reader, at)?);
        let _s: [G1Affine; 2] = [
            points::read::<g1::Config>(&mut reader, at + 1)?,
            points::read::<g1::Config>(&mut reader, at + 2)?,
        ];
        let _x: G2Affine = points::read::<g2::Config>(&mut reader, at + 3)?;
        reader.bytes(HASH)?;
        contributions.push(parameters(&mut reader, nth)?);
    }
    reader.expect_left(0)?;
    match after {
        None => Err(InteropError::NoContribution(section)),
        Some(after) if after == *delta => Ok(Ceremony {
            circuit_hash,
            contributions,
        }),
        Some(_) => Err(InteropError::OtherDelta(section)),
    }
}

fn parameters(reader: &mut SectionReader<'_>, index: usize) -> Result<Contribution, InteropError> {
    let section = reader.section();
    let bad = |reason| InteropError::BadContribution {
        section,
        index,
        reason,
    };
    let kind = reader.u32()?;
    let length = reader.u32()? as usize;
    let end = reader.left().checked_sub(length);
    let end = end.ok_or_else(|| bad("its parameters are longer than the section"))?;
    let (mut name, mut iterations, mut value, mut last) = (None, None, None, 0);
    while reader.left() > end {
        let parameter = reader.u8()?;
        if parameter <= last {
            return Err(bad("its parameters are not in ascending order"));
        }
        last = parameter;
        match parameter {
            1 => {
                let bytes = counted(reader)?;
                let text = std::str::from_utf8(bytes).map_err(|_| bad("its name is no UTF-8"))?;
                name = Some(text.to_owned());
            }
            2 => iterations = Some(reader.u8()?),
            3 => value = Some(counted(reader)?.to_vec()),
            _ => return Err(bad("it has an unknown parameter")),
        }
    }
    if reader.left() < end {
        return Err(bad("its parameters are longer than it says"));
    }
    let beacon = match (kind, iterations, value) {
        (ORDINARY, None, None) => None,
        (BEACON, Some(iterations_log2), Some(value)) => Some(Beacon {
            value,
            iterations_log2,
        }),
        (ORDINARY | BEACON, _, _) => return Err(bad("a beacon, and nothing else, has value and iterations")),
        (_, _, _) => return Err(bad("it is of an unknown kind")),
    };
    Ok(Contribution { name, beacon })
}

/// Bytes with their number in front.
fn counted<'a>(reader: &mut SectionReader<'a>) -> Result<&'a [u8], InteropError> {
    let length = usize::from(reader.u8()?);
    reader.bytes(length)
}
