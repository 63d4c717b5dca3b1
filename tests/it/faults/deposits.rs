//! Deposits that Bitcoin undoes, moves to another block, or gives back: credited once or never, and a loss of
//! what counted as final stops everything.

use anyhow::{Context, ensure};
use bitcoin::{Amount, OutPoint, Transaction, TxOut};
use rand::rngs::OsRng;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::peg::FeeRate;
use tacit_tests::Peer;
use tacit_wallet::WalletError;
use tacit_wallet::api::{DepositStatus, NodeApi, SyncState};

use crate::people::Person;
use crate::setting::{Choices, Setting};

const DEPOSIT: u64 = 300_000;

/// A deposit and a payment elsewhere that spends the same coin; neither is sent.
fn rivals(setting: &Setting, person: &mut Person) -> anyhow::Result<(Transaction, Transaction)> {
    let offer = person.wallet.new_deposit(&mut OsRng)?;
    let faucet = &setting.chain().faucet;
    let output = |script_pubkey| TxOut {
        value: Amount::from_sat(DEPOSIT),
        script_pubkey,
    };
    let deposit = faucet.build(vec![output(offer.address.script_pubkey())])?;
    let rival = faucet.build(vec![output(SigningKey::generate(&mut OsRng).output_script())])?;
    let coin = |tx: &Transaction| tx.input[0].previous_output;
    ensure!(coin(&deposit) == coin(&rival), "both spend one coin");
    Ok((deposit, rival))
}

fn first_output(tx: &Transaction) -> OutPoint {
    OutPoint {
        txid: tx.compute_txid(),
        vout: 0,
    }
}

/// Whether the sequencer counts the deposit as one that is on its way.
fn is_registered(setting: &Setting, outpoint: OutPoint) -> anyhow::Result<bool> {
    let status = setting.api.deposit_status(outpoint)?;
    Ok(matches!(status, DepositStatus::Registered { .. }))
}

#[test]
fn a_deposit_double_spent_before_it_is_deep_is_never_credited_and_one_that_moves_is_credited_once()
-> anyhow::Result<()> {
    let setting = Setting::new(Choices {
        depth: 2,
        ..Choices::default()
    })?;
    let (bitcoind, client) = (&setting.chain().bitcoind, setting.chain().client());
    let peer = Peer::of(bitcoind)?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let vault = setting.api.supply()?.vault;

    // In the mempool it is nothing at all.
    let (deposit, rival) = rivals(&setting, &mut alice)?;
    let lost = first_output(&deposit);
    client.send(&deposit)?;
    alice.register(&setting)?;
    assert_eq!(setting.api.deposit_status(lost)?, DepositStatus::Unknown);
    // In a block it is registered, and gone when a longer branch spends its coin elsewhere.
    peer.split(bitcoind)?;
    setting.mine(1)?;
    alice.register(&setting)?;
    ensure!(is_registered(&setting, lost)?, "it is in a block");
    peer.mine(&[rival], 1)?;
    peer.join(bitcoind)?;
    setting.mine(4)?;
    setting.settle()?;
    let status = setting.api.deposit_status(lost)?;
    let DepositStatus::Held { reason } = &status else {
        anyhow::bail!("it was double-spent: {status:?}")
    };
    assert!(reason.contains("left the best chain"), "{reason}");
    assert_eq!(setting.api.supply()?.vault, vault, "nothing was swept");
    assert_eq!(alice.holds(&setting.api)?, 0);

    // One that comes back in another block counts there, once.
    let moved = alice.pay_deposit(&setting, DEPOSIT)?;
    peer.split(bitcoind)?;
    setting.mine(1)?;
    alice.register(&setting)?;
    let before = client.chain_info()?.height;
    peer.mine(&[], 1)?;
    peer.join(bitcoind)?;
    setting.settle()?;
    ensure!(!is_registered(&setting, moved)?, "it is in no block");
    setting.mine(1)?;
    setting.settle()?;
    let status = setting.api.deposit_status(moved)?;
    ensure!(
        matches!(status, DepositStatus::Registered { height, .. } if height > before),
        "it is in a later block: {status:?}"
    );
    setting.mine_until(
        "the credit",
        || Ok((alice.holds(&setting.api)? > 0).then_some(())),
    )?;
    setting.work.borrow_mut().credited.insert(moved);
    setting.mine(3)?;
    let (_, counted) = setting.count()?;
    assert_eq!((counted.swept, counted.credited), (1, 1));
    Ok(())
}

