//! What is not wanted any more, by whom, and wanted again; and lines that are made otherwise than before.

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{
    LineFacts, OrderFacts, OrderStatus, Origin, Part, RefundLine, Restock, ReturnLine, Sale,
};
use crossdock_model::{Answer, Rejection};

use super::scene::*;

fn at(ms_after: i64, lines: &[LineFacts]) -> OrderFacts {
    OrderFacts {
        updated_at: ms(T0 + ms_after),
        ..facts(Sale::AlreadySold, lines)
    }
}

fn said(ms_after: i64, lines: &[LineFacts]) -> OrderCommand {
    stated(at(ms_after, lines), Origin::Channel)
}

/// A line of which the channel says that so many are cancelled.
fn cut(ordered: u32, cancelled_units: u32) -> LineFacts {
    LineFacts {
        cancelled_units,
        ..line("1", "A", ordered)
    }
}

fn refund(refund: &str, units: u32, restock: Restock) -> OrderCommand {
    OrderCommand::Refund {
        refund: id(refund),
        lines: vec![RefundLine {
            line: id("1"),
            units,
            restock,
            location: None,
        }],
    }
}

fn cancel(units_of_1: u32) -> OrderCommand {
    OrderCommand::Cancel {
        reason: "buyer".to_owned(),
        lines: Some(vec![units("1", units_of_1)]),
    }
}

fn back(return_id: &str, line: &str, units: u32) -> OrderCommand {
    OrderCommand::Return {
        return_id: id(return_id),
        lines: vec![ReturnLine {
            line: id(line),
            units,
            location: id("reno"),
            condition: None,
        }],
    }
}

/// So many units of A at reno, asked of it.
fn asked(units: u32) -> Scene {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", units)]))
        .plan(plan(&[("1", "A", "reno", units)], &[]))
        .reserved("A")
        .slot("reno")
        .told()
        .delivered(None);
    scene
}

fn open_units(scene: &Scene) -> u32 {
    let order = scene.order().order.as_deref().expect("an order");
    order.lines[&id("1")].open_units()
}

#[test]
fn cancellations_add_up_by_who_says_so() {
    let refunded = |units| refund("r", units, Restock::Cancel);
    // (what is told of an order of four, units that are still wanted of it)
    let table = [
        (vec![said(1, &[cut(4, 1)]), refunded(1)], 2),
        (vec![refunded(1), said(1, &[cut(4, 1)])], 2),
        (vec![refunded(1), said(1, &[cut(4, 0)])], 3),
        // The buyer told both of us: it is one wish.
        (vec![cancel(1), said(1, &[cut(4, 1)])], 3),
        (vec![cancel(1), refunded(2)], 2),
        (vec![refunded(2), cancel(1)], 1),
        // A newer statement has the last word on its own.
        (vec![said(1, &[cut(4, 3)]), said(2, &[cut(4, 1)])], 3),
        (
            vec![cancel(2), said(1, &[cut(4, 3)]), said(2, &[cut(4, 0)])],
            2,
        ),
        (
            vec![said(1, &[line("2", "A", 1)]), said(2, &[cut(4, 0)])],
            4,
        ),
        (
            vec![said(1, &[line("2", "A", 1)]), said(2, &[cut(4, 1)])],
            3,
        ),
        // What left is not cancelled, by no one.
        (vec![said(1, &[cut(4, 4)]), ship(1, "s", &[])], 4),
        (
            vec![ship(1, "s", &[request_line("1", "A", 3)]), refunded(3)],
            3,
        ),
    ];
    for (told, wanted) in table {
        let mut scene = asked(4);
        for command in &told {
            scene.tell(command.clone());
            assert!(scene.answer.is_ok(), "{command:?}: {:?}", scene.answer);
        }
        assert_eq!(open_units(&scene), wanted, "{told:#?}");
        scene.recovers();
    }
}

/// Shopify: not restocked units that were fulfilled stay with the buyer, and what is returned had been fulfilled.
#[test]
fn refunds_of_what_has_left_cancel_nothing_that_has_not() {
    // (refunds of an order of three of which one has left, units still wanted with that one)
    let table = [
        (vec![(1, Restock::No)], 3),
        (vec![(2, Restock::No)], 2),
        (vec![(1, Restock::No), (1, Restock::No)], 2),
        (vec![(1, Restock::Return), (1, Restock::No)], 2),
        (vec![(1, Restock::Return)], 3),
        (vec![(1, Restock::Cancel)], 2),
        (vec![(3, Restock::Cancel)], 1),
    ];
    for (refunds, wanted) in table {
        let mut scene = asked(3);
        scene.tell(ship(1, "s", &[request_line("1", "A", 1)]));
        for (number, (units, restock)) in refunds.iter().enumerate() {
            scene.tell(refund(&format!("r{number}"), *units, *restock));
        }
        assert_eq!(open_units(&scene), wanted, "{refunds:?}");
    }
}

