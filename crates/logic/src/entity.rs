//! An entity of any kind: its state, its version and the keys it remembers.

use crossdock_model::answer::StockView;
use crossdock_model::codec::{self, CodecError};
use crossdock_model::v1::LocationFacts;
use crossdock_model::{
    Answer, Command, Duration, EntityId, EntityKind, Event, Meta, Notice, Record, Rejection,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory, Pending};
use crate::recent::Recent;
use crate::{bucket, channel, location, order, request, sku, system};

/// Default of the dedup window: how long the key of a command is remembered.
pub const DEDUP_WINDOW: Duration = Duration::from_days(7);

const STATE_VERSION: u8 = 1;

macro_rules! kinds {
    ($($kind:ident => $state:ty),* $(,)?) => {
        /// The state of an entity, by kind.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum State {
            $(
                #[doc = concat!("State of a `", stringify!($kind), "` entity.")]
                $kind(Box<$state>),
            )*
        }

        impl State {
            fn new(kind: EntityKind) -> Self {
                match kind { $(EntityKind::$kind => Self::$kind(Box::default()),)* }
            }

            fn kind(&self) -> EntityKind {
                match self { $(Self::$kind(_) => EntityKind::$kind,)* }
            }

            fn decide(&self, asked: &Asked<'_>, command: &Command) -> Result<Decision<Event>, Rejection> {
                match (self, command) {
                    $((Self::$kind(state), Command::Answered { effect, from, result }) =>
                        Ok(lift(state.answered(asked, *effect, from, result), Event::$kind)),)*
                    $((Self::$kind(state), Command::Wake) => Ok(lift(state.wake(asked), Event::$kind)),)*
                    $((Self::$kind(state), Command::Read) => state.read(asked).map(Decision::unchanged),)*
                    $((Self::$kind(state), Command::$kind(command)) =>
                        Ok(lift(state.decide(asked, command)?, Event::$kind)),)*
                    (state, Command::Try(command)) => {
                        state.decide(asked, command).map(|_| Decision::unchanged(Answer::Done))
                    }
                    (state, _) => Err(Rejection::invalid(
                        "command",
                        format!("not for an entity of kind {:?}", state.kind()),
                    )),
                }
            }

            fn apply(&mut self, id: &EntityId, event: &Event, at: Timestamp) -> Result<(), IllegalHistory> {
                match (self, event) {
                    $((Self::$kind(state), Event::$kind(event)) => state.apply(id, event, at),)*
                    (state, event) => Err(IllegalHistory(format!("{event:?} in a {:?}", state.kind()))),
                }
            }

            fn forget(&mut self, now: Timestamp, window: Duration) {
                match self { $(Self::$kind(state) => state.forget(now, window),)* }
            }

            fn pending(&self) -> &Pending {
                match self { $(Self::$kind(state) => state.pending(),)* }
            }

            fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
                match self { $(Self::$kind(state) => state.next_deadline(),)* }
            }

            fn settled(&self, asked: &Asked<'_>) -> Option<Result<Answer, Rejection>> {
                match self { $(Self::$kind(state) => state.settled(asked),)* }
            }
        }
    };
}

kinds! {
    Sku => sku::SkuState,
    Order => order::OrderState,
    Request => request::RequestState,
    Channel => channel::ChannelState,
    Bucket => bucket::BucketState,
    Location => location::LocationState,
    System => system::SystemState,
}

fn lift<E>(decision: Decision<E>, wrap: fn(E) -> Event) -> Decision<Event> {
    Decision {
        events: decision.events.into_iter().map(wrap).collect(),
        answer: decision.answer,
        notices: decision.notices,
    }
}

/// A level-triggered statement: only the latest version of it matters, and it is not journaled.
#[derive(Debug, Clone, PartialEq)]
pub enum Announcement {
    /// A SKU's stock changed.
    Stock(Box<Spoken>),
    /// A location's facts changed.
    Location(Box<LocationFacts>),
}

/// What a SKU says of its stock.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// What it is now.
    pub view: StockView,
    /// What is said to the channels that list it.
    pub said: Vec<sku::Publication>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A repeat, a read, or a command that changes nothing: answered from the state as it is.
    Unchanged {
        /// The answer.
        answer: Answer,
        /// Messages to send once.
        notices: Vec<Notice>,
    },
    /// A record to be journaled; what it answers waits until it is durable.
    Changed {
        /// The record, of version `entity.version() + 1`.
        record: Box<Record>,
        /// The answer.
        answer: Answer,
        /// Messages to send once it is durable.
        notices: Vec<Notice>,
    },
}

/// An entity: state, version, and the keys of commands it has executed within the dedup window.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    id: EntityId,
    version: u64,
    state: State,
    /// Time of the last record: `now` never falls below it.
    last_at: Timestamp,
    recent: Recent,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u64,
    last_at: Timestamp,
    state: State,
    recent: Recent,
}

