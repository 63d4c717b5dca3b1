//! Bitcoin changes its mind, one and two blocks deep, over everything that moves money.
//!
//! At each step the transaction in question is mined, its block is replaced by empty ones, and all
//! followers must be as if they had never seen it; then it is mined again, and counts once.

use anyhow::ensure;
use bitcoin::{OutPoint, ScriptBuf, Txid};
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::field;
use tacit_wallet::api::{DepositStatus, NodeApi, TransferStatus};

use crate::people::Person;
use crate::setting::{Choices, Setting};

const DEPOSIT: u64 = 500_000;
const WITHDRAWAL: u64 = 100_000;

#[test]
fn money_survives_reorganisations_over_deposit_anchor_and_payout() -> anyhow::Result<()> {
    let setting = Setting::new(Choices {
        depth: 2,
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut payees = Vec::new();
    let mut held = 0;
    for depth in [1, 2] {
        held = deposit(&setting, &mut alice, held, depth)?;
        let (txid, script) = withdraw(&setting, &mut alice, depth)?;
        held -= WITHDRAWAL;
        payees.push(script);
        assert_eq!(alice.holds(&setting.api)?, held, "after withdrawal {txid}");
    }

    let report = setting.agree()?;
    assert!(!report.has_invalid_anchor(), "{:?}", report.ignored);
    let credited: Vec<_> = report.batches.iter().flat_map(|batch| &batch.deposits).collect();
    assert_eq!(credited.len(), 2, "each deposit was credited once");
    let transfers: Vec<_> = report.batches.iter().flat_map(|batch| &batch.transfers).collect();
    assert_eq!(transfers.len(), 2, "each withdrawal was ordered once");
    let now = &report.reserves;
    assert_eq!(
        (now.uncredited, now.unpaid, now.supply),
        (0, 0, held),
        "nothing is left over"
    );
    for script in payees {
        let outputs = setting.chain().client().scan(&[script])?.outputs;
        assert_eq!(outputs.len(), 1, "each withdrawal was paid once: {outputs:?}");
    }
    Ok(())
}

/// Deposits, with a reorganisation over the deposit, over its sweep and over the anchor that credits
/// it. Returns what Alice then holds.
fn deposit(setting: &Setting, alice: &mut Person, before: u64, depth: u32) -> anyhow::Result<u64> {
    let outpoint = alice.pay_deposit(setting, DEPOSIT)?;
    there_and_back(setting, depth, "the deposit", &|| {
        Ok(setting.chain().client().unspent(&outpoint, false)?.is_some())
    })?;
    alice.register(setting)?;

    let sweep = sent_from_vault(setting)?;
    there_and_back(setting, depth, "the sweep", &|| {
        let status = setting.api.deposit_status(outpoint)?;
        Ok(
            matches!(status, DepositStatus::Swept { txid, .. } if txid == sweep && is_confirmed(setting, sweep)?),
        )
    })?;

    let batch = setting.api.status()?.batch;
    sent_anchor(setting, batch)?;
    there_and_back(setting, depth, "the anchor of a credit", &|| {
        Ok(setting.api.status()?.anchored_batch > batch)
    })?;
    let held = alice.holds(&setting.api)?;
    ensure!(held > before && held < before + DEPOSIT, "{held} after {before}");
    Ok(held)
}

/// Withdraws, with a reorganisation over the anchor and over the payout.
fn withdraw(setting: &Setting, alice: &mut Person, depth: u32) -> anyhow::Result<(String, ScriptBuf)> {
    let batch = setting.api.status()?.batch;
    let (sent, script) = alice.withdraw(setting, WITHDRAWAL)?;
    sent_anchor(setting, batch)?;
    there_and_back(setting, depth, "the anchor of a withdrawal", &|| {
        let status = setting.api.transfer_status(sent.txid)?;
        Ok(matches!(
            status,
            TransferStatus::Batched {
                anchored: Some(_),
                ..
            }
        ))
    })?;

    sent_from_vault(setting)?;
    there_and_back(setting, depth, "the payout", &|| {
        Ok(setting.payout(sent.txid)?.is_some())
    })?;
    Ok((sent.txid.to_string(), script))
}

/// Mines what the mempool holds and `depth - 1` blocks on top; replaces all of them by empty ones;
/// mines again. `is_there` tells whether the step counts.
fn there_and_back(
    setting: &Setting,
    depth: u32,
    what: &str,
    is_there: &dyn Fn() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    ensure!(!is_there()?, "{what} counts before it is mined");
    setting.mine(1)?;
    for _ in 1..depth {
        setting.chain().faucet.mine_only(&[])?;
    }
    setting.settle()?;
    ensure!(is_there()?, "{what} does not count once it is mined");
    like_a_fresh_follower(setting, what)?;

    setting.chain().faucet.reorganise(depth)?;
    setting.settle()?;
    ensure!(
        !is_there()?,
        "{what} still counts after {depth} blocks were undone"
    );
    like_a_fresh_follower(setting, what)?;

    setting.until(&format!("{what} to come back"), || {
        setting.mine(1)?;
        setting.settle()?;
        Ok(is_there()?.then_some(()))
    })?;
    like_a_fresh_follower(setting, what)
}

/// The full node's state equals that of an auditor who never saw another chain.
fn like_a_fresh_follower(setting: &Setting, what: &str) -> anyhow::Result<()> {
    let (status, report) = (setting.api.status()?, setting.ground.audit()?);
    ensure!(
        status.bitcoin_hash.to_string() == report.block,
        "{what}: both stand at one block"
    );
    ensure!(
        hex::encode(field::to_bytes(&status.state)) == report.state_root,
        "{what}: the states differ"
    );
    ensure!(report.is_sound(), "{what}: {report:?}");
    let supply = setting.api.supply()?;
    let found = [
        supply.supply,
        supply.vault_amount,
        supply.pending_deposits,
        supply.pending_withdrawals,
    ];
    let now = &report.reserves;
    let expected = [now.supply, now.vault, now.uncredited, now.unpaid];
    ensure!(
        found.map(|amount| amount.to_sat()) == expected,
        "{what}: {found:?} is not {expected:?}"
    );
    Ok(())
}

fn is_confirmed(setting: &Setting, txid: Txid) -> anyhow::Result<bool> {
    let output = OutPoint { txid, vout: 0 };
    Ok(setting.chain().client().unspent(&output, false)?.is_some())
}

/// Buries with empty blocks until the sequencer has sent a vault transaction; returns it.
fn sent_from_vault(setting: &Setting) -> anyhow::Result<Txid> {
    let vault = setting.api.supply()?.vault;
    bury_until(setting, "a vault transaction", || {
        Ok(setting.chain().client().mempool_spender(&vault)?)
    })
}

/// Buries with empty blocks until the sequencer has sent the anchor of the batch after `batch`.
fn sent_anchor(setting: &Setting, batch: u32) -> anyhow::Result<()> {
    bury_until(setting, "an anchor", || {
        let sealed = setting.desk.status()?.batch > batch;
        // Commit and reveal; nothing else is on its way.
        let sent = setting.chain().client().mempool_info()?.count >= 2;
        Ok((sealed && sent).then_some(()))
    })
}

/// Mines empty blocks, slowly, until `look` finds something.
fn bury_until<T>(
    setting: &Setting,
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let mut looks = 0_u32;
    setting.until(what, || {
        let found = look()?;
        looks += 1;
        if found.is_none() && looks.is_multiple_of(4) {
            setting.chain().faucet.mine_only(&[])?;
            setting.settle()?;
        }
        Ok(found)
    })
}
