//! One node: the production engine and router, with a seeded agenda where the real one has threads.

mod commits;
mod effects;
mod entities;
mod ingest;
mod publish;
mod worker;

use std::collections::BTreeMap;

use crossdock_engine::{
    Call, Calls, Committer, Core, Message, Planning, Queue, ReplyTo, Wheel, own_class,
};
use crossdock_journal::InboxMark;
use crossdock_logic::router::CompiledRules;
use crossdock_logic::{Announcement, Entity};
use crossdock_model::answer::StockView;
use crossdock_model::command::Delivery;
use crossdock_model::v1::LocationFacts;
use crossdock_model::{
    Answer, Class, Command, CredentialId, Duration, EntityId, LocationId, Meta, Rejection, SkuId,
    Timestamp,
};

use super::agenda::Agenda;
use super::clocks::Clocks;
use super::disk::{Disk, Flush};
use super::knobs::Knobs;
use super::marks::Marks;
use super::plant::Plant;
use super::promised::Promised;
use super::requests::Requests;
use super::shops::Said;
use super::trace::Trace;
use super::{Broken, Event, meta};
use crate::Dice;

use self::ingest::Ingest;
pub(super) use self::publish::ChannelCall;
use self::publish::Publishing;
use self::worker::Heard;
pub(super) use self::worker::WAITS;

/// How often deadlines are looked at, and what becomes passive.
const TICK: Duration = Duration::from_ms(500);
/// When what a dead process wrote reaches the disk, if by mistake it still may.
const LATE: Duration = Duration::from_s(6);
/// Entities that are woken with one look.
const DUE_MAX: usize = 256;

pub(super) type Stock = BTreeMap<SkuId, StockView>;

/// Who waits for an answer outside the entities.
#[derive(Debug)]
pub(super) enum Caller {
    /// A client, for one of its requests.
    Client(usize),
    /// The router, for the stock of a SKU that it needs for a plan; with what it was told before.
    Router(Box<Planning>, SkuId, Stock),
    /// What publishes, for what it asked a bucket.
    Publishing(u64),
    /// Work on a delivery, for what it asked.
    Ingest(u64),
}

/// What happens in a node. It dies with its process.
#[derive(Debug)]
pub(super) enum Inside {
    /// A message gets to an entity.
    Arrives(EntityId, Box<Message<Caller>>),
    /// An entity was read.
    Loaded(EntityId),
    /// An entity works on what waits for it.
    Works(EntityId),
    /// The next batch is taken.
    Gathers,
    /// A batch is on the disk, or not.
    Flushed(Flushed),
    /// A call of a location or channel has ended.
    Called(Box<Call>, Result<(), String>),
    /// A channel has answered a call about a number, or did not.
    Said(Box<ChannelCall>, Option<Said>),
    /// What publishes has no answer of a bucket.
    Unanswered(u64),
    /// Work on a delivery has no answer, or has rested.
    Untold(u64),
    /// Deliveries are looked up: as every so often, or early.
    Sweeps(bool),
    /// Deadlines are looked at.
    Ticks,
    /// An entity crashes.
    Crashes,
}

/// How a flush ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    Written,
    /// There was no room, and nothing is written.
    Full,
    /// It failed otherwise: nobody knows what is on the disk.
    Failed,
}

/// What a node has for what it does.
pub(super) struct Surroundings<'a> {
    pub agenda: &'a mut Agenda<Event>,
    pub clocks: &'a Clocks,
    pub dice: &'a mut Dice,
    pub disk: &'a mut Disk,
    pub knobs: &'a Knobs,
    pub marks: &'a mut Marks,
    pub trace: &'a mut Trace,
    /// Answers that were given to clients.
    pub answers: &'a mut u64,
    /// What clients have asked.
    pub requests: &'a Requests,
}

