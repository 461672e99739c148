//! The tables. A change of layout raises [`VERSION`]; a database of another version is made anew by replay.

use std::path::Path;

use rusqlite::Connection;

/// Version of the layout.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE cursor (shard INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE orders (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
    placed_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, ship_by INTEGER, units INTEGER NOT NULL,
    total TEXT, tags TEXT NOT NULL, test INTEGER NOT NULL, lines TEXT NOT NULL, origin TEXT NOT NULL);
CREATE INDEX orders_placed ON orders (placed_at DESC, id);
CREATE INDEX orders_status ON orders (status, placed_at DESC);
CREATE INDEX orders_channel ON orders (channel, placed_at DESC);
CREATE TABLE timeline (
    id TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, sentence TEXT NOT NULL,
    principal TEXT NOT NULL, reason TEXT, position TEXT NOT NULL, PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE TABLE requests (
    id TEXT NOT NULL, number INTEGER NOT NULL, location TEXT NOT NULL, status TEXT NOT NULL, lines TEXT NOT NULL,
    acknowledge_by INTEGER NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE INDEX requests_location ON requests (location, status, created_at);
CREATE TABLE skus (sku TEXT PRIMARY KEY, title TEXT NOT NULL, tracking TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE stock (
    sku TEXT NOT NULL, location TEXT NOT NULL, on_hand INTEGER NOT NULL DEFAULT 0,
    unavailable INTEGER NOT NULL DEFAULT 0, safety INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sku, location)) WITHOUT ROWID;
CREATE TABLE ledger (
    sku TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, effective_at INTEGER NOT NULL,
    location TEXT NOT NULL, on_hand_delta INTEGER NOT NULL, unavailable_delta INTEGER NOT NULL,
    on_hand INTEGER NOT NULL, reason TEXT NOT NULL, principal TEXT NOT NULL,
    PRIMARY KEY (sku, number)) WITHOUT ROWID;
CREATE TABLE exceptions (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, episode INTEGER NOT NULL,
    entity TEXT NOT NULL, cause TEXT NOT NULL, evidence TEXT NOT NULL, opened_at INTEGER NOT NULL,
    closed_at INTEGER, how TEXT, UNIQUE (entity, kind, subject, episode));
CREATE INDEX exceptions_open ON exceptions (closed_at, opened_at);
CREATE TABLE listings (
    channel TEXT NOT NULL, listing TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY (channel, listing)) WITHOUT ROWID;
CREATE TABLE locations (location TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE channels (channel TEXT PRIMARY KEY, connector TEXT NOT NULL, sale TEXT NOT NULL, mode TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE feed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, subject TEXT NOT NULL, at INTEGER NOT NULL,
    data TEXT NOT NULL);
CREATE TABLE delivered (endpoint TEXT PRIMARY KEY, feed_id INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
";

/// Opens the database at its newest layout.
pub(crate) fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        return prepare(connection);
    }
    drop(connection);
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        // What is not there need not be removed; what cannot be removed fails below.
        let _ = std::fs::remove_file(file);
    }
    let connection = prepare(Connection::open(path)?)?;
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(connection)
}

fn prepare(connection: Connection) -> Result<Connection, rusqlite::Error> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
