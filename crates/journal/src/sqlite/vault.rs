//! Personal data: a row for each address of a subject, under its buyer's key, found through keyed hashes; and its
//! erasure.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use crossdock_model::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::commit::WriteError;
use super::error::{self, int, reading};
use super::inbox::{pairs, put_pairs};
use super::{SqliteJournal, private, schema, sum};
use crate::bytes::{Malformed, Reader, hex};
use crate::crypto::{DataKey, KEY_BYTES, Keyring, erased_hash, sync_dir};
use crate::{JournalError, PersonState, VaultEntry};

/// Copy of the erasure log beside the database: a restore of an older backup applies it too.
pub(super) const ERASURES: &str = "erasures.log";

fn key_name(buyer: &[u8]) -> String {
    format!("vault key {}", hex(buyer))
}

/// A row of the vault as it is named and dated, beside what it holds.
pub(super) struct Put<'a> {
    pub subject: &'a str,
    pub version: u64,
    pub stated_at: Timestamp,
    pub buyer: &'a str,
    pub entry: &'a VaultEntry,
}

pub(super) fn put(
    transaction: &Transaction<'_>,
    keys: &Keyring,
    put: &Put<'_>,
) -> Result<(), WriteError> {
    let known = rows(transaction, put.subject)?;
    let known = known.iter().find(|row| row.version == put.version);
    if known.is_some_and(|row| row.stated_at >= put.stated_at.as_ms())
        || is_erased(transaction, put.subject)?
    {
        return Ok(());
    }
    let buyer = keys.buyer(put.buyer);
    if let Some(older) = known {
        remove(transaction, older, Some(&buyer))?;
    }
    let key = buyer_key(transaction, keys, &buyer)?;
    let body = seal(&key, &bound_to(put.subject, put.version), put.entry)?;
    let sql = "
INSERT INTO vault (subject, version, stated_at, buyer, crc, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = transaction.prepare_cached(sql)?;
    let (version, stated_at) = (put.version.cast_signed(), put.stated_at.as_ms());
    let crc = row_sum(put.subject, version, stated_at, &buyer, &body);
    let id = statement.insert(params![put.subject, version, stated_at, buyer, crc, body])?;
    let sql = "INSERT OR IGNORE INTO vault_term (term, vault) VALUES (?1, ?2)";
    let mut statement = transaction.prepare_cached(sql)?;
    for (field, term) in &put.entry.terms {
        statement.execute(params![keys.term(field, term), id])?;
    }
    Ok(())
}

/// Checksum of a row.
fn row_sum(subject: &str, version: i64, stated_at: i64, buyer: &[u8], body: &[u8]) -> u32 {
    sum::of(&[
        subject.as_bytes(),
        &version.to_le_bytes(),
        &stated_at.to_le_bytes(),
        buyer,
        body,
    ])
}

/// Says what is wrong with rows, terms and keys; needs no key.
pub(super) fn examine(
    connection: &Connection,
    mut problem: impl FnMut(String),
) -> Result<(), JournalError> {
    let sql = "
SELECT v.subject, v.version, v.stated_at, v.buyer, v.crc, v.body, k.crc, k.wrapped
FROM vault v LEFT JOIN vault_key k ON k.buyer = v.buyer ORDER BY v.id";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let mut rows = statement.query([]).map_err(reading)?;
    while let Some(row) = rows.next().map_err(reading)? {
        if let Some(what) = examine_row(row).map_err(reading)? {
            let subject: String = row.get(0).map_err(reading)?;
            problem(format!("vault row of {subject}: {what}"));
        }
    }
    for (sql, what) in [
        (
            "SELECT count(*) FROM vault_key WHERE buyer NOT IN (SELECT buyer FROM vault)",
            "keys of buyers of whom nothing is stored",
        ),
        (
            "SELECT count(*) FROM vault_term WHERE vault NOT IN (SELECT id FROM vault)",
            "search terms of rows that are not there",
        ),
    ] {
        let count: i64 = connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(reading)?;
        if count > 0 {
            problem(format!("vault: {count} {what}"));
        }
    }
    Ok(())
}

fn examine_row(row: &Row<'_>) -> rusqlite::Result<Option<&'static str>> {
    let (subject, version, stated_at): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (buyer, body): (Vec<u8>, Vec<u8>) = (row.get(3)?, row.get(5)?);
    if row_sum(&subject, version, stated_at, &buyer, &body) != row.get::<_, u32>(4)? {
        return Ok(Some("its checksum does not match"));
    }
    let key: (Option<u32>, Option<Vec<u8>>) = (row.get(6)?, row.get(7)?);
    Ok(match key {
        (Some(crc), Some(wrapped)) if sum::of(&[&buyer, &wrapped]) == crc => None,
        (Some(_), Some(_)) => Some("the checksum of its buyer's key does not match"),
        _ => Some("its buyer's key is missing"),
    })
}

/// Name a row's body is bound to, so that it does not open in another row.
fn bound_to(subject: &str, version: u64) -> String {
    format!("vault row of {subject} {version:016x}")
}

/// Drops all rows of a subject but the one of this version.
pub(super) fn keep(
    transaction: &Connection,
    subject: &str,
    version: Option<u64>,
) -> rusqlite::Result<()> {
    for row in rows(transaction, subject)? {
        if Some(row.version) != version {
            remove(transaction, &row, None)?;
        }
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
    let sql = "INSERT INTO vault_key (buyer, crc, wrapped) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, params![buyer, sum::of(&[buyer, &wrapped]), wrapped])?;
    Ok(key)
}

/// How a row is known.
struct RowHead {
    id: i64,
    version: u64,
    stated_at: i64,
    buyer: [u8; KEY_BYTES],
}

fn rows(connection: &Connection, subject: &str) -> rusqlite::Result<Vec<RowHead>> {
    let sql = "SELECT id, version, stated_at, buyer FROM vault WHERE subject = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([subject], |row| {
        Ok(RowHead {
            id: row.get(0)?,
            version: row.get::<_, i64>(1)?.cast_unsigned(),
            stated_at: row.get(2)?,
            buyer: row.get(3)?,
        })
    });
    rows?.collect()
}

/// Removes a row and its terms, and its buyer's key when nobody else needs it (nor `keep` it).
fn remove(
    transaction: &Connection,
    row: &RowHead,
    keep: Option<&[u8; KEY_BYTES]>,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM vault_term WHERE vault = ?1", [row.id])?;
    transaction.execute("DELETE FROM vault WHERE id = ?1", [row.id])?;
    if keep != Some(&row.buyer) {
        let sql = "
DELETE FROM vault_key WHERE buyer = ?1 AND NOT EXISTS (SELECT 1 FROM vault WHERE buyer = ?1)";
        transaction.execute(sql, [row.buyer])?;
    }
    Ok(())
}

/// Erases a subject and notes it in the erasure log.
pub(super) fn erase(
    transaction: &Transaction<'_>,
    at: Timestamp,
    subject: &str,
) -> Result<(), WriteError> {
    remove_all(transaction, subject)?;
    note(transaction, &erased_hash(subject), at.as_ms())?;
    Ok(())
}

/// Removes all that is stored of a person under a subject. Returns whether there was anything.
fn remove_all(connection: &Connection, subject: &str) -> rusqlite::Result<bool> {
    let rows = rows(connection, subject)?;
    for row in &rows {
        remove(connection, row, None)?;
    }
    let sql = "UPDATE inbox SET body = NULL WHERE subject = ?1 AND body IS NOT NULL";
    let bodies = connection.execute(sql, [subject])?;
    Ok(!rows.is_empty() || bodies > 0)
}

pub(super) fn is_erased(connection: &Connection, subject: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM erasure WHERE subject_hash = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.exists([erased_hash(subject)])
}

/// What is stored of a person under a subject.
pub(super) fn person(connection: &Connection, subject: &str) -> Result<PersonState, JournalError> {
    if is_erased(connection, subject).map_err(reading)? {
        return Ok(PersonState::Erased);
    }
    let sql = "
SELECT 1 FROM vault WHERE subject = ?1
UNION ALL SELECT 1 FROM inbox WHERE subject = ?1 AND body IS NOT NULL";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    Ok(match statement.exists([subject]).map_err(reading)? {
        true => PersonState::Kept,
        false => PersonState::Unknown,
    })
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
    version: u64,
) -> Result<Option<VaultEntry>, JournalError> {
    let sql = "
SELECT v.body, v.buyer, k.wrapped FROM vault v LEFT JOIN vault_key k ON k.buyer = v.buyer
WHERE v.subject = ?1 AND v.version = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let found = statement.query_row(params![subject, version.cast_signed()], |row| {
        let sealed: Vec<u8> = row.get(0)?;
        let buyer: Vec<u8> = row.get(1)?;
        Ok((sealed, buyer, row.get::<_, Option<Vec<u8>>>(2)?))
    });
    let Some((sealed, buyer, wrapped)) = found.optional().map_err(reading)? else {
        return Ok(None);
    };
    let name = bound_to(subject, version);
    let damaged = |what: &str| JournalError::Corrupt {
        at: name.clone(),
        what: what.to_owned(),
    };
    let wrapped = wrapped.ok_or_else(|| damaged("its buyer's key is missing"))?;
    let key = keys.unwrap(&key_name(&buyer), &wrapped)?;
    open(&key, &name, &sealed).map(Some)
}

