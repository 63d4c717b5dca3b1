//! What is written down exactly is allowed, and nothing else is.

use super::*;

/// Where consents end.
const UNTIL: u32 = 900_000;

fn hash(tag: u8) -> Consent {
    Consent::Epoch([tag; 32])
}

fn key(tag: u8) -> Consent {
    Consent::Sequencer(tacit_protocol::testing::keypair(tag).x_only_public_key().0)
}

struct Setting {
    dir: tempfile::TempDir,
    consents: Consents,
}

fn setting() -> Setting {
    let dir = tempfile::tempdir().unwrap();
    let consents = Consents::of(dir.path(), [7; 32]);
    Setting { dir, consents }
}

impl Setting {
    fn path(&self, consent: &Consent) -> PathBuf {
        self.dir.path().join(FOLDER).join(consent.name())
    }

    /// Puts these bytes in the place of a consent.
    fn plant(&self, consent: &Consent, bytes: &[u8]) {
        let path = self.path(consent);
        let _ = fs::remove_file(&path);
        self.consents.give(consent, UNTIL).unwrap();
        fs::write(path, bytes).unwrap(); // the mode stays
    }

    fn refusal(&self, consent: &Consent) -> ConsentError {
        let listed = self.consents.list().unwrap();
        assert!(listed.iter().any(Result::is_err), "the list shows it");
        self.consents.until(consent).unwrap_err()
    }
}

#[test]
fn nothing_is_allowed_by_default() {
    let Setting { dir, consents } = setting();
    assert!(consents.until(&hash(1)).unwrap().is_none());
    assert!(consents.until(&key(1)).unwrap().is_none());
    assert!(consents.list().unwrap().is_empty());
    assert!(!consents.withdraw(&hash(1)).unwrap());
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "looking leaves nothing"
    );
}

#[test]
fn a_consent_allows_one_thing_until_it_is_withdrawn() {
    let Setting { consents, .. } = setting();
    assert!(consents.give(&hash(1), UNTIL).unwrap());
    assert!(consents.give(&key(2), UNTIL).unwrap());
    assert!(!consents.give(&hash(1), UNTIL).unwrap(), "it was given");
    for (consent, allowed) in [(hash(1), true), (hash(2), false), (key(2), true), (key(1), false)] {
        let until = allowed.then_some(UNTIL);
        assert_eq!(consents.until(&consent).unwrap(), until, "{consent}");
    }
    // The same bytes as a hash allow no key, and the other way round.
    let Consent::Sequencer(bytes) = key(2) else {
        panic!("a key")
    };
    assert_eq!(consents.until(&Consent::Epoch(bytes.serialize())).unwrap(), None);
    let listed: Vec<Given> = consents.list().unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(
        listed,
        [hash(1), key(2)].map(|consent| Given {
            consent,
            until: UNTIL
        })
    );
    assert!(consents.withdraw(&hash(1)).unwrap());
    assert!(consents.until(&hash(1)).unwrap().is_none());
    assert!(consents.until(&key(2)).unwrap().is_some());
}

#[test]
fn a_consent_given_again_gets_the_new_end() {
    let Setting { consents, .. } = setting();
    for (until, changes) in [(900, true), (900, false), (950, true), (899, true)] {
        assert_eq!(consents.give(&key(1), until).unwrap(), changes, "{until}");
        assert_eq!(consents.until(&key(1)).unwrap(), Some(until));
    }
}

#[test]
fn another_process_sees_a_consent_at_once() {
    let Setting { dir, consents } = setting();
    let signer = Consents::of(dir.path(), [7; 32]);
    assert!(signer.until(&key(1)).unwrap().is_none());
    consents.give(&key(1), UNTIL).unwrap();
    assert!(signer.until(&key(1)).unwrap().is_some());
}

#[test]
fn a_consent_is_laid_out_as_specified() {
    let setting = setting();
    setting.consents.give(&hash(9), UNTIL).unwrap();
    let bytes = fs::read(setting.path(&hash(9))).unwrap();
    assert_eq!(bytes.len() as u64, LENGTH);
    assert_eq!(bytes[..11], *b"tacitcns\x02\0\x01");
    assert_eq!(
        bytes[11..79],
        [&[9; 32][..], &UNTIL.to_le_bytes(), &[7; 32]].concat()
    );
    assert_eq!(bytes[79..], *sha256::Hash::hash(&bytes[..79]).as_byte_array());
}

