//! What every durable entity is: a decider.

use std::collections::BTreeMap;

use crossdock_model::command::{Effect, EffectNumber, Notice};
use crossdock_model::{Answer, Duration, EntityId, Meta, Rejection, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An event that cannot follow the ones before it: the history is not one that this program wrote.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("illegal history: {0}")]
pub struct IllegalHistory(pub String);

/// Who is asked, when, and with what envelope.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The entity itself.
    pub id: &'a EntityId,
    /// Its version: the number of records applied.
    pub version: u64,
    /// The present time. Never falls for one entity.
    pub now: Timestamp,
    /// How long what is over is remembered.
    pub window: Duration,
    /// The command's envelope.
    pub meta: &'a Meta,
}

/// What a decision leads to. Without events nothing is journaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<E> {
    /// What happened, in order. All of it becomes durable together.
    pub events: Vec<E>,
    /// The answer, given when the events are durable. [`Answer::Later`]: when [`Decider::settled`] says so.
    pub answer: Answer,
    /// Messages sent once, when the events are durable.
    pub notices: Vec<Notice>,
}

impl<E> Decision<E> {
    /// Nothing changes.
    #[must_use]
    pub fn unchanged(answer: Answer) -> Self {
        Self {
            events: Vec::new(),
            answer,
            notices: Vec::new(),
        }
    }

    /// These events, answered with [`Answer::Done`].
    #[must_use]
    pub fn done(events: Vec<E>) -> Self {
        Self {
            events,
            answer: Answer::Done,
            notices: Vec::new(),
        }
    }
}

/// Effects that an entity waits for, in the order they were begun. Numbers are never reused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    last: EffectNumber,
    open: BTreeMap<EffectNumber, Effect>,
}

impl Pending {
    /// Nothing is outstanding.
    pub const NONE: &'static Self = &Self {
        last: 0,
        open: BTreeMap::new(),
    };

    /// Begins an effect; called only while an event is applied.
    pub fn begin(&mut self, effect: Effect) -> EffectNumber {
        self.last += 1;
        self.open.insert(self.last, effect);
        self.last
    }

    /// Ends an effect: its answer has become an event, or it is not wanted any more.
    pub fn end(&mut self, number: EffectNumber) -> Option<Effect> {
        self.open.remove(&number)
    }

    /// Keeps only the effects that `keep` says.
    pub fn retain(&mut self, keep: impl FnMut(&EffectNumber, &mut Effect) -> bool) {
        self.open.retain(keep);
    }

    /// What is outstanding, in the order it was begun.
    pub fn iter(&self) -> impl Iterator<Item = (EffectNumber, &Effect)> {
        self.open.iter().map(|(number, effect)| (*number, effect))
    }

    /// The outstanding effect of that number.
    #[must_use]
    pub fn get(&self, number: EffectNumber) -> Option<&Effect> {
        self.open.get(&number)
    }

    /// Whether nothing is outstanding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The number of the effect begun last.
    #[must_use]
    pub fn last(&self) -> EffectNumber {
        self.last
    }
}

/// A durable entity's state and what it decides. `decide` looks at repeats first, then validates, then
/// checks limits, and after that cannot fail.
pub trait Decider:
    Default + Clone + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned
{
    /// What it can be asked.
    type Command;
    /// What can happen to it.
    type Event: Clone;

    /// Decides a command. Changes nothing itself.
    ///
    /// # Errors
    /// The [`Rejection`] that the caller gets.
    fn decide(
        &self,
        asked: &Asked<'_>,
        command: &Self::Command,
    ) -> Result<Decision<Self::Event>, Rejection>;

    /// Takes the answer to one of its effects. An answer to an effect that is not outstanding changes nothing.
    fn answered(
        &self,
        _asked: &Asked<'_>,
        _effect: EffectNumber,
        _from: &EntityId,
        _result: &Result<Answer, Rejection>,
    ) -> Decision<Self::Event> {
        Decision::unchanged(Answer::Done)
    }

    /// Does what is due at `asked.now`.
    fn wake(&self, _asked: &Asked<'_>) -> Decision<Self::Event> {
        Decision::unchanged(Answer::Done)
    }

    /// Its view, as of `asked.now`.
    ///
    /// # Errors
    /// [`Rejection::NotFound`] when nothing has happened to it yet.
    fn read(&self, asked: &Asked<'_>) -> Result<Answer, Rejection>;

    /// Applies an event that happened at `at`; `id` and `version` (after the record) are the entity's own.
    ///
    /// # Errors
    /// [`IllegalHistory`] when the event cannot follow the ones before it; the actor stops then.
    fn apply(
        &mut self,
        id: &EntityId,
        event: &Self::Event,
        at: Timestamp,
    ) -> Result<(), IllegalHistory>;

    /// Forgets what was over before the dedup window began. Called after each record; operators may change the
    /// window, so what `apply` accepts must not depend on what is remembered.
    fn forget(&mut self, _now: Timestamp, _window: Duration) {}

    /// What it waits for.
    fn pending(&self) -> &Pending {
        Pending::NONE
    }

    /// When it must be woken though nobody asks, and why.
    fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        None
    }

    /// What callers that were told [`Answer::Later`] are answered, once that is known.
    fn settled(&self, _asked: &Asked<'_>) -> Option<Result<Answer, Rejection>> {
        None
    }
}
