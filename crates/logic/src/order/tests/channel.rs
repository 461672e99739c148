//! What a channel says in parts: adopted without ids, edited, refunded, sent by others and taken back.

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{
    LineFacts, OrderFacts, OrderStatus, Origin, Payment, RefundLine, Restock, Sale,
};
use crossdock_model::{Rejection, Timestamp};

use super::scene::*;

fn at(facts: OrderFacts, ms_after: i64) -> OrderFacts {
    OrderFacts {
        updated_at: ms(T0 + ms_after),
        ..facts
    }
}

fn sold_at(lines: &[LineFacts], ms_after: i64) -> OrderCommand {
    let facts = at(facts(Sale::AlreadySold, lines), ms_after);
    stated(facts, Origin::Channel)
}

fn refund(refund: &str, line: &str, units: u32) -> OrderCommand {
    OrderCommand::Refund {
        refund: id(refund),
        lines: vec![RefundLine {
            line: id(line),
            units,
            restock: Restock::Cancel,
            location: None,
        }],
    }
}

fn edited(edited_at: Timestamp, line: &str, removed: u32) -> OrderCommand {
    OrderCommand::Edited {
        edited_at,
        removed: vec![units(line, removed)],
    }
}

fn cancelled(scene: &Scene, line: &str) -> u32 {
    let order = scene.order().order.as_deref().expect("an order");
    order.lines[&id(line)].cancelled
}

