//! The GPU engine: all of a proof's large arithmetic in WGSL kernels, through wgpu and Vulkan.
//!
//! * [`adapter`] — which adapters there are, and which one is picked.
//! * `device`, `job`, `memory` — an open device, one submission, what travels to and fro.
//! * `wgsl` — the text of the kernels; `kernels/` has the parts written by hand.
//! * `transform` — the values of `A·B − C` on the odd coset, in one run of dispatches.
//! * `msm` — multi-scalar multiplication by buckets.
//! * `resident` — a key's tables, which stay on the device between proofs.
//! * `selftest` — what a device has to get right before it is used.
//!
//! The processor uploads the assignment and adds up a few points at the end. Results are not trusted:
//! [`crate::backend::fallback`] checks them and has the CPU engine prove again where they are wrong.
//! How long a proof takes depends on the witness: zero digits are skipped.
//! Specification: `docs/spec/gpu.md`.

use std::sync::Mutex;

use ark_bn254::{g1, g2};
use tacit_circuits::r1cs::Assignment;
use tacit_verifier::groth16::Proof;

use super::sums::Sums;
use super::{Backend, Blinding};
use crate::ProveError;
use crate::keys::ProvingKey;
use crate::progress::{Progress, Stage};

pub mod adapter;
mod device;
pub mod error;
mod job;
pub mod measure;
mod memory;
mod msm;
mod resident;
mod selftest;
#[cfg(test)]
mod testing;
mod transform;
mod wgsl;

pub use adapter::{AdapterSummary, Kind, Selection, adapters};
pub use error::GpuError;
pub use job::StageTime;
pub use msm::Tuning;
pub use wgsl::Words;

use device::{Device, lock};
use job::{Job, Slice};
use resident::{Resident, Residents};

/// How the engine is to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which adapter to use.
    pub selection: Selection,
    /// The widest words that kernels may use; narrower ones serve where the adapter lacks them.
    pub words: Words,
    /// Whether kernels write products out in full; by default they do on hardware.
    pub unrolled: Option<bool>,
    /// Numbers of the multi-scalar multiplication.
    pub tuning: Tuning,
    /// Leave out bounds checks in kernels once the device has passed its test with them. Software
    /// gains nothing by it and keeps them.
    pub unchecked: bool,
    /// Time the stages on the device.
    pub timed: bool,
}

impl Options {
    /// The usual, on the adapter that a selection picks.
    #[must_use]
    pub fn on(selection: Selection) -> Self {
        Self {
            selection,
            words: Words::U64,
            unrolled: None,
            tuning: Tuning::default(),
            unchecked: true,
            timed: false,
        }
    }
}

/// The GPU engine.
#[derive(Debug)]
pub struct Gpu {
    name: String,
    device: Device,
    tuning: Tuning,
    /// One proof at a time: they share memory, and the device is busy anyway.
    state: Mutex<State>,
}

/// What proofs leave behind on the device.
#[derive(Debug, Default)]
struct State {
    workspace: msm::Workspace,
    residents: Residents,
    times: Vec<StageTime>,
}

impl Gpu {
    /// Opens an adapter and tests it.
    ///
    /// # Errors
    /// [`GpuError`] if there is none, it lacks something, or it computes wrongly.
    pub fn new(selection: Selection) -> Result<Self, GpuError> {
        Self::with(&Options::on(selection))
    }

    /// The same with a choice of everything.
    ///
    /// # Errors
    /// [`GpuError`] if there is no adapter, it lacks something, or it computes wrongly.
    pub fn with(options: &Options) -> Result<Self, GpuError> {
        let device = Device::open(&options.selection, options.words, options.unrolled)?;
        selftest::run(&device, options.tuning)?;
        if options.unchecked && device.summary().kind != Kind::Software {
            device.trust(true);
            if let Err(error) = selftest::run(&device, options.tuning) {
                device.sound()?;
                tracing::warn!(%error, "kernels keep their bounds checks on this device");
                device.trust(false);
            }
        }
        device.time(options.timed);
        let name = format!("gpu ({})", device.summary().name);
        tracing::info!(engine = name, words = ?device.words(), unchecked = device.is_trusted(), "GPU ready");
        Ok(Self {
            name,
            device,
            tuning: options.tuning,
            state: Mutex::default(),
        })
    }

