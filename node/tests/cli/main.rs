//! The built binary from outside: what it prints, refuses and exits with where no node is needed.
//!
//! What needs a node and a bitcoind is told end to end in `tests/it`.

#![allow(clippy::unwrap_used, reason = "a failing helper of a test fails the test")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tacit_protocol::testing;
use tempfile::TempDir;

mod wallet;

/// An address nobody listens at.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A home folder with a `chain.json`.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        fs::write(home.path("chain.json"), testing::params().to_json()).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended(self.command(args).output().unwrap())
    }

    /// Runs `tacit wallet` with the passphrase "correct".
    fn wallet(&self, args: &[&str]) -> Ended {
        self.wallet_with("correct", args)
    }

    fn wallet_with(&self, passphrase: &str, args: &[&str]) -> Ended {
        let args = [&["wallet", "--json", "--node", NOWHERE], args].concat();
        Ended(
            self.command(&args)
                .env("TACIT_PASSPHRASE", passphrase)
                .output()
                .unwrap(),
        )
    }

    /// Writes a file that only its owner may read.
    fn keep_private(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(
            self.path(name),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )
        .unwrap();
    }

    /// Makes a wallet and gives what was answered.
    fn create(&self) -> Value {
        self.wallet(&["create", "--chain", "chain.json"]).json()
    }

    fn wallet_file(&self) -> PathBuf {
        self.path(".tacit/wallet")
    }

    fn address(&self) -> String {
        self.wallet(&["address"]).json()["address"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// A command that ended.
struct Ended(Output);

impl Ended {
    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    fn succeeded(self) -> Self {
        assert!(self.0.status.success(), "{}{}", self.out(), self.err());
        self
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.succeeded().out()).unwrap()
    }

    /// Checks that it failed with exit code 1, one message that has all of these parts, and no panic.
    fn failed(self, parts: &[&str]) {
        let err = self.err();
        assert_eq!(self.0.status.code(), Some(1), "{err}");
        assert!(err.contains("error: ") && !err.contains("panicked"), "{err}");
        for part in parts {
            assert!(err.contains(part), "{part:?} is missing in: {err}");
        }
    }
}

#[test]
fn help_lists_every_command() {
    let home = Home::new();
    let help = home.run(&["--help"]).succeeded().out();
    for command in [
        "demo",
        "node",
        "sequencer",
        "wallet",
        "audit",
        "keys",
        "genesis",
        "config",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}: {help}"
        );
    }
    let help = home.run(&["wallet", "--help"]).succeeded().out();
    for command in [
        "create", "restore", "address", "balance", "deposit", "send", "withdraw", "history", "sync",
        "fee-key", "words",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}: {help}"
        );
    }
    assert!(help.contains("~/.tacit/wallet") && help.contains("http://127.0.0.1:8645"));
}

#[test]
fn unknown_commands_and_options_end_with_a_usage_error() {
    let home = Home::new();
    for args in [
        &["frobnicate"][..],
        &["wallet", "create", "--fast"],
        &["wallet"],
        &[],
    ] {
        let ended = home.run(args);
        assert_eq!(ended.0.status.code(), Some(2), "{args:?}: {}", ended.err());
    }
}

#[test]
fn the_printed_configuration_loads_again_to_the_same() {
    let home = Home::new();
    let first = home.run(&["config"]).succeeded().out();
    fs::write(home.path("tacit.toml"), &first).unwrap();
    assert_eq!(
        home.run(&["--config", "tacit.toml", "config"]).succeeded().out(),
        first
    );
    let from_environment = home
        .command(&["config"])
        .env("TACIT_CONFIG", "tacit.toml")
        .output()
        .unwrap();
    assert_eq!(Ended(from_environment).succeeded().out(), first);
}

#[test]
fn a_bad_configuration_is_refused_with_the_field_and_the_file() {
    let home = Home::new();
    fs::write(home.path("bad.toml"), "[rpc]\nmax_batches = 3\n").unwrap();
    home.run(&["--config", "bad.toml", "config"])
        .failed(&["bad.toml", "max_batches"]);
    home.run(&["--config", "none.toml", "config"])
        .failed(&["none.toml", "tacit config"]);
    home.run(&["--log", "a=b=c", "config"]).failed(&["--log"]);
    fs::write(home.path("empty.toml"), "").unwrap();
    home.run(&["--config", "empty.toml", "sequencer"]).failed(&[]);
}

#[test]
fn an_audit_without_chain_or_bitcoind_says_what_to_do() {
    let home = Home::new();
    home.run(&["audit"]).failed(&["chain.json", "--chain"]);
    fs::write(home.path("broken.json"), "{}").unwrap();
    home.run(&["audit", "--chain", "broken.json"])
        .failed(&["chain.json"]);
    fs::write(home.path("cookie"), "__cookie__:secret").unwrap();
    let audit = [
        "audit",
        "--chain",
        "chain.json",
        "--cookie-file",
        "cookie",
        "--bitcoind-url",
        NOWHERE,
    ];
    home.run(&audit).failed(&["bitcoind", NOWHERE]);
}

#[test]
fn a_node_without_its_chain_says_what_is_missing() {
    let home = Home::new();
    home.run(&["node"]).failed(&["chain.json"]);
    home.run(&["keys", "make", "transfer-v99", "--dir", "keys"])
        .failed(&["transfer-v99", "transfer-v1"]);
}
