//! Signers as processes: payouts go on while some are dead, paused or restarted, and none of them signs
//! what it does not see on Bitcoin, whatever the coordinator says.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, ensure};
use bitcoin::{OutPoint, ScriptBuf};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::proposal::Proposal;
use tacit_bridge::vault::{VaultRates, VaultSnapshot};
use tacit_federation::message::{Answer, Request};
use tacit_federation::session::{Session, Todo};
use tacit_node::commands::audit::OVERDUE_BLOCKS;
use tacit_node::federation::coordinator::{Ask, Network, inputs_of};
use tacit_node::federation::secrets::load_identity;
use tacit_node::local::federation::LocalFederation;
use tacit_protocol::encoding::Encode;
use tacit_protocol::peg::vault::{DepositCoin, Selection, UnsignedVaultTx};
use tacit_protocol::peg::{Coin, ExitScript, FeeRate, VaultTip, WithdrawalView};
use tacit_protocol::transfer::TransferId;
use tacit_protocol::{Amount, F};
use tacit_wallet::api::{NodeApi, WithdrawalQuery, WithdrawalState};

use crate::people::Person;
use crate::setting::{Choices, Setting, binary};

/// Highest rate that signers of a local deployment sign: 200 sat/vB.
const CEILING: u32 = 50_000;

fn federation(setting: &Setting) -> anyhow::Result<&LocalFederation> {
    let federation = setting.chain().federation.as_ref();
    federation.context("the setting has a federation")
}

/// Runs `tacit federation …` with the configuration of a member.
pub(crate) fn command(setting: &Setting, member: usize, action: &[&str]) -> anyhow::Result<(bool, String)> {
    let member = &federation(setting)?.members[member];
    let output = Command::new(binary()?)
        .arg("federation")
        .args(action)
        .args(["--config", "signer.toml"])
        .current_dir(member.dir())
        .output()?;
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

/// A program that answers every other connection with bytes that mean nothing, and the others never.
struct Noise {
    address: SocketAddr,
    heard: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Noise {
    fn at(address: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (heard, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopping) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut silent = Vec::new();
            for mut stream in listener.incoming().flatten() {
                if stopping.load(Ordering::Relaxed) {
                    return;
                }
                if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                    // Whoever hangs up has heard enough.
                    let _sent = stream.write_all(&[0xfe; 4_096]);
                } else {
                    silent.push(stream);
                }
            }
        });
        Ok(Self {
            address,
            heard,
            stop,
            thread: Some(thread),
        })
    }

    /// How many connections came.
    fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the listener up; if nobody listens it has ended.
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

pub(crate) fn paid(setting: &Setting, person: &mut Person, sats: u64) -> anyhow::Result<ScriptBuf> {
    let (sent, script) = person.withdraw(setting, sats)?;
    setting.mine_until("a payout", || setting.payout(sent.txid))?;
    Ok(script)
}

