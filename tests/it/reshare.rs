//! A federation that hands over to the next one, while people go on depositing and withdrawing.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use bitcoin::{OutPoint, ScriptBuf};
use tacit_bridge::client::BitcoinClient;
use tacit_node::config::FederationFiles;
use tacit_node::local::NodeProcess;
use tacit_node::local::federation::LocalFederation;
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
    let client = setting.chain().client();
    for height in (1..=client.chain_info()?.height).rev() {
        let hash = client.block_hash(height)?.context("a block")?;
        for tx in client.block(&hash)?.txs {
            if tx.tx().input.iter().any(|input| input.previous_output == deposit) {
                return Ok(tx.prevouts()[0].script_pubkey.clone());
            }
        }
    }
    bail!("nobody swept {deposit}")
}

fn log_of(process: &NodeProcess) -> anyhow::Result<String> {
    let path: &Path = process.log();
    Ok(fs::read_to_string(path)?)
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
    let own = setting.sequencer_config.sequencer.as_mut();
    own.context("a sequencer's configuration")?
        .more_federations
        .push(next.files());
    setting.sequencer.kill();
    setting.restart_with(&[])?;

    // Nobody announces anything before people said so.
    let waiting = setting.until("signers that ask for consent", || {
        let found = epoch(&setting)?;
        Ok((found.state == "unsigned").then_some(found))
    })?;
    let (hash, reason) = (
        waiting.next.context("a hash")?,
        waiting.reason.context("a reason")?,
    );
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
    setting.until("an announcement on its way", || {
        Ok((epoch(&setting)?.state == "posted").then_some(()))
    })?;
    let (sent, script) = alice.withdraw(&setting, 100_000)?;
    scripts.push(script);
    let deposit = bob.pay_deposit(&setting, 500_000)?;
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
