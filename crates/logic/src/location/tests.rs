//! Capacity by local day, and what a location may be.

use crossdock_model::command::LocationCommand;
use crossdock_model::v1::{Connector, LocationEvent, LocationFacts};
use crossdock_model::{
    Answer, Command, Duration, Event, LocationId, Rejection, SourceId, Timestamp,
};

use crate::testing::Scene;

/// Thursday 2026-07-30, 13:00 in Reno.
const THURSDAY: Timestamp = Timestamp::from_ms(1_785_441_600_000);

fn reno() -> LocationFacts {
    LocationFacts {
        name: "Reno".to_owned(),
        time_zone: "America/Los_Angeles".to_owned(),
        coordinates: Some((39_529_600, -119_813_800)),
        closed_weekdays: vec![6, 7],
        cut_off_minutes: Some(14 * 60),
        capacity_units_per_day: Some(10),
        ..LocationFacts::plain(LocationId::new("reno").unwrap(), "US")
    }
}

fn define(facts: LocationFacts) -> Command {
    Command::Location(LocationCommand::Define(Box::new(facts)))
}

fn scene(change: impl FnOnce(&mut LocationFacts)) -> Scene {
    let mut facts = reno();
    change(&mut facts);
    let mut scene = Scene::new("location:reno");
    scene.now = THURSDAY;
    scene.ask(define(facts)).expect("defined");
    scene
}

fn take(scene: &mut Scene, order: &str, attempt: u32, units: u32) -> Result<String, Rejection> {
    let order = order.parse().unwrap();
    let command = LocationCommand::TakeCapacity {
        order,
        attempt,
        units,
    };
    scene.ask(Command::Location(command)).map(|answer| {
        let Answer::CapacityGranted { day, .. } = answer else {
            panic!("{answer:?}");
        };
        day
    })
}

fn release(scene: &mut Scene, order: &str, attempt: u32) {
    let order = order.parse().unwrap();
    let command = LocationCommand::ReleaseCapacity { order, attempt };
    assert_eq!(scene.ask(Command::Location(command)), Ok(Answer::Done));
}

#[track_caller]
fn check_day(change: impl FnOnce(&mut LocationFacts), later: Duration, day: &str) {
    let mut scene = scene(change);
    scene.pass(later);
    assert_eq!(take(&mut scene, "shop:1", 1, 1).as_deref(), Ok(day));
}

#[test]
fn the_day_follows_the_locations_own_calendar() {
    let hour = |hours: u64| Duration::from_minutes(60 * hours);
    check_day(|_| {}, hour(0), "2026-07-30");
    check_day(|_| {}, hour(1), "2026-07-31");
    check_day(|facts| facts.cut_off_minutes = None, hour(1), "2026-07-30");
    check_day(|_| {}, hour(25), "2026-08-03");
    let holiday = |facts: &mut LocationFacts| facts.closed_dates = vec!["2026-07-31".to_owned()];
    check_day(holiday, hour(1), "2026-08-03");
    check_day(
        |facts| facts.time_zone = "Asia/Tokyo".to_owned(),
        hour(0),
        "2026-07-31",
    );
}

#[test]
fn a_full_day_rolls_to_the_next_until_none_is_left() {
    let mut scene = scene(|_| {});
    assert_eq!(
        take(&mut scene, "shop:1", 1, 8).as_deref(),
        Ok("2026-07-30")
    );
    assert_eq!(
        take(&mut scene, "shop:2", 1, 3).as_deref(),
        Ok("2026-07-31")
    );
    assert_eq!(
        take(&mut scene, "shop:3", 1, 2).as_deref(),
        Ok("2026-07-30")
    );
    let full = Err(Rejection::CapacityFull {
        day: "2026-07-30".to_owned(),
    });
    assert_eq!(take(&mut scene, "shop:4", 1, 11), full);
    assert_eq!(take(&mut scene, "shop:4", 1, u32::MAX), full);
    release(&mut scene, "shop:1", 1);
    assert_eq!(
        take(&mut scene, "shop:4", 2, 8).as_deref(),
        Ok("2026-07-30")
    );
}

#[test]
fn a_location_closed_for_long_grants_nothing() {
    for capacity in [None, Some(5)] {
        let mut scene = scene(|facts| {
            facts.closed_weekdays = (1..=7).collect();
            facts.capacity_units_per_day = capacity;
        });
        let day = "2026-07-30".to_owned();
        assert_eq!(
            take(&mut scene, "shop:1", 1, 1),
            Err(Rejection::CapacityFull { day })
        );
    }
}

#[test]
fn a_repeat_gets_the_same_answer_and_writes_nothing() {
    let mut scene = scene(|_| {});
    let ask = |scene: &mut Scene| {
        let order = "shop:1".parse().unwrap();
        let (attempt, units) = (1, 4);
        scene.ask(Command::Location(LocationCommand::TakeCapacity {
            order,
            attempt,
            units,
        }))
    };
    let first = ask(&mut scene);
    let acknowledge_by = THURSDAY + Duration::from_minutes(60);
    let day = "2026-07-30".to_owned();
    let granted = Answer::CapacityGranted {
        day,
        acknowledge_by,
    };
    assert_eq!(first, Ok(granted));
    scene.pass(Duration::from_minutes(5));
    assert_eq!(ask(&mut scene), first);
    assert!(scene.events.is_empty());
}

