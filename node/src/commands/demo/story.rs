//! The story, chapter by chapter.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bitcoin::{Amount as Bitcoins, OutPoint, ScriptBuf};
use rand::rngs::OsRng;
use serde_json::Value;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_circuits::batch::BatchStatement;
use tacit_circuits::r1cs::Statement;
use tacit_circuits::transfer::TransferStatement;
use tacit_circuits::version::CircuitId;
use tacit_protocol::batch::{BatchShape, Payload};
use tacit_protocol::encoding::{Decode, Encode};
use tacit_protocol::peg::anchor::tapscript_of;
use tacit_protocol::transfer::{TRANSFER_BYTES, Transfer};
use tacit_protocol::{Amount, Network, envelope, field};
use tacit_prover::{KeyStore, circuits};
use tacit_verifier::groth16::{Proof, verify};
use tacit_wallet::Seed;
use tacit_wallet::api::{NodeApi, Range, SyncState, WithdrawalQuery, WithdrawalState};

use super::people::{Person, Timed};
use super::summary::{Balances, ReserveFigures, Roots, Summary, Txids};
use super::{audit, chapter};
use crate::local::{LocalChain, LocalOptions, NodeProcess};
use crate::progress::Bars;
use crate::rpc::client::RpcClient;

/// The longest that one chapter may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// Deposits in satoshi.
const ALICE_DEPOSIT: u64 = 2_000_000;
const BOB_DEPOSIT: u64 = 1_000_000;
/// Payments in satoshi: from Alice if true, else from Bob; and what the payer writes.
const PAYMENTS: [(bool, u64, Option<&str>); 4] = [
    (true, 250_000, None),
    (false, 80_000, None),
    (true, 21_000, Some("Lunch on Friday 🥟")),
    (false, 5_000, None),
];
/// Index of the fee in the chain's table: 200 sat.
const FEE_FLOOR: u8 = 3;
/// What Bob withdraws.
const WITHDRAWAL: u64 = 300_000;

/// Everybody and everything in the story.
pub(super) struct Story {
    dir: PathBuf,
    chain: LocalChain,
    sequencer: NodeProcess,
    node: NodeProcess,
    /// Alice's and Bob's node: the independent one.
    api: RpcClient,
    alice: Person,
    bob: Person,
    operator: Person,
    prover: Timed,
}

/// The middle value.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

impl Story {
    /// Sets the scene: keys, bitcoind, a chain, a sequencer, an independent full node, wallets.
    pub(super) fn begin(dir: &Path, keys_dir: PathBuf) -> anyhow::Result<Self> {
        chapter("development proving keys (INSECURE), made once and cached");
        let store = KeyStore::new(&keys_dir, Network::Regtest);
        let key = circuits::load_key(&store, CircuitId::Transfer, &Bars::new("transfer-v1"))?;
        let prover = Timed::new(key);

        chapter("a private bitcoind, a new chain with its anchor and vault");
        let seed = Seed::generate(&mut OsRng);
        let fee_key = tacit_wallet::Keys::derive(&seed, Network::Regtest)
            .viewing()
            .incoming()
            .internal_pk_d();
        let options = LocalOptions {
            binary: std::env::current_exe()?,
            keys_dir,
            circuits: Vec::new(),
            finality_depth: 1,
            seal_after_ms: 1_500,
            fee_key,
            fee_floor: FEE_FLOOR,
            federation: None,
        };
        let chain = LocalChain::create(dir, options)?;
        let params = chain.params().clone();
        chapter("a sequencer and an independent full node, each with its own database");
        let sequencer = chain.start("sequencer", &chain.config("sequencer", None)?)?;
        let node = chain.start("node", &chain.config("node", Some(sequencer.url()))?)?;
        let api = node.client()?;
        let alice = Person::new(dir, "Alice", &params)?;
        let bob = Person::new(dir, "Bob", &params)?;
        let operator = Person::with_seed(dir, "operator", "operator", &params, seed)?;
        let dir = dir.to_owned();
        Ok(Self {
            dir,
            chain,
            sequencer,
            node,
            api,
            alice,
            bob,
            operator,
            prover,
        })
    }

