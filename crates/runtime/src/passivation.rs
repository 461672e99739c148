//! Keeps the number of live entities and the length of the log to replay within limits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration as Wait;

use crossdock_model::Duration;

use crate::actor::Poke;
use crate::shared::Shared;

/// How often live entities are looked over.
const SWEEP: Wait = Wait::from_secs(1);
/// An entity that nobody asked for so long becomes passive.
const IDLE: Duration = Duration::from_s(120);
/// Records of a shard that are not covered by checkpoints before its oldest entities are asked for some.
const UNCOVERED_RECORDS_MAX: u64 = 4096;
/// Checkpoints asked for in one sweep.
const CHECKPOINTS_MAX: usize = 512;

/// Looks over live entities until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(SWEEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !shared.is_stopping() {
        tick.tick().await;
        sweep(&shared);
        maintain(&shared).await;
    }
}

fn sweep(shared: &Arc<Shared>) {
    for entity in shared
        .commits
        .overdue_checkpoints(UNCOVERED_RECORDS_MAX, CHECKPOINTS_MAX)
    {
        if let Some(mailbox) = shared.directory.get(&entity) {
            mailbox.cast(Poke::Checkpoint);
        }
    }
    let mut live = shared.directory.all();
    shared
        .metrics
        .live
        .set(i64::try_from(live.len()).unwrap_or(i64::MAX));
    shared
        .metrics
        .waiting_steps
        .set(i64::try_from(shared.commits.waiting()).unwrap_or(i64::MAX));
    let now_ms = shared.clock.now().as_ms();
    let idle_ms = i64::try_from(IDLE.as_ms()).unwrap_or(i64::MAX);
    let over = live.len().saturating_sub(shared.live_max);
    if over > 0 {
        // Cached: the times move while they are sorted by, and a sort may panic on keys that do.
        live.sort_by_cached_key(|mailbox| mailbox.used_at_ms.load(Ordering::Relaxed));
    }
    for (rank, mailbox) in live.iter().enumerate() {
        if rank < over || now_ms - mailbox.used_at_ms.load(Ordering::Relaxed) >= idle_ms {
            mailbox.cast(Poke::Passivate);
        }
    }
}

async fn maintain(shared: &Arc<Shared>) {
    loop {
        let (journal, now) = (Arc::clone(&shared.journal), shared.clock.now());
        match tokio::task::spawn_blocking(move || journal.maintain(now)).await {
            Ok(Ok(true)) => tokio::task::yield_now().await,
            Ok(Ok(false)) | Err(_) => return,
            Ok(Err(error)) => {
                tracing::warn!(%error, "journal maintenance failed; tried again");
                return;
            }
        }
    }
}
