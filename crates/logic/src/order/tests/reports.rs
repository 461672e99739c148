//! What an order's channel is told: each parcel and each cancellation once, whatever becomes of the calls.

use crossdock_model::command::{OrderCommand, Said};
use crossdock_model::v1::{
    ExceptionKey, OrderEvent, OrderStatus, Origin, ParcelTracking, Part, ReportEnd, ReportKind,
    Sale,
};
use crossdock_model::{Answer, Duration, Event, LineId, ShipmentId};
use proptest::prelude::*;

use super::scene::*;
use super::shop::Shop;
use crate::Entity;
use crate::entity::DEDUP_WINDOW;
use crate::order::reports::{CANCEL_BY_HAND, REPORT_FAILED, SHIP_BY_HAND, UNKNOWN_OUTCOME};
use crate::order::{REPORT_PATIENCE, REPORTS_MAX};

fn tracked(request: u32, shipment: &str, lines: u32, number: Option<&str>) -> OrderCommand {
    OrderCommand::Ship {
        request,
        shipment: id(shipment),
        lines: vec![request_line("1", "A", lines)],
        tracking: number.map(|number| ParcelTracking {
            carrier: Some("UPS".to_owned()),
            number: Some(number.to_owned()),
            url: None,
        }),
        shipped_at: ms(T0),
    }
}

fn cancel(lines: &[(&str, u32)]) -> OrderCommand {
    let lines: Vec<_> = lines.iter().map(|(line, n)| units(line, *n)).collect();
    OrderCommand::Cancel {
        reason: "no stock".to_owned(),
        lines: (!lines.is_empty()).then_some(lines),
    }
}

fn told(theirs: &str) -> Said {
    Said::Told {
        theirs: Some(id(theirs)),
    }
}

fn failed(in_doubt: bool) -> Said {
    Said::Failed {
        error: "nothing in time".to_owned(),
        in_doubt,
    }
}

fn stated_parcel(shipment: &str, n: u32, number: Option<&str>) -> OrderCommand {
    OrderCommand::ShippedElsewhere {
        shipment: id(shipment),
        lines: vec![units("1", n)],
        tracking: number.map(str::to_owned),
    }
}

/// Two units of A, of which one has left in a parcel.
fn shipped(number: Option<&str>) -> Scene {
    let mut scene = requested();
    scene.delivered(None).tell(tracked(1, "s1", 1, number));
    scene.answer("A settle", Ok(Answer::Done));
    scene.check(OrderStatus::PartlyShipped, &["report1.1"]);
    scene
}

fn elsewhere(scene: &Scene) -> u32 {
    let order = scene.order().order.as_deref().unwrap();
    order.lines[&id::<LineId>("1")].elsewhere
}

#[test]
fn a_parcel_is_told_once_it_is_known_to_be_begun() {
    let mut scene = shipped(Some("1Z"));
    let task = scene.begin_report();
    assert!(!task.in_doubt && task.known.is_empty());
    let ReportKind::Shipped {
        location,
        lines,
        tracking,
        ..
    } = task.kind
    else {
        panic!("{task:?}")
    };
    assert_eq!((location, lines), (id("reno"), vec![units("1", 1)]));
    assert_eq!(tracking.unwrap().number.as_deref(), Some("1Z"));
    assert!(
        scene.begin_report().in_doubt,
        "begun before, and not answered"
    );
    scene.reported(told("f1"));
    scene.check(OrderStatus::PartlyShipped, &[]);
    // The channel tells of its own: no more units have left.
    scene.tell(stated_parcel("f1", 1, Some("1Z")));
    assert_eq!(elsewhere(&scene), 0);
    scene.check(OrderStatus::PartlyShipped, &[]);
}

