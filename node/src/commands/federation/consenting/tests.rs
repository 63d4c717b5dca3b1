//! The commands give, list and withdraw consents, and take nothing else for one.

use std::fs;

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};
use crate::commands::federation::FederationAction;
use crate::config::SignerConfig;
use crate::federation::testing;

const HASH: &str = "0707070707070707070707070707070707070707070707070707070707070707";
const KEY: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn parse(words: &[&str]) -> Result<ConsentArgs, clap::Error> {
    let line = ["tacit", "federation", "consent"].iter().chain(words);
    let Command::Federation(args) = Cli::try_parse_from(line)?.command else {
        panic!("{words:?} is about a federation")
    };
    let FederationAction::Consent(args) = args.action else {
        panic!("{words:?} is about consents")
    };
    Ok(args)
}

struct Setting {
    dir: tempfile::TempDir,
    config: Config,
    consents: Consents,
}

fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let (text, _) = testing::file(2, 2);
    let file = dir.path().join("federation.toml");
    fs::write(&file, toml::to_string(&text).unwrap()).unwrap();
    let federation = Federation::new(text).unwrap();
    let config = Config {
        data_dir: dir.path().join("data"),
        signer: Some(SignerConfig {
            federation_file: file,
            identity_file: "identity".into(),
            share_file: "share".into(),
            passphrase_file: None,
            listen: None,
            fee_ceiling: 1,
            outflow_cap: None,
            outflow_blocks: 1,
        }),
        ..Config::default()
    };
    let consents = Consents::of(&config.data_dir, *federation.context());
    Setting {
        dir,
        config,
        consents,
    }
}

impl Setting {
    /// Runs the command; whether it ended well.
    fn run(&self, words: &[&str]) -> bool {
        let code = consent(&parse(words).unwrap(), &self.config).unwrap();
        format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
    }
}

#[test]
fn consents_are_given_listed_and_withdrawn_by_command() {
    let setting = setting();
    assert!(setting.run(&["list"]), "none at first");
    assert!(setting.run(&["epoch", HASH, "--until", "900"]));
    assert!(
        setting.run(&["epoch", HASH, "--until", "900", "--json"]),
        "twice does no harm"
    );
    assert!(setting.run(&["sequencer", KEY, "--until", "901"]));
    let until = |consent| setting.consents.until(&consent).unwrap();
    assert_eq!(until(epoch(HASH).unwrap()), Some(900));
    assert_eq!(until(sequencer(KEY).unwrap()), Some(901));
    assert!(setting.run(&["epoch", HASH, "--until", "950"]));
    assert_eq!(until(epoch(HASH).unwrap()), Some(950), "it gets the new end");
    assert!(setting.run(&["list", "--json"]));
    assert!(setting.run(&["withdraw", "epoch", HASH]));
    assert_eq!(until(epoch(HASH).unwrap()), None);
    assert_eq!(until(sequencer(KEY).unwrap()), Some(901));
}

#[test]
fn without_a_bitcoind_the_end_has_to_be_said() {
    let setting = setting();
    let asked = consent(&parse(&["epoch", HASH]).unwrap(), &setting.config);
    let error = format!("{:#}", asked.unwrap_err());
    assert!(error.contains("say --until HEIGHT"), "{error}");
    assert!(setting.consents.list().unwrap().is_empty());
}

#[test]
fn a_list_with_a_damaged_consent_fails() {
    let setting = setting();
    assert!(setting.run(&["epoch", HASH, "--until", "900"]));
    let file = setting
        .dir
        .path()
        .join("data/consents")
        .join(format!("epoch-{HASH}"));
    fs::write(file, b"nonsense").unwrap();
    assert!(!setting.run(&["list"]));
}

#[test]
fn what_is_no_hash_and_no_key_is_not_taken_for_one() {
    for words in [
        &["epoch", "07"][..],
        &[
            "epoch",
            "zz07070707070707070707070707070707070707070707070707070707070707",
        ],
        &["epoch"],
        &["sequencer", "07"],
        // No point has this coordinate.
        &[
            "sequencer",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ],
        &["withdraw", HASH],
        &["everything"],
        &["epoch", HASH, "--blocks", "0"],
        &["epoch", HASH, "--blocks", "4033"],
        &["epoch", HASH, "--blocks", "9", "--until", "900"],
    ] {
        assert!(parse(words).is_err(), "{words:?}");
    }
    assert!(parse(&["epoch", HASH]).is_ok() && parse(&["withdraw", "sequencer", KEY]).is_ok());
}