    /// What the adapter offers.
    #[must_use]
    pub fn adapter(&self) -> &AdapterSummary {
        self.device.summary()
    }

    /// The words that kernels compute with.
    #[must_use]
    pub fn words(&self) -> Words {
        self.device.words()
    }

    /// Whether kernels run without bounds checks.
    #[must_use]
    pub fn is_unchecked(&self) -> bool {
        self.device.is_trusted()
    }

    /// How long the stages of the last proof took on the device, if they are timed.
    #[must_use]
    pub fn stage_times(&self) -> Vec<StageTime> {
        lock(&self.state).times.clone()
    }

    /// Uploads a key's tables, so that the first proof finds them there.
    ///
    /// # Errors
    /// [`GpuError`] if they do not fit.
    pub fn load(&self, key: &ProvingKey) -> Result<(), GpuError> {
        self.device.sound()?;
        let mut state = lock(&self.state);
        state.residents.of(&self.device, key, self.tuning).map(|_| ())
    }

    fn sums(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        progress: &dyn Progress,
    ) -> Result<Sums, GpuError> {
        self.device.sound()?;
        let mut state = lock(&self.state);
        let State {
            workspace,
            residents,
            times,
        } = &mut *state;
        let key = residents.of(&self.device, key, self.tuning)?;

        // The multiplications over the witness run while the transforms' input is on its way.
        progress.begin(Stage::Transform, 3);
        key.upload_witness(&self.device, assignment)?;
        let mut job = Job::new(&self.device);
        let b = self.multiply(&mut job, workspace, key, key.b())?;
        let a = self.multiply(&mut job, workspace, key, key.a())?;
        let l = self.multiply(&mut job, workspace, key, key.l())?;
        let first = job.submit()?;

        let products = [&assignment.az, &assignment.bz, &assignment.cz].map(Vec::as_slice);
        key.domain().upload(&self.device, products, &assignment.public)?;
        let mut job = Job::new(&self.device);
        key.domain().odd_values(&mut job)?;
        let values = (Slice::whole(key.domain().values()), key.h().0);
        let h = msm::multiply(&mut job, workspace, self.tuning, values, &[key.h().1])?;
        let second = job.submit()?;
        progress.advance(3);

        progress.begin(Stage::Multiply, 2);
        let (found, first_times) = first.finish()?;
        progress.advance(1);
        let (values, second_times) = second.finish()?;
        progress.advance(1);
        *times = [first_times, second_times].concat();
        Ok(Sums {
            a: a[0].total::<g1::Config>(&found),
            b_g1: b[0].total::<g1::Config>(&found),
            b_g2: b[1].total::<g2::Config>(&found),
            l: l[0].total::<g1::Config>(&found),
            h: h[0].total::<g1::Config>(&values),
        })
    }

    fn multiply(
        &self,
        job: &mut Job<'_>,
        workspace: &mut msm::Workspace,
        key: &Resident,
        (index, tables): (&msm::Index, &[msm::Bases]),
    ) -> Result<Vec<msm::Sum>, GpuError> {
        let tables: Vec<_> = tables.iter().collect();
        let witness = (Slice::whole(key.witness()), index);
        msm::multiply(job, workspace, self.tuning, witness, &tables)
    }
}

impl Backend for Gpu {
    fn name(&self) -> &str {
        &self.name
    }

    fn prove(
        &self,
        key: &ProvingKey,
        assignment: &Assignment,
        blinding: Blinding,
        progress: &dyn Progress,
    ) -> Result<Proof, ProveError> {
        let sums = self
            .sums(key, assignment, progress)
            .map_err(|error| ProveError::Engine {
                engine: self.name.clone(),
                reason: error.to_string(),
            })?;
        sums.proof(key.parts(), blinding, &self.name)
    }
}

#[cfg(test)]
mod tests;
