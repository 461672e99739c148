//! Personal data: a row a subject under its buyer's key, found through keyed hashes, and its erasure.

use std::fs;
use std::io::Write;
use std::path::Path;

use crossdock_model::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::commit::WriteError;
use super::error::{self, int, reading};
use super::inbox::{pairs, put_pairs};
use super::{SqliteJournal, schema};
use crate::bytes::{Reader, hex};
use crate::crypto::{DataKey, Keyring, erased_hash, sync_dir};
use crate::{JournalError, VaultEntry};

/// Copy of the erasure log beside the database: a restore of an older backup applies it too.
pub(super) const ERASURES: &str = "erasures.log";

fn key_name(buyer: &[u8]) -> String {
    format!("vault key {}", hex(buyer))
}

pub(super) fn put(
    transaction: &Transaction<'_>,
    keys: &Keyring,
    at: Timestamp,
    subject: &str,
    buyer: &str,
    entry: &VaultEntry,
) -> Result<(), WriteError> {
    remove(transaction, subject, Some(&keys.buyer(buyer)))?;
    let buyer = keys.buyer(buyer);
    let key = buyer_key(transaction, keys, &buyer)?;
    let mut plain = Vec::new();
    put_pairs(&mut plain, &entry.terms);
    plain.extend_from_slice(&entry.body);
    let body = key.seal(subject, &plain)?;
    let sql = "INSERT INTO vault (subject, buyer, stored_at, body) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = transaction.prepare_cached(sql)?;
    let id = statement.insert(params![subject, buyer, at.as_ms(), body])?;
    let sql = "INSERT OR IGNORE INTO vault_term (term, vault) VALUES (?1, ?2)";
    let mut statement = transaction.prepare_cached(sql)?;
    for (field, term) in &entry.terms {
        statement.execute(params![keys.term(field, term), id])?;
    }
    Ok(())
}

fn buyer_key(
    transaction: &Transaction<'_>,
    keys: &Keyring,
    buyer: &[u8],
) -> Result<DataKey, WriteError> {
    let sql = "SELECT wrapped FROM vault_key WHERE buyer = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let found: Option<Vec<u8>> = statement.query_row([buyer], |row| row.get(0)).optional()?;
    if let Some(wrapped) = found {
        return Ok(keys.unwrap(&key_name(buyer), &wrapped)?);
    }
    let key = DataKey::generate()?;
    let wrapped = keys.wrap(&key_name(buyer), &key)?;
    let sql = "INSERT INTO vault_key (buyer, wrapped) VALUES (?1, ?2)";
    transaction.execute(sql, params![buyer, wrapped])?;
    Ok(key)
}

/// Removes a subject's row and terms, and its buyer's key when nobody else needs it (nor `keep` it).
fn remove(
    transaction: &Connection,
    subject: &str,
    keep: Option<&[u8; 32]>,
) -> rusqlite::Result<()> {
    let sql = "SELECT id, buyer FROM vault WHERE subject = ?1";
    let mut statement = transaction.prepare_cached(sql)?;
    let found = statement.query_row([subject], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
    });
    let Some((id, buyer)) = found.optional()? else {
        return Ok(());
    };
    transaction.execute("DELETE FROM vault_term WHERE vault = ?1", [id])?;
    transaction.execute("DELETE FROM vault WHERE id = ?1", [id])?;
    if keep != Some(&buyer) {
        let sql = "
DELETE FROM vault_key WHERE buyer = ?1 AND NOT EXISTS (SELECT 1 FROM vault WHERE buyer = ?1)";
        transaction.execute(sql, [buyer])?;
    }
    Ok(())
}

/// Erases a subject and notes it in the erasure log.
pub(super) fn erase(
    transaction: &Transaction<'_>,
    at: Timestamp,
    subject: &str,
) -> Result<(), WriteError> {
    remove(transaction, subject, None)?;
    let sql = "UPDATE inbox SET body = NULL WHERE subject = ?1";
    transaction.execute(sql, [subject])?;
    note(transaction, &erased_hash(subject), at.as_ms())?;
    Ok(())
}

fn note(connection: &Connection, subject_hash: &str, at: i64) -> rusqlite::Result<()> {
    let sql = "
INSERT INTO erasure (subject_hash, at) VALUES (?1, ?2)
ON CONFLICT (subject_hash) DO UPDATE SET at = max(at, excluded.at)";
    connection.execute(sql, params![subject_hash, at])?;
    Ok(())
}

pub(super) fn load(
    connection: &Connection,
    keys: &Keyring,
    subject: &str,
) -> Result<Option<VaultEntry>, JournalError> {
    let sql = "
SELECT v.body, v.buyer, k.wrapped FROM vault v LEFT JOIN vault_key k ON k.buyer = v.buyer WHERE v.subject = ?1";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let found = statement.query_row([subject], |row| {
        let sealed: Vec<u8> = row.get(0)?;
        let buyer: Vec<u8> = row.get(1)?;
        Ok((sealed, buyer, row.get::<_, Option<Vec<u8>>>(2)?))
    });
    let Some((sealed, buyer, wrapped)) = found.optional().map_err(reading)? else {
        return Ok(None);
    };
    let damaged = |what: &str| JournalError::Corrupt {
        at: format!("vault row of {subject}"),
        what: what.to_owned(),
    };
    let wrapped = wrapped.ok_or_else(|| damaged("its buyer's key is missing"))?;
    let key = keys.unwrap(&key_name(&buyer), &wrapped)?;
    let plain = key.open(subject, &sealed)?;
    let mut reader = Reader(&plain);
    let terms = pairs(&mut reader).map_err(|_| damaged("its terms do not decode"))?;
    let body = reader.0.to_vec();
    Ok(Some(VaultEntry { body, terms }))
}

