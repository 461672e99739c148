//! The way of one order, from its statement to its last parcel.

use crossdock_model::Answer;
use crossdock_model::command::OrderCommand;
use crossdock_model::v1::OrderStatus;

use super::scene::*;

#[test]
fn a_sold_order_is_planned_reserved_requested_and_shipped() {
    let mut scene = Scene::new();
    scene.tell(sold(&[line("1", "A", 2), line("2", "B", 1)]));
    assert_eq!(scene.answer, Ok(Answer::Later));
    scene.check(OrderStatus::Received, &["plan 1/A:2,2/B:1"]);
    scene.plan(plan(&[("1", "A", "reno", 2), ("2", "B", "newark", 1)], &[]));
    let asked = [
        "A reserve1 reno:2",
        "B reserve1 newark:1",
        "newark take1 1",
        "reno take1 2",
    ];
    scene.check(OrderStatus::Routed, &asked);
    scene.reserved("B").slot("reno").slot("newark");
    scene.check(OrderStatus::Routed, &["A reserve1 reno:2"]);
    assert_eq!(scene.settled(), None);
    scene.reserved("A");
    scene.check(OrderStatus::Reserved, &["A confirm1", "B confirm1"]);
    assert!(matches!(scene.settled(), Some(Ok(Answer::Order(_)))));
    scene.answer("A confirm", Ok(Answer::Done));
    scene.check(OrderStatus::Reserved, &["B confirm1"]);
    scene.told();
    let asked = ["newark fulfil1 B:1", "reno fulfil2 A:2"];
    scene.check(OrderStatus::Requested, &asked);
    scene.delivered(None).delivered(None);
    scene.check(OrderStatus::Requested, &[]);
    scene.tell(OrderCommand::Acknowledge { request: 1 });
    scene.tell(OrderCommand::Acknowledge { request: 2 });
    scene.check(OrderStatus::Acknowledged, &[]);
    scene.tell(ship(2, "s1", &[request_line("1", "A", 1)]));
    scene.check(
        OrderStatus::PartlyShipped,
        &["A settle1 reno 1/0", "report1.1"],
    );
    scene.tell(ship(2, "s1", &[request_line("1", "A", 1)]));
    scene.tell(ship(2, "s2", &[])).tell(ship(1, "s3", &[]));
    let last = ["report1.1", "A settle1 reno 2/0", "B settle1 newark 1/0"];
    scene.check(OrderStatus::Shipped, &last);
    scene.told().wake();
    scene.check(OrderStatus::Closed, &[]);
    assert_eq!(scene.entity.next_deadline(), None);
}

#[test]
fn a_repeat_gets_the_same_answer_and_changes_nothing() {
    let mut scene = requested();
    let version = scene.entity.version();
    let settled = scene.settled();
    scene.tell(sold(&[line("1", "A", 2)]));
    assert_eq!(Some(scene.answer.clone()), settled);
    assert_eq!(scene.entity.version(), version);
}

#[test]
fn layout_is_golden() {
    let mut scene = requested();
    scene.delivered(None);
    scene.tell(OrderCommand::Acknowledge { request: 1 });
    scene.tell(ship(1, "s1", &[request_line("1", "A", 1)]));
    scene.check(
        OrderStatus::PartlyShipped,
        &["A settle1 reno 1/0", "report1.1"],
    );
    crate::golden::check(&scene.entity);
}