#[test]
fn each_attempt_holds_its_own_and_late_ones_are_refused() {
    let mut scene = scene(|_| {});
    take(&mut scene, "shop:1", 1, 5).unwrap();
    take(&mut scene, "shop:1", 3, 5).unwrap();
    assert_eq!(
        take(&mut scene, "shop:2", 1, 1).as_deref(),
        Ok("2026-07-31")
    );
    release(&mut scene, "shop:1", 3);
    assert_eq!(take(&mut scene, "shop:1", 2, 1), Err(Rejection::Superseded));
    assert_eq!(
        take(&mut scene, "shop:1", 1, 5).as_deref(),
        Ok("2026-07-30")
    );
    release(&mut scene, "shop:1", 1);
    assert_eq!(
        take(&mut scene, "shop:3", 1, 10).as_deref(),
        Ok("2026-07-30")
    );
    release(&mut scene, "shop:9", 4);
    assert_eq!(take(&mut scene, "shop:9", 4, 1), Err(Rejection::Superseded));
    release(&mut scene, "shop:9", 4);
    assert!(scene.events.is_empty(), "releasing twice changes nothing");
}

#[test]
fn a_location_without_a_limit_writes_nothing() {
    let mut scene = scene(|facts| facts.capacity_units_per_day = None);
    assert_eq!(
        take(&mut scene, "shop:1", 1, 900).as_deref(),
        Ok("2026-07-30")
    );
    release(&mut scene, "shop:1", 1);
    assert_eq!(scene.version(), 1);
}

#[test]
fn days_that_have_passed_are_forgotten() {
    let mut scene = scene(|_| {});
    take(&mut scene, "shop:1", 1, 10).unwrap();
    take(&mut scene, "shop:2", 1, 10).unwrap();
    scene.pass(Duration::from_days(1));
    take(&mut scene, "shop:3", 1, 1).unwrap();
    let before = "2026-07-31".to_owned();
    let closed = Event::Location(LocationEvent::DaysClosed { before });
    assert_eq!(scene.events.first(), Some(&closed));
    assert_eq!(
        take(&mut scene, "shop:2", 1, 10).as_deref(),
        Ok("2026-07-31")
    );
    assert!(scene.events.is_empty(), "what is still to do is remembered");
}

#[test]
fn what_is_not_defined_does_not_exist() {
    let mut scene = Scene::new("location:reno");
    let unknown = Err(Rejection::NotFound("location:reno".to_owned()));
    assert_eq!(take(&mut scene, "shop:1", 1, 1), unknown);
    assert_eq!(scene.ask(Command::Read), unknown.map(|_| Answer::Done));
    release(&mut scene, "shop:1", 1);
    assert_eq!(scene.version(), 0);
}

#[track_caller]
fn check_refused(field: &str, change: impl FnOnce(&mut LocationFacts)) {
    let mut facts = reno();
    change(&mut facts);
    match Scene::new("location:reno").ask(define(facts)) {
        Err(Rejection::Invalid { field: found, .. }) => assert_eq!(found, field),
        other => panic!("{field}: {other:?}"),
    }
}

#[test]
fn facts_that_cannot_be_are_refused() {
    check_refused("location", |facts| {
        facts.location = LocationId::new("sparks").unwrap();
    });
    check_refused("time_zone", |facts| {
        facts.time_zone = "Mars/Base".to_owned()
    });
    check_refused("address.country", |facts| {
        facts.address.country = "usa".to_owned();
    });
    check_refused("closed_weekdays", |facts| facts.closed_weekdays = vec![0]);
    check_refused("closed_dates", |facts| {
        facts.closed_dates = vec!["2026-02-30".to_owned()];
    });
    check_refused("closed_dates", |facts| {
        facts.closed_dates = vec!["20261225".to_owned()];
    });
    check_refused("cut_off", |facts| facts.cut_off_minutes = Some(1_440));
    check_refused("coordinates", |facts| {
        facts.coordinates = Some((i32::MIN, 0));
    });
    check_refused("acknowledge_within_minutes", |facts| {
        facts.acknowledge_within_minutes = 0;
    });
    check_refused("connector", |facts| {
        let (url, secret_name) = ("ftp://host".to_owned(), "s".to_owned());
        facts.connector = Connector::Webhook { url, secret_name };
    });
}

#[test]
fn defining_the_same_again_changes_nothing() {
    let mut scene = scene(|_| {});
    assert_eq!(scene.ask(define(reno())), Ok(Answer::Done));
    assert_eq!(scene.version(), 1);
    let read = scene.ask(Command::Read);
    let known = Answer::Location {
        facts: Box::new(reno()),
        source_since: None,
    };
    assert_eq!(read, Ok(known));
}

