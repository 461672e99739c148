//! Orders that name a hold: its units become theirs, and are nobody else's in between.

use crossdock_model::command::{OrderCommand, SkuCommand};
use crossdock_model::v1::{AttemptId, OrderStatus, Origin, Payment, Sale};
use crossdock_model::{Answer, Command, Rejection, SkuId};
use proptest::prelude::*;

use super::scene::*;
use super::world::World;

fn stated_held(lines: &[crossdock_model::v1::LineFacts]) -> OrderCommand {
    OrderCommand::Place {
        facts: Box::new(facts(Sale::Asks, lines)),
        origin: Origin::Api,
        hold: Some(id("h")),
        claim: id("k"),
    }
}

#[test]
fn an_order_that_names_a_hold_reserves_with_it() {
    let mut scene = Scene::new();
    scene.tell(stated_held(&[line("1", "A", 2)]));
    scene.check(OrderStatus::Received, &["plan 1/A:2"]);
    // Announced stock does not count what is held: the SKU itself is asked, by the hold's name.
    scene.plan(plan(&[], &[("1", "A", 2)]));
    scene.check(OrderStatus::Received, &["A read with h"]);
    scene
        .stock(view("A", "reno", 2, 0, 0))
        .plan(plan(&[("1", "A", "reno", 2)], &[]));
    let asked = ["A reserve1 reno:2 with h", "reno take1 2"];
    let asked = asked.map(|one| one.replace('1', "2"));
    scene.check(OrderStatus::Routed, &asked.each_ref().map(String::as_str));
    scene.tell(stated_held(&[line("1", "A", 2)]));
    scene.reserved("A").slot("reno");
    scene.check(OrderStatus::Reserved, &["A confirm2"]);
    assert!(matches!(scene.settled(), Some(Ok(_))));
    let taken = scene.events().into_iter().filter(|one| one == "HoldTaken");
    assert_eq!(taken.count(), 1);
    // What it needs later on is taken as any order takes it.
    scene.tell(OrderCommand::EditLines {
        lines: vec![edit("1", None, 3)],
    });
    scene.answer("A confirm", Ok(Answer::Done));
    scene.plan(plan(&[("1", "A", "reno", 1)], &[]));
    let asked = ["A reserve3 reno:1 1 added", "reno take3 1"];
    scene.check(OrderStatus::Routed, &asked);
}

#[test]
fn held_units_are_not_risked_on_announced_stock() {
    let mut scene = Scene::new();
    let both = plan(&[("1", "A", "reno", 1), ("2", "B", "reno", 1)], &[]);
    scene
        .tell(stated_held(&[line("1", "A", 1), line("2", "B", 1)]))
        .plan(both.clone());
    scene.check(OrderStatus::Received, &["A read with h", "B read with h"]);
    scene
        .stock(view("A", "reno", 1, 0, 0))
        .stock(view("B", "reno", 0, 0, 0))
        .plan(plan(&[("1", "A", "reno", 1)], &[("2", "B", 1)]));
    assert!(matches!(
        scene.settled(),
        Some(Err(Rejection::Short { .. }))
    ));
    scene.check(OrderStatus::Cancelled, &[]);
}

/// What another order gets that wants one unit of the SKU at once.
fn grab(world: &mut World, sku: &str, place: &str, number: u32) -> Result<Answer, Rejection> {
    let reserve = SkuCommand::Reserve {
        id: AttemptId {
            order: id("other:grabs"),
            attempt: number,
        },
        takes: vec![take(place, 1)],
        sale: Sale::AlreadySold,
        promised_at: ms(0),
        added_units: 0,
        queue: false,
    };
    world.sku(sku, reserve)
}

proptest! {
    /// Three units of A and one of B, all of them held for the order, wherever they are.
    #[test]
    fn held_units_are_the_orders_at_every_moment(
        at_newark in 0_u8..4,
        b_at_newark in any::<bool>(),
        steps in proptest::collection::vec((0_u8..8, any::<u8>(), any::<u8>()), 0..60),
    ) {
        let b = u8::from(b_at_newark);
        let stock = [at_newark, 3 - at_newark, b, 1 - b];
        let mut world = World::new(stock, true, Some((3, 1)));
        world.announce();
        let mut number = 0;
        for step in steps {
            world.step(step);
            for (sku, place) in [("A", "newark"), ("A", "reno"), ("B", "newark"), ("B", "reno")] {
                number += 1;
                let got = grab(&mut world, sku, place, number);
                prop_assert!(got.is_err(), "{got:?} of {sku} at {place}");
            }
        }
        world.quiesce();
        world.agrees();
        let settled = world.scene.settled();
        prop_assert!(matches!(settled, Some(Ok(_))), "{settled:?}");
        prop_assert!(world.the_order().missing().is_empty());
        for sku in ["A", "B"] {
            let held = world.view(&id::<SkuId>(sku)).locations;
            prop_assert!(held.iter().all(|place| place.held == 0));
        }
    }
}

