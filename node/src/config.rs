//! Configuration: one TOML file, every field documented, unknown fields refused.
//!
//! `tacit config` prints the effective values with these explanations ([`Config::to_annotated_toml`]).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tacit_bridge::client::Auth;
use tacit_protocol::params::ChainParams;
use thiserror::Error;

use crate::engine::BackendChoice;

mod annotate;

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A full node.
    Node,
    /// A full node that writes batches and pays withdrawals.
    Sequencer,
    /// A full node that signs for the federation.
    Signer,
}

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; pass --config FILE or create it with `tacit config > FILE`")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not TOML of the expected form.
    #[error("{path} is not a valid configuration: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause, with line and column.
        message: String,
    },
    /// A field is needed and missing.
    #[error("the configuration lacks `{field}`: {remedy}")]
    Missing {
        /// The field.
        field: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A field has an impossible value.
    #[error("`{field}` cannot be {value}: {remedy}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What to do.
        remedy: &'static str,
    },
}

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The chain's parameters, `chain.json`.
    pub chain: PathBuf,
    /// Where this process keeps its database.
    pub data_dir: PathBuf,
    /// Where proving keys are kept; they can be made again.
    pub keys_dir: PathBuf,
    /// What makes proofs: `cpu`, `gpu` or `auto`.
    pub backend: BackendChoice,
    /// Milliseconds between two looks at bitcoind.
    pub poll_ms: u64,
    /// Address to serve metrics at, for Prometheus; none without. Keep it on loopback or a private network.
    pub metrics_listen: Option<SocketAddr>,
    /// The Bitcoin node.
    pub bitcoind: BitcoindConfig,
    /// The RPC server.
    pub rpc: RpcConfig,
    /// What only a sequencer needs.
    pub sequencer: Option<SequencerConfig>,
    /// What only a member of the federation needs.
    pub signer: Option<SignerConfig>,
}

/// The Bitcoin node this process trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BitcoindConfig {
    /// URL of its JSON-RPC.
    pub url: String,
    /// Its cookie file; used unless `user` is set.
    pub cookie_file: Option<PathBuf>,
    /// User of its JSON-RPC.
    pub user: Option<String>,
    /// Password of that user; better in the environment, as `TACIT_BITCOIND_PASSWORD`.
    pub password: Option<String>,
}

/// The RPC server and its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Address to listen on, HTTP and WebSocket alike. There is no encryption: keep it on loopback
    /// or behind a proxy.
    pub listen: SocketAddr,
    /// Largest request in bytes.
    pub max_request_bytes: u32,
    /// Largest answer in bytes.
    pub max_response_bytes: u32,
    /// Connections at once.
    pub max_connections: u32,
    /// Connections at once from one address; behind a proxy, which is one address, as many as there are.
    pub max_connections_per_address: u32,
    /// Calls in one JSON-RPC batch.
    pub max_batch: u32,
    /// Subscriptions of one connection.
    pub max_subscriptions: u32,
    /// For a full node: the sequencer that transfers and deposits are passed on to.
    pub sequencer_url: Option<String>,
}

/// What only a sequencer needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequencerConfig {
    /// Secret key of the anchor chain, 64 hex digits, mode 0600; it also signs receipts.
    pub anchor_key_file: PathBuf,
    /// Secret key of the vault, mode 0600: a single local signer, INSECURE for other people's money.
    /// Without it the federation of the next three fields signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation_key_file: Option<PathBuf>,
    /// The federation file: who the signers are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation_file: Option<PathBuf>,
    /// The federation's public key, as `tacit federation join` wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_file: Option<PathBuf>,
    /// Secret of this sequencer's identity among the signers, mode 0600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_file: Option<PathBuf>,
    /// Secret key of the operator's own coins, which pay miners; mode 0600.
    pub operator_key_file: PathBuf,
    /// Public key that fee notes are paid to: `tacit wallet fee-key` prints a wallet's.
    pub fee_key: String,
    /// Milliseconds from the first waiting transfer to the sealing of a batch that is not full.
    #[serde(default = "defaults::seal_after_ms")]
    pub seal_after_ms: u64,
    /// Transfers the mempool holds.
    #[serde(default = "defaults::mempool_transfers")]
    pub mempool_transfers: usize,
    /// Lowest fee code accepted, an index into the chain's fee table.
    #[serde(default)]
    pub fee_floor: u8,
    /// Take the anchor chain over with this anchor key when it has failed, if the federation consents; until
    /// then only follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub take_over: bool,
    /// For tests only: abort the process at this point (`after-seal`, `after-proof`,
    /// `after-journal`, `after-vault-sent` and others: `docs/spec/faults.md`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_at: Option<String>,
    /// More federations that this sequencer coordinates with the same identity: those before the one in
    /// office, whose deposits may still be swept, and the next one, which the vault is handed over to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_federations: Vec<FederationFiles>,
}

/// The files of a federation beside the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationFiles {
    /// The federation file: who the signers are.
    pub federation_file: PathBuf,
    /// The federation's public key, as `tacit federation join` wrote it.
    pub group_file: PathBuf,
    /// Voices of the backup keys in office that let this federation follow, as `tacit federation vouch` wrote them:
    /// for a federation that lost its distributed key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup_voices: Vec<PathBuf>,
}

