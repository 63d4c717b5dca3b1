//! Private files: what is read, what is not, and what a writing leaves behind.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A folder with the path of a file in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The place with a file that holds `content`.
    fn with(content: &[u8]) -> Self {
        let this = Self::new();
        let lock = Lock::take(&this.path("file")).unwrap();
        lock.write_new(content).unwrap();
        this
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = names
            .map(|name| name.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn a_private_file_is_read_back_and_for_its_owner_only() {
    let place = Place::with(b"secret");
    let path = place.path("file");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(*read(&path, 6).unwrap(), b"secret");
    Lock::take(&path).unwrap().replace(b"another").unwrap();
    assert_eq!(*read(&path, 7).unwrap(), b"another");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(place.names(), ["file", "file.lock"]);
}

#[test]
fn a_file_that_others_can_read_or_write_is_refused_with_the_remedy() {
    let place = Place::with(b"secret");
    let path = place.path("file");
    for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for refused in [read(&path, 100).map(drop), check(&path)] {
            let error = refused.unwrap_err();
            assert!(matches!(error, FileError::Permissions { mode: found, .. } if found == mode));
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(check(&path).is_ok());
}

#[test]
fn links_and_folders_are_no_private_files() {
    let place = Place::with(b"secret");
    let link = place.path("link");
    symlink(place.path("file"), &link).unwrap();
    let dangling = place.path("dangling");
    symlink(place.path("nowhere"), &dangling).unwrap();
    for path in [&link, &dangling, place.0.path()] {
        assert!(matches!(check(path), Err(FileError::NotRegular(_))));
        assert!(matches!(read(path, 100), Err(FileError::NotRegular(_))));
    }
}

#[test]
fn a_file_exchanged_between_look_and_opening_is_refused() {
    let place = Place::with(b"secret");
    let path = place.path("file");
    let named = path.symlink_metadata().unwrap();
    assert!(read_named(&path, &named, 100).is_ok());
    fs::rename(&path, place.path("moved")).unwrap();
    symlink(place.path("moved"), &path).unwrap();
    assert!(
        read_named(&path, &named, 100).is_ok(),
        "the same file by another way"
    );
    fs::remove_file(&path).unwrap();
    fs::copy(place.path("moved"), &path).unwrap();
    assert!(matches!(
        read_named(&path, &named, 100),
        Err(FileError::NotRegular(_))
    ));
}

#[test]
fn a_file_longer_than_its_kind_is_refused() {
    let place = Place::with(b"secret");
    let path = place.path("file");
    assert!(read(&path, 6).is_ok());
    assert!(matches!(read(&path, 5), Err(FileError::TooLong { most: 5, .. })));
}

#[test]
fn a_missing_file_is_told_from_a_missing_folder() {
    let place = Place::new();
    assert!(matches!(check(&place.path("file")), Err(FileError::Missing(_))));
    assert!(matches!(read(&place.path("file"), 1), Err(FileError::Missing(_))));
    let lock = Lock::take(&place.path("folder/file"));
    assert!(matches!(lock, Err(FileError::Io { action: "lock", .. })));
}

#[test]
fn a_new_file_never_takes_the_place_of_another() {
    let place = Place::with(b"secret");
    symlink(place.path("nowhere"), place.path("link")).unwrap();
    for name in ["file", "link"] {
        let lock = Lock::take(&place.path(name)).unwrap();
        assert!(matches!(lock.write_new(b"another"), Err(FileError::Exists(_))));
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"secret");
    assert_eq!(place.names(), ["file", "file.lock", "link", "link.lock"]);
}

#[test]
fn a_writing_that_fails_leaves_what_was_there() {
    let place = Place::with(b"secret");
    let lock = Lock::take(&place.path("file")).unwrap();
    // A folder in the way of the temporary file stands for any failure to write it.
    fs::create_dir(place.path("file.tmp")).unwrap();
    assert!(matches!(lock.replace(b"another"), Err(FileError::Io { .. })));
    assert_eq!(fs::read(place.path("file")).unwrap(), b"secret");
}

#[test]
fn what_a_crash_left_is_cleared_away_by_the_next_writing() {
    let place = Place::with(b"secret");
    fs::write(place.path("file.tmp"), b"half a sec").unwrap();
    Lock::take(&place.path("file"))
        .unwrap()
        .replace(b"another")
        .unwrap();
    assert_eq!(fs::read(place.path("file")).unwrap(), b"another");
    assert_eq!(place.names(), ["file", "file.lock"]);
}

#[test]
fn one_at_a_time_may_write_a_file() {
    let place = Place::new();
    let lock = Lock::take(&place.path("file")).unwrap();
    assert!(matches!(
        Lock::take(&place.path("file")),
        Err(FileError::InUse(_))
    ));
    assert!(Lock::take(&place.path("other")).is_ok());
    drop(lock);
    assert!(Lock::take(&place.path("file")).is_ok());
}

#[test]
fn a_full_disk_is_named_as_such() {
    for kind in [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::FileTooLarge,
    ] {
        let error = failed("write", Path::new("file"))(kind.into());
        assert!(matches!(error, FileError::DiskFull { .. }), "{error}");
    }
}