#[test]
fn a_depositor_who_races_the_sweep_with_a_refund_gets_one_of_the_two() -> anyhow::Result<()> {
    let setting = Setting::new(Choices::default())?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let script = SigningKey::generate(&mut OsRng).output_script();
    let address = bitcoin::Address::from_script(&script, bitcoin::Network::Regtest)?.to_string();
    let (client, faucet) = (setting.chain().client(), &setting.chain().faucet);

    let kept = alice.deposit(&setting, DEPOSIT)?;
    let swept = alice.wallet.deposits()[0].outpoint;
    let raced = alice.pay_deposit(&setting, DEPOSIT)?;
    faucet.mine_only(&[raced.txid])?;
    alice.register(&setting)?;
    setting.until("the sweep in the mempool", || {
        let sent = client.mempool_spender(&raced)?.is_some();
        if !sent {
            faucet.mine_only(&[])?;
            setting.settle()?;
        }
        Ok(sent.then_some(()))
    })?;
    // No miner takes the sweep for as long as the refund's timelock runs.
    let opens = u32::from(setting.chain().params().genesis().refund_timelock);
    let high = (FeeRate::from_sat_per_kwu(50_000), &mut OsRng);
    let early = alice
        .wallet
        .refund_deposit(&setting.api, raced, (&address, high.0), high.1);
    ensure!(matches!(early, Err(WalletError::Deposit(_))), "{early:?}");
    while client
        .unspent(&raced, false)?
        .context("it is unspent")?
        .confirmations
        < opens
    {
        faucet.mine_only(&[])?;
    }
    setting.settle()?;
    let refund = alice
        .wallet
        .refund_deposit(&setting.api, raced, (&address, high.0), &mut OsRng)?;
    setting.mine(1)?;
    setting.settle()?;
    let output = OutPoint {
        txid: refund,
        vout: 0,
    };
    ensure!(
        client.unspent(&output, false)?.is_some(),
        "the refund is in the block"
    );
    setting.mine(4)?;
    setting.settle()?;
    assert_eq!(
        alice.holds(&setting.api)?,
        kept,
        "and nothing was credited for it"
    );

    // What was swept cannot be taken back as well.
    let late = alice
        .wallet
        .refund_deposit(&setting.api, swept, (&address, high.0), &mut OsRng);
    ensure!(late.is_err(), "it is in the vault: {late:?}");
    let (_, counted) = setting.count()?;
    assert_eq!(
        (counted.swept, counted.credited),
        (1, 1),
        "the raced one is neither"
    );
    Ok(())
}

#[test]
fn a_deposit_undone_after_it_was_final_halts_everybody_and_nobody_is_paid_until_acknowledged()
-> anyhow::Result<()> {
    let mut setting = Setting::new(Choices::default())?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    bob.deposit(&setting, 500_000)?;
    let peer = Peer::of(&setting.chain().bitcoind)?;
    let client = setting.chain().client();

    peer.split(&setting.chain().bitcoind)?;
    let fork = client.chain_info()?.height;
    // Bob's withdrawal is proven before and handed in after, so that it stands on nothing that is undone.
    let script = SigningKey::generate(&mut OsRng).output_script();
    let address = bitcoin::Address::from_script(&script, bitcoin::Network::Regtest)?.to_string();
    let amount = tacit_protocol::Amount::from_sat(100_000)?;
    let payment = bob.wallet.withdrawal(&setting.api, &address, amount, None)?;
    let withdrawal = bob.draft(&setting, &payment)?;
    let (deposit, rival) = rivals(&setting, &mut alice)?;
    client.send(&deposit)?;
    setting.mine(1)?;
    alice.register(&setting)?;
    setting.mine_until(
        "the credit",
        || Ok((alice.holds(&setting.api)? > 0).then_some(())),
    )?;
    let sent = setting.api.submit_transfer(&withdrawal)?.promise;
    setting.promised(sent.txid);
    setting.anchor(sent.txid)?;
    let depth = client.chain_info()?.height - fork;
    peer.mine(&[rival], depth)?;
    peer.join(&setting.chain().bitcoind)?;

    for (name, api) in [("the sequencer", &setting.desk), ("the full node", &setting.api)] {
        // A sequencer may halt over what it had sealed before it knows how deep it goes.
        let reason = setting.until(&format!("{name} to halt"), || match api.status()?.sync {
            SyncState::Halted { reason } => {
                Ok(Some(reason).filter(|reason| reason.contains("counted as final")))
            }
            SyncState::Syncing { .. } | SyncState::Synced | SyncState::Paused { .. } => Ok(None),
        })?;
        assert!(
            reason.contains("undid money that counted as final"),
            "{name}: {reason}"
        );
        assert!(
            reason.contains("--acknowledge"),
            "{name} says what to do: {reason}"
        );
    }
    // It follows, and does nothing.
    let vault = setting.api.supply()?.vault;
    setting.mine(5)?;
    let best = client.chain_info()?.best;
    setting.until("both at the tip", || {
        let there = [&setting.desk, &setting.api].map(|api| api.status());
        let [ours, theirs] = there;
        Ok((ours?.bitcoin_hash == best && theirs?.bitcoin_hash == best).then_some(()))
    })?;
    assert_eq!(setting.api.supply()?.vault, vault, "the vault did not move");
    assert_eq!(client.mempool_spender(&vault)?, None, "and is not about to");
    assert!(client.scan(&[script])?.outputs.is_empty(), "nobody was paid");

    // Somebody looked at it and agreed: what was promised to Bob is done, what Alice undid is not there.
    setting.sequencer.kill();
    setting.restart_node(&["--acknowledge"])?;
    setting.restart_with(&["--acknowledge"])?;
    setting.anchor(sent.txid)?;
    setting.mine_until("the payout", || setting.payout(sent.txid))?;
    assert_eq!(alice.holds(&setting.api)?, 0, "she has her bitcoin, and no note");
    let (_, counted) = setting.count()?;
    assert_eq!((counted.swept, counted.credited, counted.paid), (1, 1, 1));
    Ok(())
}
