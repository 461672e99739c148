//! The tables, in one place. A change of layout raises a version below.
//!
//! **Folded** tables are figures of the journal: a database of another [`FOLDED`] version is folded anew by itself.
//! **Kept** tables survive that, because replay cannot bring them back. Shards have no common order, so a second
//! fold numbers the feed otherwise: whoever reads `after=17`, and every endpoint told up to event 17, would miss
//! events or get them twice. So the feed keeps its numbers, `fed` says up to where each shard is in it, and
//! `delivered` says what each endpoint was told. Deleting the file loses these.

use std::path::Path;

use crossdock_journal::sqlite::make_private_file;
use rusqlite::Connection;

use crate::InsightError;

/// Version of the folded tables.
const FOLDED: i64 = 9;
/// Version of the kept tables; another one means a new file.
const KEPT: i64 = 2;
/// Pages of the write-ahead log that are moved into the database at a time: 1 MiB. The disk is busy with it meanwhile, and
/// commits of the journal wait for that.
const WAL_PAGES_MOVED: u32 = 256;
/// What `user_version` holds.
const VERSION: i64 = KEPT * 1000 + FOLDED;

/// `IN` with more than two values, like `RETURNING`, makes a table of its own each time: here, and wherever records are folded,
/// that would cost more than the row that is written.
const FOLDED_TABLES: &str = "
CREATE TABLE cursor (shard INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE newest (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
CREATE TABLE orders (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, origin TEXT NOT NULL,
    placed_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, last_change TEXT NOT NULL DEFAULT '',
    ship_by INTEGER, units INTEGER NOT NULL DEFAULT 0, total TEXT, payment TEXT NOT NULL, tags TEXT NOT NULL,
    test INTEGER NOT NULL, backordered INTEGER NOT NULL DEFAULT 0, payment_until INTEGER, service_level TEXT,
    deliver_by INTEGER, destination TEXT);
CREATE INDEX orders_placed ON orders (placed_at DESC, id DESC);
CREATE INDEX orders_status ON orders (status, placed_at DESC, id DESC);
CREATE INDEX orders_channel ON orders (channel, placed_at DESC, id DESC);
CREATE INDEX orders_origin ON orders (origin, placed_at DESC, id DESC);
CREATE TABLE order_holds (
    id TEXT NOT NULL, line TEXT NOT NULL, reason TEXT NOT NULL, until INTEGER, PRIMARY KEY (id, line)) WITHOUT ROWID;
CREATE TABLE order_lines (
    id TEXT NOT NULL, line TEXT NOT NULL, place INTEGER NOT NULL, title TEXT NOT NULL, ordered INTEGER NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0, elsewhere INTEGER NOT NULL DEFAULT 0,
    returned INTEGER NOT NULL DEFAULT 0, unit_price TEXT, ships INTEGER NOT NULL, parts TEXT NOT NULL,
    by_operator INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, line)) WITHOUT ROWID;
CREATE TABLE plans (id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, plan TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE reserved (
    id TEXT NOT NULL, line TEXT NOT NULL, sku TEXT NOT NULL, location TEXT NOT NULL, units INTEGER NOT NULL,
    PRIMARY KEY (id, line, sku, location)) WITHOUT ROWID;
CREATE TABLE timeline (
    id TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, sentence TEXT NOT NULL,
    principal TEXT NOT NULL, reason TEXT, position TEXT NOT NULL, details TEXT NOT NULL,
    PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE TABLE requests (
    id TEXT NOT NULL, number INTEGER NOT NULL, location TEXT NOT NULL, phase TEXT NOT NULL,
    overdue INTEGER NOT NULL DEFAULT 0, cancelling TEXT NOT NULL DEFAULT '{}', shipped INTEGER NOT NULL DEFAULT 0,
    acknowledge_by INTEGER NOT NULL, created_at INTEGER NOT NULL,
    status TEXT NOT NULL GENERATED ALWAYS AS (CASE
        WHEN phase = 'rejected' OR phase = 'cancelled' OR phase = 'shipped' THEN phase
        WHEN cancelling <> '{}' THEN 'cancelling' WHEN shipped THEN 'partly_shipped'
        WHEN phase = 'acknowledged' THEN phase WHEN overdue THEN 'overdue' ELSE phase END) STORED,
    PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE INDEX requests_location ON requests (location, created_at, id, number);
CREATE INDEX requests_created ON requests (created_at, id, number);
CREATE INDEX requests_status ON requests (status, created_at, id, number);
CREATE INDEX requests_open ON requests (created_at, id, number)
    WHERE status <> 'shipped' AND status <> 'rejected' AND status <> 'cancelled';
CREATE INDEX requests_open_location ON requests (location, created_at, id, number)
    WHERE status <> 'shipped' AND status <> 'rejected' AND status <> 'cancelled';
CREATE TABLE request_lines (
    id TEXT NOT NULL, number INTEGER NOT NULL, line TEXT NOT NULL, sku TEXT NOT NULL, asked INTEGER NOT NULL,
    open INTEGER NOT NULL, shipped INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, number, line, sku)) WITHOUT ROWID;
CREATE TABLE shipments (
    id TEXT NOT NULL, request INTEGER NOT NULL DEFAULT 0, shipment TEXT NOT NULL, at INTEGER NOT NULL, carrier TEXT,
    number TEXT, url TEXT, lines TEXT NOT NULL, PRIMARY KEY (id, request, shipment)) WITHOUT ROWID;
CREATE TABLE reports (
    id TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, request INTEGER, shipment TEXT, lines TEXT NOT NULL,
    status TEXT NOT NULL, error TEXT, retry_at INTEGER, theirs TEXT, changed_at INTEGER NOT NULL,
    PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE INDEX reports_owed ON reports (status, id) WHERE status NOT IN ('told', 'void');
CREATE TABLE skus (sku TEXT PRIMARY KEY, title TEXT NOT NULL, tracking TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE stock (
    sku TEXT NOT NULL, location TEXT NOT NULL, on_hand INTEGER NOT NULL DEFAULT 0,
    unavailable INTEGER NOT NULL DEFAULT 0, safety INTEGER NOT NULL DEFAULT 0,
    committed INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
    tentative INTEGER NOT NULL DEFAULT 0, in_transit INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (sku, location)) WITHOUT ROWID;
CREATE INDEX stock_location ON stock (location, sku);
CREATE TABLE holds (
    sku TEXT NOT NULL, location TEXT NOT NULL, hold TEXT NOT NULL, units INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, PRIMARY KEY (sku, hold, location)) WITHOUT ROWID;
CREATE INDEX holds_expiry ON holds (sku, location, expires_at, units);
CREATE TABLE reservations (
    sku TEXT NOT NULL, holder TEXT NOT NULL, attempt INTEGER NOT NULL, location TEXT NOT NULL,
    units INTEGER NOT NULL, shipped INTEGER NOT NULL DEFAULT 0, released INTEGER NOT NULL DEFAULT 0,
    confirmed INTEGER NOT NULL, PRIMARY KEY (sku, holder, attempt, location)) WITHOUT ROWID;
CREATE TABLE waiting (
    sku TEXT NOT NULL, holder TEXT NOT NULL, units INTEGER NOT NULL, promised_at INTEGER NOT NULL,
    PRIMARY KEY (sku, holder)) WITHOUT ROWID;
CREATE TABLE offers (
    sku TEXT NOT NULL, holder TEXT NOT NULL, location TEXT NOT NULL, units INTEGER NOT NULL,
    PRIMARY KEY (sku, holder, location)) WITHOUT ROWID;
CREATE TABLE incoming (
    sku TEXT NOT NULL, location TEXT NOT NULL, reference TEXT NOT NULL, units INTEGER NOT NULL,
    expected_at INTEGER NOT NULL, PRIMARY KEY (sku, location, reference)) WITHOUT ROWID;
CREATE TABLE transfers (
    sku TEXT NOT NULL, transfer TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, units INTEGER NOT NULL,
    sent_at INTEGER NOT NULL, PRIMARY KEY (sku, transfer)) WITHOUT ROWID;
CREATE TABLE ledger (
    sku TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, effective_at INTEGER NOT NULL,
    location TEXT NOT NULL, on_hand_delta INTEGER NOT NULL, unavailable_delta INTEGER NOT NULL,
    on_hand INTEGER NOT NULL, reason TEXT NOT NULL, reference TEXT, principal TEXT NOT NULL,
    PRIMARY KEY (sku, number)) WITHOUT ROWID;
CREATE INDEX ledger_location ON ledger (sku, location, number);
CREATE TABLE exceptions (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, episode INTEGER NOT NULL,
    entity TEXT NOT NULL, cause TEXT NOT NULL, evidence TEXT NOT NULL, opened_at INTEGER NOT NULL,
    closed_at INTEGER, how TEXT, notes TEXT NOT NULL DEFAULT '[]');
CREATE INDEX exceptions_opened ON exceptions (opened_at, id);
CREATE INDEX exceptions_open ON exceptions (opened_at, id) WHERE closed_at IS NULL;
CREATE INDEX exceptions_key ON exceptions (entity, kind, subject, episode);
CREATE TABLE listings (
    channel TEXT NOT NULL, listing TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY (channel, listing)) WITHOUT ROWID;
CREATE TABLE rule_sets (
    version INTEGER PRIMARY KEY, document TEXT NOT NULL, at INTEGER NOT NULL, principal TEXT NOT NULL);
";

const KEPT_TABLES: &str = "
CREATE TABLE fed (shard INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE history (shard INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
CREATE TABLE feed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, subject TEXT NOT NULL, at INTEGER NOT NULL,
    data TEXT NOT NULL);
CREATE TABLE delivered (endpoint TEXT PRIMARY KEY, feed_id INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER NOT NULL DEFAULT 0, error TEXT, passed_over INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
";

/// Opens the database at its newest layout.
pub(crate) fn open(path: &Path) -> Result<Connection, InsightError> {
    let mut connection = connect(path)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        return Ok(connection);
    }
    if version / 1000 == KEPT {
        fold_anew(&mut connection)?;
        return Ok(connection);
    }
    drop(connection);
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        // What is not there need not be removed; what cannot be removed fails below.
        let _ = std::fs::remove_file(file);
    }
    Ok(create(connect(path)?)?)
}

/// For this user only: it tells who has sold how much of what. SQLite gives its other files the mode of this one.
fn connect(path: &Path) -> Result<Connection, InsightError> {
    make_private_file(path)?;
    Ok(prepare(Connection::open(path)?)?)
}

/// A database that ends with the process.
pub(crate) fn open_in_memory() -> Result<Connection, rusqlite::Error> {
    create(prepare(Connection::open_in_memory()?)?)
}

/// Empties the folded tables, to be folded again from the first record, and leaves the kept ones.
pub(crate) fn fold_anew(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let work = connection.transaction()?;
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
        AND name NOT IN ('fed', 'history', 'feed', 'delivered')";
    let mut statement = work.prepare(sql)?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    drop(statement);
    for name in names {
        work.execute_batch(&format!("DROP TABLE \"{name}\""))?;
    }
    work.execute_batch(FOLDED_TABLES)?;
    work.pragma_update(None, "user_version", VERSION)?;
    work.commit()
}

fn create(mut connection: Connection) -> Result<Connection, rusqlite::Error> {
    let work = connection.transaction()?;
    work.execute_batch(FOLDED_TABLES)?;
    work.execute_batch(KEPT_TABLES)?;
    work.pragma_update(None, "user_version", VERSION)?;
    work.commit()?;
    Ok(connection)
}

fn prepare(connection: Connection) -> Result<Connection, rusqlite::Error> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MOVED)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}
