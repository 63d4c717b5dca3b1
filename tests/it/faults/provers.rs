//! A prover whose key is cut short, or holds other points than it should: it makes no proof or a wrong one, which is
//! verified before it is kept. Nothing is anchored, the process says why, and what was promised is done later.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tacit_bridge::client::BitcoinClient;

use crate::people::Person;
use crate::setting::{CIRCUITS_IN_USE, Choices, Setting, keys_dir};

/// The longest that a process without a usable key may live on.
const LIMIT: Duration = Duration::from_secs(240);

/// What is done to the file of a key.
type Damage = fn(&mut Vec<u8>);

/// A copy of the folder of proving keys in which that of batches is changed.
fn damaged(to: &Path, damage: Damage) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(keys_dir())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = to.join(&*name);
        if name.starts_with(CIRCUITS_IN_USE[0]) {
            fs::copy(entry.path(), path)?;
        } else if name.starts_with(CIRCUITS_IN_USE[1]) {
            let mut bytes = fs::read(entry.path())?;
            if !bytes.is_empty() {
                damage(&mut bytes);
            }
            fs::write(path, bytes)?;
        }
    }
    Ok(to.to_owned())
}

#[test]
fn a_prover_without_a_usable_key_anchors_nothing_and_keeps_every_promise_later() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices::default())?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    let (right, dir) = (
        setting.sequencer_config.keys_dir.clone(),
        setting.chain().dir().to_owned(),
    );
    let damages: [(&str, Damage); 2] = [
        ("cut-short", |bytes| bytes.truncate(bytes.len() / 2)),
        ("other-points", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..middle + 256].rotate_left(32);
        }),
    ];
    for (name, damage) in damages {
        setting.sequencer.kill();
        setting.sequencer_config.keys_dir = damaged(&dir.join(name), damage)?;
        setting.restart_sequencer(None)?;
        let before = setting.ground.audit()?.batch;
        let paid = alice.pay(&setting, &mut bob, 10_000)?;
        let status = setting.sequencer.wait(LIMIT)?;
        assert!(!status.success(), "{name}: it stops: {status}");
        let log = fs::read_to_string(setting.sequencer.log())?;
        let last = log.lines().last().context("it says something")?;
        assert!(
            last.contains("batch-4-4-v1") || last.contains("key"),
            "{name}: it says why: {last}"
        );
        setting.mine(2)?;
        assert_eq!(
            setting.chain().client().mempool_info()?.count,
            0,
            "{name}: nothing was sent"
        );
        assert_eq!(
            setting.ground.audit()?.batch,
            before,
            "{name}: nothing was anchored"
        );

        setting.sequencer_config.keys_dir.clone_from(&right);
        setting.restart_sequencer(None)?;
        setting.anchor(paid.txid)?;
        setting.settle()?;
        alice.sync(&setting.api)?;
    }
    assert_eq!(bob.holds(&setting.api)?, 20_000);
    let report = setting.agree()?;
    assert!(report.ignored.is_empty(), "{:?}", report.ignored);
    Ok(())
}
