//! Following the journal: what is folded, how far, and how far there is to go.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crossdock_journal::{Journal, Position, Seq, StoredFrame};
use crossdock_model::{Record, ShardId, Timestamp};
use rusqlite::{ErrorCode, Transaction};

use crate::{Insight, InsightError, fold, position};

/// Bytes of the log folded in one transaction.
const FOLD_BYTES: usize = 1 << 20;
/// Records folded in one transaction, unless the caller says: they are shown all at once, when it ends, and what
/// endpoints were told can be noted only between two of them.
const FOLD_RECORDS: usize = 4096;

/// How far folding is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Records folded by the call.
    pub folded: usize,
    /// Whether there is more in the journal.
    pub behind: bool,
    /// The positions the call reached, a token for [`Insight::has`]; empty when it folded nothing.
    pub position_token: String,
    /// Shards that stand still since this call.
    pub stopped: Vec<Stop>,
}

/// A record that cannot be folded. Its shard stands still before it: without it, what follows would show wrong figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Where it is.
    pub at: Position,
    /// What is wrong.
    pub cause: String,
}

/// Why frames are not folded.
enum Failure {
    /// This record is at fault, whenever it is tried.
    Record(Stop),
    /// Nothing can be folded now.
    All(InsightError),
}

impl<E: Into<InsightError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::All(error.into())
    }
}

/// How far the tables are behind the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Records not yet folded.
    pub records: u64,
    /// Shards they are in.
    pub shards: usize,
}

impl Insight {
    /// Folds what the journal has and this has not, up to some thousands of records: call it until it is not behind.
    ///
    /// # Errors
    /// [`InsightError`]; the next call goes on from the same place.
    pub fn catch_up(&self, journal: &dyn Journal) -> Result<Progress, InsightError> {
        self.catch_up_within(journal, FOLD_RECORDS)
    }

    /// As [`Insight::catch_up`], at most so many records (at least one).
    ///
    /// # Errors
    /// [`InsightError`]; the next call goes on from the same place.
    pub fn catch_up_within(
        &self,
        journal: &dyn Journal,
        budget_records: usize,
    ) -> Result<Progress, InsightError> {
        let mut stopped = Vec::new();
        // It ends: a shard stops once.
        let folded = loop {
            match self.fold_within(journal, budget_records) {
                Ok(progress) => {
                    break Ok(Progress {
                        stopped,
                        ..progress
                    });
                }
                Err(Failure::All(error)) => break Err(error),
                Err(Failure::Record(stop)) => {
                    self.stops().insert(stop.at.shard, stop.clone());
                    stopped.push(stop);
                }
            }
        };
        self.note_trouble(folded.as_ref().err().map(ToString::to_string));
        folded
    }

    fn fold_within(
        &self,
        journal: &dyn Journal,
        budget_records: usize,
    ) -> Result<Progress, Failure> {
        let mut writer = self.writer();
        let work = writer.transaction()?;
        let mut tails = journal.tails()?;
        let seen = position::all(&work, "cursor")?;
        note_history(&work, &tails, &seen)?;
        let stops = self.stops().clone();
        for (shard, tail) in &mut tails {
            if let Some(stop) = stops.get(shard) {
                *tail = stop.at.seq - 1;
            }
        }
        let behind: Vec<(ShardId, Seq)> = tails
            .iter()
            .map(|(shard, tail)| (*shard, seen.get(shard).copied().unwrap_or(0), *tail))
            .filter(|(_, seen, tail)| seen < tail)
            .map(|(shard, seen, _)| (shard, seen))
            .collect();
        let mut frames = match behind.is_empty() {
            true => Vec::new(),
            false => journal.read_many(&behind, FOLD_BYTES)?,
        };
        frames.retain(|stored| {
            let stop = stops.get(&stored.position.shard);
            stop.is_none_or(|stop| stored.position < stop.at)
        });
        frames.truncate(budget_records.max(1));
        let reached = fold_all(&work, &frames)?;
        work.commit()?;
        let done = |shard: &ShardId| reached.get(shard).or(seen.get(shard)).copied().unwrap_or(0);
        Ok(Progress {
            folded: frames.len(),
            behind: tails.iter().any(|(shard, tail)| done(shard) < *tail),
            position_token: position::token(&reached),
            stopped: Vec::new(),
        })
    }

