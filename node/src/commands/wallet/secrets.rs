//! Passphrases and words: from a file, the environment or a hidden prompt; never from an argument,
//! where other users of the machine could read them.

use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use tacit_wallet::Seed;
use zeroize::Zeroizing;

/// The variable that holds the passphrase.
const VARIABLE: &str = "TACIT_PASSPHRASE";

/// Bytes of a secret.
pub(super) type Secret = Zeroizing<Vec<u8>>;

/// The passphrase of an existing wallet.
pub(super) fn passphrase(file: Option<&Path>) -> anyhow::Result<Secret> {
    match given(file)? {
        Some(secret) => Ok(secret),
        None => prompt("Passphrase: "),
    }
}

/// The passphrase of a new wallet; asked for twice where it is typed.
pub(super) fn new_passphrase(file: Option<&Path>) -> anyhow::Result<Secret> {
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
        let bytes = fs::read(path).map(Zeroizing::new);
        let bytes = bytes.with_context(|| format!("cannot read the passphrase from {}", path.display()))?;
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
pub(super) fn words(file: Option<&Path>) -> anyhow::Result<Seed> {
    let text = match file {
        Some(path) if path == Path::new("-") => {
            let mut text = Zeroizing::new(String::new());
            io::stdin()
                .read_to_string(&mut text)
                .context("cannot read the words from standard input")?;
            text
        }
        Some(path) => fs::read_to_string(path)
            .map(Zeroizing::new)
            .with_context(|| format!("cannot read the words from {}", path.display()))?,
        None => rpassword::prompt_password("The 24 words, not shown while you type: ")
            .map(Zeroizing::new)
            .context("there is no terminal to ask for the words; use --words-file FILE")?,
    };
    Ok(Seed::from_words(&text)?)
}

/// Asks whether to go on; without a terminal the answer is read from standard input.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    eprint!("{question} ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if !io::stdin().is_terminal() {
        eprintln!();
    }
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
