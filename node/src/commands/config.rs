//! `tacit config`: the effective configuration.

use std::process::ExitCode;

use crate::cli::Global;
use crate::config::Config;

pub(super) fn run(global: &Global) -> anyhow::Result<ExitCode> {
    print!("{}", Config::load(global.config.as_deref())?.to_annotated_toml());
    Ok(ExitCode::SUCCESS)
}
