//! One open device: its memory, its kernels and its faults.
//!
//! wgpu reports mistakes and exhaustion through a callback; it is kept as the device's *fault*, and
//! every fallible step ends by asking for it. After a fault the device is not used again, unless only
//! memory was lacking: whoever owns it makes a new one or goes on without. Specification: `docs/spec/gpu.md`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wgpu::{
    Buffer, BufferDescriptor, BufferUsages, ComputePipeline, ComputePipelineDescriptor, DeviceDescriptor,
    MemoryHints, PipelineCompilationOptions, PollType, Queue, ShaderModuleDescriptor, ShaderRuntimeChecks,
    ShaderSource,
};

use super::adapter::{self, AdapterSummary, Kind, NEEDED_FEATURES, Selection, WELCOME_FEATURES};
use super::error::GpuError;
use super::wgsl::{Spelling, Words};

/// A compiled kernel.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    pub(super) name: &'static str,
    pub(super) pipeline: ComputePipeline,
}

/// An open device.
pub(super) struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: Queue,
    summary: AdapterSummary,
    spelling: Spelling,
    fault: Arc<Mutex<Option<GpuError>>>,
    kernels: Mutex<HashMap<String, Kernel>>,
    /// Kernels are compiled without bounds checks from now on.
    trusted: AtomicBool,
    timed: AtomicBool,
}

impl Device {
    /// Opens the adapter that a selection picks, with all that it offers. Kernels use words no wider
    /// than `words`; without a wish, they are unrolled on hardware only.
    pub(super) fn open(
        selection: &Selection,
        words: Words,
        unrolled: Option<bool>,
    ) -> Result<Self, GpuError> {
        let (summary, adapter) = adapter::pick(selection)?;
        let failed = |reason: String| GpuError::Open {
            adapter: summary.name.clone(),
            reason,
        };
        let descriptor = DeviceDescriptor {
            label: Some("tacit"),
            required_features: NEEDED_FEATURES | (adapter.features() & WELCOME_FEATURES),
            required_limits: adapter.limits(),
            memory_hints: MemoryHints::Performance,
            ..DeviceDescriptor::default()
        };
        let (device, queue) = adapter::now(adapter.request_device(&descriptor))
            .ok_or_else(|| failed("the driver never answered".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let best = if summary.int64 { Words::U64 } else { Words::U32 };
        let fault = Arc::new(Mutex::new(None));
        listen(&device, &fault);
        Ok(Self {
            device,
            queue,
            spelling: Spelling {
                words: words.min(best),
                unrolled: unrolled.unwrap_or(summary.kind != Kind::Software),
            },
            summary,
            fault,
            kernels: Mutex::default(),
            trusted: AtomicBool::new(false),
            timed: AtomicBool::new(false),
        })
    }

    /// What the adapter offers.
    pub(super) fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    /// The words that kernels compute with.
    pub(super) fn words(&self) -> Words {
        self.spelling.words
    }

    /// Times the stages from now on, if the device can.
    pub(super) fn time(&self, timed: bool) {
        self.timed
            .store(timed && self.summary.timestamps, Ordering::Relaxed);
    }

    /// Whether stages are timed.
    pub(super) fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// Compiles kernels without run-time checks from now on, or with them again.
    pub(super) fn trust(&self, trusted: bool) {
        self.trusted.store(trusted, Ordering::Relaxed);
        lock(&self.kernels).clear();
    }

    /// Whether kernels run without checks.
    pub(super) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Relaxed)
    }

    /// The first thing that went wrong on this device. A lack of memory is told once, as it may pass;
    /// anything else again and again.
    pub(super) fn sound(&self) -> Result<(), GpuError> {
        let mut fault = lock(&self.fault);
        match fault.take() {
            None => Ok(()),
            Some(passing @ GpuError::OutOfMemory { .. }) => Err(passing),
            Some(lasting) => Err(fault.insert(lasting).clone()),
        }
    }

    /// Most elements of `size` bytes that one binding shows.
    pub(super) fn elements_per_binding(&self, size: u64) -> u64 {
        self.summary.max_binding.min(self.summary.max_buffer) / size
    }

    /// A buffer for kernels, zero at first.
    pub(super) fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer, GpuError> {
        // A table may be larger than a binding, and is then bound in parts.
        self.check("maxBufferSize", bytes, self.summary.max_buffer)?;
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        self.create(label, bytes, usage)
    }

