//! Multi-scalar multiplication on the device.
//!
//! Scalars become signed digits of `width` bits, one per window. Per window, digits are counted and
//! sorted by magnitude; a bucket's entries are cut into slices of at most `slice`, one thread each, so
//! that a fat bucket (many scalars of a witness are one) keeps no thread longer than a thin one. The
//! slices of a bucket are added up, chunks of neighbouring buckets give their plain and their weighted
//! sum, and the chunks add up to one point per window. The processor does the rest: as many doublings
//! as a scalar has bits. Zero digits cost nothing, so time depends on the scalars.
//!
//! Windows that do not fit into a binding together are done in several passes, bases that do not fit
//! are spread over several bindings. Specification: `docs/spec/gpu.md`.

use ark_ec::short_weierstrass::Projective;
use ark_ff::AdditiveGroup;
use wgpu::Buffer;

use super::device::Device;
use super::error::GpuError;
use super::job::{Job, Slice};
use super::memory::{self, DeviceCurve};
use super::wgsl::{Group, Spelling, msm};
use crate::keys::Table;

/// Bits that the windows cover: those of a scalar and one for the top digit's sign.
const BITS: u32 = 255;

/// Buckets up to this many slices are added up by whoever needs them.
const FEW_SLICES: u64 = 8;

/// Most buffers that a table is spread over.
const MOST_SHARDS: u64 = 16;

/// What can be chosen freely, and is worth measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Bits of a digit, 2 to 16; `None` lets the number of bases decide.
    pub width: Option<u32>,
    /// Most entries that one thread adds up.
    pub slice: u32,
    /// Neighbouring buckets that one thread sums up, a power of two.
    pub chunk: u32,
    /// Most bytes of one binding, where that is to be less than the adapter offers.
    pub binding: Option<u64>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            width: None,
            slice: 64,
            chunk: 8,
            binding: None,
        }
    }
}

impl Tuning {
    /// Bits of a digit for this many bases. By default those that cost fewest products: ten per entry
    /// and fourteen per addition of buckets, of which each bucket takes two and its share of the
    /// weighing of its chunk.
    #[must_use]
    pub fn width_for(self, count: usize) -> u32 {
        let cost = |width: u32| {
            let buckets = 1u64 << (width - 1);
            let per_bucket = 28 + 14 * u64::from(2 * width) / u64::from(self.chunk);
            u64::from(BITS.div_ceil(width)) * (10 * count as u64 + per_bucket * buckets)
        };
        let cheapest = || {
            (4..16).fold(
                16,
                |best, width| if cost(width) < cost(best) { width } else { best },
            )
        };
        self.width.unwrap_or_else(cheapest).clamp(2, 16)
    }
}

/// The numbers of one multiplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    count: u64,
    width: u32,
    windows: u32,
    /// Windows done at once.
    together: u32,
    buckets: u64,
    slice: u64,
    /// Most tasks of a window.
    tasks: u64,
    chunk: u64,
    chunks: u64,
}

impl Plan {
    fn sum(&self, group: Group) -> Sum {
        Sum {
            width: self.width,
            point_bytes: usize::try_from(group.point_bytes()).expect("a few words"),
            windows: Vec::new(),
        }
    }

    fn new(device: &Device, group: Group, count: usize, tuning: Tuning) -> Result<Self, GpuError> {
        let width = tuning.width_for(count);
        let (count, slice) = (count as u64, u64::from(tuning.slice.max(1)));
        let buckets = 1u64 << (width - 1);
        let chunk = u64::from(tuning.chunk.max(1).next_power_of_two()).min(buckets);
        let mut plan = Self {
            count,
            width,
            windows: BITS.div_ceil(width),
            together: 1,
            buckets,
            slice,
            // A bucket has at most one slice that is not full; no slice is empty.
            tasks: (count / slice + buckets).min(count),
            chunk,
            chunks: buckets / chunk,
        };
        let limit = binding(device, tuning);
        let largest = plan.bytes(group).into_iter().max().expect("there are buffers");
        device.check("maxStorageBufferBindingSize", largest, limit)?;
        let fit = u32::try_from(limit / largest).unwrap_or(u32::MAX);
        plan.together = plan.windows.min(fit);
        Ok(plan)
    }

    /// Bytes per window of: cursors, tasks, entries, partial sums, chunks, shares.
    fn bytes(&self, group: Group) -> [u64; 6] {
        let point = group.point_bytes();
        [
            4 * self.buckets,
            4 * (self.buckets + 1),
            4 * self.count,
            point * self.tasks,
            2 * point * self.chunks,
            point * self.chunks,
        ]
    }

    /// `2^(width−1)` in every window, as nine words.
    fn bias(&self) -> [u32; 9] {
        let mut bias = [0; 9];
        for window in 0..self.windows {
            let bit = window * self.width + self.width - 1;
            bias[bit as usize / 32] |= 1 << (bit % 32);
        }
        bias
    }
}