    /// Plays it to the end.
    pub(super) fn tell(mut self) -> anyhow::Result<Summary> {
        let deposits = self.deposit()?;
        self.pay()?;
        let (payout, bob_on_bitcoin) = self.withdraw()?;
        chapter("an auditor, with chain.json and a bitcoind only");
        self.settle()?;
        let audit = audit(&self.chain)?;
        chapter("Alice loses her disk and restores her wallet from 24 words");
        let alice_restored = self.restore()?;
        self.summary(deposits, payout, bob_on_bitcoin, alice_restored, &audit)
    }

    /// Repeats `look` until it finds something, mining a block before each look if asked to.
    fn until<T>(
        &mut self,
        what: &str,
        mine: bool,
        mut look: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            if started.elapsed() > PATIENCE {
                bail!(
                    "waited too long for {what}; see the logs in {}",
                    self.dir.display()
                );
            }
            if mine {
                self.chain.faucet.mine(1)?;
            }
            thread::sleep(Duration::from_millis(400));
        }
    }

    /// Waits until the full node has followed Bitcoin to its tip.
    fn settle(&mut self) -> anyhow::Result<()> {
        self.until("the full node", false, |story| {
            let (status, tip) = (story.api.status()?, story.chain.client().chain_info()?);
            let synced = status.sync == SyncState::Synced && status.bitcoin_hash == tip.best;
            Ok(synced.then_some(()))
        })
    }

    fn deposit(&mut self) -> anyhow::Result<Vec<String>> {
        chapter("Alice and Bob deposit bitcoin to Taproot deposit addresses");
        let mut txids = Vec::new();
        for (person, sats) in [(&mut self.alice, ALICE_DEPOSIT), (&mut self.bob, BOB_DEPOSIT)] {
            let offer = person.wallet.new_deposit(&mut OsRng)?;
            println!("    {} pays {sats} sat to {}", person.name, offer.address);
            let paid = self
                .chain
                .faucet
                .pay(&offer.address.script_pubkey(), Bitcoins::from_sat(sats))?;
            txids.push(paid.txid.to_string());
        }
        self.chain.faucet.mine(2)?;
        self.settle()?;
        for person in [&mut self.alice, &mut self.bob] {
            person.wallet.refresh_deposits(&self.api, &mut OsRng)?;
        }
        chapter("the deposits are swept into the vault, buried and credited as notes");
        self.until("the deposits", true, |story| {
            story.settle()?;
            story.alice.sync(&story.api)?;
            story.bob.sync(&story.api)?;
            Ok((story.alice.balance() > 0 && story.bob.balance() > 0).then_some(()))
        })?;
        println!(
            "    Alice holds {} sat, Bob {} sat, both private",
            self.alice.balance(),
            self.bob.balance()
        );
        Ok(txids)
    }

    fn pay(&mut self) -> anyhow::Result<()> {
        chapter("they pay each other; each wallet proves its own transfer");
        for (from_alice, sats, memo) in PAYMENTS {
            let (from, to) = if from_alice {
                (&mut self.alice, &mut self.bob)
            } else {
                (&mut self.bob, &mut self.alice)
            };
            let before = to.balance();
            let sent = from.pay(&self.api, &self.prover, to, (sats, memo))?;
            println!(
                "    {} → {}: {sats} sat, fee {}, promised for batch {} ({})",
                from.name, to.name, sent.fee, sent.receipt.promise.target_batch, sent.txid
            );
            self.until("a payment", true, |story| {
                let to = if from_alice {
                    &mut story.bob
                } else {
                    &mut story.alice
                };
                to.sync(&story.api)?;
                Ok((to.balance() >= before + sats).then_some(()))
            })?;
        }
        Ok(())
    }

    fn withdraw(&mut self) -> anyhow::Result<(String, u64)> {
        let target = SigningKey::generate(&mut OsRng).output_script();
        let address = bitcoin::Address::from_script(&target, bitcoin::Network::Regtest)?;
        chapter(&format!("Bob withdraws {WITHDRAWAL} sat to {address}"));
        let amount = Amount::from_sat(WITHDRAWAL)?;
        let payment = self
            .bob
            .wallet
            .withdrawal(&self.api, &address.to_string(), amount, None)?;
        let sent = self.bob.send(&self.api, &self.prover, &payment)?;
        let paid = self.until("the payout", true, |story| {
            let query = WithdrawalQuery::Txid(sent.txid);
            match story.api.withdrawal_status(query).map(|found| found.status) {
                Ok(WithdrawalState::Paid { txid, vout, .. }) => Ok(Some(OutPoint { txid, vout })),
                Ok(_) | Err(tacit_wallet::api::ApiError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })?;
        let output = self
            .chain
            .client()
            .unspent(&paid, false)?
            .context("the payout is not on Bitcoin")?;
        ensure!(output.txout.script_pubkey == target, "the payout went elsewhere");
        let sats = output.txout.value.to_sat();
        println!("    the vault paid {sats} sat in {}", paid.txid);
        Ok((paid.txid.to_string(), sats))
    }

    fn restore(&mut self) -> anyhow::Result<u64> {
        self.alice.sync(&self.api)?;
        let mut restored = self.alice.restored(&self.dir, self.chain.params())?;
        restored.sync(&self.api)?;
        ensure!(
            restored.balance() == self.alice.balance(),
            "the restored balance differs"
        );
        ensure!(
            restored.memos() == self.alice.memos() && restored.memos().len() == 1,
            "the restored wallet reads other memos"
        );
        let (old, new) = (self.alice.wallet.history().len(), restored.wallet.history().len());
        ensure!(
            old == new,
            "the restored history has {new} entries, the old one {old}"
        );
        println!(
            "    {} sat and {new} history entries are back",
            restored.balance()
        );
        Ok(restored.balance())
    }

    fn summary(
        mut self,
        deposits: Vec<String>,
        payout: String,
        bob_on_bitcoin: u64,
        alice_restored: u64,
        audit: &Value,
    ) -> anyhow::Result<Summary> {
        self.bob.sync(&self.api)?;
        self.operator.sync(&self.api)?;
        let root = |api: &RpcClient| -> anyhow::Result<String> {
            Ok(hex::encode(field::to_bytes(&api.status()?.state)))
        };
        let roots = Roots {
            sequencer: root(&self.sequencer.client()?)?,
            full_node: root(&self.node.client()?)?,
            auditor: audit["state_root"]
                .as_str()
                .context("the audit names no state root")?
                .to_owned(),
        };
        ensure!(
            roots.sequencer == roots.full_node && roots.full_node == roots.auditor,
            "the state roots differ: {roots:?}"
        );
        let status = self.api.status()?;
        let summaries = self.api.batches(Range {
            from: 1,
            limit: status.batch,
        })?;
        let anchor = self.last_anchor()?;
        let batch_prove_ms = median(self.batch_times()?);
        let (prove_ms, verify_ms) = self.transfer_times()?;
        let number = |key: &str| {
            audit[key]
                .as_u64()
                .with_context(|| format!("the audit has no {key}"))
        };
        let shape = BatchShape::B20x8;
        let memo = self.bob.memos().pop().context("Bob read no memo")?;
        Ok(Summary {
            chain_id: self.chain.params().chain_id().to_string(),
            txids: Txids {
                deposits,
                anchor_commit: anchor.commit,
                anchor_reveal: anchor.reveal,
                payout,
            },
            state_roots: roots,
            batches: status.batch,
            transfers: summaries.iter().map(|s| s.transfers).sum(),
            memo_read_by_bob: memo,
            balances: Balances {
                alice: self.alice.balance(),
                alice_restored,
                bob: self.bob.balance(),
                operator: self.operator.balance(),
                bob_on_bitcoin,
            },
            reserves: ReserveFigures {
                supply: number("supply")?,
                vault: number("vault")?,
                gap: number("gap")?,
            },
            transfer_constraints: TransferStatement::blank().r1cs().num_constraints(),
            batch_constraints_per_slot: BatchStatement::blank(shape).assignment().az.len() / shape.slots(),
            transfer_prove_ms: prove_ms,
            batch_prove_ms,
            verify_ms,
            bytes_per_transfer_on_l1: anchor.transfer_bytes,
            vbytes_per_transfer_on_l1: anchor.transfer_vbytes,
        })
    }

    /// Times of the wallets' proofs, and the median time to verify one of them.
    fn transfer_times(&self) -> anyhow::Result<(u64, f64)> {
        let log = self
            .prover
            .log
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let rules = tacit_verifier::Rules::load(self.chain.params().clone())?;
        let key = rules.transfer_key().context("no transfer key")?;
        let mut micros = Vec::new();
        for (_, inputs, bytes) in log.iter().cycle().take(15) {
            let proof = Proof::from_bytes(&bytes.0)?;
            let started = Instant::now();
            verify(key, inputs, &proof)?;
            micros.push(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        #[allow(
            clippy::cast_precision_loss,
            reason = "microseconds of a verification are few"
        )]
        let verify_ms = median(micros) as f64 / 1_000.0;
        Ok((
            median(log.iter().map(|(millis, ..)| *millis).collect()),
            verify_ms,
        ))
    }

    /// Times of the batch proofs, from the sequencer's structured log.
    fn batch_times(&self) -> anyhow::Result<Vec<u64>> {
        let text = std::fs::read_to_string(self.sequencer.log())?;
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let proved = lines.filter(|line| line["fields"]["message"] == "proved");
        Ok(proved
            .filter_map(|line| line["fields"]["millis"].as_u64())
            .collect())
    }

    /// The last anchor that carries a transfer without exit and memo, measured on Bitcoin.
    fn last_anchor(&self) -> anyhow::Result<Anchor> {
        let status = self.api.status()?;
        for number in (1..=status.anchored_batch).rev() {
            let Some(summary) = self
                .api
                .batches(Range {
                    from: number,
                    limit: 1,
                })?
                .into_iter()
                .next()
            else {
                continue;
            };
            let (Some(reveal), Some(anchored)) = (summary.reveal, summary.anchored) else {
                continue;
            };
            let client = self.chain.client();
            let tx = client
                .transaction(&reveal, Some(&anchored.block))?
                .context("the reveal is gone")?;
            let commit = tx.input[1].previous_output;
            let spent = bitcoin::TxOut {
                value: Bitcoins::ZERO,
                script_pubkey: ScriptBuf::new_p2tr_tweaked(
                    bitcoin::key::TweakedPublicKey::dangerous_assume_tweaked(
                        self.chain.params().genesis().anchor_key,
                    ),
                ),
            };
            let script = tapscript_of(&tx.input[1], &spent).context("the reveal has no tapscript")?;
            let body = envelope::read_envelope(script)?
                .context("the reveal has no envelope")?
                .into_body();
            let payload = Payload::decode(&body)?;
            let plain = payload
                .batches()
                .iter()
                .flat_map(|b| &b.transfers)
                .find(|t| t.body.exit.is_none() && t.body.memo.is_none());
            let Some(bytes) = plain.map(own_bytes) else {
                continue;
            };
            ensure!(payload.encode() == body, "the payload does not re-encode");
            let vbytes = virtual_bytes(bytes);
            return Ok(Anchor {
                commit: commit.txid.to_string(),
                reveal: reveal.to_string(),
                transfer_bytes: bytes,
                transfer_vbytes: vbytes,
            });
        }
        bail!("no anchor carries a transfer of {TRANSFER_BYTES} bytes")
    }
}

/// Bytes that a transfer takes in a batch.
fn own_bytes(transfer: &Transfer) -> usize {
    let mut bytes = Vec::new();
    transfer.encode_in_batch(0, &mut bytes);
    bytes.len()
}

/// Virtual bytes of `bytes` in an envelope: a full push of 255 bytes costs two bytes of length and half
/// an OP_2DROP, and four bytes of witness weigh one virtual byte.
#[allow(clippy::cast_precision_loss, reason = "a transfer has a few hundred bytes")]
fn virtual_bytes(bytes: usize) -> f64 {
    bytes as f64 * (255.0 + 2.5) / 255.0 / 4.0
}

/// An anchor as measured on Bitcoin.
struct Anchor {
    commit: String,
    reveal: String,
    transfer_bytes: usize,
    transfer_vbytes: f64,
}
