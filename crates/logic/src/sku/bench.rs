//! A SKU on the bench: driven through `Entity`, and checked after every record.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{AttemptId, CountOutcome, Sale, SkuEvent, Take};
use crossdock_model::{
    Answer, ChannelId, Command, CommandKey, CredentialId, Duration, EntityId, Event, ExternalId,
    HoldId, LocationId, Meta, Notice, OrderId, Record, Rejection, SkuId, Timestamp,
};

use super::draft::{Draft, Verdict};
use super::expiries::Expiries;
use super::lines::Line;
use super::model::Model;
use super::state::{Due, Status, Sums};
use super::{OFFERS_MAX, SkuState};
use crate::entity::{DEDUP_WINDOW, Entity, Outcome, State};

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_000_000_000 + ms)
}

pub fn place(name: &str) -> LocationId {
    LocationId::new(name).unwrap()
}

/// An order of the shop, or of the channel that its name begins with: `web/o`.
pub fn order(name: &str) -> OrderId {
    let (channel, external) = name.split_once('/').unwrap_or(("shop", name));
    OrderId {
        channel: ChannelId::new(channel).unwrap(),
        external: ExternalId::new(external).unwrap(),
    }
}

pub fn attempt(name: &str, attempt: u32) -> AttemptId {
    let order = order(name);
    AttemptId { order, attempt }
}

pub fn hold_id(name: &str) -> HoldId {
    HoldId::new(name).unwrap()
}

pub fn takes(list: &[(&str, u32)]) -> Vec<Take> {
    let take = |(location, units): &(&str, u32)| Take {
        location: place(location),
        units: *units,
    };
    list.iter().map(take).collect()
}

pub fn reserve(
    name: &str,
    number: u32,
    list: &[(&str, u32)],
    sale: Sale,
    queue: bool,
) -> SkuCommand {
    SkuCommand::Reserve {
        id: attempt(name, number),
        takes: takes(list),
        sale,
        promised_at: at(0),
        added_units: 0,
        queue,
    }
}

#[derive(Debug)]
pub struct Bench {
    pub entity: Entity,
    pub records: Vec<Record>,
    pub now: Timestamp,
    /// How long it remembers what is over.
    pub window: Duration,
    /// Whether each record is followed by a look whether all of it still fits together.
    pub audits: bool,
    model: Model,
    ledger: BTreeMap<LocationId, (i64, i64)>,
}

pub type Told = Result<(Answer, Vec<Notice>), Rejection>;

impl Bench {
    pub fn new() -> Self {
        Self {
            entity: Entity::new(EntityId::Sku(SkuId::new("A").unwrap())),
            records: Vec::new(),
            now: at(0),
            window: DEDUP_WINDOW,
            audits: true,
            model: Model::default(),
            ledger: BTreeMap::new(),
        }
    }

    pub fn state(&self) -> &SkuState {
        match self.entity.state() {
            State::Sku(state) => state,
            other => panic!("not a SKU: {other:?}"),
        }
    }

    /// As `ask`, without looking whether all of it still fits together: for many.
    pub fn tell(&mut self, command: SkuCommand) -> Told {
        self.audits = false;
        let told = self.ask(command);
        self.audits = true;
        told
    }

    /// As if that had happened.
    pub fn suppose(&mut self, events: impl Iterator<Item = SkuEvent>) {
        let mut record = self.records.last().expect("a record before").clone();
        record.version = self.entity.version() + 1;
        record.at = self.now;
        record.events = events.map(Event::Sku).collect();
        self.entity.apply(&record, self.window).unwrap();
    }

    pub fn ask(&mut self, command: SkuCommand) -> Told {
        self.send(&Command::Sku(command), None, None)
    }

    pub fn send(
        &mut self,
        command: &Command,
        key: Option<&str>,
        effective_at: Option<Timestamp>,
    ) -> Told {
        self.send_as(command, key, 1, effective_at)
    }

    pub fn send_as(
        &mut self,
        command: &Command,
        key: Option<&str>,
        body_hash: u64,
        effective_at: Option<Timestamp>,
    ) -> Told {
        let meta = self.meta(key, body_hash, self.now, effective_at);
        self.send_with(command, &meta)
    }

