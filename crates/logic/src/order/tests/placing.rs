//! Attempts to place units: short, contended, busy, lost and late answers, waiting for stock.

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{AttemptEnd, Component, Kit, OrderStatus, Origin, Sale, Tracking};
use crossdock_model::{Answer, Command, Effect, Rejection, Timestamp};

use super::scene::*;

fn one_sold() -> Scene {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 2)]));
    scene
}

fn one_asking() -> Scene {
    let mut scene = Scene::new();
    scene.tell(asks(&[line("1", "A", 2)]));
    scene
}

#[test]
fn a_short_sku_closes_the_attempt_and_the_next_plan_rests_on_its_word() {
    let mut scene = one_sold();
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .short("A", view("A", "reno", 1, 0, 0));
    let then = ["A release1", "reno free1", "plan 1/A:2"];
    scene.check(OrderStatus::Routed, &then);
    assert!(!scene.summary().placed);
    scene.told();
    // The plan still finds no place: the stock it was told is durable, so the order waits.
    scene.plan(plan(&[("1", "A", "reno", 1)], &[("1", "A", 1)]));
    scene.reserved("A").slot("reno");
    scene.check(OrderStatus::Backordered, &["A confirm2", "A wait 1"]);
    assert!(scene.summary().placed, "it waits for the rest");
    assert!(
        matches!(scene.settled(), Some(Ok(Answer::Order(order))) if order.backordered.len() == 1)
    );
}

#[test]
fn a_backorder_rests_on_stock_that_was_asked_for() {
    let mut scene = one_sold();
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene.check(OrderStatus::Received, &["A read"]);
    scene
        .stock(view("A", "reno", 0, 0, 0))
        .plan(plan(&[], &[("1", "A", 2)]));
    scene.check(OrderStatus::Backordered, &["A wait 2"]);
    scene.answer("A wait", Ok(Answer::RetryNow));
    scene.check(OrderStatus::Backordered, &["plan 1/A:2"]);
}

#[test]
fn it_waits_where_the_rules_allow_and_looks_at_them_again() {
    let none = |locations: &[&str]| allowing(plan(&[], &[("1", "A", 2)]), locations);
    let mut scene = one_sold();
    scene.plan(none(&["reno", "york"]));
    scene
        .stock(view("A", "reno", 0, 0, 0))
        .plan(none(&["reno", "york"]));
    scene.check(OrderStatus::Backordered, &["A wait 2 at reno,york"]);
    scene.answer("A wait", Ok(Answer::Waits));
    // The rules say the same: nothing is asked of the SKU.
    let waited_since = scene.now;
    scene.wake();
    assert_eq!(scene.now - waited_since, 3_600_000);
    scene.check(OrderStatus::Backordered, &["plan 1/A:2"]);
    scene.plan(none(&["reno", "york"]));
    scene.check(OrderStatus::Backordered, &[]);
    let records = scene.records.len();
    // They allow less, then another: it waits there.
    scene.wake().plan(none(&["york"]));
    scene.check(OrderStatus::Backordered, &["A wait 2 at york"]);
    scene.answer("A wait", Ok(Answer::Waits));
    scene.wake().plan(none(&[]));
    scene.check(OrderStatus::Backordered, &["A wait 2"]);
    scene.answer("A wait", Ok(Answer::Waits));
    assert!(scene.records.len() <= records + 6);
    // They allow a location that has it.
    let placed = plan(&[("1", "A", "york", 2)], &[]);
    scene.wake().plan(allowing(placed.clone(), &["york"]));
    scene.check(OrderStatus::Backordered, &["plan 1/A:2"]);
    scene.plan(placed).reserved("A").slot("york");
    scene.check(OrderStatus::Reserved, &["A confirm3", "A stop"]);
}

#[test]
fn an_offer_is_planned_with_and_taken_up() {
    let mut scene = one_sold();
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene
        .stock(view("A", "reno", 0, 0, 0))
        .plan(plan(&[], &[("1", "A", 2)]));
    scene.answer("A wait", Ok(Answer::Waits));
    scene.check(OrderStatus::Backordered, &[]);
    let offer = OrderCommand::Offer {
        sku: id("A"),
        takes: vec![take("reno", 2)],
        until: ms(T0 + 2_000),
    };
    scene.tell(offer.clone());
    scene.check(OrderStatus::Backordered, &["plan 1/A:2"]);
    scene
        .tell(offer)
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno");
    scene.check(OrderStatus::Reserved, &["A confirm3", "A stop"]);
}

