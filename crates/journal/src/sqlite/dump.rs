//! Everything stored, decrypted with every key that is left, as text: for tests that search it for a name.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::error::reading;
use super::segment::{self, Segment};
use super::{SqliteJournal, block, inbox, vault};
use crate::{JournalError, bytes::hex};

impl SqliteJournal {
    /// Every row of every table and segment as text, and what the remaining keys decrypt.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    pub fn dump_rows(&self) -> Result<Vec<String>, JournalError> {
        let reader = self.reader();
        let mut out = tables(&reader)?;
        for row in inbox::all(&reader, &self.keys)? {
            let body = String::from_utf8_lossy(&row.delivery.body);
            out.push(format!(
                "inbox opened|{row:?}|{:?}|{body}",
                row.delivery.headers
            ));
        }
        for (subject, version) in vault::names(&reader)? {
            if let Some(entry) = vault::load(&reader, &self.keys, &subject, version)? {
                let body = String::from_utf8_lossy(&entry.body);
                out.push(format!("vault opened|{subject}|{:?}|{body}", entry.terms));
            }
        }
        for number in block::sealed(&reader)? {
            let segment = Segment::open(&segment::path(&self.dir, number))?;
            for chunk in 0..segment.chunks() {
                let rows = segment.rows(chunk)?.into_iter();
                out.extend(
                    rows.map(|row| format!("segment|{}", text(ValueRef::Blob(&row.frames)))),
                );
            }
        }
        Ok(out)
    }

    /// Every row of every table of another database, insight's for one, as text.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn dump_database(path: &Path) -> Result<Vec<String>, JournalError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        tables(&Connection::open_with_flags(path, flags).map_err(reading)?)
    }

    /// What is stored of a person as the disk has it: sealed bodies, and the wrapped key of their buyer.
    ///
    /// # Errors
    /// [`JournalError`] when storage fails.
    pub fn sealed_of(&self, subject: &str) -> Result<Vec<Vec<u8>>, JournalError> {
        let sql = "
SELECT body FROM vault WHERE subject = ?1
UNION ALL SELECT k.wrapped FROM vault v JOIN vault_key k ON k.buyer = v.buyer WHERE v.subject = ?1
UNION ALL SELECT body FROM inbox WHERE subject = ?1 AND body IS NOT NULL";
        let reader = self.reader();
        let mut statement = reader.prepare(sql).map_err(reading)?;
        let rows = statement.query_map([subject], |row| row.get(0));
        rows.and_then(Iterator::collect).map_err(reading)
    }
}

fn tables(connection: &Connection) -> Result<Vec<String>, JournalError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut out = Vec::new();
    for table in strings(connection, sql)? {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM \"{table}\""))
            .map_err(reading)?;
        let columns = statement.column_count();
        let mut rows = statement.query([]).map_err(reading)?;
        while let Some(row) = rows.next().map_err(reading)? {
            let mut line = table.clone();
            for column in 0..columns {
                line.push('|');
                line.push_str(&text(row.get_ref(column).map_err(reading)?));
            }
            out.push(line);
        }
    }
    Ok(out)
}

fn strings(connection: &Connection, sql: &str) -> Result<Vec<String>, JournalError> {
    let mut statement = connection.prepare(sql).map_err(reading)?;
    let rows = statement.query_map([], |row| row.get(0));
    rows.and_then(Iterator::collect).map_err(reading)
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(blob) => format!("{} {}", hex(blob), String::from_utf8_lossy(blob)),
    }
}
