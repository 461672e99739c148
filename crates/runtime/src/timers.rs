//! Deadlines of entities: one wheel per shard, looked at by one ticking task.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossdock_engine::{DUE_SWEEP, HORIZON, Wheel};
use crossdock_model::{Duration, EntityId, SHARD_COUNT, ShardId, Timestamp};

use crate::planted::Mistake;
use crate::shared::Shared;
use crate::telling;

/// How often wheels are looked at.
const TICK: Duration = Duration::from_ms(5);
/// Entities woken per shard and tick.
const DUE_MAX: usize = 256;

/// How much later passive ones are woken while much waits to be loaded.
const LATER: Duration = Duration::from_s(2);

#[derive(Default)]
struct Slot {
    wheel: Mutex<Wheel>,
    next_ms: AtomicI64,
}

/// Deadlines by shard.
pub(crate) struct Timers {
    slots: Vec<Slot>,
}

impl Default for Timers {
    fn default() -> Self {
        let slots = (0..SHARD_COUNT).map(|_| Slot {
            next_ms: AtomicI64::new(i64::MAX),
            ..Slot::default()
        });
        Self {
            slots: slots.collect(),
        }
    }
}

impl Timers {
    pub fn set(&self, entity: &EntityId, at: Option<Timestamp>) {
        self.change(entity.shard(), |wheel| wheel.set(entity, at));
    }

    /// Notes the deadline of an entity's checkpoint. The entity may have come to life since the checkpoint was
    /// read, and have a nearer one.
    fn find(&self, entity: &EntityId, at: Timestamp) {
        self.change(entity.shard(), |wheel| wheel.set_earlier(entity, at));
    }

    fn change(&self, shard: ShardId, change: impl FnOnce(&mut Wheel)) {
        let slot = &self.slots[usize::from(shard.number())];
        let mut wheel = slot.wheel.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut wheel);
        slot.next_ms.store(
            wheel.next().map_or(i64::MAX, Timestamp::as_ms),
            Ordering::Release,
        );
    }

    pub fn pass_on(&self, entity: &EntityId, at: Option<Timestamp>, now: Timestamp) {
        self.change(entity.shard(), |wheel| wheel.pass_on(entity, at, now));
    }

    fn due(&self, now: Timestamp) -> Vec<EntityId> {
        let mut due = Vec::new();
        if Mistake::DeadlinesPassedOver.is_planted() {
            return due;
        }
        for slot in &self.slots {
            if slot.next_ms.load(Ordering::Acquire) > now.as_ms() {
                continue;
            }
            let mut wheel = slot.wheel.lock().unwrap_or_else(PoisonError::into_inner);
            due.extend(wheel.due(now, DUE_MAX));
            slot.next_ms.store(
                wheel.next().map_or(i64::MAX, Timestamp::as_ms),
                Ordering::Release,
            );
        }
        due
    }
}

/// Wakes entities that are due, until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::spawn({
        let shared = Arc::clone(&shared);
        async move { find_untold(&shared).await }
    });
    let mut swept_at = Timestamp::default();
    while !shared.is_stopping() {
        shared.clock.sleep(TICK).await;
        let now = shared.clock.now();
        telling::send_due(&shared);
        for entity in shared.timers.due(now) {
            let put_off = shared.loads.puts_off_due() && shared.directory.get(&entity).is_none();
            match put_off {
                true => shared.timers.set(&entity, Some(now + LATER)),
                false => shared.wake(&entity),
            }
        }
        if now.since(swept_at) >= DUE_SWEEP {
            swept_at = now;
            sweep(&shared, now + HORIZON).await;
        }
    }
}

/// Wakes whoever said something that has not been heard: nobody else knows.
async fn find_untold(shared: &Arc<Shared>) {
    while !shared.is_stopping() && !look_for_untold(shared).await {
        shared.clock.sleep(LATER).await;
    }
}

async fn look_for_untold(shared: &Arc<Shared>) -> bool {
    let (threads, shared) = (&shared.threads, Arc::clone(shared));
    let found = threads
        .spawn_blocking(move || {
            let now = shared.clock.now();
            for shard in ShardId::all() {
                let mut after = None;
                loop {
                    let page = shared.journal.dirty(shard, after.as_ref(), 1024)?;
                    page.iter()
                        .for_each(|entity| shared.timers.find(entity, now));
                    match page.last() {
                        Some(last) if page.len() == 1024 => after = Some(last.clone()),
                        _ => break,
                    }
                }
            }
            Ok::<_, crossdock_journal::JournalError>(())
        })
        .await;
    match found {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "it cannot be read which SKUs were not heard: what is published is late");
            false
        }
        Err(_) => false,
    }
}

/// Finds wake-ups of passive entities in the journal.
async fn sweep(shared: &Arc<Shared>, until: Timestamp) {
    let (threads, shared) = (&shared.threads, Arc::clone(shared));
    let swept = threads
        .spawn_blocking(move || {
            for shard in ShardId::all() {
                let mut after = None;
                loop {
                    let page = shared.journal.due(shard, until, after.take(), 1024)?;
                    for (at, entity) in &page {
                        if shared.directory.get(entity).is_none() {
                            shared.timers.find(entity, *at);
                        }
                    }
                    match page.last() {
                        Some(last) if page.len() == 1024 => after = Some(last.clone()),
                        _ => break,
                    }
                }
            }
            Ok::<_, crossdock_journal::JournalError>(())
        })
        .await;
    if let Ok(Err(error)) = swept {
        tracing::error!(%error, "wake-ups cannot be read; tried again with the next sweep");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entity came to life while its checkpoint's deadline was on its way from the journal.
    #[test]
    fn a_checkpoint_s_deadline_does_not_replace_a_nearer_one() {
        let (timers, at) = (Timers::default(), Timestamp::from_ms);
        let entity: EntityId = "sku:a".parse().unwrap();
        timers.set(&entity, Some(at(5)));
        timers.find(&entity, at(9));
        assert_eq!(timers.due(at(5)), [entity]);
    }
}
