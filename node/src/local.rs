//! A whole deployment on this machine: bitcoind, a chain, node processes. For the demo and the tests.
//!
//! The nodes are processes of the `tacit` binary itself, each with a configuration file, a database
//! and a log of its own, so what runs here is what an operator runs. Everything lives under one
//! folder and ends when dropped.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bitcoin::{Amount, TxOut};
use rand::rngs::OsRng;
use tacit_bridge::client::{BitcoinClient, RpcClient as Bitcoin};
use tacit_bridge::keys::SigningKey;
use tacit_bridge::regtest::{Bitcoind, Faucet};
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::vault::VaultKeys;
use tacit_protocol::{F, Network, field};
use tacit_prover::KeyStore;
use tacit_wallet::api::NodeApi;

use crate::commands::genesis::{GenesisKeys, assemble, circuit_keys, genesis_outputs};
use crate::config::{Config, RpcConfig, SequencerConfig};
use crate::engine::BackendChoice;
use crate::rpc::client::RpcClient;

pub mod federation;

use federation::{LocalFederation, bitcoind_config};

/// Coins the operator starts with, and what each holds in satoshi.
const OPERATOR_COINS: usize = 12;
const OPERATOR_COIN: u64 = 5_000_000;
/// Time a node gets to answer its first call.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Choices for a deployment.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// The `tacit` binary.
    pub binary: PathBuf,
    /// Where proving keys are kept.
    pub keys_dir: PathBuf,
    /// Circuits of the chain; empty for the default ones.
    pub circuits: Vec<String>,
    /// Depth at which a block is final.
    pub finality_depth: u16,
    /// Milliseconds from the first transfer to sealing.
    pub seal_after_ms: u64,
    /// Key that fee notes are paid to.
    pub fee_key: F,
    /// Lowest fee code accepted.
    pub fee_floor: u8,
    /// Threshold and size of the federation; one local key signs without.
    pub federation: Option<(u16, usize)>,
}

/// A private Bitcoin chain with a Tacit chain on it.
pub struct LocalChain {
    dir: PathBuf,
    options: LocalOptions,
    params: ChainParams,
    /// Who signs for the vault, unless one local key does.
    pub federation: Option<LocalFederation>,
    /// Bitcoin Core.
    pub bitcoind: Bitcoind,
    /// Money and blocks.
    pub faucet: Faucet,
}

