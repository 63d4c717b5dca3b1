//! Which instructions a proof is made with, chosen when the program runs.

use super::field::portable::{Portable, Word};
use super::field::{Base, Lanes, Scalar};

/// A set of instructions.
pub(super) trait Engine: Copy + Send + Sync + 'static {
    /// Its name, as in `cpu (adx)`.
    const NAME: &'static str;
    /// Lanes of coordinates.
    type Base: Lanes<Element = Word<Base>>;
    /// Lanes of scalars.
    type Scalar: Lanes<Element = Word<Scalar>>;

    /// Runs a kernel, compiled for the engine's instructions.
    #[inline(always)]
    fn enter<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }
}

/// Code that works with lanes.
///
/// `run` and every function with lanes that it calls are always inlined: only so does the compiler
/// translate them inside [`Engine::enter`], where the engine's instructions are known. Closures cannot
/// be marked so, and must not touch lanes.
pub(super) trait Kernel {
    /// What it gives.
    type Output;

    /// Runs it.
    fn run(self) -> Self::Output;
}

/// Any processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain;

impl Engine for Plain {
    const NAME: &'static str = "cpu (portable)";
    type Base = Portable<Base>;
    type Scalar = Portable<Scalar>;
}

/// x86-64 with BMI2 and ADX.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct TwoCarries;

#[cfg(target_arch = "x86_64")]
impl Engine for TwoCarries {
    const NAME: &'static str = "cpu (adx)";
    type Base = super::field::adx::Adx<Base>;
    type Scalar = super::field::adx::Adx<Scalar>;
}

/// x86-64 with AVX2 and fused multiply-add; scalars, which only the transforms multiply, as with
/// [`TwoCarries`].
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct FusedDoubles;

#[cfg(target_arch = "x86_64")]
impl Engine for FusedDoubles {
    const NAME: &'static str = "cpu (avx2-fma)";
    type Base = super::field::quartet::Quartet<Base>;
    type Scalar = super::field::adx::Adx<Scalar>;

    #[inline(always)]
    #[allow(
        unsafe_code,
        reason = "entering code for instructions that not every processor has"
    )]
    fn enter<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: `Cpu` hands proofs to this engine only where the processor has the instructions.
        unsafe { super::field::quartet::enter(kernel) }
    }
}

/// x86-64 with AVX-512 IFMA.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors;

#[cfg(target_arch = "x86_64")]
impl Engine for Vectors {
    const NAME: &'static str = "cpu (avx512-ifma)";
    type Base = super::field::ifma::Ifma<Base>;
    type Scalar = super::field::ifma::Ifma<Scalar>;

    #[inline(always)]
    #[allow(
        unsafe_code,
        reason = "entering code for instructions that not every processor has"
    )]
    fn enter<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: `Cpu` hands proofs to this engine only where the processor has the instructions.
        unsafe { super::field::ifma::enter(kernel) }
    }
}

/// [`Vectors`] beside a portable lane, for emulators: see [`super::field::ifma::IfmaAlone`].
#[cfg(all(test, target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug)]
pub(super) struct VectorsAlone;

#[cfg(all(test, target_arch = "x86_64"))]
impl Engine for VectorsAlone {
    const NAME: &'static str = "cpu (avx512-ifma beside portable)";
    type Base = super::field::ifma::IfmaAlone<Base>;
    type Scalar = super::field::ifma::IfmaAlone<Scalar>;

    #[inline(always)]
    #[allow(
        unsafe_code,
        reason = "entering code for instructions that not every processor has"
    )]
    fn enter<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: tests use this engine only where the processor has the instructions.
        unsafe { super::field::ifma::enter(kernel) }
    }
}

/// Eight emulated lanes, for testing the kernels on machines without such instructions.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Emulated;

#[cfg(test)]
impl Engine for Emulated {
    const NAME: &'static str = "cpu (emulated)";
    type Base = super::field::emulated::EmulatedOctet<Base>;
    type Scalar = super::field::emulated::EmulatedOctet<Scalar>;
}