#[test]
fn refunds_name_lines_and_units_that_there_are() {
    let mut scene = asked(2);
    let version = scene.entity.version();
    let mut unknown = refund("r", 1, Restock::No);
    if let OrderCommand::Refund { lines, .. } = &mut unknown {
        lines[0].line = id("9");
    }
    let most = refund("r", u32::MAX, Restock::No);
    for wrong in [
        unknown,
        refund("r", 0, Restock::No),
        refund("r", 3, Restock::No),
        most,
    ] {
        scene.tell(wrong.clone());
        let invalid = matches!(scene.answer, Err(Rejection::Invalid { .. }));
        assert!(invalid, "{wrong:?}: {:?}", scene.answer);
    }
    assert_eq!(scene.entity.version(), version);
}

/// Cancellations hold whenever they are heard of; what lines had cancelled is superseded by what is newer.
#[test]
fn a_cancellation_that_is_not_newer_is_heard() {
    let cancelled = |ms_after, lines: &[LineFacts]| {
        let mut facts = at(ms_after, lines);
        facts.cancelled = Some((ms(T0), "fraud".to_owned()));
        stated(facts, Origin::Channel)
    };
    // (the second statement, beside one as of T0 + 5; units still wanted of four)
    let table = [
        (cancelled(5, &[cut(4, 0)]), 0),
        (cancelled(1, &[cut(4, 0)]), 0),
        (said(5, &[cut(4, 3)]), 1),
        (said(1, &[cut(4, 3)]), 4),
    ];
    for (second, wanted) in table {
        let mut scene = asked(4);
        scene.tell(said(5, &[cut(4, 0)])).tell(second.clone());
        let version = scene.entity.version();
        scene.tell(second.clone());
        assert_eq!(scene.entity.version(), version, "heard twice: {second:?}");
        assert_eq!(open_units(&scene), wanted, "{second:#?}");
        scene.recovers();
    }
}

#[test]
fn a_line_that_begun_is_not_sent_again_as_something_else() {
    let mut scene = asked(2);
    scene
        .tell(ship(1, "s1", &[request_line("1", "A", 1)]))
        .told();
    // The listing stands for another SKU from now on: the other unit is that, once its location has stopped.
    scene.tell(said(1, &[line("1", "B", 2)]));
    scene.check(OrderStatus::PartlyShipped, &["reno cancel1.1 A:1"]);
    let mut stopped = asked(1);
    stopped.tell(said(1, &[line("1", "B", 1)])).delivered(None);
    stopped.tell(answer_cancel(1, None, true)).told();
    stopped.check(OrderStatus::Received, &["plan 1/B:1"]);
    // The location sends it all the same: then nothing is left to send.
    scene.tell(ship(1, "s2", &[])).told();
    scene.check(OrderStatus::Shipped, &[]);
    scene.tell(back("b", "1", 2));
    scene.check(OrderStatus::Shipped, &["A return reno:2"]);
}

#[test]
fn a_shipped_line_stays_shipped_whatever_it_is_called() {
    for restated in [
        said(1, &[line("1", "B", 1)]),
        said(
            1,
            &[LineFacts {
                ships: false,
                parts: vec![],
                ..line("1", "B", 1)
            }],
        ),
    ] {
        let mut scene = asked(1);
        scene.tell(ship(1, "s1", &[])).told().tell(restated);
        scene.check(OrderStatus::Shipped, &[]);
    }
    let mut scene = asked(1);
    scene.tell(ship(1, "s1", &[])).told();
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("1", Some("B"), 1)],
    });
    scene.check(OrderStatus::Shipped, &[]);
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("1", None, 2)],
    });
    scene.check(OrderStatus::PartlyShipped, &["plan 1/B:1"]);
}

