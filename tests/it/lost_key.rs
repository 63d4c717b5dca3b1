//! A federation that lost its distributed key for good: the members' backup keys let another one follow, move the
//! vault to it, and everybody is paid.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use bitcoin::Address;
use serde_json::Value;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_protocol::Network;
use tacit_wallet::api::NodeApi;

use crate::federation::paid;
use crate::people::Person;
use crate::reshare::{Next, epoch};
use crate::setting::{Choices, Setting, binary};

/// Runs a command in the setting's folder with the sequencer's configuration; its standard output.
fn tacit(dir: &Path, args: &[&str]) -> anyhow::Result<Result<String, String>> {
    let output = Command::new(binary()?)
        .args(["--config", "sequencer.toml"])
        .args(args)
        .current_dir(dir)
        .output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    })
}

fn done(dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    tacit(dir, args)?.map_err(|error| anyhow::anyhow!("{args:?}: {error}"))
}

fn refused(dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    tacit(dir, args)?
        .err()
        .with_context(|| format!("{args:?} should be refused"))
}

/// Where a member keeps its backup key, and the passphrase.
fn backup_key(name: &str) -> [String; 4] {
    let own = format!("federation/{name}");
    [
        "--backup-key-file".into(),
        format!("{own}/backup.key"),
        "--passphrase-file".into(),
        format!("{own}/passphrase"),
    ]
}

/// Has a member's backup key speak for the epoch in the file.
fn vouch(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let (key, out) = (backup_key(name), format!("{name}.json"));
    let mut args = vec!["federation", "vouch", "--yes", "--out", &out];
    args.extend(key.iter().map(String::as_str));
    args.push("next.json");
    done(dir, &args)?;
    let again = refused(dir, &args)?;
    ensure!(again.contains("exists and is not replaced"), "{again}");
    Ok(dir.join(out))
}

/// Signs a copy of the transaction with a member's backup key.
fn sign(dir: &Path, name: &str) -> anyhow::Result<String> {
    let (key, out) = (backup_key(name), format!("{name}.psbt"));
    let mut args = vec!["vault", "rescue", "sign", "--yes", "--out", &out];
    args.extend(key.iter().map(String::as_str));
    args.push("rescue.psbt");
    done(dir, &args)?;
    Ok(out)
}

/// Restarts the sequencer with the next federation, for which these voices speak.
fn coordinate(setting: &mut Setting, next: &Next, voices: &[PathBuf]) -> anyhow::Result<()> {
    let mut files = next.files();
    files.backup_voices = voices.to_vec();
    let own = setting.sequencer_config.sequencer.as_mut();
    own.context("a sequencer's configuration")?.more_federations = vec![files];
    setting.sequencer.kill();
    setting.restart_with(&[])
}

