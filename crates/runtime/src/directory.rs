//! Which entities are live, and the queue that each of them owns.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossdock_engine::{Message, Pushed, Queue};
use crossdock_journal::OwnerId;
use crossdock_model::{EntityId, SHARD_COUNT, ShardId};
use ractor::ActorRef;

use crate::actor::Poke;
use crate::ask::Caller;
use crate::busy::{Busy, Deciding};
use crate::heat::Heat;

/// A message with the time it was queued, for the contention figures.
#[derive(Debug)]
pub(crate) struct Queued {
    pub message: Message<Caller>,
    pub queued_at: Instant,
}

/// A live entity as others see it. Outlives its actor's crashes: what is queued is not lost.
pub(crate) struct Mailbox {
    pub entity: EntityId,
    queue: Mutex<Queue<Queued>>,
    pub actor: Mutex<Option<ActorRef<Poke>>>,
    /// No actor is there yet, or not any more.
    is_loading: AtomicBool,
    /// Last time it was asked something, in milliseconds of the node's clock.
    pub used_at_ms: AtomicI64,
    /// When it was brought to life.
    pub born_at_ms: i64,
    /// What it has done.
    pub heat: Heat,
}

impl Mailbox {
    pub(crate) fn new(entity: EntityId, now_ms: i64) -> Self {
        Self {
            entity,
            queue: Mutex::default(),
            actor: Mutex::default(),
            is_loading: AtomicBool::new(true),
            used_at_ms: AtomicI64::new(0),
            born_at_ms: now_ms,
            heat: Heat::default(),
        }
    }

    pub fn queue(&self) -> MutexGuard<'_, Queue<Queued>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.is_loading.store(actor.is_none(), Ordering::Relaxed);
        *self.actor.lock().unwrap_or_else(PoisonError::into_inner) = actor;
    }
}

/// A message was not queued: too much waits, or the entity is put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shed;

/// For whom a message was queued.
pub(crate) enum Sent {
    /// For an entity that is passive: it must be brought to life.
    New(Arc<Mailbox>),
    /// For one that is being brought to life.
    Loading,
    /// For one that is live.
    Live,
}

/// Hashes as the standard library does, by a key that the node's owner gives and nobody outside knows: what is done to all
/// live entities is done in the same order where the same happens under the same owner.
#[derive(Debug, Clone, Copy)]
struct Keyed(u64);

impl BuildHasher for Keyed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}

type Live = HashMap<EntityId, Arc<Mailbox>, Keyed>;

/// The live entities of this node, by shard.
pub(crate) struct Directory {
    shards: Vec<Mutex<Live>>,
    busy: Arc<Busy>,
}

impl Directory {
    pub fn new(busy: Arc<Busy>, OwnerId(owner): OwnerId) -> Self {
        // One half is as random as the whole.
        let key = Keyed(owner as u64);
        let shards = (0..SHARD_COUNT).map(|_| Mutex::new(Live::with_hasher(key)));
        Self {
            shards: shards.collect(),
            busy,
        }
    }

    /// Wakes an entity to work.
    pub fn wake(&self, mailbox: &Mailbox) {
        mailbox.cast(Poke::Work(self.busy.begin()));
    }

    /// Somebody else decides.
    pub fn deciding(&self) -> Deciding {
        self.busy.begin()
    }

    fn live(&self, shard: ShardId) -> MutexGuard<'_, Live> {
        self.shards[usize::from(shard.number())]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message.
    pub fn send(
        &self,
        to: &EntityId,
        message: Message<Caller>,
        room: usize,
        now_ms: i64,
    ) -> Result<Sent, Shed> {
        let mut queued = Queued {
            message,
            queued_at: Instant::now(),
        };
        loop {
            let (mailbox, new) = self.mailbox(to, now_ms);
            let pushed = mailbox.queue().push(queued, room);
            match pushed {
                Pushed::Closed(message) => {
                    queued = message;
                    continue;
                }
                Pushed::Full(_) => return Err(Shed),
                Pushed::Wake => self.wake(&mailbox),
                Pushed::Waits => {}
            }
            mailbox.used_at_ms.store(now_ms, Ordering::Relaxed);
            return Ok(match (new, mailbox.is_loading.load(Ordering::Relaxed)) {
                (true, _) => Sent::New(mailbox),
                (false, true) => Sent::Loading,
                (false, false) => Sent::Live,
            });
        }
    }

    /// An entity's mailbox, and whether it is a new one, whose entity must be brought to life.
    fn mailbox(&self, of: &EntityId, now_ms: i64) -> (Arc<Mailbox>, bool) {
        let mut live = self.live(of.shard());
        if let Some(mailbox) = live.get(of) {
            return (Arc::clone(mailbox), false);
        }
        let mailbox = Arc::new(Mailbox::new(of.clone(), now_ms));
        live.insert(of.clone(), Arc::clone(&mailbox));
        (mailbox, true)
    }

    /// The mailbox of a live entity.
    pub fn get(&self, entity: &EntityId) -> Option<Arc<Mailbox>> {
        self.live(entity.shard()).get(entity).cloned()
    }

    /// Takes an entity out, if nothing waits for it. Later messages find a new mailbox.
    pub fn close_if_empty(&self, mailbox: &Mailbox) -> bool {
        let mut live = self.live(mailbox.entity.shard());
        let closed = mailbox.queue().close_if_empty();
        if closed {
            live.remove(&mailbox.entity);
        }
        closed
    }

    /// Takes an entity out with all that waits for it, in one go: what comes later finds a new mailbox, and nothing
    /// is left in this one, to which nobody would come. Callers are told *unknown*.
    pub fn close(&self, mailbox: &Mailbox) {
        let mut live = self.live(mailbox.entity.shard());
        let waiting = mailbox.queue().close();
        live.remove(&mailbox.entity);
        drop(live);
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
