//! The guide to a ceremony speaks of commands that this program has.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

fn parse(line: &str) -> Result<KeysAction, String> {
    let words = line.split_whitespace();
    let command = Cli::try_parse_from(words)
        .map_err(|error| error.to_string())?
        .command;
    let Command::Keys(KeysArgs {
        action: Some(action), ..
    }) = command
    else {
        return Err(format!("{line} is not about keys"));
    };
    Ok(action)
}

#[test]
fn the_guides_commands_are_the_programs() {
    let guide = include_str!("../../../../docs/ceremony.md");
    let lines: Vec<&str> = guide.lines().filter(|line| line.starts_with("tacit ")).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        // The shell puts the hash in.
        let line = match line.split_once("\"$(") {
            Some((before, _)) => format!("{before}{}", "0f".repeat(32)),
            None => line.to_owned(),
        };
        let circuit = match parse(&line).expect("a command of this program") {
            KeysAction::ExportR1cs { circuit, .. } | KeysAction::ExportVk { circuit, .. } => circuit,
            KeysAction::ImportZkey { circuit, sha256, .. } => {
                assert_eq!(sha256, [0x0f; 32]);
                circuit
            }
            KeysAction::Make { .. } | KeysAction::List => panic!("{line} is not about files"),
        };
        assert_eq!(select_one(&circuit).expect("a circuit").name(), circuit);
    }
}

#[test]
fn a_key_is_not_imported_without_the_hash_of_the_verified_file() {
    for line in [
        "tacit keys import-zkey transfer-v1 circuit_final.zkey",
        "tacit keys import-zkey transfer-v1 circuit_final.zkey --sha256 0f0f",
        "tacit keys import-zkey transfer-v1 circuit_final.zkey --sha256 zz",
    ] {
        let refused = parse(line).expect_err("no hash");
        assert!(refused.contains("sha256"), "{refused}");
    }
}

#[test]
fn a_list_with_an_unusable_key_is_a_failure() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = KeyStore::new(dir.path(), Network::Regtest);
    assert!(list(&store), "no keys at all are no failure");
    let id = CircuitId::Transfer;
    let circuit = tacit_prover::CircuitId::new(id.name(), id.digest());
    std::fs::write(store.path(&circuit, true), b"no key").expect("written");
    assert!(!list(&store));
}
