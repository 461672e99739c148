//! Backup of a journal in use, and restore into an empty directory.
//!
//! A backup holds the database as of one moment, the sealed segments and a list of both with checksums. It
//! does not hold the master key: keep that elsewhere, because together they show all personal data.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use crossdock_model::Timestamp;
use rusqlite::Connection;

use super::error::{self, reading};
use super::private::{self, make_private_dir};
use super::vault::{ERASURES, erase_again};
use super::verify::{VerifyReport, verify};
use super::{SqliteJournal, block, schema, segment};
use crate::JournalError;
use crate::bytes::hex;
use crate::crypto::{random, sync_dir};

/// List of a backup's files; written last, so a backup without it is not complete.
const MANIFEST: &str = "backup.manifest";
/// There while a restore is not complete.
const PARTIAL: &str = "restore.partial";
/// A restored journal's epochs are above all that any process of the old one can hold.
const EPOCH_STEP: u64 = 1 << 32;
const COPY_BYTES: usize = 1 << 20;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// Number of files.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// The id of the restored journal, a new one.
    pub journal_id: u128,
    /// Subjects that the backup still held and that were erased after it was taken.
    pub erased_again: u64,
    /// What was found in the restored journal.
    pub verified: VerifyReport,
}

/// A file of a backup.
struct Listed {
    name: String,
    bytes: u64,
    crc: u32,
}

impl SqliteJournal {
    /// Copies the journal as of one moment to an empty directory while it is in use. Does not copy the master
    /// key.
    ///
    /// # Errors
    /// [`JournalError`] when the target is not empty or a file cannot be read or written.
    pub fn backup(&self, to: &Path, now: Timestamp) -> Result<BackupReport, JournalError> {
        make_empty(to)?;
        let target = to.join(schema::FILE);
        let text = target
            .to_str()
            .ok_or_else(|| JournalError::Io(format!("{} is not UTF-8", target.display())))?;
        private::ensure(&target).map_err(|e| error::file(&target, &e))?;
        // One snapshot on a connection of its own: commits go on beside it, and what was deleted stays out.
        let source = schema::connect(&self.dir, &self.options)?;
        source
            .execute("VACUUM INTO ?1", [text])
            .map_err(|e| error::writing(to, e))?;
        let mut files = vec![list(to, schema::FILE)?];
        let copied = schema::connect_reading(to)?;
        for number in block::sealed(&copied)? {
            let name = format!("{}/{number:012}.segment", segment::FOLDER);
            copy(&self.dir, to, &name)?;
            files.push(list(to, &name)?);
        }
        drop(copied);
        let bytes = files.iter().map(|file| file.bytes).sum();
        write_manifest(to, self, now, &files)?;
        Ok(BackupReport {
            files: files.len(),
            bytes,
        })
    }
}

/// Makes a journal out of a backup: checks every byte, gives it a new id, raises every epoch past all that were
/// ever handed out, and erases again what `erasures` (copies of `erasures.log`) and the backup itself list.
///
/// # Errors
/// [`JournalError`] when the backup is damaged or not complete, the target is not empty, or one of `erasures` is
/// not there.
pub fn restore(from: &Path, to: &Path, erasures: &[&Path]) -> Result<RestoreReport, JournalError> {
    let files = read_manifest(from)?;
    for log in erasures {
        // Before anything is copied: a mistyped name must not bring back whoever was erased.
        File::open(log).map_err(|e| error::file(log, &e))?;
    }
    make_empty(to)?;
    let partial = to.join(PARTIAL);
    private::create(&partial).map_err(|e| error::file(&partial, &e))?;
    for file in &files {
        copy(from, to, &file.name)?;
        let copied = list(to, &file.name)?;
        if (copied.bytes, copied.crc) != (file.bytes, file.crc) {
            return Err(damaged(
                from,
                &format!("{} does not match its checksum", file.name),
            ));
        }
    }
    let verified = verify(to)?;
    if let Some(problem) = verified.problems.first() {
        return Err(damaged(from, problem));
    }
    let journal_id = begin_anew(to)?;
    let erased_again = erase_again(to, erasures, &from.join(ERASURES))?;
    sync(&to.join(schema::FILE))?;
    fs::remove_file(&partial).map_err(|e| error::file(&partial, &e))?;
    sync_dir(Some(to)).map_err(|e| error::file(to, &e))?;
    Ok(RestoreReport {
        journal_id,
        erased_again,
        verified,
    })
}

