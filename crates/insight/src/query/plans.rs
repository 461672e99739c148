//! How SQLite goes about the lists: each by an index that has their order, however many rows have ended long ago.

use super::orders::{ORDER, PLACED};
use super::requests::{CREATED, REQUEST};
use super::stock::STOCK;
use super::{Order, OrderFilter, OrderSearch, RequestFilter, StockFilter, StockSearch, Wanted};
use crate::schema;

/// Checks the first step of a list, that it needs no sorting, and that no later step reads a whole table.
#[track_caller]
fn check(wanted: &Wanted, select: &str, order: &Order, first: &str) {
    let connection = schema::open_in_memory().unwrap();
    let sql = format!("EXPLAIN QUERY PLAN {}", wanted.sql(select, order, 50));
    let mut statement = connection.prepare(&sql).unwrap();
    let values = rusqlite::params_from_iter(&wanted.values);
    let steps = statement.query_map(values, |row| row.get::<_, String>(3));
    let steps: Vec<String> = steps.unwrap().map(Result::unwrap).collect();
    assert_eq!(steps[0], first, "{steps:#?}");
    for step in &steps[1..] {
        let sorts = step.contains("B-TREE FOR ORDER BY") || step.contains("TERM OF ORDER BY");
        assert!(!sorts && !step.starts_with("SCAN"), "{steps:#?}");
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn requests_are_read_by_an_index() {
    let cases = [
        (
            RequestFilter::default(),
            "SCAN r USING INDEX requests_created",
        ),
        (
            RequestFilter {
                status: text("open"),
                ..RequestFilter::default()
            },
            "SCAN r USING INDEX requests_open",
        ),
        (
            RequestFilter {
                status: text("sent"),
                ..RequestFilter::default()
            },
            "SEARCH r USING INDEX requests_status (status=?)",
        ),
        (
            RequestFilter {
                location: text("reno"),
                ..RequestFilter::default()
            },
            "SEARCH r USING INDEX requests_location (location=?)",
        ),
        (
            RequestFilter {
                location: text("reno"),
                status: text("open"),
                ..RequestFilter::default()
            },
            "SEARCH r USING INDEX requests_open_location (location=?)",
        ),
    ];
    for (filter, first) in cases {
        check(&filter.wanted().unwrap(), REQUEST, &CREATED, first);
    }
}

#[test]
fn orders_are_read_by_an_index() {
    let cases = [
        (OrderFilter::default(), "SCAN o USING INDEX orders_placed"),
        (
            OrderFilter {
                status: text("requested"),
                ..OrderFilter::default()
            },
            "SEARCH o USING INDEX orders_status (status=?)",
        ),
        (
            OrderFilter {
                channel: text("shop"),
                ..OrderFilter::default()
            },
            "SEARCH o USING INDEX orders_channel (channel=?)",
        ),
        (
            OrderFilter {
                origin: text("hold"),
                ..OrderFilter::default()
            },
            "SEARCH o USING INDEX orders_origin (origin=?)",
        ),
        (
            OrderFilter {
                placed_from: Some(1),
                ..OrderFilter::default()
            },
            "SEARCH o USING INDEX orders_placed (placed_at>?)",
        ),
    ];
    for (base, first) in cases {
        let search = OrderSearch {
            base,
            ..OrderSearch::default()
        };
        check(&search.wanted().unwrap(), ORDER, &PLACED, first);
    }
}

#[test]
fn stock_is_read_by_an_index() {
    let cases = [
        (StockFilter::default(), "SCAN s"),
        (
            StockFilter {
                prefix: text("TEE-"),
                ..StockFilter::default()
            },
            "SEARCH s USING PRIMARY KEY (sku>? AND sku<?)",
        ),
        (
            StockFilter {
                location: text("reno"),
                ..StockFilter::default()
            },
            "SEARCH s USING INDEX stock_location (location=?)",
        ),
    ];
    for (base, first) in cases {
        let search = StockSearch {
            base,
            ..StockSearch::default()
        };
        let (select, wanted) = search.wanted(0).unwrap();
        check(&wanted, &select, &STOCK, first);
    }
}
