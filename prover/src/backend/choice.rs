//! Which engine to prove with, as people choose it, and what there is to choose from.
//!
//! Specification: `docs/spec/gpu.md`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Backend;
use super::cpu::Cpu;
use super::fallback::WithFallback;
use super::gpu::{AdapterSummary, Gpu, GpuError, Kind, Selection, adapters};

/// An engine by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The processor.
    Cpu,
    /// A graphics card; an error if there is none. Software will do, for tests.
    Gpu,
    /// A graphics card if there is one, else the processor. Software is no card.
    #[default]
    Auto,
}

/// A name that is no engine's.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("there is no engine {0:?}; say cpu, gpu or auto")]
pub struct UnknownEngine(String);

impl FromStr for Choice {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            "auto" => Ok(Self::Auto),
            other => Err(UnknownEngine(other.to_owned())),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Auto => "auto",
        })
    }
}

/// Makes the chosen engine. A card always has the CPU engine behind it.
///
/// # Errors
/// [`GpuError`] if a card was asked for and cannot be used. [`Choice::Auto`] never fails: a card that
/// cannot be used is warned of and passed over.
pub fn engine(choice: Choice) -> Result<Box<dyn Backend>, GpuError> {
    let cpu = || -> Box<dyn Backend> { Box::new(Cpu::detect()) };
    let with_fallback = |gpu: Gpu| -> Box<dyn Backend> { Box::new(WithFallback::new(Box::new(gpu), cpu())) };
    match choice {
        Choice::Cpu => Ok(cpu()),
        Choice::Gpu => Gpu::new(Selection::Any).map(with_fallback),
        Choice::Auto => Ok(match Gpu::new(Selection::Hardware) {
            Ok(gpu) => with_fallback(gpu),
            Err(GpuError::NoAdapter | GpuError::NoSuchAdapter { .. }) => cpu(),
            Err(error) => {
                tracing::warn!(%error, "there is a card, but it cannot be used; proving on the processor");
                cpu()
            }
        }),
    }
}

/// What there is to prove with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The CPU engine's name.
    pub cpu: String,
    /// The adapters, the best first.
    pub adapters: Vec<AdapterSummary>,
}

impl Inventory {
    /// Looks, without opening any device.
    #[must_use]
    pub fn take() -> Self {
        Self {
            cpu: Cpu::detect().name().to_owned(),
            adapters: adapters(),
        }
    }

    /// The adapter that [`Choice::Auto`] tries.
    #[must_use]
    pub fn automatic(&self) -> Option<&AdapterSummary> {
        let usable = |a: &&AdapterSummary| a.kind != Kind::Software && a.refusal.is_none();
        self.adapters.iter().find(usable)
    }
}

impl fmt::Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "processor: {}", self.cpu)?;
        for adapter in &self.adapters {
            writeln!(f, "adapter:   {adapter}")?;
        }
        if self.adapters.is_empty() {
            writeln!(f, "adapter:   none")?;
        }
        match self.automatic() {
            Some(adapter) => write!(f, "auto uses: {}", adapter.name),
            None => write!(f, "auto uses: the processor"),
        }
    }
}

#[cfg(test)]
mod tests;