/// Refuses a directory whose restore did not end.
pub(super) fn refuse_partial(dir: &Path) -> Result<(), JournalError> {
    if dir.join(PARTIAL).exists() {
        let what = "a restore into this directory did not end: empty it and restore again";
        return Err(JournalError::Incompatible(what.to_owned()));
    }
    Ok(())
}

fn begin_anew(dir: &Path) -> Result<u128, JournalError> {
    let mut connection = Connection::open(dir.join(schema::FILE)).map_err(reading)?;
    let id: [u8; 16] = random()?;
    let transaction = connection.transaction().map_err(reading)?;
    schema::set(&transaction, "journal_id", &hex(&id)).map_err(reading)?;
    let sql = "UPDATE shard SET epoch = epoch + ?1, owner = zeroblob(16)";
    let step = error::int(EPOCH_STEP);
    transaction.execute(sql, [step]).map_err(reading)?;
    transaction.commit().map_err(reading)?;
    Ok(u128::from_be_bytes(id))
}

fn make_empty(dir: &Path) -> Result<(), JournalError> {
    make_private_dir(dir)?;
    if !private::is_empty(dir).map_err(|e| error::file(dir, &e))? {
        let dir = dir.display();
        let what = format!("{dir} is not empty: choose another directory or empty it");
        return Err(JournalError::Io(what));
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, name: &str) -> Result<(), JournalError> {
    let (source, target) = (from.join(name), to.join(name));
    if let Some(folder) = target.parent() {
        make_private_dir(folder)?;
    }
    private::copy(&source, &target).map_err(|e| error::file(&source, &e))
}

fn sync(path: &Path) -> Result<(), JournalError> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced
        .and_then(|()| sync_dir(path.parent()))
        .map_err(|e| error::file(path, &e))
}

/// Flushes a file of a backup and takes its size and checksum.
fn list(dir: &Path, name: &str) -> Result<Listed, JournalError> {
    let path = dir.join(name);
    sync(&path)?;
    let failed = |e: std::io::Error| error::file(&path, &e);
    let mut file = File::open(&path).map_err(failed)?;
    let (mut crc, mut bytes) = (0, 0);
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            break;
        }
        crc = crc32c::crc32c_append(crc, &buffer[..count]);
        bytes += count as u64;
    }
    Ok(Listed {
        name: name.to_owned(),
        bytes,
        crc,
    })
}

fn write_manifest(
    dir: &Path,
    journal: &SqliteJournal,
    now: Timestamp,
    files: &[Listed],
) -> Result<(), JournalError> {
    let id = hex(&journal.meta.journal_id.to_be_bytes());
    let mut text = format!(
        "crossdock backup 1\njournal {id}\ntaken_at_ms {}\n",
        now.as_ms()
    );
    for file in files {
        text.push_str(&format!(
            "file {:08x} {} {}\n",
            file.crc, file.bytes, file.name
        ));
    }
    text.push_str("end\n");
    let path = dir.join(MANIFEST);
    let failed = |e: std::io::Error| error::file(&path, &e);
    let mut file = private::create(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    sync(&path)
}

fn read_manifest(dir: &Path) -> Result<Vec<Listed>, JournalError> {
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|e| error::file(&path, &e))?;
    let lines = text.strip_prefix("crossdock backup 1\n");
    let lines = lines.and_then(|lines| lines.strip_suffix("end\n"));
    let lines = lines.ok_or_else(|| damaged(dir, "its list of files is not complete"))?;
    let files = lines.lines().filter_map(|line| line.strip_prefix("file "));
    let parse = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let crc = u32::from_str_radix(parts.next()?, 16).ok()?;
        let bytes = parts.next()?.parse().ok()?;
        let name = parts.next()?.to_owned();
        // Names come from a file: none may lead out of the backup.
        let inside = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
        inside.then_some(Listed { name, bytes, crc })
    };
    let files: Option<Vec<_>> = files.map(parse).collect();
    files.ok_or_else(|| damaged(dir, "its list of files does not parse"))
}

fn damaged(dir: &Path, what: &str) -> JournalError {
    JournalError::Corrupt {
        at: format!("backup {}", dir.display()),
        what: what.to_owned(),
    }
}