fn binding(device: &Device, tuning: Tuning) -> u64 {
    let offered = device.elements_per_binding(1);
    tuning.binding.map_or(offered, |bytes| bytes.min(offered))
}

/// Which scalar each base of some tables belongs to.
pub(super) struct Index {
    buffer: Buffer,
    count: usize,
}

impl Index {
    /// Uploads the places of scalars.
    pub(super) fn new(device: &Device, places: &[u32]) -> Result<Self, GpuError> {
        let buffer = device.buffer("index", 4 * places.len() as u64)?;
        memory::upload(device, &buffer, 0, places, |place| place.to_le_bytes())?;
        Ok(Self {
            buffer,
            count: places.len(),
        })
    }
}

/// Bases on the device.
pub(super) struct Bases {
    group: Group,
    shards: Vec<Buffer>,
    log_shard: u32,
    count: usize,
}

impl Bases {
    /// Uploads a table.
    pub(super) fn new<C: DeviceCurve>(
        device: &Device,
        points: &Table<C>,
        tuning: Tuning,
    ) -> Result<Self, GpuError> {
        let group = C::GROUP;
        let most = (binding(device, tuning) / group.affine_bytes()).max(1);
        let log_shard = most.ilog2().min(30);
        let shards = (points.len() as u64).div_ceil(1 << log_shard).max(1);
        let limit = u64::from(device.device.limits().max_storage_buffers_per_shader_stage) - 4;
        device.check(
            "maxStorageBuffersPerShaderStage",
            shards + 4,
            limit.min(MOST_SHARDS) + 4,
        )?;
        let mut buffers = Vec::new();
        for shard in points.limbs().chunks(C::WORDS << log_shard) {
            let buffer = device.buffer("bases", std::mem::size_of_val(shard) as u64)?;
            memory::upload(device, &buffer, 0, shard, |limbs| {
                bytemuck::cast::<_, [u8; 32]>(*limbs)
            })?;
            buffers.push(buffer);
        }
        Ok(Self {
            group,
            shards: buffers,
            log_shard,
            count: points.len(),
        })
    }
}

/// Buffers that multiplications share one after another; they grow with the largest.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    buffers: [Option<Buffer>; 6],
}

impl Workspace {
    fn take(&mut self, device: &Device, bytes: [u64; 6]) -> Result<[Buffer; 6], GpuError> {
        const LABELS: [&str; 6] = ["cursors", "tasks", "entries", "partials", "chunks", "shares"];
        for ((slot, label), bytes) in self.buffers.iter_mut().zip(LABELS).zip(bytes) {
            if slot.as_ref().is_none_or(|buffer| buffer.size() < bytes) {
                // The old one goes first: there may not be room for both.
                *slot = None;
                *slot = Some(device.buffer(label, bytes)?);
            }
        }
        Ok(std::array::from_fn(|k| {
            self.buffers[k].clone().expect("just made")
        }))
    }
}

/// A sum whose windows come back with a job's results.
#[must_use]
#[derive(Debug)]
pub(super) struct Sum {
    width: u32,
    point_bytes: usize,
    /// Where in the results the windows are, the lowest first.
    windows: Vec<usize>,
}

impl Sum {
    /// Puts the windows together.
    pub(super) fn total<C: DeviceCurve>(&self, results: &[u8]) -> Projective<C> {
        let windows = self
            .windows
            .iter()
            .rev()
            .map(|&at| &results[at..at + self.point_bytes]);
        windows
            .map(memory::point_of::<C>)
            .fold(Projective::ZERO, |sum, window| {
                (0..self.width).fold(sum, |mut sum, _| {
                    sum.double_in_place();
                    sum
                }) + window
            })
    }
}

/// Adds `Σ scalars[index_i]·bases_i` to a job, one sum for each of the tables. They share the index,
/// so their digits are sorted once.
pub(super) fn multiply(
    job: &mut Job<'_>,
    workspace: &mut Workspace,
    tuning: Tuning,
    (scalars, index): (Slice<'_>, &Index),
    tables: &[&Bases],
) -> Result<Vec<Sum>, GpuError> {
    assert!(
        tables.iter().all(|table| table.count == index.count),
        "one place of a scalar per base"
    );
    let largest = tables.iter().map(|table| table.group).max().unwrap_or(Group::G1);
    let plan = Plan::new(job.device(), largest, index.count, tuning)?;
    let mut sums: Vec<_> = tables.iter().map(|table| plan.sum(table.group)).collect();
    if index.count == 0 {
        return Ok(sums);
    }
    let buffers = workspace.take(
        job.device(),
        plan.bytes(largest).map(|bytes| bytes * u64::from(plan.together)),
    )?;
    let mut first = 0;
    while first < plan.windows {
        let windows = plan.together.min(plan.windows - first);
        let pass = Pass {
            plan: &plan,
            buffers: &buffers,
            windows,
        };
        pass.sort(job, scalars, index, first)?;
        for (table, sum) in tables.iter().zip(&mut sums) {
            pass.sum(job, table)?;
            pass.read(job, table.group, sum);
        }
        first += windows;
    }
    Ok(sums)
}

/// Some windows of a multiplication, done at once.
struct Pass<'a> {
    plan: &'a Plan,
    buffers: &'a [Buffer; 6],
    windows: u32,
}

