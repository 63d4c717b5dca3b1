//! A sequencer that is gone for good, and another one that takes its place.

use anyhow::{Context, bail, ensure};
use rand::rngs::OsRng;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_node::config::Config;
use tacit_protocol::params::TAKEOVER_TIMELOCK;
use tacit_wallet::api::{BridgeStatus, NodeApi};

use crate::federation::{command, paid};
use crate::people::Person;
use crate::setting::{Choices, Setting};

/// Blocks mined at a time while nobody needs each of them.
const MANY: u32 = 126;

/// The configuration of a sequencer with an anchor key of its own, and that key.
fn successor(setting: &Setting) -> anyhow::Result<(Config, String)> {
    let mut config = setting.chain().config("successor", None)?;
    let file = setting.ground.dir().join("successor.key");
    let key = SigningKey::load_or_create(&file, &mut OsRng)?.public_key();
    let own = config.sequencer.as_mut().context("a sequencer's configuration")?;
    own.anchor_key_file = file;
    Ok((config, key.to_string()))
}

fn bridge(setting: &Setting) -> anyhow::Result<BridgeStatus> {
    Ok(setting.desk.bridge_status()?)
}

/// The sequencer that a sync says has taken over, if it says so.
fn told(setting: &Setting, person: &mut Person) -> anyhow::Result<Option<String>> {
    let report = person.wallet.sync(&setting.api, &mut |_| (), &mut OsRng)?;
    Ok(report.takeover.map(|takeover| takeover.sequencer.to_string()))
}

#[test]
fn another_sequencer_takes_over_when_the_first_one_is_gone() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        federation: Some((2, 3)),
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, 1_000_000)?;
    let mut scripts = vec![paid(&setting, &mut alice, 100_000)?];
    setting.agree()?;

    // Nobody takes over by mistake: a key that is not in office has to say that it means it.
    let (mut config, key) = successor(&setting)?;
    let refused = match setting.chain().start("successor", &config) {
        Ok(_) => bail!("a sequencer with a foreign key started"),
        Err(error) => format!("{error:#}"),
    };
    for words in ["the sequencer in office has", "take_over = true"] {
        ensure!(refused.contains(words), "{words}: {refused}");
    }
    if let Some(own) = config.sequencer.as_mut() {
        own.take_over = true;
    }

    // The first sequencer dies; its successor follows, and waits for the chain of anchors to fail.
    setting.sequencer.kill();
    setting.sequencer = setting.ground.chain.start("successor", &config)?;
    setting.desk = setting.sequencer.client()?;
    setting.node.kill();
    let node = setting.chain().config("node", Some(setting.sequencer.url()))?;
    setting.node = setting.ground.chain.start("node", &node)?;
    setting.api = setting.node.client()?;
    setting.settle()?;
    let office = bridge(&setting)?.office;
    ensure!(
        !office.in_office && office.takes_over && office.reset.is_none(),
        "{office:?}"
    );
    match alice.withdraw(&setting, 100_000) {
        Ok(_) => bail!("nobody can promise anything now"),
        Err(error) => ensure!(format!("{error:#}").contains("not in office"), "{error:#}"),
    }
    for _ in 0..u32::from(TAKEOVER_TIMELOCK) / MANY {
        setting.mine(MANY)?;
        setting.settle()?;
    }

    // The chain has failed. The signers ask their operators first.
    let waiting = setting.mine_until("signers that ask for consent", || {
        let found = bridge(&setting)?;
        Ok((found.vault.state == "unsigned").then_some(found))
    })?;
    ensure!(waiting.office.reset.is_some(), "{waiting:?}");
    let reason = waiting.vault.reason.context("a reason")?;
    ensure!(reason.contains("did not consent to sequencer"), "{reason}");
    for member in 0..2 {
        let (done, said) = command(&setting, member, &["consent", "sequencer", &key])?;
        ensure!(done, "{said}");
    }
    setting.mine_until("the takeover", || {
        Ok(bridge(&setting)?.office.in_office.then_some(()))
    })?;

    // Bitcoin takes that block back: nobody halts, and the next block brings it again.
    setting.chain().faucet.reorganise(1)?;
    setting.settle()?;
    let office = bridge(&setting)?.office;
    ensure!(!office.in_office && office.takes_over, "{office:?}");
    setting.mine_until("the takeover, again", || {
        Ok(bridge(&setting)?.office.in_office.then_some(()))
    })?;

    // Wallets are told, once.
    setting.settle()?;
    assert_eq!(told(&setting, &mut alice)?, Some(key.clone()));
    assert_eq!(told(&setting, &mut alice)?, None);

    // The chain goes on where it stopped: for users, for the vault, and for who audits it.
    scripts.push(paid(&setting, &mut alice, 100_000)?);
    let report = setting.agree()?;
    let resets = report.ignored.iter().filter(|ignored| ignored.kind == "reset");
    assert_eq!(resets.count(), 1, "{report:?}");
    let found = setting.chain().client().scan(&scripts)?;
    assert_eq!(found.outputs.len(), scripts.len(), "each withdrawal is paid once");

    // Who comes back follows, and knows that it is not in office any more.
    let old = setting.chain().start("sequencer", &setting.sequencer_config)?;
    let client = old.client()?;
    setting.settle_one("the old sequencer", &client)?;
    let office = client.bridge_status()?.office;
    ensure!(!office.in_office && office.sequencer == Some(key), "{office:?}");
    Ok(())
}
