//! Wallets come to be: `create`, `restore`; and their words: `words`.

use std::path::Path;

use anyhow::bail;
use rand::rngs::OsRng;
use serde_json::json;
use tacit_protocol::params::ChainParams;
use tacit_wallet::{FileError, KdfParams, Place, Seed, StoreError, Wallet};

use super::secrets;
use super::shell::{Shell, keep_chain, make_folder, say};

/// Columns in which words are shown.
const COLUMNS: usize = 4;

/// `tacit wallet create`.
pub(super) fn create(shell: &Shell<'_>) -> anyhow::Result<()> {
    let params = prepare(shell)?;
    let mut wallet = make(shell, params, Seed::generate(&mut OsRng))?;
    let words = wallet.words();
    shell.answer(
        &json!({
            "file": shell.file(),
            "network": wallet.params().genesis().network,
            "chainId": wallet.params().chain_id().to_string(),
            "words": words.as_str(),
        }),
        || {
            println!("The wallet is in {}. Its 24 words:\n", shell.file().display());
            print_words(&words);
            println!(
                "\nWrite them down in this order and keep them where nobody finds them. They are the money:\n\
                 who has them can take it, and without them it is gone with this file or its passphrase."
            );
        },
    );
    // A fresh wallet owns nothing in old batches. Reading them all is slower, not wrong.
    if let Err(error) = shell
        .client()
        .and_then(|node| wallet.skip_history(&node, &mut OsRng).map_err(say))
    {
        tracing::debug!(%error, "the first sync will read all batches");
    }
    Ok(())
}

/// `tacit wallet restore`.
pub(super) fn restore(shell: &Shell<'_>, words_file: Option<&Path>) -> anyhow::Result<()> {
    let params = prepare(shell)?;
    let seed = secrets::words(words_file)?;
    let wallet = make(shell, params, seed)?;
    let genesis = wallet.params().genesis();
    shell.answer(
        &json!({
            "file": shell.file(),
            "network": genesis.network,
            "chainId": wallet.params().chain_id().to_string(),
        }),
        || {
            println!("The wallet is in {}.", shell.file().display());
            println!("`tacit wallet sync` finds its money; it reads all batches, which takes a while.");
        },
    );
    Ok(())
}

/// `tacit wallet words`.
pub(super) fn words(shell: &Shell<'_>, yes: bool) -> anyhow::Result<()> {
    let wallet = shell.open_any()?;
    if !yes && !secrets::confirm("Who sees the 24 words can take the money. Show them now? Type `yes`:")? {
        bail!("not confirmed, nothing is shown; type `yes` or pass --yes");
    }
    let words = wallet.words();
    shell.answer(&json!({ "words": words.as_str() }), || print_words(&words));
    Ok(())
}

/// Refuses to touch a wallet there is, and learns the chain.
fn prepare(shell: &Shell<'_>) -> anyhow::Result<ChainParams> {
    let file = shell.file();
    if file.symlink_metadata().is_ok() {
        return Err(StoreError::from(FileError::Exists(file)).into());
    }
    let (params, from) = shell.new_chain()?;
    eprintln!(
        "chain {} on {:?}, from {from}",
        params.chain_id(),
        params.genesis().network
    );
    eprintln!("Compare this identifier with one you trust: the wallet works with no other chain.");
    Ok(params)
}

fn make(shell: &Shell<'_>, params: ChainParams, seed: Seed) -> anyhow::Result<Wallet> {
    let file = shell.file();
    let passphrase = secrets::new_passphrase(shell.passphrase_file())?;
    make_folder(&file)?;
    keep_chain(&file, &params)?;
    let place = Place {
        path: &file,
        passphrase: &passphrase,
        kdf: KdfParams::default(),
    };
    Wallet::create(&place, params, seed, &mut OsRng).map_err(say)
}

fn print_words(words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let rows = words.len().div_ceil(COLUMNS);
    for row in 0..rows {
        for (number, word) in words.iter().enumerate().skip(row).step_by(rows) {
            print!("{:>4} {word:<10}", number + 1);
        }
        println!();
    }
}
