//! A scene: one order, and whoever it talks to played by the test.

use crossdock_model::answer::{LocationStock, OrderSummary, ReportTask, StockView};
use crossdock_model::command::{
    DeliveryKind, LineEdit, LocationCommand, OrderCommand, Said, SkuCommand,
};
use crossdock_model::v1::{
    Allocation, Destination, Fallback, LineFacts, LineUnits, LocationFacts, OrderFacts,
    OrderStatus, Origin, Part, Payment, Plan, RequestLine, Sale, Take, Tracking,
};
use crossdock_model::{
    Answer, Command, CredentialId, Effect, EntityId, Event, LineId, LocationId, Meta, Notice,
    Record, Rejection, SkuId, Timestamp,
};

use crate::entity::DEDUP_WINDOW;
use crate::order::OrderState;
use crate::{Entity, Outcome, State};

pub fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("an id")
}

pub fn ms(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms)
}

/// Everything about one order under test.
pub struct Scene {
    pub entity: Entity,
    pub now: i64,
    pub notices: Vec<Notice>,
    pub records: Vec<Record>,
    pub answer: Result<Answer, Rejection>,
}

pub const T0: i64 = 1_000_000;

impl Scene {
    pub fn new() -> Self {
        Self {
            entity: Entity::new(id("order:shop:1")),
            now: T0,
            notices: Vec::new(),
            records: Vec::new(),
            answer: Ok(Answer::Done),
        }
    }

    /// Asks the order, and holds what it decides against what a checkpoint or a replay would say.
    pub fn ask(&mut self, command: &Command) {
        let meta = Meta {
            principal: CredentialId::new("test").expect("an id"),
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: ms(self.now),
            effective_at: None,
            trace: None,
        };
        let before = self.entity.version();
        match self
            .entity
            .decide(command, &meta, ms(self.now), DEDUP_WINDOW)
        {
            Err(why) => self.answer = Err(why),
            Ok(Outcome::Unchanged { answer, notices }) => {
                self.answer = Ok(answer);
                self.notices.extend(notices);
            }
            Ok(Outcome::Changed {
                record,
                answer,
                notices,
            }) => {
                let applied = self.entity.apply(&record, DEDUP_WINDOW);
                applied.unwrap_or_else(|why| panic!("{command:?}\n{:#?}\n{why}", record.events));
                self.records.push(Record::clone(&record));
                self.answer = Ok(answer);
                self.notices.extend(notices);
            }
        }
        assert!(self.entity.version() <= before + 1);
    }

    pub fn tell(&mut self, command: OrderCommand) -> &mut Self {
        self.ask(&Command::Order(command));
        self
    }

    pub fn wake_at(&mut self, now: i64) -> &mut Self {
        self.now = now;
        self.ask(&Command::Wake);
        self
    }

    /// Wakes it at its next deadline.
    pub fn wake(&mut self) -> &mut Self {
        let (at, _) = self.entity.next_deadline().expect("something is due");
        self.wake_at(at.as_ms().max(self.now))
    }

    pub fn pending(&self) -> Vec<(u32, Effect)> {
        let pending = self.entity.pending().iter();
        pending
            .map(|(number, effect)| (number, effect.clone()))
            .collect()
    }

    /// Answers the first outstanding effect whose words start so.
    pub fn answer(&mut self, start: &str, result: Result<Answer, Rejection>) -> &mut Self {
        let pending = self.pending();
        let found = pending
            .iter()
            .find(|(_, one)| words(one).starts_with(start));
        let (number, effect) = found.unwrap_or_else(|| panic!("no {start}: {:?}", self.effects()));
        let from = match effect {
            Effect::Tell { to, .. } => to.clone(),
            Effect::Plan(_) | Effect::Deliver(_) | Effect::Report(_) => self.entity.id().clone(),
        };
        self.ask(&Command::Answered {
            effect: *number,
            from,
            result,
        });
        self
    }

    pub fn plan(&mut self, plan: Plan) -> &mut Self {
        self.answer("plan", Ok(Answer::Plan(Box::new(plan))))
    }

    pub fn reserved(&mut self, sku: &str) -> &mut Self {
        let start = format!("{sku} reserve");
        let pending = self.pending();
        let takes = pending.iter().find_map(|(_, effect)| match effect {
            Effect::Tell { command, .. } if words(effect).starts_with(&start) => {
                match command.as_ref() {
                    Command::Sku(
                        SkuCommand::Reserve { takes, .. } | SkuCommand::ReserveHeld { takes, .. },
                    ) => Some(takes.clone()),
                    _ => None,
                }
            }
            _ => None,
        });
        let takes = takes.unwrap_or_else(|| panic!("no {start}: {:?}", self.effects()));
        self.answer(&start, Ok(Answer::Reserved { takes }))
    }

