//! The vault moves without its federation: backup keys, a node that follows, and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bitcoin::Address;
use serde_json::Value;
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::keys::SigningKey;
use tacit_node::config::Config;
use tacit_protocol::Network;
use tacit_wallet::api::NodeApi;

use crate::setting::{Choices, Ground, binary};

/// Runs `tacit vault rescue …` in the ground's folder with this configuration; its standard output.
fn rescue(dir: &Path, args: &[&str]) -> anyhow::Result<Result<String, String>> {
    let output = Command::new(binary()?)
        .args(["--config", "rescue.toml", "vault", "rescue"])
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
    rescue(dir, args)?.map_err(|error| anyhow::anyhow!("{args:?}: {error}"))
}

fn refused(dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    let outcome = rescue(dir, args)?;
    outcome
        .err()
        .with_context(|| format!("{args:?} should be refused"))
}

/// A ground whose federation was founded and never runs, with a configuration to rescue its vault.
fn ground() -> anyhow::Result<(Ground, Config)> {
    let ground = Ground::new(Choices {
        federation: Some((2, 3)),
        ..Choices::default()
    })?;
    let node = ground.chain.config("node", Some("http://127.0.0.1:9"))?;
    let federation = ground.chain.federation.as_ref().context("a federation")?;
    let rescue = Config {
        signer: federation.members[0].config.signer.clone(),
        ..node.clone()
    };
    fs::write(ground.dir().join("rescue.toml"), rescue.to_annotated_toml())?;
    Ok((ground, node))
}

/// Two of three members sign copies, each where its key is, and the coin's owner; nobody else can. The
/// members' copies.
fn sign(dir: &Path) -> anyhow::Result<[String; 2]> {
    let copies = ["Ada", "Boris"].map(|name| format!("{name}.psbt"));
    for (name, copy) in ["Ada", "Boris"].iter().zip(&copies) {
        let own = format!("federation/{name}");
        let (key, words) = (format!("{own}/backup.key"), format!("{own}/passphrase"));
        let sign = ["sign", "--backup-key-file", &key, "--passphrase-file", &words];
        done(
            dir,
            &[&sign[..], &["--yes", "--out", copy, "rescue.psbt"]].concat(),
        )?;
    }
    let fee = ["sign", "--fee-key-file", "operator.key", "--yes"];
    done(dir, &[&fee[..], &["--out", "fee.psbt", "rescue.psbt"]].concat())?;
    let stranger = ["sign", "--key-file", "operator.key", "--yes"];
    let error = refused(
        dir,
        &[&stranger[..], &["--out", "x.psbt", "rescue.psbt"]].concat(),
    )?;
    assert!(error.contains("is none of the backup leaf's"), "{error}");
    Ok(copies)
}

#[test]
fn members_without_their_federation_move_the_vault_by_the_backup_leaf() -> anyhow::Result<()> {
    let (ground, config) = ground()?;
    let dir = ground.dir();
    let mut node = ground.chain.start("node", &config)?;
    let api = node.client()?;
    let before = api.supply()?;

    // Whoever has a node and coins prepares it; the operator's pay here.
    let operator = SigningKey::load(&dir.join("operator.key"))?.output_script();
    let address = Address::from_script(&operator, Network::Regtest.bitcoin())?.to_string();
    let url = node.url().to_owned();
    let prepare = ["prepare", "--fee-from", &address, "--rate", "5"];
    let told = done(dir, &[&prepare[..], &["--node", &url, "--json"]].concat())?;
    let told: Value = serde_json::from_str(&told)?;
    assert_eq!(told["vault"], before.vault.to_string());
    assert_eq!(told["before"], told["after"]);
    assert_eq!(
        (&told["timelock"], &told["blocksLeft"]),
        (&144.into(), &143.into())
    );
    assert_eq!((&told["needed"], &told["epoch"]), (&2.into(), &0.into()));
    let again = refused(dir, &[&prepare[..], &["--node", &url]].concat())?;
    assert!(again.contains("is not replaced"), "{again}");

    let copies = sign(dir)?;

    // Too few signatures are told by name; all of them wait for the leaf to open.
    done(dir, &["combine", "--out", "few.psbt", &copies[0], "fee.psbt"])?;
    let error = refused(dir, &["finish", "few.psbt"])?;
    for words in [
        "not signed by",
        "Boris (",
        "Chioma (",
        "takes 2 signatures and has 1",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let all = ["rescue.psbt", &copies[0], &copies[1], "fee.psbt"];
    done(dir, &[&["combine", "--out", "all.psbt"], &all[..]].concat())?;
    ground.chain.faucet.mine(142)?;
    let error = refused(dir, &["finish", "all.psbt"])?;
    assert!(error.contains("1 are left"), "{error}");
    ground.chain.faucet.mine(1)?;

    // Without a node that runs, its database says where the vault is: the same transaction.
    node.kill();
    let told = done(dir, &[&prepare[..], &["--out", "second.psbt", "--json"]].concat())?;
    let second: Value = serde_json::from_str(&told)?;
    assert_eq!(second["blocksLeft"], 0);
    let shown: Value = serde_json::from_str(&done(dir, &["show", "rescue.psbt", "--json"])?)?;
    assert_eq!(second["txid"], shown["txid"]);

    let txid = done(dir, &["finish", "all.psbt"])?;
    assert_eq!(txid.trim(), second["txid"].as_str().unwrap_or_default());
    ground.chain.faucet.mine(1)?;
    let client = ground.chain.client();
    assert_eq!(client.mempool_info()?.count, 0, "it is in the block");
    let report = ground.audit()?;
    ensure!(report.is_sound(), "{report:?}");
    let node = ground.chain.start("node", &config)?;
    let height = client.chain_info()?.height;
    let started = Instant::now();
    while node.client()?.status()?.bitcoin_height < height {
        ensure!(
            started.elapsed() < Duration::from_secs(300),
            "the node does not catch up"
        );
        thread::sleep(Duration::from_millis(150));
    }
    let after = node.client()?.supply()?;
    assert_eq!(after.vault.txid.to_string(), txid.trim());
    assert_eq!(after.vault_amount, before.vault_amount);
    let error = refused(dir, &["finish", "all.psbt"])?;
    assert!(error.contains("the vault moved"), "{error}");
    Ok(())
}
