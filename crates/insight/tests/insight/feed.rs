//! The feed of public events, and what endpoints are told of it.

use crossdock_insight::{Delivered, Insight, TOPICS};
use crossdock_model::v1::{
    Destination, Event, LineUnits, OrderEvent, OrderStatus, Payment, RefundLine, Restock,
    ReturnLine, SkuEvent,
};
use crossdock_model::{LineId, RefundId, ReturnId};

use crate::book::{Book, catch_up, facts, folded, line_facts, moved, opened, place};

fn topics(insight: &Insight, after: i64) -> Vec<String> {
    let events = insight.feed(after, 100).unwrap().into_iter();
    events.map(|event| event.topic).collect()
}

#[test]
fn each_endpoint_is_told_what_is_new() {
    let (_dir, insight) = opened();
    let mut book = Book::new();
    book.order(1);
    catch_up(&insight, &book);
    let end = insight.delivered("erp").unwrap().last;
    assert_eq!(insight.delivered("erp").unwrap(), Delivered::up_to(end));
    book.order(2);
    catch_up(&insight, &book);
    assert_eq!(topics(&insight, end), ["order.received"]);
    let failing = Delivered {
        last: end + 1,
        failures: 3,
        retry_at: 77,
        error: Some("answered with status 500".to_owned()),
        passed_over: 1,
    };
    insight.set_delivered("erp", &failing).unwrap();
    assert_eq!(insight.delivered("erp").unwrap(), failing);
    let (all, newest) = insight.all_delivered().unwrap();
    assert_eq!((&all["erp"], newest), (&failing, end + 1));
    insight.retry_delivery("erp").unwrap();
    let retried = Delivered {
        error: failing.error,
        ..Delivered::up_to(end + 1)
    };
    assert_eq!(insight.delivered("erp").unwrap(), retried);
}

fn texts(insight: &Insight) -> Vec<(String, String)> {
    let events = insight.feed(0, 100).unwrap().into_iter();
    events
        .map(|event| (event.topic, event.data.to_string()))
        .collect()
}

/// Changes of the book's first order.
fn changes() -> Vec<OrderEvent> {
    let line = |line: &str, units| LineUnits {
        line: LineId::new(line).unwrap(),
        units,
    };
    let same = Box::new(facts(1));
    let mut other = facts(1);
    other.payment = Payment::Pending;
    other.lines[0].ordered_units = 5;
    let refunded = RefundLine {
        line: LineId::new("1").unwrap(),
        units: 1,
        restock: Restock::No,
        location: None,
    };
    let came_back = ReturnLine {
        line: LineId::new("2").unwrap(),
        units: 1,
        location: place("reno"),
        condition: None,
    };
    let secret = Destination {
        country: "DE".to_owned(),
        state: None,
        postal_prefix: None,
        area: None,
        address_version: 2,
    };
    let reason = "bought twice".to_owned();
    vec![
        OrderEvent::Merged { facts: same },
        OrderEvent::Merged {
            facts: Box::new(other),
        },
        OrderEvent::LinesEdited {
            lines: vec![line_facts("2", "B", 3)],
        },
        OrderEvent::LinesCancelled {
            lines: vec![line("1", 2)],
            reason: reason.clone(),
            by_channel: false,
        },
        OrderEvent::CancelUndone {
            lines: vec![line("1", 1)],
            reason,
        },
        OrderEvent::DestinationChanged {
            destination: secret,
            by_operator: true,
        },
        OrderEvent::Refunded {
            refund: RefundId::new("r1").unwrap(),
            lines: vec![refunded],
        },
        OrderEvent::Returned {
            return_id: ReturnId::new("b1").unwrap(),
            lines: vec![came_back],
        },
    ]
}