impl Surroundings<'_> {
    fn now(&self) -> Timestamp {
        self.clocks.node(self.agenda.now())
    }

    pub fn up_to(&mut self, ms: u64) -> Duration {
        Duration::from_ms(self.dice.below(ms + 1))
    }

    /// A client is answered, once its answer gets there.
    pub fn answer(&mut self, request: usize, result: &Result<Answer, Rejection>) {
        *self.answers += 1;
        let given = *self.answers;
        let times = 1 + u32::from(self.dice.happens(self.knobs.doubled));
        for _ in 0..times {
            let span = self.up_to(self.knobs.call_ms);
            self.after(span, Event::Answered(request, given, result.clone()));
        }
    }

    /// A location is called, or a channel: how long that takes, and what comes back.
    pub fn call(&mut self, delivery: Option<&Delivery>) -> (Duration, Result<(), String>) {
        // It may get there and its answer not back.
        let gets_there = !self.dice.happens(self.knobs.lost);
        let comes_back = gets_there && !self.dice.happens(self.knobs.lost);
        let span = self.up_to(self.knobs.call_ms);
        if let (Some(delivery), true) = (delivery, gets_there) {
            let times = 1 + u32::from(self.dice.happens(self.knobs.doubled));
            for _ in 0..times {
                let delivery = Box::new(delivery.clone());
                self.after(span, Event::Delivered(delivery));
            }
        }
        self.marks.note_if(!comes_back, "call_lost");
        let ended = match comes_back {
            true => Ok(()),
            false => Err("no answer".to_owned()),
        };
        (span, ended)
    }

    fn after(&mut self, span: Duration, what: Event) {
        self.agenda.after(span, what, self.dice);
    }
}

struct Live {
    queue: Queue<Message<Caller>>,
    /// None while it is being read.
    core: Option<Core<Caller>>,
}

/// A process.
pub(super) struct Node {
    /// Which process it is: what an earlier one began happens no more.
    pub number: u32,
    by: CredentialId,
    committer: Committer<Caller, InboxMark, u64>,
    flushing: Option<Flush>,
    is_gathering: bool,
    live: BTreeMap<EntityId, Live>,
    /// Entities that are read once what is being flushed is on the disk.
    loading: Vec<EntityId>,
    wheel: Wheel,
    calls: Calls,
    stock: BTreeMap<SkuId, StockView>,
    publishing: Publishing,
    ingest: Ingest,
    pub locations: BTreeMap<LocationId, LocationFacts>,
    rules: CompiledRules,
    promised: Promised,
    lives: u64,
    /// Of the last checkpoints, for a mistake that is made on purpose.
    bodies: BTreeMap<EntityId, Vec<u8>>,
    /// What clients that read were to be told last, for another one.
    read: Stock,
}

impl Node {
    /// Starts a process on a disk.
    ///
    /// # Errors
    /// [`Broken`] when what is on the disk does not fold.
    pub fn start(
        number: u32,
        by: CredentialId,
        around: &mut Surroundings<'_>,
    ) -> Result<Self, Broken> {
        let was_torn = around.disk.open(around.knobs.plant)?;
        around.marks.note_if(was_torn, "torn_tail_dropped");
        let window = around.knobs.limits.dedup_window;
        let shards = around.disk.fold(window, around.knobs.plant)?;
        let mut node = Self {
            number,
            by,
            committer: Committer::new(shards, around.knobs.batch_steps, around.knobs.batch_bytes),
            flushing: None,
            is_gathering: false,
            live: BTreeMap::new(),
            loading: Vec::new(),
            wheel: Wheel::default(),
            calls: Calls::default(),
            stock: BTreeMap::new(),
            publishing: Publishing::default(),
            ingest: Ingest::new(around.knobs.inbox_rows),
            locations: BTreeMap::new(),
            rules: CompiledRules::default(),
            promised: Promised::default(),
            lives: 0,
            bodies: BTreeMap::new(),
            read: Stock::new(),
        };
        let now = around.now();
        if around.knobs.plant != Some(Plant::ForgetsWakes) {
            for (entity, at) in around.disk.wakes() {
                node.wheel.set(entity, Some(at.max(now)));
            }
        }
        if around.knobs.plant != Some(Plant::ForgetsUntold) {
            for sku in around.disk.untold() {
                node.wheel.set(sku, Some(now));
            }
        }
        node.lose_calls(around);
        for entity in around.disk.entities() {
            if let EntityId::Location(_) = entity {
                let location = node.stored(around.disk, &entity, window)?;
                if let Some(Announcement::Location(facts)) = location.announcement(now) {
                    node.locations.insert(facts.location.clone(), *facts);
                }
            }
        }
        node.later(TICK, Inside::Ticks, around);
        if around.knobs.delivers {
            node.begins_ingest(around);
        }
        Ok(node)
    }

    fn later(&self, span: Duration, what: Inside, around: &mut Surroundings<'_>) {
        let number = self.number;
        around.after(span, Event::Inside(number, what));
    }

    fn meta(&self, now: Timestamp) -> Meta {
        meta(&self.by, now)
    }

    fn tell(&self, to: EntityId, command: Command, class: Class, around: &mut Surroundings<'_>) {
        let message = self.message(command, class, around.now());
        self.send(to, message, around);
    }

