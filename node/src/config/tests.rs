//! Configurations round-trip, explain every field and refuse what they do not know.

use super::annotate::EXPLANATIONS;
use super::*;

fn load(text: &str) -> Result<Config, ConfigError> {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    std::fs::write(file.path(), text).expect("written");
    Config::load(Some(file.path()))
}

fn with_sequencer() -> Config {
    let sequencer = SequencerConfig {
        anchor_key_file: "a".into(),
        federation_key_file: Some("f".into()),
        federation_file: Some("g".into()),
        group_file: Some("h".into()),
        identity_file: Some("i".into()),
        operator_key_file: "o".into(),
        fee_key: "00".into(),
        seal_after_ms: 5,
        mempool_transfers: 6,
        fee_floor: 1,
        take_over: false,
        crash_at: None,
        more_federations: vec![FederationFiles {
            federation_file: "j".into(),
            group_file: "k".into(),
            backup_voices: vec!["v".into()],
        }],
    };
    let signer = SignerConfig {
        federation_file: "g".into(),
        identity_file: "i".into(),
        share_file: "s".into(),
        passphrase_file: Some("p".into()),
        listen: Some("127.0.0.1:1".into()),
        fee_ceiling: 7,
        outflow_cap: Some(8),
        outflow_blocks: 9,
    };
    Config {
        sequencer: Some(sequencer),
        signer: Some(signer),
        ..Config::default()
    }
}

#[test]
fn printed_configuration_reads_back_to_the_same() {
    for config in [Config::default(), with_sequencer()] {
        let text = config.to_annotated_toml();
        assert_eq!(load(&text).expect("its own output"), config, "{text}");
        for (path, explanation) in EXPLANATIONS {
            assert!(text.contains(explanation), "{path} is not explained");
        }
    }
}

#[test]
fn unknown_fields_and_impossible_values_are_refused_by_name() {
    let message = |text: &str| load(text).expect_err("refused").to_string();
    assert!(message("colour = 1").contains("colour"));
    assert!(message("[rpc]\nmax_batches = 1").contains("max_batches"));
    assert!(message("poll_ms = 0").contains("poll_ms"));
    assert!(message("poll_ms = \"often\"").contains("poll_ms"));
    assert!(message("[bitcoind]\nurl = \"tcp://x\"").contains("bitcoind.url"));
    assert!(Config::load(Some(Path::new("/nonexistent/tacit.toml"))).is_err());
    assert!(Config::default().sequencer().is_err());
}

#[test]
fn password_is_never_printed() {
    let mut config = Config::default();
    config.bitcoind.user = Some("alice".into());
    config.bitcoind.password = Some("hunter2".into());
    assert!(!config.to_annotated_toml().contains("hunter2"));
}
