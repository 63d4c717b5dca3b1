//! One submission: dispatches in stages, copies, and the results that come back.
//!
//! A [`Job`] only notes what to do; [`Job::submit`] encodes it all and returns at once, and
//! [`Pending::finish`] waits. wgpu orders dispatches that touch the same buffers. Each stage is one
//! compute pass, timed on the device where it can be. Specification: `docs/spec/gpu.md`.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferAsyncError, BufferBinding,
    BufferDescriptor, BufferSize, BufferUsages, CommandEncoder, CommandEncoderDescriptor,
    ComputePassDescriptor, ComputePassTimestampWrites, MapMode, QuerySet, QuerySetDescriptor, QueryType,
};

use super::device::{Device, Kernel};
use super::error::GpuError;

/// Threads of a workgroup in every kernel but those that say otherwise.
pub(super) const GROUP: u32 = 64;

/// Most workgroups in one dimension that every WebGPU device takes.
const MOST_GROUPS: u64 = 65_535;

/// A part of a buffer, as bound to a kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) offset: u64,
    pub(super) bytes: u64,
}

impl<'a> Slice<'a> {
    /// The first bytes of a buffer.
    pub(super) fn of(buffer: &'a Buffer, bytes: u64) -> Self {
        Self {
            buffer,
            offset: 0,
            bytes,
        }
    }

    /// A whole buffer.
    pub(super) fn whole(buffer: &'a Buffer) -> Self {
        Self::of(buffer, buffer.size())
    }
}

struct Dispatch {
    kernel: Kernel,
    bindings: BindGroup,
    parameters: Vec<u8>,
    groups: [u32; 3],
}

/// What is done between two readings of the device's clock.
struct Pass {
    stage: &'static str,
    clears: Vec<(Buffer, u64)>,
    dispatches: Vec<Dispatch>,
    reads: Vec<Read>,
}

struct Read {
    from: Buffer,
    offset: u64,
    bytes: u64,
    at: u64,
}

/// How long a stage took on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// The stage.
    pub stage: &'static str,
    /// Its time.
    pub time: Duration,
}

/// Work that is being put together.
pub(super) struct Job<'d> {
    device: &'d Device,
    passes: Vec<Pass>,
    read_bytes: u64,
}

impl<'d> Job<'d> {
    pub(super) fn new(device: &'d Device) -> Self {
        Self {
            device,
            passes: Vec::new(),
            read_bytes: 0,
        }
    }

    /// The device it is for.
    pub(super) fn device(&self) -> &'d Device {
        self.device
    }

    /// What follows belongs to this stage. Buffers are set to zero before its kernels run.
    pub(super) fn stage(&mut self, stage: &'static str, zero: &[Slice<'_>]) {
        self.passes.push(Pass {
            stage,
            clears: zero
                .iter()
                .map(|s| (s.buffer.clone(), s.bytes.next_multiple_of(4)))
                .collect(),
            dispatches: Vec::new(),
            reads: Vec::new(),
        });
    }

    /// Runs a kernel in at least `threads` threads, in each of `layers` layers.
    pub(super) fn dispatch(
        &mut self,
        kernel: &Kernel,
        bindings: &[Slice<'_>],
        parameters: &[u32],
        threads: u64,
        layers: u32,
    ) {
        let groups = threads.div_ceil(GROUP.into());
        // More groups than one dimension takes become a rectangle; kernels linearise it again.
        let wide = groups.clamp(1, MOST_GROUPS);
        let [x, y] = [wide, groups.div_ceil(wide).max(1)]
            .map(|n| u32::try_from(n).expect("fewer than 2^32 groups in a dimension"));
        self.dispatch_groups(kernel, bindings, parameters, [x, y, layers]);
    }

    /// Runs a kernel in this many workgroups.
    ///
    /// # Panics
    /// If no stage was begun.
    pub(super) fn dispatch_groups(
        &mut self,
        kernel: &Kernel,
        bindings: &[Slice<'_>],
        parameters: &[u32],
        groups: [u32; 3],
    ) {
        let entries: Vec<_> = (0u32..).zip(bindings).map(|(i, s)| entry(i, s)).collect();
        let bindings = self.device.device.create_bind_group(&BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &kernel.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let pass = self.passes.last_mut().expect("a stage was begun");
        pass.dispatches.push(Dispatch {
            kernel: kernel.clone(),
            bindings,
            parameters: parameters.iter().flat_map(|p| p.to_le_bytes()).collect(),
            groups,
        });
    }

    /// Brings back what a buffer holds after this stage's kernels; says where in the results it is.
    ///
    /// # Panics
    /// If no stage was begun.
    pub(super) fn read(&mut self, from: Slice<'_>) -> usize {
        let at = self.read_bytes;
        let pass = self.passes.last_mut().expect("a stage was begun");
        pass.reads.push(Read {
            from: from.buffer.clone(),
            offset: from.offset,
            bytes: from.bytes,
            at,
        });
        self.read_bytes += from.bytes;
        usize::try_from(at).expect("results fit in memory")
    }

    /// Hands the work to the device.
    pub(super) fn submit(self) -> Result<Pending<'d>, GpuError> {
        let device = self.device;
        let clock = if device.is_timed() {
            Some(Clock::new(device, &self.passes)?)
        } else {
            None
        };
        let results = device.readback(self.read_bytes)?;
        let descriptor = CommandEncoderDescriptor { label: Some("tacit") };
        let mut encoder = device.device.create_command_encoder(&descriptor);
        for (index, pass) in self.passes.iter().enumerate() {
            encode(&mut encoder, pass, clock.as_ref().map(|clock| (clock, index)));
            for Read {
                from,
                offset,
                bytes,
                at,
            } in &pass.reads
            {
                encoder.copy_buffer_to_buffer(from, *offset, &results, *at, *bytes);
            }
        }
        if let Some(clock) = &clock {
            clock.resolve(&mut encoder);
        }
        device.queue.submit([encoder.finish()]);
        device.sound()?;
        Ok(Pending {
            device,
            mapped: map(&results),
            results,
            bytes: self.read_bytes,
            clock: clock.map(|clock| (map(&clock.times), clock)),
        })
    }
}

fn entry<'a>(binding: u32, slice: &Slice<'a>) -> BindGroupEntry<'a> {
    BindGroupEntry {
        binding,
        resource: BindingResource::Buffer(BufferBinding {
            buffer: slice.buffer,
            offset: slice.offset,
            size: BufferSize::new(slice.bytes.max(16).next_multiple_of(16)),
        }),
    }
}

