//! A federation that hands over to the next one, while people go on depositing and withdrawing.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use bitcoin::{OutPoint, ScriptBuf};
use rand::rngs::OsRng;
use serde_json::Value;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::regtest::{Tally, handover_of};
use tacit_node::config::FederationFiles;
use tacit_node::local::NodeProcess;
use tacit_node::local::federation::LocalFederation;
use tacit_protocol::peg::vault::Handover;
use tacit_wallet::api::{EpochStatus, NodeApi};

use crate::federation::{command, paid};
use crate::people::Person;
use crate::setting::{Choices, Setting, binary};

/// The federation to come, with the signers that run.
pub(crate) struct Next {
    pub(crate) own: LocalFederation,
    pub(crate) signers: Vec<NodeProcess>,
}

impl Next {
    /// Founds a federation that the setting's sequencer coordinates too, and starts its signers.
    pub(crate) fn found(setting: &Setting) -> anyhow::Result<Self> {
        let dir = setting.ground.dir().join("next");
        let inner = dir.join("federation");
        fs::create_dir_all(&inner)?;
        let present = setting.chain().federation.as_ref();
        let identity = &present.context("the setting has a federation")?.identity_file;
        fs::copy(identity, inner.join("sequencer.identity"))?;
        let own = LocalFederation::found(&binary()?, &dir, &setting.chain().bitcoind, 2, 3)?;
        let mut signers = Vec::new();
        for member in &own.members {
            let mut config = member.config.clone();
            config.chain = setting.chain().chain_file();
            signers.push(NodeProcess::start(&binary()?, member.dir(), "signer", &config)?);
        }
        Ok(Self { own, signers })
    }

    /// The script of its vault.
    pub(crate) fn vault_script(&self) -> anyhow::Result<ScriptBuf> {
        let keys = self.own.federation().vault_keys(self.own.group())?;
        Ok(keys.script_pubkey())
    }

