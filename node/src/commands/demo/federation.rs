//! The story of the bridge: five signers, each with a bitcoind and a verifier of its own, any three of
//! which sign. One is killed while payouts go on and comes back; one lies all the time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bitcoin::Amount as Bitcoins;
use rand::rngs::OsRng;
use serde::Serialize;
use serde_json::Value;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_circuits::version::CircuitId;
use tacit_protocol::transfer::TransferId;
use tacit_protocol::{Amount, Network};
use tacit_prover::{KeyStore, circuits};
use tacit_wallet::Seed;
use tacit_wallet::api::{BridgeStatus, NodeApi, SyncState, WithdrawalQuery, WithdrawalState};

use super::liar;
use super::people::{Person, Timed};
use super::{audit, chapter};
use crate::federation::listener::Listener;
use crate::local::{LocalChain, LocalOptions, NodeProcess};
use crate::progress::Bars;
use crate::rpc::client::RpcClient;

/// Members that it takes to sign, and how many there are.
const FEDERATION: (u16, usize) = (3, 5);
/// The member that is killed, and the one that lies, counted from zero.
const KILLED: usize = 1;
const LIAR: usize = 4;
/// The longest that one chapter may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// Deposits that Alice makes, so that she can withdraw several times at once; satoshi in each, and in
/// each withdrawal.
const DEPOSITS: usize = 4;
const DEPOSIT: u64 = 1_000_000;
const WITHDRAWAL: u64 = 100_000;
/// Withdrawals in each wave: with all signers, with one dead, with it back.
const WAVES: [usize; 3] = [2, 3, 2];

/// The record of one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// The chain's identifier.
    chain_id: String,
    /// Signers that it takes, and how many there are.
    threshold: u16,
    signers: usize,
    /// Withdrawals paid.
    payouts: usize,
    /// Withdrawals that were paid more than once.
    doubles_paid: usize,
    /// Withdrawals that were never paid.
    lost: usize,
    /// Virtual bytes of the transaction that paid most, for each payout in it.
    vbytes_per_payout: f64,
    /// Blocks from a withdrawal's anchor to its payout, at most.
    blocks_exit_to_payout: u32,
    /// Signing rounds that ended with signatures, that failed, and attempts in all.
    rounds_signed: u64,
    rounds_failed: u64,
    attempts: u64,
    /// Who was excluded from a round, with the last reason.
    excluded: BTreeMap<String, String>,
    /// What the vault lacks, as the auditor found.
    reserves_gap: u64,
    /// The state that sequencer and auditor agree on.
    state_root: String,
    /// From the first command to the summary.
    seconds: u64,
}

/// Everybody and everything in the story.
pub(super) struct Story {
    started: Instant,
    dir: PathBuf,
    chain: LocalChain,
    sequencer: NodeProcess,
    signers: BTreeMap<usize, NodeProcess>,
    _liar: Listener,
    api: RpcClient,
    alice: Person,
    prover: Timed,
    asked: Vec<TransferId>,
}

impl Story {
    /// Sets the scene.
    pub(super) fn begin(dir: &Path, keys_dir: PathBuf) -> anyhow::Result<Self> {
        let started = Instant::now();
        chapter("development proving keys (INSECURE), made once and cached");
        let store = KeyStore::new(&keys_dir, Network::Regtest);
        let prover = Timed::new(circuits::load_key(
            &store,
            CircuitId::Transfer,
            &Bars::new("transfer-v1"),
        )?);
        let (threshold, size) = FEDERATION;
        chapter(&format!(
            "a federation: {size} members generate a key that nobody holds, {threshold} of them sign"
        ));
        let fee_key = tacit_wallet::Keys::derive(&Seed::generate(&mut OsRng), Network::Regtest)
            .viewing()
            .incoming()
            .internal_pk_d();
        let options = LocalOptions {
            binary: std::env::current_exe()?,
            keys_dir,
            circuits: vec!["transfer-v1".into(), "batch-4-4-v1".into()],
            finality_depth: 1,
            seal_after_ms: 1_500,
            fee_key,
            fee_floor: 1,
            federation: Some(FEDERATION),
        };
        let chain = LocalChain::create(dir, options)?;
        let federation = chain.federation.as_ref().context("the chain has a federation")?;
        println!("    key {}", federation.group().internal_key());
        chapter("each signer is a process with its own bitcoind, its own database and its own verifier");
        let mut signers = BTreeMap::new();
        for (number, member) in federation.members.iter().enumerate() {
            if number != LIAR {
                signers.insert(number, chain.start_signer(number)?);
                println!("    {} listens", member.name);
            }
        }
        let lying = &federation.members[LIAR];
        let passphrase = format!("the words of {}", lying.name);
        let liar = liar::start(lying, passphrase.as_bytes())?;
        println!(
            "    {} listens too, and will send shares that are not its own",
            lying.name
        );
        let sequencer = chain.start("sequencer", &chain.config("sequencer", None)?)?;
        let api = sequencer.client()?;
        let alice = Person::new(dir, "Alice", chain.params())?;
        Ok(Self {
            started,
            dir: dir.to_owned(),
            chain,
            sequencer,
            signers,
            _liar: liar,
            api,
            alice,
            prover,
            asked: Vec::new(),
        })
    }

