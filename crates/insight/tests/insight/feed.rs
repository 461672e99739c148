//! The feed of public events, and what endpoints are told of it.

use crossdock_insight::Insight;
use crossdock_model::v1::{Event, OrderEvent, OrderStatus, SkuEvent};

use crate::book::{Book, catch_up, folded, moved, opened, place};

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
    let (end, failures, _) = insight.delivered("erp").unwrap();
    assert_eq!(failures, 0);
    book.order(2);
    catch_up(&insight, &book);
    assert_eq!(topics(&insight, end), ["order.received"]);
    insight.set_delivered("erp", end + 1, 3, 77).unwrap();
    assert_eq!(insight.delivered("erp").unwrap(), (end + 1, 3, 77));
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
    assert_eq!(insight.delivered("erp").unwrap(), (i64::MAX, 0, 0));
    insight.set_delivered("erp", i64::MAX, 0, 0).unwrap();
    catch_up(&insight, &book);
    assert_eq!(insight.delivered("erp").unwrap(), (9, 0, 0));
    book.order(10);
    catch_up(&insight, &book);
    assert_eq!(topics(&insight, 9), ["order.received"]);
}
