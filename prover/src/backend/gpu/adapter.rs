//! Which adapters there are, what each offers, and which one is picked.
//!
//! Nothing here opens a device: [`adapters`] is what a listing for people is made from, and says of
//! every adapter whether the engine can use it. Only Vulkan is asked. Limits are what the adapter
//! itself offers, not WebGPU's modest defaults. Specification: `docs/spec/gpu.md`.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wgpu::{Adapter, Backends, DeviceType, Features, Instance, InstanceDescriptor, Limits};

use super::error::GpuError;

/// What the engine cannot do without.
pub(super) const NEEDED_FEATURES: Features = Features::IMMEDIATES;

/// What the engine uses where it is offered.
pub(super) const WELCOME_FEATURES: Features = Features::SHADER_INT64.union(Features::TIMESTAMP_QUERY);

/// A limit's name, the least of it that will do, and how it is read.
type Least = (&'static str, u64, fn(&Limits) -> u64);

/// What the kernels ask for, whatever the key.
const LEAST: [Least; 6] = [
    ("maxStorageBuffersPerShaderStage", 8, |l| {
        l.max_storage_buffers_per_shader_stage.into()
    }),
    ("maxStorageBufferBindingSize", 1 << 24, |l| {
        l.max_storage_buffer_binding_size
    }),
    ("maxBufferSize", 1 << 24, |l| l.max_buffer_size),
    ("maxComputeInvocationsPerWorkgroup", 256, |l| {
        l.max_compute_invocations_per_workgroup.into()
    }),
    ("maxComputeWorkgroupStorageSize", 2048, |l| {
        l.max_compute_workgroup_storage_size.into()
    }),
    ("maxImmediateSize", 64, |l| l.max_immediate_size.into()),
];

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A card with memory of its own.
    Discrete,
    /// A part of the processor.
    Integrated,
    /// A share of a card, lent to a virtual machine.
    Virtual,
    /// Something that the driver does not describe.
    Other,
    /// No hardware: the processor runs the kernels. Slower than the CPU engine, and for tests.
    Software,
}

impl From<DeviceType> for Kind {
    fn from(device: DeviceType) -> Self {
        match device {
            DeviceType::DiscreteGpu => Self::Discrete,
            DeviceType::IntegratedGpu => Self::Integrated,
            DeviceType::VirtualGpu => Self::Virtual,
            DeviceType::Other => Self::Other,
            DeviceType::Cpu => Self::Software,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "unknown kind",
            Self::Software => "software",
        })
    }
}

/// Which adapter to use. Hardware comes before software, cards before parts of the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The best that is hardware.
    Hardware,
    /// The best there is, software included.
    Any,
    /// The best in software, for tests.
    Software,
    /// The first whose name contains this text, in any case.
    Named(String),
}

impl Selection {
    fn accepts(&self, adapter: &AdapterSummary) -> bool {
        match self {
            Self::Any => true,
            Self::Hardware => adapter.kind != Kind::Software,
            Self::Software => adapter.kind == Kind::Software,
            Self::Named(name) => adapter.name.to_lowercase().contains(&name.to_lowercase()),
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("adapter"),
            Self::Hardware => f.write_str("adapter that is hardware"),
            Self::Software => f.write_str("adapter in software"),
            Self::Named(name) => write!(f, "adapter whose name contains {name:?}"),
        }
    }
}

/// What an adapter offers, and whether the engine can use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterSummary {
    /// The adapter's name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The driver's name and version.
    pub driver: String,
    /// Whether kernels may use 64-bit integers; they are faster than pairs of halves.
    pub int64: bool,
    /// Whether the stages of a proof can be timed on the device.
    pub timestamps: bool,
    /// Most bytes that one binding shows to a kernel; larger tables are split.
    pub max_binding: u64,
    /// Most bytes of one buffer.
    pub max_buffer: u64,
    /// Bytes of memory that a workgroup shares.
    pub workgroup_memory: u32,
    /// Why the engine cannot use it.
    pub refusal: Option<GpuError>,
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.int64 { 64 } else { 32 };
        let mib = self.max_binding >> 20;
        write!(
            f,
            "{} ({}; {}): {words}-bit kernels, {mib} MiB a table",
            self.name, self.kind, self.driver
        )?;
        match &self.refusal {
            Some(refusal) => write!(f, "; not usable: {refusal}"),
            None => Ok(()),
        }
    }
}

/// The result of a future that is ready at once, as all of wgpu's are outside a browser.
pub(super) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn found() -> Vec<(AdapterSummary, Adapter)> {
    let mut instance = InstanceDescriptor::new_without_display_handle();
    instance.backends = Backends::VULKAN;
    // Mesa's software driver calls itself not quite conformant.
    instance.flags |= wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER;
    let found = now(Instance::new(instance).enumerate_adapters(Backends::VULKAN)).unwrap_or_default();
    let mut found: Vec<_> = found.into_iter().map(|a| (summary(&a), a)).collect();
    found.sort_by_key(|(summary, _)| (summary.refusal.is_some(), summary.kind));
    found
}

fn summary(adapter: &Adapter) -> AdapterSummary {
    let (info, features, limits) = (adapter.get_info(), adapter.features(), adapter.limits());
    AdapterSummary {
        refusal: refusal(&info.name, features, &limits),
        name: info.name,
        kind: info.device_type.into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        int64: features.contains(Features::SHADER_INT64),
        timestamps: features.contains(Features::TIMESTAMP_QUERY),
        max_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        workgroup_memory: limits.max_compute_workgroup_storage_size,
    }
}

/// Why an adapter with these features and limits cannot be used.
pub(super) fn refusal(name: &str, features: Features, limits: &Limits) -> Option<GpuError> {
    if !features.contains(NEEDED_FEATURES) {
        return Some(GpuError::MissingFeature {
            adapter: name.to_owned(),
            feature: "immediates (push constants)",
        });
    }
    let small = LEAST
        .iter()
        .find(|(_, needed, offered)| offered(limits) < *needed);
    small.map(|&(limit, needed, offered)| GpuError::TooSmall {
        adapter: name.to_owned(),
        limit,
        needed,
        offered: offered(limits),
    })
}

/// All adapters, the best first.
#[must_use]
pub fn adapters() -> Vec<AdapterSummary> {
    found().into_iter().map(|(summary, _)| summary).collect()
}

/// The adapter that a selection picks.
pub(super) fn pick(selection: &Selection) -> Result<(AdapterSummary, Adapter), GpuError> {
    let found = found();
    if found.is_empty() {
        return Err(GpuError::NoAdapter);
    }
    let names: Vec<_> = found.iter().map(|(summary, _)| summary.name.clone()).collect();
    let picked = found.into_iter().find(|(summary, _)| selection.accepts(summary));
    let (summary, adapter) = picked.ok_or_else(|| GpuError::NoSuchAdapter {
        wanted: selection.to_string(),
        offered: names.join("; "),
    })?;
    match &summary.refusal {
        Some(refusal) => Err(refusal.clone()),
        None => Ok((summary, adapter)),
    }
}

#[cfg(test)]
mod tests;