#[test]
fn a_federation_pays_while_a_signer_is_dead_and_another_paused() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        federation: Some((2, 4)),
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, 1_000_000)?;
    let mut scripts = vec![paid(&setting, &mut alice, 100_000)?];

    setting.kill_signer(0);
    let (done, _) = command(&setting, 1, &["pause", "--reason", "moving house"])?;
    assert!(done, "it can be paused while it runs");
    // Something else has taken the dead one's place and talks nonsense.
    let noise = Noise::at(&federation(&setting)?.federation().members()[0].address)?;
    scripts.push(paid(&setting, &mut alice, 100_000)?);
    assert!(noise.heard() > 0, "it was asked");
    drop(noise);
    let (enough, rows) = command(&setting, 2, &["status"])?;
    assert!(enough, "two are ready and two are needed: {rows}");
    for words in ["unreachable", "moving house", "2 ready, 2 needed"] {
        assert!(rows.contains(words), "{words}: {rows}");
    }

    // One honest signer is too few: the payout waits, and the reason names everybody else.
    setting.kill_signer(2);
    let (sent, script) = alice.withdraw(&setting, 100_000)?;
    scripts.push(script);
    let waiting = setting.mine_until("a payout that nobody signs", || {
        let bridge = setting.desk.bridge_status()?;
        Ok((bridge.vault.state == "unsigned").then_some(bridge))
    })?;
    let reason = waiting.vault.reason.context("a reason")?;
    for words in [
        "Ada did not answer",
        "Boris refused: paused",
        "Chioma did not answer",
    ] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    let (enough, _) = command(&setting, 3, &["status", "--json"])?;
    assert!(!enough, "one is ready and two are needed");
    assert_eq!(setting.payout(sent.txid)?, None);
    // After a day the auditor names it.
    assert_eq!(setting.ground.audit()?.overdue, Vec::new());
    setting.mine(OVERDUE_BLOCKS + 1)?;
    let report = setting.ground.audit()?;
    let named: Vec<_> = report
        .overdue
        .iter()
        .map(|o| (o.kind, o.what.contains(&sent.txid.to_string())))
        .collect();
    assert_eq!(named, [("withdrawal", true)], "{:?}", report.overdue);

    let (resumed, _) = command(&setting, 1, &["resume"])?;
    assert!(resumed);
    setting.mine_until("the payout that waited", || setting.payout(sent.txid))?;
    setting.start_signer(0)?;
    setting.start_signer(2)?;
    scripts.push(paid(&setting, &mut alice, 100_000)?);
    setting.agree()?;
    let found = setting.chain().client().scan(&scripts)?;
    assert_eq!(found.outputs.len(), scripts.len(), "each withdrawal is paid once");
    Ok(())
}

/// Somebody with the coordinator's identity and no scruples.
struct Coordinator<'a> {
    setting: &'a Setting,
    network: Network,
    snapshot: VaultSnapshot,
    coins: Vec<Coin>,
    change: ScriptBuf,
}

impl<'a> Coordinator<'a> {
    fn new(setting: &'a Setting, withdrawals: &[TransferId]) -> anyhow::Result<Self> {
        let local = federation(setting)?;
        let network = Network {
            own: Arc::new(load_identity(&local.identity_file)?),
            context: *local.federation().context(),
            patience: Duration::from_secs(30),
        };
        let supply = setting.api.supply()?;
        let tip = VaultTip {
            outpoint: supply.vault,
            amount: supply.vault_amount,
        };
        let mut views = Vec::new();
        for id in withdrawals {
            let found = setting.api.withdrawal_status(WithdrawalQuery::Txid(*id))?;
            ensure!(matches!(found.status, WithdrawalState::Eligible), "{found:?}");
            let view = WithdrawalView {
                amount: found.amount,
                script: ExitScript::new(found.script)?,
                max_l1_fee: found.max_l1_fee,
                deep: true,
                paid: false,
            };
            views.push((found.index, view));
        }
        let change = SigningKey::load(&setting.ground.dir().join("operator.key"))?.output_script();
        let client = setting.chain().client();
        let height = client.chain_info()?.height;
        let coins = client.scan(std::slice::from_ref(&change))?.outputs;
        let coins = coins.into_iter().map(|found| Coin {
            outpoint: found.outpoint,
            txout: found.txout,
        });
        let vault = setting.chain().params().genesis().vault_keys();
        Ok(Self {
            setting,
            network,
            snapshot: VaultSnapshot::new(height, tip, vault, Vec::new(), views),
            coins: coins.collect(),
            change,
        })
    }

    fn withdrawals(&self) -> Vec<(u64, WithdrawalView)> {
        self.snapshot.withdrawals().to_vec()
    }

    fn propose(
        &self,
        snapshot: &VaultSnapshot,
        deposits: Vec<DepositCoin>,
        withdrawals: Vec<(u64, WithdrawalView)>,
        rate: u32,
    ) -> anyhow::Result<(Proposal, UnsignedVaultTx)> {
        let selection = Selection {
            deposits,
            withdrawals,
            held: Vec::new(),
        };
        let rates = VaultRates {
            shares: FeeRate::from_sat_per_kwu(1_000),
            whole: FeeRate::from_sat_per_kwu(rate),
        };
        Ok(Proposal::plan(
            snapshot,
            &selection,
            &self.coins,
            rates,
            &self.change,
            false,
        )?)
    }

