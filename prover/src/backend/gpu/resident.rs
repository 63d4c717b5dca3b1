//! A key's tables on the device, where they stay between proofs.
//!
//! Bases are most of what a proof reads, and never change. Keys are told apart by their circuit and by
//! what a set-up draws afresh, the verifying key. Few are kept: a prover works with one or two, and
//! the least recently used goes when there are more, or when the device has no room for another.
//! Specification: `docs/spec/gpu.md`.

use tacit_circuits::r1cs::Assignment;
use tacit_verifier::groth16::VerifyingKey;
use wgpu::Buffer;

use super::device::Device;
use super::error::GpuError;
use super::memory;
use super::msm::{Bases, Index, Tuning};
use super::transform::Domain;
use super::wgsl::FIELD_BYTES;
use crate::keys::{CircuitId, ProvingKey};

/// Most keys on a device.
const MOST: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyId {
    circuit: CircuitId,
    vk: VerifyingKey,
}

/// A key on the device.
pub(super) struct Resident {
    id: KeyId,
    /// `z = (1, public, witness)` of the proof that is being made.
    witness: Buffer,
    variables: usize,
    a: (Index, [Bases; 1]),
    /// In both groups.
    b: (Index, [Bases; 2]),
    l: (Index, [Bases; 1]),
    h: (Index, Bases),
    domain: Domain,
}

impl Resident {
    fn new(device: &Device, id: KeyId, key: &ProvingKey, tuning: Tuning) -> Result<Self, GpuError> {
        let (parts, sizes) = (key.parts(), key.sizes());
        let variables = sizes.num_variables();
        let bytes = variables as u64 * FIELD_BYTES;
        device.check("maxStorageBufferBindingSize", bytes, device.summary().max_binding)?;
        // The table over the witness counts from the first witness variable.
        let first = u32::try_from(sizes.num_public).expect("variables are numbered by words");
        let of_witness: Vec<u32> = parts.l.index().iter().map(|place| first + place).collect();
        let all: Vec<u32> = (0..).take(sizes.domain).collect();
        let index = |places: &[u32]| Index::new(device, places);
        Ok(Self {
            id,
            witness: device.buffer("witness", bytes)?,
            variables,
            a: (
                index(parts.a.index())?,
                [Bases::new(device, parts.a.points(), tuning)?],
            ),
            b: (
                index(parts.b_g1.index())?,
                [
                    Bases::new(device, parts.b_g1.points(), tuning)?,
                    Bases::new(device, parts.b_g2.points(), tuning)?,
                ],
            ),
            l: (
                index(&of_witness)?,
                [Bases::new(device, parts.l.points(), tuning)?],
            ),
            h: (index(&all)?, Bases::new(device, &parts.h, tuning)?),
            domain: Domain::new(device, sizes.domain)?,
        })
    }

    /// Uploads `z`.
    ///
    /// # Panics
    /// If the assignment does not fit the key; [`crate::Prover`] sees to that.
    pub(super) fn upload_witness(&self, device: &Device, assignment: &Assignment) -> Result<(), GpuError> {
        let (public, witness) = (&assignment.public, &assignment.witness);
        assert_eq!(
            public.len() + witness.len(),
            self.variables,
            "a witness of the key's circuit"
        );
        memory::upload(device, &self.witness, 0, public, memory::field_bytes)?;
        memory::upload(device, &self.witness, public.len(), witness, memory::field_bytes)
    }

    /// Where `z` is.
    pub(super) fn witness(&self) -> &Buffer {
        &self.witness
    }

    pub(super) fn a(&self) -> (&Index, &[Bases]) {
        (&self.a.0, &self.a.1)
    }

    pub(super) fn b(&self) -> (&Index, &[Bases]) {
        (&self.b.0, &self.b.1)
    }

    pub(super) fn l(&self) -> (&Index, &[Bases]) {
        (&self.l.0, &self.l.1)
    }

    pub(super) fn h(&self) -> (&Index, &Bases) {
        (&self.h.0, &self.h.1)
    }

    pub(super) fn domain(&self) -> &Domain {
        &self.domain
    }
}

/// The keys on a device, the most recently used last.
#[derive(Default)]
pub(super) struct Residents(Vec<Resident>);

impl Residents {
    /// The key, uploaded if it is not there.
    pub(super) fn of(
        &mut self,
        device: &Device,
        key: &ProvingKey,
        tuning: Tuning,
    ) -> Result<&Resident, GpuError> {
        let id = KeyId {
            circuit: key.circuit().clone(),
            vk: key.verifying_key().clone(),
        };
        let resident = match self.0.iter().position(|resident| resident.id == id) {
            Some(place) => self.0.remove(place),
            None => {
                if self.0.len() == MOST {
                    self.0.remove(0);
                }
                self.upload(device, &id, key, tuning)?
            }
        };
        self.0.push(resident);
        Ok(self.0.last().expect("just put there"))
    }

    fn upload(
        &mut self,
        device: &Device,
        id: &KeyId,
        key: &ProvingKey,
        tuning: Tuning,
    ) -> Result<Resident, GpuError> {
        match Resident::new(device, id.clone(), key, tuning) {
            Err(GpuError::OutOfMemory { .. }) if !self.0.is_empty() => {
                self.0.clear();
                // Memory is given back when the device has nothing left to do with it.
                device.wait()?;
                Resident::new(device, id.clone(), key, tuning)
            }
            result => result,
        }
    }
}

impl std::fmt::Debug for Residents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| key.id.circuit.name()))
            .finish()
    }
}