#[test]
fn an_offer_the_plan_cannot_use_is_declined() {
    let mut scene = one_sold();
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene
        .stock(view("A", "reno", 0, 0, 0))
        .plan(plan(&[], &[("1", "A", 2)]));
    scene.answer("A wait", Ok(Answer::Waits));
    scene.tell(OrderCommand::Offer {
        sku: id("A"),
        takes: vec![take("perth", 2)],
        until: ms(T0 + 2_000),
    });
    scene
        .plan(plan(&[], &[("1", "A", 2)]))
        .stock(view("A", "perth", 2, 0, 2));
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene.check(OrderStatus::Backordered, &["A wait 2"]);
    let declined = |notice: &crossdock_model::Notice| {
        matches!(
            notice.command,
            Command::Sku(SkuCommand::DeclineOffer { .. })
        )
    };
    assert!(scene.notices.iter().any(declined));
}

#[test]
fn an_asking_order_is_refused_only_on_a_fresh_answer() {
    let mut scene = one_asking();
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene.check(OrderStatus::Received, &["A read"]);
    scene
        .stock(view("A", "reno", 1, 0, 0))
        .plan(plan(&[], &[("1", "A", 2)]));
    scene.check(OrderStatus::Cancelled, &[]);
    assert!(matches!(
        scene.settled(),
        Some(Err(Rejection::Short { .. }))
    ));
    scene.tell(asks(&[line("1", "A", 2)]));
    assert!(matches!(scene.answer, Err(Rejection::Short { .. })));
}

#[test]
fn tentative_units_in_the_way_are_waited_for_not_refused() {
    let mut scene = one_asking();
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene
        .stock(view("A", "reno", 2, 0, 1))
        .plan(plan(&[], &[("1", "A", 2)]));
    scene.check(OrderStatus::Received, &[]);
    assert_eq!(scene.settled(), None);
    scene.wake();
    scene.check(OrderStatus::Received, &["plan 1/A:2"]);
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno");
    assert!(matches!(scene.settled(), Some(Ok(_))));
}

/// Two units of A that others hold tentatively, for as long as the order is tried.
fn tried_until_busy() -> Scene {
    let mut scene = one_asking();
    let (mut rounds, begin) = (0, scene.now);
    while scene.settled().is_none() {
        scene.plan(plan(&[], &[("1", "A", 2)]));
        scene
            .stock(view("A", "reno", 2, 0, 1))
            .plan(plan(&[], &[("1", "A", 2)]));
        rounds += 1;
        if scene.settled().is_none() {
            scene.wake();
        }
    }
    assert!(matches!(scene.settled(), Some(Err(Rejection::Busy { .. }))));
    assert!(scene.now - begin >= 10_000 && rounds < 60, "{rounds}");
    scene.check(OrderStatus::Received, &[]);
    scene
}

/// The same request again: it states nothing new.
fn asked_again(scene: &mut Scene) {
    let mut facts = facts(Sale::Asks, &[line("1", "A", 2)]);
    facts.updated_at = Timestamp::default();
    scene.tell(stated(facts, Origin::Api));
    assert_eq!(scene.answer, Ok(Answer::Later));
    assert_eq!(scene.settled(), None);
    scene.check(OrderStatus::Received, &["plan 1/A:2"]);
}

#[test]
fn a_busy_order_that_is_asked_for_again_ends_reserved_or_short() {
    let mut scene = tried_until_busy();
    scene.now += 60_000;
    asked_again(&mut scene);
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno");
    assert!(matches!(scene.settled(), Some(Ok(_))));
    assert_eq!(scene.status(), OrderStatus::Reserved);

    let mut scene = tried_until_busy();
    asked_again(&mut scene);
    scene
        .plan(plan(&[], &[("1", "A", 2)]))
        .stock(view("A", "reno", 2, 1, 0))
        .plan(plan(&[], &[("1", "A", 2)]));
    assert!(matches!(
        scene.settled(),
        Some(Err(Rejection::Short { .. }))
    ));
    scene.check(OrderStatus::Cancelled, &[]);
    let refused = scene.settled();
    scene.tell(asks(&[line("1", "A", 2)]));
    assert_eq!(Some(scene.answer.clone()), refused, "short is final");
}

#[test]
fn a_busy_order_is_given_its_whole_time_again() {
    let mut scene = tried_until_busy();
    asked_again(&mut scene);
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene
        .stock(view("A", "reno", 2, 0, 1))
        .plan(plan(&[], &[("1", "A", 2)]));
    assert_eq!(scene.settled(), None);
    scene.wake();
    scene.check(OrderStatus::Received, &["plan 1/A:2"]);
}

