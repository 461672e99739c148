//! The door to the entities for everything outside: ask, read, receive.

use std::collections::BTreeSet;
use std::sync::Arc;

use crossdock_engine::{Door, Message, ReplyTo};
use crossdock_journal::{InboxId, InboxInsert, InboxMark, InboxState, Journal, JournalError};
use crossdock_logic::router::CompiledRules;
use crossdock_model::v1::TraceContext;
use crossdock_model::{
    Answer, Class, Command, CommandKey, CredentialId, Duration, EntityId, LocationId, Meta,
    Rejection, ShardId, Timestamp,
};
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use crate::heat::{HotSku, is_reserve};
use crate::inbox::AtWork;
use crate::metrics::Metrics;
use crate::shared::Shared;

/// Parked deliveries read at once.
const PARKED_MAX: usize = 10_000;

/// Where an answer goes. Dropped unanswered, the caller is told *unknown*.
pub(crate) type Caller = oneshot::Sender<Answered>;

/// An answer on its way to a caller.
#[derive(Debug)]
pub(crate) struct Answered {
    pub result: Result<Answer, Rejection>,
    pub position: Option<(ShardId, u64)>,
}

/// Who asks, and under which key.
#[derive(Debug, Clone)]
pub struct By {
    /// The name of a person, key or system.
    pub principal: CredentialId,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// Idempotency key: a repeat gets the same answer.
    pub key: Option<CommandKey>,
    /// Hash of the command's body, see [`body_hash`].
    pub body_hash: u64,
    /// When it was issued; `None`: now.
    pub issued_at: Option<Timestamp>,
    /// When it happened in the world, where that differs.
    pub effective_at: Option<Timestamp>,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
    /// The class of the work, by where it comes from.
    pub class: Class,
}

impl By {
    /// A caller without a key, who waits for the answer before something is sold.
    #[must_use]
    pub fn new(principal: CredentialId) -> Self {
        Self {
            principal,
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: None,
            effective_at: None,
            trace: None,
            class: Class::AskFirst,
        }
    }

    /// The same caller with work of another class.
    #[must_use]
    pub fn of(self, class: Class) -> Self {
        Self { class, ..self }
    }

    /// The same caller with a key and the hash of its body.
    #[must_use]
    pub fn keyed(self, key: CommandKey, body_hash: u64) -> Self {
        Self {
            key: Some(key),
            body_hash,
            ..self
        }
    }

    pub(crate) fn meta(self, now: Timestamp) -> Meta {
        Meta {
            principal: self.principal,
            reason: self.reason,
            key: self.key,
            body_hash: self.body_hash,
            issued_at: self.issued_at.unwrap_or(now),
            effective_at: self.effective_at,
            trace: self.trace,
        }
    }
}

/// Hash of a command's body, to tell a repeat from a conflict under one key: XXH3, 64 bit.
#[must_use]
pub fn body_hash(body: &[u8]) -> u64 {
    xxh3_64(body)
}

/// An answer that rests on durable state.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The log holds at least this when the answer was given: (shard, sequence). Read models that have
    /// folded it show what was answered.
    pub position: Option<(ShardId, u64)>,
}

impl Reply {
    /// The position as a read-your-writes token, `shard:sequence`.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        self.position.map(|(shard, seq)| format!("{shard}:{seq}"))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum AskError {
    /// The entity refuses. Nothing was changed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too much waits. Nothing was done.
    #[error("overloaded: try again with the same key after {retry_after_ms} ms")]
    Overloaded {
        /// When to try again, in milliseconds.
        retry_after_ms: u64,
    },
    /// Whether it was done is unknown.
    #[error("outcome unknown: repeat the command with the same key")]
    Unknown,
    /// The journal cannot write: disk full.
    #[error("{0}")]
    Unavailable(String),
    /// The entity is put aside: it crashed again and again, or cannot be recovered.
    #[error("{entity} is quarantined: {cause}; see `crossdock quarantine show {entity}`")]
    Quarantined {
        /// The entity.
        entity: String,
        /// What crashed it.
        cause: String,
    },
    /// The node is shutting down.
    #[error("shutting down: try again")]
    ShuttingDown,
}

/// The door to the entities of a node. Cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