/// A set of two, of which one part has left: the other part follows though sets are made otherwise now.
#[test]
fn what_has_begun_is_completed_as_it_began() {
    let set = |parts: &[(&str, u32)]| LineFacts {
        parts: parts
            .iter()
            .map(|(sku, units_per_line_unit)| Part {
                sku: id(sku),
                units_per_line_unit: *units_per_line_unit,
            })
            .collect(),
        ..line("1", "A", 2)
    };
    let mut scene = Scene::new();
    scene
        .tell(sold(&[set(&[("A", 1), ("B", 1)])]))
        .plan(plan(&[("1", "A", "reno", 2), ("1", "B", "newark", 2)], &[]))
        .reserved("A")
        .reserved("B")
        .slot("newark")
        .slot("reno")
        .told()
        .delivered(None)
        .delivered(None);
    scene
        .tell(ship(2, "s", &[request_line("1", "A", 1)]))
        .told();
    scene.tell(said(1, &[set(&[("C", 3)])]));
    scene.check(
        OrderStatus::PartlyShipped,
        &["newark cancel1.1 B:1", "reno cancel2.1 A:1"],
    );
    scene.tell(said(2, &[set(&[("A", 1), ("B", 1)])]));
    let order = scene.order().order.as_deref().expect("an order");
    assert!(
        order.missing().is_empty(),
        "as it was: {:?}",
        order.missing()
    );
}

#[test]
fn an_order_that_was_over_is_taken_up_when_more_is_sold() {
    let gift = LineFacts {
        ships: false,
        parts: vec![],
        ..line("1", "A", 1)
    };
    let mut closed = Scene::new();
    closed.tell(sold(std::slice::from_ref(&gift)));
    closed.check(OrderStatus::Closed, &[]);
    closed.tell(said(1, &[gift, line("2", "B", 1)]));
    closed.check(OrderStatus::Received, &["plan 2/B:1"]);

    let mut cancelled = asked(1);
    cancelled
        .tell(said(1, &[cut(1, 1)]))
        .tell(answer_cancel(1, None, true));
    cancelled.told().check(OrderStatus::Cancelled, &[]);
    cancelled
        .tell(said(2, &[cut(1, 1)]))
        .check(OrderStatus::Cancelled, &[]);
    cancelled.tell(said(3, &[cut(1, 1), line("2", "B", 1)]));
    cancelled.check(OrderStatus::Received, &["plan 2/B:1"]);
    cancelled
        .plan(plan(&[("2", "B", "reno", 1)], &[]))
        .reserved("B")
        .slot("reno")
        .told();
    cancelled.check(OrderStatus::Requested, &["reno fulfil2 B:1"]);

    let mut refused = Scene::new();
    let expires_at = ms(T0 + 1_000);
    refused.tell(stated(
        facts(Sale::Asks, &[line("1", "A", 1)]),
        Origin::Hold { expires_at },
    ));
    refused
        .plan(plan(&[("1", "A", "reno", 1)], &[]))
        .reserved("A")
        .slot("reno")
        .wake()
        .told();
    refused
        .tell(said(2_000, &[line("1", "A", 5)]))
        .check(OrderStatus::Cancelled, &[]);
}

#[test]
fn goods_come_back_long_after() {
    let mut scene = asked(1);
    scene.tell(ship(1, "s", &[])).told();
    scene.wake().check(OrderStatus::Closed, &[]);
    scene.tell(back("b", "1", 1));
    scene.check(OrderStatus::Closed, &["A return reno:1"]);
    scene.tell(back("c", "1", 1));
    assert!(matches!(scene.answer, Err(Rejection::WrongState { .. })));
}

/// Each location numbers its parcels as it likes, and so does the channel.
#[test]
fn parcels_are_told_apart_by_who_sends_them() {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[
            line("1", "A", 1),
            line("2", "B", 1),
            line("3", "A", 1),
        ]))
        .plan(plan(
            &[
                ("1", "A", "reno", 1),
                ("2", "B", "newark", 1),
                ("3", "A", "reno", 1),
            ],
            &[],
        ))
        .reserved("A")
        .reserved("B")
        .slot("newark")
        .slot("reno")
        .told();
    let elsewhere = |line: &str| OrderCommand::ShippedElsewhere {
        shipment: id("1"),
        lines: vec![units(line, 1)],
        tracking: None,
    };
    scene.tell(ship(1, "1", &[])).tell(elsewhere("3"));
    scene.tell(ship(2, "1", &[request_line("1", "A", 1)]));
    let order = scene.order().order.as_deref().expect("an order");
    assert!(order.lines.values().all(|line| line.sent_units() == 1));
    scene.tell(ship(1, "1", &[]));
    assert_eq!(scene.answer, Ok(Answer::Done));
    scene.tell(ship(2, "1", &[request_line("3", "A", 1)]));
    assert!(matches!(scene.answer, Err(Rejection::IdConflict(_))));
    scene.recovers();
}