/// What happens to an order beside its state is told too: whoever listens need not compare.
#[test]
fn changes_of_an_order_are_told() {
    let mut book = Book::new();
    book.order(1);
    for change in changes() {
        book.tell(1, vec![change]);
    }
    let told = texts(&folded(&book));
    let expected = [
        ("order.received", ""),
        ("order.lines_changed", r#""line":"1","skus":[{"sku":"A""#),
        ("order.payment_changed", r#"{"payment":"pending"}"#),
        ("order.lines_changed", r#""units":3"#),
        ("order.lines_cancelled", r#""units":2"#),
        ("order.cancel_undone", r#""units":1"#),
        ("order.address_changed", "{}"),
        ("order.refunded", r#""refund":"r1""#),
        ("order.returned", r#""return":"b1""#),
    ];
    let topics: Vec<&str> = told.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, expected.map(|(topic, _)| topic));
    for ((_, data), (topic, part)) in told.iter().zip(expected) {
        assert!(data.contains(part), "{topic}: {part} in {data}");
    }
}

#[test]
fn the_page_of_events_lists_every_topic() {
    let page = include_str!("../../../../docs/events.md");
    let rows: Vec<String> = TOPICS
        .iter()
        .map(|(topic, what)| format!("| `{topic}` | {what} |"))
        .collect();
    let listed: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(listed, rows);
}

/// The feed does not grow for ever; what is left keeps its numbers, and new events go on with them.
#[test]
fn old_events_are_deleted_and_numbers_go_on() {
    let (_dir, insight) = opened();
    let mut book = Book::new();
    for order in 1..=3 {
        book.order(order);
    }
    catch_up(&insight, &book);
    let before = insight.feed(0, 100).unwrap();
    assert!(!insight.prune_feed(before[1].at).unwrap());
    assert_eq!(insight.feed(0, 100).unwrap(), before[1..]);
    insight.prune_feed(i64::MAX).unwrap();
    let newest = before.last().unwrap().id;
    assert_eq!(insight.feed(0, 100).unwrap().len(), 1);
    book.order(4);
    catch_up(&insight, &book);
    assert_eq!(insight.feed(newest, 100).unwrap()[0].id, newest + 1);
}

#[test]
fn one_record_tells_each_place_once() {
    let mut book = Book::new();
    let location = place("austin");
    let safety = Event::Sku(SkuEvent::SafetySet { location, units: 2 });
    book.write(
        "sku:A",
        vec![
            moved("reno", 5),
            moved("reno", -2),
            moved("austin", 1),
            safety,
        ],
    );
    let events = folded(&book).feed(0, 10).unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.subject.as_str(),
                event.data["location"].as_str(),
                event.data["on_hand"].as_i64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("A", Some("austin"), Some(1)), ("A", Some("reno"), Some(3))]
    );
    assert_eq!(events[0].data["safety"], 2);
}

#[test]
fn an_order_is_received_once() {
    let mut book = Book::new();
    book.order(1);
    for to in [
        OrderStatus::Held,
        OrderStatus::Received,
        OrderStatus::Backordered,
    ] {
        book.tell(1, vec![OrderEvent::StatusChanged { to }]);
    }
    let all = [
        "order.received",
        "order.held",
        "order.replanned",
        "order.backordered",
    ];
    assert_eq!(topics(&folded(&book), 0), all);
}

/// Whoever asks for some topics goes on behind the others too, and misses none of its own.
#[test]
fn topics_are_told_without_gaps() {
    let mut book = Book::new();
    for number in 1..=7 {
        book.order(number);
        book.write("sku:A", vec![moved("reno", 1)]);
    }
    let insight = folded(&book);
    let (mut after, mut told) = (0, Vec::new());
    loop {
        let page = insight
            .events_after(after, 3, &["stock.".to_owned()])
            .unwrap();
        told.extend(
            page.events
                .into_iter()
                .map(|event| event.data["on_hand"].as_i64()),
        );
        if page.next_after == after {
            break;
        }
        after = page.next_after;
    }
    assert_eq!(told, (1..=7).map(Some).collect::<Vec<_>>());
    assert_eq!(after, 14);
}

/// What happened before this database was made is in the feed, and no endpoint is told of it.
#[test]
fn an_old_journal_is_not_told_to_endpoints() {
    let mut book = Book::new();
    for number in 1..=9 {
        book.order(number);
    }
    let insight = Insight::open_in_memory().unwrap();
    insight.catch_up_within(&book.journal, 4).unwrap();
    let unknown = Delivered::up_to(i64::MAX);
    assert_eq!(insight.delivered("erp").unwrap(), unknown);
    insight.set_delivered("erp", &unknown).unwrap();
    catch_up(&insight, &book);
    assert_eq!(insight.delivered("erp").unwrap(), Delivered::up_to(9));
    book.order(10);
    catch_up(&insight, &book);
    assert_eq!(topics(&insight, 9), ["order.received"]);
}