/// What was adopted without the channel's ids is told under them, once they are known.
#[test]
fn lines_are_told_by_the_channels_ids() {
    let mut scene = Scene::new();
    let ours = LineId::provisional(1);
    let mut adopted = facts(Sale::AlreadySold, &[line(ours.as_str(), "A", 1)]);
    scene.tell(stated(adopted.clone(), Origin::Adopted));
    scene
        .plan(plan(&[(ours.as_str(), "A", "reno", 1)], &[]))
        .reserved("A")
        .slot("reno")
        .told()
        .tell(OrderCommand::Free);
    scene.delivered(None).tell(ship(1, "s1", &[]));
    scene.ask_to_begin();
    assert_eq!(scene.events().last().unwrap(), "ReportFailed");
    scene.told();
    adopted.lines[0].line = id("301");
    adopted.updated_at = ms(T0);
    scene.tell(stated(adopted, Origin::Channel)).wake();
    let ReportKind::Shipped { lines, .. } = scene.begin_report().kind else {
        panic!("not a parcel")
    };
    assert_eq!(lines, [units("301", 1)]);
}

/// A unit of several parts has left with its last part.
#[test]
fn whole_units_are_told() {
    let mut scene = Scene::new();
    let mut set = line("1", "A", 2);
    set.parts.push(Part {
        sku: id("B"),
        units_per_line_unit: 1,
    });
    scene
        .tell(sold(&[set]))
        .plan(plan(&[("1", "A", "reno", 2), ("1", "B", "reno", 2)], &[]))
        .reserved("A")
        .reserved("B")
        .slot("reno")
        .told();
    scene.delivered(None);
    scene.tell(ship(1, "s1", &[request_line("1", "A", 2)]));
    assert_eq!(scene.order().reporting(), None);
    scene.tell(ship(1, "s2", &[request_line("1", "B", 1)]));
    let ReportKind::Shipped { lines, .. } = scene.begin_report().kind else {
        panic!("not a parcel")
    };
    assert_eq!(lines, [units("1", 1)]);
}

#[test]
fn what_is_not_told_is_tried_again_and_then_shown_to_a_person() {
    let mut scene = shipped(None);
    for failure in 1..REPORTS_MAX {
        scene.reported(failed(false));
        let open = scene.open_exceptions() == [REPORT_FAILED];
        assert_eq!(open, failure >= REPORT_PATIENCE, "{failure}");
        assert_eq!(scene.order().reporting(), None);
        let before = scene.now;
        scene.wake();
        assert!(scene.now > before + 4_999, "{failure}");
    }
    scene.reported(failed(false));
    assert_eq!(scene.entity.next_deadline(), None);
    scene.tell(OrderCommand::Retell);
    scene.check(OrderStatus::PartlyShipped, &["report1.25"]);
    scene.reported(told("f1"));
    assert!(scene.open_exceptions().is_empty());
}

/// A call that is not answered is made again, and both may be under way: that one did nothing says nothing of the other.
#[test]
fn a_call_that_did_nothing_says_nothing_of_another() {
    let mut scene = shipped(Some("1Z"));
    scene.begin_report();
    assert!(scene.begin_report().in_doubt);
    scene.reported(failed(false)).wake();
    assert!(scene.begin_report().in_doubt, "the other may have done it");
}

/// To be asked too much is no failure, however often it happens.
#[test]
fn a_channel_that_is_busy_is_told_later() {
    let mut scene = shipped(None);
    for _ in 0..REPORTS_MAX * 2 {
        let now = scene.now;
        let after = Duration::from_ms(700);
        scene.begin_report();
        scene.reported(Said::Later {
            after,
            in_doubt: false,
        });
        scene.wake();
        assert_eq!(scene.now, now + 700);
    }
    assert!(scene.open_exceptions().is_empty());
    assert!(!scene.begin_report().in_doubt);
}

#[test]
fn the_next_parcel_waits_for_one_in_doubt() {
    let mut scene = shipped(None);
    scene.tell(tracked(1, "s2", 1, None)).told_skus();
    scene.begin_report();
    scene.reported(failed(true));
    scene.check(OrderStatus::Shipped, &[]);
    scene.wake();
    scene.check(OrderStatus::Shipped, &["report1.2"]);
    assert!(scene.begin_report().in_doubt);
    scene.reported(failed(false));
    scene.check(OrderStatus::Shipped, &["report2.1"]);
    scene.reported(told("f2")).wake();
    assert_eq!(scene.begin_report().known, [id::<ShipmentId>("f2")]);
}

