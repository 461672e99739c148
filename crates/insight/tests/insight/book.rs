//! A journal that is written event by event, and the read models that follow it.

use std::collections::BTreeMap;

use crossdock_insight::{Insight, Stop};
use crossdock_journal::{Batch, Frame, Journal, MemoryJournal, OwnerId, ShardState, ShardWrite};
use crossdock_model::v1::{
    Allocation, Event, Fallback, LineFacts, MoveReason, OrderEvent, OrderFacts, Origin, Part,
    Payment, Plan, RequestLine, Sale, SkuEvent,
};
use crossdock_model::{
    CredentialId, EntityId, LineId, LocationId, Meta, Record, ShardId, SkuId, Timestamp,
};

pub struct Book {
    pub journal: MemoryJournal,
    shards: Vec<ShardState>,
    versions: BTreeMap<EntityId, u64>,
    now_ms: i64,
}

impl Book {
    pub fn new() -> Self {
        let journal = MemoryJournal::new(1, Timestamp::default());
        let all: Vec<ShardId> = ShardId::all().collect();
        let shards = journal.claim(OwnerId(1), &all).unwrap();
        Self {
            journal,
            shards,
            versions: BTreeMap::new(),
            now_ms: 1_000,
        }
    }

    /// With one order received.
    pub fn with_order(number: i64) -> Self {
        let mut book = Self::new();
        book.order(number);
        book
    }

    /// Writes one record and returns its read-your-writes token.
    pub fn write(&mut self, entity: &str, events: Vec<Event>) -> String {
        let entity: EntityId = entity.parse().unwrap();
        let version = self.versions.entry(entity.clone()).or_default();
        *version += 1;
        self.now_ms += 1;
        let record = Record {
            version: *version,
            at: Timestamp::from_ms(self.now_ms),
            meta: meta(),
            events,
            answer: None,
        };
        self.enter(entity, &record)
    }

    /// Writes a record as an entity made it.
    pub fn enter(&mut self, entity: EntityId, record: &Record) -> String {
        self.put(entity, record.at, record.encode().unwrap())
    }

    /// Writes bytes that need not be a record.
    pub fn put(&mut self, entity: EntityId, at: Timestamp, body: Vec<u8>) -> String {
        let state = &mut self.shards[usize::from(entity.shard().number())];
        let mut write = ShardWrite::new(state.shard, state.epoch, OwnerId(1), state.next_seq);
        write.frames.push(Frame { entity, body });
        let token = format!("{}:{}", state.shard, state.next_seq);
        state.next_seq += 1;
        let batch = Batch {
            at,
            shards: vec![write],
            inbox: Vec::new(),
        };
        assert!(self.journal.commit(&batch).unwrap().refused.is_empty());
        token
    }

    /// Receives an order of two lines: 2 × A and 1 × B.
    pub fn order(&mut self, number: i64) -> String {
        let facts = Box::new(facts(number));
        let origin = Origin::Channel;
        let received = OrderEvent::Received { facts, origin };
        self.write(
            &format!("order:shop:{number}"),
            vec![Event::Order(received)],
        )
    }

    pub fn tell(&mut self, number: i64, events: Vec<OrderEvent>) -> String {
        let events = events.into_iter().map(Event::Order).collect();
        self.write(&format!("order:shop:{number}"), events)
    }
}

pub fn meta() -> Meta {
    Meta {
        principal: CredentialId::new("ada").unwrap(),
        reason: None,
        key: None,
        body_hash: 0,
        issued_at: Timestamp::default(),
        effective_at: None,
        trace: None,
    }
}

pub fn facts(number: i64) -> OrderFacts {
    OrderFacts {
        name: format!("#{number}"),
        placed_at: Timestamp::from_ms(number / 3),
        updated_at: Timestamp::from_ms(number),
        sale: Sale::AlreadySold,
        lines: vec![line_facts("1", "A", 2), line_facts("2", "B", 1)],
        destination: None,
        service_level: None,
        ship_by: None,
        deliver_by: None,
        payment: Payment::Ready,
        cancelled: None,
        total: None,
        tags: vec![
            if number % 2 == 0 {
                "even"
            } else {
                "odd, really"
            }
            .to_owned(),
        ],
        test: number % 5 == 0,
    }
}