    fn ask(&self, member: usize, request: &Request) -> anyhow::Result<Answer> {
        let member = &federation(self.setting)?.federation().members()[member];
        Ok(self.network.ask(member, request)?)
    }

    /// Every signer's code of refusal; they must agree.
    fn refusal(&self, proposal: &Proposal) -> anyhow::Result<(u16, bool, String)> {
        let request = Request::Commit {
            proposal: proposal.encode(),
        };
        let mut codes = Vec::new();
        for member in 0..federation(self.setting)?.members.len() {
            let answer = self.ask(member, &request)?;
            let Answer::Refused {
                code,
                permanent,
                reason,
            } = answer
            else {
                anyhow::bail!("member {member} agreed: {answer:?}")
            };
            codes.push((code, permanent, reason));
        }
        ensure!(codes.windows(2).all(|pair| pair[0].0 == pair[1].0), "{codes:?}");
        codes.pop().context("there are members")
    }
}

#[test]
fn signers_refuse_every_lie_of_a_coordinator_and_sign_the_truth() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        federation: Some((2, 3)),
        // Long enough for both withdrawals to stand in one batch.
        seal_after_ms: 3_000,
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    for _ in 0..2 {
        alice.deposit(&setting, 1_000_000)?;
    }
    // Two withdrawals become eligible while the honest coordinator is not there to have them paid.
    let mut ids = Vec::new();
    let mut scripts = Vec::new();
    for _ in 0..2 {
        let (sent, script) = alice.withdraw(&setting, 200_000)?;
        ids.push(sent.txid);
        scripts.push(script);
    }
    setting.until("a proven anchor", || {
        let waiting = setting.chain().client().mempool_info()?.count;
        Ok((waiting >= 2 && setting.desk.status()?.pending_batches == 1).then_some(()))
    })?;
    setting.sequencer.kill();
    let deposit = alice.pay_deposit(&setting, 300_000)?;
    setting.mine(2)?;
    setting.settle_one("the full node", &setting.api)?;
    setting.settle_signers()?;

    let liar = Coordinator::new(&setting, &ids)?;
    lies(&liar, deposit)?;
    round(&mut setting, &ids)?;

    setting.restart_sequencer(None)?;
    for id in ids {
        setting.mine_until("the payouts", || setting.payout(id))?;
    }
    setting.agree()?;
    let found = setting.chain().client().scan(&scripts)?;
    assert_eq!(found.outputs.len(), scripts.len(), "each withdrawal is paid once");
    Ok(())
}

