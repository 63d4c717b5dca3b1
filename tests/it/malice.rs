//! Who holds a key and does not play by the rules: lies on Bitcoin are ignored and named, theft is
//! named and stops everything.

pub(crate) mod attacker;

use anyhow::{Context, bail};
use bitcoin::{OutPoint, TxOut, Txid};
use rand::rngs::OsRng;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_node::commands::audit::{OVERDUE_BATCHES, Report};
use tacit_protocol::batch::{Batch, DepositClaim, Payload};
use tacit_protocol::encoding::Encode;
use tacit_protocol::field;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::vault::VaultMeta;
use tacit_verifier::chain::table;
use tacit_wallet::api::{DepositStatus, NodeApi};

use crate::people::Person;
use crate::setting::{Choices, Ground, Setting};
use attacker::Attacker;

/// A lie about the state: its bytes, and the words by which the auditor names it.
struct Lie {
    what: &'static str,
    payload: Vec<u8>,
    rule: &'static str,
}

#[test]
fn a_lying_sequencer_changes_nothing_and_is_named() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        depth: 2,
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    let paid = alice.pay(&setting, &mut bob, 50_000)?;
    setting.anchor(paid.txid)?;
    // A second deposit is swept and not yet deep enough to be credited when the sequencer leaves.
    let second = swept_only(&setting, &mut bob)?;
    setting.sequencer.kill();
    setting.mine(2)?;
    let before = setting.settle_one("the full node", &setting.api)?;

    let mut attacker = Attacker::new(&setting.ground)?;
    let mut named = Vec::new();
    for lie in lies(&attacker)? {
        let txid = attacker.anchor(&lie.payload)?;
        let after = setting.settle_one("the full node", &setting.api)?;
        assert_eq!(after.state, before.state, "{}: the state moved", lie.what);
        assert_eq!(
            attacker.tip()?.outpoint,
            OutPoint { txid, vout: 0 },
            "{}: the tip moves",
            lie.what
        );
        named.push((txid, "invalid", lie.rule));
    }
    named.push((attacker.spend_tip()?, "empty", "input 1 does not spend"));
    let report = setting.ground.audit()?;
    assert_eq!(report.state_root, hex::encode(field::to_bytes(&before.state)));
    every_lie_is_named(&report, &named);

    // A batch that obeys every rule counts whoever anchors it, but not in the company of a lie.
    let honest = attacker.prove(attacker.draft(Vec::new(), Vec::new())?)?;
    let lie = Batch {
        state: honest.state + field::pow2(0),
        ..honest.clone()
    };
    let both = attacker.anchor(&Payload::new(vec![honest.clone(), lie])?.encode())?;
    assert_eq!(
        setting.settle_one("the full node", &setting.api)?.state,
        before.state,
        "all or nothing"
    );
    attacker.anchor(&Payload::new(vec![honest.clone()])?.encode())?;
    assert_eq!(
        setting.settle_one("the full node", &setting.api)?.state,
        honest.state,
        "a valid batch counts"
    );
    let report = setting.ground.audit()?;
    let ignored = report
        .ignored
        .iter()
        .find(|ignored| ignored.txid == both.to_string());
    let rule = &ignored.context("the mixed payload is on record")?.rule;
    assert!(
        rule.contains(&format!("batch {}", before.batch + 2)),
        "the second batch is at fault: {rule}"
    );

    // Batches that obey every rule and leave somebody out again and again: the auditor says whom.
    for _ in 1..OVERDUE_BATCHES {
        assert_eq!(setting.ground.audit()?.overdue, Vec::new(), "not yet");
        let passing_by = attacker.prove(attacker.draft(Vec::new(), Vec::new())?)?;
        attacker.anchor(&Payload::new(vec![passing_by])?.encode())?;
    }
    let report = setting.ground.audit()?;
    let [overdue] = &report.overdue[..] else {
        bail!("one deposit is left out: {:?}", report.overdue)
    };
    assert_eq!(
        (overdue.kind, overdue.what.clone()),
        ("deposit", second.to_string())
    );

    // The honest sequencer comes back, goes on from the moved tip and credits what waited.
    setting.restart_sequencer(None)?;
    let held = bob.holds(&setting.api)?;
    setting.mine_until("the second deposit", || {
        Ok((bob.holds(&setting.api)? > held).then_some(()))
    })?;
    setting.work.borrow_mut().credited.insert(second);
    let report = setting.agree()?;
    assert!(report.has_invalid_anchor());
    assert_eq!(report.overdue, Vec::new(), "nobody is left out any more");
    let codes = [(&["--strict"][..], Some(3)), (&[][..], Some(0))];
    for (arguments, code) in codes {
        let output = setting.ground.audit_command(arguments)?;
        assert_eq!(
            output.status.code(),
            code,
            "audit {arguments:?}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(())
}

/// Pays a deposit and waits until a block holds its sweep, no deeper.
fn swept_only(setting: &Setting, person: &mut Person) -> anyhow::Result<OutPoint> {
    let outpoint = person.pay_deposit(setting, 200_000)?;
    setting.mine(1)?;
    person.register(setting)?;
    setting.mine_until("the sweep", || {
        let swept = matches!(setting.api.deposit_status(outpoint)?, DepositStatus::Swept { txid, .. }
            if setting.chain().client().unspent(&OutPoint { txid, vout: 0 }, false)?.is_some());
        Ok(swept.then_some(outpoint))
    })
}

/// Every lie takes the proof of an earlier batch, the best that can be had without a witness.
fn lies(attacker: &Attacker<'_>) -> anyhow::Result<Vec<Lie>> {
    let plain = attacker.draft(Vec::new(), Vec::new())?;
    let one = |batch: Batch| -> anyhow::Result<Vec<u8>> { Ok(Payload::new(vec![batch])?.encode()) };
    let thief = SigningKey::generate(&mut OsRng).public_key();
    let claim = |sweep| DepositClaim {
        sweep,
        inner: field::pow2(7),
        refund: thief,
    };
    let with_claim = |sweep| {
        one(Batch {
            deposits: vec![claim(sweep)],
            ..plain.clone()
        })
    };
    let replayed = table::batch(attacker.kv(), attacker.batch()?)?
        .context("the last batch")?
        .batch;
    let transfers = replayed.transfers.clone();
    let anchors = replayed.anchors.clone();
    let mut trailing = one(plain.clone())?;
    trailing.push(0);
    let unknown = Batch {
        anchors: vec![9_999; plain.anchors.len()],
        ..plain.clone()
    };
    Ok(vec![
        Lie {
            what: "garbage",
            payload: vec![0xAB; 700],
            rule: "payload magic",
        },
        Lie {
            what: "bytes at the end",
            payload: trailing,
            rule: "payload:",
        },
        Lie {
            what: "a wrong proof",
            payload: one(plain.clone())?,
            rule: "the batch proof does not verify",
        },
        Lie {
            what: "a wrong root",
            payload: one(Batch {
                state: plain.state + field::pow2(0),
                ..plain.clone()
            })?,
            rule: "the state commitment is wrong",
        },
        Lie {
            what: "a batch whose predecessor is left out",
            payload: one(attacker.draft_after(&plain)?)?,
            rule: "the state commitment is wrong",
        },
        Lie {
            what: "a deposit that never was",
            payload: with_claim(77)?,
            rule: "deposit 77 is unknown",
        },
        Lie {
            what: "a deposit once more",
            payload: with_claim(0)?,
            rule: "deposit 0 is credited twice",
        },
        Lie {
            what: "somebody else's deposit",
            payload: with_claim(1)?,
            rule: "does not match its script",
        },
        Lie {
            what: "a transfer once more",
            payload: one(Batch {
                transfers,
                anchors,
                ..plain.clone()
            })?,
            rule: "already spent",
        },
        Lie {
            what: "an anchor of the future",
            payload: one(unknown)?,
            rule: "is not a recorded state",
        },
    ])
}

fn every_lie_is_named(report: &Report, named: &[(Txid, &str, &str)]) {
    assert_eq!(report.ignored.len(), named.len(), "{:?}", report.ignored);
    for ((txid, kind, rule), ignored) in named.iter().zip(&report.ignored) {
        assert_eq!(ignored.txid, txid.to_string());
        assert_eq!(ignored.kind, *kind, "{}", ignored.rule);
        assert!(
            ignored.rule.contains(rule),
            "{:?} should say {rule:?}",
            ignored.rule
        );
    }
    assert!(report.is_sound(), "lies about the state move no money");
}

/// A vault transaction's outputs, and the words by which the auditor names what is wrong with it.
struct Theft {
    what: &'static str,
    outputs: Vec<TxOut>,
    rule: &'static str,
}

#[test]
fn a_federation_that_steals_is_named_and_the_audit_fails() -> anyhow::Result<()> {
    let ground = Ground::new(Choices::default())?;
    assert_eq!(
        ground.audit_command(&[])?.status.code(),
        Some(0),
        "all is well at first"
    );
    let attacker = Attacker::new(&ground)?;
    for (attempt, theft) in (0..).zip(thefts(&ground)?) {
        // Each theft pays more than the one before, which a reorganisation put back into the mempool.
        let (txid, block) = attacker.spend_vault(&theft.outputs, 2_000 * (attempt + 1))?;
        let report = ground.audit()?;
        let fault = report
            .vault_fault
            .as_ref()
            .with_context(|| format!("{} has no fault", theft.what))?;
        assert_eq!(fault.txid, txid.to_string(), "{}", theft.what);
        assert!(
            fault.rule.contains(theft.rule),
            "{}: {:?} should say {:?}",
            theft.what,
            fault.rule,
            theft.rule
        );
        assert!(!report.is_sound(), "{}", theft.what);
        let output = ground.audit_command(&[])?;
        assert_eq!(output.status.code(), Some(1), "{}: the command fails", theft.what);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains("VAULT FAULT") && text.contains(theft.rule),
            "{}: {text}",
            theft.what
        );
        ground.chain.bitcoind.invalidate(&block)?;
    }
    ground.chain.faucet.mine_only(&[])?;
    assert!(
        ground.audit()?.is_sound(),
        "on a chain without the theft nothing is held against anybody"
    );
    Ok(())
}