    /// How far the tables are behind.
    ///
    /// # Errors
    /// [`InsightError`].
    pub fn lag(&self, journal: &dyn Journal) -> Result<Lag, InsightError> {
        let seen = position::all(&self.reader(), "cursor")?;
        let each = journal.tails()?.into_iter().map(|(shard, tail)| {
            let seen = seen.get(&shard).copied().unwrap_or(0);
            tail.saturating_sub(seen)
        });
        let left: Vec<u64> = each.filter(|records| *records > 0).collect();
        Ok(Lag {
            records: left.iter().sum(),
            shards: left.len(),
        })
    }

    /// Whether everything up to a read-your-writes token is folded: `shard:sequence`, or several with commas
    /// between. Waiting for it is the caller's loop; if it is not, [`Insight::is_awaited`] says so.
    ///
    /// # Errors
    /// [`InsightError::Cursor`] for a text that is no token.
    pub fn has(&self, token: &str) -> Result<bool, InsightError> {
        let wanted = position::read(token)?;
        let reader = self.reader();
        let mut statement = reader.prepare_cached("SELECT seq FROM cursor WHERE shard = ?1")?;
        for (shard, seq) in wanted {
            let mut rows = statement.query([shard.number()])?;
            let seen: i64 = rows.next()?.map_or(Ok(0), |row| row.get(0))?;
            if seen.unsigned_abs() < seq {
                self.awaited.store(true, Ordering::Relaxed);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether somebody has asked for what was not folded since this was asked last.
    pub fn is_awaited(&self) -> bool {
        self.awaited.swap(false, Ordering::Relaxed)
    }
}

/// What a journal held before this database followed it: endpoints that are new here are not told of it.
fn note_history(
    work: &Transaction<'_>,
    tails: &[(ShardId, Seq)],
    seen: &BTreeMap<ShardId, Seq>,
) -> Result<(), rusqlite::Error> {
    if !seen.is_empty() || !position::all(work, "fed")?.is_empty() {
        return Ok(());
    }
    for (shard, tail) in tails {
        position::raise(work, "history", *shard, *tail)?;
    }
    Ok(())
}

fn fold_all(
    work: &Transaction<'_>,
    frames: &[StoredFrame],
) -> Result<BTreeMap<ShardId, Seq>, Failure> {
    let fed = position::all(work, "fed")?;
    let (mut reached, mut newest) = (BTreeMap::new(), None);
    for stored in frames {
        let position = stored.position;
        let told = fed.get(&position.shard).copied().unwrap_or(0) >= position.seq;
        // What a panic leaves half done is taken back with the transaction.
        let folded = catch_unwind(AssertUnwindSafe(|| fold_one(work, stored, told)));
        let folded = folded.unwrap_or(Err(InsightError::Panicked));
        let at = folded.map_err(|error| match is_of_the_record(&error) {
            true => Failure::Record(Stop {
                at: position,
                cause: error.to_string(),
            }),
            false => Failure::All(error),
        })?;
        newest = newest.max(Some(at));
        reached.insert(position.shard, position.seq);
    }
    for (shard, seq) in &reached {
        position::raise(work, "cursor", *shard, *seq)?;
        position::raise(work, "fed", *shard, *seq)?;
    }
    if let Some(at) = newest {
        let sql = "INSERT INTO newest (one, at) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET at = max(at, ?1)";
        work.execute(sql, [at.as_ms()])?;
    }
    Ok(reached)
}

fn fold_one(
    work: &Transaction<'_>,
    stored: &StoredFrame,
    told: bool,
) -> Result<Timestamp, InsightError> {
    let record = Record::decode(&stored.frame.body)?;
    let entity = &stored.frame.entity;
    fold::fold(work, entity, stored.position, &record, told)?;
    Ok(record.at)
}

/// Whether a record fails whenever it is tried, and not only now, as when the disk is full.
fn is_of_the_record(error: &InsightError) -> bool {
    match error {
        InsightError::Record(_) | InsightError::Panicked | InsightError::Json(_) => true,
        InsightError::Sql(rusqlite::Error::SqliteFailure(failure, _)) => matches!(
            failure.code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                // What a function in a statement says of its values.
                | ErrorCode::Unknown
        ),
        // A statement that does not fit the tables.
        InsightError::Sql(rusqlite::Error::SqlInputError { .. }) => false,
        // A value that a column cannot hold, or that is not what a column should hold.
        InsightError::Sql(_) => true,
        InsightError::Journal(_) | InsightError::Cursor(_) => false,
    }
}
