//! The one place where the parts of Tacit are wired together: configuration, commands, the pipeline
//! that follows Bitcoin, and the RPC server.
//!
//! The library exists so that the demo and the integration tests run the very same node that the
//! binary runs. `anyhow` is used here and nowhere below.

pub mod cli;
pub mod commands;
pub mod config;
pub mod engine;
pub mod federation;
pub mod local;
pub mod metrics;
pub mod pipeline;
pub mod printable;
pub mod progress;
pub mod rpc;
pub mod service;
mod synced;
mod telemetry;

use std::process::ExitCode;

/// Sets logging up and runs the command.
///
/// # Errors
/// Whatever ends the command, with cause and remedy.
pub fn run(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    telemetry::init(cli.log_filter(), cli.global.log_format)?;
    commands::dispatch(cli)
}
