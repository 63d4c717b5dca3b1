//! The race of provers: ours beside ark-groth16 and snarkrs. See `tacit_benches::race`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tacit_benches::race::circuits::Size;
use tacit_benches::race::{Engine, race, report, worker};

/// Race provers on circuits of about 20 thousand, 240 thousand and one million constraints.
#[derive(Parser)]
struct Args {
    /// Transfers per circuit, 16,302 constraints each
    #[arg(long, value_delimiter = ',', default_value = "1,15,64")]
    transfers: Vec<usize>,
    /// Proofs of each prover per circuit
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Provers [default: all but tacit-adx; tacit-gpu where there is a card]
    #[arg(long, value_delimiter = ',')]
    engines: Vec<Engine>,
    /// Where results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
    #[command(subcommand)]
    command: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Prove when asked over standard input; the race starts these
    #[command(hide = true)]
    Worker { engine: Engine, transfers: usize },
}

fn size(transfers: usize) -> Result<Size, String> {
    Size::new(transfers).ok_or_else(|| "a circuit has at least one transfer".to_owned())
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    if let Some(Role::Worker { engine, transfers }) = &args.command {
        return Ok(worker::serve(*engine, size(*transfers)?)?);
    }
    if args.rounds == 0 {
        return Err("there is no race of no rounds: --rounds takes 1 or more".into());
    }
    let engines = if args.engines.is_empty() {
        Engine::usual()
    } else {
        args.engines.clone()
    };
    let mut rows = Vec::new();
    for &transfers in &args.transfers {
        rows.extend(race(&engines, size(transfers)?, args.rounds, |note| {
            eprintln!("{note}")
        })?);
    }
    let table = report::table(&rows);
    fs::create_dir_all(&args.out)?;
    fs::write(
        args.out.join("prover.json"),
        serde_json::to_string_pretty(&rows)? + "\n",
    )?;
    fs::write(args.out.join("prover.md"), &table)?;
    fs::write(args.out.join("prover.svg"), report::plot(&rows))?;
    print!("{table}");
    Ok(())
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
