//! `tacit keys`: the proving keys on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tacit_circuits::version::CircuitId;
use tacit_protocol::Network;
use tacit_prover::{KeyStore, circuits};

use crate::cli::Global;
use crate::config::Config;
use crate::progress::Bars;

mod files;

/// Arguments of `tacit keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// Where the keys are [default: `keys_dir` of the configuration]
    #[arg(long, global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What to do [default: make]
    #[command(subcommand)]
    pub action: Option<KeysAction>,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeysAction {
    /// Make the development keys (INSECURE) that are missing; checks those there are
    Make {
        /// Circuits to make keys for [default: transfer-v1 batch-4-4-v1 batch-20-8-v1]
        circuits: Vec<String>,
    },
    /// Print the digest of every circuit, and the verifying key's hash where there is a key
    List,
    /// Write a circuit as .r1cs, for a ceremony with snarkjs: see docs/ceremony.md
    ExportR1cs {
        /// The circuit, such as transfer-v1
        circuit: String,
        /// The file to write
        file: PathBuf,
    },
    /// Write a circuit's verifying key as snarkjs's verification_key.json
    ExportVk {
        /// The circuit, such as transfer-v1
        circuit: String,
        /// The file to write
        file: PathBuf,
    },
    /// Install the outcome of a ceremony, a .zkey of snarkjs, as the key of a circuit
    ///
    /// The key is checked against the circuit and does not count as insecure: it is as good as the
    /// ceremony. Run `snarkjs zkey verify` on the file first, which alone can tell that it was made as
    /// it should have been; its hash says that this is the file you verified.
    ImportZkey {
        /// The circuit, such as transfer-v1
        circuit: String,
        /// The file to read
        file: PathBuf,
        /// SHA-256 of the file that you verified, as sha256sum prints it
        #[arg(long, value_name = "HEX", value_parser = files::parse_hash)]
        sha256: [u8; 32],
    },
}

/// Circuits whose keys are made unless others are asked for.
pub const DEFAULT_CIRCUITS: [&str; 3] = ["transfer-v1", "batch-4-4-v1", "batch-20-8-v1"];

/// The circuits of these names, or the default ones.
///
/// # Errors
/// An unknown name.
pub fn select(names: &[String]) -> anyhow::Result<Vec<CircuitId>> {
    let known = || CircuitId::ALL.map(CircuitId::name).join(", ");
    let default = DEFAULT_CIRCUITS.map(str::to_owned);
    let names = if names.is_empty() { &default[..] } else { names };
    names
        .iter()
        .map(|name| {
            CircuitId::ALL
                .into_iter()
                .find(|id| id.name() == name)
                .ok_or_else(|| anyhow::anyhow!("no circuit is called {name:?}; there are {}", known()))
        })
        .collect()
}

fn select_one(name: &str) -> anyhow::Result<CircuitId> {
    Ok(select(&[name.to_owned()])?[0])
}

/// Runs the command.
///
/// # Errors
/// An unknown circuit, a damaged key, a file that is refused, a full disk. A list with an unusable key ends
/// with exit code 1.
pub fn run(args: &KeysArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => Config::load(global.config.as_deref())?.keys_dir,
    };
    let store = KeyStore::new(dir, Network::Regtest);
    match args
        .action
        .as_ref()
        .unwrap_or(&KeysAction::Make { circuits: Vec::new() })
    {
        KeysAction::Make { circuits } => {
            for id in select(circuits)? {
                let key = circuits::load_key(&store, id, &Bars::new(id.name()))?;
                println!("{:16} {}", id.name(), hex::encode(key.verifier().hash()));
            }
        }
        KeysAction::List => {
            if !list(&store) {
                return Ok(ExitCode::FAILURE);
            }
        }
        KeysAction::ExportR1cs { circuit, file } => files::export_r1cs(select_one(circuit)?, file)?,
        KeysAction::ExportVk { circuit, file } => files::export_vk(&store, select_one(circuit)?, file)?,
        KeysAction::ImportZkey {
            circuit,
            file,
            sha256,
        } => files::import_zkey(&store, select_one(circuit)?, file, *sha256)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints every circuit with its key; whether all keys that are there can be used.
fn list(store: &KeyStore) -> bool {
    let mut usable = true;
    for id in CircuitId::ALL {
        let circuit = tacit_prover::CircuitId::new(id.name(), id.digest());
        let key = match store.load(&circuit, &Bars::new(id.name())) {
            Ok(key) => hex::encode(key.verifier().hash()),
            Err(tacit_prover::KeyError::NotFound { .. }) => "no key".to_owned(),
            Err(error) => {
                usable = false;
                format!("unusable: {error}")
            }
        };
        println!("{:16} circuit {} key {key}", id.name(), hex::encode(id.digest()));
    }
    usable
}

#[cfg(test)]
mod tests;
