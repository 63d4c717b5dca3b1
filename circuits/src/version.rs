//! Names and versions of the circuits, and their pinned digests.
//!
//! `circuits/pinned/<name>.txt` holds the digest and the size of every circuit. A change of a circuit
//! is a change of that file in review, with its delta; keys of another digest do not load.

use tacit_protocol::batch::BatchShape;

/// Version of the rules a circuit enforces. There is deliberately no default: whoever names a
/// circuit says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CircuitVersion {
    /// The first rules.
    V1,
}

impl CircuitVersion {
    /// The number that a transfer's context covers.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::V1 => 1,
        }
    }
}

/// A circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CircuitId {
    /// Two notes in, two notes out.
    Transfer,
    /// A batch of transfers and deposits.
    Batch(BatchShape),
}

impl CircuitId {
    /// All circuits, smallest first.
    pub const ALL: [Self; 5] = [
        Self::Transfer,
        Self::Batch(BatchShape::B4x4),
        Self::Batch(BatchShape::B20x8),
        Self::Batch(BatchShape::B48x16),
        Self::Batch(BatchShape::B192x32),
    ];

    /// The name, which ends with the version and names the files of the circuit's keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer-v1",
            Self::Batch(shape) => shape.circuit_name(),
        }
    }

    /// The pinned digest of the constraint system.
    ///
    /// # Panics
    /// Never: the test that writes the pins reads them back.
    #[must_use]
    pub fn digest(self) -> [u8; 32] {
        let pin = match self {
            Self::Transfer => include_str!("../pinned/transfer-v1.txt"),
            Self::Batch(BatchShape::B4x4) => include_str!("../pinned/batch-4-4-v1.txt"),
            Self::Batch(BatchShape::B20x8) => include_str!("../pinned/batch-20-8-v1.txt"),
            Self::Batch(BatchShape::B48x16) => include_str!("../pinned/batch-48-16-v1.txt"),
            Self::Batch(BatchShape::B192x32) => include_str!("../pinned/batch-192-32-v1.txt"),
        };
        let digest = pin
            .lines()
            .find_map(|line| line.strip_prefix("digest = "))
            .expect("a pin has a digest");
        let mut bytes = [0; 32];
        hex::decode_to_slice(digest, &mut bytes).expect("a digest is 64 hexadecimal digits");
        bytes
    }

    /// The version of the rules.
    #[must_use]
    pub fn version(self) -> CircuitVersion {
        match self {
            Self::Transfer | Self::Batch(_) => CircuitVersion::V1,
        }
    }
}

#[cfg(test)]
pub(crate) use tests::assert_pinned;

#[cfg(test)]
mod tests;