#[test]
fn a_busy_order_that_nobody_asks_for_again_is_cancelled() {
    let mut scene = tried_until_busy();
    scene.wake();
    assert!(scene.now >= T0 + 7 * 24 * 3_600_000);
    scene.check(OrderStatus::Cancelled, &[]);
    assert!(matches!(scene.settled(), Some(Ok(_))));
    assert_eq!(scene.entity.next_deadline(), None);
}

#[test]
fn a_contended_order_lets_all_go_and_acquires_in_order() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "B", 1), line("2", "A", 1)]));
    let both = plan(&[("1", "B", "reno", 1), ("2", "A", "reno", 1)], &[]);
    scene.plan(both.clone()).reserved("A").contended("B");
    let then = ["A release1", "B release1", "reno free1", "plan 1/B:1,2/A:1"];
    scene.check(OrderStatus::Routed, &then);
    scene.told().plan(both);
    scene.check(OrderStatus::Routed, &["A reserve2 reno:1 queue"]);
    scene.answer("A reserve", Ok(Answer::Queued));
    scene.check(OrderStatus::Routed, &["A reserve2 reno:1 queue"]);
    scene.tell(OrderCommand::TurnCame {
        sku: id("A"),
        attempt: 2,
        result: Ok(Answer::Reserved {
            takes: vec![take("reno", 1)],
        }),
    });
    scene.check(OrderStatus::Routed, &["B reserve2 reno:1 queue"]);
    scene.reserved("B");
    scene.check(OrderStatus::Routed, &["reno take2 2"]);
    scene.slot("reno");
    scene.check(OrderStatus::Reserved, &["A confirm2", "B confirm2"]);
}

#[test]
fn a_busy_sku_is_tried_again_with_a_pause() {
    let mut scene = one_sold();
    scene.plan(plan(&[("1", "A", "reno", 2)], &[]));
    let busy = Rejection::Busy {
        sku: id("A"),
        retry_after_ms: 500,
    };
    scene.answer("A reserve", Err(busy)).told();
    scene.check(OrderStatus::Routed, &[]);
    assert!(scene.entity.next_deadline().is_some());
    scene.wake();
    scene.check(OrderStatus::Routed, &["plan 1/A:2"]);
}

/// It is put aside, so that it does not say what it has.
fn busy(sku: &str) -> Rejection {
    Rejection::Busy {
        sku: id(sku),
        retry_after_ms: 1_000,
    }
}

#[test]
fn an_order_that_asks_for_a_sku_put_aside_is_answered_at_once() {
    let mut scene = one_asking();
    let begin = scene.now;
    scene.plan(plan(&[], &[("1", "A", 2)]));
    assert_eq!(scene.settled(), None);
    scene.answer("A read", Err(busy("A")));
    assert!(matches!(scene.settled(), Some(Err(Rejection::Busy { .. }))));
    scene.check(OrderStatus::Received, &[]);
    assert_eq!(scene.now, begin);
    asked_again(&mut scene);
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene
        .stock(view("A", "reno", 2, 0, 0))
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno");
    assert!(matches!(scene.settled(), Some(Ok(_))));
}

#[test]
fn an_order_that_is_sold_tries_a_sku_put_aside_again_with_pauses() {
    let given_up = Rejection::invalid("command", "given up");
    for why in [busy("A"), given_up] {
        let mut scene = one_sold();
        let mut pauses = Vec::new();
        for _ in 0..18 {
            scene.plan(plan(&[], &[("1", "A", 2)]));
            let before = scene.now;
            scene.answer("A read", Err(why.clone()));
            // Whoever sold it is not kept waiting.
            assert!(matches!(scene.settled(), Some(Ok(_))));
            scene.check(OrderStatus::Received, &[]);
            scene.wake();
            pauses.push(scene.now - before);
        }
        assert_eq!(pauses[..4], [20, 40, 80, 160]);
        assert_eq!(pauses.last(), Some(&300_000));
        scene
            .plan(plan(&[("1", "A", "reno", 2)], &[]))
            .reserved("A")
            .slot("reno");
        scene.check(OrderStatus::Reserved, &["A confirm19"]);
    }
}

#[test]
fn a_location_without_capacity_is_left_out() {
    let mut scene = one_sold();
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A");
    let full = Rejection::CapacityFull {
        day: "2026-12-01".to_owned(),
    };
    scene.answer("reno take", Err(full)).told();
    scene
        .plan(plan(&[("1", "A", "newark", 2)], &[]))
        .reserved("A")
        .slot("newark")
        .told();
    scene.check(OrderStatus::Requested, &["newark fulfil1 A:2"]);
}

