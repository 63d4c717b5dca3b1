//! The polynomial part of a proof on the device: values of `A·B − C` on the odd coset.
//!
//! What is computed, and why, is said at the reference, [`qap`](crate::backend::reference::qap). Here all of
//! it is one run of dispatches: three polynomials go up, and their six transforms and the product
//! leave the result where the multi-scalar multiplication over `H` reads it. Kernels and the order of
//! passes are described at [`super::wgsl`]. Specification: `docs/spec/gpu.md`.

use ark_bn254::Fr;
use ark_ff::{FftField, batch_inversion};
use wgpu::Buffer;

use super::device::{Device, Kernel};
use super::error::GpuError;
use super::job::{Job, Slice};
use super::memory;
use super::wgsl::FIELD_BYTES;
use super::wgsl::transform::{self, Direction};

/// Stages that one pass does in registers.
const STAGES: u32 = 3;

/// A domain's table of roots on the device, with the buffers of its polynomials.
pub(super) struct Domain {
    log_size: u32,
    scale: Fr,
    roots: Buffer,
    /// `A`, `B` and `C`.
    polynomials: [Buffer; 3],
    /// `A·B − C`.
    values: Buffer,
}

impl Domain {
    /// A domain of `size` points, a power of two.
    pub(super) fn new(device: &Device, size: usize) -> Result<Self, GpuError> {
        let bytes = (size as u64 + 1) * FIELD_BYTES;
        device.check("maxStorageBufferBindingSize", bytes, device.summary().max_binding)?;
        let omega = Fr::get_root_of_unity(2 * size as u64).expect("twice the domain is in the field");
        let roots = device.buffer("roots", bytes)?;
        memory::upload(
            device,
            &roots,
            0,
            &memory::powers(omega, size + 1),
            memory::field_bytes,
        )?;
        let polynomial = |label| device.buffer(label, size as u64 * FIELD_BYTES);
        let mut scale = [Fr::from(size as u64)];
        batch_inversion(&mut scale);
        Ok(Self {
            log_size: size.trailing_zeros(),
            scale: scale[0],
            roots,
            polynomials: [polynomial("a")?, polynomial("b")?, polynomial("c")?],
            values: polynomial("values")?,
        })
    }

    /// Where the values of `A·B − C` are once the job is done, below twice the modulus each.
    pub(super) fn values(&self) -> &Buffer {
        &self.values
    }

    fn bytes(&self) -> u64 {
        FIELD_BYTES << self.log_size
    }

    /// Uploads the three products of every constraint; rows behind them are zero, but for `tail`
    /// behind those of `A`.
    pub(super) fn upload(&self, device: &Device, products: [&[Fr]; 3], tail: &[Fr]) -> Result<(), GpuError> {
        let size = 1usize << self.log_size;
        for (k, (buffer, values)) in self.polynomials.iter().zip(products).enumerate() {
            let tail = if k == 0 { tail } else { &[] };
            let used = values.len() + tail.len();
            assert!(used <= size, "the domain holds the system");
            memory::upload(device, buffer, 0, values, memory::field_bytes)?;
            memory::upload(device, buffer, values.len(), tail, memory::field_bytes)?;
            // A few rows of an earlier proof at most: every proof of a key has as many constraints.
            let zeros = vec![Fr::from(0u64); size - used];
            memory::upload(device, buffer, used, &zeros, memory::field_bytes)?;
        }
        Ok(())
    }

    /// Adds all of it to a job.
    pub(super) fn odd_values(&self, job: &mut Job<'_>) -> Result<(), GpuError> {
        let device = job.device();
        job.stage("transform", &[]);
        for polynomial in &self.polynomials {
            self.transform(job, polynomial)?;
        }
        let kernel = device.kernel("combine", "", transform::combine)?;
        let [a, b, c] = &self.polynomials;
        let bindings = [a, b, c, &self.values].map(|buffer| Slice::of(buffer, self.bytes()));
        let mut parameters = vec![1 << self.log_size];
        parameters.extend(memory::words(&memory::field_bytes(&self.scale)));
        job.dispatch(&kernel, &bindings, &parameters, 1 << self.log_size, 1);
        Ok(())
    }

    /// From values on the domain to values on its odd coset, in place and `n` times too large.
    fn transform(&self, job: &mut Job<'_>, polynomial: &Buffer) -> Result<(), GpuError> {
        let mut pass = |direction, stages, log_block| {
            let kernel = kernel(job.device(), direction, stages)?;
            let bindings = [Slice::whole(&self.roots), Slice::of(polynomial, self.bytes())];
            let threads = 1u64 << (self.log_size - stages);
            job.dispatch(&kernel, &bindings, &[self.log_size, log_block], threads, 1);
            Ok(())
        };
        let passes = passes(self.log_size);
        let mut log_block = self.log_size;
        for &stages in &passes {
            pass(Direction::Inverse, stages, log_block)?;
            log_block -= stages;
        }
        for &stages in passes.iter().rev() {
            let direction = if log_block == 0 {
                Direction::Shifted
            } else {
                Direction::Forward
            };
            log_block += stages;
            pass(direction, stages, log_block)?;
        }
        Ok(())
    }
}

/// How the stages of a transform are grouped.
fn passes(log_size: u32) -> Vec<u32> {
    let mut passes = vec![STAGES; (log_size / STAGES) as usize];
    passes.extend(Some(log_size % STAGES).filter(|&rest| rest > 0));
    passes
}

fn kernel(device: &Device, direction: Direction, stages: u32) -> Result<Kernel, GpuError> {
    let variant = format!("{} {stages}", direction.variant());
    device.kernel("transform", &variant, |spelling| {
        transform::pass(spelling, direction, stages)
    })
}

#[cfg(test)]
mod tests;
