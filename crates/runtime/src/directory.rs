//! Which entities are live, and the bounded queue each of them owns.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossdock_engine::{CRASH_WINDOW, Message};
use crossdock_model::{EntityId, SHARD_COUNT, ShardId, Timestamp};
use ractor::ActorRef;

use crate::actor::Poke;
use crate::ask::Caller;

/// Commands from outside that may wait at one entity.
pub(crate) const OUTSIDE_QUEUE_MAX: usize = 16_384;
/// Messages of any origin that may wait at one entity; entities send again what is shed.
pub(crate) const QUEUE_MAX: usize = 65_536;

/// A message with the time it was queued, for the contention figures.
pub(crate) struct Queued {
    pub message: Message<Caller>,
    pub queued_at: Instant,
}

/// What waits at an entity.
#[derive(Default)]
pub(crate) struct Queue {
    pub items: VecDeque<Queued>,
    /// No actor will come for this queue any more: look the entity up again.
    pub closed: bool,
}

/// A live entity as others see it. Outlives its actor's crashes: what is queued is not lost.
pub(crate) struct Mailbox {
    pub entity: EntityId,
    queue: Mutex<Queue>,
    poked: AtomicBool,
    pub actor: Mutex<Option<ActorRef<Poke>>>,
    /// Last time it was asked something, in milliseconds of the node's clock.
    pub used_at_ms: AtomicI64,
    /// Hash of the command being handled, while the entity is suspected of crashing.
    pub current_hash: AtomicU64,
    /// Until when it is suspected of crashing again, in milliseconds of the node's clock: messages are handled one
    /// at a time meanwhile, to find the poison.
    suspect_until_ms: AtomicI64,
    /// Whether commands of it are put aside: each one is then looked at.
    pub poisoned: AtomicBool,
    /// Time spent handling, in nanoseconds: the share of it is how hot the entity is.
    pub busy_ns: AtomicU64,
    /// Messages handled.
    pub handled: AtomicU64,
}

impl Mailbox {
    fn new(entity: EntityId) -> Self {
        Self {
            entity,
            queue: Mutex::default(),
            poked: AtomicBool::new(false),
            actor: Mutex::default(),
            used_at_ms: AtomicI64::new(0),
            current_hash: AtomicU64::new(0),
            suspect_until_ms: AtomicI64::new(i64::MIN),
            poisoned: AtomicBool::new(false),
            busy_ns: AtomicU64::new(0),
            handled: AtomicU64::new(0),
        }
    }

    pub fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it crashed a short while ago.
    pub fn is_suspect(&self, now: Timestamp) -> bool {
        now.as_ms() <= self.suspect_until_ms.load(Ordering::Relaxed)
    }

    /// It crashed. Suspicion ends with the time for which a crash counts: one crash does not slow it down for ever.
    pub fn suspect(&self, now: Timestamp) {
        let until = now + CRASH_WINDOW;
        self.suspect_until_ms
            .store(until.as_ms(), Ordering::Relaxed);
    }

    /// Tells the actor that something waits; one wake at a time is under way.
    pub fn poke(&self) {
        if !self.poked.swap(true, Ordering::AcqRel) {
            self.cast(Poke::Work);
        }
    }

    /// The actor is about to look into the queue.
    pub fn unpoke(&self) {
        self.poked.store(false, Ordering::Release);
    }

    pub fn cast(&self, poke: Poke) {
        let actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(actor) = actor.as_ref() {
            // A dead actor's supervisor starts the next one, which looks into the queue by itself.
            let _ = actor.cast(poke);
        }
    }

    pub fn stop_actor(&self) {
        let actor = self
            .actor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(actor) = actor {
            actor.stop(None);
        }
    }

    pub fn set_actor(&self, actor: Option<ActorRef<Poke>>) {
        *self.actor.lock().unwrap_or_else(PoisonError::into_inner) = actor;
    }
}

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    /// Too much waits there.
    Full,
    /// The entity is put aside: nobody may ask it anything.
    Aside,
}

type Live = Mutex<HashMap<EntityId, Arc<Mailbox>>>;

/// The live entities of this node, by shard.
pub(crate) struct Directory {
    shards: Vec<Live>,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            shards: (0..SHARD_COUNT).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Directory {
    fn live(&self, shard: ShardId) -> MutexGuard<'_, HashMap<EntityId, Arc<Mailbox>>> {
        self.shards[usize::from(shard.number())]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message, for a live entity or one that `activate` is then called for.
    pub fn send(
        &self,
        to: &EntityId,
        message: Message<Caller>,
        outside: bool,
        now_ms: i64,
        activate: impl Fn(Arc<Mailbox>),
    ) -> Result<(), Shed> {
        let max = if outside {
            OUTSIDE_QUEUE_MAX
        } else {
            QUEUE_MAX
        };
        let shard = to.shard();
        loop {
            let (mailbox, new) = {
                let mut live = self.live(shard);
                match live.get(to) {
                    Some(mailbox) => (Arc::clone(mailbox), false),
                    None => {
                        let mailbox = Arc::new(Mailbox::new(to.clone()));
                        live.insert(to.clone(), Arc::clone(&mailbox));
                        (mailbox, true)
                    }
                }
            };
            {
                let mut queue = mailbox.queue();
                if queue.closed {
                    continue;
                }
                if queue.items.len() >= max {
                    return Err(Shed::Full);
                }
                queue.items.push_back(Queued {
                    message,
                    queued_at: Instant::now(),
                });
            }
            mailbox.used_at_ms.store(now_ms, Ordering::Relaxed);
            match new {
                true => activate(mailbox),
                false => mailbox.poke(),
            }
            return Ok(());
        }
    }

    /// The mailbox of a live entity.
    pub fn get(&self, entity: &EntityId) -> Option<Arc<Mailbox>> {
        self.live(entity.shard()).get(entity).cloned()
    }

    /// Takes an entity out, if nothing waits for it. Later messages find a new mailbox.
    pub fn close_if_empty(&self, mailbox: &Mailbox) -> bool {
        let mut live = self.live(mailbox.entity.shard());
        let mut queue = mailbox.queue();
        if !queue.items.is_empty() {
            return false;
        }
        queue.closed = true;
        live.remove(&mailbox.entity);
        true
    }

    /// Takes an entity out with all that waits for it, in one go: what comes later finds a new mailbox, and nothing
    /// is left in this one, to which nobody would come. Callers are told *unknown*.
    pub fn close(&self, mailbox: &Mailbox) {
        let mut live = self.live(mailbox.entity.shard());
        let mut queue = mailbox.queue();
        queue.closed = true;
        live.remove(&mailbox.entity);
        let waiting = std::mem::take(&mut queue.items);
        drop((queue, live));
        drop(waiting);
    }

    /// Every live entity.
    pub fn all(&self) -> Vec<Arc<Mailbox>> {
        ShardId::all()
            .flat_map(|shard| self.live(shard).values().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// Number of live entities.
    pub fn len(&self) -> usize {
        ShardId::all().map(|shard| self.live(shard).len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicion_ends_with_the_time_for_which_a_crash_counts() {
        let mailbox = Mailbox::new("sku:a".parse().unwrap());
        let now = Timestamp::from_ms(1_000);
        assert!(!mailbox.is_suspect(now));
        mailbox.suspect(now);
        assert!(mailbox.is_suspect(now + CRASH_WINDOW));
        let later = now + CRASH_WINDOW + crossdock_model::Duration::from_ms(1);
        assert!(!mailbox.is_suspect(later));
    }
}