fn encode(encoder: &mut CommandEncoder, pass: &Pass, clock: Option<(&Clock, usize)>) {
    for (buffer, bytes) in &pass.clears {
        encoder.clear_buffer(buffer, 0, Some(*bytes));
    }
    let mut compute = encoder.begin_compute_pass(&ComputePassDescriptor {
        label: Some(pass.stage),
        timestamp_writes: clock.map(|(clock, index)| clock.writes(index)),
    });
    for dispatch in &pass.dispatches {
        let [x, y, z] = dispatch.groups;
        compute.set_pipeline(&dispatch.kernel.pipeline);
        compute.set_bind_group(0, &dispatch.bindings, &[]);
        compute.set_immediates(0, &dispatch.parameters);
        compute.dispatch_workgroups(x, y, z);
    }
}

/// The device's clock, read before and after every pass.
struct Clock {
    stages: Vec<&'static str>,
    queries: QuerySet,
    resolved: Buffer,
    times: Buffer,
    /// Nanoseconds per tick.
    period: f32,
}

impl Clock {
    fn new(device: &Device, passes: &[Pass]) -> Result<Self, GpuError> {
        let stages: Vec<_> = passes.iter().map(|pass| pass.stage).collect();
        let bytes = 16 * stages.len() as u64;
        let queries = device.device.create_query_set(&QuerySetDescriptor {
            label: None,
            ty: QueryType::Timestamp,
            count: u32::try_from(2 * stages.len().max(1)).expect("few passes"),
        });
        let resolved = device.device.create_buffer(&BufferDescriptor {
            label: Some("clock"),
            size: bytes.max(16),
            usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        Ok(Self {
            stages,
            queries,
            resolved,
            times: device.readback(bytes)?,
            period: device.queue.get_timestamp_period(),
        })
    }

    fn writes(&self, pass: usize) -> ComputePassTimestampWrites<'_> {
        let begin = u32::try_from(2 * pass).expect("few passes");
        ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(begin),
            end_of_pass_write_index: Some(begin + 1),
        }
    }

    fn resolve(&self, encoder: &mut CommandEncoder) {
        let bytes = 16 * self.stages.len() as u64;
        encoder.resolve_query_set(&self.queries, 0..self.queries.count(), &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.times, 0, bytes);
    }

    fn read(&self, bytes: &[u8]) -> Vec<StageTime> {
        let ticks: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|tick| u64::from_le_bytes(tick.try_into().expect("eight bytes")))
            .collect();
        let time = |pair: &[u64]| {
            let ticks = pair[1].saturating_sub(pair[0]);
            Duration::from_secs_f64(ticks as f64 * f64::from(self.period) * 1e-9)
        };
        let times = ticks.chunks_exact(2).map(time);
        self.stages
            .iter()
            .zip(times)
            .map(|(&stage, time)| StageTime { stage, time })
            .collect()
    }
}

type Mapped = Receiver<Result<(), BufferAsyncError>>;

fn map(buffer: &Buffer) -> Mapped {
    let (tell, told) = channel();
    buffer.map_async(MapMode::Read, .., move |result| {
        // Nobody listens any more when the work was given up.
        let _ = tell.send(result);
    });
    told
}

/// Work that the device is doing.
pub(super) struct Pending<'d> {
    device: &'d Device,
    results: Buffer,
    bytes: u64,
    mapped: Mapped,
    clock: Option<(Mapped, Clock)>,
}

impl Pending<'_> {
    /// Waits for the results, and for the times of the stages where they are taken.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Vec<StageTime>), GpuError> {
        self.device.wait()?;
        let mut results = self.take(&self.mapped, &self.results)?;
        results.truncate(usize::try_from(self.bytes).expect("results fit in memory"));
        let times = match &self.clock {
            Some((mapped, clock)) => clock.read(&self.take(mapped, &clock.times)?),
            None => Vec::new(),
        };
        Ok((results, times))
    }

    fn take(&self, mapped: &Mapped, buffer: &Buffer) -> Result<Vec<u8>, GpuError> {
        let failed = |reason: String| GpuError::Failed {
            during: "reading results".to_owned(),
            reason,
        };
        let told = mapped
            .try_recv()
            .map_err(|_| failed("the driver never answered".to_owned()))?;
        told.map_err(|error| failed(error.to_string()))?;
        let bytes = buffer
            .get_mapped_range(..)
            .map_err(|error| failed(error.to_string()))?
            .to_vec();
        buffer.unmap();
        self.device.sound().map(|()| bytes)
    }
}