    /// The same command again, by the words of who issued it then.
    pub fn repeat(&mut self, command: &Command, key: &str, issued_at: Timestamp) -> Told {
        let meta = self.meta(Some(key), 1, issued_at, None);
        self.send_with(command, &meta)
    }

    fn meta(
        &self,
        key: Option<&str>,
        body_hash: u64,
        issued_at: Timestamp,
        effective_at: Option<Timestamp>,
    ) -> Meta {
        Meta {
            principal: CredentialId::new("test").unwrap(),
            reason: None,
            key: key.map(|key| CommandKey::new(key).unwrap()),
            body_hash,
            issued_at,
            effective_at,
            trace: None,
        }
    }

    fn send_with(&mut self, command: &Command, meta: &Meta) -> Told {
        match self.entity.decide(command, meta, self.now, self.window)? {
            Outcome::Unchanged { answer, notices } => Ok((answer, notices)),
            Outcome::Changed {
                record,
                answer,
                notices,
            } => {
                self.entity.apply(&record, self.window).unwrap();
                if self.audits {
                    self.enter(&record);
                }
                self.records.push(*record);
                if self.audits {
                    self.audit();
                }
                Ok((answer, notices))
            }
        }
    }

    /// Moves the clock, and wakes the SKU at each deadline on the way.
    pub fn pass(&mut self, ms: u64) -> Vec<Notice> {
        let end = self.now + Duration::from_ms(ms);
        let mut notices = Vec::new();
        for _ in 0..10_000 {
            let Some((due, _)) = self.entity.next_deadline().filter(|(due, _)| *due <= end) else {
                self.now = end;
                return notices;
            };
            self.now = self.now.max(due);
            let (_, told) = self.send(&Command::Wake, None, None).unwrap();
            notices.extend(told);
        }
        panic!("waking does not come to an end: {:?}", self.state().timers);
    }

    fn enter(&mut self, record: &Record) {
        let state = match self.entity.state() {
            State::Sku(state) => state,
            other => panic!("not a SKU: {other:?}"),
        };
        self.model.enter(record, state);
        for event in &record.events {
            let Event::Sku(event) = event else {
                panic!("{event:?}");
            };
            if let SkuEvent::Moved {
                location,
                on_hand_delta,
                unavailable_delta,
                ..
            } = event
            {
                let balance = self.ledger.entry(location.clone()).or_default();
                balance.0 += on_hand_delta;
                balance.1 += unavailable_delta;
            }
        }
        let granted = record.events.iter().flat_map(|event| match event {
            Event::Sku(
                SkuEvent::Reserved { takes, .. }
                | SkuEvent::Held { takes, .. }
                | SkuEvent::Offered { takes, .. },
            ) => takes.clone(),
            _ => Vec::new(),
        });
        for take in granted.filter(|_| !self.state().is_untracked()) {
            let sums = self.look().sums(&take.location);
            assert!(sums.free() >= 0, "oversold by {record:?}: {sums:?}");
        }
    }

