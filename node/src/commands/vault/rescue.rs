//! The steps of a rescue: files, bitcoind, and people around what `tacit_bridge::rescue` checks.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use bitcoin::address::NetworkUnchecked;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Address, ScriptBuf};
use tacit_bridge::client::{BitcoinClient, RpcClient as Bitcoin, RpcOptions, connect_checked};
use tacit_bridge::keys::SigningKey;
use tacit_bridge::rescue::{FeeSource, LONGEST_PSBT, Rescue, RescueError, is_announced, lineage_of};
use tacit_protocol::Amount;
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::{Announcement, Coin, EpochHash, FeeRate, Lineage, VaultTip};
use tacit_verifier::Rules;
use tacit_verifier::chain::{handover, table};
use tacit_wallet::api::NodeApi;

use super::showing::{Names, print};
use super::{CombineArgs, FinishArgs, Leaf, PrepareArgs, ShowArgs, SignArgs};
use crate::commands::wallet::secrets;
use crate::config::Config;
use crate::pipeline;
use crate::rpc::client::RpcClient;
use crate::synced;

/// Confirmations after which a block reward may be spent.
const MATURITY: u32 = 100;

/// Blocks within which a rescue should confirm, if nobody says at which rate.
const TARGET: u16 = 6;

/// Where the steps are done: one chain, and what the configuration says of it.
pub(super) struct Desk<'a> {
    config: &'a Config,
    json: bool,
    params: ChainParams,
    names: Names,
}

/// Where the vault is, which epochs lead to it, and which may follow, with the heights of their announcements.
struct Told {
    tip: VaultTip,
    lineage: Lineage,
    waiting: Vec<(u32, Announcement)>,
}