    /// Plays it to the end.
    pub(super) fn tell(mut self) -> anyhow::Result<Summary> {
        self.deposit()?;
        chapter("withdrawals while one signer lies");
        self.wave(WAVES[0])?;
        let killed = self.name(KILLED)?;
        chapter(&format!("{killed} is killed (kill -9); withdrawals go on"));
        if let Some(mut process) = self.signers.remove(&KILLED) {
            process.kill();
        }
        self.wave(WAVES[1])?;
        chapter(&format!(
            "{killed} comes back and catches up; its share and its ledger are on disk"
        ));
        let back = self.chain.start_signer(KILLED)?;
        self.signers.insert(KILLED, back);
        self.wave(WAVES[2])?;
        chapter("an auditor, with chain.json and a bitcoind only");
        let audit = audit(&self.chain)?;
        self.summary(&audit)
    }

    fn name(&self, member: usize) -> anyhow::Result<&'static str> {
        let federation = self.chain.federation.as_ref();
        let found = federation.and_then(|own| own.members.get(member));
        Ok(found.context("there is no such member")?.name)
    }

    fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if started.elapsed() > PATIENCE {
                let bridge = self.api.bridge_status().map(|status| status.vault);
                bail!(
                    "waited too long for {what}; the vault: {bridge:?}; logs are in {}",
                    self.dir.display()
                );
            }
            self.chain.faucet.mine(1)?;
            self.settle()?;
            thread::sleep(Duration::from_millis(400));
        }
    }

    /// Waits until sequencer and signers have followed Bitcoin to its tip.
    fn settle(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        let tip = self.chain.client().chain_info()?.best;
        for process in std::iter::once(&self.sequencer).chain(self.signers.values()) {
            let api = process.client()?;
            loop {
                let status = api.status()?;
                if status.sync == SyncState::Synced && status.bitcoin_hash == tip {
                    break;
                }
                ensure!(
                    started.elapsed() < PATIENCE,
                    "a node does not catch up; see {}",
                    process.log().display()
                );
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    fn deposit(&mut self) -> anyhow::Result<()> {
        chapter("Alice deposits; the federation sweeps the deposits into the vault");
        for _ in 0..DEPOSITS {
            let offer = self.alice.wallet.new_deposit(&mut OsRng)?;
            let script = offer.address.script_pubkey();
            self.chain.faucet.pay(&script, Bitcoins::from_sat(DEPOSIT))?;
        }
        self.chain.faucet.mine(2)?;
        self.settle()?;
        self.alice.wallet.refresh_deposits(&self.api, &mut OsRng)?;
        self.until("the deposits", |story| {
            story.alice.sync(&story.api)?;
            Ok((story.alice.wallet.spendable().len() >= DEPOSITS).then_some(()))
        })?;
        println!("    Alice holds {} sat, private", self.alice.balance());
        Ok(())
    }

    /// Asks for withdrawals and waits until they are paid.
    fn wave(&mut self, count: usize) -> anyhow::Result<()> {
        let first = self.asked.len();
        self.until("change of the wave before", |story| {
            story.alice.sync(&story.api)?;
            Ok((story.alice.wallet.spendable().len() >= count).then_some(()))
        })?;
        for _ in 0..count {
            let target = SigningKey::generate(&mut OsRng).output_script();
            let address = bitcoin::Address::from_script(&target, bitcoin::Network::Regtest)?.to_string();
            let amount = Amount::from_sat(WITHDRAWAL)?;
            let payment = self.alice.wallet.withdrawal(&self.api, &address, amount, None)?;
            let sent = self.alice.send(&self.api, &self.prover, &payment)?;
            self.asked.push(sent.txid);
        }
        self.until("the payouts", |story| {
            let paid = story.asked[first..].iter().map(|id| story.is_paid(*id));
            let paid: Vec<bool> = paid.collect::<anyhow::Result<_>>()?;
            Ok(paid.iter().all(|paid| *paid).then_some(()))
        })?;
        let bridge = self.api.bridge_status()?;
        println!("    {count} paid; {}", rounds(&bridge));
        Ok(())
    }

    fn is_paid(&self, id: TransferId) -> anyhow::Result<bool> {
        match self.api.withdrawal_status(WithdrawalQuery::Txid(id)) {
            Ok(found) => Ok(matches!(found.status, WithdrawalState::Paid { .. })),
            Err(tacit_wallet::api::ApiError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn summary(self, audit: &Value) -> anyhow::Result<Summary> {
        let bridge = self.api.bridge_status()?;
        let federation = bridge.federation.as_ref().context("the federation signs")?;
        let payouts = self.payouts()?;
        let mut paid_by: BTreeMap<bitcoin::Txid, usize> = BTreeMap::new();
        for payout in &payouts {
            *paid_by.entry(payout.txid).or_default() += 1;
        }
        let most = paid_by.iter().max_by_key(|(_, count)| **count);
        let (txid, count) = most.context("something was paid")?;
        let vbytes = self.size_of(txid, &payouts)?;
        #[allow(clippy::cast_precision_loss, reason = "a transaction is small")]
        let vbytes_per_payout = vbytes as f64 / *count as f64;
        let root = hex::encode(tacit_protocol::field::to_bytes(&self.api.status()?.state));
        ensure!(
            audit["state_root"].as_str() == Some(&root),
            "sequencer and auditor have different states"
        );
        let excluded = federation.signers.iter().filter_map(|signer| {
            let reason = signer.last_exclusion.clone()?;
            Some((signer.name.clone(), reason))
        });
        Ok(Summary {
            chain_id: self.chain.params().chain_id().to_string(),
            threshold: federation.threshold,
            signers: federation.signers.len(),
            payouts: payouts.iter().filter(|payout| payout.outputs == 1).count(),
            doubles_paid: payouts.iter().filter(|payout| payout.outputs > 1).count(),
            lost: self.asked.len() - payouts.len(),
            vbytes_per_payout,
            blocks_exit_to_payout: payouts.iter().map(|payout| payout.blocks).max().unwrap_or(0),
            rounds_signed: federation.rounds_signed,
            rounds_failed: federation.rounds_failed,
            attempts: federation.attempts,
            excluded: excluded.collect(),
            reserves_gap: audit["gap"].as_u64().context("the audit has no gap")?,
            state_root: root,
            seconds: self.started.elapsed().as_secs(),
        })
    }

    /// What became of every withdrawal that was asked for, counted on Bitcoin.
    fn payouts(&self) -> anyhow::Result<Vec<Payout>> {
        let mut payouts = Vec::new();
        for id in &self.asked {
            let found = self.api.withdrawal_status(WithdrawalQuery::Txid(*id))?;
            let WithdrawalState::Paid {
                txid,
                height: Some(height),
                ..
            } = found.status
            else {
                continue;
            };
            let scripts = [found.script.clone()];
            let on_bitcoin = self.chain.client().scan(&scripts)?;
            let batch = self.api.batch(found.batch)?;
            let anchored = batch.summary.anchored.context("the batch is anchored")?;
            payouts.push(Payout {
                txid,
                height,
                outputs: on_bitcoin.outputs.len(),
                blocks: height - anchored.height,
            });
        }
        Ok(payouts)
    }

    fn size_of(&self, txid: &bitcoin::Txid, payouts: &[Payout]) -> anyhow::Result<usize> {
        let payout = payouts.iter().find(|payout| payout.txid == *txid);
        let height = payout.context("it paid")?.height;
        let client = self.chain.client();
        let block = client.block_hash(height)?.context("its block is there")?;
        let tx = client
            .transaction(txid, Some(&block))?
            .context("it is in its block")?;
        Ok(tx.vsize())
    }
}

/// A withdrawal that was paid.
struct Payout {
    txid: bitcoin::Txid,
    height: u32,
    /// Outputs on Bitcoin that pay to its script.
    outputs: usize,
    blocks: u32,
}

fn rounds(bridge: &BridgeStatus) -> String {
    let Some(federation) = &bridge.federation else {
        return "one local key signs".to_owned();
    };
    let excluded = federation.signers.iter().filter_map(|signer| {
        let reason = signer.last_exclusion.as_ref()?;
        Some(format!("{} {reason}", signer.name))
    });
    let excluded: Vec<String> = excluded.collect();
    let excluded = if excluded.is_empty() {
        "nobody was excluded".to_owned()
    } else {
        format!("excluded: {}", excluded.join("; "))
    };
    format!("{} rounds signed, {excluded}", federation.rounds_signed)
}

impl Summary {
    /// The record as a page of text.
    pub(super) fn print(&self) {
        println!("\nTacit demo: the bridge as a federation");
        println!("  chain           {}", self.chain_id);
        println!("  state root      {}  (sequencer and auditor)", self.state_root);
        println!("  signers         {} of {}", self.threshold, self.signers);
        println!(
            "  payouts         {} paid, {} paid twice, {} lost",
            self.payouts, self.doubles_paid, self.lost
        );
        println!(
            "                  {:.1} vB each in the largest transaction, at most {} blocks after their anchor",
            self.vbytes_per_payout, self.blocks_exit_to_payout
        );
        println!(
            "  rounds          {} signed, {} failed, {} attempts",
            self.rounds_signed, self.rounds_failed, self.attempts
        );
        for (name, reason) in &self.excluded {
            println!("  excluded        {name}: {reason}");
        }
        println!("  reserves        gap {} sat", self.reserves_gap);
    }
}