impl Pass<'_> {
    /// The part of the buffers that this many windows take up.
    fn slices(&self, group: Group) -> [Slice<'_>; 6] {
        let bytes = self.plan.bytes(group);
        std::array::from_fn(|k| Slice::of(&self.buffers[k], bytes[k] * u64::from(self.windows)))
    }

    /// Sorts digits by buckets, and cuts buckets into slices.
    fn sort(&self, job: &mut Job<'_>, scalars: Slice<'_>, index: &Index, first: u32) -> Result<(), GpuError> {
        let (plan, device) = (self.plan, job.device());
        let [cursors, tasks, entries, ..] = self.slices(Group::G1);
        let places = Slice::of(&index.buffer, 4 * plan.count);
        let mut parameters = vec![word(plan.count), plan.width, first, self.windows];
        parameters.extend(plan.bias());

        job.stage("sort", &[cursors]);
        let kernel = device.kernel("count", "", msm::count)?;
        job.dispatch(&kernel, &[scalars, places, cursors], &parameters, plan.count, 1);
        let kernel = device.kernel("scan", "", msm::scan)?;
        let shape = [word(plan.buckets), word(plan.slice)];
        job.dispatch_groups(&kernel, &[cursors, tasks], &shape, [1, 1, self.windows]);
        let kernel = device.kernel("scatter", "", msm::scatter)?;
        job.dispatch(
            &kernel,
            &[scalars, places, cursors, entries],
            &parameters,
            plan.count,
            1,
        );
        Ok(())
    }

    /// Sums up buckets, then windows.
    fn sum(&self, job: &mut Job<'_>, table: &Bases) -> Result<(), GpuError> {
        let (plan, device, group, windows) = (self.plan, job.device(), table.group, self.windows);
        let [cursors, tasks, entries, partials, chunks, shares] = self.slices(group);
        let buckets = [word(plan.buckets), word(plan.tasks)];
        let named = |name, source: fn(Spelling, Group) -> String| {
            device.kernel(name, group.variant(), |spelling| source(spelling, group))
        };

        job.stage(group.stage(), &[]);
        let variant = format!("{} {} {}", group.variant(), table.shards.len(), table.log_shard);
        let kernel = device.kernel("accumulate", &variant, |spelling| {
            msm::accumulate(spelling, group, table.shards.len(), table.log_shard)
        })?;
        let mut bindings = vec![entries, cursors, tasks, partials];
        bindings.extend(table.shards.iter().map(Slice::whole));
        let parameters = [word(plan.count), buckets[0], buckets[1]];
        job.dispatch(&kernel, &bindings, &parameters, plan.tasks, windows);

        job.stage("reduce", &[]);
        let most_slices = plan.count.div_ceil(plan.slice);
        if most_slices > FEW_SLICES {
            let kernel = named("fat", msm::fat)?;
            for step in steps(most_slices) {
                let parameters = [buckets[0], buckets[1], step];
                job.dispatch(&kernel, &[tasks, partials], &parameters, plan.tasks, windows);
            }
        }
        let parameters = [buckets[0], buckets[1], word(plan.chunk)];
        let kernel = named("chunks", msm::chunks)?;
        job.dispatch(
            &kernel,
            &[tasks, partials, chunks],
            &parameters,
            plan.chunks,
            windows,
        );
        let parameters = [word(plan.chunks), word(plan.chunk), plan.width - 1];
        let kernel = named("weigh", msm::weigh)?;
        job.dispatch(&kernel, &[chunks, shares], &parameters, plan.chunks, windows);
        if plan.chunks > 1 {
            let kernel = named("fold", msm::fold)?;
            for step in steps(plan.chunks) {
                let threads = plan.chunks.div_ceil(8 * u64::from(step));
                job.dispatch(&kernel, &[shares], &[word(plan.chunks), step], threads, windows);
            }
        }
        Ok(())
    }

    /// Brings the windows back.
    fn read(&self, job: &mut Job<'_>, group: Group, sum: &mut Sum) {
        let stride = self.plan.chunks * group.point_bytes();
        for window in 0..u64::from(self.windows) {
            sum.windows.push(job.read(Slice {
                buffer: &self.buffers[5],
                offset: window * stride,
                bytes: group.point_bytes(),
            }));
        }
    }
}

/// 1, 8, 64, … below `count`.
fn steps(count: u64) -> impl Iterator<Item = u32> {
    (0..)
        .map(|k| 8u64.pow(k))
        .take_while(move |&step| step < count)
        .map(word)
}

fn word(n: u64) -> u32 {
    u32::try_from(n).expect("counts of one binding's elements fit a word")
}

#[cfg(test)]
mod tests;
