//! Sealed files: read back whole, or refused with the reason.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const FORMAT: Format = Format {
    name: "test",
    magic: *b"tacittst",
    version: 1,
    own: 3,
    most: 1024,
};

fn cheap() -> KdfParams {
    KdfParams::new(8, 1, 1).unwrap()
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn create(path: &Path, format: &Format) -> Result<SealedFile, SealedError> {
    SealedFile::create(path, (format, b"own"), b"right", cheap(), b"content", &mut rng())
}

fn open(path: &Path, format: &Format, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    Ok(Closed::read(path, format)?.open(passphrase)?.1)
}

/// A folder with a sealed file in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    create(&path, &FORMAT).unwrap();
    (folder, path)
}

#[test]
fn a_sealed_content_is_read_back_and_replaced() {
    let (_folder, path) = place();
    let closed = Closed::read(&path, &FORMAT).unwrap();
    assert_eq!(closed.own(), b"own");
    let (file, content) = closed.open(b"right").unwrap();
    assert_eq!(*content, b"content");
    file.replace(b"another", &mut rng()).unwrap();
    drop(file);
    assert_eq!(*open(&path, &FORMAT, b"right").unwrap(), b"another");
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(7).any(|part| part == b"another"));
}

#[test]
fn a_sealed_file_is_laid_out_as_specified() {
    let (_folder, path) = place();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(FORMAT.header_len(), 8 + 2 + 3 + 12 + 16 + 16 + 8);
    assert_eq!(bytes.len(), FORMAT.header_len() + 24 + b"content".len() + 16);
    assert_eq!(bytes[..13], *b"tacittst\x01\0own");
    assert_eq!(bytes[13..25], [8, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    let (key, check) = cheap()
        .derive(b"right", &bytes[25..41].try_into().unwrap())
        .unwrap();
    assert_eq!(bytes[41..57], check);
    assert_eq!(bytes[57..65], Sha256::digest(&bytes[..57])[..8]);
    let content = cipher::open(&key, &bytes[..65], &bytes[65..]);
    assert_eq!(*content.unwrap(), b"content");
}

#[test]
fn a_wrong_passphrase_is_told_from_every_damaged_byte() {
    let (_folder, path) = place();
    let wrong = open(&path, &FORMAT, b"wrong").unwrap_err();
    assert!(matches!(wrong, SealedError::WrongPassphrase(_)), "{wrong}");
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let error = open(&path, &FORMAT, b"right").unwrap_err();
        let expected = match at {
            0..8 => matches!(error, SealedError::Foreign { .. }),
            8..10 => matches!(error, SealedError::Version { .. }),
            _ => matches!(error, SealedError::Damaged { .. }),
        };
        assert!(expected, "byte {at}: {error}");
        std::fs::write(&path, &good[..at]).unwrap();
        let error = open(&path, &FORMAT, b"right").unwrap_err();
        let expected = match at {
            0..8 => matches!(error, SealedError::Foreign { .. }),
            _ => matches!(error, SealedError::Damaged { .. }),
        };
        assert!(expected, "{at} bytes: {error}");
    }
    std::fs::write(&path, [good.as_slice(), b"\0"].concat()).unwrap();
    let longer = open(&path, &FORMAT, b"right").unwrap_err();
    assert!(matches!(longer, SealedError::Damaged { .. }), "{longer}");
}

#[test]
fn a_header_that_asks_for_too_much_is_damage_even_if_its_sum_is_right() {
    let (_folder, path) = place();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[13..17].copy_from_slice(&u32::MAX.to_le_bytes());
    let sum = sum(&bytes[..57]);
    bytes[57..65].copy_from_slice(&sum);
    std::fs::write(&path, &bytes).unwrap();
    let error = open(&path, &FORMAT, b"right").unwrap_err();
    assert!(matches!(error, SealedError::Damaged { reason, .. } if reason.contains("derivation")));
}

#[test]
fn a_header_changed_with_its_sum_does_not_authenticate() {
    let (_folder, path) = place();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] ^= 1;
    let sum = sum(&bytes[..57]);
    bytes[57..65].copy_from_slice(&sum);
    std::fs::write(&path, &bytes).unwrap();
    let error = open(&path, &FORMAT, b"right").unwrap_err();
    assert!(matches!(error, SealedError::Damaged { reason, .. } if reason.contains("authenticate")));
}

#[test]
fn a_file_of_another_format_or_version_is_named() {
    let (_folder, path) = place();
    let magic = *b"tacitoth";
    let other = Format { magic, ..FORMAT };
    let error = open(&path, &other, b"right").unwrap_err();
    assert!(matches!(error, SealedError::Foreign { name: "test", .. }));
    let older = Format { version: 0, ..FORMAT };
    let error = open(&path, &older, b"right").unwrap_err();
    assert!(matches!(
        error,
        SealedError::Version {
            version: 1,
            known: 0,
            ..
        }
    ));
    let shorter = Format { most: 100, ..FORMAT };
    let error = open(&path, &shorter, b"right").unwrap_err();
    assert!(matches!(error, SealedError::File(FileError::TooLong { .. })));
}

#[test]
fn an_open_sealed_file_is_locked_and_a_new_one_replaces_none() {
    let (_folder, path) = place();
    let (file, _) = Closed::read(&path, &FORMAT).unwrap().open(b"right").unwrap();
    let in_use = open(&path, &FORMAT, b"right").unwrap_err();
    assert!(matches!(in_use, SealedError::File(FileError::InUse(_))));
    drop(file);
    let before = std::fs::read(&path).unwrap();
    let exists = create(&path, &FORMAT).unwrap_err();
    assert!(matches!(exists, SealedError::File(FileError::Exists(_))));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn looking_for_a_sealed_file_that_is_missing_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("file"), &FORMAT, b"right").unwrap_err();
    assert!(matches!(error, SealedError::File(FileError::Missing(_))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn neither_key_nor_content_shows_in_debug_output() {
    let (_folder, path) = place();
    let (file, _) = Closed::read(&path, &FORMAT).unwrap().open(b"right").unwrap();
    assert_eq!(
        format!("{file:?}"),
        format!("SealedFile {{ path: {path:?}, .. }}")
    );
}
