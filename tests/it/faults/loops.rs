//! A sequencer process that dies at every point of the money's path, again and again, and pays everybody once.
//!
//! Each round orders a withdrawal and sweeps a deposit, and the process is ended at one point after the other of
//! the anchor that orders it and of the vault transaction that pays it, by the process itself or by `kill -9`.
//! Some rounds let writes fail, rates rise, blocks be undone or bitcoind die as well. With a federation signers die
//! and come back at random, too. `TACIT_SOAK` makes both longer walks.

use anyhow::Context;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tacit_bridge::regtest::SoakReport;
use tacit_protocol::transfer::TransferId;
use tacit_wallet::Sent;
use tacit_wallet::api::{NodeApi, TransferStatus, WithdrawalQuery, WithdrawalState};

use crate::people::Person;
use crate::setting::{Choices, Setting};

/// Rounds; with `TACIT_SOAK` in the environment, those of the long walk.
const ROUNDS: u32 = 4;
const SOAK_ROUNDS: u32 = 24;
/// The same with a federation.
const SIGNED_ROUNDS: u32 = 1;
const SOAK_SIGNED_ROUNDS: u32 = 12;
/// Signatures that it takes, and signers.
const FEDERATION: (u16, usize) = (2, 3);
const SEED: u64 = 0x7ac1_7001;

/// What is deposited and withdrawn in a round.
const DEPOSIT: u64 = 60_000;
const WITHDRAWAL: u64 = 50_000;

/// Points of an anchor and of a vault transaction at which the process ends, in the order of its way.
const ANCHOR: [&str; 4] = [
    "before-anchor-intent",
    "after-journal",
    "after-commit",
    "after-reveal",
];
const VAULT: [&str; 5] = [
    "before-vault-intent",
    "after-vault-planned",
    "before-vault-update",
    "after-vault-signed",
    "after-vault-sent",
];
/// Writes that go wrong without ending the process.
const ANCHOR_WRITES: [&str; 4] = [
    "fail-anchor-intent",
    "torn-anchor-intent",
    "fail-anchor-update",
    "torn-anchor-update",
];
const VAULT_WRITES: [&str; 4] = [
    "fail-vault-intent",
    "torn-vault-intent",
    "fail-vault-update",
    "torn-vault-update",
];
/// Points of a vault transaction that is replaced.
const BUMP: [&str; 3] = ["after-vault-planned", "after-vault-signed", "after-vault-sent"];

/// Rates in satoshi per virtual byte: the usual one, and the one that transactions are replaced for.
const RATE: u32 = 4;
const HIGH: u32 = 16;
/// The name of a signer's end in reports.
const SIGNER: &str = "signer killed";

struct Walk {
    setting: Setting,
    alice: Person,
    rng: StdRng,
    report: SoakReport,
}

impl Walk {
    fn new(name: &str, federation: Option<(u16, usize)>) -> anyhow::Result<Self> {
        let setting = Setting::new(Choices {
            proxied: true,
            federation,
            ..Choices::default()
        })?;
        let mut alice = Person::new(&setting.ground, "alice")?;
        alice.deposit(&setting, 1_000_000)?;
        let report = SoakReport {
            name: name.to_owned(),
            ..SoakReport::default()
        };
        let rng = StdRng::seed_from_u64(SEED);
        let walk = Self {
            setting,
            alice,
            rng,
            report,
        };
        walk.setting.set_rate(RATE)?;
        Ok(walk)
    }

    fn hit(&mut self, fault: &str) {
        *self.report.faults.entry(fault.to_owned()).or_default() += 1;
    }

    /// Ends the process as `kill -9` does and starts it anew without faults.
    fn heal(&mut self) -> anyhow::Result<()> {
        self.setting.sequencer.kill();
        self.setting.restart_sequencer(None)
    }

    /// Starts the process to end at this point, and mines until it did or until there is nothing left to end.
    fn strike(&mut self, point: &str, done: &dyn Fn(&Setting) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        self.report.iterations += 1;
        self.trouble_signers()?;
        if self.setting.strike(point, done)? {
            self.hit(point);
        }
        Ok(())
    }

