//! Pages of every list: no gaps, no doubles, in a stable order; and what a wrong cursor is.

use crossdock_insight::{
    ExceptionFilter, Insight, InsightError, OrderFilter, Page, RequestFilter, StockFilter,
    StockSearch,
};
use crossdock_model::v1::{ExceptionKey, ExceptionOpened, OrderEvent};

use crate::book::{Book, folded, moved, request_line, requested};

/// Many orders placed at the same instants, requests, exceptions, and SKUs whose names share separators.
fn crowded() -> Insight {
    let mut book = Book::new();
    for number in 1..=57 {
        book.order(number);
        let key = ExceptionKey {
            kind: "k".to_owned(),
            subject: format!("s{number}"),
            episode: 1,
        };
        let opened = ExceptionOpened {
            key,
            cause: "c".to_owned(),
            evidence: Vec::new(),
        };
        let lines = vec![request_line("1", "A", 1)];
        book.tell(
            number,
            vec![
                requested(1, "reno", lines.clone()),
                requested(2, "reno", lines),
                OrderEvent::ExceptionOpened(opened.clone()),
                OrderEvent::ExceptionOpened(opened),
            ],
        );
        book.write(
            &format!("sku:a|{number}"),
            vec![moved("b|c", 1), moved("c", 1), moved("\"", 1)],
        );
        book.write("sku:a", vec![moved("|b", 1)]);
    }
    folded(&book)
}

/// Every row of a list by pages, and the rows of one page that holds all.
fn check<T>(
    what: &str,
    count: usize,
    ask: impl Fn(Option<String>, usize) -> Result<Page<T>, InsightError>,
    name: impl Fn(&T) -> String,
) {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = ask(cursor, 7).unwrap();
        assert!(page.rows.len() <= 7);
        seen.extend(page.rows.iter().map(&name));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let whole = ask(None, 1_000).unwrap();
    let whole: Vec<String> = whole.rows.iter().map(name).collect();
    assert_eq!(seen[..whole.len()], whole, "{what}");
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (count, count), "{what}");
    for wrong in ["nonsense", "W10", "WzEsMiwzLDRd", ""] {
        assert!(
            matches!(ask(Some(wrong.to_owned()), 7), Err(InsightError::Cursor(_))),
            "{what}: {wrong}"
        );
    }
}

#[test]
fn pages_have_no_gaps_and_no_doubles() {
    let insight = crowded();
    let orders = |cursor, limit| {
        insight.orders(&OrderFilter {
            cursor,
            limit,
            ..OrderFilter::default()
        })
    };
    check("orders", 57, orders, |row| row.id.clone());
    let requests = |cursor, limit| {
        insight.requests(&RequestFilter {
            cursor,
            limit,
            ..RequestFilter::default()
        })
    };
    check("requests", 114, requests, |row| {
        format!("{}/{}", row.order, row.number)
    });
    let exceptions = |cursor, limit| {
        insight.exceptions(&ExceptionFilter {
            cursor,
            limit,
            ..ExceptionFilter::default()
        })
    };
    check("exceptions", 114, exceptions, |row| row.id.to_string());
    let stock = |cursor, limit| {
        insight.search_stock(&StockSearch {
            base: StockFilter {
                cursor,
                limit,
                ..StockFilter::default()
            },
            ..StockSearch::default()
        })
    };
    check("stock", 57 * 3 + 1, stock, |row| {
        format!("{:?}", (&row.sku, &row.location))
    });
    let ledger =
        |cursor: Option<String>, limit| insight.ledger("a", None, cursor.as_deref(), limit);
    check("ledger", 57, ledger, |row| row.number.to_string());
    let timeline =
        |cursor: Option<String>, limit| insight.timeline_page("shop:1", cursor.as_deref(), limit);
    check("timeline", 5, timeline, |row| row.number.to_string());
}