/// (the parcel's number, whether its call was begun, the number the channel names, whether it is taken for ours)
#[test]
fn the_channel_may_tell_of_a_parcel_before_its_answer_comes() {
    let table = [
        (Some("1Z"), true, Some("1Z"), true),
        (Some("1Z"), false, Some("1Z"), true),
        (Some("1Z"), true, Some("2Z"), false),
        (Some("1Z"), true, None, false),
        (None, true, None, true),
        (None, false, None, false),
        (None, true, Some("2Z"), false),
    ];
    for (ours, begun, theirs, same) in table {
        let mut scene = shipped(ours);
        if begun {
            scene.begin_report();
        }
        scene.tell(stated_parcel("f1", 1, theirs));
        let case = format!("{ours:?} {begun} {theirs:?}");
        assert_eq!(elsewhere(&scene), u32::from(!same), "{case}");
        assert_eq!(scene.order().reporting().is_none(), same, "{case}");
        // A late answer changes nothing.
        scene.tell(OrderCommand::Reported {
            report: 1,
            attempt: 1,
            said: told("f1"),
        });
        assert_eq!(elsewhere(&scene), 0, "{case}");
        scene.recovers();
    }
}

#[test]
fn a_person_tells_what_no_call_can() {
    let mut scene = shipped(None);
    let what = "UPS gave no number".to_owned();
    scene.reported(Said::ByHand { what });
    assert_eq!(scene.open_exceptions(), [SHIP_BY_HAND]);
    scene.tell(stated_parcel("p1", 1, Some("9Z")));
    assert!(scene.open_exceptions().is_empty());
    assert_eq!(elsewhere(&scene), 0);

    let mut scene = shipped(None);
    scene.begin_report();
    scene.reported(Said::Unknown {
        error: "no answer".to_owned(),
    });
    assert_eq!(scene.open_exceptions(), [UNKNOWN_OUTCOME]);
    scene.check(OrderStatus::PartlyShipped, &[]);
    scene.tell(OrderCommand::ResolveException {
        key: ExceptionKey {
            kind: UNKNOWN_OUTCOME.to_owned(),
            subject: "order:shop:1/report/1".to_owned(),
            episode: 1,
        },
        how: "it is there".to_owned(),
    });
    scene.tell(OrderCommand::Retell);
    scene.check(OrderStatus::PartlyShipped, &[]);
}

#[test]
fn an_order_given_up_is_cancelled_there_as_a_whole() {
    let mut scene = requested();
    scene.delivered(None).tell(cancel(&[("1", 1)]));
    assert_eq!(
        scene.order().reporting(),
        None,
        "its location may send it yet"
    );
    scene.tell(cancel(&[]));
    scene.tell(answer_cancel(1, None, true)).told_skus();
    scene.check(OrderStatus::Cancelled, &["report1.1"]);
    let ReportKind::Cancelled {
        lines,
        reason,
        whole,
    } = scene.begin_report().kind
    else {
        panic!("not a cancellation")
    };
    assert_eq!(
        (lines, &*reason, whole),
        (vec![units("1", 2)], "no stock", true)
    );
    // The channel says so before its answer comes.
    let mut facts = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    facts.updated_at = ms(T0);
    facts.cancelled = Some((ms(T0), "inventory".to_owned()));
    scene.tell(stated(facts, Origin::Channel));
    scene.check(OrderStatus::Cancelled, &[]);
}

#[test]
fn units_given_up_are_cancelled_there_by_a_person() {
    let mut scene = Scene::new();
    scene
        .tell(sold(&[line("1", "A", 2), line("2", "B", 1)]))
        .plan(plan(&[("1", "A", "reno", 2), ("2", "B", "reno", 1)], &[]))
        .reserved("A")
        .reserved("B")
        .slot("reno")
        .told();
    scene.delivered(None).tell(cancel(&[("1", 1)]));
    scene.tell(answer_cancel(1, None, true)).told_skus();
    let task = scene.begin_report();
    assert!(
        matches!(task.kind, ReportKind::Cancelled { whole: false, .. }),
        "{task:?}"
    );
    scene.reported(Said::ByHand {
        what: "refund it".to_owned(),
    });
    assert_eq!(scene.open_exceptions(), [CANCEL_BY_HAND]);
    let mut said = facts(Sale::AlreadySold, &[line("1", "A", 2), line("2", "B", 1)]);
    said.updated_at = ms(T0);
    said.lines[0].cancelled_units = 1;
    scene.tell(stated(said, Origin::Channel));
    assert!(scene.open_exceptions().is_empty());
    scene.recovers();
}