/// A source is named anew by naming another one, or none, and then it again.
#[test]
fn a_location_knows_since_when_it_names_its_source() {
    let named = |source: &str| Some(SourceId::new(source).unwrap());
    let mut scene = scene(|_| {});
    // (its source, its name, minutes after the start since when it names that)
    let steps = [
        (named("shop/8050"), "Reno", Some(1)),
        (named("shop/8050"), "Reno, west", Some(1)),
        (None, "Reno", None),
        (named("shop/8050"), "Reno", Some(4)),
        (named("till/1"), "Reno", Some(5)),
    ];
    for (stock_source, name, since) in steps {
        scene.pass(Duration::from_minutes(1));
        let facts = LocationFacts {
            stock_source,
            name: name.to_owned(),
            ..reno()
        };
        scene.ask(define(facts.clone())).expect("defined");
        let known = Answer::Location {
            facts: Box::new(facts),
            source_since: since.map(|minutes| THURSDAY + Duration::from_minutes(minutes)),
        };
        assert_eq!(scene.ask(Command::Read), Ok(known));
    }
}

/// A request made out so many hours after Thursday 13:00 in Reno is acknowledged by then, in Reno's time.
#[track_caller]
fn check_acknowledge(change: impl FnOnce(&mut LocationFacts), hours: u64, by: &str) {
    let mut facts = reno();
    change(&mut facts);
    let now = THURSDAY + Duration::from_minutes(60 * hours);
    let zone = jiff::tz::TimeZone::get("America/Los_Angeles").unwrap();
    let by: jiff::civil::DateTime = by.parse().unwrap();
    let by = zone.to_timestamp(by).unwrap();
    assert_eq!(
        super::acknowledge_by(&facts, now),
        Timestamp::from_ms(by.as_millisecond())
    );
}

#[test]
fn the_time_to_acknowledge_runs_on_open_days_only() {
    let all_day = |facts: &mut LocationFacts| facts.cut_off_minutes = None;
    let within = |minutes| {
        move |facts: &mut LocationFacts| {
            facts.cut_off_minutes = None;
            facts.acknowledge_within_minutes = minutes;
        }
    };
    check_acknowledge(|_| {}, 0, "2026-07-30T14:00");
    // After the cut-off work on it begins with the next open day.
    check_acknowledge(|_| {}, 1, "2026-07-31T01:00");
    // Friday at 18:00, and at 23:00 with two hours of which one is Monday's.
    check_acknowledge(|_| {}, 29, "2026-08-03T01:00");
    check_acknowledge(all_day, 29, "2026-07-31T19:00");
    check_acknowledge(within(120), 34, "2026-08-03T01:00");
    check_acknowledge(within(60), 34, "2026-08-01T00:00");
    // Saturday and Sunday, and a Monday that is closed.
    check_acknowledge(all_day, 50, "2026-08-03T01:00");
    check_acknowledge(all_day, 80, "2026-08-03T01:00");
    let bank_holiday = |facts: &mut LocationFacts| {
        facts.closed_dates = vec!["2026-08-03".to_owned()];
    };
    check_acknowledge(bank_holiday, 29, "2026-08-04T01:00");
    // Three days from Friday noon, and over the end of summer time on a Sunday.
    check_acknowledge(within(3 * 24 * 60), 24, "2026-08-05T13:00");
    let through_october = within(24 * 60 * 2);
    check_acknowledge(through_october, 24 * (1 + 7 * 13), "2026-11-03T13:00");
    // Nobody works there at all.
    let never = |facts: &mut LocationFacts| facts.closed_weekdays = (1..=7).collect();
    check_acknowledge(never, 0, "2026-07-30T14:00");
}

#[test]
fn a_friday_evening_request_is_acknowledged_on_monday() {
    let mut scene = scene(|_| {});
    scene.pass(Duration::from_minutes(60 * 29));
    let take = LocationCommand::TakeCapacity {
        order: "shop:1".parse().unwrap(),
        attempt: 1,
        units: 1,
    };
    let monday = "2026-08-03".to_owned();
    let Ok(Answer::CapacityGranted {
        day,
        acknowledge_by,
    }) = scene.ask(Command::Location(take))
    else {
        panic!("no capacity")
    };
    let one_at_night = THURSDAY + Duration::from_minutes(60 * (11 + 24 * 3 + 1));
    assert_eq!((day, acknowledge_by), (monday, one_at_night));
}

/// That capacity was given back is remembered for the window, whether or not a day ends.
#[test]
fn what_was_given_back_is_forgotten_after_the_window() {
    let mut scene = scene(|_| {});
    release(&mut scene, "shop:1", 1);
    scene.pass(Duration::from_days(7));
    assert_eq!(take(&mut scene, "shop:1", 1, 1), Err(Rejection::Superseded));
    scene.pass(Duration::from_ms(1));
    release(&mut scene, "shop:2", 1);
    take(&mut scene, "shop:1", 1, 1).unwrap();
}

#[test]
fn layout_is_golden() {
    let mut scene = scene(|_| {});
    take(&mut scene, "shop:1", 1, 4).expect("a slot");
    crate::golden::check(&scene.entity);
}
