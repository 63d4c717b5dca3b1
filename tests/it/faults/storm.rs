//! Rates a thousand times what they were: nobody is charged above a limit, whoever waits is named, and everything is
//! done once rates have fallen. What the vault's operator does meanwhile is in `bridge/tests/real/storm.rs`.

use anyhow::{Context, ensure};
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::Amount;
use tacit_protocol::peg::FeeRate;
use tacit_wallet::api::{DepositStatus, NodeApi};

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
    let proxy = setting.proxy.as_ref().context("the setting has a proxy")?;
    proxy.set_rate(CALM);
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    let limit = Some(Amount::from_sat(LIMIT)?);
    let (sent, script) = alice.withdraw_within(&setting, WITHDRAWAL, limit)?;
    setting.anchor(sent.txid)?;

    proxy.set_rate(STORM);
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
    assert_eq!(
        (waiting.index, waiting.amount),
        (0, Amount::from_sat(WITHDRAWAL)?)
    );
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

    proxy.set_rate(CALM);
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