impl Handle {
    /// Asks an entity and waits for its durable answer.
    ///
    /// # Errors
    /// [`AskError`]; after [`AskError::Unknown`] the command may or may not have been done.
    pub async fn ask(&self, to: EntityId, command: Command, by: By) -> Result<Reply, AskError> {
        let door = Door::of(&command, by.class);
        self.ask_through(door, to, command, by).await
    }

    async fn ask_through(
        &self,
        door: Door,
        to: EntityId,
        command: Command,
        by: By,
    ) -> Result<Reply, AskError> {
        let shared = &self.0;
        shared.admit(&to)?;
        let (reply, answered) = oneshot::channel();
        let reserves = is_reserve(&command);
        let message = Message {
            command,
            class: by.class,
            meta: by.meta(shared.clock.now()),
            reply: ReplyTo::Caller(reply),
            life: None,
        };
        if shared.send(&to, message, door).is_err() {
            shared.admit(&to)?;
            shared.metrics.shed.inc();
            if reserves {
                shared.metrics.reserve.shed();
            }
            return Err(AskError::Overloaded {
                retry_after_ms: 200,
            });
        }
        let Ok(Answered { result, position }) = answered.await else {
            shared.admit(&to)?;
            return Err(AskError::Unknown);
        };
        Ok(Reply {
            answer: result?,
            position,
        })
    }