    pub fn slot(&mut self, location: &str) -> &mut Self {
        let granted = Answer::CapacityGranted {
            day: "2026-12-01".to_owned(),
            acknowledge_by: ms(self.now + 3_600_000),
        };
        self.answer(&format!("{location} take"), Ok(granted))
    }

    pub fn short(&mut self, sku: &str, stock: StockView) -> &mut Self {
        let why = Rejection::Short {
            sku: id(sku),
            stock: Box::new(stock),
        };
        self.answer(&format!("{sku} reserve"), Err(why))
    }

    pub fn contended(&mut self, sku: &str) -> &mut Self {
        let why = Rejection::Contended { sku: id(sku) };
        self.answer(&format!("{sku} reserve"), Err(why))
    }

    pub fn stock(&mut self, stock: StockView) -> &mut Self {
        let start = format!("{} read", stock.sku);
        self.answer(&start, Ok(Answer::Stock(Box::new(stock))))
    }

    /// Answers `Done` to everything that says no more than that; nobody is connected who could tell the channel.
    pub fn told(&mut self) -> &mut Self {
        while self.order().reporting().is_some() {
            self.reported(Said::NotTold);
        }
        self.told_skus()
    }

    /// As [`Scene::told`], but for what the channel is told.
    pub fn told_skus(&mut self) -> &mut Self {
        for word in ["confirm", "release", "settle", "stop", "return", "free"] {
            for (_, effect) in self.pending() {
                let words = words(&effect);
                if words
                    .split(' ')
                    .nth(1)
                    .is_some_and(|it| it.starts_with(word))
                {
                    self.answer(&words, Ok(Answer::Done));
                }
            }
        }
        self
    }

    pub fn delivered(&mut self, error: Option<&str>) -> &mut Self {
        let pending = self.pending();
        let delivery = pending.iter().find_map(|(_, effect)| match effect {
            Effect::Deliver(delivery) => Some((delivery.request, delivery.attempt)),
            _ => None,
        });
        let (request, attempt) = delivery.expect("a delivery");
        self.tell(OrderCommand::Delivered {
            request,
            attempt,
            error: error.map(str::to_owned),
        })
    }

    /// What is being told is about to be: what it says.
    pub fn begin_report(&mut self) -> ReportTask {
        self.ask_to_begin();
        match &self.answer {
            Ok(Answer::Report(task)) => ReportTask::clone(task),
            other => panic!("{other:?}"),
        }
    }

    pub fn ask_to_begin(&mut self) -> &mut Self {
        let call = self.order().reporting().expect("a report").clone();
        self.tell(OrderCommand::BeginReport {
            report: call.report,
            attempt: call.attempt,
            keyed: false,
        })
    }

    /// What came of what is being told.
    pub fn reported(&mut self, said: Said) -> &mut Self {
        let call = self.order().reporting().expect("a report").clone();
        self.tell(OrderCommand::Reported {
            report: call.report,
            attempt: call.attempt,
            said,
        })
    }

    pub fn order(&self) -> &OrderState {
        match self.entity.state() {
            State::Order(order) => order,
            other => panic!("{other:?}"),
        }
    }

    pub fn status(&self) -> OrderStatus {
        self.order().order.as_deref().expect("an order").status
    }

    pub fn effects(&self) -> Vec<String> {
        self.pending()
            .iter()
            .map(|(_, effect)| words(effect))
            .collect()
    }

