//! What people, channels and locations change.

use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{
    Destination, ExceptionKey, OrderStatus, Origin, Payment, RefundLine, RejectReason, Restock,
    ReturnLine, Sale,
};
use crossdock_model::{Answer, Rejection, Timestamp};

use super::scene::*;

fn cancel(lines: Option<Vec<crossdock_model::v1::LineUnits>>) -> OrderCommand {
    OrderCommand::Cancel {
        reason: "buyer".to_owned(),
        lines,
    }
}

/// Reserved at reno, and not requested because it is on hold.
fn reserved_on_hold() -> Scene {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 2)]));
    scene.tell(OrderCommand::Hold {
        lines: vec![],
        reason: "fraud check".to_owned(),
        until: Some(ms(T0 + 60_000)),
    });
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Held, &[]);
    scene
}

#[test]
fn cancelled_units_go_back_at_once_while_nobody_was_asked() {
    let mut scene = reserved_on_hold();
    scene.tell(cancel(Some(vec![units("1", 1)])));
    scene.check(OrderStatus::Held, &["A settle1 reno 0/1", "report1.1"]);
    scene.tell(cancel(None));
    scene.check(
        OrderStatus::Cancelled,
        &["A settle1 reno 0/2", "reno free1", "report2.1"],
    );
    scene.tell(cancel(None));
    assert_eq!(scene.answer, Ok(Answer::Done));
    scene.told().recovers();
}

#[test]
fn units_settle_only_after_their_sku_knows_of_the_commit() {
    let mut scene = Scene::new();
    let mut pending = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    pending.payment = Payment::Pending;
    scene.tell(stated(pending, Origin::Channel));
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno");
    scene.tell(cancel(None));
    scene.check(
        OrderStatus::Cancelled,
        &["A confirm1", "reno free1", "report1.1"],
    );
    scene.answer("A confirm", Ok(Answer::Done));
    scene.check(
        OrderStatus::Cancelled,
        &["reno free1", "report1.1", "A settle1 reno 0/2"],
    );
}

#[test]
fn a_hold_ends_by_itself() {
    let mut scene = reserved_on_hold();
    scene.wake();
    assert_eq!(scene.now, T0 + 60_000);
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2"]);
}

#[test]
fn a_held_line_stays_and_the_rest_goes() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 1), line("2", "B", 1)]));
    scene.tell(OrderCommand::Hold {
        lines: vec![id("2")],
        reason: "engraving".to_owned(),
        until: None,
    });
    let both = plan(&[("1", "A", "reno", 1), ("2", "B", "reno", 1)], &[]);
    scene
        .plan(both)
        .reserved("A")
        .reserved("B")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:1"]);
    scene.tell(OrderCommand::Unhold { lines: vec![] });
    let then = ["reno fulfil1 A:1", "reno fulfil2 B:1"];
    scene.check(OrderStatus::Requested, &then);
}

#[test]
fn a_location_is_asked_to_stop_and_may() {
    let mut scene = requested();
    scene.delivered(None).tell(cancel(None));
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:2"]);
    scene.delivered(None).tell(answer_cancel(1, None, true));
    scene.check(
        OrderStatus::Cancelled,
        &["A settle1 reno 0/2", "reno free1", "report1.1"],
    );
}

#[test]
fn what_a_location_could_not_stop_is_shipped_and_not_cancelled() {
    let mut scene = requested();
    scene.delivered(None).tell(cancel(None));
    scene.tell(answer_cancel(1, None, false));
    assert_eq!(scene.open_exceptions(), ["cancel_refused"]);
    scene.tell(ship(1, "s1", &[]));
    assert!(scene.events().contains(&"CancelUndone".to_owned()));
    scene.told();
    scene.check(OrderStatus::Shipped, &[]);
    scene.tell(cancel(None));
    assert!(matches!(scene.answer, Err(Rejection::WrongState { .. })));
}

