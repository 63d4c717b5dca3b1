//! `tacit demo`: the whole story on a private regtest chain, with real nodes as processes.
//!
//! Alice and Bob deposit bitcoin, pay each other privately, Bob withdraws; an auditor re-derives the
//! state from Bitcoin alone and a wallet comes back from its words. What happened is told on the
//! terminal and written to `summary.json`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;

mod people;
mod story;
mod summary;

use story::Story;

/// Arguments of `tacit demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to write summary.json, chain.json, wallets and logs; what is there is replaced
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub out: PathBuf,
    /// Where proving keys are kept [default: $TACIT_KEYS, else ~/.tacit/keys]
    #[arg(long, value_name = "DIR", env = "TACIT_KEYS")]
    pub keys_dir: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Whatever goes wrong in the story; the logs of the nodes are under `--out`.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let keys_dir = args
        .keys_dir
        .clone()
        .unwrap_or_else(|| crate::config::Config::default().keys_dir);
    if args.out.join("chain.json").exists() {
        std::fs::remove_dir_all(&args.out)
            .with_context(|| format!("cannot replace {}", args.out.display()))?;
    }
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot create {}", args.out.display()))?;
    let out = args.out.canonicalize()?;
    let started = Instant::now();
    let summary = Story::begin(&out, keys_dir)?.tell()?;
    let file = out.join("summary.json");
    std::fs::write(&file, serde_json::to_string_pretty(&summary)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    summary.print();
    println!(
        "\n{} s in all; the same as JSON in {}",
        started.elapsed().as_secs(),
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}
