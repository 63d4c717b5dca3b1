//! A deployment for a test: bitcoind, a chain, a sequencer and an independent full node.
//!
//! Nothing here sleeps for a fixed time: tests wait for what they need with [`Setting::until`], whose
//! limit is far above what a slow machine takes. When a test fails, the logs stay and are named.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bitcoin::{OutPoint, Transaction};
use rand::rngs::OsRng;
use tacit_bridge::client::BitcoinClient;
use tacit_circuits::version::CircuitId;
use tacit_node::commands::audit::{Report, audit};
use tacit_node::config::Config;
use tacit_node::local::{LocalChain, LocalOptions, NodeProcess};
use tacit_node::rpc::client::RpcClient;
use tacit_protocol::peg::TxInput;
use tacit_protocol::transfer::TransferId;
use tacit_protocol::{F, Network};
use tacit_prover::{KeyStore, Prover, Silent, circuits};
use tacit_tests::{Counted, Proxy, Work, five_checks};
use tacit_wallet::api::{
    ApiError, NodeApi, Range, Status, SyncState, TransferStatus, WithdrawalQuery, WithdrawalState,
};
use tacit_wallet::{Groth16TransferProver, Keys, Seed};
use tempfile::TempDir;

mod processes;

/// The circuits that these tests prove with: the smallest ones.
pub(crate) const CIRCUITS_IN_USE: [&str; 2] = ["transfer-v1", "batch-4-4-v1"];

/// The longest that anything may take; a machine that needs more is broken.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(150);

/// Where proving keys are kept between runs: `TACIT_KEYS`, or the place that `scripts/env.sh` names.
pub(crate) fn keys_dir() -> PathBuf {
    let cache = || {
        let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        std::env::var_os("TACIT_CACHE").map_or_else(|| home.join(".cache").join("tacit"), PathBuf::from)
    };
    std::env::var_os("TACIT_KEYS").map_or_else(|| cache().join("keys"), PathBuf::from)
}

/// The `tacit` binary, which cargo builds one folder above the tests.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own
        .parent()
        .and_then(Path::parent)
        .context("tests stand in target/*/deps")?;
    let binary = folder.join("tacit");
    ensure!(
        binary.exists(),
        "{} is missing: run `cargo build -p tacit-node` first",
        binary.display()
    );
    Ok(binary)
}

/// Choices for a deployment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choices {
    /// Depth at which a block is final.
    pub(crate) depth: u16,
    /// Milliseconds from the first transfer to sealing.
    pub(crate) seal_after_ms: u64,
    /// Threshold and size of a federation; one local key signs without.
    pub(crate) federation: Option<(u16, usize)>,
    /// The lowest fee that the sequencer takes, as an index into the chain's table.
    pub(crate) fee_floor: u8,
    /// Whether sequencer and full node reach bitcoind through a [`Proxy`].
    pub(crate) proxied: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            depth: 1,
            seal_after_ms: 300,
            federation: None,
            fee_floor: 0,
            proxied: false,
        }
    }
}

/// A folder that goes with the test, unless the test failed.
struct Folder(Option<TempDir>);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(dir) = self.0.take().filter(|_| thread::panicking()) {
            eprintln!("the logs are in {}", dir.keep().display());
        }
    }
}

/// A chain without nodes: bitcoind, genesis, keys.
pub(crate) struct Ground {
    pub(crate) chain: LocalChain,
    /// The operator's wallet seed, which fee notes belong to.
    pub(crate) operator: Seed,
    folder: Folder,
}

impl Ground {
    /// Starts bitcoind and makes a chain on it.
    pub(crate) fn new(choices: Choices) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let operator = Seed::generate(&mut OsRng);
        let fee_key = Keys::derive(&operator, Network::Regtest)
            .viewing()
            .incoming()
            .internal_pk_d();
        let options = LocalOptions {
            federation: choices.federation,
            fee_floor: choices.fee_floor,
            binary: binary()?,
            keys_dir: keys_dir(),
            circuits: CIRCUITS_IN_USE.map(str::to_owned).to_vec(),
            finality_depth: choices.depth,
            seal_after_ms: choices.seal_after_ms,
            fee_key,
        };
        let chain = LocalChain::create(dir.path(), options)?;
        Ok(Self {
            chain,
            operator,
            folder: Folder(Some(dir)),
        })
    }

    /// The folder everything is in.
    pub(crate) fn dir(&self) -> &Path {
        self.folder.0.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// An audit by the library.
    pub(crate) fn audit(&self) -> anyhow::Result<Report> {
        audit(self.chain.params().clone(), &*self.chain.client())
    }

    /// The five checks, of nodes that had these states when the auditor made this report.
    pub(crate) fn check(&self, report: &Report, roots: &[(&str, F)], work: &Work) -> anyhow::Result<Counted> {
        five_checks(&*self.chain.client(), self.chain.params(), report, roots, work)
    }

    /// An audit by the binary, with these arguments besides the ones it needs.
    pub(crate) fn audit_command(&self, more: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(binary()?);
        command
            .args(["audit", "--log", "error", "--chain"])
            .arg(self.chain.chain_file());
        command.args(["--bitcoind-url", &self.chain.bitcoind.url(), "--cookie-file"]);
        command.arg(self.chain.bitcoind.cookie_file()).args(more);
        Ok(command.output()?)
    }
}

