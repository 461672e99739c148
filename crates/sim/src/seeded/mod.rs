//! The production engine in a seeded event loop: no threads, no clock, no disk. A run draws its settings, what is asked
//! and everything that goes wrong from one seed: messages that are lost, come twice or overtake each other, processes that
//! are killed between any two steps, entities that crash, a disk that is full, slow, fails or is torn, a wall clock that is set. All the while, and once it has
//! healed, it holds the node to what it promises. The same seed does the same on every machine.
//!
//! What is promised, by name:
//! - `I1`: nothing is promised of a SKU at a location that is not there, unless what is there was found to be less.
//! - `I2`: an entity's history is legal. Both are looked at when something is decided, and, apart from that, in what is
//!   written ([`crossdock_logic::audit`]).
//! - `I3`: what a SKU has committed is what orders have reserved, and nothing is half decided for ever.
//! - `I4`: a repeat is answered as the request that it repeats.
//! - `I6`: records of a shard follow each other without gaps.
//! - `I7`: units are where requests and parcels say: no more and no fewer.
//! - `I8`: what is on the disk makes what is in memory, with checkpoints and without.
//! - `I9`: once it has healed, everything is answered and settled.
//! - `I10`: no order waits for stock that is there, but for minutes.
//! - `I11`: nobody is refused units that are there and that nobody else waits for.
//! - `I12`: every channel shows what there is, but for minutes, and once it has settled.
//! - `I13`: no more is held than was asked to be, for as long as was asked, whatever the wall clock says, and nothing that was
//!   released.
//! - `I14`: clients are answered as if they came one after the other.
//! - `I15`: what was delivered is done, or waits with a reason, and every order is known as its channel stated it last.

mod agenda;
mod check;
mod clients;
mod clocks;
mod delivered;
mod disk;
mod held;
mod knobs;
mod linear;
mod mail;
mod marks;
mod node;
mod plant;
mod promised;
mod published;
mod requests;
mod run;
mod shell;
mod shops;
mod shorten;
mod trace;
mod warehouses;

use std::collections::BTreeSet;

use crossdock_engine::{Message, ReplyTo};
use crossdock_model::command::Delivery;
use crossdock_model::{
    Answer, Class, CredentialId, Duration, EntityId, Meta, OrderId, Rejection, Timestamp,
};

use self::agenda::Agenda;
pub use self::clients::KINDS;
use self::clients::{Clients, Wish};
use self::clocks::Clocks;
use self::disk::{Disk, Flush};
use self::knobs::Knobs;
use self::mail::{Mail, Post};
pub use self::marks::Marks;
use self::node::{Caller, ChannelCall, Inside, Node};
use self::plant::Plant;
use self::published::{LATE_MAX, LOOKS_EVERY, PROVES_EVERY};
use self::requests::Requests;
pub use self::run::{Broken, Run, run, run_cut};
pub use self::shell::run_shell;
use self::shell::{Asks, Shell};
use self::shops::Shops;
pub use self::shorten::{Cut, Fault, shorten};
use self::trace::Trace;
use self::warehouses::Warehouses;
use crate::Dice;

/// When a run begins.
const BEGINS: Timestamp = Timestamp::from_ms(1_700_000_000_000);
/// Time until what was asked and not answered is asked again.
const AGAIN_AFTER: Duration = Duration::from_s(20);
/// Time in which everything settles once it has healed: an order that waits looks around every hour.
const HEALS_FOR: Duration = Duration::from_minutes(130);
/// Looks by which it has settled, and the time between them.
const LOOKS: u32 = 20;
const LOOK_AGAIN_AFTER: Duration = Duration::from_s(7);

#[derive(Debug)]
enum Event {
    /// Inside of a process.
    Inside(u32, Inside),
    /// A client wants something.
    Wishes,
    /// A request is made, or made again, and gets there or not.
    Asks(usize),
    Arrives(usize),
    /// As the so many-th answer that was given.
    Answered(usize, u64, Result<Answer, Rejection>),
    /// A location is told of a request.
    Delivered(Box<Delivery>),
    /// A location works on a request.
    Works(OrderId, u32),
    /// A call about a number gets to its channel, and its answer back to that process.
    NumberCalled(Box<ChannelCall>, Option<u32>),
    /// Orders of channels are read.
    Proves,
    /// It is looked what channels show.
    Looks,
    /// What channels show and orders wait for is compared with what there is.
    Compares,
    /// Deliveries are on their way.
    Post(Post),
    Killed,
    /// A flush of that process has failed.
    DiskFailed(u32),
    /// An entity of the real shell crashes.
    Crashes,
    /// The wall clock is set.
    ClockSteps,
    /// What a process that is gone wrote reaches the disk.
    WritesLate(Flush),
    Starts,
    Heals,
    /// It has settled, or it is looked at so many times more.
    Ends(u32),
}

