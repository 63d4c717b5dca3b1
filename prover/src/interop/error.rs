//! Why a file of another tool was refused, by section and reason.

use std::path::PathBuf;
use std::{fmt, io};

use tacit_verifier::groth16::KeyRule;
use thiserror::Error;

use super::sections::{Format, Section};

/// Where a file ended too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The header of the file.
    FileHeader,
    /// The header of a section, the first in the file being 1.
    SectionHeader(u32),
    /// Inside a section.
    Section(Section),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileHeader => f.write_str("the file's header"),
            Self::SectionHeader(nth) => write!(f, "the header of the file's section no. {nth}"),
            Self::Section(section) => section.fmt(f),
        }
    }
}

/// What is wrong with a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointFault {
    /// A coordinate is not below the modulus.
    NotReduced,
    /// It is off its curve.
    OffCurve,
    /// It is outside the prime-order subgroup.
    OutsideSubgroup,
    /// It is the identity, where the circuit needs a point.
    Identity,
    /// It is no identity, where the circuit has no use for a point.
    NotIdentity,
}

impl fmt::Display for PointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotReduced => "has a coordinate that is not below the modulus",
            Self::OffCurve => "is not on the curve",
            Self::OutsideSubgroup => "is outside the prime-order subgroup",
            Self::Identity => "is the identity, although the circuit uses its variable",
            Self::NotIdentity => "is no identity, although the circuit does not use its variable",
        })
    }
}

/// Why a file was refused.
#[derive(Debug, Error)]
pub enum InteropError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else.
    #[error("this is no {format} file: it does not begin as one")]
    OtherMagic {
        /// What was asked for.
        format: &'static Format,
    },
    /// The file has another version.
    #[error("the {format} file has version {found}, this program reads {}", format.version())]
    UnsupportedVersion {
        /// What was asked for.
        format: &'static Format,
        /// The file's version.
        found: u32,
    },
    /// The file ends too early.
    #[error("the {format} file is truncated: {place} needs {needed} bytes and has {found}")]
    Truncated {
        /// What was asked for.
        format: &'static Format,
        /// Where it ends.
        place: Place,
        /// Bytes that were to follow.
        needed: u64,
        /// Bytes that did.
        found: u64,
    },
    /// Bytes follow the last section.
    #[error("{count} bytes follow the last section of the {format} file")]
    TrailingBytes {
        /// What was asked for.
        format: &'static Format,
        /// How many bytes.
        count: usize,
    },
    /// A section that the format does not have.
    #[error("the {format} file has a section {number}, which no Groth16 file has")]
    UnknownSection {
        /// What was asked for.
        format: &'static Format,
        /// The section's number.
        number: u32,
    },
    /// A section comes twice.
    #[error("{0} comes twice")]
    RepeatedSection(Section),
    /// A section is missing.
    #[error("{0} is missing")]
    MissingSection(Section),
    /// A section has not the length that the sizes ask for.
    #[error("{section} has {found} bytes left where the circuit's sizes ask for {expected}")]
    SectionLength {
        /// The section.
        section: Section,
        /// The length asked for.
        expected: u64,
        /// The length found.
        found: u64,
    },
    /// Another proof system's key.
    #[error("{section}: proof system {found}, only Groth16 (1) is read")]
    OtherProtocol {
        /// The section.
        section: Section,
        /// The number found.
        found: u32,
    },
    /// Another curve.
    #[error("{section}: the {field} field is not that of BN254")]
    OtherField {
        /// The section.
        section: Section,
        /// Base or scalar.
        field: &'static str,
    },
    /// A key for a circuit of other sizes.
    #[error("{section}: the key is for another circuit: {what} {found}, the circuit has {expected}")]
    OtherSize {
        /// The section.
        section: Section,
        /// What differs.
        what: &'static str,
        /// The circuit's number.
        expected: usize,
        /// The key's number.
        found: usize,
    },
    /// A key for a circuit with other constraints.
    #[error("{section}: the key is for another circuit: {what} of entry {entry} differs")]
    OtherCoefficient {
        /// The section.
        section: Section,
        /// Which entry.
        entry: usize,
        /// What differs: matrix, constraint, variable or value.
        what: &'static str,
    },
    /// A bad point.
    #[error("{section}: point {index} {fault}")]
    Point {
        /// The section.
        section: Section,
        /// Which point of the section.
        index: usize,
        /// What is wrong with it.
        fault: PointFault,
    },
    /// Two elements that have to be one number in two groups are not.
    #[error("{what} are not the same in both groups")]
    GroupsDiffer {
        /// Which elements.
        what: &'static str,
    },
    /// γ is not the generator, which no ceremony changes.
    #[error("{0}: gamma is not the generator, so this key is from no ceremony")]
    OtherGamma(Section),
    /// Nobody contributed: anybody can forge proofs under such a key.
    #[error("{0}: nobody contributed to this key, anybody can forge proofs under it")]
    NoContribution(Section),
    /// A malformed contribution.
    #[error("{section}: contribution {index} is malformed: {reason}")]
    BadContribution {
        /// The section.
        section: Section,
        /// Which contribution, the first being 1.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The last contribution did not end with the key's δ.
    #[error("{0}: the last contribution does not end with the key's delta")]
    OtherDelta(Section),
    /// The file is not the one that was verified and pinned.
    #[error("the file's SHA-256 is {found}, pinned is {pinned}")]
    NotPinned {
        /// The pinned hash, in hex.
        pinned: String,
        /// The file's hash, in hex.
        found: String,
    },
    /// The constraint system given is not the pinned circuit.
    #[error("the circuit {name} was built with digest {found}, pinned is {pinned}")]
    OtherCircuit {
        /// Name of the circuit.
        name: String,
        /// The pinned digest, in hex.
        pinned: String,
        /// The digest built, in hex.
        found: String,
    },
    /// The verifying key inside breaks a rule.
    #[error("the verifying key inside is unusable: {0}")]
    Rule(#[from] KeyRule),
}