    /// Ends a signer at random and brings back the one that was dead: enough of them run whenever they are asked.
    fn trouble_signers(&mut self) -> anyhow::Result<()> {
        let running: Vec<usize> = self.setting.signers.keys().copied().collect();
        let Some(victim) = running.choose(&mut self.rng) else {
            return Ok(());
        };
        self.setting.kill_signer(*victim);
        self.hit(SIGNER);
        match (0..FEDERATION.1).find(|number| !running.contains(number)) {
            Some(dead) => self.setting.start_signer(dead),
            None => Ok(()),
        }
    }

    /// The same with a write that goes wrong, which the process survives: the log tells.
    fn fail_write(
        &mut self,
        point: &str,
        done: &dyn Fn(&Setting) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let failures = |setting: &Setting| -> anyhow::Result<usize> {
            let log = std::fs::read_to_string(setting.sequencer.log())?;
            Ok(log.matches("a write fails, as the configuration").count())
        };
        self.report.iterations += 1;
        self.trouble_signers()?;
        let before = failures(&self.setting)?;
        self.setting.sequencer.kill();
        self.setting.restart_sequencer(Some(point))?;
        self.setting.until("what a write failed for", || {
            if done(&self.setting)? {
                return Ok(Some(()));
            }
            self.setting.mine(1)?;
            std::thread::sleep(self.setting.pace());
            Ok(None)
        })?;
        if failures(&self.setting)? > before {
            self.hit(point);
        }
        Ok(())
    }

    /// A deposit that waits to be swept, and a withdrawal that waits to be anchored.
    fn order(&mut self) -> anyhow::Result<Sent> {
        self.alice.pay_deposit(&self.setting, DEPOSIT)?;
        self.setting.mine(1)?;
        self.alice.register(&self.setting)?;
        let (sent, _) = self.alice.withdraw(&self.setting, WITHDRAWAL)?;
        Ok(sent)
    }

    fn round(&mut self, number: u32) -> anyhow::Result<()> {
        let sent = self.order()?.txid;
        let anchored = move |setting: &Setting| is_anchored(setting, sent);
        let paid = move |setting: &Setting| Ok(setting.payout(sent)?.is_some());
        if number % 4 == 2 {
            let point = *ANCHOR_WRITES.choose(&mut self.rng).context("there are points")?;
            self.fail_write(point, &anchored)?;
            let point = *VAULT_WRITES.choose(&mut self.rng).context("there are points")?;
            self.fail_write(point, &paid)?;
        } else {
            for point in ANCHOR {
                self.strike(point, &anchored)?;
            }
            for point in VAULT {
                self.strike(point, &paid)?;
            }
        }
        if number % 4 == 1 {
            self.bump(&paid)?;
        }
        // Nodes of signers do not come back by themselves to a bitcoind that was away.
        if number % 4 == 3 && self.setting.signers.is_empty() {
            self.lose_mempool()?;
        }
        if number.is_multiple_of(2) {
            self.undo_a_block()?;
        }
        self.heal()?;
        self.setting
            .mine_until("the payout", || self.setting.payout(sent))?;
        let waited = blocks_to_payout(&self.setting, sent)?;
        self.report.blocks_to_payout.push(waited);
        Ok(())
    }

    /// Rates rise while a vault transaction waits, and the process ends while it makes another version.
    fn bump(&mut self, paid: &dyn Fn(&Setting) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        for _ in 0..4 {
            self.setting.chain().faucet.mine_only(&[])?;
        }
        self.setting.set_rate(HIGH)?;
        let point = BUMP[self.rng.gen_range(0..BUMP.len())];
        self.strike(point, paid)?;
        self.setting.set_rate(RATE)
    }

    /// bitcoind ends and has forgotten its mempool when it comes back.
    fn lose_mempool(&mut self) -> anyhow::Result<()> {
        self.setting.sequencer.kill();
        let chain = &mut self.setting.ground.chain;
        chain.bitcoind.stop()?;
        std::fs::remove_file(chain.bitcoind.datadir().join("regtest/mempool.dat"))?;
        chain.bitcoind.start_again()?;
        chain.faucet.set_client(chain.bitcoind.client());
        let proxy = self.setting.proxy.as_ref().context("the setting has a proxy")?;
        proxy.stand_before(&self.setting.ground.chain.bitcoind);
        self.hit("mempool lost");
        Ok(())
    }

