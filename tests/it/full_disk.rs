//! A sequencer whose disk runs full: it says so, stops, and keeps what it promised.
//!
//! A limit on the size of files stands in for the disk. It needs no privileges and no mounts, and a
//! write past it fails as one on a full disk does: in part, or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use tacit_node::local::NodeProcess;
use tacit_wallet::api::NodeApi;

use crate::people::Person;
use crate::setting::{Choices, Setting, binary};

/// The largest file that the process may write, in blocks of 512 bytes: the database opens, and its log
/// is full after some hundred blocks of Bitcoin.
const FILE_BLOCKS: u32 = 160;
/// Blocks mined at a time, and how often.
const BLOCKS: u32 = 100;
const ROUNDS: u32 = 40;
/// The longest that a process without room may live on.
const LIMIT: Duration = Duration::from_secs(60);
const SATS: u64 = 10_000;

/// A program that runs `tacit` with a limit on the size of files.
fn cramped(setting: &Setting) -> anyhow::Result<PathBuf> {
    let script = setting.chain().dir().join("cramped");
    let tacit = binary()?;
    let text = format!(
        "#!/bin/sh\ntrap '' XFSZ\nulimit -f {FILE_BLOCKS}\nexec '{}' \"$@\"\n",
        tacit.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(script)
}

#[test]
fn a_sequencer_on_a_full_disk_says_so_stops_and_keeps_its_promises() -> anyhow::Result<()> {
    let mut setting = Setting::new(Choices {
        // Nothing is sealed before the disk is full: the promise stands in the mempool alone.
        seal_after_ms: 3_600_000,
        ..Choices::default()
    })?;
    let mut alice = Person::new(&setting.ground, "alice")?;
    let mut bob = Person::new(&setting.ground, "bob")?;
    alice.deposit(&setting, 500_000)?;
    setting.sequencer.kill();

    let dir = setting.chain().dir().to_owned();
    let program = cramped(&setting)?;
    setting.sequencer = NodeProcess::start(&program, &dir, "cramped-sequencer", &setting.sequencer_config)?;
    setting.desk = setting.sequencer.client()?;
    setting.settle()?;
    let promised = alice.pay(&setting, &mut bob, SATS)?.txid;

    let mut rounds = 0;
    let status = loop {
        ensure!(rounds < ROUNDS, "the disk does not get full");
        rounds += 1;
        setting.mine(BLOCKS)?;
        // It goes on while there is room.
        if setting.settle_one("the sequencer", &setting.desk).is_err() {
            break setting.sequencer.wait(LIMIT)?;
        }
    };
    assert_eq!(status.code(), Some(1), "it stops by itself: {status}");
    let log = fs::read_to_string(setting.sequencer.log())?;
    let last = log.lines().last().unwrap_or_default();
    assert!(
        last.contains("the disk is full") && last.contains("make room"),
        "{log}"
    );

    // With room again, nothing that it promised is missing.
    let sequencer = setting.sequencer_config.sequencer.as_mut();
    sequencer.expect("a sequencer's configuration").seal_after_ms = 300;
    setting.restart_sequencer(None)?;
    setting.anchor(promised)?;
    setting.settle()?;
    assert_eq!(bob.holds(&setting.api)?, SATS);
    assert!(setting.api.status()?.batch > 0);
    setting.agree().map(drop)
}