    pub fn events(&self) -> Vec<String> {
        let events = self.records.iter().flat_map(|record| &record.events);
        events
            .map(|event| match event {
                Event::Order(event) => {
                    let text = format!("{event:?}");
                    let end = text.find([' ', '(']).unwrap_or(text.len());
                    text[..end].to_owned()
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    pub fn open_exceptions(&self) -> Vec<String> {
        let order = self.order().order.as_deref().expect("an order");
        let open = order.exceptions.iter().filter(|(_, one)| one.open);
        open.map(|((kind, _), _)| kind.clone()).collect()
    }

    pub fn summary(&self) -> OrderSummary {
        let version = self.entity.version();
        self.order().summary(version).unwrap()
    }

    pub fn settled(&self) -> Option<Result<Answer, Rejection>> {
        self.order().outcome(self.entity.version())
    }

    /// Recovers it from its checkpoint and from its records: all three are the same.
    pub fn recovers(&self) {
        let bytes = self.entity.encode().expect("encodes");
        let decoded = Entity::decode(self.entity.id().clone(), &bytes).expect("decodes");
        assert_eq!(decoded, self.entity);
        let mut replayed = Entity::new(self.entity.id().clone());
        for record in &self.records {
            let bytes = record.encode().expect("encodes");
            let record = Record::decode(&bytes).expect("decodes");
            replayed.apply(&record, DEDUP_WINDOW).expect("replays");
        }
        assert_eq!(replayed, self.entity);
    }

    /// What then is so: status and what is outstanding.
    pub fn check(&self, status: OrderStatus, effects: &[&str]) {
        assert_eq!(
            (self.status(), self.effects()),
            (
                status,
                effects.iter().map(|one| (*one).to_owned()).collect()
            ),
            "after {:?}",
            self.events()
        );
        self.recovers();
    }
}

fn takes_words(takes: &[Take]) -> String {
    let takes = takes.iter();
    let takes: Vec<_> = takes
        .map(|take| format!("{}:{}", take.location, take.units))
        .collect();
    takes.join(",")
}

/// An effect in a few words: who, what, attempt, units.
pub fn words(effect: &Effect) -> String {
    match effect {
        Effect::Plan(request) => {
            let wanted = request.wanted.iter();
            let wanted: Vec<_> = wanted
                .map(|(line, sku, n)| format!("{line}/{sku}:{n}"))
                .collect();
            format!("plan {}", wanted.join(","))
        }
        Effect::Deliver(one) => {
            let kind = match one.kind {
                DeliveryKind::Fulfil => format!("fulfil{}", one.request),
                DeliveryKind::Cancel { ask } => format!("cancel{}.{ask}", one.request),
            };
            let lines = one.lines.iter();
            let lines: Vec<_> = lines
                .map(|line| format!("{}:{}", line.sku, line.units))
                .collect();
            format!("{} {kind} {}", one.location, lines.join(","))
        }
        Effect::Report(call) => format!("report{}.{}", call.report, call.attempt),
        Effect::Tell { to, command, .. } => {
            let to = match to {
                EntityId::Sku(sku) => sku.to_string(),
                EntityId::Location(location) => location.to_string(),
                other => other.to_string(),
            };
            format!("{to} {}", told_words(command))
        }
    }
}

fn added_words(units: u32) -> String {
    match units {
        0 => String::new(),
        units => format!(" {units} added"),
    }
}

fn told_words(command: &Command) -> String {
    match command {
        Command::Read => "read".to_owned(),
        Command::Location(LocationCommand::TakeCapacity { attempt, units, .. }) => {
            format!("take{attempt} {units}")
        }
        Command::Location(LocationCommand::ReleaseCapacity { attempt, .. }) => {
            format!("free{attempt}")
        }
        Command::Sku(command) => match command {
            SkuCommand::Reserve {
                id,
                takes,
                added_units,
                queue,
                ..
            } => {
                let queue = if *queue { " queue" } else { "" };
                let (takes, added) = (takes_words(takes), added_words(*added_units));
                format!("reserve{} {takes}{queue}{added}", id.attempt)
            }
            SkuCommand::ReserveHeld {
                id, takes, hold, ..
            } => {
                format!("reserve{} {} with {hold}", id.attempt, takes_words(takes))
            }
            SkuCommand::ReadHeld { hold } => format!("read with {hold}"),
            SkuCommand::Confirm { id } => format!("confirm{}", id.attempt),
            SkuCommand::Release { id } => format!("release{}", id.attempt),
            SkuCommand::Wait {
                units,
                locations,
                added_units,
                ..
            } if locations.is_empty() => format!("wait {units}{}", added_words(*added_units)),
            SkuCommand::Wait {
                units, locations, ..
            } => {
                let at: Vec<&str> = locations.iter().map(LocationId::as_str).collect();
                format!("wait {units} at {}", at.join(","))
            }
            SkuCommand::StopWaiting { .. } => "stop".to_owned(),
            SkuCommand::Settle {
                id,
                location,
                shipped_units,
                released_units,
                missing_units,
            } => {
                let missing = match missing_units {
                    0 => String::new(),
                    units => format!(" missing {units}"),
                };
                let attempt = id.attempt;
                format!("settle{attempt} {location} {shipped_units}/{released_units}{missing}")
            }
            SkuCommand::Return {
                location, units, ..
            } => format!("return {location}:{units}"),
            other => format!("{other:?}"),
        },
        other => format!("{other:?}"),
    }
}

/// A line of one part.
pub fn line(line: &str, sku: &str, units: u32) -> LineFacts {
    LineFacts {
        line: id(line),
        title: line.to_owned(),
        ordered_units: units,
        cancelled_units: 0,
        parts: vec![Part {
            sku: id(sku),
            units_per_line_unit: 1,
        }],
        unit_price: None,
        ships: true,
    }
}

pub fn facts(sale: Sale, lines: &[LineFacts]) -> OrderFacts {
    OrderFacts {
        name: "#1".to_owned(),
        placed_at: ms(T0 - 1_000),
        updated_at: ms(T0 - 1_000),
        sale,
        lines: lines.to_vec(),
        destination: Some(Destination {
            country: "US".to_owned(),
            ..Destination::default()
        }),
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: None,
        tags: Vec::new(),
        test: false,
    }
}

pub fn sold(lines: &[LineFacts]) -> OrderCommand {
    stated(facts(Sale::AlreadySold, lines), Origin::Channel)
}

pub fn asks(lines: &[LineFacts]) -> OrderCommand {
    stated(facts(Sale::Asks, lines), Origin::Api)
}

pub fn stated(facts: OrderFacts, origin: Origin) -> OrderCommand {
    OrderCommand::State {
        facts: Box::new(facts),
        origin,
        settle: true,
    }
}

/// An operator's change of a line.
pub fn edit(line: &str, sku: Option<&str>, units: u32) -> LineEdit {
    LineEdit {
        line: id(line),
        units,
        sku: sku.map(id),
        title: None,
        unit_price: None,
    }
}

/// (line, SKU, location, units)
pub type Placed<'a> = (&'a str, &'a str, &'a str, u32);

/// That plan, by rules that allow these locations.
pub fn allowing(plan: Plan, locations: &[&str]) -> Plan {
    let allowed = locations.iter().map(|location| id(location)).collect();
    Plan { allowed, ..plan }
}

pub fn plan(placed: &[Placed<'_>], unplaced: &[(&str, &str, u32)]) -> Plan {
    let allocation = |(line, sku, location, units): &Placed<'_>| Allocation {
        line: id(line),
        sku: id(sku),
        location: id(location),
        units: *units,
    };
    let lacks = |(line, sku, units): &(&str, &str, u32)| (id(line), id(sku), *units);
    Plan {
        rule_set: 1,
        rule: "all".to_owned(),
        allocations: placed.iter().map(allocation).collect(),
        unplaced: unplaced.iter().map(lacks).collect(),
        fallback: Fallback::Backorder,
        candidates: Vec::new(),
        allowed: Vec::new(),
        tried: Vec::new(),
    }
}

/// Stock at one location: on hand, committed, tentative.
pub fn view(sku: &str, location: &str, on_hand: i64, committed: u32, tentative: u32) -> StockView {
    let available = on_hand - i64::from(committed) - i64::from(tentative);
    StockView {
        sku: id(sku),
        version: 7,
        title: sku.to_owned(),
        tracking: Tracking::Tracked,
        locations: vec![LocationStock {
            location: id(location),
            on_hand,
            committed,
            held: 0,
            tentative,
            unavailable: 0,
            incoming: 0,
            in_transit: 0,
            safety: 0,
            available,
            ats: u32::try_from(available.max(0)).expect("fits"),
        }],
        waiting_units: 0,
    }
}

/// A location that works on all days but Saturdays and Sundays and acknowledges within an hour.
pub fn place(location: &str) -> LocationFacts {
    LocationFacts {
        closed_weekdays: vec![6, 7],
        ..LocationFacts::plain(id(location), "")
    }
}

pub fn units(line: &str, units: u32) -> LineUnits {
    LineUnits {
        line: id::<LineId>(line),
        units,
    }
}

pub fn request_line(line: &str, sku: &str, units: u32) -> RequestLine {
    RequestLine {
        line: id::<LineId>(line),
        sku: id::<SkuId>(sku),
        units,
    }
}

pub fn ship(request: u32, shipment: &str, lines: &[RequestLine]) -> OrderCommand {
    OrderCommand::Ship {
        request,
        shipment: id(shipment),
        lines: lines.to_vec(),
        tracking: None,
        shipped_at: ms(T0),
    }
}

/// A location's word on what it was asked to stop.
pub fn answer_cancel(request: u32, ask: Option<u32>, accepted: bool) -> OrderCommand {
    OrderCommand::AnswerCancel {
        request,
        ask,
        accepted,
    }
}

pub fn take(location: &str, units: u32) -> Take {
    Take {
        location: id::<LocationId>(location),
        units,
    }
}

/// An order of two units of A, sold, reserved at reno and confirmed.
pub fn requested() -> Scene {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", 2)]))
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene
}
