//! Buyers who ask their channel to cancel.

use crossdock_model::Answer;
use crossdock_model::command::OrderCommand;
use crossdock_model::v1::{ExceptionKey, OrderStatus};

use super::scene::*;

/// A statement `after` ms later than the order's first says so of these lines.
fn asked(lines: &[&str], after: i64) -> OrderCommand {
    OrderCommand::CancelAsked {
        lines: lines.iter().map(|line| id(line)).collect(),
        reason: "No need".to_owned(),
        asked_at: ms(T0 - 1_000 + after),
    }
}

fn cancel(line: &str, of: u32) -> OrderCommand {
    OrderCommand::Cancel {
        reason: "agreed".to_owned(),
        lines: Some(vec![units(line, of)]),
    }
}

fn unhold(lines: &[&str]) -> OrderCommand {
    OrderCommand::Unhold {
        lines: lines.iter().map(|line| id(line)).collect(),
    }
}

fn resolve(episode: u32) -> OrderCommand {
    OrderCommand::ResolveException {
        key: ExceptionKey {
            kind: "cancel_asked".to_owned(),
            subject: "order:shop:1".to_owned(),
            episode,
        },
        how: "spoke to the buyer".to_owned(),
    }
}

/// Two units of A and one of B, reserved at reno; the buyer asked to cancel line 1 before anything was requested.
fn line_1_asked() -> Scene {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", 2), line("2", "B", 1)]))
        .tell(asked(&["1"], 0))
        .plan(plan(&[("1", "A", "reno", 2), ("2", "B", "reno", 1)], &[]))
        .reserved("A")
        .reserved("B")
        .slot("reno")
        .told();
    scene.check(OrderStatus::Requested, &["reno fulfil1 B:1"]);
    assert_eq!(scene.open_exceptions(), ["cancel_asked"]);
    scene
}

fn opened_texts(scene: &Scene) -> Vec<String> {
    let events = scene.records.iter().flat_map(|record| &record.events);
    let texts = events.filter_map(|event| match event {
        crossdock_model::Event::Order(crossdock_model::v1::OrderEvent::ExceptionOpened(one)) => {
            Some(one.cause.clone())
        }
        _ => None,
    });
    texts.collect()
}

#[test]
fn what_a_buyer_asks_to_cancel_is_kept_from_locations_until_somebody_decides() {
    let requested = ["reno fulfil1 B:1", "reno fulfil2 A:2"];
    // What is done, what is outstanding then, and whether somebody still has to decide.
    let cases: [(&str, OrderCommand, &[&str], bool); 8] = [
        (
            "the same again",
            asked(&["1"], 1),
            &["reno fulfil1 B:1"],
            true,
        ),
        ("said earlier", asked(&[], -1), &["reno fulfil1 B:1"], true),
        ("taken back", asked(&[], 1), &requested, false),
        ("not agreed", unhold(&[]), &requested, false),
        ("not agreed for it", unhold(&["1"]), &requested, false),
        (
            "another line is let go",
            unhold(&["2"]),
            &["reno fulfil1 B:1"],
            true,
        ),
        ("resolved", resolve(1), &requested, false),
        (
            "agreed in part",
            cancel("1", 1),
            &["reno fulfil1 B:1", "A settle1 reno 0/1", "report1.1"],
            true,
        ),
    ];
    for (name, command, effects, open) in cases {
        let mut scene = line_1_asked();
        scene.tell(command);
        assert!(scene.answer.is_ok(), "{name}: {:?}", scene.answer);
        scene.check(OrderStatus::Requested, effects);
        assert_eq!(!scene.open_exceptions().is_empty(), open, "{name}");
        // A statement that says nothing new of it does not open it again.
        let version = scene.entity.version();
        if !open && name != "taken back" {
            scene.tell(asked(&["1"], 2));
            assert_eq!(scene.entity.version(), version, "{name}");
        }
    }
}

#[test]
fn an_agreed_cancellation_ends_the_ask() {
    let mut scene = line_1_asked();
    scene.tell(cancel("1", 2));
    assert!(scene.open_exceptions().is_empty());
    scene.told_skus();
    scene.check(OrderStatus::Requested, &["reno fulfil1 B:1", "report1.1"]);
    // The channel carries it out, and does not say any more that it is asked.
    scene.tell(asked(&[], 1)).recovers();
    assert!(scene.open_exceptions().is_empty());
}

#[test]
fn what_a_location_was_asked_for_is_left_alone() {
    let mut scene = requested();
    scene.delivered(None).tell(asked(&["1"], 1));
    scene.check(OrderStatus::Requested, &[]);
    assert_eq!(scene.open_exceptions(), ["cancel_asked"]);
    assert_eq!(
        opened_texts(&scene),
        [
            "the buyer asks not to be sent line 1 (No need): nothing more of it is requested until it is cancelled, \
             or let go on; units that locations were asked for already (2) are sent unless it is cancelled"
        ]
    );
    scene.tell(ship(1, "p1", &[]));
    assert!(scene.open_exceptions().is_empty(), "it has left");
    scene.told().recovers();
}

#[test]
fn more_that_is_asked_is_decided_by_itself() {
    let mut scene = line_1_asked();
    scene.tell(resolve(1)).tell(asked(&["1", "2"], 1));
    assert_eq!(scene.open_exceptions(), ["cancel_asked"]);
    assert!(opened_texts(&scene)[1].contains("sent line 2 (No need)"));
    scene.tell(resolve(2));
    assert!(scene.open_exceptions().is_empty());
    scene.recovers();
}

#[test]
fn nothing_is_asked_of_an_order_that_is_over() {
    let mut scene = requested();
    scene
        .tell(OrderCommand::Cancel {
            reason: "agreed".to_owned(),
            lines: None,
        })
        .delivered(None)
        .tell(answer_cancel(1, None, true));
    assert_eq!(scene.status(), OrderStatus::Cancelled);
    let version = scene.entity.version();
    scene.tell(asked(&["1"], 1));
    assert_eq!(scene.answer, Ok(Answer::Done));
    assert_eq!(scene.entity.version(), version);
}
