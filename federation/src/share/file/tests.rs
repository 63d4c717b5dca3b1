//! Shares on disk: they come back as what they were, or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use frost_secp256k1_tr::keys::{IdentifierList, KeyPackage, generate_with_dealer};

use super::*;
use crate::roster::Roster;
use crate::testing::{id, others, rng, roster, third};

/// A folder with the file of member 1 in it, the agreement stored there, and the hashes of the others.
struct Place {
    folder: tempfile::TempDir,
    share: KeyShare,
}

fn cheap() -> KdfParams {
    KdfParams::new(8, 1, 1).unwrap()
}

fn agreement(seed: u64, member: u16) -> Agreement {
    third(&roster(2, 3), seed).0.remove(&id(member)).unwrap()
}

/// The share that comes out of an agreement.
fn agreed(seed: u64, member: u16) -> KeyShare {
    let (mut states, transcripts) = third(&roster(2, 3), seed);
    let state = states.remove(&id(member)).unwrap();
    let share = state.received(&others(&transcripts, id(member)));
    share.ok().expect("all agree")
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            share: agreed(1, 1),
        }
    }

    /// The place with a share that waits.
    fn waiting() -> Self {
        let this = Self::new();
        this.create(&agreement(1, 1)).unwrap();
        this
    }

    /// The place with a share that was agreed on.
    fn agreed() -> Self {
        let this = Self::new();
        let file = this.create(&agreement(1, 1)).unwrap();
        file.replace(&this.share, &mut rng(2)).unwrap();
        this
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("share")
    }

    fn create(&self, agreement: &Agreement) -> Result<ShareFile, ShareFileError> {
        ShareFile::create(&self.path(), agreement, b"right", cheap(), &mut rng(1))
    }

    fn open(&self) -> Result<(ShareFile, Stored), ShareFileError> {
        ShareFile::open(&self.path(), b"right")
    }

    /// Why it does not open.
    fn refused(&self) -> ShareFileError {
        self.open().err().expect("it is refused")
    }

    /// Writes another content than a program does, properly encrypted.
    fn plant(&self, content: &[u8]) {
        let (path, mut rng) = (self.path(), rng(3));
        SealedFile::create(&path, (&FORMAT, &[]), b"right", cheap(), content, &mut rng).unwrap();
    }
}

#[test]
fn a_share_waits_on_disk_until_all_agree_and_then_signs() {
    let place = Place::waiting();
    let (file, Stored::Waiting(agreement)) = place.open().unwrap() else {
        panic!("not agreed on yet")
    };
    let (_, transcripts) = third(&roster(2, 3), 1);
    let share = agreement.received(&others(&transcripts, id(1)));
    file.replace(&share.ok().expect("all agree"), &mut rng(2))
        .unwrap();
    drop(file);
    let (_, Stored::Agreed(share)) = place.open().unwrap() else {
        panic!("agreed on")
    };
    assert_eq!(share.to_bytes(), place.share.to_bytes());
}

#[test]
fn a_share_that_was_never_agreed_on_does_not_become_one_by_its_kind() {
    let place = Place::new();
    place.plant(&content(AGREED, &agreement(1, 1).to_bytes()));
    assert!(matches!(place.refused(), ShareFileError::Share { .. }));
    let place = Place::new();
    place.plant(&content(WAITING, &place.share.to_bytes()));
    assert!(matches!(place.refused(), ShareFileError::Share { .. }));
}

#[test]
fn contents_that_are_no_share_are_refused() {
    let place = Place::new();
    place.plant(b"");
    assert!(matches!(place.refused(), ShareFileError::Share { .. }));
    for kind in [0, 3, 255] {
        let place = Place::new();
        place.plant(&content(kind, &place.share.to_bytes()));
        let refused = place.refused();
        assert!(matches!(refused, ShareFileError::Kind { kind: found, .. } if found == kind));
    }
    let place = Place::new();
    place.plant(&content(
        AGREED,
        &[place.share.to_bytes().as_slice(), b"\0"].concat(),
    ));
    assert!(matches!(place.refused(), ShareFileError::Share { .. }));
}

#[test]
fn nothing_of_a_share_stands_in_its_file() {
    for place in [Place::waiting(), Place::agreed()] {
        let bytes = fs::read(place.path()).unwrap();
        let share = place.share.to_bytes();
        let own: Vec<_> = share.windows(8).filter(|part| part != &[0; 8]).collect();
        assert!(!bytes.windows(8).any(|part| own.contains(&part)));
    }
}

