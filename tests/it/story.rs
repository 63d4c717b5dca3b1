//! The main job from end to end: deposit, pay, withdraw, audit, restore.

use anyhow::Context;
use tacit_bridge::client::BitcoinClient;
use tacit_protocol::encryption::MemoText;
use tacit_wallet::{EntryState, MemoRecord, Sent};

use crate::people::Person;
use crate::setting::{Choices, Setting};

const ALICE_DEPOSIT: u64 = 2_000_000;
const BOB_DEPOSIT: u64 = 1_000_000;
const WITHDRAWAL: u64 = 300_000;
const MEMO: &str = "for the bread \u{1b}[31m🍞";

#[test]
fn money_goes_in_moves_privately_and_comes_out_again() -> anyhow::Result<()> {
    let setting = Setting::new(Choices::default())?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    deposit(&setting, &mut alice, &mut bob)?;
    let mut sent = pay_both_ways(&setting, &mut alice, &mut bob)?;
    sent.push(withdraw(&setting, &mut bob)?);

    let report = setting.agree()?;
    let mut operator = Person::with_seed(&setting.ground, "operator", setting.ground.operator.clone())?;
    let owned = alice.holds(&setting.api)? + bob.holds(&setting.api)? + operator.holds(&setting.api)?;
    assert_eq!(
        report.reserves.supply, owned,
        "what is shielded is what the three wallets hold"
    );
    assert!(
        report.reserves.vault >= report.reserves.supply,
        "the vault covers it"
    );
    assert!(
        !report.has_invalid_anchor(),
        "an honest sequencer wrote no invalid anchor"
    );
    let mut listed: Vec<String> = report
        .batches
        .iter()
        .flat_map(|batch| batch.transfers.clone())
        .collect();
    let mut expected: Vec<String> = sent.iter().map(|sent| sent.txid.to_string()).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected, "the auditor lists every transfer once");
    let deposits: usize = report.batches.iter().map(|batch| batch.deposits.len()).sum();
    assert_eq!(deposits, 2, "the auditor lists every deposit once");
    audit_as_a_stranger(&setting, &report.state_root)?;
    restore(&setting, &mut alice)?;
    let memo = vec![MemoRecord::Text(MemoText::new(MEMO)?)];
    assert_eq!(alice.memos(), memo, "Alice knows what she wrote");
    assert_eq!(bob.memos(), memo, "Bob reads it");
    assert_eq!(operator.memos(), Vec::new(), "the operator does not");
    let mut bob_again = bob.restored(&setting.ground, "bob-again")?;
    bob_again.sync(&setting.api)?;
    assert_eq!(bob_again.memos(), memo, "his words bring it back");
    Ok(())
}

fn deposit(setting: &Setting, alice: &mut Person, bob: &mut Person) -> anyhow::Result<()> {
    alice.pay_deposit(setting, ALICE_DEPOSIT)?;
    bob.pay_deposit(setting, BOB_DEPOSIT)?;
    setting.mine(1)?;
    alice.register(setting)?;
    bob.register(setting)?;
    let (hers, his) = setting.mine_until("two credits", || {
        let (hers, his) = (alice.holds(&setting.api)?, bob.holds(&setting.api)?);
        Ok((hers > 0 && his > 0).then_some((hers, his)))
    })?;
    // A share of the miner's fee, a twentieth at most, is taken from each.
    assert!(
        hers < ALICE_DEPOSIT && hers > ALICE_DEPOSIT / 20 * 19,
        "Alice was credited {hers}"
    );
    assert_eq!(
        ALICE_DEPOSIT - hers,
        BOB_DEPOSIT - his,
        "swept together they bear equal shares"
    );
    Ok(())
}

fn pay_both_ways(setting: &Setting, alice: &mut Person, bob: &mut Person) -> anyhow::Result<Vec<Sent>> {
    let mut sent = Vec::new();
    for (from_alice, sats, memo) in [(true, 250_000, Some(MEMO)), (false, 80_000, None)] {
        let (from, to) = if from_alice {
            (&mut *alice, &mut *bob)
        } else {
            (&mut *bob, &mut *alice)
        };
        let (before, after) = (from.holds(&setting.api)?, to.holds(&setting.api)? + sats);
        let memo = memo.map(MemoText::new).transpose()?;
        let payment = Person::payment_with(to, sats, memo)?;
        let receipt = from.send(setting, &payment)?;
        let key = setting.chain().params().genesis().anchor_key;
        assert!(receipt.receipt.verify(&key), "the sequencer signed its promise");
        let batch = setting.anchor(receipt.txid)?;
        assert!(
            batch <= receipt.receipt.promise.target_batch,
            "the promise was kept"
        );
        setting.settle()?;
        assert_eq!(to.holds(&setting.api)?, after, "the payment arrived");
        assert_eq!(
            from.holds(&setting.api)?,
            before - sats - receipt.fee.to_sat(),
            "and was paid once"
        );
        sent.push(receipt);
    }
    Ok(sent)
}

fn withdraw(setting: &Setting, bob: &mut Person) -> anyhow::Result<Sent> {
    let before = bob.holds(&setting.api)?;
    let (sent, script) = bob.withdraw(setting, WITHDRAWAL)?;
    let (outpoint, promised) = setting.mine_until("the payout", || setting.payout(sent.txid))?;
    let output = setting
        .chain()
        .client()
        .unspent(&outpoint, false)?
        .context("the payout is on Bitcoin")?;
    assert_eq!(output.txout.script_pubkey, script, "it pays whom Bob named");
    assert_eq!(output.txout.value.to_sat(), promised, "and what the node says");
    assert!(
        promised < WITHDRAWAL && promised > WITHDRAWAL - 10_000,
        "less a share: {promised}"
    );
    assert_eq!(bob.holds(&setting.api)?, before - WITHDRAWAL - sent.fee.to_sat());
    Ok(sent)
}

/// The command that anybody can run, given `chain.json` and a bitcoind.
fn audit_as_a_stranger(setting: &Setting, root: &str) -> anyhow::Result<()> {
    let output = setting.ground.audit_command(&["--strict", "--json"])?;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["state_root"], root);
    assert_eq!(report["gap"], 0);
    Ok(())
}

fn restore(setting: &Setting, alice: &mut Person) -> anyhow::Result<()> {
    let balance = alice.holds(&setting.api)?;
    let mut restored = alice.restored(&setting.ground, "alice-again")?;
    assert_eq!(
        restored.holds(&setting.api)?,
        balance,
        "the words bring the balance back"
    );
    let (old, new) = (alice.wallet.history(), restored.wallet.history());
    let facts = |entries: &[tacit_wallet::Entry]| -> Vec<_> {
        entries
            .iter()
            .map(|entry| {
                (
                    entry.txid,
                    entry.amount,
                    entry.fee,
                    entry.batch,
                    entry.memo.clone(),
                )
            })
            .collect()
    };
    assert_eq!(facts(&old), facts(&new), "and the history");
    let is_anchored = |entry: &tacit_wallet::Entry| matches!(entry.state, EntryState::Anchored { .. });
    assert!(
        new.iter().all(is_anchored),
        "all of it stands on Bitcoin: {new:?}"
    );
    assert_eq!(
        restored.wallet.spendable_amount().to_sat(),
        balance,
        "all of it can be spent"
    );
    Ok(())
}