#[test]
fn a_federation_that_lost_its_key_is_followed_by_another_through_its_backup_keys() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        federation: Some((2, 3)),
        ..Choices::default()
    })?;
    let dir = setting.ground.dir().to_owned();
    let mut alice = Person::new(&setting.ground, "alice")?;
    alice.deposit(&setting, 1_000_000)?;
    let mut scripts = vec![paid(&setting, &mut alice, 100_000)?];

    // All shares are gone. A withdrawal waits, and nobody can sign for it ever again.
    let federation = setting.chain().federation.as_ref().context("a federation")?;
    let shares: Vec<PathBuf> = federation
        .members
        .iter()
        .filter_map(|member| Some(member.dir().join(&member.config.signer.as_ref()?.share_file)))
        .collect();
    for (member, share) in shares.iter().enumerate() {
        setting.kill_signer(member);
        fs::remove_file(share)?;
    }
    let (sent, script) = alice.withdraw(&setting, 100_000)?;
    scripts.push(script);
    setting.mine_until("a payout that nobody signs", || {
        Ok((setting.desk.bridge_status()?.vault.state == "unsigned").then_some(()))
    })?;

    // Another federation is founded; the members' backup keys speak for it, and one of them is too few.
    let next = Next::found(&setting)?;
    let named = next.files();
    let path = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
    let (file, group) = (path(&named.federation_file)?, path(&named.group_file)?);
    let told = done(
        &dir,
        &[
            "federation",
            "reshare",
            &file,
            &group,
            "--out",
            "next.json",
            "--json",
        ],
    )?;
    let told: Value = serde_json::from_str(&told)?;
    let hash = told["hash"].as_str().context("a hash")?.to_owned();
    let first = vouch(&dir, "Ada")?;
    coordinate(&mut setting, &next, std::slice::from_ref(&first))?;
    let few = setting.until("a sequencer that misses a voice", || {
        let found = epoch(&setting)?;
        Ok((found.state == "unsigned").then_some(found))
    })?;
    let reason = few.reason.context("a reason")?;
    ensure!(reason.contains("it takes 2 backup keys, 1 spoke"), "{reason}");
    let second = vouch(&dir, "Boris")?;
    coordinate(&mut setting, &next, &[first, second])?;
    setting.until("an announcement on its way", || {
        Ok((epoch(&setting)?.state == "posted").then_some(()))
    })?;

    // The vault goes there by the backup leaf, once the announcement is deep and the vault has rested.
    let url = setting.sequencer.url().to_owned();
    let operator = SigningKey::load(&dir.join("operator.key"))?.output_script();
    let address = Address::from_script(&operator, Network::Regtest.bitcoin())?.to_string();
    let prepare = [
        "vault",
        "rescue",
        "prepare",
        "--to",
        &hash,
        "--node",
        &url,
        "--fee-from",
        &address,
        "--rate",
        "5",
    ];
    let early = refused(&dir, &prepare)?;
    ensure!(early.contains("is not announced as the next one"), "{early}");
    setting.mine(1)?;
    setting.until("an announcement in a block", || {
        Ok((epoch(&setting)?.state == "announced").then_some(()))
    })?;
    let shallow = refused(&dir, &prepare)?;
    ensure!(shallow.contains("deep first"), "{shallow}");
    let recovery = refused(&dir, &[&prepare[..], &["--leaf", "recovery"]].concat())?;
    ensure!(recovery.contains("--to goes with the backup leaf"), "{recovery}");
    setting.mine_until("an announcement that is deep", || {
        Ok((epoch(&setting)?.state == "handingOver").then_some(()))
    })?;
    setting.mine(144)?;
    let told: Value = serde_json::from_str(&done(&dir, &[&prepare[..], &["--json"]].concat())?)?;
    assert_eq!((&told["epoch"], &told["to"]["epoch"]), (&0.into(), &1.into()));
    assert_eq!(told["to"]["hash"], hash.as_str());
    assert_eq!(
        (&told["before"], &told["blocksLeft"]),
        (&told["after"], &0.into())
    );
    let copies = [sign(&dir, "Ada")?, sign(&dir, "Chioma")?];
    let fee = [
        "vault",
        "rescue",
        "sign",
        "--fee-key-file",
        "operator.key",
        "--yes",
    ];
    done(&dir, &[&fee[..], &["--out", "fee.psbt", "rescue.psbt"]].concat())?;
    let all = [
        "vault", "rescue", "combine", "--out", "all.psbt", &copies[0], &copies[1], "fee.psbt",
    ];
    done(&dir, &all)?;
    let offline = refused(&dir, &["vault", "rescue", "finish", "all.psbt"])?;
    ensure!(
        offline.contains("--node URL"),
        "it asks whether the epoch stands on Bitcoin: {offline}"
    );
    done(&dir, &["vault", "rescue", "show", "--node", &url, "all.psbt"])?;
    done(&dir, &["vault", "rescue", "finish", "--node", &url, "all.psbt"])?;
    setting.mine_until(
        "the rotation",
        || Ok((epoch(&setting)?.number == 1).then_some(())),
    )?;

    // The next federation pays who waited, and goes on.
    setting.mine_until("the payout that waited", || setting.payout(sent.txid))?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    bob.deposit(&setting, 500_000)?;
    scripts.push(paid(&setting, &mut alice, 100_000)?);
    setting.agree()?;
    let found = setting.chain().client().scan(&scripts)?;
    assert_eq!(found.outputs.len(), scripts.len(), "each withdrawal is paid once");
    Ok(())
}
