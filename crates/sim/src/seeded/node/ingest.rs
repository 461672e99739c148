//! Deliveries: stored before anybody is told so, then worked on until each is done or parked.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use crossdock_engine::{Message, Other, ReplyTo};
use crossdock_journal::{InboxId, InboxInsert, InboxRow, InboxState, Inserted};
use crossdock_model::{ChannelId, Class, Duration, EntityId};
use crossdock_runtime::{Ready, Room, beside};

use super::super::Event;
use super::super::mail::Post;
use super::super::plant::Plant;
use super::worker::{Ask, Desk, Heard, Worker};
use super::{Caller, Inside, Node, Surroundings};

/// What an entity is asked that does not answer so long is taken for shed.
const ASK_MAX: Duration = Duration::from_s(10);
/// How often open deliveries are looked up, at most where there was no room for some, and every so many times parked ones. There
/// is room for few, so that is more often than in production.
const SWEEP: Duration = Duration::from_s(10);
const SWEEP_EARLY: Duration = Duration::from_ms(500);
const PARKED_SWEEPS: u64 = 6;

/// A delivery that is to be stored, and the letter that brought it.
type Incoming = (InboxInsert, Option<usize>);

struct Work {
    channel: ChannelId,
    course: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Deliveries in memory.
pub(super) struct Ingest {
    storing: Vec<Incoming>,
    /// Who waits for what is being flushed, in its order.
    flushing: Vec<Option<usize>>,
    ready: Ready,
    desk: Arc<Desk>,
    works: BTreeMap<u64, Work>,
    begun: u64,
    /// Which work waits for what it asked.
    asks: BTreeMap<u64, u64>,
    marking: BTreeMap<u64, InboxId>,
    sweeps: u64,
    /// What a process that starts looks at, by mistake only what was stored after so many.
    after: usize,
}

impl Ingest {
    pub fn new(rows: usize) -> Self {
        Self {
            storing: Vec::new(),
            flushing: Vec::new(),
            ready: Ready::new(Room {
                rows,
                bytes: 1 << 20,
                divisor: 1,
            }),
            desk: Arc::default(),
            works: BTreeMap::new(),
            begun: 0,
            asks: BTreeMap::new(),
            marking: BTreeMap::new(),
            sweeps: 0,
            after: 0,
        }
    }

    pub fn has_work(&self) -> bool {
        !self.storing.is_empty()
    }

    /// What goes with the next flush.
    pub fn take(&mut self) -> Vec<InboxInsert> {
        let (inserts, letters) = self.storing.drain(..).unzip();
        self.flushing = letters;
        inserts
    }
}

impl Node {
    pub(super) fn begins_ingest(&mut self, around: &mut Surroundings<'_>) {
        if around.knobs.plant == Some(Plant::InboxByCursor) {
            self.ingest.after = around.disk.inbox.done_up_to();
        }
        let open = around.disk.inbox.channels(InboxState::Open);
        around.marks.note_if(!open.is_empty(), "inbox_recovered");
        self.sweeps(true, around);
    }

    /// A delivery comes by HTTP, or was read.
    pub fn receives(
        &mut self,
        insert: InboxInsert,
        letter: Option<usize>,
        around: &mut Surroundings<'_>,
    ) {
        if around.knobs.plant == Some(Plant::StoredLater) {
            answers(letter, true, around);
        }
        self.ingest.storing.push((insert, letter));
        self.gather(around);
    }

    /// What was being flushed is on the disk, or there was no room for it.
    pub(super) fn inserted(
        &mut self,
        rows: Option<(Vec<InboxInsert>, Vec<Inserted>)>,
        around: &mut Surroundings<'_>,
    ) {
        let letters = std::mem::take(&mut self.ingest.flushing);
        let Some((inserts, outcomes)) = rows else {
            letters
                .into_iter()
                .for_each(|letter| answers(letter, false, around));
            return;
        };
        for ((insert, outcome), letter) in inserts.into_iter().zip(outcomes).zip(letters) {
            match outcome {
                Inserted::New => {
                    self.ingest.ready.push(InboxRow::new(insert));
                    answers(letter, true, around);
                }
                Inserted::Repeat => {
                    around.marks.note("delivery_repeated");
                    answers(letter, true, around);
                }
                Inserted::Conflict => {
                    around.marks.note("delivery_conflict");
                    self.ingest.storing.push((beside(insert), letter));
                }
            }
        }
        self.takes_up(around);
    }

    /// Deliveries are found on the disk by their state.
    pub(super) fn sweeps(&mut self, is_regular: bool, around: &mut Surroundings<'_>) {
        self.looks_up(InboxState::Open, around);
        if is_regular {
            if self.ingest.sweeps.is_multiple_of(PARKED_SWEEPS) {
                self.looks_up(InboxState::Parked, around);
            }
            self.ingest.sweeps += 1;
            self.later(SWEEP, Inside::Sweeps(true), around);
        }
        self.takes_up(around);
    }