/// What only a member of the federation needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerConfig {
    /// The federation file: who the members are.
    pub federation_file: PathBuf,
    /// Secret of this member's identity on connections, mode 0600.
    pub identity_file: PathBuf,
    /// This member's share of the key, encrypted.
    pub share_file: PathBuf,
    /// A file with the passphrase of the share, mode 0600; else `TACIT_PASSPHRASE`, else it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// Address to listen on, if not the one that the federation file tells the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Highest fee rate that is signed, in satoshi per virtual byte.
    #[serde(default = "defaults::fee_ceiling")]
    pub fee_ceiling: u32,
    /// Satoshi that may leave the vault within `outflow_blocks`; payouts above it are delayed. Without it a
    /// quarter of what the vault held, and always 0.1 BTC; 2100000000000000 is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outflow_cap: Option<u64>,
    /// Blocks over which `outflow_cap` counts.
    #[serde(default = "defaults::outflow_blocks")]
    pub outflow_blocks: u32,
}

mod defaults {
    pub(super) fn fee_ceiling() -> u32 {
        200
    }
    pub(super) fn outflow_blocks() -> u32 {
        144
    }
    pub(super) fn seal_after_ms() -> u64 {
        30_000
    }
    pub(super) fn mempool_transfers() -> usize {
        10_000
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

impl Default for Config {
    fn default() -> Self {
        let base = home().join(".tacit");
        let keys = std::env::var_os("TACIT_KEYS").map_or_else(|| base.join("keys"), PathBuf::from);
        Self {
            chain: base.join("chain.json"),
            data_dir: base.join("data"),
            keys_dir: keys,
            backend: BackendChoice::default(),
            poll_ms: 1_000,
            metrics_listen: None,
            bitcoind: BitcoindConfig::default(),
            rpc: RpcConfig::default(),
            sequencer: None,
            signer: None,
        }
    }
}

impl Default for BitcoindConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8332".into(),
            cookie_file: Some(home().join(".bitcoin").join(".cookie")),
            user: None,
            password: None,
        }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8645)),
            max_request_bytes: 256 * 1024,
            max_response_bytes: 16 * 1024 * 1024,
            max_connections: 256,
            max_connections_per_address: 64,
            max_batch: 32,
            max_subscriptions: 16,
            sequencer_url: None,
        }
    }
}

impl Config {
    /// Reads a file, or gives the defaults without one; the environment has the last word on
    /// bitcoind's password.
    ///
    /// # Errors
    /// [`ConfigError`], with the field and the remedy.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let mut config = match path {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                    path: path.to_owned(),
                    source,
                })?;
                toml::from_str(&text).map_err(|e| ConfigError::Parse {
                    path: path.to_owned(),
                    message: e.to_string(),
                })?
            }
        };
        if let Ok(password) = std::env::var("TACIT_BITCOIND_PASSWORD") {
            config.bitcoind.password = Some(password);
        }
        config.check()?;
        Ok(config)
    }

    /// The parameters of the chain, from `chain.json`.
    ///
    /// # Errors
    /// If the file cannot be read, or holds no chain.
    pub fn chain_params(&self) -> anyhow::Result<ChainParams> {
        let path = &self.chain;
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read {}; set `chain` to the chain.json of your chain",
                path.display()
            )
        })?;
        Ok(ChainParams::from_json(&text)?)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.poll_ms == 0 {
            let (value, remedy) = (self.poll_ms.to_string(), "use at least 1 millisecond");
            return Err(ConfigError::Invalid {
                field: "poll_ms",
                value,
                remedy,
            });
        }
        if !self.bitcoind.url.starts_with("http://") {
            let (value, remedy) = (
                self.bitcoind.url.clone(),
                "bitcoind speaks plain http://host:port",
            );
            return Err(ConfigError::Invalid {
                field: "bitcoind.url",
                value,
                remedy,
            });
        }
        Ok(())
    }

    /// The sequencer's part.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn sequencer(&self) -> Result<&SequencerConfig, ConfigError> {
        self.sequencer.as_ref().ok_or(ConfigError::Missing {
            field: "[sequencer]",
            remedy: "a sequencer needs its keys; `tacit config` shows the section",
        })
    }

    /// The signer's part.
    ///
    /// # Errors
    /// [`ConfigError::Missing`].
    pub fn signer(&self) -> Result<&SignerConfig, ConfigError> {
        self.signer.as_ref().ok_or(ConfigError::Missing {
            field: "[signer]",
            remedy: "a member of the federation needs it; `tacit config` shows the section",
        })
    }

    /// Time between two looks at bitcoind.
    #[must_use]
    pub fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}

impl BitcoindConfig {
    /// How to log in.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if neither a cookie file nor a user is set.
    pub fn auth(&self) -> Result<Auth, ConfigError> {
        match (&self.user, &self.password, &self.cookie_file) {
            (Some(user), Some(password), _) => Ok(Auth::UserPassword {
                user: user.clone(),
                password: password.clone(),
            }),
            (Some(_), None, _) => Err(ConfigError::Missing {
                field: "bitcoind.password",
                remedy: "set it or TACIT_BITCOIND_PASSWORD",
            }),
            (None, _, Some(cookie)) => Ok(Auth::Cookie(cookie.clone())),
            (None, _, None) => Err(ConfigError::Missing {
                field: "bitcoind.cookie_file",
                remedy: "set it, or `user` and `password`",
            }),
        }
    }
}

#[cfg(test)]
mod tests;
