//! The `tacit` binary: reads the command line and hands over to the library.

use std::process::ExitCode;

use clap::Parser;
use tacit_node::cli::Cli;
use tacit_node::printable::printable;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match tacit_node::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", printable(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
