//! Orders, their lines, requests, parcels and timelines.

use crossdock_insight::{Insight, OrderFilter, OrderSearch, RequestFilter};
use crossdock_model::v1::{
    AttemptId, ExceptionKey, ExceptionOpened, LineUnits, OrderEvent, OrderStatus, ParcelTracking,
    RejectReason, ReportEnd, ReportKind, ReturnLine, Take,
};
use crossdock_model::{LineId, Rejection, ReturnId, ShipmentId, Timestamp};

use crate::book::{
    Book, facts, folded, line_facts, place, plan, planned, request_line, requested, sku,
};

/// Order 1: both lines reserved at reno by attempt 1.
fn reserved() -> Book {
    let mut book = Book::new();
    book.order(1);
    let all = plan(&[("1", "A", "reno", 2), ("2", "B", "reno", 1)], &[]);
    book.tell(1, vec![planned(1, all)]);
    book.tell(1, vec![OrderEvent::Reserved { attempt: 1 }]);
    book
}

/// Order 1 with request 1 to reno over both lines.
fn asked() -> Book {
    let mut book = reserved();
    let lines = vec![request_line("1", "A", 2), request_line("2", "B", 1)];
    book.tell(
        1,
        vec![
            requested(1, "reno", lines),
            OrderEvent::RequestSent { request: 1 },
        ],
    );
    book
}

fn shipped(shipment: &str, line: (&str, &str, u32)) -> OrderEvent {
    OrderEvent::Shipped {
        request: 1,
        shipment: ShipmentId::new(shipment).unwrap(),
        lines: vec![request_line(line.0, line.1, line.2)],
        tracking: Some(ParcelTracking {
            carrier: Some("UPS".to_owned()),
            number: Some("1Z".to_owned()),
            url: None,
        }),
        shipped_at: Timestamp::from_ms(77),
    }
}

fn line_states(insight: &Insight) -> Vec<String> {
    let order = insight.order("shop:1").unwrap().unwrap();
    let lines = order.lines.as_array().unwrap().clone();
    let text = |line: &serde_json::Value| {
        format!(
            "{} {} {}",
            line["line"].as_str().unwrap(),
            line["units"],
            line["status"].as_str().unwrap()
        )
    };
    lines.iter().map(text).collect()
}

/// What reno still has to do: (request, status, SKU × units).
fn to_do(insight: &Insight) -> Vec<(i64, String, String)> {
    let filter = RequestFilter {
        location: Some("reno".to_owned()),
        status: Some("open".to_owned()),
        limit: 10,
        ..RequestFilter::default()
    };
    let rows = insight.requests(&filter).unwrap().rows.into_iter();
    rows.map(|row| {
        let lines = row.lines.as_array().unwrap().clone();
        let each: Vec<String> = lines
            .iter()
            .map(|line| format!("{}×{}", line["units"], line["sku"].as_str().unwrap()))
            .collect();
        (row.number, row.status, each.join(" "))
    })
    .collect()
}

/// Given a journal and one more record, what lines are and what is left to do.
fn check(mut book: Book, events: Vec<OrderEvent>, lines: &[&str], left: &[(i64, &str, &str)]) {
    book.tell(1, events);
    let insight = folded(&book);
    assert_eq!(line_states(&insight), lines);
    let left: Vec<(i64, String, String)> = left
        .iter()
        .map(|(number, status, todo)| (*number, (*status).to_owned(), (*todo).to_owned()))
        .collect();
    assert_eq!(to_do(&insight), left);
}

#[test]
fn lines_go_from_open_to_shipped() {
    check(
        Book::with_order(1),
        Vec::new(),
        &["1 2 open", "2 1 open"],
        &[],
    );
    check(
        reserved(),
        Vec::new(),
        &["1 2 reserved", "2 1 reserved"],
        &[],
    );
    check(
        asked(),
        Vec::new(),
        &["1 2 requested", "2 1 requested"],
        &[(1, "sent", "2×A 1×B")],
    );
    check(
        asked(),
        vec![OrderEvent::RequestAcknowledged { request: 1 }],
        &["1 2 requested", "2 1 requested"],
        &[(1, "acknowledged", "2×A 1×B")],
    );
    check(
        asked(),
        vec![shipped("S1", ("1", "A", 2)), shipped("S2", ("2", "B", 1))],
        &["1 2 shipped", "2 1 shipped"],
        &[],
    );
}