/// The plan that the order asks for now.
fn plan_wanted(scene: &Scene) -> crossdock_model::command::PlanRequest {
    let (_, effect) = scene.pending().into_iter().next_back().expect("a plan");
    match effect {
        crossdock_model::Effect::Plan(request) => *request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rejecting_location_is_left_out() {
    let mut scene = requested();
    scene.delivered(None).tell(OrderCommand::Reject {
        request: 1,
        reason: RejectReason::NotInStock,
    });
    let then = ["A settle1 reno 0/2", "reno free1", "plan 1/A:2"];
    scene.check(OrderStatus::Received, &then);
    let request = plan_wanted(&scene);
    assert_eq!(request.rejected, [(id("reno"), id("A"))]);
    assert_eq!(request.excluded, []);
    scene
        .plan(plan(&[("1", "A", "newark", 2)], &[]))
        .reserved("A")
        .slot("newark")
        .told();
    scene.check(OrderStatus::Requested, &["newark fulfil2 A:2"]);
}

#[test]
fn a_location_is_left_out_only_for_what_it_rejected() {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", 1), line("2", "B", 1)]))
        .plan(plan(&[("1", "A", "reno", 1), ("2", "B", "newark", 1)], &[]))
        .reserved("A")
        .reserved("B")
        .slot("newark")
        .slot("reno")
        .told();
    scene.check(
        OrderStatus::Requested,
        &["newark fulfil1 B:1", "reno fulfil2 A:1"],
    );
    scene.delivered(None).delivered(None);
    scene.tell(OrderCommand::Reject {
        request: 2,
        reason: RejectReason::NotInStock,
    });
    scene.told();
    assert_eq!(plan_wanted(&scene).rejected, [(id("reno"), id("A"))]);
    scene
        .plan(plan(&[("1", "A", "newark", 1)], &[]))
        .reserved("A")
        .slot("newark")
        .told()
        .delivered(None);
    scene.tell(OrderCommand::ShortPick {
        request: 1,
        lines: vec![request_line("2", "B", 1)],
    });
    scene.told();
    let request = plan_wanted(&scene);
    let rejected = [(id("newark"), id("B")), (id("reno"), id("A"))];
    assert_eq!(request.rejected, rejected);
    assert_eq!(request.excluded, []);
    scene
        .plan(plan(&[("2", "B", "reno", 1)], &[]))
        .reserved("B")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Requested, &["reno fulfil4 B:1"]);
}

#[test]
fn locations_that_reject_for_ever_end_with_a_person() {
    let mut scene = requested();
    for request in 1..=6 {
        scene.delivered(None).tell(OrderCommand::Reject {
            request,
            reason: RejectReason::NotInStock,
        });
        scene.told();
        if request < 6 {
            scene
                .plan(plan(&[("1", "A", "newark", 2)], &[]))
                .reserved("A")
                .slot("newark")
                .told();
        }
    }
    assert_eq!(scene.open_exceptions(), ["reroute_limit"]);
    scene.check(OrderStatus::Received, &[]);
    scene.tell(OrderCommand::Reroute { exclude: vec![] });
    scene.check(OrderStatus::Received, &["plan 1/A:2"]);
}

#[test]
fn missing_units_of_a_pick_come_from_elsewhere() {
    let mut scene = requested();
    scene.delivered(None).tell(OrderCommand::ShortPick {
        request: 1,
        lines: vec![request_line("1", "A", 1)],
    });
    scene.check(
        OrderStatus::Requested,
        &["A settle1 reno 0/1 missing 1", "plan 1/A:1"],
    );
    scene.told().tell(ship(1, "s1", &[])).told();
    scene.check(OrderStatus::PartlyShipped, &["plan 1/A:1"]);
    scene
        .plan(plan(&[("1", "A", "newark", 1)], &[]))
        .reserved("A")
        .slot("newark")
        .told();
    scene.check(OrderStatus::PartlyShipped, &["newark fulfil2 A:1"]);
}

/// By when the last request is acknowledged.
fn acknowledge_by(scene: &Scene) -> Timestamp {
    let order = scene.order().order.as_deref().expect("an order");
    let (_, last) = order.requests.last_key_value().expect("a request");
    last.acknowledge_by
}

#[test]
fn a_request_that_is_made_out_late_asks_for_the_locations_calendar() {
    /// Friday 2026-07-31, 23:30 UTC.
    const FRIDAY: i64 = 1_785_540_600_000;
    let minutes = |minutes: i64| ms(FRIDAY + minutes * 60_000);
    let mut scene = reserved_on_hold();
    scene.now = FRIDAY;
    scene.tell(OrderCommand::Unhold { lines: vec![] });
    scene.check(OrderStatus::Reserved, &["reno read"]);
    // Held again before the location has answered: its word is not used, and asked for again later.
    let hold = OrderCommand::Hold {
        lines: vec![],
        reason: "check".to_owned(),
        until: Some(minutes(10)),
    };
    let calendar = || {
        Ok(Answer::Location {
            facts: Box::new(place("reno")),
            source_since: None,
        })
    };
    scene.tell(hold).answer("reno read", calendar());
    scene.check(OrderStatus::Held, &[]);
    scene.wake();
    scene.check(OrderStatus::Reserved, &["reno read"]);
    let busy = Rejection::Busy {
        sku: id("A"),
        retry_after_ms: 1,
    };
    scene.answer("reno read", Err(busy));
    scene.check(OrderStatus::Reserved, &["reno read"]);
    scene.answer("reno read", calendar());
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2"]);
    let monday_at_forty_past_midnight = minutes(30 + 2 * 24 * 60 + 40);
    assert_eq!(acknowledge_by(&scene), monday_at_forty_past_midnight);
    scene.delivered(None).wake_at(minutes(24 * 60).as_ms());
    assert_eq!(scene.open_exceptions(), Vec::<String>::new());
    scene.wake();
    assert_eq!(scene.now, monday_at_forty_past_midnight.as_ms());
    assert_eq!(scene.open_exceptions(), ["ack_overdue"]);
}

#[test]
fn a_location_that_is_gone_is_given_the_time_it_had() {
    let mut scene = reserved_on_hold();
    scene.now = T0 + 600_000;
    scene.tell(OrderCommand::Unhold { lines: vec![] });
    let gone = Rejection::NotFound("location:reno".to_owned());
    scene.answer("reno read", Err(gone));
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2"]);
    assert_eq!(acknowledge_by(&scene), ms(T0 + 4_200_000));
}

#[test]
fn a_late_acknowledgement_opens_an_exception_and_closes_it() {
    let mut scene = requested();
    scene.delivered(None).wake();
    assert_eq!(scene.open_exceptions(), ["ack_overdue"]);
    scene.tell(OrderCommand::Acknowledge { request: 1 });
    assert!(scene.open_exceptions().is_empty());
    scene.check(OrderStatus::Acknowledged, &[]);
}

#[test]
fn a_request_that_cannot_be_delivered_is_tried_for_hours_then_shown() {
    let mut scene = requested();
    let begin = scene.now;
    scene.tell(OrderCommand::Acknowledge { request: 9 });
    assert!(matches!(scene.answer, Err(Rejection::NotFound(_))));
    let mut tries = 0;
    while !scene
        .open_exceptions()
        .contains(&"undeliverable".to_owned())
    {
        if scene.effects().is_empty() {
            scene.wake();
        } else {
            scene.delivered(Some("connection refused"));
            tries += 1;
        }
    }
    assert_eq!(tries, 16);
    assert!(scene.now - begin > 12 * 3_600_000);
}

#[test]
fn unpaid_orders_are_reserved_and_wait() {
    let mut scene = Scene::new();
    let mut unpaid = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    unpaid.payment = Payment::OnHoldUntil(ms(T0 + 5_000));
    scene.tell(stated(unpaid.clone(), Origin::Channel));
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Reserved, &[]);
    unpaid.updated_at = ms(T0);
    unpaid.payment = Payment::Voided;
    scene.tell(stated(unpaid.clone(), Origin::Channel));
    assert_eq!(scene.open_exceptions(), ["payment_voided"]);
    unpaid.updated_at = ms(T0 + 1);
    unpaid.payment = Payment::OnHoldUntil(ms(T0 + 5_000));
    scene.tell(stated(unpaid, Origin::Channel)).wake();
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2"]);
    assert!(scene.open_exceptions().is_empty());
}

