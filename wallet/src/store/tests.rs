//! Tests of the wallet file.

use super::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::os::unix::fs::PermissionsExt;

const CHAIN: StoreChain = StoreChain {
    network: Network::Regtest,
    chain_id: ChainId::from_bytes([1; 32]),
};

fn cheap() -> KdfParams {
    KdfParams::new(8, 1, 1).unwrap()
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn create(path: &Path) -> Result<Store, StoreError> {
    let contents = (&Seed::from_entropy([7; 32]), &Database::new());
    Store::create(path, CHAIN, b"passphrase", cheap(), contents, &mut rng())
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("wallet")
    }

    fn with_wallet() -> Self {
        let place = Self::new();
        drop(create(&place.path()).unwrap());
        place
    }
}

#[test]
fn what_is_saved_is_read_back() {
    let place = Place::with_wallet();
    let (store, seed, mut db) = Store::open(&place.path(), CHAIN, b"passphrase").unwrap();
    assert_eq!(seed.entropy(), &[7; 32]);
    assert_eq!(db, Database::new());
    db.next_address = 9;
    store.save(&seed, &db, &mut rng()).unwrap();
    drop(store);
    assert_eq!(
        Store::open(&place.path(), CHAIN, b"passphrase")
            .unwrap()
            .2
            .next_address,
        9
    );
}

/// A wallet without history, written by the first program that had this layout.
const FIRST: &str = "\
    7461636974776c7401000301010101010101010101010101010101010101010101010101010101010101010800000001\
    00000001000000611830d3641a68f94a690dcc25d1f4b00750061e0c875bdc471a354067a1e84d140967c2c59b55afda\
    c948325ac18f6dd32564371735f32c54743dc5e24d2a41f49ef81581d5236a0ebae89745653cf610408becb3eb6119ac\
    1cd356543d5df07e2da1a57cd5b15432edbbfbe0ec440c2cf7d3adfe6e478977f641fa07636553af4d2267b9ba025701\
    df25615274184d1ebd1f45ca9654dbc84fa0ccdb3d7988ee997fd7045591186e1ab41485cb336b5de43cf26822e2d358\
    be3b841d19affc6c1770b93280d2bcdfd037f93187bf635b20e6120b3c80cd040d151e209d9c47948ee829ad6bd1a991\
    6c26dbcb4bbdeeb1baafeffb006121983e9ebe8558728ee208fe2ff07034dfa68c09a3c36cd56cc2dc25b5dc43003e41\
    1414324a955cdef5d608af3c2c8860c1b33c9fbfc503ddd729b8d1a055158fa82400b94d862e3b8206f4763c98ca9fb9\
    519541e01ce56f20d1af8a11ccb91205522bb4ff547299a0b4b2568560b0cd1968dc867d418064cae5f193a6c3037a98";

#[test]
fn a_wallet_written_before_is_still_read_and_saved_as_todays() {
    let place = Place::new();
    let first = hex::decode(FIRST).unwrap();
    let lock = tacit_secrets::file::Lock::take(&place.path()).unwrap();
    lock.write_new(&first).unwrap();
    drop(lock);
    let (store, seed, db) = Store::open(&place.path(), CHAIN, b"passphrase").unwrap();
    assert_eq!((seed.entropy(), &db), (&[7; 32], &Database::new()));
    // What is saved has today's version of the content; the file around it is the same.
    store.save(&seed, &db, &mut rng()).unwrap();
    drop(store);
    let saved = std::fs::read(place.path()).unwrap();
    assert_eq!((&saved[..95], saved.len()), (&first[..95], first.len()));
    assert_ne!(saved, first);
    assert!(Store::open(&place.path(), CHAIN, b"passphrase").is_ok());
}

/// What becomes of a wallet with this content.
fn read_content(json: &serde_json::Value) -> Result<Database, StoreError> {
    let plain = [&[7; 32][..], json.to_string().as_bytes()].concat();
    parse(Path::new("wallet"), &plain).map(|(_, db)| db)
}

#[test]
fn the_content_of_a_newer_program_is_told_from_damage_whatever_it_has() {
    let mut json = serde_json::to_value(Database::new()).unwrap();
    assert_eq!(read_content(&json).unwrap(), Database::new());
    json["version"] = db::OLDEST.into();
    assert_eq!(read_content(&json).unwrap(), Database::new());
    json["deposits"] = "of another shape".into();
    json["unheardOf"] = 1.into();
    let damaged = read_content(&json);
    assert!(matches!(damaged, Err(StoreError::Corrupt { .. })), "{damaged:?}");
    for other in [db::VERSION + 1, u16::MAX, 0] {
        json["version"] = other.into();
        let error = read_content(&json).unwrap_err();
        assert!(
            matches!(error, StoreError::UnsupportedVersion { version, known, .. }
                if version == other && known == db::VERSION),
            "{error}"
        );
    }
}

