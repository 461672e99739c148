//! What a live entity decided, on its way to the journal, and what leaves with it.

use crossdock_logic::Announcement;
use crossdock_logic::bucket::Offers;
use crossdock_model::{Answer, Class, Effect, EntityId, Notice, Rejection, ShardId};

use crate::batch::Snapshot;
use crate::core::{Asker, ReplyTo};

/// An effect that leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The effect, as its answer will name it.
    pub from: Asker,
    /// The class of the work that it belongs to.
    pub class: Class,
    /// What to do.
    pub effect: Effect,
}

/// What leaves once a step is durable.
#[derive(Debug)]
pub struct Release<T> {
    /// The class of the work: what leaves goes on in it.
    pub class: Class,
    /// Answers for callers and entities.
    pub answers: Vec<(ReplyTo<T>, Result<Answer, Rejection>)>,
    /// Effects that began.
    pub effects: Vec<Outgoing>,
    /// Messages sent once.
    pub notices: Vec<Notice>,
    /// The newest public statement of the entity.
    pub announcement: Option<Announcement>,
    /// Where in the log what it rests on is to be found: (shard, sequence), set by the committer.
    pub position: Option<(ShardId, u64)>,
}

impl<T> Default for Release<T> {
    fn default() -> Self {
        Self {
            class: Class::Import,
            answers: Vec::new(),
            effects: Vec::new(),
            notices: Vec::new(),
            announcement: None,
            position: None,
        }
    }
}

impl<T> Release<T> {
    /// Whether nothing leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
            && self.effects.is_empty()
            && self.notices.is_empty()
            && self.announcement.is_none()
    }
}

/// What leaves at once, whether or not it will be durable.
#[derive(Debug, Default)]
pub struct AtOnce {
    /// Tentative effects.
    pub effects: Vec<Outgoing>,
    /// What a bucket would have its channel asked or told, if that may have changed.
    pub offers: Option<Offers>,
}

/// What a step writes.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// A record of the log.
    Record(Vec<u8>),
    /// The entity's state.
    Checkpoint(Snapshot),
    /// Nothing: what it releases waits for the records before it.
    Barrier,
}

/// One thing for the committer. Steps of an entity are in order.
#[derive(Debug)]
pub struct Step<T> {
    /// Whose it is.
    pub entity: EntityId,
    /// Which life of the entity decided it: all undurable steps of a life are lost together.
    pub life: u64,
    /// The entity's version it rests on.
    pub version: u64,
    /// What it writes.
    pub kind: StepKind,
    /// What leaves when it is durable.
    pub release: Release<T>,
}