struct World {
    dice: Dice,
    knobs: Knobs,
    agenda: Agenda<Event>,
    clocks: Clocks,
    disk: Disk,
    node: Option<Node>,
    /// In its place, where a real one runs.
    shell: Option<Shell>,
    processes: u32,
    by: CredentialId,
    clients: Clients,
    requests: Requests,
    warehouses: Warehouses,
    shops: Shops,
    mail: Mail,
    /// What was late when it was looked at last.
    late: BTreeSet<check::Late>,
    is_healed: bool,
    marks: Marks,
    trace: Trace,
    answers: u64,
}

/// The parts of the world that a node needs, and the node.
macro_rules! node_in {
    ($world:expr) => {{
        let world = &mut *$world;
        let around = $crate::seeded::node::Surroundings {
            agenda: &mut world.agenda,
            clocks: &world.clocks,
            dice: &mut world.dice,
            disk: &mut world.disk,
            knobs: &world.knobs,
            marks: &mut world.marks,
            trace: &mut world.trace,
            answers: &mut world.answers,
            requests: &world.requests,
        };
        (&mut world.node, around)
    }};
}
use node_in;

impl World {
    fn new(seed: u64) -> Result<Self, Broken> {
        let mut dice = Dice::new(seed);
        let knobs = Knobs::draw(&mut dice);
        Self::with(dice, knobs)
    }

    fn with(dice: Dice, knobs: Knobs) -> Result<Self, Broken> {
        let clients = Clients::new(&knobs)?;
        let shops = match knobs.publishes {
            true => Shops::new(&clients.channels, &clients.skus)?,
            false => Shops::default(),
        };
        Ok(Self {
            dice,
            agenda: Agenda::new(BEGINS),
            clocks: Clocks::default(),
            disk: Disk::default(),
            node: None,
            shell: None,
            processes: 0,
            by: CredentialId::new("system")?,
            clients,
            requests: Requests::default(),
            warehouses: Warehouses::default(),
            shops,
            mail: Mail::default(),
            late: BTreeSet::new(),
            is_healed: false,
            marks: Marks::default(),
            trace: Trace::default(),
            answers: 0,
            knobs,
        })
    }

    fn lives(&mut self) -> Result<(), Broken> {
        self.starts()?;
        self.begins()?;
        while let Some(event) = self.agenda.next() {
            if self.takes_place(event)? {
                return Ok(());
            }
        }
        Err(Broken::new("I9", "nothing happens any more"))
    }

    fn begins(&mut self) -> Result<(), Broken> {
        for wish in self.clients.first(&self.knobs, &mut self.dice) {
            self.make(wish)?;
        }
        for wish in self.shops.first(&self.clients.locations)? {
            self.make(wish)?;
        }
        if self.knobs.delivers {
            self.begins_mail()?;
        }
        if self.knobs.publishes {
            self.note(PROVES_EVERY, Event::Proves);
            self.note(LOOKS_EVERY, Event::Looks);
        }
        self.note(Duration::from_s(5), Event::Wishes);
        self.note(self.knobs.lasts, Event::Heals);
        self.kill_later();
        self.step_later();
        Ok(())
    }

    /// Something takes place. Returns whether it was the end.
    fn takes_place(&mut self, event: Event) -> Result<bool, Broken> {
        self.trace.event(self.agenda.now());
        match event {
            Event::Ends(tries) => match self.check() {
                // Something happens now and then also in the long run, as an order that waits looks around.
                Err(broken) if matches!(broken.promise, "I9" | "I12") && tries > 0 => {
                    self.note(LOOK_AGAIN_AFTER, Event::Ends(tries - 1));
                    Ok(false)
                }
                checked => checked.map(|()| true),
            },
            other => self.happens(other).map(|()| false),
        }
    }

    fn note(&mut self, after: Duration, what: Event) {
        self.agenda.after(after, what, &mut self.dice);
    }

