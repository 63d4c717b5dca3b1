//! Files of other tools: circuits and verifying keys out, keys of a ceremony in.
//!
//! Specification: `docs/spec/interop.md`; how to hold a ceremony: `docs/ceremony.md`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use tacit_circuits::version::CircuitId;
use tacit_prover::interop::zkey::{self, Ceremony, Pin};
use tacit_prover::interop::{json, r1cs};
use tacit_prover::keys::store;
use tacit_prover::{KeyStore, circuits};

use crate::progress::Bars;

/// Reads a SHA-256 in hexadecimal.
pub(super) fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash)
        .map_err(|error| format!("a SHA-256 has 64 hexadecimal digits: {error}"))?;
    Ok(hash)
}

/// Writes a circuit as `.r1cs` and prints its digest.
pub(super) fn export_r1cs(id: CircuitId, path: &Path) -> anyhow::Result<()> {
    let system = circuits::system(id);
    let write = || {
        let mut out = BufWriter::new(File::create(path)?);
        r1cs::write(&system, &mut out)?;
        out.flush()
    };
    write().with_context(|| format!("{} could not be written", path.display()))?;
    println!("{:16} circuit {}", id.name(), hex::encode(system.digest()));
    Ok(())
}

/// Writes a circuit's verifying key as JSON and prints its hash.
pub(super) fn export_vk(store: &KeyStore, id: CircuitId, path: &Path) -> anyhow::Result<()> {
    let circuit = tacit_prover::CircuitId::new(id.name(), id.digest());
    let key = store.load(&circuit, &Bars::new(id.name()))?;
    fs::write(path, json::verifying_key(key.verifying_key()))
        .with_context(|| format!("{} could not be written", path.display()))?;
    println!("{:16} {}", id.name(), hex::encode(key.verifier().hash()));
    Ok(())
}

/// Checks a `.zkey`, keeps it as the circuit's key, and prints what it comes from.
pub(super) fn import_zkey(
    store: &KeyStore,
    id: CircuitId,
    path: &Path,
    sha256: [u8; 32],
) -> anyhow::Result<()> {
    let circuit = tacit_prover::CircuitId::new(id.name(), id.digest());
    let target = store.path(&circuit, false);
    if target.exists() {
        bail!(
            "there is a ceremony's key at {} already; move it away to import another",
            target.display()
        );
    }
    let progress = Bars::new(id.name());
    let pin = Pin { circuit, sha256 };
    let imported = zkey::import_file(path, &pin, &circuits::system(id), &progress)
        .with_context(|| format!("{} is not imported", path.display()))?;
    fs::create_dir_all(store.dir())
        .with_context(|| format!("{} could not be created", store.dir().display()))?;
    store::write(&target, &imported.key, &progress)?;
    println!("{:16} {}", id.name(), hex::encode(imported.key.verifier().hash()));
    print_ceremony(&imported.ceremony);
    println!(
        "The key is at {}. It is as good as this ceremony.",
        target.display()
    );
    Ok(())
}

fn print_ceremony(ceremony: &Ceremony) {
    println!("circuit hash     {}", hex::encode(ceremony.circuit_hash));
    for (nth, contribution) in (1..).zip(&ceremony.contributions) {
        // The name is anybody's text: shown escaped.
        let name = contribution.name.as_deref().unwrap_or_default();
        print!("contribution {nth:<3} {name:?}");
        if let Some(beacon) = &contribution.beacon {
            let (value, iterations) = (hex::encode(&beacon.value), beacon.iterations_log2);
            print!(", beacon {value} hashed 2^{iterations} times");
        }
        println!();
    }
    if !ceremony.ends_with_beacon() {
        println!("warning: no beacon came last, so the last contributor had the last word");
    }
}