/// The next attempt is without it, and so is not put off as one that meets the same again.
#[test]
fn a_location_without_capacity_is_left_out_at_once_however_often_it_was_tried() {
    let mut scene = Scene::new();
    scene.tell(asks(&[line("1", "A", 1)]));
    let reno = || plan(&[("1", "A", "reno", 1)], &[]);
    for _ in 0..9 {
        if !scene.effects().iter().any(|one| one.starts_with("plan")) {
            scene.wake();
        }
        scene.plan(reno()).reserved("A");
        scene.answer("reno take", Err(Rejection::Superseded)).told();
    }
    scene.wake().plan(reno()).reserved("A");
    let full = Rejection::CapacityFull {
        day: "2026-12-01".to_owned(),
    };
    scene.answer("reno take", Err(full)).told();
    scene.check(OrderStatus::Routed, &["plan 1/A:1"]);
}

#[test]
fn units_reserved_for_a_plan_that_is_lost_are_not_taken_for_ours() {
    let mut scene = one_sold();
    scene.plan(plan(&[("1", "A", "reno", 2)], &[]));
    let other = Answer::Reserved {
        takes: vec![take("newark", 2)],
    };
    scene.answer("A reserve", Ok(other));
    scene.check(
        OrderStatus::Routed,
        &["A release1", "reno free1", "plan 1/A:2"],
    );
}

#[test]
fn a_sku_that_asks_hears_what_became_of_its_attempt() {
    let mut scene = Scene::new();
    let check = |scene: &mut Scene, attempt, expected: Answer| {
        scene.notices.clear();
        scene.tell(OrderCommand::AskOutcome {
            sku: id("A"),
            attempt,
        });
        let outcomes: Vec<_> = scene.notices.iter().map(|notice| &notice.command).collect();
        let id = crossdock_model::v1::AttemptId {
            order: id("shop:1"),
            attempt,
        };
        let outcome = expected;
        let expected = Command::Sku(SkuCommand::Outcome { id, outcome });
        assert_eq!(outcomes, [&expected]);
    };
    // Nobody remembers attempt 1: its number is never used again.
    check(&mut scene, 1, Answer::GivenUp);
    scene.tell(sold(&[line("1", "A", 2)]));
    scene.plan(plan(&[("1", "A", "reno", 2)], &[]));
    scene.check(OrderStatus::Routed, &["A reserve2 reno:2", "reno take2 2"]);
    check(&mut scene, 1, Answer::GivenUp);
    check(&mut scene, 2, Answer::Undecided);
    scene.reserved("A").slot("reno");
    check(&mut scene, 2, Answer::Committed);
    check(&mut scene, 3, Answer::GivenUp);
    scene.recovers();
}

/// What it reserved in a life that is lost has ended its wait at the SKU.
#[test]
fn who_waits_and_gives_up_what_it_does_not_remember_stands_in_line_anew() {
    let ask = |scene: &mut Scene, sku: &str| {
        let (sku, attempt) = (id(sku), 3);
        scene.tell(OrderCommand::AskOutcome { sku, attempt });
    };
    let mut scene = one_sold();
    let none = plan(&[], &[("1", "A", 2)]);
    scene.plan(none.clone()).stock(view("A", "reno", 0, 0, 0));
    scene.plan(none);
    scene.answer("A wait", Ok(Answer::Waits));
    scene.check(OrderStatus::Backordered, &[]);
    ask(&mut scene, "B");
    scene.check(OrderStatus::Backordered, &[]);
    ask(&mut scene, "A");
    scene.check(OrderStatus::Backordered, &["A wait 2"]);
    // It is asked once more: where it stands already it goes on to stand.
    ask(&mut scene, "A");
    scene.check(OrderStatus::Backordered, &["A wait 2"]);
    scene.answer("A wait", Ok(Answer::RetryNow));
    scene.check(OrderStatus::Backordered, &["plan 1/A:2"]);
    ask(&mut scene, "A");
    scene.check(OrderStatus::Backordered, &["plan 1/A:2"]);
    scene.recovers();
}