impl<'a> Desk<'a> {
    /// The chain of the configuration.
    ///
    /// # Errors
    /// If `chain.json` cannot be read.
    pub(super) fn new(config: &'a Config, json: bool) -> anyhow::Result<Self> {
        let path = &config.chain;
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read {}; set `chain` to the chain's chain.json",
                path.display()
            )
        })?;
        let params = ChainParams::from_json(&text)?;
        Ok(Self {
            config,
            json,
            params,
            names: Names::of(config),
        })
    }

    fn bitcoind(&self) -> anyhow::Result<Bitcoin> {
        let own = &self.config.bitcoind;
        let network = self.params.genesis().network;
        Ok(connect_checked(
            &own.url,
            own.auth()?,
            network,
            RpcOptions::default(),
        )?)
    }

    pub(super) fn prepare(&self, args: &PrepareArgs) -> anyhow::Result<()> {
        ensure!(
            args.to.is_none() || args.leaf == Leaf::Backup,
            "--to goes with the backup leaf: it speaks for the federation, and the recovery keys do not"
        );
        let client = self.bitcoind()?;
        let Told {
            tip,
            lineage,
            waiting,
        } = self.told(args.node.as_deref())?;
        let lineage = lineage_of(lineage, tip.outpoint, &client)?;
        let next = match &args.to {
            Some(hash) => Some(self.next(hash, &waiting, &client)?),
            None => None,
        };
        let script = self.fee_script(args.fee_from.as_deref())?;
        let coins = coins(&client, &script)?;
        let rate = rate(&client, args.rate)?;
        let fee = FeeSource {
            coins: &coins,
            rate,
            change: &script,
        };
        let rescue = Rescue::prepare(&lineage, tip, (args.leaf.into(), next), fee)?;
        let left = match rescue.check_open(&client) {
            Ok(()) => Some(0),
            Err(RescueError::Locked { left, .. }) => Some(left),
            Err(error) => return Err(error.into()),
        };
        write_new(&args.out, &rescue.to_bytes())?;
        self.tell(&rescue, left)?;
        self.advise(&format!(
            "{} is not signed yet. Give a copy to each of those who sign.",
            args.out.display()
        ));
        Ok(())
    }

    pub(super) fn show(&self, args: &ShowArgs) -> anyhow::Result<()> {
        let rescue = self.read(&args.psbt)?;
        self.tell(&rescue, None)?;
        if let Some(url) = &args.node {
            self.check_next(&rescue, Some(url), &self.bitcoind()?)?;
            self.advise("What it does is possible now, as that node and bitcoind see it.");
        }
        Ok(())
    }

    /// Where the vault is handed over, that epoch stands on Bitcoin: signatures alone do not say so, and a rotation to
    /// one that does not is a fault for good.
    fn check_next(
        &self,
        rescue: &Rescue,
        node: Option<&str>,
        client: &dyn BitcoinClient,
    ) -> anyhow::Result<()> {
        let Some(hash) = rescue.summary().next_hash else {
            return Ok(());
        };
        let told = self.told(node)?;
        self.next(&hash, &told.waiting, client).map(drop)
    }

    pub(super) fn sign(&self, args: &SignArgs) -> anyhow::Result<()> {
        let mut rescue = self.read(&args.psbt)?;
        self.tell(&rescue, None)?;
        if !args.yes && !secrets::confirm("Sign this? Type yes:")? {
            bail!("nothing was signed");
        }
        let key = match (&args.backup_key_file, &args.key_file) {
            (Some(path), _) => {
                let passphrase = secrets::passphrase(args.passphrase_file.as_deref())?;
                Some(SigningKey::unseal(path, &passphrase)?)
            }
            (None, Some(path)) => Some(SigningKey::load(path)?),
            (None, None) => None,
        };
        if let Some(key) = key {
            rescue.sign(&key)?;
        }
        if let Some(path) = &args.fee_key_file {
            rescue.sign_coins(&SigningKey::load(path)?)?;
        }
        write_new(&args.out, &rescue.to_bytes())?;
        self.advise(&format!("{} is signed; send it back.", args.out.display()));
        Ok(())
    }

    pub(super) fn combine(&self, args: &CombineArgs) -> anyhow::Result<()> {
        let mut copies = args.psbts.iter();
        let first = copies.next().context("name the copies to combine")?;
        let mut rescue = self.read(first)?;
        for path in copies {
            let other = rescue.read_copy(&bytes_of(path)?);
            let other = other.with_context(|| path.display().to_string())?;
            rescue
                .combine(other)
                .with_context(|| format!("{} and {}", first.display(), path.display()))?;
        }
        write_new(&args.out, &rescue.to_bytes())?;
        self.tell(&rescue, None)
    }

    pub(super) fn finish(&self, args: &FinishArgs) -> anyhow::Result<()> {
        let rescue = self.read(&args.psbt)?;
        let client = self.bitcoind()?;
        self.check_next(&rescue, args.node.as_deref(), &client)?;
        let tx = if args.dry_run {
            let tx = rescue.clone().finish();
            let tx = tx.map_err(|error| self.names.explain(error))?;
            rescue.check_open(&client)?;
            tx
        } else {
            rescue.send(&client).map_err(|error| self.names.explain(error))?
        };
        let txid = tx.compute_txid();
        match (self.json, args.dry_run) {
            (true, sent) => {
                let answer =
                    serde_json::json!({ "txid": txid, "sent": !sent, "transaction": serialize_hex(&tx) });
                println!("{}", serde_json::to_string_pretty(&answer)?);
            }
            (false, true) => println!("{}", serialize_hex(&tx)),
            (false, false) => println!("{txid}"),
        }
        if !args.dry_run {
            self.advise(
                "The vault moves with this transaction; its timelocks start anew once it is in a block.",
            );
        }
        Ok(())
    }

    fn read(&self, path: &Path) -> anyhow::Result<Rescue> {
        Rescue::read(&bytes_of(path)?, &self.lineage()).with_context(|| path.display().to_string())
    }

    /// The first epoch, which is all that chain.json knows.
    fn lineage(&self) -> Lineage {
        Lineage::new(self.params.chain_id(), self.params.genesis().epoch())
    }

    /// The first epoch and what is said to have followed it.
    fn following(&self, announced: impl Iterator<Item = Announcement>) -> anyhow::Result<Lineage> {
        let mut lineage = self.lineage();
        for announcement in announced {
            let number = announcement.epoch.number;
            lineage
                .follow(announcement)
                .with_context(|| format!("epoch {number} cannot be; ask a node of your own: --node URL"))?;
        }
        Ok(lineage)
    }

    fn tell(&self, rescue: &Rescue, left: Option<u32>) -> anyhow::Result<()> {
        let network = self.params.genesis().network;
        print(&rescue.summary(), left, &self.names, network, self.json)
    }

    /// What to do next, for people.
    fn advise(&self, words: &str) {
        if !self.json {
            eprintln!("{words}");
        }
    }

    fn told(&self, node: Option<&str>) -> anyhow::Result<Told> {
        match node {
            Some(url) => self.told_by_node(url),
            None => self.told_by_database(),
        }
    }

    /// Where the vault is and which epochs began, as a node of this chain says; bitcoind has to know the output too.
    fn told_by_node(&self, url: &str) -> anyhow::Result<Told> {
        let node = RpcClient::new(url)?;
        let theirs = ChainParams::from_json(&node.chain_params()?)?;
        ensure!(
            theirs.chain_id() == self.params.chain_id(),
            "{url} is a node of another chain; name one of the chain in {}",
            self.config.chain.display()
        );
        let epochs = node.epochs()?;
        let begun = epochs.begun.into_iter();
        let lineage = self.following(begun.map(|details| details.announcement))?;
        let waiting = epochs.waiting.into_iter();
        let supply = node.supply()?;
        let tip = VaultTip {
            outpoint: supply.vault,
            amount: supply.vault_amount,
        };
        Ok(Told {
            tip,
            lineage,
            waiting: waiting.map(|found| (found.height, found.announcement)).collect(),
        })
    }

    /// The same, as the database says that a node, a sequencer or a signer left.
    fn told_by_database(&self) -> anyhow::Result<Told> {
        let folder = &self.config.data_dir;
        ensure!(
            folder.join("db").exists(),
            "there is no database in {}; set `data_dir`, or name a node that runs: --node URL",
            folder.display()
        );
        let rules = Rules::load(self.params.clone())?;
        let store =
            pipeline::open_store(folder, &rules).context("if its process runs, name it: --node URL")?;
        let begun = table::epochs(&*store, 0, usize::MAX)?.into_iter();
        let lineage = self.following(begun.filter_map(|(_, record)| record.announcement))?;
        let tip = table::vault_tip(&*store)?;
        let tip = tip.context("the database does not know where the vault is: run its node first")?;
        let tip = VaultTip {
            outpoint: tip.outpoint,
            amount: Amount::from_sat(tip.txout.value.to_sat())?,
        };
        let waiting = handover::announcements_after(&*store, lineage.last())?.into_iter();
        Ok(Told {
            tip,
            waiting: waiting
                .map(|(_, found)| (found.height, found.announcement))
                .collect(),
            lineage,
        })
    }

    /// The announcement of an epoch that the vault may be handed over to now: a rotation to one that a
    /// reorganisation takes back would be a fault for good.
    fn next<'b>(
        &self,
        hash: &EpochHash,
        waiting: &'b [(u32, Announcement)],
        client: &dyn BitcoinClient,
    ) -> anyhow::Result<&'b Announcement> {
        let genesis = self.params.genesis();
        let is_meant = |announcement: &Announcement| announcement.epoch.hash(self.params.chain_id()) == *hash;
        let found = waiting.iter().find(|(_, announcement)| is_meant(announcement));
        let (announced, announcement) = found.with_context(|| {
            format!("epoch {hash} is not announced as the next one; the sequencer posts the announcement")
        })?;
        ensure!(
            is_announced(client, *announced, announcement)?,
            "bitcoind's block {announced} has no announcement of epoch {hash}; let node and bitcoind catch up with each \
             other"
        );
        let height = client.chain_info()?.height;
        ensure!(
            genesis.is_deep(*announced, height),
            "epoch {hash} was announced in block {announced}, and Bitcoin is at {height}; it has to be {} deep first",
            genesis.finality_depth
        );
        Ok(announcement)
    }

    fn fee_script(&self, address: Option<&str>) -> anyhow::Result<ScriptBuf> {
        let Some(text) = address else {
            let own = self.config.sequencer.as_ref();
            let own = own.context("name an address with coins to pay the miners: --fee-from ADDRESS")?;
            return Ok(SigningKey::load(&own.operator_key_file)?.output_script());
        };
        let network = self.params.genesis().network.bitcoin();
        let address: Address<NetworkUnchecked> =
            text.parse().with_context(|| format!("{text} is no address"))?;
        let script = address.require_network(network)?.script_pubkey();
        ensure!(
            script.is_p2tr(),
            "{text} is no Taproot address; the fee is paid by coins of one"
        );
        Ok(script)
    }
}