#[test]
fn a_wrong_passphrase_for_a_share_is_no_damage_and_every_damaged_byte_is() {
    let place = Place::agreed();
    let wrong = ShareFile::open(&place.path(), b"wrong").err().unwrap();
    assert!(matches!(
        wrong,
        ShareFileError::Sealed(SealedError::WrongPassphrase(_))
    ));
    let good = fs::read(place.path()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(place.path(), &bad).unwrap();
        let ShareFileError::Sealed(refused) = place.refused() else {
            panic!("byte {at} passed the cipher")
        };
        let expected = match at {
            0..8 => matches!(refused, SealedError::Foreign { .. }),
            8..10 => matches!(refused, SealedError::Version { .. }),
            _ => matches!(refused, SealedError::Damaged { .. }),
        };
        assert!(expected, "byte {at}: {refused}");
    }
    for length in [10, FORMAT.header_len(), FORMAT.header_len() + 30, good.len() - 1] {
        fs::write(place.path(), &good[..length]).unwrap();
        assert!(matches!(
            place.refused(),
            ShareFileError::Sealed(SealedError::Damaged { .. })
        ));
    }
}

#[test]
fn a_newer_share_a_readable_one_and_a_missing_one_are_refused_with_the_remedy() {
    let place = Place::waiting();
    let good = fs::read(place.path()).unwrap();
    let mut newer = good.clone();
    newer[8] = 2;
    fs::write(place.path(), &newer).unwrap();
    let error = place.refused().to_string();
    assert!(
        error.contains("version 2") && error.contains("use the program"),
        "{error}"
    );
    fs::write(place.path(), &good).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o640)).unwrap();
    let error = place.refused().to_string();
    assert!(error.contains("chmod 600"), "{error}");
    fs::remove_file(place.path()).unwrap();
    let error = place.refused().to_string();
    assert!(error.contains("no file") && error.contains("backup"), "{error}");
    fs::write(place.path(), "another file").unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let error = place.refused().to_string();
    assert!(error.contains("not a key share"), "{error}");
}

#[test]
fn a_share_is_never_replaced_by_a_new_one_or_by_that_of_another_member_or_key() {
    let place = Place::waiting();
    let exists = place.create(&agreement(2, 1)).err().unwrap();
    assert!(matches!(
        exists,
        ShareFileError::Sealed(SealedError::File(FileError::Exists(_)))
    ));
    let before = fs::read(place.path()).unwrap();
    let (file, _) = place.open().unwrap();
    for other in [agreed(1, 2), agreed(2, 1)] {
        let refused = file.replace(&other, &mut rng(2)).unwrap_err();
        assert!(matches!(refused, ShareFileError::OtherShare(_)), "{refused}");
    }
    assert_eq!(fs::read(place.path()).unwrap(), before);
}

#[test]
fn a_share_is_still_there_after_a_writing_that_failed() {
    let place = Place::waiting();
    let (file, _) = place.open().unwrap();
    // A folder in the way of the temporary file stands for any failure to write it.
    fs::create_dir(place.folder.path().join("share.tmp")).unwrap();
    assert!(file.replace(&place.share, &mut rng(2)).is_err());
    drop(file);
    assert!(matches!(place.open().unwrap().1, Stored::Waiting(_)));
}

#[test]
fn one_process_at_a_time_has_a_share() {
    let place = Place::waiting();
    let open = place.open().unwrap();
    let refused = place.refused();
    assert!(matches!(
        refused,
        ShareFileError::Sealed(SealedError::File(FileError::InUse(_)))
    ));
    drop(open);
    assert!(place.open().is_ok());
}

#[test]
fn a_copy_of_the_file_is_a_backup_and_restores_by_being_copied_back() {
    let place = Place::agreed();
    let backup = place.folder.path().join("backup");
    fs::copy(place.path(), &backup).unwrap();
    fs::remove_file(place.path()).unwrap();
    fs::copy(&backup, place.path()).unwrap();
    let (_, Stored::Agreed(share)) = place.open().unwrap() else {
        panic!("agreed on")
    };
    assert_eq!(share.to_bytes(), place.share.to_bytes());
}

#[test]
fn the_share_of_the_largest_federation_fits() {
    let most = u16::try_from(Roster::MOST).unwrap();
    let names = (1..=most).map(|number| format!("{number:0>width$}", width = Roster::LONGEST_NAME));
    let roster = Roster::new(2, names.collect()).unwrap();
    let (mut shares, public) = generate_with_dealer(most, 2, IdentifierList::Default, rng(1)).unwrap();
    let key = KeyPackage::try_from(shares.remove(&id(1).identifier()).unwrap()).unwrap();
    let share = KeyShare::new(roster, id(1), key, public).unwrap();
    let waiting = [[7; 32].as_slice(), &share.to_bytes()].concat();
    assert!((waiting.len() as u64) < FORMAT.most / 4, "{}", waiting.len());
    let place = Place::new();
    place.create(&Agreement::from_bytes(&waiting).unwrap()).unwrap();
    let (_, Stored::Waiting(agreement)) = place.open().unwrap() else {
        panic!("not agreed on yet")
    };
    assert_eq!(agreement.to_bytes().as_slice(), waiting);
}
