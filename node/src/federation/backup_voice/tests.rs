//! Voices of the backup keys make a release that followers accept, and nothing else does.

use std::fs;

use bitcoin::hashes::Hash;
use tacit_protocol::peg::vault::VaultKeys;
use tacit_protocol::peg::{Announcement, SuccessionError};
use tacit_protocol::testing::{quorum, x_only};

use super::*;

const CHAIN: ChainId = ChainId::from_bytes([3; 32]);

fn signing(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32]).unwrap()
}

fn epoch(number: u32, federation: u8) -> Epoch {
    Epoch {
        number,
        keys: VaultKeys {
            federation: x_only(federation),
            backup: Some(quorum(2, &[61, 62, 63], 144)),
            recovery: Some(quorum(1, &[64], 26_280)),
        },
    }
}

fn voices(numbers: &[u8], epoch: &Epoch) -> Vec<BackupVoice> {
    let speak = |n: &u8| BackupVoice::speak(&signing(*n), CHAIN, epoch);
    numbers.iter().map(speak).collect()
}

fn released(voices: &[BackupVoice], next: &Epoch, current: &Epoch) -> Result<Release, VoiceError> {
    release(&voices.iter().collect::<Vec<_>>(), CHAIN, next, current)
}

#[test]
fn enough_voices_let_the_vault_go_and_followers_accept_it() {
    let (current, next) = (epoch(0, 1), epoch(1, 2));
    for numbers in [
        &[61, 62][..],
        &[63, 61],
        &[61, 62, 63],
        &[61, 61, 62],
        &[70, 62, 63],
    ] {
        let release = released(&voices(numbers, &next), &next, &current).unwrap();
        let announcement = Announcement {
            epoch: next.clone(),
            release,
            successor: Signature::from_slice(&[1; 64]).unwrap(),
        };
        // All but the successor's own signature, which nobody made here.
        let checked = announcement.check(CHAIN, &current);
        assert_eq!(checked, Err(SuccessionError::Successor), "{numbers:?}");
    }
}

#[test]
fn too_few_strangers_and_voices_for_something_else_are_refused_by_name() {
    let (current, next) = (epoch(0, 1), epoch(1, 2));
    let refused = |voices: &[BackupVoice], current: &Epoch| released(voices, &next, current).unwrap_err();
    let few = refused(&voices(&[62, 62], &next), &current);
    let text = few.to_string();
    assert!(
        text.contains("it takes 2 backup keys, 1 spoke")
            && text.contains(&x_only(61).to_string())
            && !text.contains(&x_only(62).to_string()),
        "{text}"
    );
    let stranger = refused(&voices(&[61, 64], &next), &current);
    assert!(
        matches!(stranger, VoiceError::Stranger(key) if key == x_only(64)),
        "{stranger}"
    );
    let other = refused(&voices(&[61, 62], &epoch(1, 3)), &current);
    assert!(
        matches!(other, VoiceError::Signature(key) if key == x_only(61)),
        "{other}"
    );
    let mut bare = current.clone();
    bare.keys.backup = None;
    let none = refused(&voices(&[61, 62], &next), &bare);
    assert!(matches!(none, VoiceError::NoLeaf), "{none}");
}

#[test]
fn files_are_read_back_and_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let next = epoch(1, 2);
    write_epoch(&path("epoch"), CHAIN, &next).unwrap();
    assert_eq!(read_epoch(&path("epoch"), CHAIN).unwrap(), next);
    let voice = voices(&[61], &next).remove(0);
    voice.write(&path("voice")).unwrap();
    assert_eq!(BackupVoice::load(&path("voice"), CHAIN).unwrap(), voice);
    assert!(voice.is_about(&next.hash(CHAIN)) && !voice.is_about(&epoch(2, 2).hash(CHAIN)));

    let elsewhere = ChainId::from_bytes([4; 32]);
    let refusals = [
        read_epoch(&path("epoch"), elsewhere).unwrap_err(),
        BackupVoice::load(&path("voice"), elsewhere).unwrap_err(),
        BackupVoice::load(&path("epoch"), CHAIN).unwrap_err(),
        read_epoch(&path("voice"), CHAIN).unwrap_err(),
        read_epoch(&path("nothing"), CHAIN).unwrap_err(),
        voice.write(&path("epoch")).unwrap_err(),
    ];
    let words = [
        "another chain",
        "another chain",
        "no voice",
        "no epoch",
        "cannot read",
        "exists",
    ];
    for (refusal, words) in refusals.iter().zip(words) {
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
    let chain = hex::encode(CHAIN.as_bytes());
    for (name, text, words) in [
        (
            "short",
            format!(r#"{{"chain":"{chain}","epoch":"00"}}"#),
            "holds no epoch",
        ),
        (
            "digits",
            format!(r#"{{"chain":"{chain}","epoch":"xx"}}"#),
            "is no epoch",
        ),
        ("long", " ".repeat(40_000), "longer than"),
    ] {
        fs::write(path(name), text).unwrap();
        let refusal = read_epoch(&path(name), CHAIN).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
    fs::write(
        path("bytes"),
        bitcoin::hashes::sha256::Hash::hash(b"x").to_byte_array(),
    )
    .unwrap();
    let refusal = read_epoch(&path("bytes"), CHAIN).unwrap_err().to_string();
    assert!(refusal.contains("is no epoch"), "{refusal}");
}
