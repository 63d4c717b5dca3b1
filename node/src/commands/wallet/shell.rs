//! What every subcommand needs: the file, the chain, the passphrase, the node, a way to answer.
//!
//! The chain's parameters come from `--chain`, else from the copy beside the wallet file, else from
//! the node. The wallet file itself names its chain and opens with no other, so a node or a file can
//! lie about the parameters only once: when the wallet is made, and then their identifier is shown.

use std::fmt::Display;
use std::fs::{self, DirBuilder};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rand::rngs::OsRng;
use serde_json::Value;
use tacit_protocol::params::ChainParams;
use tacit_wallet::api::{ApiError, NodeApi};
use tacit_wallet::{StoreError, SyncReport, Wallet, WalletError};

use super::{WalletArgs, secrets};
use crate::cli::Global;
use crate::config::Config;
use crate::engine::BackendChoice;
use crate::progress::bar;
use crate::rpc::client::RpcClient;

/// An error of the libraries as an error of the program. Their texts name cause and remedy in full,
/// so the causes below them, which the program would add, are left out.
pub(super) fn say(error: impl Display) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}

/// The surroundings of a subcommand.
pub(super) struct Shell<'a> {
    args: &'a WalletArgs,
    global: &'a Global,
}

impl<'a> Shell<'a> {
    pub(super) fn new(args: &'a WalletArgs, global: &'a Global) -> Self {
        Self { args, global }
    }

    /// The wallet file.
    pub(super) fn file(&self) -> PathBuf {
        let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
        self.args
            .file
            .clone()
            .unwrap_or_else(|| home().join(".tacit").join("wallet"))
    }

    pub(super) fn passphrase_file(&self) -> Option<&Path> {
        self.args.passphrase_file.as_deref()
    }

    /// Where proving keys are.
    pub(super) fn keys_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.args.keys_dir {
            Some(dir) => Ok(dir.clone()),
            None => Ok(Config::load(self.global.config.as_deref())?.keys_dir),
        }
    }

    /// What makes proofs.
    pub(super) fn backend(&self) -> anyhow::Result<BackendChoice> {
        match self.global.backend {
            Some(backend) => Ok(backend),
            None => Ok(Config::load(self.global.config.as_deref())?.backend),
        }
    }

    /// A client of the node. Nothing is sent yet.
    pub(super) fn client(&self) -> anyhow::Result<RpcClient> {
        RpcClient::new(&self.args.node).map_err(say)
    }

    /// The node, for messages.
    pub(super) fn node(&self) -> &str {
        &self.args.node
    }

    /// Answers: `value` for machines or the lines of `text` for people.
    pub(super) fn answer(&self, value: &Value, text: impl FnOnce()) {
        if self.args.json {
            println!("{value:#}");
        } else {
            text();
        }
    }

    /// The chain's parameters for a wallet that does not exist yet, and where they are from.
    pub(super) fn new_chain(&self) -> anyhow::Result<(ChainParams, String)> {
        match &self.args.chain {
            Some(path) => Ok((read_chain(path)?, path.display().to_string())),
            None => Ok((self.fetch_chain()?, self.args.node.clone())),
        }
    }

    /// The chain's parameters for the wallet there is; it is checked on opening that they are its own.
    pub(super) fn chain(&self) -> anyhow::Result<ChainParams> {
        let file = self.file();
        if file
            .symlink_metadata()
            .is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
        {
            return Err(StoreError::Missing(file).into());
        }
        if let Some(path) = &self.args.chain {
            return read_chain(path);
        }
        let copy = chain_copy(&file);
        if copy.exists() {
            return read_chain(&copy).with_context(|| format!("remove {} or pass --chain", copy.display()));
        }
        self.fetch_chain()
    }

    fn fetch_chain(&self) -> anyhow::Result<ChainParams> {
        let text = self.client()?.chain_params().map_err(|error| {
            let away = matches!(error, ApiError::Transport(_));
            say(format!(
                "{error}{}",
                if away { "; or pass --chain chain.json" } else { "" }
            ))
        })?;
        ChainParams::from_json(&text).with_context(|| format!("{} sent no valid chain.json", self.args.node))
    }

    /// Opens the wallet, whose chain [`Shell::chain`] said.
    pub(super) fn open(&self, params: ChainParams) -> anyhow::Result<Wallet> {
        let file = self.file();
        let passphrase = secrets::passphrase(self.passphrase_file())?;
        let copy = params.clone();
        let wallet = Wallet::open(&file, &passphrase, params).map_err(|error| {
            if matches!(error, WalletError::Store(StoreError::WrongPassphrase)) {
                say(format!(
                    "{error} for {}; without it only the 24 words help (restore)",
                    file.display()
                ))
            } else {
                say(error)
            }
        })?;
        if !chain_copy(&file).exists() {
            keep_chain(&file, &copy)?;
        }
        Ok(wallet)
    }

    /// Finds chain and wallet.
    pub(super) fn open_any(&self) -> anyhow::Result<Wallet> {
        self.open(self.chain()?)
    }

    /// Brings the wallet up to the node, with a bar.
    pub(super) fn sync(&self, wallet: &mut Wallet, node: &dyn NodeApi) -> Result<SyncReport, WalletError> {
        let bar = bar("syncing", 0);
        let mut step = |progress: tacit_wallet::SyncProgress| {
            bar.set_length(u64::from(progress.target));
            bar.set_position(u64::from(progress.batch));
        };
        let report = wallet.sync(node, &mut step, &mut OsRng);
        bar.finish_and_clear();
        report
    }

    /// Brings the wallet up to the node, or says that it is away and that what follows is old.
    /// Answers whether the wallet is up to date.
    pub(super) fn sync_if_possible(&self, wallet: &mut Wallet, offline: bool) -> anyhow::Result<bool> {
        if offline {
            return Ok(false);
        }
        match self.sync(wallet, &self.client()?) {
            Ok(report) => Ok(!report.node_behind),
            Err(WalletError::Api(error @ ApiError::Transport(_))) => {
                eprintln!("warning: {error}. This is what the last sync found (--offline does not ask).");
                Ok(false)
            }
            Err(error) => Err(say(error)),
        }
    }
}

/// The copy of the chain's parameters beside a wallet.
fn chain_copy(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".chain.json");
    file.with_file_name(name)
}

/// Writes that copy, which is public.
pub(super) fn keep_chain(file: &Path, params: &ChainParams) -> anyhow::Result<()> {
    let copy = chain_copy(file);
    fs::write(&copy, params.to_json()).with_context(|| format!("cannot write {}", copy.display()))
}

/// Makes the folder of a new wallet, for its owner only.
pub(super) fn make_folder(file: &Path) -> anyhow::Result<()> {
    let Some(folder) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))
}

fn read_chain(path: &Path) -> anyhow::Result<ChainParams> {
    let text = fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read {}; pass --chain FILE or none, to ask the node",
            path.display()
        )
    })?;
    match ChainParams::from_json(&text) {
        Ok(params) => Ok(params),
        Err(error) => bail!("{} cannot be used: {error}", path.display()),
    }
}
