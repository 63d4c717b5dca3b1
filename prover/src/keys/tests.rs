//! A key file is read back whole or refused by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use tacit_circuits::r1cs::Statement;
use tempfile::TempDir;

use super::*;
use crate::backend::conformance::Powers;
use crate::progress::Silent;
use crate::testing;

const HEADER: usize = 176;

fn id() -> CircuitId {
    CircuitId::new("powers", testing::powers().r1cs().digest())
}

fn store(dir: &TempDir) -> KeyStore {
    KeyStore::new(dir.path(), Network::Regtest)
}

/// A directory with the key of the test circuit, and its path.
fn with_key() -> (TempDir, PathBuf, Vec<u8>) {
    let dir = TempDir::new().expect("a temporary directory");
    let path = store(&dir).path(&id(), true);
    store::write(&path, &testing::powers_key(), &Silent).expect("a writable directory");
    let bytes = fs::read(&path).expect("just written");
    (dir, path, bytes)
}

fn read(path: &Path, bytes: &[u8]) -> Result<ProvingKey, KeyError> {
    fs::write(path, bytes).expect("a writable directory");
    file::read(path, &Silent)
}

#[test]
fn key_file_is_read_back_whole() {
    let (_dir, path, _) = with_key();
    let key = file::read(&path, &Silent).expect("the file just written");
    assert_eq!(key.parts(), testing::powers_key().parts());
    let name = path.file_name().and_then(|n| n.to_str()).expect("text");
    assert_eq!(
        name,
        format!("powers-{}-INSECURE.key", hex::encode(&id().digest()[..8]))
    );
    assert!(!path.with_extension("tmp").exists());
}

#[test]
fn missing_file_is_named() {
    let dir = TempDir::new().expect("a temporary directory");
    let result = store(&dir).load(&id(), &Silent);
    assert!(matches!(result, Err(KeyError::NotFound { path }) if path == store(&dir).path(&id(), false)));
}

#[test]
fn file_of_something_else_is_named() {
    let (_dir, path, bytes) = with_key();
    assert!(matches!(
        read(&path, b"hello, I am a text"),
        Err(KeyError::NotAKeyFile { .. })
    ));
    let mut other = bytes;
    other[3] ^= 1;
    assert!(matches!(read(&path, &other), Err(KeyError::NotAKeyFile { .. })));
}

#[test]
fn unsupported_version_is_named() {
    let (_dir, path, mut bytes) = with_key();
    bytes[8] = 9;
    assert!(matches!(
        read(&path, &bytes),
        Err(KeyError::UnsupportedVersion { found: 9, .. })
    ));
}

#[test]
fn development_key_of_an_older_format_is_made_again() {
    let (dir, path, bytes) = with_key();
    let mut older = bytes.clone();
    older[8] = 1;
    fs::write(&path, &older).expect("a writable directory");
    let load =
        |circuit: &CircuitId| store(&dir).load_or_generate(circuit, || testing::powers().r1cs(), &Silent);
    assert_eq!(
        load(&id()).expect("a new key").parts(),
        testing::powers_key().parts()
    );
    assert_eq!(fs::read(&path).expect("written again"), bytes);

    // A newer format is somebody else's, and the key of a ceremony cannot be made again.
    older[8] = 9;
    fs::write(&path, &older).expect("a writable directory");
    assert!(matches!(
        load(&id()),
        Err(KeyError::UnsupportedVersion { found: 9, .. })
    ));
    older[8] = 1;
    fs::write(store(&dir).path(&id(), false), &older).expect("a writable directory");
    assert!(matches!(
        load(&id()),
        Err(KeyError::UnsupportedVersion { found: 1, .. })
    ));
}

#[test]
fn truncated_file_is_named_wherever_it_ends() {
    let (_dir, path, bytes) = with_key();
    let n = bytes.len();
    for end in [
        0,
        5,
        8,
        12,
        100,
        HEADER,
        HEADER + 32,
        HEADER + 33,
        n / 4,
        n / 2,
        n - 33,
        n - 1,
    ] {
        let result = read(&path, &bytes[..end]);
        assert!(
            matches!(result, Err(KeyError::Truncated { .. })),
            "{end} of {n} bytes: {result:?}"
        );
    }
    let KeyError::Truncated { expected, found, .. } = read(&path, &bytes[..n - 1]).expect_err("truncated")
    else {
        panic!("truncated");
    };
    assert_eq!((expected, found), (n as u64, n as u64 - 1));
}