#[test]
fn newer_statements_win_older_and_tied_ones_do_not() {
    let mut scene = Scene::new();
    let mut stated_facts = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    scene.tell(stated(stated_facts.clone(), Origin::Channel));
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    let version = scene.entity.version();
    stated_facts.lines[0].ordered_units = 5;
    scene.tell(stated(stated_facts.clone(), Origin::Channel));
    assert_eq!(scene.events().last().map(String::as_str), Some("TieSeen"));
    assert!(scene.summary().tied);
    scene.tell(stated(stated_facts.clone(), Origin::Channel));
    assert_eq!(scene.entity.version(), version + 1);
    stated_facts.updated_at = ms(T0 - 9_000);
    scene.tell(stated(stated_facts.clone(), Origin::Channel));
    assert_eq!(scene.entity.version(), version + 1);
    stated_facts.updated_at = ms(T0);
    scene.tell(stated(stated_facts.clone(), Origin::Channel));
    assert!(!scene.summary().tied, "the newer one is sure");
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2", "plan 1/A:3"]);
    stated_facts.updated_at = ms(T0 + 1);
    stated_facts.cancelled = Some((ms(T0), "customer".to_owned()));
    scene.tell(stated(stated_facts, Origin::Channel));
    scene.plan(plan(&[("1", "A", "reno", 3)], &[]));
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:2"]);
}