fn thefts(ground: &Ground) -> anyhow::Result<Vec<Theft>> {
    let genesis = ground.chain.params().genesis();
    let thief = SigningKey::generate(&mut OsRng).output_script();
    let held = genesis.vault_amount.to_sat();
    let output = |sats, script_pubkey| TxOut {
        value: bitcoin::Amount::from_sat(sats),
        script_pubkey,
    };
    let vault = |sats| output(sats, genesis.vault_keys().script_pubkey());
    let meta = |paid: Vec<u64>| -> anyhow::Result<TxOut> {
        let rate = FeeRate::from_sat_per_kwu(250);
        Ok(output(0, VaultMeta::new(0, rate, paid)?.to_script()))
    };
    let loot = |sats| output(sats, thief.clone());
    Ok(vec![
        Theft {
            what: "all of it",
            outputs: vec![loot(held), meta(vec![])?],
            rule: "output 0 does not pay to the vault script",
        },
        Theft {
            what: "without a word",
            outputs: vec![vault(held - 1_000), loot(1_000)],
            rule: "layout: output 1",
        },
        Theft {
            what: "a payment that nobody ordered",
            outputs: vec![vault(held - 4_000), meta(vec![])?, loot(4_000)],
            rule: "arithmetic: the vault keeps",
        },
        Theft {
            what: "a withdrawal that does not exist",
            outputs: vec![vault(held - 4_000), meta(vec![0])?, loot(4_000)],
            rule: "index: withdrawal 0 is unknown",
        },
        Theft {
            what: "two outputs too many",
            outputs: vec![vault(held - 4_000), meta(vec![])?, loot(2_000), loot(2_000)],
            rule: "layout: outputs beyond",
        },
    ])
}
