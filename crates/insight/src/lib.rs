//! Read models folded from the journal into SQL: search, timelines, stock, exceptions, the event feed.
//!
//! A database of its own: it cannot write the journal, and every figure in it can be rebuilt by replay. A frame is
//! folded once, in the transaction that moves its shard's cursor.

mod fold;
mod query;
mod schema;
mod sentences;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossdock_journal::{Journal, JournalError, Seq};
use crossdock_model::codec::CodecError;
use crossdock_model::{Record, ShardId};
use rusqlite::Connection;
use thiserror::Error;

pub use query::{
    ExceptionFilter, ExceptionRow, FeedEvent, LedgerRow, ListingRow, OrderFilter, OrderRow, Page,
    RequestFilter, RequestRow, StockFilter, StockRow, TimelineRow,
};

/// Bytes of the log folded in one transaction.
const FOLD_BYTES: usize = 4 << 20;

/// Why a read model cannot answer.
#[derive(Debug, Error)]
pub enum InsightError {
    /// The database refuses.
    #[error("insight's database: {0} (it can be deleted: it is rebuilt from the journal)")]
    Sql(#[from] rusqlite::Error),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record does not decode.
    #[error("record {shard}:{seq}: {source}")]
    Record {
        /// Its shard.
        shard: ShardId,
        /// Its sequence.
        seq: Seq,
        /// What is wrong.
        source: CodecError,
    },
    /// A value cannot be written as JSON.
    #[error("a value cannot be kept: {0}")]
    Json(#[from] serde_json::Error),
    /// A cursor or token that is not one of ours.
    #[error("{0:?} is not a cursor of this list")]
    Cursor(String),
}

/// How far folding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records folded by the call.
    pub folded: usize,
    /// Whether there is more in the journal.
    pub behind: bool,
}

/// The read models. Blocking: call them from a thread for blocking work.
#[derive(Debug)]
pub struct Insight {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Insight {
    /// Opens (or makes, or makes anew after a change of layout) the database.
    ///
    /// # Errors
    /// [`InsightError::Sql`].
    pub fn open(path: &Path) -> Result<Self, InsightError> {
        let writer = schema::open(path)?;
        let reader = Connection::open(path)?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(Self {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
        })
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds what the journal has and this has not, up to some megabytes.
    ///
    /// # Errors
    /// [`InsightError`]; the next call goes on from the same place.
    pub fn catch_up(&self, journal: &dyn Journal) -> Result<Progress, InsightError> {
        let mut writer = self.writer();
        let work = writer.transaction()?;
        let mut behind = Vec::new();
        for (shard, tail) in journal.tails()? {
            let seen = cursor(&work, shard)?;
            if seen < tail {
                behind.push((shard, seen));
            }
        }
        let frames = journal.read_many(&behind, FOLD_BYTES)?;
        let mut reached = std::collections::BTreeMap::new();
        for stored in &frames {
            let position = stored.position;
            let failed = |source| InsightError::Record {
                shard: position.shard,
                seq: position.seq,
                source,
            };
            let record = Record::decode(&stored.frame.body).map_err(failed)?;
            fold::fold(&work, &stored.frame.entity, position, &record)?;
            reached.insert(position.shard, position.seq);
        }
        for (shard, seq) in reached {
            let sql = "INSERT INTO cursor (shard, seq) VALUES (?1, ?2) ON CONFLICT (shard) DO UPDATE SET seq = ?2";
            work.execute(sql, (shard.number(), seq as i64))?;
        }
        work.commit()?;
        Ok(Progress {
            folded: frames.len(),
            behind: !frames.is_empty(),
        })
    }

    /// Whether everything up to a read-your-writes token (`shard:sequence`) is folded.
    ///
    /// # Errors
    /// [`InsightError::Cursor`] for a text that is no token.
    pub fn has(&self, token: &str) -> Result<bool, InsightError> {
        let wrong = || InsightError::Cursor(token.to_owned());
        let (shard, seq) = token.split_once(':').ok_or_else(wrong)?;
        let shard = shard
            .parse()
            .ok()
            .and_then(ShardId::new)
            .ok_or_else(wrong)?;
        let seq: u64 = seq.parse().map_err(|_| wrong())?;
        Ok(cursor(&self.reader(), shard)? >= seq)
    }
}

fn cursor(connection: &Connection, shard: ShardId) -> Result<Seq, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT seq FROM cursor WHERE shard = ?1")?;
    let mut rows = statement.query([shard.number()])?;
    let seq: i64 = rows.next()?.map_or(Ok(0), |row| row.get(0))?;
    Ok(seq as Seq)
}
