//! A record that cannot be folded stops the figures of its shard, and no others.

use crossdock_insight::{Insight, StockFilter, StockSearch, Stop};
use crossdock_model::v1::{Event, MoveReason, SkuEvent};
use crossdock_model::{EntityId, Timestamp, TransferId};

use crate::book::{Book, moved, opened, place, stops};

const BROKEN: &str = "sku:A";

/// On hand of a SKU in Reno.
fn on_hand(insight: &Insight, sku: &str) -> i64 {
    let base = StockFilter {
        prefix: Some(sku.to_owned()),
        limit: 1,
        ..StockFilter::default()
    };
    let search = StockSearch {
        base,
        ..StockSearch::default()
    };
    insight.search_stock(&search).unwrap().rows[0].on_hand
}

/// What overflows where its sign is turned, in a build that looks for that.
fn out_of_reach() -> Event {
    Event::Sku(SkuEvent::Moved {
        location: place("reno"),
        on_hand_delta: i64::MIN,
        unavailable_delta: 0,
        condition: None,
        reason: MoveReason::TransferOut {
            transfer: TransferId::new("t").unwrap(),
            to: place("austin"),
        },
        effective_at: Timestamp::default(),
    })
}

fn undecodable(book: &mut Book) {
    let entity: EntityId = BROKEN.parse().unwrap();
    book.put(entity, Timestamp::from_ms(1), vec![0xff; 9]);
}

fn overflowing(book: &mut Book) {
    book.write(BROKEN, vec![moved("reno", i64::MAX)]);
}

fn panicking(book: &mut Book) {
    book.write(BROKEN, vec![out_of_reach()]);
}

fn position(stop: &Stop) -> String {
    stop.at.to_string()
}

#[test]
fn a_record_that_cannot_be_folded_stops_its_shard_alone() {
    type Case = (fn(&mut Book), &'static str);
    let mut cases: Vec<Case> = vec![
        (undecodable, "it does not decode"),
        (overflowing, "insight's database"),
    ];
    if cfg!(debug_assertions) {
        cases.push((panicking, "folding it panicked"));
    }
    for (break_it, cause) in cases {
        let mut book = Book::new();
        book.order(1);
        let shard = BROKEN.parse::<EntityId>().unwrap().shard();
        let before = book.write(BROKEN, vec![moved("reno", 5)]);
        break_it(&mut book);
        let after = book.write(BROKEN, vec![moved("reno", 1)]);
        book.write("sku:B", vec![moved("reno", 3)]);
        let (dir, insight) = opened();

        let stopped = stops(&insight, &book);
        let expected = vec![format!("{shard}:2")];
        let found: Vec<String> = stopped.iter().map(position).collect();
        assert_eq!(found, expected, "{cause}: {stopped:?}");
        assert!(stopped[0].cause.contains(cause), "{stopped:?}");
        assert_eq!(insight.stopped(), stopped, "{cause}");
        assert_eq!(insight.trouble(), None, "{cause}");
        assert_eq!((on_hand(&insight, "A"), on_hand(&insight, "B")), (5, 3));
        assert!(insight.has(&before).unwrap() && !insight.has(&after).unwrap());
        assert_eq!(insight.lag(&book.journal).unwrap().records, 2, "{cause}");

        // Others go on, and those who are told: a new endpoint too, though a part of the history is never shown.
        let end = insight.delivered("erp").unwrap().last;
        let order = book.order(2);
        assert_eq!(stops(&insight, &book), [], "it stops once");
        assert!(insight.has(&order).unwrap());
        let told = insight.feed(end, 9).unwrap();
        assert_eq!((told.len(), &*told[0].subject), (1, "shop:2"), "{cause}");

        // The next process tries again.
        drop(insight);
        let insight = Insight::open(&dir.path().join("insight.sqlite")).unwrap();
        assert_eq!(stops(&insight, &book), stopped, "{cause}");
    }
}
