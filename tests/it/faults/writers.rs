//! Two sequencers with one key by mistake, one of them from an old backup: Bitcoin lets one win, the other one
//! halts, says why, and keeps its promises once it is alone.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use tacit_bridge::client::BitcoinClient;
use tacit_node::rpc::client::RpcClient;
use tacit_wallet::api::{ApiError, NodeApi, SyncState};

use crate::people::Person;
use crate::setting::{Choices, Setting};

/// Copies the folder of a process that does not run.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(from, to)?;
        }
    }
    Ok(())
}

/// Why a sequencer acts no more.
fn halted(client: &RpcClient) -> anyhow::Result<Option<String>> {
    Ok(match client.status()?.sync {
        SyncState::Halted { reason } => Some(reason),
        SyncState::Syncing { .. } | SyncState::Synced | SyncState::Paused { .. } => None,
    })
}

#[test]
fn of_two_sequencers_with_one_key_one_wins_and_the_other_halts_and_says_why() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices::default())?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    let dir = setting.chain().dir().to_owned();
    setting.sequencer.kill();
    copy(&dir.join("sequencer"), &dir.join("backup"))?;
    setting.restart_sequencer(None)?;
    // The backup is older than what follows.
    bob.deposit(&setting, 500_000)?;

    let config = setting.chain().config("backup", None)?;
    let mut twin = setting.chain().start("backup", &config)?;
    let other = twin.client()?;
    setting.settle_one("the sequencer from the backup", &other)?;
    assert_eq!(
        other.status()?.batch,
        setting.desk.status()?.batch,
        "it caught up"
    );

    let stale = alice.draft(&setting, &Person::payment_to(&mut bob, 10_000)?)?;
    // Each gets something to do that the other one does not hear of.
    let (withdrawn, script) = alice.withdraw(&setting, 100_000)?;
    let payment = Person::payment_to(&mut alice, 70_000)?;
    bob.sync(&setting.api)?;
    let paid = bob.send_through(&setting, &other, &payment)?;
    for (name, client) in [("the sequencer", &setting.desk), ("its twin", &other)] {
        setting.until(&format!("a batch sealed by {name}"), || {
            Ok((client.status()?.pending_batches == 1).then_some(()))
        })?;
    }
    setting.until("an anchor", || {
        Ok((setting.chain().client().mempool_info()?.count >= 2).then_some(()))
    })?;
    setting.mine(1)?;
    let (reason, twin_lost) = setting.until("one of the two to halt", || {
        let (ours, theirs) = (halted(&setting.desk)?, halted(&other)?);
        ensure!(
            ours.is_none() || theirs.is_none(),
            "both halt: {ours:?}, {theirs:?}"
        );
        Ok(theirs
            .map(|reason| (reason, true))
            .or(ours.map(|reason| (reason, false))))
    })?;
    assert!(reason.contains("another writer anchored batch 3"), "{reason}");
    assert!(
        reason.contains("only one sequencer runs"),
        "it says what to do: {reason}"
    );
    let (loser, winner) = if twin_lost {
        (&other, &setting.desk)
    } else {
        (&setting.desk, &other)
    };
    let refused = loser.submit_transfer(&stale);
    assert!(matches!(refused, Err(ApiError::Halted { .. })), "{refused:?}");
    assert_eq!(halted(winner)?, None, "the winner goes on");

    // With the winner gone there is somebody to pay, and who has halted leaves the vault alone.
    let vault = setting.api.supply()?.vault;
    if twin_lost {
        setting.sequencer.kill();
    } else {
        twin.kill();
    }
    for _ in 0..4 {
        setting.mine(1)?;
        let best = setting.chain().client().chain_info()?.best;
        setting.until("the loser at the tip", || {
            Ok((loser.status()?.bitcoin_hash == best).then_some(()))
        })?;
    }
    let report = setting.ground.audit()?;
    assert_eq!(report.reserves.unpaid > 0, twin_lost, "{report:?}");
    assert_eq!(setting.chain().client().mempool_spender(&vault)?, None);
    assert!(
        setting.chain().client().unspent(&vault, false)?.is_some(),
        "the vault did not move"
    );

    // Alone and acknowledged, the loser keeps what it had promised.
    setting.sequencer.kill();
    twin.kill();
    if twin_lost {
        setting.sequencer_config.data_dir = dir.join("backup");
    }
    setting.restart_with(&["--acknowledge"])?;
    for txid in [withdrawn.txid, paid.txid] {
        setting.anchor(txid)?;
    }
    setting.mine_until("the payout", || setting.payout(withdrawn.txid))?;
    let (report, counted) = setting.count()?;
    assert_eq!((counted.ordered, counted.paid), (1, 1));
    assert!(!report.has_invalid_anchor(), "{:?}", report.ignored);

    // Whoever pays somebody once more is found out, even if it is not the vault.
    setting
        .chain()
        .faucet
        .pay(&script, bitcoin::Amount::from_sat(100_000))?;
    setting.mine(1)?;
    let noticed = setting.agree().err().map(|error| format!("{error:#}"));
    let noticed = noticed.context("paying twice is noticed")?;
    assert!(
        noticed.contains("3. payouts") && noticed.contains("is paid 2 times"),
        "{noticed}"
    );
    Ok(())
}