    fn look(&self) -> Draft<'_> {
        let EntityId::Sku(sku) = self.entity.id() else {
            panic!("not a SKU");
        };
        Draft::look(self.state(), sku, self.entity.version(), self.now)
    }

    /// Balances are the ledger's, running sums those of what is open, and nobody sleeps while it could be served.
    fn audit(&self) {
        let state = self.state();
        let mut sums: BTreeMap<LocationId, Sums> = BTreeMap::new();
        for (location, (on_hand, unavailable)) in &self.ledger {
            let entry = sums.entry(location.clone()).or_default();
            (entry.on_hand, entry.unavailable) = (*on_hand, *unavailable);
        }
        for known in state.reservations.values() {
            for part in &known.parts {
                let entry = sums.entry(part.location.clone()).or_default();
                match known.status {
                    Status::Confirmed => entry.committed += i64::from(part.open()),
                    Status::Tentative { .. } => entry.tentative += i64::from(part.open()),
                }
            }
        }
        let mut add = |takes: &[Take], change: fn(&mut Sums, i64)| {
            for take in takes {
                change(
                    sums.entry(take.location.clone()).or_default(),
                    take.units.into(),
                );
            }
        };
        for hold in state.holds.values() {
            add(&hold.takes, |sums, units| sums.held += units);
        }
        for queued in state.queue.entries.values() {
            add(&queued.takes, |sums, units| sums.queued += units);
        }
        for waiter in state.line.orders.values() {
            if let Some(offer) = &waiter.offer {
                add(&offer.takes, |sums, units| sums.offered += units);
            }
        }
        for (location, place) in &state.places {
            let mut expected = sums.remove(location).unwrap_or_default();
            expected.safety = place.sums.safety;
            assert_eq!(place.sums, expected, "sums of {location}");
            assert_eq!(
                place.unavailable.values().sum::<i64>(),
                expected.unavailable
            );
        }
        assert!(sums.values().all(|sums| *sums == Sums::default()));
        let mut expiries = Expiries::default();
        for (id, hold) in &state.holds {
            expiries.insert(hold.expires_at, id.clone(), &hold.takes);
        }
        assert_eq!(state.expiries, expiries);
        self.audit_waiting();
        self.audit_asking();
        self.model.check(state);
    }

    /// What is asked, kept and due is what is open, and where units are missing somebody is asked or it is seen.
    fn audit_asking(&self) {
        let state = self.state();
        let mut in_transit: BTreeMap<&LocationId, i64> = BTreeMap::new();
        for transfer in state.transfers.values() {
            assert!((1..=transfer.sent).contains(&transfer.in_transit));
            *in_transit.entry(&transfer.to).or_default() += i64::from(transfer.in_transit);
        }
        let mut timers = BTreeSet::new();
        for (location, place) in &state.places {
            let expected = in_transit.get(location).copied().unwrap_or(0);
            assert_eq!(place.in_transit, expected, "in transit to {location}");
            let confirmed = state.reservations.iter();
            let confirmed = confirmed.filter(|(_, known)| known.is_confirmed());
            let open = confirmed
                .filter(|(_, known)| known.part(location).is_some_and(|part| part.open() > 0));
            let promises = open.map(|(id, known)| (known.promised_at, id.clone()));
            assert_eq!(place.by_promise, promises.collect(), "{location}");
            let by_promise = |id: &AttemptId| place.by_promise.iter().any(|(_, open)| open == id);
            assert!(place.kept.iter().chain(place.asked.keys()).all(by_promise));
            let silent = place.asked.values().all(|asked| asked.is_silent());
            let seen = place.short.open || !silent;
            let covered = place.sums.covered() || state.is_untracked();
            assert!(covered || seen, "{location}: {place:?}");
            let asked = place.asked.iter();
            timers.extend(asked.map(|(id, asked)| {
                (
                    asked.ask_at,
                    Due::AskBackAgain(location.clone(), id.clone()),
                )
            }));
        }
        for (id, known) in &state.reservations {
            if let Status::Tentative { ask_at, .. } = known.status {
                timers.insert((ask_at, Due::AskOutcome(id.clone())));
            }
        }
        for queued in state.queue.entries.values() {
            timers.insert((queued.deadline, Due::LeaveQueue(queued.id.clone())));
        }
        for (order, waiter) in &state.line.orders {
            let paused = waiter
                .paused_until
                .map(|at| (at, Due::OfferAgain(order.clone())));
            let offer = waiter.offer.as_ref();
            let offer = offer.map(|one| (one.until, Due::EndOffer(order.clone())));
            timers.extend(paused.into_iter().chain(offer));
        }
        assert_eq!(state.timers, timers);
        let mut line = Line::default();
        for (order, waiter) in &state.line.orders {
            line.enter(&mut timers, order.clone(), waiter.clone());
        }
        assert_eq!(state.line, line);
    }

    fn audit_waiting(&self) {
        let (state, look) = (self.state(), self.look());
        for (order, waiter) in &state.line.orders {
            let queues = state.queue.of_order(order).next().is_some();
            let idle = !queues && waiter.offer.is_none() && waiter.paused_until.is_none();
            let fits = super::hold::spread(look.rooms(&waiter.locations), waiter.units).is_some();
            let full = state.line.offers >= OFFERS_MAX;
            assert!(
                !idle || !fits || full,
                "{order} sleeps: {waiter:?} after {:?}",
                self.records.last()
            );
        }
        if let Some(first) = state.queue.entries.values().next() {
            let order = Some(&first.id.order);
            let verdict = look.verdict(order, &first.takes, first.sale, &|_| 0);
            let last = self.records.last();
            assert_eq!(verdict, Verdict::Contended, "{first:?} after {last:?}");
        }
    }

    /// The same history gives the same state, and so does a checkpoint.
    pub fn check_replay(&self) {
        assert_eq!(self.replay(self.window), self.entity);
        // An operator who changes the window makes no history illegal.
        self.replay(Duration::from_ms(1));
        self.replay(Duration::from_days(1_000));
        let bytes = self.entity.encode().unwrap();
        let decoded = Entity::decode(self.entity.id().clone(), &bytes).unwrap();
        assert_eq!(decoded, self.entity);
    }
}