    fn message(&self, command: Command, class: Class, now: Timestamp) -> Message<Caller> {
        Message {
            command,
            meta: self.meta(now),
            reply: ReplyTo::Nobody,
            class,
            life: None,
        }
    }

    /// A message goes to an entity. One that is lost is one that was shed.
    pub fn send(&self, to: EntityId, message: Message<Caller>, around: &mut Surroundings<'_>) {
        let is_request = matches!(message.reply, ReplyTo::Caller(Caller::Client(_)));
        if !is_request && around.dice.happens(around.knobs.lost) {
            around.marks.note("message_lost");
            return;
        }
        let span = around.up_to(around.knobs.message_ms);
        self.later(span, Inside::Arrives(to, Box::new(message)), around);
    }

    /// Something happens in it.
    ///
    /// # Errors
    /// [`Broken`] when something is wrong that must not be.
    pub fn happens(&mut self, what: Inside, around: &mut Surroundings<'_>) -> Result<(), Broken> {
        match what {
            Inside::Arrives(to, message) => self.arrives(to, *message, around),
            Inside::Loaded(entity) => self.loaded(entity, around)?,
            Inside::Works(entity) => self.works(&entity, around)?,
            Inside::Gathers => self.gathers(around),
            Inside::Flushed(how) => self.flushed(how, around)?,
            Inside::Called(call, ended) => self.called(*call, ended, around),
            Inside::Said(call, said) => self.said(*call, said, around),
            Inside::Unanswered(number) => self.told(number, None, around),
            Inside::Untold(ask) => self.hears(ask, Heard::Nothing, around),
            Inside::Sweeps(is_regular) => self.sweeps(is_regular, around),
            Inside::Ticks => self.ticks(around)?,
            Inside::Crashes => self.crashes(around),
        }
        Ok(())
    }

    fn ticks(&mut self, around: &mut Surroundings<'_>) -> Result<(), Broken> {
        for entity in self.wheel.due(around.now(), DUE_MAX) {
            // It finds room, or the entity is at work and says anew when it is to be woken.
            let class = own_class(entity.kind());
            let wake = self.message(Command::Wake, class, around.now());
            self.arrives(entity, wake, around);
        }
        self.publishes(around);
        let entities: Vec<EntityId> = self.live.keys().cloned().collect();
        for entity in entities {
            if around.dice.happens(around.knobs.checkpoints) {
                self.checkpoint(&entity, around)?;
            }
            if around.dice.happens(around.knobs.passive) {
                self.passivate(&entity, around)?;
            }
        }
        let crashes = around.knobs.crashes_per_h * TICK.as_ms() as f64 / 3_600_000.0;
        if around.dice.happens(crashes) {
            self.later(Duration::default(), Inside::Crashes, around);
        }
        self.later(TICK, Inside::Ticks, around);
        Ok(())
    }

    /// The process is killed, or ends as a flush has failed. What was being flushed is on the disk as a whole, or nothing of it
    /// counts.
    ///
    /// # Errors
    /// [`Broken`] as in [`Disk::write`].
    pub fn dies(mut self, around: &mut Surroundings<'_>) -> Result<(), Broken> {
        let Some(flush) = self.flushing.take() else {
            around.marks.note("killed");
            return Ok(());
        };
        match around.dice.below(4) {
            0 => {
                around.marks.note("killed_before_it_was_flushed");
                if around.knobs.plant == Some(Plant::CheckpointBeforeLog) {
                    around.disk.checkpoint(&flush.batch);
                }
                Ok(())
            }
            1 => {
                around.disk.tear(flush, around.dice);
                Ok(())
            }
            _ if around.knobs.plant == Some(Plant::WritesAfterDeath) => {
                around.after(LATE, Event::WritesLate(flush));
                Ok(())
            }
            _ => {
                around.marks.note("killed_after_it_was_flushed");
                self.write(flush, around).map(drop)
            }
        }
    }

    /// The live entities.
    pub fn cores(&self) -> impl Iterator<Item = &Core<Caller>> {
        self.live.values().filter_map(|live| live.core.as_ref())
    }

    /// An entity as it would be brought to life now.
    ///
    /// # Errors
    /// [`Broken`] as in [`Disk::load`].
    pub fn stored(
        &self,
        disk: &Disk,
        entity: &EntityId,
        window: Duration,
    ) -> Result<Entity, Broken> {
        let uncovered = self.committer.uncovered_after(entity);
        Ok(disk.load(entity, uncovered, window)?.entity)
    }

    /// Whether nothing is decided that is not on the disk.
    pub fn is_flushed(&self) -> bool {
        self.flushing.is_none() && !self.committer.has_work() && !self.ingest.has_work()
    }
}
