//! The race of provers: ours beside others, on the same circuit and machine, in the same run.
//!
//! Every prover is a process of its own ([`worker`]), so that its memory can be told from the others'.
//! All are made ready first; then they prove in turns, one at a time on all cores, so that whatever else
//! the machine does falls on all alike. A time is that of one proof, from the witness's values to a
//! proof in hand: ours includes synthesis and self-verification, ark-groth16's its own synthesis (its
//! `prove`), snarkrs starts from the finished witness and verifies too. Memory is the resident peak while
//! proving, keys included.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Serialize;
use tacit_prover::backend::choice::Inventory;

pub mod circuits;
pub mod report;
pub mod snarkrs;
pub mod worker;

use circuits::Size;

/// A prover that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// Ours, with the fastest instructions of this processor.
    Tacit,
    /// Ours, on a graphics card; software will do if it is asked for by name.
    TacitGpu,
    /// Ours, with BMI2 and ADX only.
    TacitAdx,
    /// Ours, without special instructions.
    TacitPortable,
    /// `ark-groth16`, its `prove`.
    ArkGroth16,
    /// `snarkrs-lib`, its CPU backend.
    Snarkrs,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Tacit,
        Self::TacitGpu,
        Self::TacitAdx,
        Self::TacitPortable,
        Self::ArkGroth16,
        Self::Snarkrs,
    ];

    /// Those that race unless others are asked for: the card only where there is one.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        let card = Inventory::take().automatic().is_some();
        let gpu = card.then_some(Self::TacitGpu);
        let others = [Self::TacitPortable, Self::ArkGroth16, Self::Snarkrs];
        [Self::Tacit].into_iter().chain(gpu).chain(others).collect()
    }

    /// The name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tacit => "tacit",
            Self::TacitGpu => "tacit-gpu",
            Self::TacitAdx => "tacit-adx",
            Self::TacitPortable => "tacit-portable",
            Self::ArkGroth16 => "ark-groth16",
            Self::Snarkrs => "snarkrs",
        }
    }
}

/// One line of the results.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name of the prover.
    pub engine: String,
    /// Name of the circuit.
    pub circuit: String,
    /// Its constraints.
    pub constraints: usize,
    /// Threads used.
    pub threads: usize,
    /// Median of all rounds, milliseconds.
    pub median_ms: f64,
    /// Fastest round.
    pub min_ms: f64,
    /// Slowest round.
    pub max_ms: f64,
    /// Peak of resident memory while proving, MiB.
    pub peak_rss_mb: f64,
    /// Time to load the proving key from a file that the system has in memory; ours only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_ms: Option<f64>,
}

/// What went wrong with a worker.
#[derive(Debug)]
pub struct WorkerFailed(pub String);

impl std::fmt::Display for WorkerFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the process of a prover failed: {}", self.0)
    }
}

impl std::error::Error for WorkerFailed {}

impl From<std::io::Error> for WorkerFailed {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A prover's process.
struct Runner {
    engine: Engine,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    constraints: usize,
    times: Vec<f64>,
}

impl Runner {
    /// Starts a process and waits until it is ready.
    fn start(engine: Engine, size: Size) -> Result<Self, WorkerFailed> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["worker", engine.name(), &size.transfers().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || WorkerFailed("it has no pipes".to_owned());
        let to = child.stdin.take().ok_or_else(missing)?;
        let from = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut runner = Self {
            engine,
            child,
            to,
            from,
            constraints: 0,
            times: Vec::new(),
        };
        runner.constraints = runner.answer()?;
        Ok(runner)
    }

    fn answer<T: std::str::FromStr>(&mut self) -> Result<T, WorkerFailed> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        let name = self.engine.name();
        line.trim()
            .parse()
            .map_err(|_| WorkerFailed(format!("{name} answered {line:?}; its messages are above")))
    }

    fn ask<T: std::str::FromStr>(&mut self, question: &str) -> Result<T, WorkerFailed> {
        writeln!(self.to, "{question}")?;
        self.answer()
    }

    fn finish(mut self, size: Size) -> Result<Row, WorkerFailed> {
        let peak_kib: f64 = self.ask("memory")?;
        let load_ms: f64 = self.ask("load")?;
        drop(self.to);
        self.child.wait()?;
        self.times.sort_by(f64::total_cmp);
        let middle = self.times.len() / 2;
        let median = if self.times.len() % 2 == 1 {
            self.times[middle]
        } else {
            f64::midpoint(self.times[middle - 1], self.times[middle])
        };
        Ok(Row {
            engine: self.engine.name().to_owned(),
            circuit: size.name(),
            constraints: self.constraints,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            median_ms: median,
            min_ms: self.times[0],
            max_ms: self.times[self.times.len() - 1],
            peak_rss_mb: peak_kib / 1024.0,
            load_ms: load_ms.is_finite().then_some(load_ms),
        })
    }
}

/// Races `engines` on one circuit; `note` is told what goes on.
///
/// # Errors
/// [`WorkerFailed`] if a process could not be started, died or answered nonsense.
///
/// # Panics
/// If `rounds` is zero.
pub fn race(
    engines: &[Engine],
    size: Size,
    rounds: usize,
    note: impl Fn(&str),
) -> Result<Vec<Row>, WorkerFailed> {
    assert!(rounds > 0, "at least one round");
    let mut runners = Vec::new();
    for &engine in engines {
        note(&format!("{}: {} gets ready", size.name(), engine.name()));
        runners.push(Runner::start(engine, size)?);
    }
    for round in 1..=rounds {
        for runner in &mut runners {
            let milliseconds: f64 = runner.ask("prove")?;
            let name = runner.engine.name();
            note(&format!(
                "{}: round {round} of {rounds}: {name} {milliseconds:.0} ms",
                size.name()
            ));
            runner.times.push(milliseconds);
        }
    }
    runners.into_iter().map(|runner| runner.finish(size)).collect()
}