#[test]
fn no_damaged_byte_and_no_other_length_allows_anything() {
    let setting = setting();
    setting.consents.give(&key(1), UNTIL).unwrap();
    let whole = fs::read(setting.path(&key(1))).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        setting.plant(&key(1), &bytes);
        let refused = setting.refusal(&key(1));
        let version = matches!(refused, ConsentError::Version { .. });
        assert_eq!(version, (8..10).contains(&at), "{at}: {refused}");
        assert!(
            version || matches!(refused, ConsentError::Damaged { .. }),
            "{at}: {refused}"
        );
    }
    for length in 0..whole.len() {
        setting.plant(&key(1), &whole[..length]);
        let refused = setting.refusal(&key(1));
        assert!(
            matches!(refused, ConsentError::Damaged { .. }),
            "{length}: {refused}"
        );
    }
    setting.plant(&key(1), &[whole.clone(), vec![0]].concat());
    let refused = setting.refusal(&key(1));
    assert!(
        matches!(refused, ConsentError::File(FileError::TooLong { .. })),
        "{refused}"
    );
    setting.plant(&key(1), &whole);
    assert!(setting.consents.until(&key(1)).unwrap().is_some());
}

#[test]
fn the_consent_of_another_federation_allows_nothing() {
    let (setting, other) = (setting(), tempfile::tempdir().unwrap());
    let stranger = Consents::of(other.path(), [8; 32]);
    stranger.give(&hash(1), UNTIL).unwrap();
    let bytes = fs::read(other.path().join(FOLDER).join(hash(1).name())).unwrap();
    setting.plant(&hash(1), &bytes);
    let refused = setting.refusal(&hash(1));
    assert!(matches!(refused, ConsentError::Foreign(_)), "{refused}");
}

#[test]
fn a_consent_under_another_name_allows_nothing() {
    let setting = setting();
    setting.consents.give(&hash(1), UNTIL).unwrap();
    fs::rename(setting.path(&hash(1)), setting.path(&hash(2))).unwrap();
    let refused = setting.refusal(&hash(2));
    assert!(matches!(refused, ConsentError::Name(_)), "{refused}");
    assert!(setting.consents.until(&hash(1)).unwrap().is_none());
}

#[test]
fn a_sequencer_of_an_impossible_key_is_no_consent() {
    let setting = setting();
    let mut bytes = setting.consents.encode(&Given {
        consent: key(1),
        until: UNTIL,
    });
    bytes[11..43].fill(0xff);
    let sum = sha256::Hash::hash(&bytes[..79]);
    bytes[79..].copy_from_slice(sum.as_byte_array());
    setting.plant(&key(1), &bytes);
    let refused = setting.refusal(&key(1));
    let point = DecodeError::BadPoint("anchor key");
    assert!(
        matches!(&refused, ConsentError::Damaged { reason, .. } if *reason == point),
        "{refused}"
    );
}

#[cfg(unix)]
#[test]
fn a_consent_that_others_could_have_written_allows_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let setting = setting();
    setting.consents.give(&hash(1), UNTIL).unwrap();
    let path = setting.path(&hash(1));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
    let refused = setting.refusal(&hash(1));
    assert!(
        matches!(refused, ConsentError::File(FileError::Permissions { .. })),
        "{refused}"
    );

    let elsewhere = setting.dir.path().join("elsewhere");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let refused = setting.refusal(&hash(1));
    assert!(
        matches!(refused, ConsentError::File(FileError::NotRegular(_))),
        "{refused}"
    );
}

#[test]
fn a_damaged_consent_leaves_the_others_in_force_and_can_be_withdrawn() {
    let setting = setting();
    setting.consents.give(&key(1), UNTIL).unwrap();
    setting.plant(&hash(1), b"nonsense");
    assert!(setting.consents.until(&key(1)).unwrap().is_some());
    assert!(
        setting.consents.give(&hash(1), UNTIL).is_err(),
        "it is looked at first"
    );
    assert!(setting.consents.withdraw(&hash(1)).unwrap());
    assert!(setting.consents.give(&hash(1), UNTIL).unwrap());
    assert!(setting.consents.until(&hash(1)).unwrap().is_some());
}
