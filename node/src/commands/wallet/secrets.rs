//! Passphrases and words: from a file, the environment or a hidden prompt; never from an argument,
//! where other users of the machine could read them. Files that others may read are refused.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tacit_wallet::Seed;
use thiserror::Error;
use zeroize::Zeroizing;

/// The variable that holds the passphrase.
const VARIABLE: &str = "TACIT_PASSPHRASE";

/// Bytes of a secret.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// Why a file with a secret is not read.
#[derive(Debug, Error)]
pub(crate) enum SecretFileError {
    /// Somebody else on this machine can read it.
    #[error(
        "{} can be read by others (mode {mode:o}); run `chmod 600 {}`, and if others use this machine \
         choose a new secret",
        path.display(),
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// From the operating system.
        source: io::Error,
    },
}

/// Reads a file that nobody but its owner can read. Pipes and terminals have no others.
fn read_private(path: &Path) -> Result<Secret, SecretFileError> {
    let io = |source| SecretFileError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let opened = file.metadata().map_err(io)?;
        let mode = opened.permissions().mode() & 0o777;
        if opened.is_file() && mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(SecretFileError::Readable { path, mode });
        }
    }
    let mut bytes = Secret::default();
    file.read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// The passphrase of an existing wallet.
pub(crate) fn passphrase(file: Option<&Path>) -> anyhow::Result<Secret> {
    match given(file)? {
        Some(secret) => Ok(secret),
        None => prompt("Passphrase: "),
    }
}

/// The passphrase of a new wallet; asked for twice where it is typed.
pub(crate) fn new_passphrase(file: Option<&Path>) -> anyhow::Result<Secret> {
    let secret = match given(file)? {
        Some(secret) => secret,
        None => {
            let first = prompt("New passphrase: ")?;
            if first != prompt("The same again: ")? {
                bail!("the two passphrases differ; nothing was made, try again");
            }
            first
        }
    };
    if secret.is_empty() {
        bail!("an empty passphrase protects nothing; choose one");
    }
    Ok(secret)
}

/// The passphrase from the file or the environment.
fn given(file: Option<&Path>) -> anyhow::Result<Option<Secret>> {
    if let Some(path) = file {
        let bytes = read_private(path).context("the passphrase")?;
        return Ok(Some(Zeroizing::new(without_newline(&bytes).to_vec())));
    }
    Ok(std::env::var_os(VARIABLE).map(|value| Zeroizing::new(value.into_encoded_bytes())))
}

/// Editors end a file with a newline, which is not part of the passphrase.
fn without_newline(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn prompt(text: &str) -> anyhow::Result<Secret> {
    let typed = rpassword::prompt_password(text)
        .map(Zeroizing::new)
        .with_context(|| {
            format!("there is no terminal to ask for the passphrase; use --passphrase-file or {VARIABLE}")
        })?;
    Ok(Zeroizing::new(typed.as_bytes().to_vec()))
}

/// The words of a wallet to restore.
pub(crate) fn words(file: Option<&Path>) -> anyhow::Result<Seed> {
    let text = match file {
        Some(path) if path == Path::new("-") => {
            let mut text = Zeroizing::new(String::new());
            io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the words from standard input")?;
            text
        }
        Some(path) => {
            let bytes = read_private(path).context("the words")?;
            let text = std::str::from_utf8(&bytes);
            Zeroizing::new(text.context("the words are not text")?.to_owned())
        }
        None => rpassword::prompt_password("The 24 words, not shown while you type: ")
            .map(Zeroizing::new)
            .context("there is no terminal to ask for the words; use --words-file FILE")?,
    };
    Ok(Seed::from_words(&text)?)
}

/// Asks whether to go on; without a terminal the answer is read from standard input.
pub(crate) fn confirm(question: &str) -> anyhow::Result<bool> {
    eprint!("{question} ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if !io::stdin().is_terminal() {
        eprintln!();
    }
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
