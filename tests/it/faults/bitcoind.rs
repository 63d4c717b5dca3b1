//! A bitcoind that hangs up, lies about its health, loses answers, dies and starts again behind everybody: the
//! sequencer waits, looks before it sends again, and loses nothing.

use std::time::Duration;

use anyhow::{Context, ensure};
use bitcoin::Txid;
use tacit_bridge::client::BitcoinClient;
use tacit_tests::{Call, Mood, Peer, Proxy};
use tacit_wallet::api::{NodeApi, SyncState};

use crate::people::Person;
use crate::setting::{Choices, Setting};

/// Moods to go through, none of which may end a process.
const MOODS: [Mood; 4] = [
    Mood::Dead,
    Mood::Error,
    Mood::Garbage,
    Mood::Slow(Duration::from_millis(150)),
];
/// Calls that have to come in a bad mood before it passes.
const CALLS: usize = 4;

fn proxy(setting: &Setting) -> anyhow::Result<&Proxy> {
    setting.proxy.as_ref().context("the setting has a proxy")
}

/// The transaction of a call that sends one.
fn sent(call: &Call) -> Option<Txid> {
    call.txid.filter(|_| call.method == "sendrawtransaction")
}

/// Mines without haste until the answer to a sending was lost, and it was looked up.
fn lose_an_answer(setting: &Setting) -> anyhow::Result<Txid> {
    let (proxy, before) = (proxy(setting)?, proxy(setting)?.calls().len());
    proxy.lose_answer("sendrawtransaction");
    setting.mine_until("a lost answer", || Ok(proxy.has_lost().then_some(())))?;
    let lost = proxy.calls()[before..].iter().find_map(sent);
    let lost = lost.context("something was sent")?;
    setting.until("a look at it", || {
        let calls = proxy.calls();
        let at = calls[before..].iter().position(|call| sent(call) == Some(lost));
        let at = before + at.context("it was sent")?;
        let looked = calls[at..]
            .iter()
            .any(|call| call.txid == Some(lost) && sent(call).is_none());
        Ok(looked.then_some(()))
    })?;
    Ok(lost)
}

#[test]
fn a_bitcoind_that_fails_in_every_way_delays_and_loses_nothing() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        proxied: true,
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, 900_000)?;

    let (first, _) = alice.withdraw(&setting, 100_000)?;
    for mood in MOODS {
        let before = proxy(&setting)?.calls().len();
        proxy(&setting)?.set_mood(mood);
        setting.mine(1)?;
        setting.until("calls in a bad mood", || {
            ensure!(setting.desk.status().is_ok(), "{mood:?}: it answers all the same");
            let calls = proxy(&setting)?.calls().len();
            Ok((calls >= before + CALLS).then_some(()))
        })?;
        proxy(&setting)?.set_mood(Mood::Honest);
        setting.settle()?;
    }
    setting.anchor(first.txid)?;
    setting.mine_until("the payout", || setting.payout(first.txid))?;

    // An answer that never came is no answer: the transaction is looked up before it is sent again.
    let (second, _) = alice.withdraw(&setting, 100_000)?;
    let lost = lose_an_answer(&setting)?;
    setting.anchor(second.txid)?;
    let payout = lose_an_answer(&setting)?;
    setting.mine_until("the payout", || setting.payout(second.txid))?;
    for txid in [lost, payout] {
        let calls = proxy(&setting)?.calls();
        let times = calls.iter().filter(|call| sent(call) == Some(txid)).count();
        assert_eq!(times, 1, "{txid} was there and was not sent again");
    }

    killed_with_an_anchor_in_its_mempool(&mut setting, &mut alice)?;
    behind_and_catching_up(&mut setting)?;
    let (report, counted) = setting.count()?;
    assert_eq!((counted.ordered, counted.paid), (3, 3));
    assert!(report.ignored.is_empty(), "{:?}", report.ignored);
    Ok(())
}

/// A node that is killed forgets its mempool and its last blocks. Everybody waits until it has the blocks again, and
/// what was in its mempool is there within one more.
fn killed_with_an_anchor_in_its_mempool(setting: &mut Setting, alice: &mut Person) -> anyhow::Result<()> {
    let peer = Peer::of(&setting.chain().bitcoind)?;
    peer.split(&setting.chain().bitcoind)?;
    let (third, _) = alice.withdraw(setting, 100_000)?;
    let client = setting.chain().client();
    setting.until("an anchor in the mempool", || {
        Ok((client.mempool_info()?.count >= 2).then_some(()))
    })?;
    let before = setting.desk.status()?;
    setting.ground.chain.bitcoind.kill();
    ensure!(
        setting.desk.status().is_ok(),
        "the sequencer lives without bitcoind"
    );
    setting.ground.chain.bitcoind.start_again()?;
    let client = setting.chain().client();
    setting.ground.chain.faucet.set_client(client.clone());
    proxy(setting)?.stand_before(&setting.ground.chain.bitcoind);
    peer.join(&setting.chain().bitcoind)?;
    assert_eq!(
        client.chain_info()?.best,
        before.bitcoin_hash,
        "the blocks are back"
    );
    setting.ground.chain.faucet.mine_only(&[])?;
    let height = client.chain_info()?.height;
    setting.until("the anchor again", || {
        Ok((client.mempool_info()?.count >= 2).then_some(()))
    })?;
    assert_eq!(client.chain_info()?.height, height, "within one block");
    setting.anchor(third.txid)?;
    setting.mine_until("the payout", || setting.payout(third.txid))?;
    Ok(())
}

/// A bitcoind that has to download its chain first: everybody waits for it and takes nothing back.
fn behind_and_catching_up(setting: &mut Setting) -> anyhow::Result<()> {
    setting.settle()?;
    let before = setting.desk.status()?;
    let peer = Peer::alone()?;
    proxy(setting)?.stand_before(peer.node());
    for api in [&setting.desk, &setting.api] {
        let reason = setting.until("a pause", || match api.status()?.sync {
            SyncState::Paused { reason } => Ok(Some(reason)),
            SyncState::Syncing { .. } | SyncState::Synced | SyncState::Halted { .. } => Ok(None),
        })?;
        assert!(reason.contains("following waits for it"), "{reason}");
        assert_eq!(api.status()?.state, before.state, "nothing is taken back");
    }
    peer.join(&setting.chain().bitcoind)?;
    setting.settle()?;
    assert_eq!(setting.desk.status()?.state, before.state);
    proxy(setting)?.stand_before(&setting.ground.chain.bitcoind);
    Ok(())
}