    /// The entity's view of itself, as durable.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn read(&self, entity: EntityId) -> Result<Reply, AskError> {
        self.read_through(Door::Read, entity).await
    }

    /// The entity's view of itself for a command that comes through that door: what it needs to know first is let in
    /// as long as the command is.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn read_through(&self, door: Door, entity: EntityId) -> Result<Reply, AskError> {
        let by = By::new(self.0.system.clone());
        self.ask_through(door, entity, Command::Read, by).await
    }

    /// Stores a verified delivery durably; `false` when it was there already.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] when the inbox's queue is full, [`AskError::Unavailable`] when nothing can be
    /// written, [`AskError::Unknown`] when the outcome is not known.
    pub async fn receive(&self, delivery: InboxInsert) -> Result<bool, AskError> {
        let (shared, started) = (&self.0, Instant::now());
        let stored = shared.inbox.receive(shared, delivery).await;
        if stored.is_ok() {
            let now_ms = shared.clock.now().as_ms();
            shared.doors.stored(started.elapsed(), now_ms);
        }
        stored
    }

    /// The next open delivery to work on. Waits until there is one of a channel that has not [`CHANNEL_AT_ONCE`] at
    /// work already; it is at work until it is dropped. Channels take turns.
    ///
    /// [`CHANNEL_AT_ONCE`]: crate::CHANNEL_AT_ONCE
    pub async fn next_delivery(&self) -> AtWork {
        self.0.inbox.next(&self.0).await
    }

    /// Records how far a delivery is, durably.
    ///
    /// # Errors
    /// [`AskError::Unknown`] when the write was lost: the delivery will be worked on again.
    pub async fn mark_delivery(&self, mark: InboxMark) -> Result<(), AskError> {
        self.0.mark_delivery(mark).await
    }

    /// Gives a delivery back unfinished: it stays open and is worked on again.
    pub fn release_delivery(&self, id: &InboxId) {
        self.0.inbox.finished(id);
    }

    /// Puts parked deliveries that wait for any of these to work again; how many they are. Nearly always nothing is
    /// parked at all, and that is known.
    ///
    /// # Errors
    /// [`AskError::Unavailable`] when the journal cannot be read.
    pub async fn unpark(&self, parked_on: Vec<String>) -> Result<usize, AskError> {
        let Some(as_of) = self.0.inbox.may_be_parked() else {
            return Ok(0);
        };
        let shared = Arc::clone(&self.0);
        self.journal_read(move |journal| {
            if journal.inbox_channels(InboxState::Parked)?.is_empty() {
                shared.inbox.note_none_parked(as_of);
                return Ok(0);
            }
            let mut count = 0;
            for text in &parked_on {
                let rows = journal.inbox_parked(text, PARKED_MAX)?;
                count += rows.len();
                shared.inbox.offer(rows);
            }
            Ok(count)
        })
        .await
    }

    /// Gives up the parked deliveries that wait for `parked_on`: they are done without having done anything, and keep
    /// what they waited for.
    ///
    /// # Errors
    /// [`AskError::Unavailable`] when the journal cannot be read, [`AskError::Unknown`] when a write was lost.
    pub async fn drop_parked(&self, parked_on: &str) -> Result<usize, AskError> {
        let mut count = 0;
        loop {
            let text = parked_on.to_owned();
            let rows = self
                .journal_read(move |journal| journal.inbox_parked(&text, PARKED_MAX))
                .await?;
            if rows.is_empty() {
                return Ok(count);
            }
            count += rows.len();
            for row in rows {
                self.mark_delivery(InboxMark {
                    id: row.delivery.id,
                    state: InboxState::Done,
                    parked_on: row.parked_on,
                    subject: None,
                })
                .await?;
            }
        }
    }

    /// Reads from the journal on a thread for blocking work.
    ///
    /// # Errors
    /// [`AskError::Unavailable`] when the journal cannot be read.
    pub async fn journal_read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Journal) -> Result<R, JournalError> + Send + 'static,
    ) -> Result<R, AskError> {
        let journal = Arc::clone(&self.0.journal);
        let read = self.0.read(move || read(&*journal));
        read.await
            .map_err(|_| AskError::ShuttingDown)?
            .map_err(|e| AskError::Unavailable(e.to_string()))
    }

    /// Puts a compiled rule set in force on this node.
    pub fn set_rules(&self, rules: CompiledRules) {
        self.0.board.set_rules(rules);
    }

    /// Locations the router knows, for compiling rules against.
    #[must_use]
    pub fn known_locations(&self) -> Vec<crossdock_model::v1::LocationFacts> {
        self.0.board.locations()
    }

    /// What a location is, if there is one of that id.
    #[must_use]
    pub fn known_location(&self, id: &LocationId) -> Option<crossdock_model::v1::LocationFacts> {
        self.0.board.location(id)
    }

    /// Every location there is, also those that are put aside.
    #[must_use]
    pub fn location_ids(&self) -> BTreeSet<LocationId> {
        let known = self.known_locations().into_iter();
        let known = known.map(|facts| facts.location);
        let quarantine = self.0.quarantine();
        let aside = quarantine.entities().filter_map(|entity| match entity {
            EntityId::Location(location) => Some(location.clone()),
            _ => None,
        });
        known.chain(aside).collect()
    }

    /// Locations to which nothing can be routed: those that are closed, or put aside.
    #[must_use]
    pub fn closed_locations(&self) -> BTreeSet<LocationId> {
        let known = self.known_locations().into_iter();
        let open = known.filter(|facts| facts.enabled);
        let open: BTreeSet<LocationId> = open.map(|facts| facts.location).collect();
        self.location_ids().difference(&open).cloned().collect()
    }

    /// Stirs whenever a location is defined, changed or put aside.
    #[must_use]
    pub fn locations_moved(&self) -> watch::Receiver<()> {
        self.0.board.moved()
    }

    /// The journal, for blocking readers.
    #[must_use]
    pub fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.0.journal)
    }

    /// The present time of the node's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Waits on the node's clock.
    pub async fn sleep(&self, time: Duration) {
        self.0.clock.sleep(time).await;
    }

    /// The node's figures.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Number of live entities.
    #[must_use]
    pub fn live_entities(&self) -> usize {
        self.0.directory.len()
    }

    /// Steps that wait for the committer, by which callers from outside are let in or shed.
    #[must_use]
    pub fn waiting_steps(&self) -> usize {
        self.0.commits.steps_waiting()
    }

    /// The busiest SKUs, and those that were a short while ago.
    #[must_use]
    pub fn hot_skus(&self) -> Vec<HotSku> {
        let announced =
            |sku: &crossdock_model::SkuId| self.0.board.stock(sku).map(|stock| stock.ats());
        self.0.hot.read(announced)
    }

    /// Why the node cannot take work, if so (disk full, starting, stopping).
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }

    /// Lifts a quarantine: the entity is recovered, a quarantined or skipped command may come again.
    pub fn lift_quarantine(&self, entity: &EntityId, command_hash: Option<u64>) {
        self.0.lift_quarantine(entity, command_hash);
    }

    /// Gives a quarantined command up: it stays refused, also for entities that ask.
    pub fn skip_quarantined(&self, entity: &EntityId, command_hash: u64) {
        self.0.skip_quarantined(entity, command_hash);
    }
}
