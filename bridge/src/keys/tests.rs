//! Key files: what is taken, and everything that is not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use bitcoin::secp256k1::{Message, Secp256k1};

use super::{FileError, KeyFileError, SigningKey};

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32]).unwrap()
}

#[test]
fn a_stored_key_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    key().store(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SigningKey::load(&path).unwrap().public_key(), key().public_key());
}

#[test]
fn an_existing_key_file_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    key().store(&path).unwrap();
    let other = SigningKey::from_bytes(&[8; 32]).unwrap();
    let refused = other.store(&path);
    assert!(matches!(refused, Err(KeyFileError::File(FileError::Exists(_)))));
    let kept = SigningKey::load_or_create(&path, &mut rand::thread_rng()).unwrap();
    assert_eq!(kept.public_key(), key().public_key());
}

#[test]
fn a_missing_key_file_is_created_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let missing = SigningKey::load(&path);
    assert!(matches!(missing, Err(KeyFileError::File(FileError::Missing(_)))));
    let made = SigningKey::load_or_create(&path, &mut rand::thread_rng()).unwrap();
    assert_eq!(SigningKey::load(&path).unwrap().public_key(), made.public_key());
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    key().store(&path).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = SigningKey::load(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Permissions { mode: found, .. } if found == mode));
        assert!(
            error.to_string().contains("chmod 600"),
            "the remedy is said: {error}"
        );
    }
}

#[test]
fn a_link_to_a_key_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, link) = (dir.path().join("key"), dir.path().join("link"));
    key().store(&path).unwrap();
    symlink(&path, &link).unwrap();
    assert!(matches!(SigningKey::load(&link), Err(KeyFileError::NotPlain(_))));
    let dangling = dir.path().join("dangling");
    symlink(dir.path().join("nowhere"), &dangling).unwrap();
    let created = SigningKey::load_or_create(&dangling, &mut rand::thread_rng());
    assert!(
        matches!(created, Err(KeyFileError::NotPlain(_))),
        "nor is one followed"
    );
    assert!(matches!(
        SigningKey::load(dir.path()),
        Err(KeyFileError::NotPlain(_))
    ));
}

#[test]
fn a_damaged_key_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (zero, order) = ("00".repeat(32), "ff".repeat(32));
    for content in [
        "",
        "abcd",
        "not hexadecimal at all",
        &zero,
        &order,
        &"07".repeat(33),
    ] {
        let path = dir.path().join("key");
        let _removed = fs::remove_file(&path);
        key().store(&path).unwrap();
        fs::write(&path, content).unwrap();
        assert!(
            matches!(SigningKey::load(&path), Err(KeyFileError::Content(_))),
            "{content:?}"
        );
    }
}

#[test]
fn debug_output_shows_the_public_key_only() {
    let text = format!("{:?}", key());
    assert!(text.contains(&key().public_key().to_string()));
    assert!(!text.contains(&hex::encode([7; 32])));
}

#[test]
fn signatures_verify_under_the_output_key() {
    let (secp, message) = (Secp256k1::new(), Message::from_digest([3; 32]));
    let signature = key().sign_key_path(&message, None);
    let script = key().output_script();
    let output = bitcoin::XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).unwrap();
    secp.verify_schnorr(&signature, &message, &output).unwrap();
    let plain = key().sign_plain(&message);
    secp.verify_schnorr(&plain, &message, &key().public_key())
        .unwrap();
}