/// A request of which a part has left stays on the list, with what is left.
#[test]
fn a_partly_shipped_request_is_still_to_do() {
    check(
        asked(),
        vec![shipped("S1", ("1", "A", 1))],
        &["1 2 partly_shipped", "2 1 requested"],
        &[(1, "partly_shipped", "1×A 1×B")],
    );
}

#[test]
fn what_a_location_cannot_do_is_open_again() {
    let reason = RejectReason::NotInStock;
    check(
        asked(),
        vec![OrderEvent::RequestRejected { request: 1, reason }],
        &["1 2 open", "2 1 open"],
        &[],
    );
    let lines = vec![request_line("1", "A", 1)];
    check(
        asked(),
        vec![OrderEvent::ShortPicked { request: 1, lines }],
        &["1 2 open", "2 1 requested"],
        &[(1, "sent", "1×A 1×B")],
    );
}

#[test]
fn cancelled_units_leave_lines_and_requests() {
    let stop = vec![request_line("2", "B", 1)];
    let gone = vec![LineUnits {
        line: LineId::new("2").unwrap(),
        units: 1,
    }];
    let reason = "customer".to_owned();
    check(
        asked(),
        vec![
            OrderEvent::LinesCancelled {
                lines: gone,
                reason,
                by_channel: false,
            },
            OrderEvent::RequestCancelAsked {
                request: 1,
                ask: 1,
                lines: stop,
            },
        ],
        &["1 2 requested", "2 0 cancelled"],
        &[(1, "cancelling", "2×A 1×B")],
    );
    let stop = vec![request_line("2", "B", 1)];
    check(
        asked(),
        vec![
            OrderEvent::RequestCancelAsked {
                request: 1,
                ask: 1,
                lines: stop.clone(),
            },
            OrderEvent::RequestCancelAsked {
                request: 1,
                ask: 2,
                lines: vec![request_line("1", "A", 1)],
            },
            OrderEvent::RequestCancelled {
                request: 1,
                ask: 1,
                lines: stop,
            },
        ],
        &["1 2 requested", "2 1 reserved"],
        &[(1, "cancelling", "2×A")],
    );
}

#[test]
fn what_is_let_go_or_given_back_is_open_again() {
    let all = plan(&[("1", "A", "reno", 2), ("2", "B", "reno", 1)], &[]);
    let lines = all.allocations[..1].to_vec();
    let released = OrderEvent::Released { attempt: 1, lines };
    check(
        reserved(),
        vec![released],
        &["1 2 open", "2 1 reserved"],
        &[],
    );
    let gave_back = OrderEvent::GaveBack {
        id: AttemptId {
            order: "shop:1".parse().unwrap(),
            attempt: 1,
        },
        sku: sku("A"),
        take: Take {
            location: place("reno"),
            units: 1,
        },
    };
    check(
        reserved(),
        vec![gave_back],
        &["1 2 open", "2 1 reserved"],
        &[],
    );
}

/// Units that a request takes are no longer free to be let go, and come back from it only.
#[test]
fn requested_units_are_counted_once() {
    let reason = RejectReason::CapacityFull;
    let lines = vec![request_line("2", "B", 1)];
    let events = vec![
        requested(1, "reno", vec![request_line("1", "A", 2)]),
        requested(2, "reno", lines),
        OrderEvent::RequestRejected { request: 1, reason },
    ];
    let todo = [(2, "created", "1×B")];
    check(reserved(), events, &["1 2 open", "2 1 requested"], &todo);
}

#[test]
fn a_request_says_how_far_it_is() {
    let (request, all) = (1, "2×A 1×B");
    let lines = ["1 2 requested", "2 1 requested"];
    let overdue = OrderEvent::RequestOverdue { request };
    check(
        asked(),
        vec![overdue.clone()],
        &lines,
        &[(1, "overdue", all)],
    );
    let acknowledged = OrderEvent::RequestAcknowledged { request };
    let late = vec![overdue, acknowledged];
    check(asked(), late, &lines, &[(1, "acknowledged", all)]);
    let stop = vec![request_line("2", "B", 1)];
    let kept = vec![
        OrderEvent::RequestCancelAsked {
            request,
            ask: 1,
            lines: stop,
        },
        OrderEvent::RequestCancelRefused { request, ask: 1 },
    ];
    check(asked(), kept, &lines, &[(1, "sent", all)]);
}

