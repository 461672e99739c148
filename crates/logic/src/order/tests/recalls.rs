//! Units that locations were given and are asked for again; and units that travel apart.

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{
    Destination, LineUnits, OrderFacts, OrderStatus, Origin, Payment, RejectReason, Sale,
};
use crossdock_model::{Answer, Command, Notice, Rejection};

use super::scene::*;

fn cancel(lines: &[(&str, u32)]) -> OrderCommand {
    OrderCommand::Cancel {
        reason: "buyer".to_owned(),
        lines: Some(lines.iter().map(|(line, n)| units(line, *n)).collect()),
    }
}

fn hold(lines: &[&str]) -> OrderCommand {
    OrderCommand::Hold {
        lines: lines.iter().map(|line| id(line)).collect(),
        reason: "fraud check".to_owned(),
        until: None,
    }
}

fn unhold() -> OrderCommand {
    OrderCommand::Unhold { lines: vec![] }
}

fn split(lines: &[LineUnits]) -> OrderCommand {
    let lines = lines.to_vec();
    OrderCommand::Split { lines }
}

/// Requested of reno and delivered: so many units of A.
fn sent(units: u32) -> Scene {
    let mut scene = undelivered(units);
    scene.delivered(None);
    scene
}

fn undelivered(units: u32) -> Scene {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", units)]))
        .plan(plan(&[("1", "A", "reno", units)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene
}

/// Whatever is delivered again says the same, and what to stop is heard after what to do.
#[test]
fn a_partial_cancel_leaves_the_request_on_its_way() {
    let mut scene = undelivered(3);
    scene.tell(cancel(&[("1", 1)]));
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:3"]);
    scene.delivered(Some("refused"));
    scene.check(OrderStatus::Requested, &[]);
    scene
        .wake()
        .check(OrderStatus::Requested, &["reno fulfil1 A:3"]);
    scene.delivered(None);
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:1"]);
    // Nothing is left to do: the location need not hear of it at all.
    let mut scene = undelivered(3);
    scene.tell(cancel(&[("1", 1)])).tell(cancel(&[("1", 2)]));
    let both = ["reno cancel1.1 A:1", "reno cancel1.2 A:2"];
    scene.check(OrderStatus::Requested, &both);
    scene.delivered(Some("refused")).delivered(None).wake();
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:1"]);
}

#[test]
fn each_ask_has_its_own_number_and_answer() {
    let mut scene = sent(4);
    scene.tell(cancel(&[("1", 1)])).tell(cancel(&[("1", 2)]));
    let both = ["reno cancel1.1 A:1", "reno cancel1.2 A:2"];
    scene.check(OrderStatus::Requested, &both);
    scene.tell(answer_cancel(1, Some(3), true));
    assert!(matches!(scene.answer, Err(Rejection::Invalid { .. })));
    scene.tell(answer_cancel(1, Some(1), true)).told();
    scene.check(OrderStatus::Requested, &["reno cancel1.2 A:2"]);
    let version = scene.entity.version();
    scene.tell(answer_cancel(1, Some(1), false));
    assert_eq!(
        (&scene.answer, scene.entity.version()),
        (&Ok(Answer::Done), version)
    );
    scene.tell(answer_cancel(1, None, false));
    assert_eq!(scene.open_exceptions(), ["cancel_refused"]);
    scene.tell(ship(1, "s", &[])).told();
    scene.check(OrderStatus::Shipped, &[]);
    let order = scene.order().order.as_deref().expect("an order");
    assert_eq!(order.lines[&id("1")].shipped_units(), 3);
}

#[test]
fn what_was_refused_once_is_asked_for_again_when_more_is_cancelled() {
    let mut scene = sent(3);
    scene.tell(cancel(&[("1", 1)])).delivered(None);
    scene.tell(answer_cancel(1, None, false));
    scene.check(OrderStatus::Requested, &[]);
    scene.tell(OrderCommand::Note {
        text: "hm".to_owned(),
    });
    scene.check(OrderStatus::Requested, &[]);
    scene.tell(cancel(&[("1", 1)]));
    scene.check(OrderStatus::Requested, &["reno cancel1.2 A:2"]);
    // A recall for another reason that was refused does not stand in the way of a cancellation.
    let mut scene = sent(3);
    scene
        .tell(OrderCommand::Reroute { exclude: vec![] })
        .delivered(None);
    scene
        .tell(answer_cancel(1, None, false))
        .tell(cancel(&[("1", 1)]));
    scene.check(OrderStatus::Requested, &["reno cancel1.2 A:1"]);
}

#[test]
fn a_hold_calls_back_what_is_requested() {
    let mut scene = sent(2);
    scene.tell(hold(&[]));
    // It is not on hold while its location goes on.
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:2"]);
    scene.delivered(None).tell(answer_cancel(1, None, true));
    scene.check(OrderStatus::Held, &[]);
    scene
        .tell(unhold())
        .check(OrderStatus::Requested, &["reno fulfil2 A:2"]);

    let mut scene = sent(2);
    scene
        .tell(hold(&[]))
        .delivered(None)
        .tell(answer_cancel(1, None, false));
    scene.check(OrderStatus::Requested, &[]);
    assert_eq!(scene.open_exceptions(), ["cancel_refused"]);

    // It ended before the location had stopped: what comes back goes out again.
    let mut scene = sent(2);
    scene.tell(hold(&[])).delivered(None).tell(unhold());
    scene.tell(answer_cancel(1, None, true));
    scene.check(OrderStatus::Requested, &["reno fulfil2 A:2"]);
}

#[test]
fn a_held_line_is_called_back_alone() {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", 2), line("2", "B", 1)]))
        .plan(plan(&[("1", "A", "reno", 2), ("2", "B", "reno", 1)], &[]))
        .reserved("A")
        .reserved("B")
        .slot("reno")
        .told()
        .delivered(None);
    scene.tell(hold(&["2"]));
    scene.check(OrderStatus::Requested, &["reno cancel1.1 B:1"]);
    scene.tell(answer_cancel(1, Some(1), true));
    scene.check(OrderStatus::Requested, &[]);
    scene
        .tell(unhold())
        .check(OrderStatus::Requested, &["reno fulfil2 B:1"]);
}

#[test]
fn money_that_is_lost_calls_back_what_is_requested() {
    let paid = |ms_after, payment| {
        let facts = OrderFacts {
            updated_at: ms(T0 + ms_after),
            payment,
            ..facts(Sale::AlreadySold, &[line("1", "A", 2)])
        };
        stated(facts, Origin::Channel)
    };
    for lost in [
        Payment::Voided,
        Payment::Pending,
        Payment::OnHoldUntil(ms(T0 + 9_000_000)),
    ] {
        let mut scene = sent(2);
        scene.tell(paid(1, lost));
        scene.check(OrderStatus::Requested, &["reno cancel1.1 A:2"]);
        scene.tell(paid(2, lost)).delivered(None);
        scene.tell(answer_cancel(1, None, true));
        scene.check(OrderStatus::Reserved, &[]);
        scene.tell(paid(3, Payment::Ready));
        scene.check(OrderStatus::Requested, &["reno fulfil2 A:2"]);
    }
}

/// Sent elsewhere it is planned anew; sent another door there it is not.
#[test]
fn what_is_stopped_goes_where_the_order_goes_now() {
    let to = |country: &str| OrderCommand::ChangeDestination {
        destination: Destination {
            country: country.to_owned(),
            address_version: 7,
            ..Destination::default()
        },
    };
    let mut scene = sent(2);
    scene
        .tell(to("US"))
        .delivered(None)
        .tell(answer_cancel(1, None, true));
    scene.check(OrderStatus::Requested, &["reno fulfil2 A:2"]);
    let mut scene = sent(2);
    // On hold first: it was asked back already.
    scene
        .tell(hold(&[]))
        .delivered(None)
        .tell(to("CA"))
        .tell(answer_cancel(1, None, true));
    let then = ["A settle1 reno 0/2", "reno free1", "plan 1/A:2"];
    scene.check(OrderStatus::Held, &then);
}

fn kept(scene: &Scene) -> usize {
    let kept = |notice: &&Notice| matches!(notice.command, Command::Sku(SkuCommand::Kept { .. }));
    scene.notices.iter().filter(kept).count()
}

#[test]
fn a_sku_that_is_short_hears_from_the_location_of_what_is_requested() {
    let give_back = || OrderCommand::GiveBack {
        sku: id("A"),
        attempt: 1,
        location: id("reno"),
    };
    let asked = || {
        let mut scene = sent(2);
        scene.tell(give_back());
        scene.check(OrderStatus::Requested, &["reno cancel1.1 A:2"]);
        scene.delivered(None).tell(give_back());
        scene.check(OrderStatus::Requested, &[]);
        assert_eq!(kept(&scene), 0, "the location has not answered");
        scene
    };
    let mut scene = asked();
    scene.tell(answer_cancel(1, None, true));
    let then = ["A settle1 reno 0/2", "reno free1", "plan 1/A:2"];
    scene.check(OrderStatus::Received, &then);
    assert!(scene.events().contains(&"GaveBack".to_owned()));

    let mut scene = asked();
    scene.tell(answer_cancel(1, None, false));
    assert_eq!(kept(&scene), 1);
    scene.check(OrderStatus::Requested, &[]);

    let mut scene = asked();
    scene.now += 3_600_000;
    scene.tell(give_back());
    assert_eq!(kept(&scene), 1);
    scene.recovers();
}

#[test]
fn what_is_split_off_waits_for_nothing_else() {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", 2), line("2", "B", 1)]))
        .plan(plan(&[("1", "A", "reno", 2)], &[("2", "B", 1)]))
        .stock(view("B", "reno", 0, 0, 0))
        .plan(plan(&[("1", "A", "reno", 2)], &[("2", "B", 1)]))
        .reserved("A")
        .slot("reno")
        .told()
        .answer("B wait", Ok(Answer::Waits));
    scene.check(OrderStatus::Backordered, &[]);
    // It is sent complete, unless somebody wants it otherwise.
    scene.tell(split(&[units("1", 1)]));
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:1"]);
    scene.tell(split(&[units("2", 1)]));
    scene.check(
        OrderStatus::Requested,
        &["reno fulfil1 A:1", "reno fulfil2 A:1"],
    );
}

/// Nobody is asked to stop what another unit, which nobody was given yet, can make up for.
#[test]
fn units_that_nobody_was_given_are_let_go_first() {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", 2), line("2", "B", 1)]))
        .plan(plan(&[("1", "A", "reno", 2)], &[("2", "B", 1)]))
        .stock(view("B", "reno", 0, 0, 0))
        .plan(plan(&[("1", "A", "reno", 2)], &[("2", "B", 1)]))
        .reserved("A")
        .slot("reno")
        .told()
        .answer("B wait", Ok(Answer::Waits))
        .tell(split(&[units("1", 1)]))
        .delivered(None);
    scene.tell(OrderCommand::Cancel {
        lines: Some(vec![units("1", 1)]),
        reason: "one is enough".to_owned(),
    });
    scene.check(OrderStatus::Requested, &["A settle2 reno 0/1", "report1.1"]);
}

#[test]
fn splits_of_one_location_are_requests_of_their_own() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 4)]));
    scene
        .tell(split(&[units("1", 1)]))
        .tell(split(&[units("1", 2)]));
    scene
        .plan(plan(&[("1", "A", "reno", 4)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    let three = ["reno fulfil1 A:1", "reno fulfil2 A:1", "reno fulfil3 A:2"];
    scene.check(OrderStatus::Requested, &three);
    // What was sent of a split is not split off again from the rest; what comes back of it is.
    scene.delivered(None).delivered(None).delivered(None);
    scene.tell(ship(2, "s", &[])).told();
    let reject = OrderCommand::Reject {
        request: 3,
        reason: RejectReason::NotInStock,
    };
    scene.tell(reject).told();
    scene
        .plan(plan(&[("1", "A", "newark", 2)], &[]))
        .reserved("A")
        .slot("newark")
        .told();
    scene.check(OrderStatus::PartlyShipped, &["newark fulfil4 A:2"]);
}

#[test]
fn a_sku_that_offers_for_nothing_is_told_to_stop() {
    let offer = || OrderCommand::Offer {
        sku: id("A"),
        takes: vec![take("reno", 1)],
        until: ms(T0 + 2_000),
    };
    for mut scene in [sent(1), Scene::new()] {
        scene.tell(offer());
        let stop = |notice: &Notice| {
            matches!(notice.command, Command::Sku(SkuCommand::StopWaiting { .. }))
        };
        assert!(scene.notices.iter().any(stop), "{:?}", scene.notices);
    }
}
