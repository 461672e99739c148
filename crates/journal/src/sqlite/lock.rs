//! The lock on a data directory: one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;

use super::{error, private};
use crate::JournalError;

const NAME: &str = "crossdock.lock";

/// Held while a journal is open; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    pub(super) fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(NAME);
        let failed = |e: std::io::Error| error::file(&path, &e);
        private::ensure(&path).map_err(failed)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let pid = holder.trim();
                return Err(JournalError::InUse {
                    path: dir.display().to_string(),
                    pid: if pid.is_empty() {
                        String::new()
                    } else {
                        format!(" (pid {pid})")
                    },
                });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // The pid only helps people; a full disk must not keep the journal from opening.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