#[test]
fn a_hold_that_ran_out_is_worth_nothing() {
    let mut world = World::new([3, 0, 1, 0], true, Some((3, 1)));
    world.scene.now += 20_000;
    let got = grab(&mut world, "A", "newark", 1);
    assert!(matches!(got, Ok(Answer::Reserved { .. })), "{got:?}");
    let confirm = SkuCommand::Confirm {
        id: AttemptId {
            order: id("other:grabs"),
            attempt: 1,
        },
    };
    world.sku("A", confirm).expect("confirmed");
    for _ in 0..50 {
        for (number, effect) in world.scene.pending() {
            world.carry_out(number, &effect);
        }
        world.give(0, false);
    }
    let settled = world.scene.settled();
    assert!(
        matches!(settled, Some(Err(Rejection::Short { .. }))),
        "{settled:?}"
    );
}

/// As a caller of the API places it with that key.
fn placed(claim: &str, origin: Origin, facts: crossdock_model::v1::OrderFacts) -> OrderCommand {
    OrderCommand::Place {
        facts: Box::new(facts),
        origin,
        hold: None,
        claim: id(claim),
    }
}

#[test]
fn an_order_is_placed_by_one_claim_and_not_rewritten_by_another() {
    let mut scene = Scene::new();
    let first = facts(Sale::Asks, &[line("1", "A", 2)]);
    scene.tell(placed("k", Origin::Api, first.clone()));
    assert_eq!(scene.answer, Ok(Answer::Later));
    let mut other = facts(Sale::Asks, &[line("1", "B", 7)]);
    other.updated_at = ms(T0 + 1);
    scene.tell(placed("other", Origin::Api, other.clone()));
    assert!(matches!(scene.answer, Err(Rejection::OrderExists(_))));
    // A repeat awaits the outcome and changes nothing, whatever it says.
    scene.tell(placed("k", Origin::Api, other));
    assert_eq!(scene.answer, Ok(Answer::Later));
    let order = scene.order().order.as_deref().expect("an order");
    assert_eq!(order.facts, first);
    scene.check(OrderStatus::Received, &["plan 1/A:2"]);
}

