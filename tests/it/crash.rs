//! A sequencer that dies at the worst moments: whatever it acknowledged is done once.

use std::time::Duration;

use anyhow::Context;
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::transfer::TransferId;

use crate::people::Person;
use crate::setting::{Choices, Setting};

/// The points at which the process aborts itself.
const POINTS: [&str; 4] = ["after-seal", "after-proof", "after-journal", "after-commit"];
/// The longest that a doomed process may live on.
const LIMIT: Duration = Duration::from_secs(240);
/// Blocks within which a payout begins, and time between two of them.
const MOST_BLOCKS: u32 = 100;
const BETWEEN: Duration = Duration::from_secs(1);
/// What Alice pays each time.
const SATS: u64 = 10_000;

#[test]
fn a_sequencer_killed_at_any_point_keeps_every_promise_once() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices::default())?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    let mut promised = Vec::new();
    for point in POINTS {
        setting.sequencer.kill();
        setting.restart_sequencer(Some(point))?;
        promised.push(alice.pay(&setting, &mut bob, SATS)?.txid);
        let status = setting.sequencer.wait(LIMIT)?;
        assert!(!status.success(), "it aborted {point}: {status}");
        go_on(&mut setting, &mut bob, &promised)?;
    }

    // Without warning, with a transfer in the mempool or just sealed.
    promised.push(alice.pay(&setting, &mut bob, SATS)?.txid);
    setting.sequencer.kill();
    go_on(&mut setting, &mut bob, &promised)?;

    let report = setting.agree()?;
    for txid in &promised {
        let places = report.batches.iter().flat_map(|batch| &batch.transfers);
        let count = places.filter(|listed| **listed == txid.to_string()).count();
        assert_eq!(count, 1, "{txid} is in exactly one batch");
    }
    assert!(
        report.ignored.is_empty(),
        "no anchor was wasted: {:?}",
        report.ignored
    );
    Ok(())
}

/// The points of a payout at which the process aborts itself.
const PAYOUT_POINTS: [&str; 3] = ["after-vault-planned", "after-vault-signed", "after-vault-sent"];

#[test]
fn a_sequencer_killed_in_the_middle_of_a_payout_pays_once() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        federation: Some((2, 2)),
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, 900_000)?;
    let mut scripts = Vec::new();
    for point in PAYOUT_POINTS {
        setting.sequencer.kill();
        setting.restart_sequencer(Some(point))?;
        let (sent, script) = alice.withdraw(&setting, 100_000)?;
        scripts.push(script);
        // It aborts once the withdrawal is deep enough to be paid.
        let status = (0..MOST_BLOCKS)
            .find_map(|_| {
                let mined = setting.mine(1);
                mined.is_ok().then(|| setting.sequencer.wait(BETWEEN).ok())?
            })
            .context("the sequencer did not come to a payout")?;
        assert!(!status.success(), "it aborted {point}: {status}");
        setting.restart_sequencer(None)?;
        setting.mine_until("the payout", || setting.payout(sent.txid))?;
    }
    setting.agree()?;
    let found = setting.chain().client().scan(&scripts)?;
    assert_eq!(found.outputs.len(), scripts.len(), "each withdrawal is paid once");
    Ok(())
}

/// Starts the sequencer again and waits until the last promise is kept on Bitcoin.
fn go_on(setting: &mut Setting, bob: &mut Person, promised: &[TransferId]) -> anyhow::Result<()> {
    setting.restart_sequencer(None)?;
    let last = promised.last().expect("something was promised");
    setting.anchor(*last)?;
    setting.settle()?;
    assert_eq!(
        bob.holds(&setting.api)?,
        SATS * promised.len() as u64,
        "each payment arrived once"
    );
    Ok(())
}
