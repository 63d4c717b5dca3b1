//! Private files: permissions, locks, and writing whole or not at all.
//!
//! A file with a secret must be a regular file that nobody but its owner can read or write; anything
//! else is refused rather than repaired, because whoever could read it may have done so. Writing takes
//! the [`Lock`] on the file: a new file is written and synced beside the place it then takes.
//! Specification: `docs/spec/secrets.md`.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// Why a file cannot be used. Nothing on disk was changed.
#[derive(Debug, Error)]
pub enum FileError {
    /// There is a file already.
    #[error("{0} exists already; choose another name or move it away")]
    Exists(PathBuf),
    /// There is no file.
    #[error("there is no file at {0}; give the path of the right one, or restore it from its backup")]
    Missing(PathBuf),
    /// Others can read or write the file.
    #[error("{path} has mode {mode:03o}, others can read it; run: chmod 600 {path}")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The path is a link or no regular file.
    #[error("{0} is a link or no regular file; give the path of the file itself")]
    NotRegular(PathBuf),
    /// A file of this kind is shorter.
    #[error(
        "{path} has more than {most} bytes, too many for what it should be; give the path of the right file"
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most bytes that a file of this kind has.
        most: u64,
    },
    /// Another program has the file open.
    #[error("{0} is in use by another program; wait for it or close it")]
    InUse(PathBuf),
    /// The disk is full; what was there before is intact.
    #[error("the disk that holds {path} is full; free some space and try again, nothing was lost")]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// The error below.
        #[source]
        source: io::Error,
    },
    /// The file system failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error below.
        #[source]
        source: io::Error,
    },
}

/// Turns an error of the file system into one that says what to do.
fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| {
        let kind = source.kind();
        let full = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ];
        if full.contains(&kind) {
            FileError::DiskFull { path, source }
        } else if kind == ErrorKind::AlreadyExists {
            FileError::Exists(path)
        } else if kind == ErrorKind::NotFound && action == "read" {
            FileError::Missing(path)
        } else {
            FileError::Io { action, path, source }
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

fn check_metadata(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    if !metadata.is_file() {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if mode & 0o077 != 0 {
            return Err(FileError::Permissions {
                path: path.to_owned(),
                mode,
            });
        }
    }
    Ok(())
}

#[cfg(unix)]
fn same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Refuses links, what is no file, and files that others may read or write.
///
/// # Errors
/// [`FileError::Missing`], [`FileError::NotRegular`], [`FileError::Permissions`].
pub fn check(path: &Path) -> Result<(), FileError> {
    let metadata = path.symlink_metadata().map_err(failed("read", path))?;
    check_metadata(path, &metadata)
}

/// Reads a file of at most `most` bytes that passes [`check`].
///
/// # Errors
/// As [`check`], and [`FileError::TooLong`].
pub fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let named = path.symlink_metadata().map_err(failed("read", path))?;
    check_metadata(path, &named)?;
    read_named(path, &named, most)
}

/// Reads the file that was looked at, and no other: a link may have come in between.
fn read_named(path: &Path, named: &Metadata, most: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(failed("read", path))?;
    let opened = file.metadata().map_err(failed("read", path))?;
    if !same(&opened, named) {
        return Err(FileError::NotRegular(path.to_owned()));
    }
    check_metadata(path, &opened)?;
    let too_long = || FileError::TooLong {
        path: path.to_owned(),
        most,
    };
    let expected = opened.len();
    if expected > most {
        return Err(too_long());
    }
    // One buffer of the right length from the start: growing would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::new());
    usize::try_from(expected)
        .ok()
        .and_then(|expected| bytes.try_reserve_exact(expected.saturating_add(1)).ok())
        .ok_or_else(|| failed("read", path)(ErrorKind::OutOfMemory.into()))?;
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed("read", path))?;
    if bytes.len() as u64 > most {
        return Err(too_long());
    }
    Ok(bytes)
}

/// The right to write a file, until it is dropped. The lock is a file beside it, which stays.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock beside `path`.
    ///
    /// # Errors
    /// [`FileError::InUse`] if another program has it, [`FileError::DiskFull`], [`FileError::Io`].
    pub fn take(path: &Path) -> Result<Self, FileError> {
        let lock = beside(path, ".lock");
        let file = private()
            .create(true)
            .truncate(false)
            .open(&lock)
            .map_err(failed("lock", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _file: file,
            }),
            Err(TryLockError::WouldBlock) => Err(FileError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed("lock", path)(source)),
        }
    }

    /// The file that is locked.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file, down to the disk; fails if there is one.
    ///
    /// # Errors
    /// [`FileError::Exists`], [`FileError::DiskFull`], [`FileError::Io`].
    pub fn write_new(&self, bytes: &[u8]) -> Result<(), FileError> {
        let temporary = self.write_temporary(bytes)?;
        let linked = fs::hard_link(&temporary, &self.path).map_err(failed("create", &self.path));
        fs::remove_file(&temporary).map_err(failed("remove", &temporary))?;
        linked?;
        self.sync_directory()
    }

    /// Replaces the file, down to the disk.
    ///
    /// # Errors
    /// [`FileError::DiskFull`], [`FileError::Io`].
    pub fn replace(&self, bytes: &[u8]) -> Result<(), FileError> {
        let temporary = self.write_temporary(bytes)?;
        fs::rename(&temporary, &self.path).map_err(failed("replace", &self.path))?;
        self.sync_directory()
    }

    /// Writes and syncs a file beside the locked one; what a crash left there before is overwritten,
    /// the lock says that nobody else is writing it.
    fn write_temporary(&self, bytes: &[u8]) -> Result<PathBuf, FileError> {
        let temporary = beside(&self.path, ".tmp");
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("remove", &temporary)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let written = private().create_new(true).open(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        if let Err(error) = written {
            // It is incomplete; if it cannot be removed either, the next attempt does it.
            let _ = fs::remove_file(&temporary);
            return Err(failed("write", &self.path)(error));
        }
        Ok(temporary)
    }

    fn sync_directory(&self) -> Result<(), FileError> {
        let parent = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        File::open(directory)
            .and_then(|dir| dir.sync_all())
            .map_err(failed("sync", directory))
    }
}

#[cfg(test)]
mod tests;
