//! Read models folded from the journal into SQL: search, timelines, stock, exceptions, the event feed.
//!
//! A database of its own: it cannot write the journal, and every figure in it can be rebuilt by replay. A frame is
//! folded once, in the transaction that moves its shard's cursor.

mod catch_up;
mod fold;
mod position;
mod query;
mod schema;
mod sentences;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_journal::JournalError;
use crossdock_model::ShardId;
use crossdock_model::codec::CodecError;
use rusqlite::Connection;
use thiserror::Error;

pub use catch_up::{Lag, Progress, Stop};
pub use fold::TOPICS;
pub use query::{
    Delivered, ExceptionFilter, ExceptionNote, ExceptionRow, ExpectedRow, FeedEvent, FeedPage,
    HoldSummary, LedgerRow, ListingRow, OpenExceptions, OrderCount, OrderFilter, OrderRow,
    OrderSearch, OwedCount, PAGE_MAX, Page, ReportRow, RequestFilter, RequestRow, RequestSummary,
    RuleSetRow, ShipmentRow, SkuRow, StockFilter, StockRow, StockSearch, TimelineRow, TransferRow,
};

/// Connections that answer questions side by side.
const READERS: usize = 4;

/// Why a read model cannot answer.
#[derive(Debug, Error)]
pub enum InsightError {
    /// The database refuses.
    #[error("insight's database: {0} (it can be deleted: it is rebuilt from the journal)")]
    Sql(#[from] rusqlite::Error),
    /// The journal cannot be read, or a file not be made.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record does not decode.
    #[error("it does not decode: {0}")]
    Record(#[from] CodecError),
    /// Folding a record panicked.
    #[error("folding it panicked")]
    Panicked,
    /// A value cannot be written as JSON.
    #[error("a value cannot be kept: {0}")]
    Json(#[from] serde_json::Error),
    /// A cursor or token that is not one of ours.
    #[error("{0:?} is not a cursor of this list")]
    Cursor(String),
}

/// The read models. Blocking: call them from a thread for blocking work.
#[derive(Debug)]
pub struct Insight {
    writer: Mutex<Connection>,
    /// None for a database in memory: its only connection is the writer.
    readers: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
    /// Somebody waits for what is not folded yet.
    awaited: AtomicBool,
    trouble: Mutex<Option<String>>,
    /// Shards that stand still, each before a record that cannot be folded.
    stops: Mutex<BTreeMap<ShardId, Stop>>,
}

impl Insight {
    /// Opens (or makes, or folds anew after a change of layout) the database.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn open(path: &Path) -> Result<Self, InsightError> {
        let writer = schema::open(path)?;
        let reader = |_| {
            let reader = Connection::open(path)?;
            reader.pragma_update(None, "query_only", true)?;
            reader.set_prepared_statement_cache_capacity(64);
            Ok(Mutex::new(reader))
        };
        let readers: Result<Vec<_>, rusqlite::Error> = (0..READERS).map(reader).collect();
        Ok(Self {
            writer: Mutex::new(writer),
            readers: readers?,
            turn: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            trouble: Mutex::default(),
            stops: Mutex::default(),
        })
    }

    /// A database that ends with the process, for tests and short looks.
    ///
    /// # Errors
    /// [`InsightError::Sql`].
    pub fn open_in_memory() -> Result<Self, InsightError> {
        Ok(Self {
            writer: Mutex::new(schema::open_in_memory()?),
            readers: Vec::new(),
            turn: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            trouble: Mutex::default(),
            stops: Mutex::default(),
        })
    }

    /// Why the figures stand still, while they do: what they show is old, and gets older.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The figures stand still, until [`Insight::catch_up`] gets on again.
    pub fn stand_still(&self, cause: &str) {
        self.note_trouble(Some(cause.to_owned()));
    }

    /// Records that cannot be folded, at most one of a shard. What follows them in their shards is not shown; all other
    /// shards go on. They are tried again by the next process: with a mended journal, or a version that can.
    #[must_use]
    pub fn stopped(&self) -> Vec<Stop> {
        self.stops().values().cloned().collect()
    }

    pub(crate) fn stops(&self) -> MutexGuard<'_, BTreeMap<ShardId, Stop>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to ask. Never call it while holding the writer.
    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        if let Some(free) = self
            .readers
            .iter()
            .find_map(|reader| reader.try_lock().ok())
        {
            return free;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let next = turn.checked_rem(self.readers.len());
        let reader = next.and_then(|at| self.readers.get(at));
        let reader = reader.unwrap_or(&self.writer);
        reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