    /// A buffer that the processor reads results from.
    pub(super) fn readback(&self, bytes: u64) -> Result<Buffer, GpuError> {
        self.create("results", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST)
    }

    fn create(&self, label: &str, bytes: u64, usage: BufferUsages) -> Result<Buffer, GpuError> {
        let descriptor = BufferDescriptor {
            label: Some(label),
            size: bytes.max(16).next_multiple_of(16),
            usage,
            mapped_at_creation: false,
        };
        let buffer = self.device.create_buffer(&descriptor);
        self.sound().map(|()| buffer)
    }

    /// Refuses what a limit of the adapter does not allow.
    pub(super) fn check(&self, limit: &'static str, needed: u64, offered: u64) -> Result<(), GpuError> {
        if needed <= offered {
            return Ok(());
        }
        Err(GpuError::TooSmall {
            adapter: self.summary.name.clone(),
            limit,
            needed,
            offered,
        })
    }

    /// The kernel of this name, compiled on first use. `variant` tells kernels of one name apart.
    pub(super) fn kernel(
        &self,
        name: &'static str,
        variant: &str,
        source: impl FnOnce(Spelling) -> String,
    ) -> Result<Kernel, GpuError> {
        let key = format!("{name} {variant}");
        if let Some(kernel) = lock(&self.kernels).get(&key) {
            return Ok(kernel.clone());
        }
        let kernel = self.compile(name, source(self.spelling))?;
        lock(&self.kernels).insert(key, kernel.clone());
        Ok(kernel)
    }

    #[expect(unsafe_code, reason = "kernels without bounds checks, see the argument below")]
    fn compile(&self, name: &'static str, source: String) -> Result<Kernel, GpuError> {
        let checks = if self.is_trusted() {
            ShaderRuntimeChecks::unchecked()
        } else {
            ShaderRuntimeChecks::checked()
        };
        let descriptor = ShaderModuleDescriptor {
            label: Some(name),
            source: ShaderSource::Wgsl(source.into()),
        };
        // SAFETY: every kernel is generated by this crate and none takes text from outside. Loops
        // have bounds that the host passes, indices are compared with counts that the host passes or
        // are read from buffers that only our kernels wrote, and divisors are counts that are not
        // zero where they divide. Before checks are left out on a device, the same kernels ran on it
        // with checks and gave the right results (`Gpu::new`).
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, checks) };
        self.sound()?;
        let pipeline = self.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..PipelineCompilationOptions::default()
            },
            cache: None,
        });
        self.sound().map(|()| Kernel { name, pipeline })
    }

    /// Waits until all that was submitted is done.
    pub(super) fn wait(&self) -> Result<(), GpuError> {
        // A card that does not answer for this long hangs. Software takes its time.
        let patience = match self.summary.kind {
            Kind::Software => Duration::from_secs(900),
            Kind::Discrete | Kind::Integrated | Kind::Virtual | Kind::Other => Duration::from_secs(60),
        };
        let polled = self.device.poll(PollType::Wait {
            submission_index: None,
            timeout: Some(patience),
        });
        self.sound()?;
        polled.map(|_| ()).map_err(|error| {
            let lost = GpuError::Lost {
                reason: error.to_string(),
            };
            lock(&self.fault).get_or_insert(lost).clone()
        })
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("adapter", &self.summary.name)
            .finish_non_exhaustive()
    }
}

/// Keeps the first fault that wgpu reports.
fn listen(device: &wgpu::Device, fault: &Arc<Mutex<Option<GpuError>>>) {
    let errors = Arc::clone(fault);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let error = match error {
            wgpu::Error::OutOfMemory { source } => GpuError::OutOfMemory {
                during: source.to_string(),
            },
            wgpu::Error::Validation { description, .. } => failed("validation", description),
            wgpu::Error::Internal { description, .. } => failed("the driver", description),
        };
        lock(&errors).get_or_insert(error);
    }));
    let losses = Arc::clone(fault);
    device.set_device_lost_callback(move |_, reason| {
        lock(&losses).get_or_insert(GpuError::Lost { reason });
    });
}

fn failed(during: &str, reason: String) -> GpuError {
    GpuError::Failed {
        during: during.to_owned(),
        reason,
    }
}

/// Locks what no panic can leave half done: each of these holds one value that is replaced whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
