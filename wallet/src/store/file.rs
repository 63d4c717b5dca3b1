//! Files: permissions, locks, and writing whole or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Turns an error of the file system into one that says what to do.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| {
        let kind = source.kind();
        let full = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ];
        if full.contains(&kind) {
            StoreError::DiskFull { path, source }
        } else if kind == ErrorKind::AlreadyExists {
            StoreError::Exists(path)
        } else if kind == ErrorKind::NotFound && action == "read" {
            StoreError::Missing(path)
        } else {
            StoreError::Io { action, path, source }
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Refuses links, what is no file, and files that others may read or write.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let metadata = path.symlink_metadata().map_err(failed("read", path))?;
    if !metadata.is_file() {
        return Err(StoreError::NotRegular(path.to_owned()));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::Permissions {
                path: path.to_owned(),
                mode,
            });
        }
    }
    Ok(())
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(failed("read", path))
}

/// Writes a new file; fails if there is one.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = write_temporary(path, bytes)?;
    let linked = fs::hard_link(&temporary, path).map_err(failed("create", path));
    fs::remove_file(&temporary).map_err(failed("remove", &temporary))?;
    linked?;
    sync_directory(path)
}

/// Replaces a file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = write_temporary(path, bytes)?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    sync_directory(path)
}

/// Writes and syncs a file beside `path`; what a crash left there before is overwritten, the lock
/// says that nobody else is writing it.
fn write_temporary(path: &Path, bytes: &[u8]) -> Result<PathBuf, StoreError> {
    let temporary = beside(path, ".tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &temporary)(error)),
        Ok(()) | Err(_) => {}
    }
    let written = private().create_new(true).open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // It is incomplete; if it cannot be removed either, the next attempt does it.
        let _ = fs::remove_file(&temporary);
        return Err(failed("write", path)(error));
    }
    Ok(temporary)
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)
        .and_then(|dir| dir.sync_all())
        .map_err(failed("sync", directory))
}

/// The right to work on a wallet, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock beside `path`.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let lock = beside(path, ".lock");
        let file = private()
            .create(true)
            .truncate(false)
            .open(&lock)
            .map_err(failed("lock", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(StoreError::Io {
                action: "lock",
                path: path.to_owned(),
                source,
            }),
        }
    }
}
