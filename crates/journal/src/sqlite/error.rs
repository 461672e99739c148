//! What an error of SQLite or of a file means to whoever must act.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::JournalError;

/// An error while only reading: nothing was lost.
pub(super) fn reading(error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => JournalError::Corrupt {
            at: "the SQLite file".to_owned(),
            what: error.to_string(),
        },
        _ => JournalError::Io(error.to_string()),
    }
}

/// An error while writing. A full disk leaves nothing behind; after any other failure of the disk the next
/// flush could claim what the failed one lost, so what is on disk is unknown.
pub(super) fn writing(dir: &Path, error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full {
            path: dir.display().to_string(),
        },
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            JournalError::Unknown(error.to_string())
        }
        // The disk is well. Either another process writes here, or this program is wrong.
        Some(ErrorCode::ConstraintViolation) => {
            JournalError::Invalid(format!("it contradicts what is stored ({error})"))
        }
        _ => reading(error),
    }
}

/// A file that cannot be read or written.
pub(super) fn file(path: &Path, error: &std::io::Error) -> JournalError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return JournalError::Full {
            path: path.display().to_string(),
        };
    }
    JournalError::Io(format!("{}: {error}", path.display()))
}

/// A number of ours as SQLite keeps it.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number of SQLite as ours.
pub(super) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
