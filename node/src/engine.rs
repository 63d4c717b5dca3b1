//! Which engine makes proofs: `--backend`, else `backend` of the configuration, else the processor.
//!
//! The processor is the default: the GPU engine is checked on software Vulkan by every test run, but is
//! young on real cards. Whatever is chosen, every proof is verified before it is used.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tacit_prover::Prover;
use tacit_prover::backend::choice::{self, Choice};

/// An engine by name, on the command line and in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// The processor
    #[default]
    Cpu,
    /// A graphics card, through Vulkan; an error if there is none
    Gpu,
    /// A graphics card if there is one, else the processor
    Auto,
}

impl BackendChoice {
    /// A prover on the chosen engine.
    ///
    /// # Errors
    /// A card was asked for and there is none that can be used.
    pub fn prover(self) -> anyhow::Result<Prover> {
        let choice = match self {
            Self::Cpu => Choice::Cpu,
            Self::Gpu => Choice::Gpu,
            Self::Auto => Choice::Auto,
        };
        let engine = choice::engine(choice).map_err(|error| {
            anyhow::anyhow!("{error}; `tacit prover info` lists what there is, --backend cpu needs no card")
        })?;
        Ok(Prover::new(engine))
    }
}
