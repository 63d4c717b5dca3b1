//! `tacit prover`: what this machine can prove with.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use tacit_prover::backend::choice::Inventory;

/// Arguments of `tacit prover`.
#[derive(Debug, Args)]
pub struct ProverArgs {
    /// What to do
    #[command(subcommand)]
    pub action: ProverAction,
}

/// What to do about provers.
#[derive(Debug, Subcommand)]
pub enum ProverAction {
    /// List the processor's instructions and the graphics adapters, and what `--backend auto` uses
    Info {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// None so far.
pub fn run(args: &ProverArgs) -> anyhow::Result<ExitCode> {
    let ProverAction::Info { json } = args.action;
    let inventory = Inventory::take();
    if json {
        println!("{:#}", as_json(&inventory));
    } else {
        println!("{inventory}");
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(inventory: &Inventory) -> serde_json::Value {
    let adapters: Vec<_> = inventory
        .adapters
        .iter()
        .map(|adapter| {
            json!({
                "name": adapter.name,
                "kind": adapter.kind.to_string(),
                "driver": adapter.driver,
                "int64": adapter.int64,
                "timestamps": adapter.timestamps,
                "max_binding_bytes": adapter.max_binding,
                "max_buffer_bytes": adapter.max_buffer,
                "refusal": adapter.refusal.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    json!({
        "cpu": inventory.cpu,
        "adapters": adapters,
        "auto": inventory.automatic().map_or("cpu", |adapter| adapter.name.as_str()),
    })
}

#[cfg(test)]
mod tests;
