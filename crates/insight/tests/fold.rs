//! Read models of a hand-made journal: what they show, that folding is repeatable, and that pages have no gaps.

use std::collections::BTreeMap;

use crossdock_insight::{ExceptionFilter, Insight, OrderFilter, RequestFilter, StockFilter};
use crossdock_journal::{Batch, Frame, Journal, MemoryJournal, OwnerId, ShardState, ShardWrite};
use crossdock_model::v1::{
    BucketEvent, ChannelEvent, ChannelSettings, Event, ExceptionClosed, ExceptionKey,
    ExceptionOpened, LineFacts, ListingTarget, MoveReason, OrderEvent, OrderFacts, OrderStatus,
    Origin, Part, Payment, RequestLine, Sale, SkuEvent, Tracking,
};
use crossdock_model::{
    CredentialId, EntityId, LineId, LocationId, Meta, Record, ShardId, SkuId, Timestamp,
};

/// A journal that is written event by event.
struct Book {
    journal: MemoryJournal,
    shards: Vec<ShardState>,
    versions: BTreeMap<EntityId, u64>,
    now_ms: i64,
}

impl Book {
    fn new() -> Self {
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

    fn write(&mut self, entity: &str, events: Vec<Event>) -> String {
        let entity: EntityId = entity.parse().unwrap();
        let version = self.versions.entry(entity.clone()).or_default();
        *version += 1;
        self.now_ms += 1;
        let meta = Meta {
            principal: CredentialId::new("ada").unwrap(),
            reason: None,
            key: None,
            body_hash: 0,
            issued_at: Timestamp::default(),
            effective_at: None,
            trace: None,
        };
        let at = Timestamp::from_ms(self.now_ms);
        let record = Record {
            version: *version,
            at,
            meta,
            events,
            answer: None,
        };
        let state = &mut self.shards[usize::from(entity.shard().number())];
        let mut write = ShardWrite::new(state.shard, state.epoch, OwnerId(1), state.next_seq);
        write.frames.push(Frame {
            entity,
            body: record.encode().unwrap(),
        });
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

    fn order(&mut self, number: i64) -> String {
        let name = format!("order:shop:{number}");
        let line = LineFacts {
            line: LineId::new("1").unwrap(),
            title: "Tee".to_owned(),
            ordered_units: 2,
            cancelled_units: 0,
            parts: vec![Part {
                sku: SkuId::new("A").unwrap(),
                units_per_line_unit: 1,
            }],
            unit_price: None,
            ships: true,
        };
        let facts = OrderFacts {
            name: format!("#{number}"),
            placed_at: Timestamp::from_ms(number / 3),
            updated_at: Timestamp::from_ms(number),
            sale: Sale::AlreadySold,
            lines: vec![line],
            destination: None,
            service_level: None,
            ship_by: None,
            deliver_by: None,
            payment: Payment::Ready,
            cancelled: None,
            total: None,
            tags: Vec::new(),
            test: false,
        };
        self.write(
            &name,
            vec![Event::Order(OrderEvent::Received {
                facts: Box::new(facts),
                origin: Origin::Channel,
            })],
        )
    }
}

fn moved(location: &str, delta: i64) -> Event {
    Event::Sku(SkuEvent::Moved {
        location: LocationId::new(location).unwrap(),
        on_hand_delta: delta,
        unavailable_delta: 0,
        condition: None,
        reason: MoveReason::Received { reference: None },
        effective_at: Timestamp::from_ms(5),
    })
}

fn example() -> Book {
    let mut book = Book::new();
    book.write(
        "sku:A",
        vec![
            Event::Sku(SkuEvent::Defined {
                title: "Tee".to_owned(),
                tracking: Tracking::Tracked,
            }),
            moved("reno", 5),
        ],
    );
    book.write("sku:A", vec![moved("reno", -2), moved("austin", 1)]);
    book.order(1);
    let lines = vec![RequestLine {
        line: LineId::new("1").unwrap(),
        sku: SkuId::new("A").unwrap(),
        units: 2,
    }];
    book.write(
        "order:shop:1",
        vec![
            Event::Order(OrderEvent::RequestCreated {
                request: 1,
                location: LocationId::new("reno").unwrap(),
                attempt: 1,
                lines,
                acknowledge_by: Timestamp::from_ms(99),
            }),
            Event::Order(OrderEvent::StatusChanged {
                to: OrderStatus::Requested,
            }),
        ],
    );
    let settings = ChannelSettings {
        connector: "shopify".to_owned(),
        sale: Sale::AlreadySold,
        map_by_sku: true,
    };
    let key = ExceptionKey {
        kind: "unmapped".to_owned(),
        subject: "shop/40001".to_owned(),
        episode: 1,
    };
    book.write(
        "channel:shop",
        vec![
            Event::Channel(ChannelEvent::Connected(settings)),
            Event::Channel(ChannelEvent::ExceptionOpened(ExceptionOpened {
                key: key.clone(),
                cause: "40001 stands for no SKU.".to_owned(),
                evidence: Vec::new(),
            })),
        ],
    );
    let listing = "40001".parse().unwrap();
    let target = ListingTarget::Sku {
        sku: SkuId::new("A").unwrap(),
        multiplier: 6,
    };
    book.write(
        "bucket:shop:3",
        vec![Event::Bucket(BucketEvent::Mapped { listing, target })],
    );
    book.write(
        "channel:shop",
        vec![Event::Channel(ChannelEvent::ExceptionClosed(
            ExceptionClosed {
                key,
                how: "mapped".to_owned(),
            },
        ))],
    );
    book
}

fn opened() -> (tempfile::TempDir, Insight) {
    let dir = tempfile::tempdir().unwrap();
    let insight = Insight::open(&dir.path().join("insight.sqlite")).unwrap();
    (dir, insight)
}

fn catch_up(insight: &Insight, book: &Book) {
    while insight.catch_up(&book.journal).unwrap().behind {}
}

#[test]
fn orders_requests_stock_and_exceptions_are_shown() {
    let (_dir, insight) = opened();
    let book = example();
    catch_up(&insight, &book);
    let order = insight.order("shop:1").unwrap().unwrap();
    assert_eq!(
        (order.status.as_str(), order.units, order.channel.as_str()),
        ("requested", 2, "shop")
    );
    let told: Vec<String> = insight
        .timeline("shop:1")
        .unwrap()
        .into_iter()
        .map(|row| row.sentence)
        .collect();
    assert_eq!(
        told,
        [
            "Received from shop as #1: 1 line, 2 units.",
            "Request 1 made out to reno: 2 × A.",
            "The order is requested.",
        ]
    );
    let filter = RequestFilter {
        location: Some("reno".to_owned()),
        status: Some("open".to_owned()),
        limit: 10,
        ..RequestFilter::default()
    };
    let requests = insight.requests(&filter).unwrap().rows;
    assert_eq!(
        (requests.len(), requests[0].lines[0]["sku"].as_str()),
        (1, Some("A"))
    );
    let stock = insight
        .stock(&StockFilter {
            prefix: Some("A".to_owned()),
            limit: 10,
            ..StockFilter::default()
        })
        .unwrap();
    let shown: Vec<_> = stock
        .rows
        .iter()
        .map(|row| (row.location.as_str(), row.on_hand))
        .collect();
    assert_eq!(shown, [("austin", 1), ("reno", 3)]);
    let ledger = insight.ledger("A", None, 10).unwrap().rows;
    assert_eq!(
        ledger.iter().map(|row| row.on_hand).collect::<Vec<_>>(),
        [1, 3, 5]
    );
    assert_eq!(
        ledger
            .iter()
            .filter(|row| row.location == "reno")
            .map(|row| row.on_hand_delta)
            .sum::<i64>(),
        3
    );
    let open = ExceptionFilter {
        open: Some(true),
        limit: 10,
        ..ExceptionFilter::default()
    };
    assert!(insight.exceptions(&open).unwrap().rows.is_empty());
    let closed = ExceptionFilter {
        open: Some(false),
        limit: 10,
        ..ExceptionFilter::default()
    };
    assert_eq!(
        insight.exceptions(&closed).unwrap().rows[0].how.as_deref(),
        Some("mapped")
    );
    assert_eq!(
        insight.listings("shop", None, 10).unwrap().rows[0].target["Sku"]["multiplier"],
        6
    );
}

#[test]
fn a_token_says_whether_a_write_is_seen() {
    let (_dir, insight) = opened();
    let mut book = Book::new();
    let token = book.order(1);
    assert!(!insight.has(&token).unwrap());
    catch_up(&insight, &book);
    assert!(insight.has(&token).unwrap());
    assert!(insight.has("nonsense").is_err());
}

/// Folding twice, in pieces, or anew from the journal gives the same figures.
#[test]
fn folding_is_repeatable() {
    let book = example();
    let (dir, insight) = opened();
    catch_up(&insight, &book);
    catch_up(&insight, &book);
    let dump = |insight: &Insight| {
        let stock = insight
            .stock(&StockFilter {
                limit: 200,
                ..StockFilter::default()
            })
            .unwrap();
        let orders = insight
            .orders(&OrderFilter {
                limit: 200,
                ..OrderFilter::default()
            })
            .unwrap();
        (
            stock,
            orders,
            insight.ledger("A", None, 200).unwrap(),
            insight.timeline("shop:1").unwrap(),
        )
    };
    let first = dump(&insight);
    drop(insight);
    let path = dir.path().join("insight.sqlite");
    let again = Insight::open(&path).unwrap();
    catch_up(&again, &book);
    assert_eq!(dump(&again), first);
    drop(again);
    std::fs::remove_file(&path).unwrap();
    let rebuilt = Insight::open(&path).unwrap();
    catch_up(&rebuilt, &book);
    assert_eq!(dump(&rebuilt), first);
}

#[test]
fn pages_have_no_gaps_and_no_doubles() {
    let (_dir, insight) = opened();
    let mut book = Book::new();
    for number in 1..=57 {
        book.order(number);
    }
    catch_up(&insight, &book);
    let mut filter = OrderFilter {
        limit: 10,
        ..OrderFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = insight.orders(&filter).unwrap();
        seen.extend(page.rows.into_iter().map(|row| row.id));
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (57, 57));
}

#[test]
fn the_feed_tells_each_endpoint_what_is_new() {
    let (_dir, insight) = opened();
    let mut book = Book::new();
    book.order(1);
    catch_up(&insight, &book);
    let (end, failures, _) = insight.delivered("erp").unwrap();
    assert_eq!(failures, 0);
    book.order(2);
    catch_up(&insight, &book);
    let news = insight.feed(end, 10).unwrap();
    assert_eq!(
        news.iter()
            .map(|event| event.topic.as_str())
            .collect::<Vec<_>>(),
        ["order.received"]
    );
    insight.set_delivered("erp", news[0].id, 3, 77).unwrap();
    assert_eq!(insight.delivered("erp").unwrap(), (news[0].id, 3, 77));
}