#[test]
fn the_channel_does_not_remove_what_an_operator_set_unnoticed() {
    let mut scene = asked(2);
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("1", None, 1)],
    });
    scene.tell(said(1, &[line("2", "B", 1)]));
    assert_eq!(
        (open_units(&scene), scene.open_exceptions()),
        (1, vec!["conflict".to_owned()])
    );
}

/// What an operator does not say of a line stays.
#[test]
fn an_edited_line_is_what_it_was() {
    let six = LineFacts {
        title: "Six mugs".to_owned(),
        parts: vec![Part {
            sku: id("A"),
            units_per_line_unit: 6,
        }],
        ..line("1", "A", 2)
    };
    let gift = LineFacts {
        ships: false,
        parts: vec![],
        ..line("2", "B", 1)
    };
    let mut scene = Scene::new();
    scene
        .tell(sold(&[six.clone(), gift.clone()]))
        .check(OrderStatus::Received, &["plan 1/A:12"]);
    let units = |ordered_units, of: &LineFacts| LineFacts {
        ordered_units,
        ..of.clone()
    };
    let called_b = |of| LineFacts {
        title: "B".to_owned(),
        ..of
    };
    // (the edit, and what the line is then)
    let table = [
        (edit("1", None, 3), units(3, &six)),
        (edit("1", Some("A"), 4), units(4, &six)),
        (edit("1", Some("B"), 4), called_b(line("1", "B", 4))),
        (edit("2", None, 5), units(5, &gift)),
        (edit("3", Some("B"), 1), called_b(line("3", "B", 1))),
        (edit("1", None, 0), called_b(line("1", "B", 0))),
    ];
    for (edit, then) in table {
        scene.tell(OrderCommand::EditLines {
            lines: vec![edit.clone()],
        });
        assert_eq!(scene.answer, Ok(Answer::Done), "{edit:?}");
        let order = scene.order().order.as_deref().expect("an order");
        assert_eq!(order.lines[&then.line].facts, then, "{edit:?}");
    }
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("4", None, 1)],
    });
    assert!(matches!(scene.answer, Err(Rejection::Invalid { .. })));
}

#[test]
fn what_a_location_was_asked_to_stop_is_cancelled_once() {
    let mut scene = requested();
    let whole = || OrderCommand::Cancel {
        reason: "buyer".to_owned(),
        lines: None,
    };
    scene.tell(whole());
    let (version, then) = (scene.entity.version(), scene.effects());
    assert!(then[0].starts_with("reno cancel1.1"), "{then:?}");
    scene.tell(whole());
    assert_eq!(scene.answer, Ok(Answer::Done));
    assert_eq!((scene.entity.version(), scene.effects()), (version, then));
}

#[test]
fn nothing_is_held_of_what_has_left() {
    let hold = |lines: &[&str]| OrderCommand::Hold {
        lines: lines.iter().map(|line| id(line)).collect(),
        reason: "fraud?".to_owned(),
        until: None,
    };
    let mut scene = requested();
    scene.tell(ship(1, "s1", &[])).told();
    for lines in [&[][..], &["1"]] {
        scene.tell(hold(lines));
        let refused = matches!(scene.answer, Err(Rejection::WrongState { .. }));
        assert!(refused, "{:?}", scene.answer);
    }
    // What is added can be.
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("9", Some("B"), 1)],
    });
    scene.tell(hold(&["1"]));
    assert!(scene.answer.is_err());
    scene.tell(hold(&["9"]));
    assert_eq!(scene.answer, Ok(Answer::Done));
}

#[test]
fn what_came_back_was_sent_whatever_is_taken_back() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 3)]));
    scene
        .tell(OrderCommand::ShippedElsewhere {
            shipment: id("x"),
            lines: vec![units("1", 3)],
            tracking: None,
        })
        .tell(back("b", "1", 1))
        .tell(OrderCommand::UndoElsewhere { shipment: id("x") });
    assert_eq!(scene.answer, Ok(Answer::Done));
    let order = scene.order().order.as_deref().expect("an order");
    let line = &order.lines[&id("1")];
    assert_eq!(
        (line.elsewhere, line.returned, line.open_units()),
        (1, 1, 2)
    );
}