#[test]
fn an_order_cancelled_on_arrival_reserves_nothing() {
    let mut scene = Scene::new();
    let mut cancelled = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    cancelled.cancelled = Some((ms(T0), "fraud".to_owned()));
    scene.tell(stated(cancelled, Origin::Channel));
    scene.check(OrderStatus::Cancelled, &[]);
    assert!(matches!(scene.answer, Ok(Answer::Order(_))));
}

#[test]
fn an_order_of_nothing_to_send_closes_at_once() {
    let mut scene = Scene::new();
    let mut gift = line("1", "A", 1);
    gift.ships = false;
    gift.parts.clear();
    scene.tell(asks(&[gift]));
    scene.check(OrderStatus::Closed, &[]);
}

#[test]
fn a_refund_cancels_what_was_not_sent_once() {
    let mut scene = reserved_on_hold();
    let refund = |restock| OrderCommand::Refund {
        refund: id("r1"),
        lines: vec![RefundLine {
            line: id("1"),
            units: 1,
            restock,
            location: None,
        }],
    };
    scene
        .tell(refund(Restock::Cancel))
        .tell(refund(Restock::Cancel));
    scene.check(OrderStatus::Held, &["A settle1 reno 0/1"]);
    scene.tell(refund(Restock::No));
    assert!(matches!(scene.answer, Err(Rejection::IdConflict(_))));
    // A statement counts refunded units apart: what it says is cancelled is another one.
    let mut after = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    after.updated_at = ms(T0);
    scene.tell(stated(after.clone(), Origin::Channel));
    scene.check(OrderStatus::Held, &["A settle1 reno 0/1"]);
    after.updated_at = ms(T0 + 1);
    after.lines[0].cancelled_units = 1;
    scene.tell(stated(after, Origin::Channel));
    scene.check(
        OrderStatus::Cancelled,
        &["A settle1 reno 0/2", "reno free1"],
    );
}

#[test]
fn goods_come_back_once() {
    let mut scene = requested();
    scene.delivered(None).tell(ship(1, "s1", &[])).told();
    let back = |units| OrderCommand::Return {
        return_id: id("back-1"),
        lines: vec![ReturnLine {
            line: id("1"),
            units,
            location: id("reno"),
            condition: None,
        }],
    };
    scene.tell(back(3));
    assert!(matches!(scene.answer, Err(Rejection::WrongState { .. })));
    scene.tell(back(1)).tell(back(1));
    assert_eq!(scene.answer, Ok(Answer::Done));
    scene.tell(back(2));
    assert!(matches!(scene.answer, Err(Rejection::IdConflict(_))));
    scene.check(OrderStatus::Shipped, &["A return reno:1"]);
}

#[test]
fn an_operators_destination_is_kept_and_the_conflict_shown() {
    let mut scene = requested();
    scene.delivered(None);
    let to = |country: &str, address_version| Destination {
        country: country.to_owned(),
        address_version,
        ..Destination::default()
    };
    scene.tell(OrderCommand::ChangeDestination {
        destination: to("CA", 1),
    });
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:2"]);
    let mut theirs = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    theirs.updated_at = ms(T0);
    theirs.destination = Some(to("MX", 2));
    scene.tell(stated(theirs, Origin::Channel));
    assert_eq!(scene.open_exceptions(), ["conflict"]);
    scene.delivered(None).tell(answer_cancel(1, None, true));
    scene.told();
    let pending = scene.pending();
    let [(_, crossdock_model::Effect::Plan(request))] = pending.as_slice() else {
        panic!("{pending:?}")
    };
    assert_eq!(request.destination, Some(to("CA", 1)));
    let conflict = |episode| ExceptionKey {
        kind: "conflict".to_owned(),
        subject: "order:shop:1".to_owned(),
        episode,
    };
    scene.tell(OrderCommand::ResolveException {
        key: conflict(2),
        how: "another one was right".to_owned(),
    });
    assert_eq!(scene.open_exceptions(), ["conflict"], "not that episode");
    for (episode, noted) in [(2, 0), (1, 1)] {
        let before = scene.events().len();
        scene.tell(OrderCommand::NoteException {
            key: conflict(episode),
            text: "asked the shop".to_owned(),
        });
        assert_eq!(scene.events().len() - before, noted, "{episode}");
    }
    scene.tell(OrderCommand::ResolveException {
        key: conflict(1),
        how: "ours is right".to_owned(),
    });
    assert!(scene.open_exceptions().is_empty());
}