impl LocalChain {
    /// Starts bitcoind, mines money, makes keys and a genesis, writes `chain.json` under `dir`.
    ///
    /// # Errors
    /// If bitcoind does not start or a file cannot be written.
    pub fn create(dir: &Path, options: LocalOptions) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let store = KeyStore::new(&options.keys_dir, Network::Regtest);
        let circuits = circuit_keys(&store, &options.circuits)?;
        let bitcoind = Bitcoind::start()?;
        let faucet = Faucet::funded(bitcoind.client(), 4)?;
        let mut keys = Vec::new();
        for name in ["anchor.key", "federation.key", "operator.key"] {
            keys.push(SigningKey::load_or_create(&dir.join(name), &mut OsRng)?);
        }
        let coin = TxOut {
            value: Amount::from_sat(OPERATOR_COIN),
            script_pubkey: keys[2].output_script(),
        };
        faucet.send(vec![coin; OPERATOR_COINS])?;
        faucet.mine(1)?;
        let federation = match options.federation {
            None => None,
            Some((threshold, size)) => {
                let binary = &options.binary;
                Some(LocalFederation::found(binary, dir, &bitcoind, threshold, size)?)
            }
        };
        let public = GenesisKeys {
            anchor: keys[0].public_key(),
            vault: match &federation {
                Some(own) => own.federation().vault_keys(own.group())?,
                None => VaultKeys::without_leaves(keys[1].public_key()),
            },
        };
        let tx = faucet.build(genesis_outputs(&public))?;
        bitcoind.client().send(&tx)?;
        faucet.mine(1)?;
        let height = bitcoind.client().chain_info()?.height;
        let client: &dyn BitcoinClient = &*bitcoind.client();
        let depth = options.finality_depth;
        let params = assemble(client, &tx, &public, Network::Regtest, depth, circuits, height)?;
        fs::write(dir.join("chain.json"), params.to_json())?;
        Ok(Self {
            dir: dir.to_owned(),
            options,
            params,
            federation,
            bitcoind,
            faucet,
        })
    }

    /// The chain's parameters.
    #[must_use]
    pub fn params(&self) -> &ChainParams {
        &self.params
    }

    /// The folder everything is in.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where `chain.json` is.
    #[must_use]
    pub fn chain_file(&self) -> PathBuf {
        self.dir.join("chain.json")
    }

    /// A client of the private bitcoind.
    #[must_use]
    pub fn client(&self) -> Arc<Bitcoin> {
        self.bitcoind.client()
    }

    /// The configuration of a node called `name`; `sequencer` is the URL of its sequencer, none for
    /// the sequencer itself.
    ///
    /// # Errors
    /// If no port is free.
    pub fn config(&self, name: &str, sequencer: Option<&str>) -> anyhow::Result<Config> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let local = self.federation.is_none();
        let operator = sequencer.is_none().then(|| SequencerConfig {
            anchor_key_file: self.dir.join("anchor.key"),
            federation_key_file: local.then(|| self.dir.join("federation.key")),
            federation_file: self.federation.as_ref().map(|own| own.file.clone()),
            group_file: self.federation.as_ref().map(|own| own.group_file.clone()),
            identity_file: self.federation.as_ref().map(|own| own.identity_file.clone()),
            operator_key_file: self.dir.join("operator.key"),
            fee_key: hex::encode(field::to_bytes(&self.options.fee_key)),
            seal_after_ms: self.options.seal_after_ms,
            mempool_transfers: 10_000,
            fee_floor: self.options.fee_floor,
            take_over: false,
            crash_at: None,
            more_federations: Vec::new(),
        });
        Ok(Config {
            chain: self.chain_file(),
            data_dir: self.dir.join(name),
            keys_dir: self.options.keys_dir.clone(),
            backend: BackendChoice::default(),
            poll_ms: 100,
            metrics_listen: None,
            bitcoind: bitcoind_config(&self.bitcoind),
            rpc: RpcConfig {
                listen: port,
                sequencer_url: sequencer.map(str::to_owned),
                ..RpcConfig::default()
            },
            sequencer: operator,
            signer: None,
        })
    }

    /// Starts the signer of a member of the federation.
    ///
    /// # Errors
    /// If there is no such member, or it ends or does not answer in time.
    pub fn start_signer(&self, member: usize) -> anyhow::Result<NodeProcess> {
        let federation = self.federation.as_ref().context("one local key signs here")?;
        let member = federation
            .members
            .get(member)
            .context("there is no such member")?;
        let mut config = member.config.clone();
        config.chain = self.chain_file();
        NodeProcess::start(&self.options.binary, member.dir(), "signer", &config)
    }

    /// Starts a node process.
    ///
    /// # Errors
    /// If it ends or does not answer in time; the error names its log.
    pub fn start(&self, name: &str, config: &Config) -> anyhow::Result<NodeProcess> {
        NodeProcess::start(&self.options.binary, &self.dir, name, config)
    }

    /// Starts a node process with more arguments, such as `--acknowledge`.
    ///
    /// # Errors
    /// If it ends or does not answer in time; the error names its log.
    pub fn start_with(&self, name: &str, config: &Config, arguments: &[&str]) -> anyhow::Result<NodeProcess> {
        NodeProcess::start_with(&self.options.binary, &self.dir, name, config, arguments)
    }
}

/// A running `tacit node`, `tacit sequencer` or `tacit signer`; killed when dropped.
pub struct NodeProcess {
    child: Child,
    url: String,
    log: PathBuf,
}

impl NodeProcess {
    /// Starts `binary`, which is `tacit` or runs it; configuration and log are `name`'s in `dir`.
    ///
    /// # Errors
    /// If it ends or does not answer in time; the error names its log.
    pub fn start(binary: &Path, dir: &Path, name: &str, config: &Config) -> anyhow::Result<Self> {
        Self::start_with(binary, dir, name, config, &[])
    }

    fn start_with(
        binary: &Path,
        dir: &Path,
        name: &str,
        config: &Config,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let file = dir.join(format!("{name}.toml"));
        fs::write(&file, toml::to_string(config)?)?;
        let log = dir.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let command = if config.sequencer.is_some() {
            "sequencer"
        } else if config.signer.is_some() {
            "signer"
        } else {
            "node"
        };
        let child = Command::new(binary)
            .arg(command)
            .args(["--log-format", "json", "--config"])
            .arg(&file)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let url = format!("http://{}", config.rpc.listen);
        let mut process = Self { child, url, log };
        process.wait_ready()?;
        Ok(process)
    }

    fn wait_ready(&mut self) -> anyhow::Result<()> {
        let (client, started) = (self.client()?, Instant::now());
        loop {
            if client.status().is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(5).collect();
                bail!(
                    "the node ended ({status}); {} ends with: {}",
                    self.log.display(),
                    tail.join(" / ")
                );
            }
            if started.elapsed() > START_LIMIT {
                bail!("the node does not answer; see {}", self.log.display());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The address of its RPC.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of its RPC.
    ///
    /// # Errors
    /// Never for an address of ours; the client's constructor may fail.
    pub fn client(&self) -> anyhow::Result<RpcClient> {
        Ok(RpcClient::new(&self.url)?)
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Kills it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<std::process::ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > limit {
                bail!("the node still runs; see {}", self.log.display());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
