//! Small files that must be there after a power failure: why a node halted, why a signer is paused, what people
//! signed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file, down to the disk, its name in the folder too.
///
/// # Errors
/// What the system says.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    finish(File::create(path)?, path, text.as_bytes())
}

/// The same for a file that must not be there yet.
///
/// # Errors
/// What the system says.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    finish(file, path, bytes)
}

fn finish(mut file: File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