impl Entity {
    /// An entity to which nothing has happened yet.
    #[must_use]
    pub fn new(id: EntityId) -> Self {
        let state = State::new(id.kind());
        Self {
            id,
            version: 0,
            state,
            last_at: Timestamp::default(),
            recent: Recent::default(),
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        &self.id
    }

    /// Number of records applied.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Decides a command: repeats first, then the decider.
    ///
    /// # Errors
    /// [`Rejection::KeyConflict`] and [`Rejection::TooOld`] for keyed commands, else what the decider refuses.
    pub fn decide(
        &self,
        command: &Command,
        meta: &Meta,
        now: Timestamp,
        window: Duration,
    ) -> Result<Outcome, Rejection> {
        let now = now.max(self.last_at);
        if let Some(answer) = self.recent.answer(meta, now, window)? {
            return Ok(Outcome::Unchanged {
                answer,
                notices: Vec::new(),
            });
        }
        let asked = Asked {
            id: &self.id,
            version: self.version,
            now,
            window,
            meta,
        };
        let Decision {
            events,
            answer,
            notices,
        } = self.state.decide(&asked, command)?;
        if events.is_empty() {
            return Ok(Outcome::Unchanged { answer, notices });
        }
        let kept = meta.key.is_some() && answer != Answer::Later;
        let record = Box::new(Record {
            version: self.version + 1,
            at: now,
            meta: meta.clone(),
            events,
            answer: kept.then(|| answer.clone()),
        });
        Ok(Outcome::Changed {
            record,
            answer,
            notices,
        })
    }

    /// Applies a record.
    ///
    /// # Errors
    /// [`IllegalHistory`] when the record is not the next one, or the decider refuses an event.
    pub fn apply(&mut self, record: &Record, window: Duration) -> Result<(), IllegalHistory> {
        if record.version != self.version + 1 {
            return Err(IllegalHistory(format!(
                "{}: record {} after version {}",
                self.id, record.version, self.version
            )));
        }
        for event in &record.events {
            self.state.apply(&self.id, event, record.at)?;
        }
        self.version = record.version;
        self.last_at = self.last_at.max(record.at);
        self.recent.note(record);
        self.recent.forget(self.last_at, window);
        self.state.forget(self.last_at, window);
        Ok(())
    }

    /// Effects it waits for.
    #[must_use]
    pub fn pending(&self) -> &Pending {
        self.state.pending()
    }

    /// When it must be woken, and why.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        self.state.next_deadline()
    }

    /// The answer for callers that were told [`Answer::Later`], once known.
    #[must_use]
    pub fn settled(
        &self,
        meta: &Meta,
        now: Timestamp,
        window: Duration,
    ) -> Option<Result<Answer, Rejection>> {
        let asked = Asked {
            id: &self.id,
            version: self.version,
            now,
            window,
            meta,
        };
        self.state.settled(&asked)
    }

    /// Whether others are told of its changes until they have taken them over.
    #[must_use]
    pub fn speaks(&self) -> bool {
        matches!(&self.state, State::Sku(state) if state.has_listeners())
    }

    /// What it announces, as of now.
    #[must_use]
    pub fn announcement(&self, now: Timestamp) -> Option<Announcement> {
        match (&self.state, &self.id) {
            (State::Sku(state), EntityId::Sku(sku)) if self.version > 0 => {
                let view = state.view(sku, self.version, now);
                let said = state.publications(&view, self.last_at, now);
                Some(Announcement::Stock(Box::new(Spoken { view, said })))
            }
            (State::Location(state), _) => state
                .facts()
                .cloned()
                .map(|facts| Announcement::Location(Box::new(facts))),
            _ => None,
        }
    }

    /// What it would have its channel asked or told. A hint: what is begun of it is decided then.
    #[must_use]
    pub fn offers(&self) -> Option<bucket::Offers> {
        match (&self.state, &self.id) {
            (State::Bucket(state), EntityId::Bucket(channel, number)) => state
                .is_publishable()
                .then(|| state.offers(channel, *number)),
            _ => None,
        }
    }

    /// Its state as bytes, for a checkpoint.
    ///
    /// # Errors
    /// [`CodecError::Unencodable`] past the size limit of a record.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let checkpoint = Checkpoint {
            version: self.version,
            last_at: self.last_at,
            state: self.state.clone(),
            recent: self.recent.clone(),
        };
        codec::encode(STATE_VERSION, &checkpoint)
    }

    /// An entity from its checkpoint.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that are no checkpoint of this kind of entity.
    pub fn decode(id: EntityId, bytes: &[u8]) -> Result<Self, CodecError> {
        let (_, body) = codec::version(bytes, STATE_VERSION)?;
        let Checkpoint {
            version,
            last_at,
            state,
            recent,
        } = codec::decode(body)?;
        if state.kind() != id.kind() {
            return Err(CodecError::Malformed(format!(
                "a {:?} under the name {id}",
                state.kind()
            )));
        }
        Ok(Self {
            id,
            version,
            state,
            last_at,
            recent,
        })
    }
}