/// A whole deployment.
pub(crate) struct Setting {
    pub(crate) sequencer: NodeProcess,
    pub(crate) node: NodeProcess,
    /// A client of the full node, which passes transfers on to the sequencer.
    pub(crate) api: RpcClient,
    /// A client of the sequencer.
    pub(crate) desk: RpcClient,
    pub(crate) prover: Groth16TransferProver,
    pub(crate) sequencer_config: Config,
    pub(crate) node_config: Config,
    /// The signers that run, by their place in the federation.
    pub(crate) signers: BTreeMap<usize, NodeProcess>,
    /// What stands between both nodes and bitcoind, if anything does.
    pub(crate) proxy: Option<Proxy>,
    /// What was promised and reported so far; [`Self::agree`] looks for all of it.
    pub(crate) work: RefCell<Work>,
    pub(crate) ground: Ground,
}

impl Setting {
    /// A fresh chain with a sequencer and an independent full node on it.
    pub(crate) fn new(choices: Choices) -> anyhow::Result<Self> {
        let ground = Ground::new(choices)?;
        let mut signers = BTreeMap::new();
        for number in 0..choices.federation.map_or(0, |(_, size)| size) {
            signers.insert(number, ground.chain.start_signer(number)?);
        }
        // Before ports are chosen for nodes, for it takes one at once.
        let proxy = match choices.proxied {
            true => Some(Proxy::start(&ground.chain.bitcoind)?),
            false => None,
        };
        let mut sequencer_config = ground.chain.config("sequencer", None)?;
        if let Some(proxy) = &proxy {
            sequencer_config.bitcoind.url = proxy.url().to_owned();
        }
        let sequencer = ground.chain.start("sequencer", &sequencer_config)?;
        let mut node_config = ground.chain.config("node", Some(sequencer.url()))?;
        node_config.bitcoind.clone_from(&sequencer_config.bitcoind);
        let node = ground.chain.start("node", &node_config)?;
        let store = KeyStore::new(keys_dir(), Network::Regtest);
        let key = circuits::load_key(&store, CircuitId::Transfer, &Silent)?;
        let prover = Groth16TransferProver::new(Prover::cpu(), key);
        let (api, desk) = (node.client()?, sequencer.client()?);
        let setting = Self {
            sequencer,
            node,
            api,
            desk,
            prover,
            sequencer_config,
            node_config,
            signers,
            proxy,
            work: RefCell::default(),
            ground,
        };
        setting.settle()?;
        Ok(setting)
    }

    pub(crate) fn chain(&self) -> &LocalChain {
        &self.ground.chain
    }

    /// Lets bitcoind's estimates say this, in satoshi per virtual byte.
    pub(crate) fn set_rate(&self, sats: u32) -> anyhow::Result<()> {
        let proxy = self.proxy.as_ref().context("the setting has a proxy")?;
        proxy.set_rate(sats);
        Ok(())
    }

    pub(crate) fn mine(&self, count: u32) -> anyhow::Result<()> {
        self.chain().faucet.mine(count)?;
        Ok(())
    }