/// What a file holds, which is no longer than a PSBT can be.
fn bytes_of(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let file = fs::File::open(path).with_context(cannot)?;
    let mut bytes = Vec::new();
    let most = LONGEST_PSBT as u64;
    file.take(most + 1).read_to_end(&mut bytes).with_context(cannot)?;
    ensure!(
        bytes.len() <= LONGEST_PSBT,
        "{} is longer than {LONGEST_PSBT} bytes, too long for what it should be",
        path.display()
    );
    Ok(bytes)
}

/// The coins of a script that may be spent in the next block.
fn coins(client: &dyn BitcoinClient, script: &ScriptBuf) -> anyhow::Result<Vec<Coin>> {
    let scan = client.scan(std::slice::from_ref(script))?;
    let ripe = |height: u32, coinbase: bool| !coinbase || scan.height + 1 >= height + MATURITY;
    let coins = scan
        .outputs
        .iter()
        .filter(|found| ripe(found.height, found.coinbase));
    Ok(coins
        .map(|found| Coin {
            outpoint: found.outpoint,
            txout: found.txout.clone(),
        })
        .collect())
}

/// The rate asked for, or what bitcoind expects.
fn rate(client: &dyn BitcoinClient, asked: Option<u32>) -> anyhow::Result<FeeRate> {
    let lowest = client.mempool_info()?.min_rate;
    let rate = match asked {
        Some(rate) => FeeRate::from_sat_per_vb(rate).context("--rate is above all rates there can be")?,
        None => client
            .estimate_rate(TARGET)?
            .ok_or_else(|| anyhow!("bitcoind cannot estimate fees yet; say what to pay: --rate RATE"))?,
    };
    ensure!(
        rate >= lowest,
        "bitcoind takes nothing below {} sat/kWU now; pass a higher --rate",
        lowest.sat_per_kwu()
    );
    Ok(rate)
}

/// Writes a file that was not there.
fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    match synced::write_new(path, bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
            "{} exists and is not replaced; pass another --out FILE",
            path.display()
        ),
        written => written.with_context(|| format!("cannot write {}", path.display())),
    }
}