pub fn line_facts(line: &str, of: &str, units: u32) -> LineFacts {
    LineFacts {
        line: LineId::new(line).unwrap(),
        title: format!("Tee {of}"),
        ordered_units: units,
        cancelled_units: 0,
        parts: vec![Part {
            sku: sku(of),
            units_per_line_unit: 1,
        }],
        unit_price: None,
        ships: true,
    }
}

pub fn sku(id: &str) -> SkuId {
    SkuId::new(id).unwrap()
}

pub fn place(id: &str) -> LocationId {
    LocationId::new(id).unwrap()
}

pub fn request_line(line: &str, of: &str, units: u32) -> RequestLine {
    RequestLine {
        line: LineId::new(line).unwrap(),
        sku: sku(of),
        units,
    }
}

/// A plan over (line, SKU, location, units); what is left out found no place.
pub fn plan(allocations: &[(&str, &str, &str, u32)], unplaced: &[(&str, &str, u32)]) -> Plan {
    let allocation = |(line, of, at, units): &(&str, &str, &str, u32)| Allocation {
        line: LineId::new(line).unwrap(),
        sku: sku(of),
        location: place(at),
        units: *units,
    };
    let left =
        |(line, of, units): &(&str, &str, u32)| (LineId::new(line).unwrap(), sku(of), *units);
    Plan {
        rule_set: 1,
        rule: "default".to_owned(),
        allocations: allocations.iter().map(allocation).collect(),
        unplaced: unplaced.iter().map(left).collect(),
        fallback: Fallback::Backorder,
        candidates: Vec::new(),
        allowed: Vec::new(),
        tried: Vec::new(),
    }
}

pub fn planned(attempt: u32, plan: Plan) -> OrderEvent {
    OrderEvent::Planned {
        attempt,
        plan: Box::new(plan),
        ordered: false,
    }
}

pub fn requested(request: u32, at: &str, lines: Vec<RequestLine>) -> OrderEvent {
    OrderEvent::RequestCreated {
        request,
        location: place(at),
        attempt: 1,
        lines,
        acknowledge_by: Timestamp::from_ms(1_800_000_000_000),
        split: None,
    }
}

pub fn moved(location: &str, delta: i64) -> Event {
    Event::Sku(SkuEvent::Moved {
        location: place(location),
        on_hand_delta: delta,
        unavailable_delta: 0,
        condition: None,
        reason: MoveReason::Received { reference: None },
        effective_at: Timestamp::from_ms(5),
    })
}

pub fn opened() -> (tempfile::TempDir, Insight) {
    let dir = tempfile::tempdir().unwrap();
    let insight = Insight::open(&dir.path().join("insight.sqlite")).unwrap();
    (dir, insight)
}

/// Opens it as one of an earlier layout, which is folded anew.
pub fn opened_anew(dir: &tempfile::TempDir, insight: Insight, version: i64) -> Insight {
    drop(insight);
    let path = dir.path().join("insight.sqlite");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", version).unwrap();
    drop(raw);
    Insight::open(&path).unwrap()
}

/// Folds all of a journal in which nothing is wrong.
pub fn catch_up(insight: &Insight, book: &Book) {
    assert_eq!(stops(insight, book), []);
}

/// Folds what can be folded, and says what shards have stopped at meanwhile.
pub fn stops(insight: &Insight, book: &Book) -> Vec<Stop> {
    let mut stopped = Vec::new();
    loop {
        let progress = insight.catch_up(&book.journal).unwrap();
        stopped.extend(progress.stopped);
        if !progress.behind {
            return stopped;
        }
    }
}

/// Read models in memory of all that is written.
pub fn folded(book: &Book) -> Insight {
    let insight = Insight::open_in_memory().unwrap();
    catch_up(&insight, book);
    insight
}