#[test]
fn a_carts_hold_is_held_then_freed_or_expires_for_good() {
    let held = || {
        let mut scene = Scene::new();
        let expires_at = ms(T0 + 600_000);
        let facts = facts(Sale::Asks, &[line("1", "A", 2)]);
        scene.tell(stated(facts, Origin::Hold { expires_at }));
        scene
            .plan(plan(&[("1", "A", "reno", 2)], &[]))
            .reserved("A")
            .slot("reno")
            .told();
        scene.check(OrderStatus::Held, &[]);
        let Some(Ok(Answer::Order(summary))) = scene.settled() else {
            panic!("{:?}", scene.settled())
        };
        assert_eq!(summary.hold_expires_at, Some(expires_at));
        scene
    };
    let mut scene = held();
    scene.tell(OrderCommand::Free);
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2"]);
    let mut scene = held();
    let mut bought = facts(Sale::Asks, &[]);
    bought.updated_at = ms(T0);
    bought.service_level = Some("express".to_owned());
    scene.tell(stated(bought.clone(), Origin::Api));
    assert!(matches!(scene.answer, Ok(Answer::Order(_))));
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2"]);
    let order = scene.order().order.as_deref().expect("an order");
    assert_eq!(order.facts.service_level.as_deref(), Some("express"));
    let mut scene = held();
    scene.now = T0 + 600_000;
    scene.tell(stated(bought, Origin::Api));
    assert!(matches!(scene.answer, Ok(Answer::Later)));
    assert!(matches!(
        scene.settled(),
        Some(Err(Rejection::HoldExpired { .. }))
    ));
    let mut scene = held();
    scene.now = T0 + 600_000;
    scene.tell(OrderCommand::Free);
    assert!(matches!(scene.answer, Err(Rejection::HoldExpired { .. })));
    scene.wake();
    scene.check(
        OrderStatus::Cancelled,
        &["A settle1 reno 0/2", "reno free1"],
    );
    scene.tell(OrderCommand::Free);
    assert!(matches!(scene.answer, Err(Rejection::HoldExpired { .. })));
}

#[test]
fn an_adopted_order_is_reserved_until_it_is_freed() {
    let mut scene = Scene::new();
    let facts = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    scene.tell(stated(facts, Origin::Adopted));
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Reserved, &[]);
    scene.tell(OrderCommand::Free);
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2"]);
}

#[test]
fn a_sku_that_is_short_gets_back_what_nobody_was_asked_to_send() {
    let give_back = OrderCommand::GiveBack {
        sku: id("A"),
        attempt: 1,
        location: id("reno"),
    };
    let mut scene = reserved_on_hold();
    scene.tell(give_back);
    let then = ["A settle1 reno 0/2", "reno free1", "plan 1/A:2"];
    scene.check(OrderStatus::Held, &then);
}

#[test]
fn split_units_travel_alone_and_others_ship_their_own() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 3)]));
    scene.tell(OrderCommand::Split {
        lines: vec![units("1", 1)],
    });
    scene
        .plan(plan(&[("1", "A", "reno", 3)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.check(
        OrderStatus::Requested,
        &["reno fulfil1 A:2", "reno fulfil2 A:1"],
    );
    scene.tell(OrderCommand::ShippedElsewhere {
        shipment: id("x1"),
        lines: vec![units("1", 3)],
        tracking: None,
    });
    assert_eq!(scene.status(), OrderStatus::PartlyShipped);
    for request in [1, 2] {
        scene.tell(answer_cancel(request, None, true));
    }
    scene.told();
    scene.check(OrderStatus::Shipped, &[]);
}

#[test]
fn requested_units_that_are_split_are_asked_back_and_go_out_in_pieces() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 3)]));
    scene
        .plan(plan(&[("1", "A", "reno", 3)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:3"]);
    scene.tell(OrderCommand::Split {
        lines: vec![units("1", 1)],
    });
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:3"]);
    scene.tell(answer_cancel(1, None, true));
    let pieces = ["reno fulfil2 A:2", "reno fulfil3 A:1"];
    scene.check(OrderStatus::Requested, &pieces);
}

#[test]
fn edited_lines_are_placed_and_let_go() {
    let mut scene = reserved_on_hold();
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("1", None, 1), edit("2", Some("B"), 1)],
    });
    scene.check(OrderStatus::Held, &["A settle1 reno 0/1", "plan 2/B:1"]);
}

/// What an operator adds its channel has not sold: all of another article, and of its own what is beyond its statement.
#[test]
fn skus_are_told_what_an_operator_added() {
    let mut scene = reserved_on_hold();
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("1", None, 5), edit("2", Some("B"), 1)],
    });
    let more = [("1", "A", "reno", 3), ("2", "B", "reno", 1)];
    scene.plan(plan(&more, &[]));
    let reserves = [
        "A reserve2 reno:3 3 added",
        "B reserve2 reno:1 1 added",
        "reno take2 4",
    ];
    scene.check(OrderStatus::Held, &reserves);
}