impl Bench {
    fn replay(&self, window: Duration) -> Entity {
        let mut replayed = Entity::new(self.entity.id().clone());
        for record in &self.records {
            let bytes = record.encode().unwrap();
            let record = Record::decode(&bytes).unwrap();
            replayed.apply(&record, window).unwrap();
        }
        replayed
    }
}

fn list(takes: &[Take]) -> String {
    let one = |take: &Take| format!("{}:{}", take.location, take.units);
    takes.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Done => "done".to_owned(),
        Answer::Reserved { takes } => format!("reserved {}", list(takes)),
        Answer::Held { takes, .. } => format!("held {}", list(takes)),
        Answer::HoldConfirmed { order, .. } => format!("confirmed by {}", order.external),
        Answer::Queued => "queued".to_owned(),
        Answer::Waits => "waits".to_owned(),
        Answer::RetryNow => "retry".to_owned(),
        Answer::Counted { outcome, .. } => match outcome {
            CountOutcome::Applied => "applied".to_owned(),
            CountOutcome::OlderThanLast => "older_than_last".to_owned(),
            CountOutcome::TooOld => "too_old".to_owned(),
        },
        other => format!("{other:?}"),
    }
}

fn notice_text(notice: &Notice) -> String {
    let EntityId::Order(order) = &notice.to else {
        panic!("{notice:?}");
    };
    let what = match &notice.command {
        Command::Order(OrderCommand::TurnCame { result, .. }) => match result {
            Ok(answer) => format!("turn {}", answer_text(answer)),
            Err(why) => format!("turn {}", why.code()),
        },
        Command::Order(OrderCommand::AskOutcome { attempt, .. }) => {
            format!("outcome of {attempt}?")
        }
        Command::Order(OrderCommand::Offer { takes, .. }) => format!("offer {}", list(takes)),
        Command::Order(OrderCommand::GiveBack { location, .. }) => format!("give back {location}?"),
        other => panic!("{other:?}"),
    };
    format!(" | {} {what}", order.external)
}

/// An answer and its notices in one line.
pub fn text(told: &Told) -> String {
    match told {
        Err(why) => why.code().to_owned(),
        Ok((answer, notices)) => {
            let notices: String = notices.iter().map(notice_text).collect();
            format!("{}{notices}", answer_text(answer))
        }
    }
}

pub fn notices_text(notices: &[Notice]) -> String {
    let text: String = notices.iter().map(notice_text).collect();
    text.trim_start_matches(" | ").to_owned()
}

impl Bench {
    /// Stock in one line a location, without what is zero.
    pub fn stock(&self) -> String {
        let EntityId::Sku(sku) = self.entity.id() else {
            panic!("not a SKU");
        };
        let view = self.state().view(sku, self.entity.version(), self.now);
        let place = |one: &crossdock_model::answer::LocationStock| {
            let fields = [
                ("on_hand", one.on_hand),
                ("committed", one.committed.into()),
                ("held", one.held.into()),
                ("tentative", one.tentative.into()),
                ("unavailable", one.unavailable.into()),
                ("incoming", one.incoming.into()),
                ("in_transit", one.in_transit.into()),
                ("ats", one.ats.into()),
            ];
            let shown = fields.iter().filter(|(_, units)| *units != 0);
            let shown: String = shown
                .map(|(name, units)| format!(" {name}={units}"))
                .collect();
            format!("{}{shown}", one.location)
        };
        let places = view.locations.iter().map(place);
        places.collect::<Vec<_>>().join("; ")
    }
}