/// An order of an export without ids, released and asked of reno.
fn adopted(lines: &[LineFacts], placed: &[Placed<'_>]) -> Scene {
    let mut scene = Scene::new();
    scene.tell(stated(facts(Sale::AlreadySold, lines), Origin::Adopted));
    scene.plan(plan(placed, &[]));
    for sku in ["A", "B"] {
        if placed.iter().any(|one| one.1 == sku) {
            scene.reserved(sku);
        }
    }
    scene.slot("reno").told().tell(OrderCommand::Free);
    scene
}

/// What the shop states with its own ids is what was adopted: nothing is sent a second time.
#[test]
fn adopted_lines_are_the_channels_own() {
    let (a, b) = ("A", "B");
    let whole = [("export-1", a, 2), ("export-2", b, 1)];
    // (what the shop states, which line is which, what is placed beyond what reno has)
    let table = [
        (
            vec![("301", a, 2), ("302", b, 1)],
            "301=export-1 302=export-2",
            vec![],
        ),
        (
            vec![("302", b, 1), ("301", a, 2)],
            "301=export-1 302=export-2",
            vec![],
        ),
        (
            vec![("301", a, 3), ("302", b, 1)],
            "301=export-1 302=export-2",
            vec!["plan export-1/A:1"],
        ),
        (
            vec![("301", a, 2), ("302", b, 1), ("303", a, 1)],
            "301=export-1 302=export-2",
            vec!["plan 303/A:1"],
        ),
    ];
    for (stated, bound, then) in table {
        let facts = |lines: &[(&str, &str, u32)]| -> Vec<LineFacts> {
            lines.iter().map(|(l, sku, n)| line(l, sku, *n)).collect()
        };
        let placed = whole.map(|(line, sku, units)| (line, sku, "reno", units));
        let mut scene = adopted(&facts(&whole), &placed);
        scene.check(OrderStatus::Requested, &["reno fulfil1 A:2,B:1"]);
        scene.tell(sold_at(&facts(&stated), 1));
        let mut effects = vec!["reno fulfil1 A:2,B:1"];
        effects.extend(then);
        scene.check(OrderStatus::Requested, &effects);
        let order = scene.order().order.as_deref().expect("an order");
        let known: Vec<_> = order
            .seen
            .bound
            .iter()
            .map(|(l, ours)| format!("{l}={ours}"))
            .collect();
        assert_eq!(known.join(" "), bound, "{stated:?}");
    }
}

/// A statement that names some of the lines, or none, leaves the others their way to a partner.
#[test]
fn adopted_lines_find_their_partners_as_they_are_stated() {
    let whole = [line("export-1", "A", 2), line("export-2", "B", 1)];
    let placed = [("export-1", "A", "reno", 2), ("export-2", "B", "reno", 1)];
    let mut scene = adopted(&whole, &placed);
    let mut cancelled = at(facts(Sale::AlreadySold, &[]), -2);
    cancelled.cancelled = Some((ms(T0), "no lines are named".to_owned()));
    scene.tell(stated(cancelled, Origin::Channel));
    assert!(!scene.events().contains(&"LinesBound".to_owned()));

    let mut scene = adopted(&whole, &placed);
    // As old as what is known: it says what lines are called, and changes none.
    scene.tell(sold_at(&[line("302", "B", 1)], 0));
    scene.tell(refund("r1", "301", 1));
    assert!(matches!(scene.answer, Err(Rejection::NotFound(_))));
    scene.tell(sold_at(&[line("301", "A", 2), line("302", "B", 1)], 1));
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2,B:1"]);
    scene
        .tell(refund("r1", "301", 1))
        .tell(refund("r2", "302", 1));
    assert!(scene.answer.is_ok(), "{:?}", scene.answer);
    scene.recovers();
}

/// An export without ids says nothing of lines whose ids the shop has told.
#[test]
fn an_export_without_ids_changes_no_order_that_has_them() {
    let of_export = |ms_after| {
        let lines = [line("export-1", "A", 2), line("export-2", "B", 1)];
        let facts = at(facts(Sale::AlreadySold, &lines), ms_after);
        stated(facts, Origin::Adopted)
    };
    let mut scene = requested();
    let version = scene.entity.version();
    scene.tell(of_export(5_000));
    assert_eq!(scene.entity.version(), version);

    let mut scene = adopted(&[line("export-1", "A", 2)], &[("export-1", "A", "reno", 2)]);
    scene.tell(sold_at(&[line("301", "A", 2)], 1));
    let version = scene.entity.version();
    scene.tell(of_export(5_000));
    assert_eq!(scene.entity.version(), version);
}

/// Mapped anew between the export and the statement: the place in the order tells.
#[test]
fn an_adopted_line_that_stands_for_something_else_now_is_replaced() {
    let mut scene = adopted(&[line("export-1", "A", 2)], &[("export-1", "A", "reno", 2)]);
    scene.tell(sold_at(&[line("301", "B", 2)], 1));
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:2"]);
    scene.tell(answer_cancel(1, None, true)).told();
    scene.check(OrderStatus::Received, &["plan export-1/B:2"]);
}

/// A refund that comes before the channel's ids are known waits for them; later facts are read by them.
#[test]
fn facts_about_adopted_lines_are_read_by_the_channels_ids() {
    let mut scene = adopted(&[line("export-1", "A", 3)], &[("export-1", "A", "reno", 3)]);
    scene.tell(refund("r1", "301", 1));
    assert!(matches!(scene.answer, Err(Rejection::NotFound(_))));
    // The export again says nothing of ids.
    let again = at(facts(Sale::AlreadySold, &[line("export-1", "A", 3)]), 1);
    scene.tell(stated(again, Origin::Adopted));
    scene.tell(refund("r1", "301", 1));
    assert!(matches!(scene.answer, Err(Rejection::NotFound(_))));
    scene.tell(sold_at(&[line("301", "A", 3)], 2));
    scene.tell(refund("r1", "301", 1));
    scene.tell(edited(ms(T0 + 3), "301", 1));
    scene.tell(OrderCommand::ShippedElsewhere {
        shipment: id("f1"),
        lines: vec![units("301", 1)],
        tracking: None,
    });
    scene.told();
    assert_eq!(cancelled(&scene, "export-1"), 2);
    scene.check(
        OrderStatus::PartlyShipped,
        &[
            "reno cancel1.1 A:1",
            "reno cancel1.2 A:1",
            "reno cancel1.3 A:1",
        ],
    );
}

#[test]
fn what_an_edit_took_out_is_not_sent_and_is_not_taken_out_twice() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 5)]));
    scene
        .plan(plan(&[("1", "A", "reno", 5)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    let version = scene.entity.version();
    scene.tell(edited(ms(T0 - 1_000), "1", 2));
    assert_eq!(
        scene.entity.version(),
        version,
        "the statement is as new as that"
    );
    scene
        .tell(edited(ms(T0), "1", 2))
        .tell(edited(ms(T0), "1", 2));
    assert_eq!(cancelled(&scene, "1"), 2);
    let mut edit = line("1", "A", 5);
    edit.cancelled_units = 2;
    scene.tell(sold_at(&[edit.clone()], 1));
    assert_eq!(cancelled(&scene, "1"), 2);
    // A refund takes out another one, and a statement of both none.
    scene.tell(refund("r", "1", 1)).tell(sold_at(&[edit], 2));
    assert_eq!(cancelled(&scene, "1"), 3);
    scene.told().recovers();
}

#[test]
fn an_edit_that_no_statement_follows_needs_a_person() {
    let mut scene = requested();
    scene.delivered(None);
    scene.tell(edited(ms(T0), "9", 1));
    assert_eq!(scene.events().last().map(String::as_str), Some("EditSeen"));
    assert!(scene.open_exceptions().is_empty());
    scene.wake();
    assert_eq!(
        (scene.now, scene.open_exceptions()),
        (T0 + 600_000, vec!["unstated_edit".to_owned()])
    );
    scene.tell(sold_at(&[line("1", "A", 2)], 1));
    assert!(scene.open_exceptions().is_empty());
    scene.recovers();
}

/// Also when it is told that it was taken back before it is told that it was sent.
#[test]
fn what_others_did_not_send_after_all_is_sent() {
    let elsewhere = |shipment: &str| OrderCommand::ShippedElsewhere {
        shipment: id(shipment),
        lines: vec![units("1", 2)],
        tracking: None,
    };
    let undo = |shipment: &str| OrderCommand::UndoElsewhere {
        shipment: id(shipment),
    };
    let mut scene = Scene::new();
    let mut unpaid = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    unpaid.payment = Payment::Pending;
    scene.tell(stated(unpaid, Origin::Channel));
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.tell(undo("f0")).tell(elsewhere("f0"));
    assert_eq!(scene.status(), OrderStatus::Reserved);
    scene.tell(elsewhere("f1")).told();
    assert_eq!(scene.status(), OrderStatus::Shipped);
    scene.tell(undo("f1"));
    assert_eq!(scene.status(), OrderStatus::Received);
    let version = scene.entity.version();
    scene.tell(undo("f1")).tell(elsewhere("f1"));
    assert_eq!(scene.entity.version(), version);
    scene.recovers();
}

/// Money that will not come is of no matter for what nobody has to send.
#[test]
fn a_voided_payment_needs_nobody_once_everything_has_left() {
    let mut scene = requested();
    scene.delivered(None).tell(ship(1, "p1", &[]));
    let mut given_back = at(facts(Sale::AlreadySold, &[line("1", "A", 2)]), 1);
    given_back.payment = Payment::Voided;
    scene.tell(stated(given_back, Origin::Channel));
    assert!(scene.open_exceptions().is_empty());
}

/// A line that was edited down to nothing keeps nobody from the rest.
#[test]
fn a_line_of_no_units_needs_nothing() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 0), line("2", "B", 1)]));
    scene.check(OrderStatus::Received, &["plan 2/B:1"]);
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 0)]));
    scene.check(OrderStatus::Cancelled, &[]);
}