#[test]
fn the_secret_does_not_stand_in_the_file() {
    let place = Place::with_wallet();
    let bytes = std::fs::read(place.path()).unwrap();
    assert!(!bytes.windows(8).any(|w| w == [7; 8]));
    assert!(!bytes.windows(8).any(|w| w == b"next_dep"));
}

#[test]
fn a_file_is_for_its_owner_only() {
    let place = Place::with_wallet();
    let mode = std::fs::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = Store::open(&place.path(), CHAIN, b"passphrase").unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::File(FileError::Permissions { mode: 0o640, .. })
        ),
        "{error}"
    );
}

#[test]
fn a_link_is_refused() {
    let place = Place::with_wallet();
    let link = place.0.path().join("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    assert!(matches!(
        Store::open(&link, CHAIN, b"passphrase"),
        Err(StoreError::File(FileError::NotRegular(_)))
    ));
    assert!(matches!(
        create(&link),
        Err(StoreError::File(FileError::Exists(_)))
    ));
}

#[test]
fn a_wallet_is_never_overwritten_by_a_new_one() {
    let place = Place::with_wallet();
    let before = std::fs::read(place.path()).unwrap();
    assert!(matches!(
        create(&place.path()),
        Err(StoreError::File(FileError::Exists(_)))
    ));
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_missing_wallet_is_named() {
    assert!(matches!(
        Store::open(&Place::new().path(), CHAIN, b"passphrase"),
        Err(StoreError::Missing(_))
    ));
}

#[test]
fn a_wrong_passphrase_is_not_a_damaged_file() {
    let place = Place::with_wallet();
    assert!(matches!(
        Store::open(&place.path(), CHAIN, b"other"),
        Err(StoreError::WrongPassphrase)
    ));
}

#[test]
fn a_wallet_of_another_chain_is_refused_before_the_passphrase() {
    let place = Place::with_wallet();
    let network = StoreChain {
        network: Network::Signet,
        ..CHAIN
    };
    assert!(matches!(
        Store::open(&place.path(), network, b"other"),
        Err(StoreError::WrongNetwork { .. })
    ));
    let chain = StoreChain {
        chain_id: ChainId::from_bytes([2; 32]),
        ..CHAIN
    };
    assert!(matches!(
        Store::open(&place.path(), chain, b"other"),
        Err(StoreError::WrongChain { .. })
    ));
}

#[test]
fn every_damaged_byte_is_noticed() {
    let place = Place::with_wallet();
    let good = std::fs::read(place.path()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(place.path(), &bad).unwrap();
        let error = Store::open(&place.path(), CHAIN, b"passphrase").unwrap_err();
        let expected = match at {
            0..8 => matches!(error, StoreError::NotAWallet(_)),
            8..10 => matches!(error, StoreError::UnsupportedVersion { .. }),
            _ => matches!(error, StoreError::Corrupt { .. }),
        };
        assert!(expected, "byte {at}: {error}");
    }
    let header = FORMAT.header_len();
    for length in [0, 7, 9, 50, header, header + 30, good.len() - 1] {
        std::fs::write(place.path(), &good[..length]).unwrap();
        let error = Store::open(&place.path(), CHAIN, b"passphrase").unwrap_err();
        assert!(
            matches!(error, StoreError::NotAWallet(_) | StoreError::Corrupt { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn one_program_at_a_time_has_a_wallet() {
    let place = Place::new();
    let store = create(&place.path()).unwrap();
    assert!(matches!(
        Store::open(&place.path(), CHAIN, b"passphrase"),
        Err(StoreError::File(FileError::InUse(_)))
    ));
    drop(store);
    assert!(Store::open(&place.path(), CHAIN, b"passphrase").is_ok());
}

#[test]
fn a_failed_save_leaves_what_was_there() {
    let place = Place::with_wallet();
    let (store, seed, mut db) = Store::open(&place.path(), CHAIN, b"passphrase").unwrap();
    db.next_address = 9;
    // A directory in the way of the temporary file stands for any failure to write it.
    std::fs::create_dir(place.0.path().join("wallet.tmp")).unwrap();
    assert!(matches!(
        store.save(&seed, &db, &mut rng()),
        Err(StoreError::File(FileError::Io { .. }))
    ));
    drop(store);
    assert_eq!(
        Store::open(&place.path(), CHAIN, b"passphrase")
            .unwrap()
            .2
            .next_address,
        0
    );
}
