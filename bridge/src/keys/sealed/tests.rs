//! A sealed key comes back under its passphrase, and in no other way.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_secrets::file::FileError;

use super::*;
use crate::fixture::key;

fn kdf() -> KdfParams {
    KdfParams::new(8, 1, 1).unwrap()
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

#[test]
fn a_sealed_key_comes_back_under_its_passphrase_only_and_its_file_gives_nothing_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup.key");
    key(7).seal(&path, b"correct", kdf(), &mut rng()).unwrap();
    let back = SigningKey::unseal(&path, b"correct").unwrap();
    assert_eq!(back.public_key(), key(7).public_key());
    let refused = SigningKey::unseal(&path, b"wrong").unwrap_err();
    assert!(
        matches!(refused, SealedKeyError::Sealed(SealedError::WrongPassphrase(_))),
        "{refused}"
    );
    let bytes = std::fs::read(&path).unwrap();
    let secret = key(7).keypair.secret_bytes();
    assert!(!bytes.windows(32).any(|window| window == secret));
    let digits = hex::encode(secret);
    assert!(!bytes.windows(64).any(|window| window == digits.as_bytes()));
}

#[test]
fn a_sealed_key_never_takes_the_place_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup.key");
    key(7).seal(&path, b"correct", kdf(), &mut rng()).unwrap();
    let refused = key(8).seal(&path, b"correct", kdf(), &mut rng()).unwrap_err();
    assert!(
        matches!(
            refused,
            SealedKeyError::Sealed(SealedError::File(FileError::Exists(_)))
        ),
        "{refused}"
    );
    let kept = SigningKey::unseal(&path, b"correct").unwrap();
    assert_eq!(kept.public_key(), key(7).public_key());
}

#[test]
fn other_files_and_contents_are_no_sealed_keys() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain.key");
    key(7).store(&plain).unwrap();
    let refused = SigningKey::unseal(&plain, b"correct").unwrap_err();
    assert!(
        matches!(refused, SealedKeyError::Sealed(SealedError::Foreign { .. })),
        "{refused}"
    );
    for (i, content) in [&[1; 31][..], &[1; 33], &[0; 32], &[0xff; 32]]
        .into_iter()
        .enumerate()
    {
        let path = dir.path().join(format!("{i}.key"));
        SealedFile::create(&path, (&FORMAT, &[]), b"correct", kdf(), content, &mut rng()).unwrap();
        let refused = SigningKey::unseal(&path, b"correct").unwrap_err();
        assert!(matches!(refused, SealedKeyError::Content(_)), "{refused}");
    }
}