#[test]
fn the_router_is_told_what_belongs_together() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "K", 2)]));
    let parts = [("1", "A", "reno", 2), ("1", "B", "reno", 4)];
    scene.plan(plan(&parts, &[])).contended("A");
    let pending = scene.pending();
    let asked = pending.iter().find_map(|(_, effect)| match effect {
        Effect::Plan(request) => Some(request),
        _ => None,
    });
    let asked = asked.expect("a plan is asked for");
    let wanted: Vec<&str> = asked
        .wanted
        .iter()
        .map(|(_, sku, _)| sku.as_str())
        .collect();
    assert_eq!(wanted, ["A", "B"]);
    assert_eq!(asked.parts, [(id("1"), id("K"), 1)]);
}

#[test]
fn a_kit_is_known_by_what_the_plan_made_of_it() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "K", 2)]));
    let parts = [("1", "A", "reno", 2), ("1", "B", "reno", 4)];
    scene
        .plan(plan(&parts, &[]))
        .reserved("A")
        .reserved("B")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:2,B:4"]);
    scene.delivered(None);
    scene.tell(OrderCommand::Cancel {
        reason: "buyer".to_owned(),
        lines: Some(vec![units("1", 1)]),
    });
    scene.check(OrderStatus::Requested, &["reno cancel1.1 A:1,B:2"]);
}

#[test]
fn a_kit_that_finds_no_place_waits_for_its_components() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "K", 2)]));
    scene.plan(plan(&[], &[("1", "K", 2)]));
    let mut kit = view("K", "reno", 0, 0, 0);
    let component = |sku: &str, units_per_kit| Component {
        sku: id(sku),
        units_per_kit,
    };
    kit.tracking = Tracking::Kit(Kit {
        components: vec![component("A", 1), component("B", 2)],
        may_split: false,
    });
    scene.stock(kit);
    scene.check(OrderStatus::Received, &["plan 1/A:2,1/B:4"]);
    scene.plan(plan(&[], &[("1", "A", 2), ("1", "B", 4)]));
    scene
        .stock(view("A", "reno", 0, 0, 0))
        .stock(view("B", "reno", 0, 0, 0));
    scene.plan(plan(&[], &[("1", "A", 2), ("1", "B", 4)]));
    scene.check(OrderStatus::Backordered, &["A wait 2", "B wait 4"]);
}

#[test]
fn an_order_nobody_can_take_waits_for_a_person() {
    let mut scene = one_sold();
    let mut nowhere = plan(&[], &[("1", "A", 2)]);
    nowhere.fallback = crossdock_model::v1::Fallback::Exception;
    scene
        .plan(nowhere.clone())
        .stock(view("A", "reno", 9, 0, 0))
        .plan(nowhere);
    assert_eq!(scene.open_exceptions(), ["unroutable"]);
    scene.check(OrderStatus::Received, &[]);
    scene.tell(OrderCommand::Reroute { exclude: vec![] });
    scene.check(OrderStatus::Received, &["plan 1/A:2"]);
    assert!(scene.open_exceptions().is_empty());
}

#[test]
fn pauses_double_up_to_their_limit() {
    let cause = AttemptEnd::Busy { sku: id("A") };
    let mut scene = one_sold();
    let mut pauses = Vec::new();
    for _ in 0..14 {
        scene.plan(plan(&[("1", "A", "reno", 2)], &[]));
        let AttemptEnd::Busy { sku } = cause.clone() else {
            panic!("busy")
        };
        let busy = Rejection::Busy {
            sku,
            retry_after_ms: 500,
        };
        let before = scene.now;
        scene.answer("A reserve", Err(busy)).told().wake();
        pauses.push(scene.now - before);
    }
    assert_eq!(pauses[..4], [20, 40, 80, 160]);
    assert_eq!(pauses.last(), Some(&30_000));
}

#[test]
fn units_that_a_sku_does_not_know_are_placed_anew_before_anybody_is_asked() {
    let mut scene = one_sold();
    scene
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno");
    scene.answer("A confirm", Err(Rejection::Superseded));
    let then = ["A settle1 reno 0/2", "reno free1", "plan 1/A:2"];
    scene.check(OrderStatus::Received, &then);
}

#[test]
fn stock_that_says_otherwise_than_the_plan_is_looked_at_again_before_a_refusal() {
    let mut scene = one_asking();
    for _ in 0..3 {
        scene.plan(plan(&[], &[("1", "A", 2)]));
        scene
            .stock(view("A", "reno", 5, 0, 0))
            .plan(plan(&[], &[("1", "A", 2)]));
        assert_eq!(scene.settled(), None);
        scene.wake();
    }
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene
        .stock(view("A", "reno", 5, 0, 0))
        .plan(plan(&[], &[("1", "A", 2)]));
    assert!(matches!(
        scene.settled(),
        Some(Err(Rejection::Short { .. }))
    ));
}