/// Who cancels at the channel knows; who orders through the API is told by its own calls.
#[test]
fn nothing_is_told_to_who_knows() {
    let mut scene = requested();
    let mut said = facts(Sale::AlreadySold, &[line("1", "A", 2)]);
    said.updated_at = ms(T0);
    said.cancelled = Some((ms(T0), "customer".to_owned()));
    scene.delivered(None).tell(stated(said, Origin::Channel));
    scene.tell(answer_cancel(1, None, true)).told_skus();
    scene.check(OrderStatus::Cancelled, &[]);

    let mut scene = Scene::new();
    scene
        .tell(asks(&[line("1", "A", 1)]))
        .plan(plan(&[("1", "A", "reno", 1)], &[]))
        .reserved("A")
        .slot("reno")
        .told();
    scene.delivered(None).tell(ship(1, "s1", &[])).told_skus();
    scene.check(OrderStatus::Shipped, &[]);
}

/// What can happen to one call: (carried out, answered, its webhook comes first, the order is lost and recovered).
type Fate = (bool, bool, bool, bool);

/// Two parcels of the same, told by calls that fail in every way: the channel knows of each once, and no unit is
/// taken for somebody else's.
fn told_once(numbers: [Option<&str>; 2], fates: &[Fate]) {
    let mut scene = requested();
    scene.delivered(None);
    for (parcel, number) in ["s1", "s2"].into_iter().zip(numbers) {
        scene.tell(tracked(1, parcel, 1, number));
    }
    scene.told_skus();
    let mut shop = Shop::default();
    let mut fates = fates.iter().copied();
    let mut late: Vec<OrderCommand> = Vec::new();
    for _ in 0..100 {
        let Some(call) = scene.order().reporting().cloned() else {
            if scene.order().order.as_deref().unwrap().reports.is_empty() {
                break;
            }
            scene.wake();
            continue;
        };
        let task = scene.begin_report();
        let (done, answered, heard, lost) = fates.next().unwrap_or((true, true, true, false));
        let said = match shop.find(&task).filter(|_| task.in_doubt) {
            Some(theirs) => Said::Told {
                theirs: Some(theirs),
            },
            None if !done => failed(lost),
            None => {
                let theirs = shop.carry_out(call.report, &task);
                late.extend(shop.statement());
                Said::Told { theirs }
            }
        };
        if heard {
            late.drain(..).for_each(|statement| {
                scene.tell(statement);
            });
        }
        if lost {
            scene.recovers();
            let bytes = scene.entity.encode().unwrap();
            scene.entity = Entity::decode(scene.entity.id().clone(), &bytes).unwrap();
        }
        if answered {
            let (report, attempt) = (call.report, call.attempt);
            scene.tell(OrderCommand::Reported {
                report,
                attempt,
                said,
            });
        }
    }
    late.into_iter().for_each(|statement| {
        scene.tell(statement);
    });
    assert_eq!(shop.parcels.len(), 2, "{:?}", shop.parcels);
    assert_eq!((shop.units(&id("1")), elsewhere(&scene)), (2, 0));
    scene.check(OrderStatus::Shipped, &[]);
    let ends = scene.records.iter().flat_map(|record| &record.events);
    let is_told = |event: &&Event| {
        matches!(
            event,
            Event::Order(OrderEvent::ReportEnded {
                end: ReportEnd::Told { .. },
                ..
            })
        )
    };
    assert_eq!(ends.filter(is_told).count(), 2);
    let mut replayed = Entity::new(scene.entity.id().clone());
    for record in &scene.records {
        replayed.apply(record, DEDUP_WINDOW).unwrap();
    }
}

proptest! {
    #[test]
    fn each_parcel_is_told_once(
        fates in proptest::collection::vec(any::<Fate>(), 0..12),
        tracked in any::<[bool; 2]>(),
    ) {
        let number = |is: bool, number| is.then_some(number);
        told_once([number(tracked[0], "1Z"), number(tracked[1], "2Z")], &fates);
    }
}
