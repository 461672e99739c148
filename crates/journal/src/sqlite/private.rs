//! Directories and files that nobody else on the machine may look into.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::error;
use crate::JournalError;
use crate::crypto::sync_dir;

const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Makes a directory for this user only, with all that lead to it, each durable under its name. One that exists is
/// left as it is.
///
/// # Errors
/// [`JournalError`] when one of them cannot be made.
pub fn make_private_dir(dir: &Path) -> Result<(), JournalError> {
    make(dir).map_err(|e| error::file(dir, &e))
}

/// As [`make_private_dir`].
pub(super) fn make(dir: &Path) -> io::Result<()> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make(parent)?;
    }
    match DirBuilder::new().mode(DIR_MODE).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => sync_dir(dir.parent()),
    }
}

/// Opens a file to write at its end, and makes it for this user only where there is none. One that exists is left as
/// it is.
///
/// # Errors
/// [`JournalError`] when it cannot be made.
pub fn make_private_file(path: &Path) -> Result<File, JournalError> {
    ensure(path).map_err(|e| error::file(path, &e))
}

/// Makes an empty file for this user only, or empties it.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true);
    options.mode(FILE_MODE).open(path)
}

/// As [`make_private_file`].
pub(super) fn ensure(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.append(true).create(true);
    options.mode(FILE_MODE).open(path)
}

/// Copies a file into one for this user only.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    io::copy(&mut source, &mut create(to)?).map(drop)
}

/// Whether a directory holds nothing.
pub(super) fn is_empty(dir: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(dir)?.next().is_none())
}
