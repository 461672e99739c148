//! One flush: what was gathered is written, and the engine told how that ended.

use std::sync::atomic::Ordering;
use std::time::Instant;

use crossdock_engine::ShardOutcome;
use crossdock_journal::{CommitOutcome, JournalError, Refusal};
use crossdock_model::ShardId;

use super::{Finished, Gathered};
use crate::batch::to_journal;
use crate::leaving::Leaving;
use crate::planted::Mistake;
use crate::shared::Shared;

/// What came of a flush.
pub(super) struct Written {
    pub leaving: Leaving,
    /// Nothing was written, as there was no room.
    pub is_full: bool,
}

/// Writes with one flush.
pub(super) fn write(shared: &Shared, gathered: Gathered) -> Result<Written, JournalError> {
    let Gathered {
        batch,
        inserts,
        stored,
    } = gathered;
    let queue = &shared.commits;
    let expected: Vec<(ShardId, u64)> = batch
        .shards
        .iter()
        .map(|part| (part.shard, part.expected_seq))
        .collect();
    let batch = to_journal(
        &queue.epochs,
        queue.owner,
        batch,
        inserts,
        shared.clock.now(),
        |entity, version| shared.telling.is_told(entity, version),
    );
    let started = Instant::now();
    let written = match batch.shards.is_empty() && batch.inbox.is_empty() {
        true => Ok(CommitOutcome::default()),
        false => shared.journal.commit(&batch),
    };
    let written = match Mistake::FailureTakenForWritten.is_planted() {
        true => Ok(written.unwrap_or_default()),
        false => written,
    };
    let wrote = !batch.shards.is_empty() || !batch.inbox.is_empty();
    // Before the batch is finished: it is quiet only once all of it has left.
    queue.leaving.fetch_add(1, Ordering::Relaxed);
    if wrote {
        shared.doors.flushed(started.elapsed());
    }
    let finished = finish(shared, written, &expected, wrote);
    let (completed, written) = finished.inspect_err(|_| queue.count_left())?;
    if !batch.shards.is_empty() {
        shared
            .metrics
            .commit
            .observe(started.elapsed().as_secs_f64());
        shared
            .metrics
            .commit_records
            .observe(completed.records as f64);
        shared.metrics.records.inc_by(completed.records as u64);
    }
    let is_full = written.is_err();
    let stored = match written {
        Ok(outcome) => {
            let found = outcome.inbox.into_iter().map(Ok);
            stored.into_iter().zip(found).collect()
        }
        Err(full) => {
            shared.metrics.disk_full.inc();
            let full = |stored| (stored, Err(full.to_string()));
            stored.into_iter().map(full).collect()
        }
    };
    let leaving = Leaving { stored, completed };
    Ok(Written { leaving, is_full })
}

type Flushed = Result<CommitOutcome, JournalError>;

/// Tells the engine how the batch ended.
///
/// # Errors
/// When what is on disk is unknown: nothing may leave any more.
fn finish(
    shared: &Shared,
    written: Flushed,
    expected: &[(ShardId, u64)],
    wrote: bool,
) -> Result<(Finished, Flushed), JournalError> {
    let queue = &shared.commits;
    let mut work = queue.lock();
    let (completed, written) = match written {
        Ok(outcome) => {
            // A batch of barriers says nothing about the disk.
            if wrote {
                work.trouble = None;
            }
            let refused = |shard| outcome_of(outcome.refused.get(&shard));
            (work.core.completed(refused), Ok(outcome))
        }
        Err(full @ JournalError::Full { .. }) => {
            work.trouble = Some((full.to_string(), shared.clock.now()));
            let refused = |shard| unwritten(expected, shard);
            (work.core.completed(refused), Err(full))
        }
        Err(error) => {
            work.trouble = Some((error.to_string(), shared.clock.now()));
            return Err(error);
        }
    };
    queue
        .is_troubled
        .store(work.is_troubled(), Ordering::Release);
    queue.finished.notify_waiters();
    drop(work);
    Ok((completed, written))
}

fn outcome_of(refusal: Option<&Refusal>) -> ShardOutcome {
    match refusal {
        None => ShardOutcome::Durable,
        Some(Refusal::Fenced { .. }) => ShardOutcome::Refused { next_seq: None },
        Some(Refusal::Sequence { next_seq }) => ShardOutcome::Refused {
            next_seq: Some(*next_seq),
        },
    }
}

/// Nothing was written: every shard with writes goes on from where it was.
fn unwritten(expected: &[(ShardId, u64)], shard: ShardId) -> ShardOutcome {
    match expected.iter().find(|(id, _)| *id == shard) {
        Some((_, next_seq)) => ShardOutcome::Refused {
            next_seq: Some(*next_seq),
        },
        None => ShardOutcome::Durable,
    }
}