    /// Repeats `look` until it finds something.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = look().with_context(|| format!("while waiting for {what}"))? {
                return Ok(found);
            }
            if started.elapsed() > PATIENCE {
                bail!("waited {} s for {what}; {}", PATIENCE.as_secs(), self.situation());
            }
            thread::sleep(PAUSE);
        }
    }

    /// Repeats `look` until it finds something, with a block and settled nodes before each look.
    pub(crate) fn mine_until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        self.until(what, || match look()? {
            Some(found) => Ok(Some(found)),
            None => {
                self.mine(1)?;
                self.settle()?;
                Ok(None)
            }
        })
    }

    /// The same with blocks that hold nothing: what is in the mempool stays there.
    pub(crate) fn mine_empty_until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        self.until(what, || match look()? {
            Some(found) => Ok(Some(found)),
            None => {
                self.chain().faucet.mine_only(&[])?;
                self.settle()?;
                Ok(None)
            }
        })
    }

    fn situation(&self) -> String {
        let tail = |process: &NodeProcess| {
            let log = std::fs::read_to_string(process.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(6).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        let status = |client: &RpcClient| format!("{:?}", client.status());
        format!(
            "sequencer: {}\n{}\nnode: {}\n{}",
            status(&self.desk),
            tail(&self.sequencer),
            status(&self.api),
            tail(&self.node)
        )
    }

    /// Waits until both nodes have followed Bitcoin to its tip.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        for (name, client) in [("the sequencer", &self.desk), ("the full node", &self.api)] {
            self.settle_one(name, client)?;
        }
        self.settle_signers()
    }

    /// Waits until the signers that run have followed Bitcoin to its tip.
    pub(crate) fn settle_signers(&self) -> anyhow::Result<()> {
        for signer in self.signers.values() {
            self.settle_one("a signer", &signer.client()?)?;
        }
        Ok(())
    }

    /// Waits until one node has followed Bitcoin to its tip.
    pub(crate) fn settle_one(&self, name: &str, client: &RpcClient) -> anyhow::Result<Status> {
        self.until(name, || {
            let (status, tip) = (client.status()?, self.chain().client().chain_info()?);
            if let SyncState::Halted { reason } = &status.sync {
                bail!("{name} halted: {reason}");
            }
            let settled = status.sync == SyncState::Synced && status.bitcoin_hash == tip.best;
            Ok(settled.then_some(status))
        })
    }

    /// Mines until a transfer stands in a block of Bitcoin; returns its batch.
    pub(crate) fn anchor(&self, txid: TransferId) -> anyhow::Result<u32> {
        self.mine_until("a transfer's anchor", || {
            match self.api.transfer_status(txid)? {
                TransferStatus::Batched {
                    batch,
                    anchored: Some(_),
                    ..
                } => Ok(Some(batch)),
                TransferStatus::Batched { anchored: None, .. } | TransferStatus::Pending => Ok(None),
                lost @ (TransferStatus::Unknown | TransferStatus::Rejected { .. }) => {
                    bail!("an acknowledged transfer is {lost:?}")
                }
            }
        })
    }

    /// Somebody got a receipt for a transfer.
    pub(crate) fn promised(&self, txid: TransferId) {
        self.work.borrow_mut().transfers.insert(txid);
    }

    /// The vault transaction that waits in the mempool, if one does.
    pub(crate) fn vault_tx(&self) -> anyhow::Result<Option<Transaction>> {
        let (client, vault) = (self.chain().client(), self.api.supply()?.vault);
        Ok(match client.mempool_spender(&vault)? {
            Some(txid) => client.transaction(&txid, None)?,
            None => None,
        })
    }

    /// The transaction in a block that swept a deposit.
    pub(crate) fn sweep_of(&self, deposit: OutPoint) -> anyhow::Result<TxInput> {
        let client = self.chain().client();
        let spends = |tx: &TxInput| tx.tx().input.iter().any(|input| input.previous_output == deposit);
        for height in (1..=client.chain_info()?.height).rev() {
            let hash = client.block_hash(height)?.context("a block")?;
            if let Some(sweep) = client.block(&hash)?.txs.into_iter().find(spends) {
                return Ok(sweep);
            }
        }
        bail!("nobody swept {deposit}")
    }

    /// The payout of a withdrawal, if it is in a block.
    pub(crate) fn payout(&self, txid: TransferId) -> anyhow::Result<Option<(OutPoint, u64)>> {
        let found = match self.api.withdrawal_status(WithdrawalQuery::Txid(txid)) {
            Ok(found) => found,
            Err(ApiError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let WithdrawalState::Paid {
            txid, vout, amount, ..
        } = found.status
        else {
            return Ok(None);
        };
        self.work.borrow_mut().paid.insert(found.script);
        Ok(Some((OutPoint { txid, vout }, amount.to_sat())))
    }

    /// Settles and makes the five checks: sequencer, full node and auditor have the same state, which is sound,
    /// and everything that was promised is there once.
    pub(crate) fn agree(&self) -> anyhow::Result<Report> {
        Ok(self.count()?.0)
    }

    /// The same, with what was counted.
    pub(crate) fn count(&self) -> anyhow::Result<(Report, Counted)> {
        self.settle()?;
        self.until("one state", || {
            let (ours, theirs) = (self.desk.status()?, self.api.status()?);
            let anchored = ours.pending_batches == 0 && theirs.pending_batches == 0;
            if anchored {
                Ok(Some(()))
            } else {
                self.mine(1).map(|()| None)
            }
        })?;
        self.settle()?;
        let report = self.ground.audit()?;
        let roots = [
            ("the sequencer", self.desk.status()?.state),
            ("the full node", self.api.status()?.state),
        ];
        let counted = self.ground.check(&report, &roots, &self.work.borrow())?;
        self.agree_on_books(&report)?;
        Ok((report, counted))
    }

    /// Checks that the full node has the books after every batch that the auditor derived.
    fn agree_on_books(&self, report: &Report) -> anyhow::Result<()> {
        let limit = report.batch;
        let served = self.api.reserves(Range { from: 1, limit })?;
        assert_eq!(served.len(), report.batches.len(), "books after every batch");
        for (served, derived) in served.iter().zip(&report.batches) {
            let books = &derived.reserves;
            assert_eq!((served.batch, books.gap), (derived.number, 0));
            assert_eq!(served.vault.to_string(), books.vault_output);
            let sums = [
                served.supply,
                served.vault_amount,
                served.pending_deposits,
                served.pending_withdrawals,
                served.surplus,
            ];
            let expected = [
                books.supply,
                books.vault,
                books.uncredited,
                books.unpaid,
                books.surplus,
            ];
            assert_eq!(sums.map(|sum| sum.to_sat()), expected, "batch {}", derived.number);
        }
        Ok(())
    }
}