/// What its channel sends from stock of its own is known, and nothing more: nothing is reserved, requested or told.
#[test]
fn an_order_that_its_channel_sends_is_open_until_it_has_left() {
    let mut lines = vec![line("1", "A", 2)];
    lines[0].ships = false;
    lines[0].parts.clear();
    let of = |lines: &[LineFacts], after: i64| at(facts(Sale::AlreadySold, lines), after);
    let theirs = || {
        let mut scene = Scene::new();
        scene.tell(stated(of(&lines, 0), Origin::SentByChannel));
        scene.check(OrderStatus::Received, &[]);
        assert!(scene.summary().placed, "nothing waits for it");
        scene
    };
    let sent = |shipment: &str, of: u32| OrderCommand::ShippedElsewhere {
        shipment: id(shipment),
        lines: vec![units("1", of)],
        tracking: None,
    };
    let mut scene = theirs();
    scene.tell(OrderCommand::Cancel {
        reason: "buyer".to_owned(),
        lines: None,
    });
    assert!(matches!(scene.answer, Err(Rejection::WrongState { .. })));
    scene.tell(sent("f1", 1));
    scene.check(OrderStatus::PartlyShipped, &[]);
    scene.tell(sent("f2", 1));
    scene.check(OrderStatus::Shipped, &[]);
    let mut scene = theirs();
    let mut over = of(&lines, 1);
    over.cancelled = Some((ms(T0), "by buyer".to_owned()));
    scene.tell(stated(over, Origin::SentByChannel));
    scene.check(OrderStatus::Cancelled, &[]);
    assert!(scene.open_exceptions().is_empty());
}