    fn happens(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Inside(number, what) => {
                let (node, mut around) = node_in!(self);
                match node {
                    Some(node) if node.number == number => node.happens(what, &mut around)?,
                    Some(_) | None => {}
                }
            }
            Event::Wishes => self.wishes()?,
            Event::Asks(number) => self.asks(number),
            Event::Arrives(number) => self.arrives(number),
            Event::Answered(number, given, result) => self.answered(number, given, result)?,
            Event::Delivered(delivery) => self.delivered(&delivery)?,
            Event::Works(order, request) => self.works(order, request)?,
            Event::NumberCalled(call, back_to) => self.number_called(*call, back_to)?,
            Event::Proves => self.proves()?,
            Event::Looks => self.looks()?,
            Event::Compares => self.compares()?,
            Event::Post(what) => self.posted(what)?,
            Event::Killed => self.killed()?,
            Event::DiskFailed(number) => self.disk_failed(number)?,
            Event::Crashes => self.crashes(),
            Event::ClockSteps => self.steps(),
            Event::WritesLate(flush) => drop(self.disk.write(flush)?),
            Event::Starts => self.starts()?,
            Event::Heals => {
                self.is_healed = true;
                self.knobs.heal();
                self.note(LATE_MAX, Event::Compares);
                self.note(HEALS_FOR, Event::Ends(LOOKS));
            }
            Event::Ends(_) => {}
        }
        Ok(())
    }

    fn wishes(&mut self) -> Result<(), Broken> {
        if self.is_healed {
            return Ok(());
        }
        let now = self.agenda.now();
        let wish = self.clients.wish(&self.knobs, now, &mut self.dice)?;
        if let Some(wish) = wish {
            self.tells(wish)?;
        }
        let gap = self.dice.gap_ms(self.knobs.asked_per_h);
        self.note(Duration::from_ms(gap), Event::Wishes);
        Ok(())
    }

    fn make(&mut self, wish: Wish) -> Result<(), Broken> {
        let Wish { to, command, means } = wish;
        let when = (self.agenda.now(), self.trace.events());
        let number = self.requests.make(to, command, means, when)?;
        self.asks(number);
        Ok(())
    }

    /// A request is made, until it is answered.
    fn asks(&mut self, number: usize) {
        if self
            .requests
            .get(number)
            .is_none_or(|request| request.answered.is_some())
        {
            return;
        }
        let mut times = 1;
        if self.dice.happens(self.knobs.doubled) {
            self.marks.note("asked_twice");
            times += 1;
        }
        for _ in 0..times {
            let span = Duration::from_ms(self.dice.below(self.knobs.call_ms + 1));
            match self.dice.happens(self.knobs.lost) {
                true => self.marks.note("request_lost"),
                false => {
                    self.requests.sends(number);
                    self.note(span, Event::Arrives(number));
                }
            }
        }
        self.note(AGAIN_AFTER, Event::Asks(number));
    }

    fn arrives(&mut self, number: usize) {
        let (now, jumped) = (self.now(), self.clocks.jumped());
        let arrived = self.requests.arrives(number, &self.by, now, jumped);
        let Some((to, command, mut meta)) = arrived else {
            return;
        };
        if self.knobs.plant == Some(Plant::KnowsNoRepeats) {
            meta.key = None;
        }
        if let Some(shell) = &mut self.shell {
            return shell.asks.push(Asks {
                number,
                to,
                command,
                meta,
            });
        }
        let message = Message {
            command,
            meta,
            reply: ReplyTo::Caller(Caller::Client(number)),
            class: class_of(&to),
            life: None,
        };
        let (node, mut around) = node_in!(self);
        if let Some(node) = node {
            node.send(to, message, &mut around);
        }
    }

    fn answered(
        &mut self,
        number: usize,
        given: u64,
        result: Result<Answer, Rejection>,
    ) -> Result<(), Broken> {
        self.requests.given(number, &result, self.agenda.now());
        let is_return = self.requests.is_return(number);
        self.marks
            .note_if(is_return && result.is_ok(), "units_came_back");
        if self.dice.happens(self.knobs.lost) {
            self.marks.note("answer_lost");
            return Ok(());
        }
        let given = (given, self.trace.events());
        self.requests
            .answered(number, given, result, &mut self.marks)
    }

    fn kill_later(&mut self) {
        if self.knobs.kills_per_h > 0.0 {
            let gap = self.dice.gap_ms(self.knobs.kills_per_h);
            self.note(Duration::from_ms(gap), Event::Killed);
        }
    }

    fn killed(&mut self) -> Result<(), Broken> {
        if self.is_healed {
            return Ok(());
        }
        self.kill_later();
        self.ends()
    }

    /// The process ends, and is started again.
    fn ends(&mut self) -> Result<(), Broken> {
        let (node, mut around) = node_in!(self);
        if let Some(node) = node.take() {
            node.dies(&mut around)?;
        }
        if let Some(shell) = &mut self.shell {
            shell.dies();
            self.marks.note("killed");
        }
        let span = Duration::from_ms(self.dice.below(5_000));
        self.note(span, Event::Starts);
        Ok(())
    }

    /// What is on the disk is unknown: the process that was told so does no more.
    fn disk_failed(&mut self, number: u32) -> Result<(), Broken> {
        if !self.is_up() || self.processes != number {
            return Ok(());
        }
        self.marks.note("flush_failed");
        self.ends()
    }

    /// Whether a process runs.
    fn is_up(&self) -> bool {
        self.node.is_some() || self.shell.as_ref().is_some_and(|shell| shell.is_up)
    }

    fn starts(&mut self) -> Result<(), Broken> {
        if self.is_up() {
            return Ok(());
        }
        self.begins_clock();
        self.processes += 1;
        if let Some(shell) = &mut self.shell {
            shell.is_up = true;
            return Ok(());
        }
        let (number, by) = (self.processes, self.by.clone());
        let (node, mut around) = node_in!(self);
        *node = Some(Node::start(number, by, &mut around)?);
        Ok(())
    }
}

/// In whose name something is asked, under no key.
fn meta(by: &CredentialId, now: Timestamp) -> Meta {
    Meta {
        principal: by.clone(),
        reason: None,
        key: None,
        body_hash: 0,
        issued_at: now,
        effective_at: None,
        trace: None,
    }
}

fn class_of(to: &EntityId) -> Class {
    match to {
        EntityId::Order(_) => Class::ChannelOrder,
        EntityId::Sku(_) => Class::AskFirst,
        EntityId::Bucket(..) => Class::Announcement,
        _ => Class::Location,
    }
}

#[cfg(test)]
mod tests;
