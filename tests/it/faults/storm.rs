//! Rates a thousand times what they were: nobody is charged above a limit, whoever waits is named, and everything is
//! done once rates have fallen or coins have come. What the vault's operator does meanwhile is in
//! `bridge/tests/real/storm.rs`.

use anyhow::{Context, ensure};
use bitcoin::{Amount as Bitcoins, TxOut};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::regtest::Faucet;
use tacit_protocol::peg::FeeRate;
use tacit_wallet::Sent;
use tacit_wallet::api::{DepositStatus, NodeApi, TransferStatus};

use crate::people::Person;
use crate::setting::{Choices, Setting};

/// Rates in satoshi per virtual byte, and the ceiling of the sequencer.
const CALM: u32 = 1;
const STORM: u32 = 1_000;
const CEILING: u32 = 200;
/// The most that Alice lets her payout cost: far above a calm day's share, far below one at the ceiling.
const LIMIT: u64 = 2_000;
const WITHDRAWAL: u64 = 100_000;

#[test]
fn a_fee_storm_makes_withdrawals_and_deposits_wait_by_name_and_loses_none() -> anyhow::Result<()> {
    let setting = Setting::new(Choices {
        proxied: true,
        ..Choices::default()
    })?;
    setting.set_rate(CALM)?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    let (sent, script) = alice.withdraw_within(&setting, WITHDRAWAL, Some(LIMIT))?;
    setting.anchor(sent.txid)?;

    setting.set_rate(STORM)?;
    let deposit = bob.pay_deposit(&setting, 60_000)?;
    let bridge = setting.mine_until("a storm that is reported", || {
        let bridge = setting.desk.bridge_status()?;
        let reported = bridge.fee_ceiling_reached && !bridge.queue.is_empty();
        Ok(reported.then_some(bridge))
    })?;
    assert_eq!(Some(bridge.fee_rate), FeeRate::from_sat_per_vb(CEILING), "capped");
    assert!(bridge.fee_origin.contains("ceiling"), "{}", bridge.fee_origin);
    let [waiting] = &bridge.queue[..] else {
        anyhow::bail!("one withdrawal waits: {:?}", bridge.queue)
    };
    assert_eq!((waiting.index, waiting.amount.to_sat()), (0, WITHDRAWAL));
    let vault = setting.api.supply()?.vault;
    bob.register(&setting)?;
    setting.mine(4)?;
    setting.settle()?;
    let held = setting.desk.deposit_status(deposit)?;
    ensure!(
        matches!(&held, DepositStatus::Held { reason } if reason.contains("share")),
        "a deposit that its share would eat up: {held:?}"
    );
    assert_eq!(setting.payout(sent.txid)?, None);
    assert_eq!(setting.api.supply()?.vault, vault, "the vault rests");

    setting.set_rate(CALM)?;
    let (_, paid) = setting.mine_until("the payout", || setting.payout(sent.txid))?;
    assert!(paid >= WITHDRAWAL - LIMIT, "{paid}");
    setting.mine_until("the credit", || Ok((bob.holds(&setting.api)? > 0).then_some(())))?;
    setting.work.borrow_mut().credited.insert(deposit);
    let (_, counted) = setting.count()?;
    assert_eq!((counted.paid, counted.credited), (1, 2));
    let outputs = setting.chain().client().scan(&[script])?.outputs;
    assert_eq!(outputs.len(), 1);
    Ok(())
}

/// What is left to the operator: enough on a calm day, too little for anything in the storm.
const FEW: u64 = 25_000;
/// What pays for a payout in the storm, and not for an anchor.
const ENOUGH_FOR_A_PAYOUT: u64 = 62_000;
/// The most that a payout may cost when somebody wants it in the storm.
const ANYTHING: u64 = 50_000;

/// The operator's coins in the hands of a test.
fn operators(setting: &Setting) -> anyhow::Result<Faucet> {
    let key = SigningKey::load(&setting.ground.dir().join("operator.key"))?;
    Ok(Faucet::with_key(setting.chain().client(), key))
}

