//! Keeps the number of live entities and the length of the log to replay within limits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration as Wait;

use crossdock_engine::{CHECKPOINTS_MAX, Live, UNCOVERED_RECORDS_MAX, who_goes};
use crossdock_journal::Upkeep;
use crossdock_model::{Duration, Timestamp};

use crate::actor::Poke;
use crate::directory::Mailbox;
use crate::shared::Shared;

/// How often live entities are looked over.
const SWEEP: Duration = Duration::from_s(1);
/// How often the journal is looked after, and whether too many are live: an import brings thousands to life each second, and
/// each takes as long as two looks to become passive, a checkpoint first.
const LOOK: Duration = Duration::from_ms(100);
/// How often while much is committed.
const LOOK_SOON: Duration = Duration::from_ms(10);

/// In how many steps all that are chosen are asked to become passive, and how long after each other: a buyer's order stands in line
/// behind those of a step. However many come to life, all of them have had their turn before the next look.
const ASKING_STEPS: usize = 64;
const ASKING_PAUSE: Wait = Wait::from_millis(1);

/// Looks after live entities and after the journal until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::join!(look_after_entities(&shared), look_after_journal(&shared));
}

async fn look_after_entities(shared: &Arc<Shared>) {
    while !shared.is_stopping() {
        let again_at = shared.clock.now() + SWEEP;
        sweep(shared).await;
        while shared.clock.now() < again_at && !shared.is_stopping() {
            shared.clock.sleep(LOOK).await;
            if shared.directory.len() > shared.live_max {
                make_passive(shared, shared.directory.all()).await;
            }
        }
    }
}

async fn sweep(shared: &Arc<Shared>) {
    for entity in shared
        .commits
        .overdue_checkpoints(UNCOVERED_RECORDS_MAX, CHECKPOINTS_MAX)
    {
        if let Some(mailbox) = shared.directory.get(&entity) {
            mailbox.cast(Poke::Checkpoint);
        }
    }
    let live = shared.directory.all();
    shared
        .metrics
        .live
        .set(i64::try_from(live.len()).unwrap_or(i64::MAX));
    shared
        .metrics
        .waiting_steps
        .set(i64::try_from(shared.commits.waiting()).unwrap_or(i64::MAX));
    shared
        .metrics
        .untold_skus
        .set(i64::try_from(shared.telling.owed_skus()).unwrap_or(i64::MAX));
    let now = shared.clock.now();
    shared.hot.tick(&live, &shared.directory, now);
    shared
        .metrics
        .clock_ahead
        .set(shared.clock.ahead_ms() as f64 / 1000.0);
    make_passive(shared, live).await;
}

/// Those that nobody used for long or that are old, and those used longest ago of too many.
async fn make_passive(shared: &Arc<Shared>, live: Vec<Arc<Mailbox>>) {
    let used = |mailbox: Arc<Mailbox>| Live {
        used_at: Timestamp::from_ms(mailbox.used_at_ms.load(Ordering::Relaxed)),
        born_at: Timestamp::from_ms(mailbox.born_at_ms),
        one: mailbox,
    };
    let (live_max, now) = (shared.live_max, shared.clock.now());
    // Of a hundred thousand that takes milliseconds, for which no message waits.
    let choose = move || who_goes(live.into_iter().map(used).collect(), live_max, now);
    let chosen = shared.threads.spawn_blocking(choose).await;
    let chosen = chosen.unwrap_or_default();
    let at_once = chosen.len().div_ceil(ASKING_STEPS).max(1);
    for some in chosen.chunks(at_once) {
        for mailbox in some {
            mailbox.cast(Poke::Passivate);
        }
        tokio::time::sleep(ASKING_PAUSE).await;
        if shared.is_stopping() {
            return;
        }
    }
}

/// Does the journal's upkeep, a piece at a time.
async fn look_after_journal(shared: &Arc<Shared>) {
    while !shared.is_stopping() {
        let pause = match upkeep(shared).await {
            Upkeep::AtOnce => Duration::from_ms(0),
            Upkeep::Soon => LOOK_SOON,
            Upkeep::Later => LOOK,
        };
        shared.clock.sleep(pause).await;
    }
}

/// A piece of the journal's upkeep.
async fn upkeep(shared: &Arc<Shared>) -> Upkeep {
    let (journal, now) = (Arc::clone(&shared.journal), shared.clock.now());
    let maintains = move || journal.maintain(now);
    match shared.threads.spawn_blocking(maintains).await {
        Ok(Ok(again)) => again,
        Ok(Err(error)) => {
            tracing::warn!(%error, "journal maintenance failed; tried again");
            Upkeep::Later
        }
        Err(_) => Upkeep::Later,
    }
}
