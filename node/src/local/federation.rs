//! A federation on this machine: members with identities, a key that their processes generated, and a
//! bitcoind for each of them.
//!
//! Everything is done with the commands that operators use: `tacit federation identity`, `init`, `join`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, bail, ensure};
use tacit_bridge::regtest::Bitcoind;
use tacit_federation::share::GroupKey;
use tacit_secrets::file::Lock;

use crate::config::{BitcoindConfig, Config, RpcConfig, SignerConfig};
use crate::federation::file::Federation;

/// Names of members, for people.
const NAMES: [&str; 7] = ["Ada", "Boris", "Chioma", "Dmitri", "Elena", "Farid", "Grace"];

/// A member of a federation on this machine.
pub struct LocalMember {
    /// Its name.
    pub name: &'static str,
    /// What its processes are started with; chain and database are still to be set.
    pub config: Config,
    dir: PathBuf,
    /// Its own Bitcoin node.
    pub bitcoind: Bitcoind,
}

/// A federation on this machine.
pub struct LocalFederation {
    /// The federation file.
    pub file: PathBuf,
    /// The public key of the federation.
    pub group_file: PathBuf,
    /// Secret of the sequencer's identity.
    pub identity_file: PathBuf,
    /// The members.
    pub members: Vec<LocalMember>,
    federation: Federation,
    group: GroupKey,
}

fn run(binary: &Path, args: &[&str], dir: &Path) -> anyhow::Result<Output> {
    let output = Command::new(binary)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    ensure!(
        output.status.success(),
        "tacit {}: {}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string())
}

/// How to reach a Bitcoin node of ours.
pub(super) fn bitcoind_config(bitcoind: &Bitcoind) -> BitcoindConfig {
    BitcoindConfig {
        url: bitcoind.url(),
        cookie_file: Some(bitcoind.cookie_file()),
        user: None,
        password: None,
    }
}

impl LocalFederation {
    /// Founds a federation of `size` members under `dir`, any `threshold` of which sign: identities,
    /// federation file, key generation by one process each, and a Bitcoin node each, connected to `hub`.
    ///
    /// # Errors
    /// If a process fails; the error holds what it said.
    pub fn found(
        binary: &Path,
        dir: &Path,
        hub: &Bitcoind,
        threshold: u16,
        size: usize,
    ) -> anyhow::Result<Self> {
        ensure!(
            size <= NAMES.len(),
            "at most {} members have names here",
            NAMES.len()
        );
        let dir = &dir.join("federation");
        fs::create_dir_all(dir)?;
        let mut members = Vec::new();
        for name in &NAMES[..size] {
            members.push(LocalMember::new(binary, dir, name, hub)?);
        }
        let identity = run(
            binary,
            &["federation", "identity", "--identity-file", "sequencer.identity"],
            dir,
        )?;
        let identity = String::from_utf8(identity.stdout)?;
        let threshold = threshold.to_string();
        let cards: Vec<String> = members
            .iter()
            .map(|member| format!("{}/card.toml", member.name))
            .collect();
        let mut args = vec![
            "federation",
            "init",
            "--threshold",
            &threshold,
            "--coordinator",
            identity.trim(),
        ];
        args.extend(cards.iter().map(String::as_str));
        run(binary, &args, dir)?;
        let group_file = generate(binary, dir, &members)?;
        let file = dir.join("federation.toml");
        Ok(Self {
            federation: Federation::load(&file)?,
            group: GroupKey::from_bytes(&fs::read(&group_file)?)?,
            file,
            group_file,
            identity_file: dir.join("sequencer.identity"),
            members,
        })
    }

    /// What the federation file says.
    #[must_use]
    pub fn federation(&self) -> &Federation {
        &self.federation
    }

    /// The federation's key.
    #[must_use]
    pub fn group(&self) -> &GroupKey {
        &self.group
    }
}

impl LocalMember {
    fn new(binary: &Path, dir: &Path, name: &'static str, hub: &Bitcoind) -> anyhow::Result<Self> {
        let own = dir.join(name);
        fs::create_dir_all(&own)?;
        let address = free_address()?;
        let passphrase = own.join("passphrase");
        Lock::take(&passphrase)?.write_new(format!("the words of {name}\n").as_bytes())?;
        let card = run(
            binary,
            &[
                "federation",
                "identity",
                "--identity-file",
                "identity",
                "--name",
                name,
                "--address",
                &address,
                "--backup-key-file",
                "backup.key",
                "--passphrase-file",
                "passphrase",
            ],
            &own,
        )?;
        fs::write(own.join("card.toml"), card.stdout)?;
        let bitcoind = Bitcoind::start()?;
        bitcoind.connect(hub)?;
        let config = Config {
            data_dir: own.join("data"),
            poll_ms: 100,
            bitcoind: bitcoind_config(&bitcoind),
            rpc: RpcConfig {
                listen: free_address()?.parse()?,
                ..RpcConfig::default()
            },
            signer: Some(SignerConfig {
                federation_file: dir.join("federation.toml"),
                identity_file: own.join("identity"),
                share_file: own.join("share"),
                passphrase_file: Some(passphrase),
                listen: None,
                fee_ceiling: 200,
                outflow_cap: None,
                outflow_blocks: 144,
            }),
            ..Config::default()
        };
        fs::write(own.join("signer.toml"), toml::to_string(&config)?)?;
        Ok(Self {
            name,
            config,
            dir: own,
            bitcoind,
        })
    }

    /// Its folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The key generation, one process per member; returns the file with the public key.
fn generate(binary: &Path, dir: &Path, members: &[LocalMember]) -> anyhow::Result<PathBuf> {
    let mut joining: Vec<(&'static str, Child)> = Vec::new();
    for member in members {
        let child = Command::new(binary)
            .args(["federation", "join", "--wait", "5", "--config", "signer.toml"])
            .current_dir(&member.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        joining.push((member.name, child));
    }
    let mut keys = Vec::new();
    for (name, child) in joining {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "{name} could not join: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        keys.push(String::from_utf8(output.stdout)?);
    }
    ensure!(
        keys.windows(2).all(|pair| pair[0] == pair[1]),
        "members have different keys: {keys:?}"
    );
    let group = dir.join("group.key");
    fs::copy(members[0].dir.join("group.key"), &group)?;
    Ok(group)
}