    /// What `tacit federation reshare` tells the sequencer's operator of it.
    fn plan(&self, setting: &Setting) -> anyhow::Result<Value> {
        let output = Command::new(binary()?)
            .args(["federation", "reshare", "--json", "--config", "sequencer.toml"])
            .args([&self.own.file, &self.own.group_file])
            .current_dir(setting.ground.dir())
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    pub(crate) fn files(&self) -> FederationFiles {
        FederationFiles {
            federation_file: self.own.file.clone(),
            group_file: self.own.group_file.clone(),
            backup_voices: Vec::new(),
        }
    }
}

pub(crate) fn epoch(setting: &Setting) -> anyhow::Result<EpochStatus> {
    Ok(setting.desk.bridge_status()?.epoch)
}

/// The script of the vault that the transaction which swept a deposit spends.
fn swept_from(setting: &Setting, deposit: OutPoint) -> anyhow::Result<ScriptBuf> {
    Ok(setting.sweep_of(deposit)?.prevouts()[0].script_pubkey.clone())
}

/// Rotations of the vault in blocks.
fn rotations(setting: &Setting) -> anyhow::Result<usize> {
    let genesis = setting.chain().params().genesis();
    let client = setting.chain().client();
    let tally = Tally::read(&*client, genesis.start_height, genesis.vault, None)?;
    let rotates = |tx: &&_| matches!(handover_of(tx), Some(Handover::Vault(_)));
    Ok(tally.vault_txs.iter().filter(rotates).count())
}

fn log_of(process: &NodeProcess) -> anyhow::Result<String> {
    let path: &Path = process.log();
    Ok(fs::read_to_string(path)?)
}

/// The sequencer is killed once the announcement is on its way, and ends again by itself with the handover signed
/// and not sent: neither is made a second time.
fn killed_on_the_way(setting: &mut Setting, next: &Next, posted: &EpochStatus) -> anyhow::Result<()> {
    setting.sequencer.kill();
    setting.restart_sequencer(None)?;
    let found = setting.until("the announcement after a restart", || {
        Ok(Some(epoch(setting)?).filter(|found| found.state != "starting"))
    })?;
    assert_eq!(&found, posted, "the same transaction");
    setting.sequencer.kill();
    // It gets into a block while nobody looks.
    setting.mine(1)?;
    let reached = setting.strike("after-vault-signed", &|setting| Ok(rotations(setting)? > 0))?;
    ensure!(reached, "a handover is signed before it is sent");
    assert_eq!(
        (setting.vault_tx()?, rotations(setting)?),
        (None, 0),
        "it was not sent"
    );
    setting.restart_sequencer(None)?;
    // What was signed is what is sent, before any payment.
    let sent = setting.until("the handover", || setting.vault_tx())?;
    assert_eq!(sent.output[0].script_pubkey, next.vault_script()?);
    Ok(())
}

/// A deposit of somebody who never heard of the federation before; it is credited.
fn deposited_to(setting: &Setting, next: &Next) -> anyhow::Result<OutPoint> {
    let epochs = setting.api.epochs()?;
    let [begun] = &epochs.begun[..] else {
        anyhow::bail!("one epoch began: {epochs:?}")
    };
    ensure!(epochs.waiting.is_empty(), "announced once: {epochs:?}");
    let key = next.own.group().internal_key();
    assert_eq!(begun.announcement.epoch.keys.federation, key);
    let mut carol = Person::new(&setting.ground, "carol")?;
    carol.sync(&setting.api)?;
    let offer = carol.wallet.new_deposit(&mut OsRng)?;
    let terms = setting.chain().params().genesis();
    let terms = terms.deposit_terms(key, offer.inner, offer.refund);
    let script = offer.address.script_pubkey();
    assert_eq!((offer.epoch, &script), (1, &terms.script_pubkey()));
    let amount = bitcoin::Amount::from_sat(300_000);
    let deposit = setting.chain().faucet.pay(&script, amount)?;
    setting.mine(1)?;
    carol.register(setting)?;
    setting.mine_until("a credit by the next federation", || {
        Ok((carol.holds(&setting.api)? > 0).then_some(()))
    })?;
    setting.work.borrow_mut().credited.insert(deposit);
    Ok(deposit)
}

#[test]
fn a_federation_hands_over_to_the_next_one_and_nobody_loses_anything() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        federation: Some((2, 3)),
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, 1_000_000)?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    let mut scripts = vec![paid(&setting, &mut alice, 100_000)?];
    let before = epoch(&setting)?;
    ensure!(
        before.number == 0 && before.state == "inOffice" && before.next.is_none(),
        "{before:?}"
    );

    // The next federation runs before it is in office, and the sequencer coordinates both.
    let next = Next::found(&setting)?;
    for signer in &next.signers {
        ensure!(
            log_of(signer)?.contains("not in office yet"),
            "{}",
            signer.log().display()
        );
    }
    // The command tells what to consent to, and what to write into the configuration.
    let plan = next.plan(&setting)?;
    let hash = plan["hash"].as_str().context("a hash")?.to_owned();
    assert_eq!((&plan["epoch"], &plan["configured"]), (&1.into(), &false.into()));
    let lines = plan["lines"].as_str().context("lines")?;
    let files = [&next.own.file, &next.own.group_file].map(|file| file.display().to_string());
    for words in ["[[sequencer.more_federations]]", &files[0], &files[1]] {
        ensure!(lines.contains(words), "{words}: {lines}");
    }
    let own = setting.sequencer_config.sequencer.as_mut();
    own.context("a sequencer's configuration")?
        .more_federations
        .push(next.files());
    setting.sequencer.kill();
    setting.restart_with(&[])?;
    let again = next.plan(&setting)?;
    assert_eq!(
        (&again["hash"], &again["configured"]),
        (&plan["hash"], &true.into())
    );

    // Nobody announces anything before people said so.
    let waiting = setting.until("signers that ask for consent", || {
        let found = epoch(&setting)?;
        Ok((found.state == "unsigned").then_some(found))
    })?;
    assert_eq!(waiting.next.as_ref(), Some(&hash), "what the command told");
    let reason = waiting.reason.context("a reason")?;
    ensure!(
        reason.contains("did not consent to epoch") && reason.contains(&hash),
        "{reason}"
    );
    let (done, said) = command(&setting, 0, &["consent", "epoch", &hash])?;
    ensure!(done, "{said}");
    scripts.push(paid(&setting, &mut alice, 100_000)?);
    let still = epoch(&setting)?;
    ensure!(
        still.number == 0 && still.state == "unsigned",
        "one of two is too few: {still:?}"
    );

    // With the consents it goes on by itself. A deposit and a withdrawal come in between.
    let (done, said) = command(&setting, 1, &["consent", "epoch", &hash])?;
    ensure!(done, "{said}");
    let posted = setting.until("an announcement on its way", || {
        Ok(Some(epoch(&setting)?).filter(|found| found.state == "posted"))
    })?;
    let (sent, script) = alice.withdraw(&setting, 100_000)?;
    scripts.push(script);
    let deposit = bob.pay_deposit(&setting, 500_000)?;
    killed_on_the_way(&mut setting, &next, &posted)?;
    setting.mine_until("the rotation", || {
        bob.register(&setting)?;
        Ok((epoch(&setting)?.number == 1).then_some(()))
    })?;
    setting.mine_until("a payout that was ordered before", || setting.payout(sent.txid))?;
    setting.mine_until("the credit of a deposit to the federation before", || {
        Ok((bob.holds(&setting.api)? > 0).then_some(()))
    })?;
    setting.work.borrow_mut().credited.insert(deposit);
    ensure!(
        swept_from(&setting, deposit)? == next.vault_script()?,
        "the next federation's vault swept it, with the signature of the one before"
    );
    let after = setting.until("a look at the new epoch", || {
        let found = epoch(&setting)?;
        Ok((found.state == "inOffice").then_some(found))
    })?;
    ensure!(after.number == 1 && after.next.is_none(), "{after:?}");
    scripts.push(paid(&setting, &mut alice, 100_000)?);

    // The federation before is not needed any more.
    for member in 0..3 {
        setting.kill_signer(member);
    }
    scripts.push(paid(&setting, &mut alice, 100_000)?);
    let late = deposited_to(&setting, &next)?;
    assert_eq!(swept_from(&setting, late)?, next.vault_script()?);
    assert_eq!(rotations(&setting)?, 1, "handed over once");
    setting.agree()?;
    let found = setting.chain().client().scan(&scripts)?;
    assert_eq!(found.outputs.len(), scripts.len(), "each withdrawal is paid once");
    let status = setting.desk.bridge_status()?.federation.context("a federation")?;
    ensure!(
        status.signers.iter().all(|signer| signer.state == "ready"),
        "{status:?}"
    );
    Ok(())
}
