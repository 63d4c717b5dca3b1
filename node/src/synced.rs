//! Small files that must be there after a power failure: why a node halted, why a signer is paused.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file, down to the disk, its name in the folder too.
///
/// # Errors
/// What the system says.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