pub(super) fn find(
    connection: &Connection,
    keys: &Keyring,
    field: &str,
    term: &str,
    limit: usize,
) -> Result<Vec<String>, JournalError> {
    let sql = "
SELECT v.subject FROM vault_term t JOIN vault v ON v.id = t.vault WHERE t.term = ?1
ORDER BY t.vault DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let parameters = params![keys.term(field, term), int(limit as u64)];
    let rows = statement.query_map(parameters, |row| row.get(0));
    rows.and_then(Iterator::collect).map_err(reading)
}

impl SqliteJournal {
    /// Brings the copy of the erasure log up to date, when the journal is opened.
    pub(super) fn export_erasures(&self) -> Result<(), JournalError> {
        append_erasures(&self.dir, &self.writer().connection)
    }
}

/// Appends to the copy of the erasure log what it lacks. Erasures are rare: the copy is read as a whole.
pub(super) fn append_erasures(dir: &Path, connection: &Connection) -> Result<(), JournalError> {
    let path = dir.join(ERASURES);
    let failed = |e: std::io::Error| error::file(&path, &e);
    let known = read_erasures(&path)?;
    let mut lines = String::new();
    for (hash, at) in stored_erasures(connection)? {
        if !known.contains(&(hash.clone(), at)) {
            lines.push_str(&format!("{hash} {at}\n"));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .append(true)
        .create(true)
        .open(&path)
        .map_err(failed)?;
    file.write_all(lines.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_dir(Some(dir)))
        .map_err(failed)
}

fn stored_erasures(connection: &Connection) -> Result<Vec<(String, i64)>, JournalError> {
    let sql = "SELECT subject_hash, at FROM erasure ORDER BY at, subject_hash";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(reading)
}

/// Reads a copy of an erasure log: a line an erasure, `subject-hash milliseconds`. A torn last line is
/// skipped: the database has it.
pub(super) fn read_erasures(
    path: &Path,
) -> Result<std::collections::BTreeSet<(String, i64)>, JournalError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(error::file(path, &e)),
    };
    let complete = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let lines = complete.filter_map(|line| {
        let (hash, at) = line.trim_end().split_once(' ')?;
        Some((hash.to_owned(), at.parse().ok()?))
    });
    Ok(lines.collect())
}

/// Applies the erasure logs to a restored database: what was stored before its erasure goes. Returns how
/// many subjects were erased again.
pub(super) fn erase_again(dir: &Path, logs: &[&Path]) -> Result<u64, JournalError> {
    let mut connection = Connection::open(dir.join(schema::FILE)).map_err(reading)?;
    connection
        .pragma_update(None, "secure_delete", "ON")
        .map_err(reading)?;
    let mut erased: std::collections::BTreeMap<String, i64> =
        stored_erasures(&connection)?.into_iter().collect();
    for log in logs {
        for (hash, at) in read_erasures(log)? {
            let known = erased.entry(hash).or_insert(at);
            *known = at.max(*known);
        }
    }
    if erased.is_empty() {
        return Ok(0);
    }
    let transaction = connection.transaction().map_err(reading)?;
    let sql = "
SELECT subject, max(at) FROM (
  SELECT subject, stored_at AS at FROM vault
  UNION ALL SELECT subject, received_at FROM inbox WHERE subject IS NOT NULL AND body IS NOT NULL)
GROUP BY subject";
    let mut count = 0;
    {
        let mut statement = transaction.prepare(sql).map_err(reading)?;
        let mut rows = statement.query([]).map_err(reading)?;
        let mut found: Vec<(String, i64)> = Vec::new();
        while let Some(row) = rows.next().map_err(reading)? {
            let subject: String = row.get(0).map_err(reading)?;
            if let Some(at) = erased.get(&erased_hash(&subject)) {
                found.push((subject, *at));
            }
        }
        for (subject, at) in found {
            count += erase_older(&transaction, &subject, at).map_err(reading)?;
        }
    }
    for (hash, at) in &erased {
        note(&transaction, hash, *at).map_err(reading)?;
    }
    transaction.commit().map_err(reading)?;
    Ok(count)
}

/// Removes what is stored of a subject and not younger than its erasure.
fn erase_older(connection: &Connection, subject: &str, at: i64) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM vault WHERE subject = ?1 AND stored_at <= ?2";
    let old: i64 = connection.query_row(sql, params![subject, at], |row| row.get(0))?;
    if old > 0 {
        remove(connection, subject, None)?;
    }
    let sql = "
UPDATE inbox SET body = NULL WHERE subject = ?1 AND received_at <= ?2 AND body IS NOT NULL";
    let bodies = connection.execute(sql, params![subject, at])?;
    Ok(u64::from(old > 0 || bodies > 0))
}