#[test]
fn flipped_bit_anywhere_is_named() {
    let (_dir, path, bytes) = with_key();
    let places = (12..HEADER + 33)
        .chain((HEADER + 33..bytes.len()).step_by(97))
        .chain(bytes.len() - 32..bytes.len());
    for at in places {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let expected = if at < HEADER + 32 {
            Part::Header
        } else {
            Part::Body
        };
        let result = read(&path, &bad);
        assert!(
            matches!(result, Err(KeyError::Corrupt { part, .. }) if part == expected),
            "byte {at}: {result:?}"
        );
    }
}

#[test]
fn bytes_behind_the_end_are_named() {
    let (_dir, path, bytes) = with_key();
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        read(&path, &longer),
        Err(KeyError::Corrupt {
            part: Part::Trailing,
            ..
        })
    ));
}

#[test]
fn key_of_another_circuit_is_named() {
    let (dir, path, _) = with_key();
    let other = CircuitId::new("powers", [7; 32]);
    fs::copy(&path, store(&dir).path(&other, true)).expect("a writable directory");
    assert!(matches!(
        store(&dir).load(&other, &Silent),
        Err(KeyError::OtherCircuit { .. })
    ));
    let renamed = CircuitId::new("squares", *id().digest());
    fs::copy(&path, store(&dir).path(&renamed, true)).expect("a writable directory");
    assert!(matches!(
        store(&dir).load(&renamed, &Silent),
        Err(KeyError::OtherCircuit { .. })
    ));
}

#[test]
fn development_key_is_refused_on_the_main_network() {
    let (dir, path, _) = with_key();
    let mainnet = KeyStore::new(dir.path(), Network::Mainnet);
    assert!(matches!(
        mainnet.load(&id(), &Silent),
        Err(KeyError::InsecureOnMainnet { .. })
    ));
    // Not even under the name of a ceremony's key: the header says what it is.
    fs::rename(&path, store(&dir).path(&id(), false)).expect("a writable directory");
    assert!(matches!(
        mainnet.load(&id(), &Silent),
        Err(KeyError::InsecureOnMainnet { .. })
    ));
    assert!(store(&dir).load(&id(), &Silent).is_ok());
}

#[test]
fn main_network_makes_no_key() {
    let dir = TempDir::new().expect("a temporary directory");
    let mainnet = KeyStore::new(dir.path(), Network::Mainnet);
    let result = mainnet.load_or_generate(&id(), || unreachable!("no set-up on the main network"), &Silent);
    assert!(matches!(result, Err(KeyError::NotFound { .. })));
}

#[test]
fn key_is_generated_once_and_found_afterwards() {
    let dir = TempDir::new().expect("a temporary directory");
    let first = store(&dir);
    let made = AtomicUsize::new(0);
    let system = || {
        made.fetch_add(1, Ordering::Relaxed);
        testing::powers().r1cs()
    };
    let key = first
        .load_or_generate(&id(), system, &Silent)
        .expect("a fresh key");
    let again = first
        .load_or_generate(&id(), system, &Silent)
        .expect("from memory");
    let read = store(&dir)
        .load_or_generate(&id(), system, &Silent)
        .expect("from disk");
    assert_eq!(made.load(Ordering::Relaxed), 1);
    assert!(std::sync::Arc::ptr_eq(&key, &again));
    assert_eq!(key.parts(), read.parts());
}

#[test]
fn two_stores_at_once_generate_one_key() {
    let dir = TempDir::new().expect("a temporary directory");
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let system = || {
                    made.fetch_add(1, Ordering::Relaxed);
                    testing::powers().r1cs()
                };
                store(&dir)
                    .load_or_generate(&id(), system, &Silent)
                    .expect("a key");
            });
        }
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn damaged_key_is_never_replaced_silently() {
    let (dir, path, bytes) = with_key();
    fs::write(&path, &bytes[..1000]).expect("a writable directory");
    let result = store(&dir).load_or_generate(&id(), || unreachable!("no set-up"), &Silent);
    assert!(matches!(result, Err(KeyError::Truncated { .. })));
    assert!(result.expect_err("truncated").to_string().contains("delete it"));
}

#[test]
fn circuit_that_is_not_the_one_asked_for_makes_no_key() {
    let dir = TempDir::new().expect("a temporary directory");
    let other = Powers {
        squarings: 7,
        ..testing::powers()
    };
    let result = store(&dir).load_or_generate(&id(), || other.r1cs(), &Silent);
    assert!(matches!(result, Err(KeyError::CircuitChanged { .. })));
    assert!(!store(&dir).path(&id(), true).exists());
}

#[test]
fn directory_that_cannot_be_written_is_named() {
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("file");
    fs::write(&file, b"in the way").expect("a writable directory");
    let inside = KeyStore::new(file.join("keys"), Network::Regtest);
    let result = inside.load_or_generate(&id(), || testing::powers().r1cs(), &Silent);
    assert!(matches!(result, Err(KeyError::Io { .. })), "{result:?}");
}
