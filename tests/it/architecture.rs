//! The house's rules about who may know whom, read from cargo and from the sources.
//!
//! The rules stand in `ARCHITECTURE.md`; `deny.toml` backs those about wrappers. A crate that breaks
//! one is named here together with what it must not reach.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a crate must not depend on, however indirectly.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("protocol", PURE),
    ("verifier", PURE),
    ("circuits", PURE),
    (
        "prover",
        &[
            "tacit-sequencer",
            "tacit-bridge",
            "tacit-wallet",
            "tokio",
            "rocksdb",
            "jsonrpc",
            "jsonrpsee",
        ],
    ),
    (
        "sequencer",
        &[
            "tacit-prover",
            "tacit-circuits",
            "tacit-bridge",
            "tacit-wallet",
            "tokio",
            "jsonrpc",
            "jsonrpsee",
        ],
    ),
    (
        "secrets",
        &[
            "tacit-circuits",
            "tacit-prover",
            "tacit-verifier",
            "tacit-sequencer",
            "tacit-bridge",
            "tacit-federation",
            "tacit-wallet",
            "tokio",
            "rocksdb",
            "jsonrpc",
            "jsonrpsee",
        ],
    ),
    (
        "bridge",
        &[
            "tacit-prover",
            "tacit-circuits",
            "tacit-sequencer",
            "tacit-wallet",
            "tokio",
            "rocksdb",
            "jsonrpsee",
        ],
    ),
    (
        "federation",
        &[
            "tacit-prover",
            "tacit-circuits",
            "tacit-verifier",
            "tacit-sequencer",
            "tacit-bridge",
            "tacit-wallet",
            "tokio",
            "rocksdb",
            "jsonrpc",
            "jsonrpsee",
        ],
    ),
    (
        "wallet",
        &[
            "tacit-sequencer",
            "tacit-bridge",
            "tokio",
            "rocksdb",
            "jsonrpc",
            "jsonrpsee",
        ],
    ),
];

/// What the crates that judge must not reach: threads and runtimes, disks, networks, clocks, devices.
const PURE: &[&str] = &[
    "tokio",
    "mio",
    "hyper",
    "socket2",
    "jsonrpc",
    "jsonrpsee",
    "bitreq",
    "rocksdb",
    "librocksdb-sys",
    "memmap2",
    "tempfile",
    "wgpu",
    "rayon",
    "chrono",
    "time",
    "tracing-subscriber",
    "clap",
];

/// The one crate that names a heavy dependency, or one that has its only place there, in its own manifest;
/// every other gets it from there.
const OWNERS: [(&str, &str); 6] = [
    ("rocksdb", "sequencer"),
    ("jsonrpc", "bridge"),
    ("clap", "node"),
    ("wgpu", "prover"),
    ("rayon", "prover"),
    ("argon2", "secrets"),
];

/// The crates of the product, in the order of their layers.
const CRATES: [&str; 10] = [
    "protocol",
    "circuits",
    "verifier",
    "prover",
    "sequencer",
    "secrets",
    "bridge",
    "federation",
    "wallet",
    "node",
];

/// Longest source file, in lines.
const MOST_LINES: usize = 500;

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("this crate is a member of the workspace")
        .to_owned()
}

/// Names of the packages in the tree of normal dependencies of one crate, itself left out.
fn tree(name: &str, depth: Option<&str>) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let package = format!("tacit-{name}");
    let mut command = Command::new(cargo);
    command.current_dir(root()).args([
        "tree",
        "--offline",
        "-e",
        "normal",
        "--prefix",
        "none",
        "-p",
        &package,
    ]);
    command.args(depth.map(|depth| ["--depth", depth]).into_iter().flatten());
    let output = command.output().expect("cargo runs");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree failed: {problem}");
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let names = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned);
    names.filter(|found| *found != package).collect()
}

/// All sources of a crate below `src`, with their text.
fn sources(name: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(name)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the checkout") {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{name} has no sources");
    files
}

#[test]
fn no_crate_reaches_what_its_layer_must_not_know() {
    for (name, forbidden) in FORBIDDEN {
        let found = tree(name, None);
        let broken: Vec<_> = forbidden
            .iter()
            .filter(|banned| found.contains(**banned))
            .collect();
        assert!(broken.is_empty(), "tacit-{name} depends on {broken:?}");
    }
}

#[test]
fn the_crates_that_judge_know_neither_circuits_nor_prover() {
    let ours = |name| -> Vec<String> {
        tree(name, None)
            .into_iter()
            .filter(|found| found.starts_with("tacit-"))
            .collect()
    };
    assert_eq!(ours("protocol"), [""; 0], "protocol stands at the bottom");
    assert_eq!(
        ours("verifier"),
        ["tacit-protocol"],
        "the verifier is linked to no circuit"
    );
    assert_eq!(
        ours("circuits"),
        ["tacit-protocol"],
        "circuits and verifier stay unlinked"
    );
}

#[test]
fn heavy_dependencies_have_one_owner() {
    for name in CRATES {
        let direct = tree(name, Some("1"));
        for (heavy, owner) in OWNERS {
            assert!(
                name == owner || !direct.contains(heavy),
                "tacit-{name} names {heavy}, which belongs to tacit-{owner}"
            );
        }
    }
}

/// `getrandom` is in the tree of `protocol`, brought by a feature of `bitcoin` that only the bridge
/// needs; so that it is never called is checked here, at the source.
#[test]
fn the_crates_that_judge_ask_for_no_clock_no_randomness_and_no_system() {
    let banned = [
        "SystemTime",
        "Instant::now",
        "thread_rng",
        "OsRng",
        "getrandom",
        "rand::random",
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "std::process",
        "unsafe ",
    ];
    for name in ["protocol", "verifier", "circuits"] {
        for (path, text) in sources(name) {
            if is_for_tests(&path) {
                continue;
            }
            for (number, line) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim_start().starts_with("//"))
            {
                for word in banned {
                    assert!(
                        !line.contains(word),
                        "{}:{} uses {word}",
                        path.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

fn is_for_tests(path: &Path) -> bool {
    let named = ["tests", "tests.rs", "testing.rs", "fixture.rs", "conformance.rs"];
    path.components()
        .any(|part| named.iter().any(|name| part.as_os_str() == *name))
}

#[test]
fn every_source_file_is_short_and_says_what_it_is_for() {
    for name in CRATES.into_iter().chain(["tests", "benches"]) {
        for (path, text) in sources(name) {
            let lines = text.lines().count();
            assert!(
                lines <= MOST_LINES,
                "{} has {lines} lines, at most {MOST_LINES} are allowed",
                path.display()
            );
            assert!(
                text.starts_with("//!"),
                "{} does not open with //!",
                path.display()
            );
        }
    }
}
