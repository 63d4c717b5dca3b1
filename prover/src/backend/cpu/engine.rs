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

    /// Runs a kernel. Kernels are always-inlined functions, so they are compiled here for the
    /// engine's instructions.
    #[inline(always)]
    fn enter<R>(kernel: impl FnOnce() -> R) -> R {
        kernel()
    }
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