#[test]
fn units_sent_by_somebody_else_or_returned_are_told() {
    let units = |line: &str, units| LineUnits {
        line: LineId::new(line).unwrap(),
        units,
    };
    let shipment = ShipmentId::new("X").unwrap();
    let lines = vec![units("2", 1)];
    let elsewhere = OrderEvent::ShippedElsewhere { shipment, lines };
    check(
        Book::with_order(1),
        vec![elsewhere.clone()],
        &["1 2 open", "2 1 shipped"],
        &[],
    );
    let undone = OrderEvent::ElsewhereUndone {
        shipment: ShipmentId::new("X").unwrap(),
        lines: vec![units("2", 1)],
    };
    check(
        Book::with_order(1),
        vec![elsewhere.clone(), undone],
        &["1 2 open", "2 1 open"],
        &[],
    );
    let back = ReturnLine {
        line: LineId::new("1").unwrap(),
        units: 2,
        location: place("reno"),
        condition: None,
    };
    let returned = OrderEvent::Returned {
        return_id: ReturnId::new("R").unwrap(),
        lines: vec![back],
    };
    let all = vec![
        shipped("S1", ("1", "A", 2)),
        shipped("S2", ("2", "B", 1)),
        returned,
    ];
    check(asked(), all, &["1 2 returned", "2 1 shipped"], &[]);
    let (gone, reason) = (vec![units("1", 2)], "customer".to_owned());
    let undone = vec![
        OrderEvent::LinesCancelled {
            lines: gone.clone(),
            reason: reason.clone(),
            by_channel: true,
        },
        OrderEvent::CancelUndone {
            lines: gone,
            reason,
        },
    ];
    check(reserved(), undone, &["1 2 reserved", "2 1 reserved"], &[]);
    let refused = OrderEvent::Refused {
        why: Box::new(Rejection::Superseded),
    };
    check(
        Book::with_order(1),
        vec![refused],
        &["1 0 cancelled", "2 0 cancelled"],
        &[],
    );
}

#[test]
fn waiting_units_are_backordered() {
    let mut book = Book::new();
    book.order(1);
    let some = plan(&[("1", "A", "reno", 2)], &[("2", "B", 1)]);
    book.tell(1, vec![planned(1, some)]);
    book.tell(1, vec![OrderEvent::Reserved { attempt: 1 }]);
    check(
        book,
        vec![OrderEvent::BackorderedAt {
            skus: vec![sku("B")],
            locations: Vec::new(),
        }],
        &["1 2 reserved", "2 1 backordered"],
        &[],
    );
}

/// A newer statement of the channel leaves what an operator set, and lines it does not name.
#[test]
fn an_operators_lines_stay() {
    let mut book = Book::new();
    book.order(1);
    book.tell(
        1,
        vec![OrderEvent::LinesEdited {
            lines: vec![line_facts("1", "A", 7), line_facts("9", "C", 1)],
        }],
    );
    let merged = OrderEvent::Merged {
        facts: Box::new(facts(1)),
    };
    check(
        book,
        vec![merged],
        &["1 7 open", "2 1 open", "9 1 open"],
        &[],
    );
}

fn found(insight: &Insight, search: OrderSearch) -> Vec<String> {
    let search = OrderSearch {
        base: OrderFilter {
            limit: 50,
            ..search.base
        },
        ..search
    };
    let rows = insight.search_orders(&search).unwrap().rows;
    rows.into_iter().map(|row| row.name).collect()
}

/// Five orders: 1 is asked of reno, 2 waits for stock, 3 has an exception.
fn many() -> Insight {
    let mut book = asked();
    for number in 2..=5 {
        book.order(number);
    }
    let nowhere = plan(&[], &[("1", "A", 2), ("2", "B", 1)]);
    let skus = vec![sku("A"), sku("B")];
    let to = OrderStatus::Backordered;
    book.tell(
        2,
        vec![
            planned(1, nowhere),
            OrderEvent::BackorderedAt {
                skus,
                locations: Vec::new(),
            },
        ],
    );
    book.tell(2, vec![OrderEvent::StatusChanged { to }]);
    let opened = ExceptionOpened {
        key: ExceptionKey {
            kind: "conflict".to_owned(),
            subject: "order:shop:3".to_owned(),
            episode: 1,
        },
        cause: "Two say different things.".to_owned(),
        evidence: Vec::new(),
    };
    book.tell(3, vec![OrderEvent::ExceptionOpened(opened)]);
    folded(&book)
}

