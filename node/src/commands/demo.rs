//! `tacit demo`: the whole story on a private regtest chain, with real nodes as processes.
//!
//! Alice and Bob deposit bitcoin, pay each other privately, Bob withdraws; an auditor re-derives the
//! state from Bitcoin alone and a wallet comes back from its words. With `--federation` the story is the
//! bridge's: five signers, one of which is killed and one of which lies while payouts go on. What happened
//! is told on the terminal and written to `summary.json`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

mod federation;
mod liar;
mod people;
mod story;
mod summary;

use story::Story;

use crate::local::LocalChain;

/// Arguments of `tacit demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to write summary.json, chain.json, wallets and logs; what is there is replaced
    /// [default: target/demo, or target/demo-federation]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Play the bridge instead: a federation of five signers, one is killed and one lies
    #[arg(long)]
    pub federation: bool,
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
    let name = if args.federation {
        "target/demo-federation"
    } else {
        "target/demo"
    };
    let out = args.out.clone().unwrap_or_else(|| name.into());
    if out.join("chain.json").exists() {
        std::fs::remove_dir_all(&out).with_context(|| format!("cannot replace {}", out.display()))?;
    }
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let out = out.canonicalize()?;
    let started = Instant::now();
    let file = if args.federation {
        let summary = federation::Story::begin(&out, keys_dir)?.tell()?;
        summary.print();
        write(&out, &summary)?
    } else {
        let summary = Story::begin(&out, keys_dir)?.tell()?;
        summary.print();
        write(&out, &summary)?
    };
    println!(
        "\n{} s in all; the same as JSON in {}",
        started.elapsed().as_secs(),
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn chapter(text: &str) {
    println!("• {text}");
}

/// An audit by a process of its own, which must find nothing wrong; its report.
fn audit(chain: &LocalChain) -> anyhow::Result<Value> {
    let output = Command::new(std::env::current_exe()?)
        .args(["audit", "--strict", "--json", "--log", "warn", "--chain"])
        .arg(chain.chain_file())
        .args(["--bitcoind-url", &chain.bitcoind.url(), "--cookie-file"])
        .arg(chain.bitcoind.cookie_file())
        .output()?;
    ensure!(
        output.status.success(),
        "the audit ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn write(out: &Path, summary: &impl Serialize) -> anyhow::Result<PathBuf> {
    let file = out.join("summary.json");
    std::fs::write(&file, serde_json::to_string_pretty(summary)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
