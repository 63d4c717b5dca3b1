//! One file per command; each takes its arguments and the global options and ends with an exit code.

use std::process::ExitCode;

use crate::cli::{Cli, Command};

pub mod audit;
pub mod bridge;
mod config;
pub mod demo;
pub mod federation;
pub mod genesis;
pub mod keys;
pub mod prover;
pub mod run;
pub mod vault;
pub mod wallet;

/// Runs the command that was asked for.
///
/// # Errors
/// Whatever ends the command, with cause and remedy.
pub fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Node(args) => run::run(&args, &global, crate::config::Role::Node),
        Command::Sequencer(args) => run::run(&args, &global, crate::config::Role::Sequencer),
        Command::Signer(args) => run::run(&args, &global, crate::config::Role::Signer),
        Command::Federation(args) => federation::run(&args, &global),
        Command::Bridge(args) => bridge::run(&args, &global),
        Command::Vault(args) => vault::run(&args, &global),
        Command::Wallet(args) => wallet::run(&args, &global),
        Command::Audit(args) => audit::run(&args, &global),
        Command::Keys(args) => keys::run(&args, &global),
        Command::Prover(args) => prover::run(&args),
        Command::Genesis(args) => genesis::run(&args, &global),
        Command::Config => config::run(&global),
    }
}