    /// As many as there is room for, and as are at work.
    fn looks_up(&mut self, state: InboxState, around: &mut Surroundings<'_>) {
        let limit = around.knobs.inbox_rows + around.knobs.workers;
        for channel in around.disk.inbox.channels(state) {
            let inbox = &around.disk.inbox;
            let rows = inbox.page((state, &channel), self.ingest.after, limit);
            let is_cut = rows.len() == limit;
            if is_cut && rows.last().is_some_and(|row| row.attempts == 0) {
                self.ingest.ready.leave_out(channel);
            }
            rows.into_iter().for_each(|row| self.ingest.ready.push(row));
        }
    }

    fn offers(&mut self, rows: Vec<InboxRow>, around: &mut Surroundings<'_>) {
        rows.into_iter().for_each(|row| self.ingest.ready.push(row));
        self.takes_up(around);
    }

    /// What waits for this is put to work.
    pub(super) fn unparks(&mut self, subject: &str, around: &mut Surroundings<'_>) {
        let rows = around.disk.inbox.parked_on(subject);
        around.marks.note_if(!rows.is_empty(), "delivery_unparked");
        self.offers(rows, around);
    }

    fn takes_up(&mut self, around: &mut Surroundings<'_>) {
        while self.ingest.works.len() < around.knobs.workers
            && let Some(row) = self.ingest.ready.pop()
        {
            let channel = row.delivery.id.channel.clone();
            if self.ingest.ready.wants_more(&channel) {
                around.marks.note("delivery_left_out");
                self.later(SWEEP_EARLY, Inside::Sweeps(false), around);
            }
            around.marks.note_if(row.attempts > 0, "delivery_retried");
            let worker = Worker {
                desk: Arc::clone(&self.ingest.desk),
                plant: around.knobs.plant,
                row,
            };
            self.ingest.begun += 1;
            let work = Work {
                channel,
                course: Box::pin(worker.works()),
            };
            self.ingest.works.insert(self.ingest.begun, work);
            self.goes_on(self.ingest.begun, around);
        }
    }

    /// Work on a delivery goes on until it waits for something.
    fn goes_on(&mut self, number: u64, around: &mut Surroundings<'_>) {
        loop {
            let Some(work) = self.ingest.works.get_mut(&number) else {
                return;
            };
            let polled = work
                .course
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            if polled.is_ready() {
                let channel = work.channel.clone();
                self.ingest.works.remove(&number);
                self.ingest.ready.end(&channel);
            }
            let mut has_heard = false;
            for (ask, what) in self.ingest.desk.asks() {
                self.ingest.asks.insert(ask, number);
                has_heard |= self.does(ask, what, around);
            }
            if !has_heard || polled.is_ready() {
                return;
            }
        }
    }

    /// Does what a worker asks. Whether it has heard already.
    fn does(&mut self, ask: u64, what: Ask, around: &mut Surroundings<'_>) -> bool {
        match what {
            Ask::Tells(to, command) => {
                let message = Message {
                    command: *command,
                    meta: self.meta(around.now()),
                    reply: ReplyTo::Caller(Caller::Ingest(ask)),
                    class: Class::ChannelOrder,
                    life: None,
                };
                self.send(to, message, around);
                self.later(ASK_MAX, Inside::Untold(ask), around);
            }
            Ask::Rests(pause) => self.later(pause, Inside::Untold(ask), around),
            Ask::Marks(mark) => {
                match mark.state {
                    InboxState::Done => around.marks.note("delivery_done"),
                    InboxState::Parked => around.marks.note("delivery_parked"),
                    InboxState::Open => around.marks.note("delivery_given_back"),
                }
                self.ingest.marking.insert(ask, mark.id.clone());
                self.committer.push_other(Other {
                    shard: mark.id.shard(),
                    write: mark,
                    rested_on: false,
                    done: ask,
                });
                self.gather(around);
            }
            Ask::Unparks(subject) => {
                self.unparks(&subject, around);
                self.ingest.asks.remove(&ask);
                self.ingest.desk.hears(ask, Heard::Done);
                return true;
            }
        }
        false
    }

    /// A worker hears of what it asked, once.
    pub(super) fn hears(&mut self, ask: u64, heard: Heard, around: &mut Surroundings<'_>) {
        let Some(work) = self.ingest.asks.remove(&ask) else {
            return;
        };
        if let Some(id) = self.ingest.marking.remove(&ask) {
            self.ingest.ready.finished(&id);
        }
        self.ingest.desk.hears(ask, heard);
        self.goes_on(work, around);
        self.takes_up(around);
    }

    /// Who said what a listing stands for has what waits for it put to work.
    pub(super) fn mapped(
        &mut self,
        bucket: &EntityId,
        listing: &str,
        around: &mut Surroundings<'_>,
    ) {
        if let EntityId::Bucket(channel, _) = bucket {
            self.unparks(&format!("{channel}/{listing}"), around);
        }
    }
}

/// Whoever brought a delivery is told whether it is stored.
fn answers(letter: Option<usize>, is_stored: bool, around: &mut Surroundings<'_>) {
    if let Some(letter) = letter {
        let span = around.up_to(around.knobs.call_ms);
        around.after(span, Event::Post(Post::Answered(letter, is_stored)));
    }
}