/// Each lie with the code of its refusal, and whether it is refused for good.
fn lies(liar: &Coordinator<'_>, deposit: OutPoint) -> anyhow::Result<()> {
    let (owed, snapshot) = (liar.withdrawals(), &liar.snapshot);
    let usual = 1_000;
    let mut told = Vec::new();
    let mut tell = |what: &'static str, code: u16, for_good: bool, lie: Proposal| {
        told.push((what, code, for_good, lie));
    };

    let mut altered = owed.clone();
    altered[1].1.script =
        ExitScript::new(SigningKey::from_bytes(&[9; 32]).context("a key")?.output_script())?;
    let (lie, _) = liar.propose(snapshot, Vec::new(), altered, usual)?;
    tell("another payee", 14, true, lie.clone());
    tell("another payee, again", 17, true, lie);
    let mut altered = owed.clone();
    altered[0].1.amount = Amount::from_sat(owed[0].1.amount.to_sat() + 1)?;
    tell(
        "a satoshi more",
        14,
        true,
        liar.propose(snapshot, Vec::new(), altered, usual)?.0,
    );
    let (lie, _) = liar.propose(snapshot, Vec::new(), owed[1..].to_vec(), usual)?;
    tell("an earlier one left out", 11, false, lie);
    let mut unknown = owed.clone();
    unknown.push((owed[1].0 + 9, owed[1].1.clone()));
    tell(
        "a withdrawal of nobody",
        10,
        false,
        liar.propose(snapshot, Vec::new(), unknown, usual)?.0,
    );
    let (lie, _) = liar.propose(snapshot, Vec::new(), owed.clone(), CEILING + 1)?;
    tell("an excessive fee", 12, false, lie);

    let elsewhere = VaultTip {
        outpoint: liar.coins[0].outpoint,
        amount: liar.setting.api.supply()?.vault_amount,
    };
    let vault = snapshot.vault().clone();
    let moved = VaultSnapshot::new(snapshot.height(), elsewhere, vault, Vec::new(), owed.clone());
    tell(
        "another tip",
        7,
        false,
        liar.propose(&moved, Vec::new(), owed.clone(), usual)?.0,
    );

    let genesis = liar.setting.chain().params().genesis();
    let terms = genesis.deposit_terms(
        genesis.federation_key,
        F::from(7u64),
        SigningKey::from_bytes(&[8; 32]).context("a key")?.public_key(),
    );
    let coin = |outpoint| DepositCoin {
        outpoint,
        amount: Amount::from_sat(300_000).expect("a small amount"),
        terms,
    };
    let (lie, _) = liar.propose(snapshot, vec![coin(deposit)], owed.clone(), usual)?;
    tell("a deposit bound to another note", 8, true, lie);
    let nothing = OutPoint { vout: 99, ..deposit };
    tell(
        "a deposit that is not there",
        9,
        false,
        liar.propose(snapshot, vec![coin(nothing)], owed.clone(), usual)?
            .0,
    );

    for (what, code, for_good, lie) in told {
        let found = liar.refusal(&lie)?;
        assert_eq!((found.0, found.1), (code, for_good), "{what}: {}", found.2);
    }
    let (honest, _) = liar.propose(snapshot, Vec::new(), owed, usual)?;
    let stranger = Network {
        own: Arc::new(load_identity(
            &federation(liar.setting)?.members[0].dir().join("identity"),
        )?),
        ..Network {
            own: Arc::clone(&liar.network.own),
            context: liar.network.context,
            patience: liar.network.patience,
        }
    };
    let request = Request::Commit {
        proposal: honest.encode(),
    };
    let member = &federation(liar.setting)?.federation().members()[1];
    let answer = stranger.ask(member, &request)?;
    assert!(
        matches!(answer, Answer::Refused { code: 18, .. }),
        "members are no coordinators: {answer:?}"
    );
    Ok(())
}

/// The truth is signed; a signer that restarts in the middle of a round has lost its nonces and says so.
fn round(setting: &mut Setting, ids: &[TransferId]) -> anyhow::Result<()> {
    let (request, packages) = {
        let coordinator = Coordinator::new(setting, ids)?;
        let owed = coordinator.withdrawals();
        let (proposal, tx) = coordinator.propose(&coordinator.snapshot, Vec::new(), owed, 1_000)?;
        let group = federation(setting)?.group().clone();
        let mut session = Session::new(
            group.clone(),
            inputs_of(&tx, &group.internal_key()).into_values().collect(),
            BTreeMap::new(),
        );
        let proposal = proposal.encode();
        let request = Request::Commit {
            proposal: proposal.clone(),
        };
        for member in 0..2 {
            let Todo::Commit { step, .. } = session.todo() else {
                anyhow::bail!("two answers are needed")
            };
            let id = federation(setting)?.federation().members()[member].id;
            let Answer::Commitments(parts) = coordinator.ask(member, &request)? else {
                anyhow::bail!("an honest proposal is signed")
            };
            session.committed(step, id, Ok(parts));
        }
        let Todo::Sign { packages, .. } = session.todo() else {
            anyhow::bail!("two answers are enough")
        };
        (proposal, packages)
    };
    setting.kill_signer(0);
    setting.start_signer(0)?;
    let coordinator = Coordinator::new(setting, ids)?;
    let sign = Request::Sign {
        proposal: request,
        packages,
    };
    let forgot = coordinator.ask(0, &sign)?;
    assert!(
        matches!(&forgot, Answer::Refused { code: 18, reason, .. } if reason.contains("nonces")),
        "{forgot:?}"
    );
    let share = coordinator.ask(1, &sign)?;
    assert!(
        matches!(&share, Answer::Shares(shares) if shares.len() == 1),
        "{share:?}"
    );
    assert_eq!(
        coordinator.ask(1, &sign)?,
        share,
        "the same request gets the same answer"
    );
    Ok(())
}
