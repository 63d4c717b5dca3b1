//! Runs snarkjs, in a folder of the test's own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use tempfile::TempDir;

/// snarkjs and a folder to use it in.
pub(crate) struct Tool {
    dir: TempDir,
}

impl Tool {
    /// # Panics
    /// If snarkjs is not installed: a test that needs it does not pass without.
    pub(crate) fn new() -> Self {
        let snarkjs = env::var_os("TACIT_SNARKJS").map(PathBuf::from);
        let snarkjs =
            snarkjs.expect("TACIT_SNARKJS is not set: load the environment with `. scripts/env.sh`");
        assert!(
            snarkjs.is_file(),
            "snarkjs is not at {}: install it with `make setup`",
            snarkjs.display()
        );
        let dir = tempfile::tempdir().expect("a temporary folder");
        let tool = Self { dir };
        // So that commands can be run as the guide spells them.
        tool.write(
            "bin/snarkjs",
            b"#!/bin/sh\nNO_COLOR=1 exec node \"$TACIT_SNARKJS\" \"$@\"\n",
        );
        make_executable(&tool.path("bin/snarkjs"));
        tool
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file in the folder.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file that can be written");
    }

    /// The bytes of a file in the folder.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The text of a file in the folder.
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text")
    }

    /// Runs a line of shell.
    pub(crate) fn shell(&self, line: &str) -> Output {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.path("bin")].into_iter().chain(env::split_paths(&path)));
        Command::new("bash")
            .args([
                OsStr::new("-euo"),
                OsStr::new("pipefail"),
                OsStr::new("-c"),
                OsStr::new(line),
            ])
            .env("PATH", path.expect("a search path"))
            .current_dir(self.dir.path())
            .output()
            .unwrap_or_else(|error| panic!("bash: {error}"))
    }

    /// Runs a line of shell that has to succeed, and returns what it printed.
    pub(crate) fn run(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}\n{}", printed(&output));
        printed(&output)
    }

    /// Runs a line of shell that has to fail, and returns what it printed.
    pub(crate) fn refuses(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(!output.status.success(), "{line} succeeded\n{}", printed(&output));
        printed(&output)
    }
}

fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}

#[cfg(unix)]
fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own file");
}