#[test]
fn orders_are_found_by_what_people_ask_for() {
    let insight = many();
    let changed = insight.order("shop:3").unwrap().unwrap().changed_at;
    let mut rows: Vec<(OrderSearch, &[&str])> =
        vec![(OrderSearch::default(), &["#5", "#4", "#3", "#2", "#1"])];
    let mut row = |set: &dyn Fn(&mut OrderSearch), names| {
        let mut search = OrderSearch::default();
        set(&mut search);
        rows.push((search, names));
    };
    row(&|search| search.backordered = Some(true), &["#2"]);
    row(&|search| search.location = Some("reno".to_owned()), &["#1"]);
    row(
        &|search| search.tag = Some("odd, really".to_owned()),
        &["#5", "#3", "#1"],
    );
    row(&|search| search.tag = Some("odd".to_owned()), &[]);
    row(&|search| search.test = Some(true), &["#5"]);
    row(&|search| search.changed_from = Some(changed), &["#3"]);
    row(
        &|search| search.base.status = Some("backordered".to_owned()),
        &["#2"],
    );
    row(
        &|search| search.base.placed_from = Some(1),
        &["#5", "#4", "#3"],
    );
    for (search, names) in rows {
        let asked = format!("{search:?}");
        assert_eq!(found(&insight, search), names, "{asked}");
    }
}

#[test]
fn orders_say_how_they_are() {
    let insight = many();
    let ids = ["shop:4", "shop:none", "shop:1"].map(str::to_owned);
    let mut search = OrderSearch {
        ids: Some(ids.into()),
        ..OrderSearch::default()
    };
    search.base.limit = 10;
    let rows = insight.search_orders(&search).unwrap().rows;
    let found: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(found, ["#4", "#1"]);
    assert_eq!(rows[1].requests[0].status, "sent");
    let second = insight.order("shop:2").unwrap().unwrap();
    assert_eq!(
        (second.backordered_units, second.status.as_str()),
        (3, "backordered")
    );
    let third = insight.order("shop:3").unwrap().unwrap();
    assert_eq!(third.open_exceptions, 1);
    let last = "Needs a person (conflict): Two say different things.";
    assert_eq!(third.last_change, last);
}

#[test]
fn a_timeline_tells_every_step() {
    let mut book = asked();
    book.tell(
        1,
        vec![
            shipped("S1", ("1", "A", 2)),
            OrderEvent::EffectDone { effect: 1 },
        ],
    );
    let insight = folded(&book);
    let steps = insight.timeline("shop:1").unwrap();
    let told: Vec<&str> = steps.iter().map(|step| step.sentence.as_str()).collect();
    assert_eq!(
        told,
        [
            "Received from shop as #1: 2 lines, 3 units.",
            "Planned by rule 'default': no location was looked at; taking 2 × A at reno, 1 × B at reno.",
            "All that was planned is reserved for this order.",
            "Request 1 made out to reno: 2 × A, 1 × B.",
            "Request 1 sent to reno, to be acknowledged by 2027-01-15 08:00 UTC.",
            "Parcel S1 of request 1 left from reno with 2 × A, tracking UPS 1Z.",
        ]
    );
    assert_eq!(
        (
            steps[5].kind.as_str(),
            steps[5].details["shipment"].as_str()
        ),
        ("shipped", Some("S1"))
    );
    assert_eq!(steps[3].principal, "ada");
    let parcels = insight.shipments("shop:1").unwrap();
    assert_eq!(
        (
            parcels[0].request,
            parcels[0].number.as_deref(),
            parcels[0].at
        ),
        (Some(1), Some("1Z"), 77)
    );
}

