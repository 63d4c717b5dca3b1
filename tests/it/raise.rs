//! Miners have become too dear for a withdrawal: it is held, its owner raises its limit by the command
//! line, and once the raise is deep enough signers sign its payout, once.

use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};
use bitcoin::Amount as Bitcoins;
use serde_json::Value;
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::Amount;
use tacit_wallet::api::{NodeApi, WithdrawalQuery, WithdrawalState, WithdrawalStatus};

use crate::people::Person;
use crate::setting::{Choices, Setting, binary};

const DEPOSIT: u64 = 1_000_000;
const WITHDRAWAL: u64 = 300_000;
/// Below the share of a payout at the rate of a bitcoind that has no estimate, 10 sat/vB.
const LIMIT: u64 = 300;
const RAISED: u64 = 2_000;
/// Depth at which a raise counts.
const DEPTH: u32 = 2;

/// Runs `tacit wallet` on a file that no program has open.
fn wallet(setting: &Setting, name: &str, args: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(binary()?);
    command.args(["wallet", "--json", "--node", setting.node.url(), "--chain"]);
    command.arg(setting.chain().chain_file()).arg("--file");
    command.arg(setting.ground.dir().join(format!("{name}.wallet")));
    Ok(command.args(args).env("TACIT_PASSPHRASE", "test").output()?)
}

/// What it answered.
fn answer(setting: &Setting, name: &str, args: &[&str]) -> anyhow::Result<Value> {
    let output = wallet(setting, name, args)?;
    ensure!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What it refused with.
fn refusal(setting: &Setting, name: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = wallet(setting, name, args)?;
    ensure!(!output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stderr)?)
}

#[test]
fn a_withdrawal_held_for_its_limit_is_raised_and_paid_once() -> anyhow::Result<()> {
    let setting = Setting::new(Choices {
        depth: u16::try_from(DEPTH)?,
        federation: Some((2, 3)),
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, DEPOSIT)?;
    let (sent, script) = alice.withdraw_within(&setting, WITHDRAWAL, Some(LIMIT))?;
    let status = || Ok::<_, anyhow::Error>(setting.desk.withdrawal_status(WithdrawalQuery::Txid(sent.txid))?);
    let share = held(&setting, &status)?;
    assert!(share > LIMIT && share <= RAISED, "{share}");

    // The words alone are enough to raise it.
    drop(alice.restored(&setting.ground, "again")?);
    let posting = alice.wallet.posting_address().script_pubkey();
    let id = sent.txid.to_string();
    let raise = ["raise-fee", id.as_str(), "2000", "--fee-rate", "2"];
    let unfunded = refusal(&setting, "again", &raise)?;
    assert!(
        unfunded.contains(&alice.wallet.posting_address().to_string()),
        "{unfunded}"
    );
    setting.chain().faucet.pay(&posting, Bitcoins::from_sat(20_000))?;
    setting.mine(1)?;
    setting.settle()?;
    let told = answer(&setting, "again", &raise)?;
    assert_eq!(
        (&told["before"], &told["maxL1Fee"]),
        (&LIMIT.into(), &RAISED.into())
    );
    let again = answer(&setting, "again", &raise)?;
    assert_eq!(again, told, "asking again posts the same");

    setting.mine(1)?;
    setting.settle()?;
    let counts_at = pending(&setting, &status()?)?;
    let early = refusal(&setting, "again", &["raise-fee", &id, "3000"])?;
    assert!(
        early.contains(&format!("in force from block {counts_at} on")),
        "{early}"
    );
    for _ in 1..DEPTH {
        setting.mine(1)?;
        setting.settle()?;
        let waiting = status()?;
        assert!(
            matches!(waiting.status, WithdrawalState::Held { .. }),
            "{waiting:?}"
        );
    }
    let (outpoint, paid) = setting.mine_until("the payout", || setting.payout(sent.txid))?;
    let status = status()?;
    assert_eq!(
        (status.max_l1_fee, status.raise),
        (Amount::from_sat(RAISED)?, None)
    );
    let WithdrawalState::Paid { height, .. } = status.status else {
        bail!("paid: {status:?}")
    };
    assert!(height > Some(counts_at), "{status:?}");
    assert!(WITHDRAWAL - paid > LIMIT && WITHDRAWAL - paid <= RAISED, "{paid}");
    let late = refusal(&setting, "again", &["raise-fee", "0", "3000"])?;
    assert!(late.contains("paid already"), "{late}");

    setting.agree()?;
    let found = setting.chain().client().scan(&[script])?.outputs;
    assert_eq!(found.len(), 1, "it is paid once");
    assert_eq!(found[0].outpoint, outpoint);
    Ok(())
}

/// Waits until the withdrawal is held, and mines on: time alone does not pay it. Returns its share.
fn held(setting: &Setting, status: &dyn Fn() -> anyhow::Result<WithdrawalStatus>) -> anyhow::Result<u64> {
    let share = setting.mine_until("a withdrawal that is held", || match status() {
        Ok(WithdrawalStatus {
            status: WithdrawalState::Held { share },
            ..
        }) => {
            let independent = setting.api.withdrawal_status(WithdrawalQuery::Index(0));
            assert!(independent.is_ok(), "its batch is on Bitcoin: {independent:?}");
            Ok(Some(share.to_sat()))
        }
        Ok(_) | Err(_) => Ok(None),
    })?;
    setting.mine(3)?;
    setting.settle()?;
    assert!(matches!(status()?.status, WithdrawalState::Held { .. }));
    let reason = setting.mine_until("the reason", || {
        let queue = setting.desk.bridge_status()?.queue;
        Ok(queue.into_iter().next().map(|queued| queued.reason))
    })?;
    assert!(reason.contains("above its limit of"), "{reason}");
    Ok(share)
}

/// What all say of a raise that is not deep yet; the height from which on it counts.
fn pending(setting: &Setting, status: &WithdrawalStatus) -> anyhow::Result<u32> {
    assert_eq!(status.max_l1_fee.to_sat(), LIMIT, "the old limit is in force");
    let raise = status.raise.context("a raise")?;
    let height = setting.chain().client().chain_info()?.height;
    assert_eq!(
        (raise.max_l1_fee.to_sat(), raise.height, raise.counts_at),
        (RAISED, height, height + DEPTH)
    );
    assert!(matches!(status.status, WithdrawalState::Held { .. }));
    let told = answer(setting, "again", &["withdrawal", "0"])?;
    assert_eq!(told["raise"]["countsAt"], raise.counts_at);
    let independent = setting.api.withdrawal_status(WithdrawalQuery::Index(0))?;
    assert_eq!(independent.raise, Some(raise), "the full node says the same");
    Ok(raise.counts_at)
}
