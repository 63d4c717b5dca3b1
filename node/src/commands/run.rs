//! `tacit node`, `tacit sequencer` and `tacit signer`: run until a signal or a failure.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::cli::Global;
use crate::config::{Config, Role};
use crate::pipeline::Node;

/// Arguments of `tacit node`, `tacit sequencer` and `tacit signer`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Act again after a halt; read the reason first (`status`, or the log)
    #[arg(long)]
    pub acknowledge: bool,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// Whatever makes a start impossible or ends the node by itself.
pub fn run(args: &RunArgs, global: &Global, role: Role) -> anyhow::Result<ExitCode> {
    let mut config = Config::load(global.config.as_deref())?;
    config.backend = global.backend.unwrap_or(config.backend);
    let stop = on_signal()?;
    let node = Node::start(&config, role, args.acknowledge)?;
    while node.is_running() && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
    tracing::info!("stopping");
    node.stop()?;
    Ok(ExitCode::SUCCESS)
}

/// A flag that the first SIGINT or SIGTERM sets.
fn on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("tacit-signals".into())
        .spawn(move || {
            runtime.block_on(async move {
                use tokio::signal::unix::{SignalKind, signal};
                let (Ok(mut interrupt), Ok(mut terminate)) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                set.store(true, Ordering::Relaxed);
            });
        })?;
    Ok(flag)
}