fn seal(key: &DataKey, name: &str, entry: &VaultEntry) -> Result<Vec<u8>, JournalError> {
    let mut plain = Vec::new();
    put_pairs(&mut plain, &entry.terms);
    plain.extend_from_slice(&entry.body);
    key.seal(name, &plain)
}

fn open(key: &DataKey, name: &str, sealed: &[u8]) -> Result<VaultEntry, JournalError> {
    let plain = key.open(name, sealed)?;
    let mut reader = Reader(&plain);
    let terms = pairs(&mut reader).map_err(|Malformed| JournalError::Corrupt {
        at: name.to_owned(),
        what: "its terms do not decode".to_owned(),
    })?;
    let body = reader.0.to_vec();
    Ok(VaultEntry { body, terms })
}

pub(super) fn find(
    connection: &Connection,
    keys: &Keyring,
    field: &str,
    term: &str,
    limit: usize,
) -> Result<Vec<(String, u64)>, JournalError> {
    let sql = "
SELECT v.subject, v.version FROM vault_term t JOIN vault v ON v.id = t.vault WHERE t.term = ?1
ORDER BY t.vault DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql).map_err(reading)?;
    let parameters = params![keys.term(field, term), int(limit as u64)];
    let rows = statement.query_map(parameters, |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
    });
    rows.and_then(Iterator::collect).map_err(reading)
}