/// What a location is asked to stop is listed by the number that its answer names.
#[test]
fn asks_are_listed_until_they_are_answered() {
    let mut book = asked();
    let ask = |ask, line: &str, sku: &str| OrderEvent::RequestCancelAsked {
        request: 1,
        ask,
        lines: vec![request_line(line, sku, 1)],
    };
    book.tell(1, vec![ask(1, "1", "A"), ask(2, "2", "B")]);
    book.tell(
        1,
        vec![OrderEvent::RequestCancelRefused { request: 1, ask: 1 }],
    );
    let filter = RequestFilter {
        limit: 10,
        ..RequestFilter::default()
    };
    let rows = folded(&book).requests(&filter).unwrap().rows;
    let lines = serde_json::json!([{ "line": "2", "sku": "B", "units": 1 }]);
    assert_eq!(
        rows[0].asks,
        serde_json::json!([{ "ask": 2, "lines": lines }])
    );
}

/// What the channel is to know of an order is shown with what became of it; where nobody is to be told, nothing is.
#[test]
fn what_the_channel_is_told_is_shown() {
    let lines = vec![LineUnits {
        line: LineId::new("1").unwrap(),
        units: 2,
    }];
    let made = OrderEvent::ReportMade {
        report: 1,
        kind: ReportKind::Shipped {
            request: 1,
            shipment: ShipmentId::new("S1").unwrap(),
            location: place("reno"),
            lines,
            tracking: None,
            shipped_at: Timestamp::default(),
        },
    };
    let failed = |retry_at| OrderEvent::ReportFailed {
        report: 1,
        error: "no answer".to_owned(),
        in_doubt: true,
        failures: 1,
        retry_at,
    };
    let ended = |end| OrderEvent::ReportEnded { report: 1, end };
    let again = Some(Timestamp::from_ms(9));
    let theirs = Some(ShipmentId::new("f1").unwrap());
    let table = [
        (vec![], Some(("waiting", None, None))),
        (
            vec![OrderEvent::ReportBegun { report: 1 }],
            Some(("telling", None, None)),
        ),
        (
            vec![failed(again)],
            Some(("in_doubt", Some("no answer"), None)),
        ),
        (vec![failed(None)], Some(("left", Some("no answer"), None))),
        (
            vec![failed(again), OrderEvent::ReportRetried { report: 1 }],
            Some(("waiting", None, None)),
        ),
        (
            vec![failed(again), ended(ReportEnd::Told { theirs })],
            Some(("told", None, Some("f1"))),
        ),
        (vec![ended(ReportEnd::Void)], Some(("void", None, None))),
        (vec![ended(ReportEnd::NotTold)], None),
    ];
    for (events, expected) in table {
        let mut book = Book::with_order(1);
        let what = format!("{events:?}");
        book.tell(1, std::iter::once(made.clone()).chain(events).collect());
        let insight = folded(&book);
        let reports = insight.reports("shop:1").unwrap();
        let shown = reports.first().map(|one| {
            assert_eq!(one.parcel, Some((1, "S1".to_owned())));
            (
                one.status.as_str(),
                one.error.as_deref(),
                one.theirs.as_deref(),
            )
        });
        assert_eq!(shown, expected, "{what}");
        let status = expected.map(|(status, _, _)| status);
        check_owed(
            &insight,
            status.filter(|status| !["told", "void"].contains(status)),
        );
    }
}

/// The shop is to know of one report that is in that state, or of none.
#[track_caller]
fn check_owed(insight: &Insight, status: Option<&str>) {
    let owed = insight.reports_owed().unwrap();
    let owed = owed
        .iter()
        .map(|count| (&*count.channel, &*count.status, count.reports));
    let expected = status.map(|status| ("shop", status, 1));
    assert_eq!(owed.collect::<Vec<_>>(), Vec::from_iter(expected));
}

#[test]
fn orders_are_counted_by_channel_and_state() {
    let mut book = Book::new();
    (1..=3).for_each(|number| drop(book.order(number)));
    let cancelled = OrderEvent::StatusChanged {
        to: OrderStatus::Cancelled,
    };
    book.tell(3, vec![cancelled]);
    let counts = folded(&book).order_counts().unwrap();
    let counts = counts
        .iter()
        .map(|count| (&*count.channel, &*count.status, count.orders));
    let expected = [("shop", "cancelled", 1), ("shop", "received", 2)];
    assert_eq!(counts.collect::<Vec<_>>(), expected);
}