#[test]
fn a_refused_order_is_placed_anew_by_another_claim() {
    let mut scene = Scene::new();
    let first = facts(Sale::Asks, &[line("1", "A", 2), line("2", "B", 1)]);
    let none = plan(&[], &[("1", "A", 2), ("2", "B", 1)]);
    scene
        .tell(placed("k", Origin::Api, first.clone()))
        .plan(none.clone())
        .stock(view("A", "reno", 0, 0, 0))
        .stock(view("B", "reno", 0, 0, 0))
        .plan(none);
    scene.check(OrderStatus::Cancelled, &[]);
    let refused = scene.settled().expect("settled").expect_err("refused");
    assert_eq!(refused.code(), "short");
    // Decided afresh, by what is said now.
    let mut second = facts(Sale::Asks, &[line("1", "A", 1)]);
    second.updated_at = ms(0);
    scene.tell(placed("k2", Origin::Api, second.clone()));
    assert_eq!(scene.answer, Ok(Answer::Later));
    scene.check(OrderStatus::Received, &["plan 1/A:1"]);
    scene
        .plan(plan(&[("1", "A", "reno", 1)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Requested, &["reno fulfil1 A:1"]);
    // Each key has its own answer, and the order is there now.
    let version = scene.entity.version();
    scene.tell(placed("k", Origin::Api, first.clone()));
    assert_eq!(scene.answer, Err(refused));
    scene.tell(placed("k2", Origin::Api, second));
    assert_eq!(Some(scene.answer.clone()), scene.settled());
    scene.tell(placed("k3", Origin::Api, first));
    assert!(matches!(scene.answer, Err(Rejection::OrderExists(_))));
    assert_eq!(scene.entity.version(), version, "nothing was changed");
    scene.recovers();
}

/// A cart's hold of two units, reserved.
fn cart() -> Scene {
    let mut scene = Scene::new();
    let expires_at = ms(T0 + 600_000);
    let mut held = facts(Sale::Asks, &[line("1", "A", 2)]);
    held.destination = None;
    scene
        .tell(placed("cart", Origin::Hold { expires_at }, held))
        .plan(plan(&[("1", "A", "reno", 2)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Held, &[]);
    scene
}

#[test]
fn a_confirmed_cart_is_what_its_buyer_says() {
    let mut scene = cart();
    let mut bought = facts(Sale::Asks, &[]);
    // Also one that was placed, by its own account, before the hold.
    bought.updated_at = ms(0);
    bought.payment = Payment::Pending;
    bought.service_level = Some("express".to_owned());
    scene.tell(placed("buy", Origin::Api, bought.clone()));
    scene.check(OrderStatus::Reserved, &[]);
    let order = scene.order().order.as_deref().expect("an order");
    assert_eq!(order.facts.service_level.as_deref(), Some("express"));
    let version = scene.entity.version();
    let repeat = facts(Sale::Asks, &[line("1", "A", 2)]);
    let expires_at = ms(T0 + 900_000);
    scene
        .tell(placed("buy", Origin::Api, bought.clone()))
        .tell(placed("cart", Origin::Hold { expires_at }, repeat))
        .tell(OrderCommand::ReleaseHold);
    assert_eq!(scene.answer, Ok(Answer::Done));
    scene.tell(placed("again", Origin::Api, bought));
    assert!(matches!(scene.answer, Err(Rejection::OrderExists(_))));
    scene.check(OrderStatus::Reserved, &[]);
    assert_eq!(scene.entity.version(), version, "nothing was changed");
}

/// An order that is sold already may take what an asking one is refused: a cart is no way around the question.
#[test]
fn a_cart_is_not_confirmed_for_more_than_it_holds() {
    for lines in [
        vec![line("1", "A", 3)],
        vec![line("1", "A", 2), line("2", "A", 1)],
        vec![line("1", "A", 2), line("2", "B", 1)],
    ] {
        let mut scene = cart();
        let version = scene.entity.version();
        scene.tell(placed("buy", Origin::Api, facts(Sale::Asks, &lines)));
        assert!(matches!(scene.answer, Err(Rejection::Invalid { .. })));
        scene.check(OrderStatus::Held, &[]);
        assert_eq!(scene.entity.version(), version);
    }
    let mut scene = cart();
    let fewer = facts(Sale::Asks, &[line("1", "A", 1)]);
    scene.tell(placed("buy", Origin::Api, fewer));
    assert!(scene.effects().contains(&"A settle1 reno 0/1".to_owned()));
}

#[test]
fn a_cart_that_was_given_back_is_over() {
    let mut scene = cart();
    scene.tell(OrderCommand::ReleaseHold);
    let then = ["A settle1 reno 0/2", "reno free1"];
    scene.check(OrderStatus::Cancelled, &then);
    scene.tell(placed("buy", Origin::Api, facts(Sale::Asks, &[])));
    assert!(matches!(
        scene.answer,
        Err(Rejection::HoldExpired { at }) if at == ms(T0)
    ));
    scene.tell(OrderCommand::ReleaseHold);
    assert_eq!(scene.answer, Ok(Answer::Done));
    scene.check(OrderStatus::Cancelled, &then);
}

#[test]
fn units_of_an_order_that_was_never_created_come_back() {
    let mut world = World::new([1, 0, 0, 0], true, None);
    // Sent before the order was durable; the order is lost, and knows nothing of it.
    let mut lost = Scene::new();
    let number = AttemptId {
        order: id("shop:1"),
        attempt: 1,
    };
    let reserve = SkuCommand::Reserve {
        id: number,
        takes: vec![take("newark", 1)],
        sale: Sale::Asks,
        promised_at: ms(0),
        added_units: 0,
        queue: false,
    };
    world.sku("A", reserve.clone()).expect("reserved");
    world.scene.now += 5_000;
    world.at_sku(&id("A"), &Command::Wake).expect("woken");
    let asked = world.notices.pop().expect("the order is asked");
    lost.ask(&asked);
    for notice in std::mem::take(&mut lost.notices) {
        world
            .at_sku(&id("A"), &notice.command)
            .expect("the answer is taken");
    }
    let places = world.view(&id("A")).locations;
    let place = &places[0];
    assert_eq!((place.tentative, place.committed, place.ats), (0, 0, 1));
    // The same again, late: that attempt is closed for good, and a created order counts on from it.
    assert_eq!(world.sku("A", reserve), Err(Rejection::Superseded));
    lost.tell(asks(&[line("1", "A", 1)]))
        .plan(plan(&[("1", "A", "newark", 1)], &[]));
    lost.check(
        OrderStatus::Routed,
        &["A reserve2 newark:1", "newark take2 1"],
    );
}
