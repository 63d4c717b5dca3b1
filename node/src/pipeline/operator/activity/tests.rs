//! Whatever the vault does and however a signer is has a word that is listed, so that metrics show it.

use bitcoin::hashes::Hash;
use tacit_federation::message::SignerStatus;
use tacit_protocol::peg::coins::CoinError;

use super::*;
use crate::federation::coordinator::Health;

#[test]
fn every_state_of_the_vault_has_a_word_that_is_listed() {
    let txid = Txid::all_zeros();
    let states = [
        VaultState::Idle,
        VaultState::Halted(String::new()),
        VaultState::Sent {
            txid,
            deposits: 0,
            withdrawals: 0,
            fee: 0,
        },
        VaultState::InMempool(txid),
        VaultState::Bumped { txid, replaced: txid },
        VaultState::Lifted { txid, child: txid },
        VaultState::Resent(txid),
        VaultState::Confirmed(txid),
        VaultState::Stuck {
            txid,
            reason: String::new(),
        },
        VaultState::OutOfCoins(CoinError::Overflow),
    ];
    let mut listed = VaultActivity::STATES.to_vec();
    for state in &states {
        let (word, ..) = words(state);
        let before = listed.len();
        listed.retain(|known| *known != word);
        assert_eq!(listed.len() + 1, before, "{word} is listed once");
    }
    assert_eq!(
        listed,
        ["starting", "unsigned", "failing"],
        "what is no state of a report"
    );
    assert_eq!(Activity::default().vault.state, "starting");
}

#[test]
fn every_health_of_a_signer_has_a_word_that_is_listed() {
    let status = |height, paused: Option<&str>, halted: Option<&str>| SignerStatus {
        member: 1,
        version: String::new(),
        height,
        tip: [0; 32],
        target: 9,
        vault_tip: ([0; 32], 0),
        paused: paused.map(str::to_owned),
        halted: halted.map(str::to_owned),
        signed: 0,
        refused: 0,
    };
    let health = |status| Health {
        status,
        ..Health::default()
    };
    let gone = Health {
        unreachable: Some("refused".into()),
        ..health(Some(status(9, None, None)))
    };
    let all = [
        (health(Some(status(9, None, None))), "ready"),
        (health(Some(status(8, None, None))), "behind"),
        (health(Some(status(8, Some("p"), Some("h")))), "paused"),
        (health(Some(status(8, None, Some("h")))), "halted"),
        (gone, "unreachable"),
        (health(None), "unknown"),
    ];
    assert_eq!(all.each_ref().map(|(_, word)| *word), SignerHealth::STATES);
    for (health, word) in all {
        assert_eq!(health.condition().0, word);
    }
}