/// Names of all rows, for tests that search everything stored.
#[cfg(any(test, feature = "testing"))]
pub(super) fn names(connection: &Connection) -> Result<Vec<(String, u64)>, JournalError> {
    let sql = "SELECT subject, version FROM vault";
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
    });
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
    let known = read_own_erasures(&path)?;
    let mut lines = String::new();
    for (hash, at) in stored_erasures(connection)? {
        if !known.contains(&(hash.clone(), at)) {
            lines.push_str(&format!("{hash} {at}\n"));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let mut file = private::ensure(&path).map_err(failed)?;
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
fn read_erasures(path: &Path) -> Result<BTreeSet<(String, i64)>, JournalError> {
    let text = fs::read_to_string(path).map_err(|e| error::file(path, &e))?;
    let complete = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let lines = complete.filter_map(|line| {
        let (hash, at) = line.trim_end().split_once(' ')?;
        Some((hash.to_owned(), at.parse().ok()?))
    });
    Ok(lines.collect())
}

/// As [`read_erasures`] where a log need not exist: nobody was ever erased there.
fn read_own_erasures(path: &Path) -> Result<BTreeSet<(String, i64)>, JournalError> {
    match path.exists() {
        true => read_erasures(path),
        false => Ok(BTreeSet::new()),
    }
}

/// Applies erasure logs to a restored database: all that is stored of an erased subject goes. Every one of `logs`
/// must exist, the backup's `own` need not. Returns how many subjects were erased again.
pub(super) fn erase_again(dir: &Path, logs: &[&Path], own: &Path) -> Result<u64, JournalError> {
    let mut connection = Connection::open(dir.join(schema::FILE)).map_err(reading)?;
    connection
        .pragma_update(None, "secure_delete", "ON")
        .map_err(reading)?;
    let mut erased: BTreeMap<String, i64> = stored_erasures(&connection)?.into_iter().collect();
    let mut listed = read_own_erasures(own)?;
    for log in logs {
        listed.extend(read_erasures(log)?);
    }
    for (hash, at) in listed {
        let known = erased.entry(hash).or_insert(at);
        *known = at.max(*known);
    }
    if erased.is_empty() {
        return Ok(0);
    }
    let transaction = connection.transaction().map_err(reading)?;
    let sql = "
SELECT subject FROM vault UNION SELECT subject FROM inbox WHERE subject IS NOT NULL AND body IS NOT NULL";
    let subjects: Vec<String> = {
        let mut statement = transaction.prepare(sql).map_err(reading)?;
        let rows = statement.query_map([], |row| row.get(0));
        rows.and_then(Iterator::collect).map_err(reading)?
    };
    let mut count = 0;
    for subject in subjects {
        if erased.contains_key(&erased_hash(&subject)) {
            count += u64::from(remove_all(&transaction, &subject).map_err(reading)?);
        }
    }
    for (hash, at) in &erased {
        note(&transaction, hash, *at).map_err(reading)?;
    }
    transaction.commit().map_err(reading)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MasterKey, golden};

    /// What a key sealed differs each time: what was sealed once must open for ever.
    #[test]
    fn layout_is_golden() {
        let keys = Keyring::new(&MasterKey::from_bytes([7; KEY_BYTES]));
        let buyer = key_name(&keys.buyer("b"));
        let name = bound_to("order:shop:1", 5);
        let entry = VaultEntry {
            body: b"{\"name\":\"Ann\"}".to_vec(),
            terms: vec![("name".to_owned(), "Ann".to_owned())],
        };
        let key = DataKey::generate().unwrap();
        let wrapped = keys.wrap(&buyer, &key).unwrap();
        let sealed = seal(&key, &name, &entry).unwrap();
        let stored = golden::stored("vault.hex", &[&wrapped, &sealed]);
        let key = keys.unwrap(&buyer, &stored[0]).unwrap();
        assert_eq!(open(&key, &name, &stored[1]).unwrap(), entry);
    }
}