    /// The last block is undone while the process is dead.
    fn undo_a_block(&mut self) -> anyhow::Result<()> {
        self.setting.sequencer.kill();
        self.setting.mine(1)?;
        self.setting.chain().faucet.reorganise(1)?;
        self.hit("block undone");
        Ok(())
    }
}

fn is_anchored(setting: &Setting, txid: TransferId) -> anyhow::Result<bool> {
    // While the sequencer is dead nobody knows of a transfer that is in no block.
    let status = setting.api.transfer_status(txid);
    Ok(matches!(
        status,
        Ok(TransferStatus::Batched {
            anchored: Some(_),
            ..
        })
    ))
}

fn blocks_to_payout(setting: &Setting, txid: TransferId) -> anyhow::Result<u32> {
    let status = setting.api.transfer_status(txid)?;
    let TransferStatus::Batched {
        anchored: Some(anchored),
        ..
    } = status
    else {
        anyhow::bail!("it was paid and is {status:?}")
    };
    let found = setting.api.withdrawal_status(WithdrawalQuery::Txid(txid))?;
    let WithdrawalState::Paid { height, .. } = found.status else {
        anyhow::bail!("it was paid and is {found:?}")
    };
    let height = height.context("a payout is in a block")?;
    Ok(height.saturating_sub(anchored.height))
}

/// Rounds of the walk, short or long.
fn rounds(short: u32, long: u32) -> u32 {
    if SoakReport::is_soak() { long } else { short }
}

/// Walks, counts the money, and publishes what became of it.
fn run(walk: &mut Walk, rounds: u32) -> anyhow::Result<SoakReport> {
    println!("seed {SEED:#x}");
    for number in 0..rounds {
        walk.round(number)?;
    }
    let swept = usize::try_from(rounds + 1)?;
    walk.setting.mine_until("every credit", || {
        let report = walk.setting.ground.audit()?;
        let credited: usize = report.batches.iter().map(|batch| batch.deposits.len()).sum();
        Ok((credited == swept).then_some(()))
    })?;
    let (report, counted) = walk.setting.count()?;
    let mut summary = walk.report.clone();
    summary.payouts = u32::try_from(counted.paid)?;
    summary.sweeps = u32::try_from(counted.swept)?;
    summary.vault_txs = u32::try_from(counted.vault_txs)?;
    // The five checks would have failed upon either.
    summary.doubles = 0;
    summary.lost = u32::try_from(counted.ordered - counted.paid)?;
    summary.publish()?;
    assert_eq!((summary.payouts, summary.lost), (rounds, 0));
    assert_eq!(counted.credited, swept, "each deposit was credited once");
    assert!(!report.has_invalid_anchor(), "{:?}", report.ignored);
    let signers = summary.faults.get(SIGNER).copied().unwrap_or_default();
    assert!(
        summary.struck() - signers >= summary.iterations / 2,
        "most points are reached: {summary}"
    );
    Ok(summary)
}

#[test]
fn a_sequencer_killed_at_every_point_again_and_again_pays_everybody_once() -> anyhow::Result<()> {
    let mut walk = Walk::new("process", None)?;
    let summary = run(&mut walk, rounds(ROUNDS, SOAK_ROUNDS))?;
    for point in ANCHOR.iter().chain(&VAULT) {
        assert!(
            summary.faults.contains_key(*point),
            "{point} was never reached: {summary}"
        );
    }
    Ok(())
}

#[test]
fn a_sequencer_and_signers_killed_at_random_again_and_again_pay_everybody_once() -> anyhow::Result<()> {
    let mut walk = Walk::new("federation", Some(FEDERATION))?;
    let summary = run(&mut walk, rounds(SIGNED_ROUNDS, SOAK_SIGNED_ROUNDS))?;
    for point in VAULT.iter().chain(&[SIGNER]) {
        assert!(
            summary.faults.contains_key(*point),
            "{point} was never reached: {summary}"
        );
    }
    // Who was dead comes back, and knows what the others know.
    for number in 0..FEDERATION.1 {
        if !walk.setting.signers.contains_key(&number) {
            walk.setting.start_signer(number)?;
        }
    }
    walk.setting.agree()?;
    Ok(())
}