/// Takes all coins of the operator but one of [`FEW`] or less. The sequencer must not run.
fn leave_few(setting: &Setting) -> anyhow::Result<()> {
    let own = operators(setting)?;
    let all: Bitcoins = own.coins()?.iter().map(|coin| coin.txout.value).sum();
    own.send(vec![TxOut {
        value: all - Bitcoins::from_sat(FEW),
        script_pubkey: setting.chain().faucet.script_pubkey(),
    }])?;
    setting.mine(1)?;
    let left = own.coins()?;
    ensure!(left.len() == 1 && left[0].txout.value.to_sat() < FEW, "{left:?}");
    Ok(())
}

/// A withdrawal that is anchored just when the storm begins.
fn ordered_before_the_storm(setting: &Setting, alice: &mut Person) -> anyhow::Result<Sent> {
    let (sent, _) = alice.withdraw_within(setting, WITHDRAWAL, Some(ANYTHING))?;
    setting.until("its anchor in the mempool", || {
        let waiting = setting.chain().client().mempool_info()?.count;
        Ok((waiting >= 2 && setting.desk.status()?.pending_batches == 1).then_some(()))
    })?;
    setting.set_rate(STORM)?;
    setting.mine(1)?;
    setting.settle()?;
    Ok(sent)
}

/// Waits for the report that coins are too few, and sees that nothing moves then.
fn out_of_coins(setting: &Setting, sent: &Sent) -> anyhow::Result<()> {
    let bridge = setting.mine_until("coins that are too few", || {
        let bridge = setting.desk.bridge_status()?;
        Ok((bridge.vault.state == "outOfCoins").then_some(bridge))
    })?;
    let reason = bridge.vault.reason.context("a reason")?;
    ensure!(reason.contains("operator coins hold"), "{reason}");
    ensure!(bridge.fee_ceiling_reached, "{}", bridge.fee_origin);
    assert_eq!(Some(bridge.fee_rate), FeeRate::from_sat_per_vb(CEILING));
    let vault = setting.api.supply()?.vault;
    setting.mine(4)?;
    setting.settle()?;
    assert_eq!(setting.payout(sent.txid)?, None);
    assert_eq!(setting.api.supply()?.vault, vault, "the vault rests");
    assert_eq!(setting.desk.bridge_status()?.vault.state, "outOfCoins");
    Ok(())
}

#[test]
fn a_storm_that_few_coins_do_not_last_through_is_named_and_all_is_done_when_rates_or_coins_come_back()
-> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        proxied: true,
        ..Choices::default()
    })?;
    setting.set_rate(CALM)?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    setting.sequencer.kill();
    leave_few(&setting)?;
    setting.restart_sequencer(None)?;

    // Rates come back.
    let first = ordered_before_the_storm(&setting, &mut alice)?;
    out_of_coins(&setting, &first)?;
    setting.set_rate(CALM)?;
    let (_, paid) = setting.mine_until("the first payout", || setting.payout(first.txid))?;
    ensure!(paid > WITHDRAWAL - LIMIT, "a calm day's share: {paid}");

    // Coins come back, first too few for an anchor: a payout does not wait for it.
    let second = ordered_before_the_storm(&setting, &mut alice)?;
    out_of_coins(&setting, &second)?;
    let promised = alice.pay(&setting, &mut bob, 20_000)?.txid;
    setting.until("an anchor that coins do not pay for", || {
        let log = std::fs::read_to_string(setting.sequencer.log())?;
        Ok(log.contains("the anchor cannot be built").then_some(()))
    })?;
    let purse = operators(&setting)?.script_pubkey();
    let give = |sats| setting.chain().faucet.pay(&purse, Bitcoins::from_sat(sats));
    give(ENOUGH_FOR_A_PAYOUT)?;
    let (_, paid) = setting.mine_until("the second payout", || setting.payout(second.txid))?;
    ensure!(
        (WITHDRAWAL - ANYTHING..WITHDRAWAL - LIMIT).contains(&paid),
        "a share at the ceiling: {paid}"
    );
    setting.mine(4)?;
    setting.settle()?;
    let status = setting.desk.transfer_status(promised)?;
    ensure!(
        matches!(status, TransferStatus::Batched { anchored: None, .. }),
        "its anchor waits for coins: {status:?}"
    );
    give(2_000_000)?;
    setting.anchor(promised)?;
    let (_, counted) = setting.count()?;
    assert_eq!((counted.ordered, counted.paid, counted.credited), (2, 2, 1));
    assert_eq!(bob.holds(&setting.api)?, 20_000);
    Ok(())
}
