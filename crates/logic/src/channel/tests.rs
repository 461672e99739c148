//! A channel: connected, let in, paused, and its exceptions.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{
    BucketCommand, ChannelCommand, Effect, ExceptionCommand, PauseTarget,
};
use crossdock_model::v1::{
    Buffer, ChannelEvent, ChannelMode, ChannelPlace, ChannelSettings, ExceptionKey, MeasuredLag,
    OrderChange, Polled, Publishing, Sale, Writes,
};
use crossdock_model::{
    Answer, Command, Duration, EntityId, Event, ExternalId, LocationId, Rejection, SkuId, SourceId,
    Timestamp,
};

use super::publishing::{OURS_MAX, PLACE_OBSERVED};
use super::reading::AWAITED_MAX;
use crate::testing::Scene;

fn settings(sale: Sale) -> ChannelSettings {
    ChannelSettings {
        connector: "shopify".to_owned(),
        sale,
        map_by_sku: true,
    }
}

/// Asks in turn; each command leads to so many events.
#[track_caller]
fn check(channel: &mut Scene, steps: Vec<(ChannelCommand, usize)>) {
    for (command, events) in steps {
        let command = Command::Channel(command);
        assert_eq!(
            channel.ask(command.clone()),
            Ok(Answer::Done),
            "{command:?}"
        );
        assert_eq!(channel.events.len(), events, "{command:?}");
    }
}

#[test]
fn a_new_channel_is_observed_and_repeats_change_nothing() {
    use ChannelCommand::{BeginAdoption, Connect, SetMode};
    let mut channel = Scene::new("channel:shop");
    let unknown = Err(Rejection::NotFound("channel:shop".to_owned()));
    assert_eq!(channel.ask(Command::Read), unknown);
    let active = Command::Channel(SetMode(ChannelMode::Active));
    assert_eq!(channel.ask(active), unknown);
    check(
        &mut channel,
        vec![
            (Connect(settings(Sale::AlreadySold)), 1),
            (Connect(settings(Sale::AlreadySold)), 0),
            (SetMode(ChannelMode::Observed), 0),
        ],
    );
    let answer = |sale, mode, adopt_older_than| Answer::Channel {
        settings: Some(settings(sale)),
        mode,
        adopt_older_than,
        publishing: None,
        polled: None,
        ours: BTreeMap::new(),
        unreadable: BTreeSet::new(),
    };
    let observed = answer(Sale::AlreadySold, ChannelMode::Observed, None);
    assert_eq!(channel.ask(Command::Read), Ok(observed));
    let older_than = Timestamp::from_ms(9);
    check(
        &mut channel,
        vec![
            (SetMode(ChannelMode::Active), 1),
            (SetMode(ChannelMode::Active), 0),
            (BeginAdoption { older_than }, 1),
            (BeginAdoption { older_than }, 0),
            (Connect(settings(Sale::Asks)), 1),
        ],
    );
    let active = answer(Sale::Asks, ChannelMode::Active, Some(older_than));
    assert_eq!(channel.ask(Command::Read), Ok(active));
}

#[test]
fn where_reading_stands_is_kept_once_and_told() {
    use ChannelCommand::{Connect, Poll};
    let mut channel = Scene::new("channel:shop");
    let polled = |cursor: &str| Polled {
        cursor: cursor.to_owned(),
        read_up_to: Timestamp::from_ms(5),
        awaited: Vec::new(),
        placed: Vec::new(),
        theirs: Some(format!("theirs {cursor}")),
    };
    let waits = |name: &str, what: &str| (name.to_owned(), what.to_owned());
    let waiting = |awaited: &[(String, String)], placed: &[&str]| Polled {
        awaited: awaited.to_vec(),
        placed: placed.iter().map(ToString::to_string).collect(),
        ..polled("2")
    };
    let early = channel.ask(Command::Channel(Poll(polled("1"))));
    assert!(matches!(early, Err(Rejection::NotFound(_))), "{early:?}");
    check(
        &mut channel,
        vec![
            (Connect(settings(Sale::AlreadySold)), 1),
            (Poll(polled("1")), 1),
            (Poll(polled("1")), 0),
            (Poll(polled("2")), 1),
            (Poll(waiting(&[waits("a", "1"), waits("b", "1")], &[])), 1),
            (Poll(waiting(&[waits("b", "1")], &["c"])), 0),
            (
                Poll(waiting(&[waits("b", "2"), waits("c", "1")], &["a"])),
                1,
            ),
        ],
    );
    let read = channel.ask(Command::Read);
    let Ok(Answer::Channel { polled: known, .. }) = read else {
        panic!("{read:?}");
    };
    let whole = waiting(&[waits("b", "2"), waits("c", "1")], &[]);
    assert_eq!(known, Some(whole));
    let many: Vec<_> = (0..=AWAITED_MAX)
        .map(|n| waits(&n.to_string(), "1"))
        .collect();
    let refused = channel.ask(Command::Channel(Poll(waiting(&many, &[]))));
    assert!(
        matches!(refused, Err(Rejection::Limit { .. })),
        "{refused:?}"
    );
}

/// Each order is remembered once, as of its newest change, until it was read as of that.
#[test]
fn orders_that_changed_are_remembered_once_each_until_they_are_read() {
    use ChannelCommand::{Connect, EndChanges, NoteChange};
    let mut channel = Scene::new("channel:market");
    let change = |order: &str, ms: i64| OrderChange {
        order: ExternalId::new(order).unwrap(),
        changed_at: Timestamp::from_ms(ms),
    };
    let early = channel.ask(Command::Channel(NoteChange(change("1", 5))));
    assert!(matches!(early, Err(Rejection::NotFound(_))), "{early:?}");
    check(
        &mut channel,
        vec![
            (Connect(settings(Sale::AlreadySold)), 1),
            (NoteChange(change("1", 5)), 1),
            (NoteChange(change("1", 5)), 0),
            (NoteChange(change("1", 4)), 0),
            (NoteChange(change("2", 3)), 1),
            (NoteChange(change("1", 6)), 1),
            (EndChanges(vec![change("1", 5), change("3", 9)]), 0),
        ],
    );
    let changes = |channel: &mut Scene| {
        let looked = channel.ask(Command::Channel(ChannelCommand::LookChanges));
        let Ok(Answer::Changes(changes)) = looked else {
            panic!("{looked:?}");
        };
        changes
    };
    assert_eq!(changes(&mut channel), [change("2", 3), change("1", 6)]);
    let ends = EndChanges(vec![change("1", 6), change("2", 3)]);
    check(&mut channel, vec![(ends, 1)]);
    assert_eq!(changes(&mut channel), []);
}

#[test]
fn an_exception_is_open_once_and_counts_its_episodes() {
    use ChannelCommand::Exception;
    let open = || {
        let cause = "Nothing is mapped to this listing.".to_owned();
        Exception(ExceptionCommand::open("unmapped", "listing:42", cause))
    };
    let close = || {
        Exception(ExceptionCommand::close(
            "unmapped",
            "listing:42",
            "It was mapped.",
        ))
    };
    let mut channel = Scene::new("channel:shop");
    let steps = [
        (close(), 0),
        (open(), 1),
        (open(), 0),
        (close(), 1),
        (open(), 1),
    ];
    check(&mut channel, steps.into());
    let [Event::Channel(ChannelEvent::ExceptionOpened(opened))] = &channel.events[..] else {
        panic!("{:?}", channel.events);
    };
    assert_eq!(opened.key.episode, 2);
    // Whoever settles the first one is told that it is over.
    let late = Exception(ExceptionCommand::Resolve {
        key: ExceptionKey {
            episode: 1,
            ..opened.key.clone()
        },
        how: "It is not ours.".to_owned(),
    });
    let late = channel.ask(Command::Channel(late));
    assert!(matches!(late, Err(Rejection::NotFound(_))), "{late:?}");
}

#[test]
fn layout_is_golden() {
    use ChannelCommand::{BeginAdoption, Connect, Exception, SetMode};
    let mut channel = Scene::new("channel:shop");
    let open = Exception(ExceptionCommand::open_with(
        "listing_unmapped",
        "7",
        "nobody mapped it".to_owned(),
        vec![("sku".to_owned(), "A".to_owned())],
    ));
    let older_than = Timestamp::from_ms(5);
    let change = OrderChange {
        order: ExternalId::new("305-1").unwrap(),
        changed_at: older_than,
    };
    let steps = [
        (Connect(settings(Sale::AlreadySold)), 1),
        (SetMode(ChannelMode::Active), 1),
        (BeginAdoption { older_than }, 1),
        (open, 1),
        // Its place waits to be let in, which is told.
        (ChannelCommand::PublishAs(Box::new(publishing())), 2),
        (ChannelCommand::NoteChange(change), 1),
    ];
    check(&mut channel, steps.into());
    crate::golden::check(&channel.entity);
}

fn publishing() -> Publishing {
    let place = ChannelPlace {
        place: SourceId::new("shop/1").unwrap(),
        locations: vec![LocationId::new("reno").unwrap()],
    };
    Publishing {
        mode: ChannelMode::Active,
        unseen_for: Duration::from_s(1),
        unseen_risk_ppm: 1_000,
        call_for: Duration::from_s(10),
        ..Publishing::plain(Writes::CompareAndSet, vec![place])
    }
}

/// What the buckets that have not answered are told: how many there are, and the one thing all are told.
fn told(channel: &Scene) -> Option<(usize, Publishing)> {
    let pending = channel.entity.pending().iter();
    let told: Vec<Publishing> = pending
        .map(|(_, effect)| match effect {
            Effect::Tell {
                to: EntityId::Bucket(..),
                command,
                ..
            } => match &**command {
                Command::Bucket(BucketCommand::Publish(publishing)) => {
                    Publishing::clone(publishing)
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(told.windows(2).all(|two| two[0] == two[1]));
    Some((told.len(), told.first()?.clone()))
}

/// Every bucket takes over what it is told.
fn hear_all(channel: &mut Scene) {
    let effects: Vec<_> = channel
        .entity
        .pending()
        .iter()
        .map(|(number, _)| number)
        .collect();
    for effect in effects {
        let from = "bucket:shop:0".parse().unwrap();
        let result = Ok(Answer::Done);
        let answered = Command::Answered {
            effect,
            from,
            result,
        };
        channel.ask(answered).unwrap();
    }
}

/// Connecting publishes nothing: leaving *observed* is an act of its own, which every bucket is told.
#[test]
fn every_bucket_is_told_what_is_published_until_it_has_heard() {
    use ChannelCommand::{Connect, Pause, PublishAs, SetMode};
    let mut channel = Scene::new("channel:shop");
    let unknown = channel.ask(Command::Channel(PublishAs(Box::new(publishing()))));
    assert!(unknown.is_err());
    let sku = SkuId::new("A").unwrap();
    let pause = |paused| Pause {
        what: PauseTarget::Sku(sku.clone()),
        paused,
    };
    // (step, events, version, mode, SKUs paused)
    let steps = [
        (
            Connect(settings(Sale::AlreadySold)),
            1,
            0,
            ChannelMode::Observed,
            0,
        ),
        (
            PublishAs(Box::new(publishing())),
            1,
            1,
            ChannelMode::Observed,
            0,
        ),
        (
            PublishAs(Box::new(publishing())),
            0,
            1,
            ChannelMode::Observed,
            0,
        ),
        (SetMode(ChannelMode::Active), 2, 2, ChannelMode::Active, 0),
        (pause(true), 1, 3, ChannelMode::Active, 1),
        (pause(true), 0, 3, ChannelMode::Active, 1),
        (
            PublishAs(Box::new(publishing())),
            0,
            3,
            ChannelMode::Active,
            1,
        ),
        (SetMode(ChannelMode::Paused), 2, 4, ChannelMode::Paused, 1),
        (pause(false), 1, 5, ChannelMode::Paused, 0),
    ];
    for (step, events, version, mode, paused) in steps {
        check(&mut channel, vec![(step.clone(), events)]);
        let known = told(&channel);
        let found = known
            .as_ref()
            .map_or((0, 0, ChannelMode::Observed, 0), |(count, told)| {
                (*count, told.version, told.mode, told.paused_skus.len())
            });
        let count = if version == 0 { 0 } else { 64 };
        assert_eq!(found, (count, version, mode, paused), "{step:?}");
    }
    hear_all(&mut channel);
    assert_eq!(told(&channel), None);
}

/// A location that is closed is no matter of a channel that does not name it, or to which nothing is published.
#[test]
fn buckets_are_told_which_of_the_channels_locations_are_closed() {
    use ChannelCommand::{Close, Connect, PublishAs};
    let mut channel = Scene::new("channel:shop");
    let close = |locations: &[&str]| Close {
        locations: locations
            .iter()
            .map(|id| LocationId::new(*id).unwrap())
            .collect(),
    };
    check(
        &mut channel,
        vec![
            (Connect(settings(Sale::AlreadySold)), 1),
            (close(&["reno"]), 0),
        ],
    );
    // (step, events, whether reno is closed)
    let steps = [
        (PublishAs(Box::new(publishing())), 1, false),
        (close(&["york", "reno"]), 1, true),
        (close(&["reno"]), 0, true),
        (PublishAs(Box::new(publishing())), 0, true),
        (close(&["york"]), 1, false),
    ];
    for (step, events, is_closed) in steps {
        check(&mut channel, vec![(step.clone(), events)]);
        let told = told(&channel).map(|(_, told)| told.closed_locations);
        let reno = is_closed.then(|| LocationId::new("reno").unwrap());
        assert_eq!(told, Some(reno.into_iter().collect()), "{step:?}");
    }
}

#[test]
fn nothing_is_paused_where_nothing_is_published() {
    let mut channel = Scene::new("channel:shop");
    check(
        &mut channel,
        vec![(ChannelCommand::Connect(settings(Sale::Asks)), 1)],
    );
    let what = PauseTarget::Location(LocationId::new("reno").unwrap());
    let pause = ChannelCommand::Pause { what, paused: true };
    let refused = channel.ask(Command::Channel(pause));
    assert!(
        matches!(refused, Err(Rejection::Invalid { .. })),
        "{refused:?}"
    );
}

/// What an observed channel shows is others' doing: it is not taken off sale by a slip.
#[test]
fn a_channel_is_not_paused_before_it_is_published_to() {
    use ChannelCommand::{Connect, PublishAs, SetMode};
    let mut channel = Scene::new("channel:shop");
    check(
        &mut channel,
        vec![
            (Connect(settings(Sale::AlreadySold)), 1),
            (PublishAs(Box::new(publishing())), 1),
        ],
    );
    let refused = channel.ask(Command::Channel(SetMode(ChannelMode::Paused)));
    assert!(
        matches!(refused, Err(Rejection::Invalid { .. })),
        "{refused:?}"
    );
}

/// A place is ours from the first number on. Once it is not named any more, or the channel only observed, it was ours until then.
#[test]
fn a_channel_remembers_which_places_were_published_to() {
    use ChannelCommand::{Connect, MeasureLag, PublishAs, SetMode};
    let mut channel = Scene::new("channel:shop");
    let place = |name: &str| ChannelPlace {
        place: SourceId::new(name).unwrap(),
        locations: vec![LocationId::new(name).unwrap()],
    };
    let publish = |names: &[&str]| {
        PublishAs(Box::new(Publishing {
            places: names.iter().map(|name| place(name)).collect(),
            ..publishing()
        }))
    };
    // (step, places that are ours or were, with the minutes after which they were not any more)
    let steps = [
        (Connect(settings(Sale::AlreadySold)), vec![]),
        (publish(&["a", "b"]), vec![]),
        (SetMode(ChannelMode::Active), vec![("a", None), ("b", None)]),
        (publish(&["b"]), vec![("a", Some(4)), ("b", None)]),
        (
            SetMode(ChannelMode::Paused),
            vec![("a", Some(4)), ("b", None)],
        ),
        (MeasureLag(None), vec![("a", Some(4)), ("b", None)]),
        (
            SetMode(ChannelMode::Observed),
            vec![("a", Some(4)), ("b", Some(7))],
        ),
        (publish(&["a", "c"]), vec![("a", Some(4)), ("b", Some(7))]),
        (
            SetMode(ChannelMode::Active),
            vec![("a", None), ("b", Some(7)), ("c", None)],
        ),
    ];
    let start = channel.now;
    for (step, expected) in steps {
        channel.pass(Duration::from_minutes(1));
        channel.ask(Command::Channel(step.clone())).unwrap();
        let Ok(Answer::Channel { ours, .. }) = channel.ask(Command::Read) else {
            panic!("{step:?}");
        };
        let expected = expected.into_iter().map(|(name, minutes)| {
            let until = minutes.map(|minutes| start + Duration::from_minutes(minutes));
            (SourceId::new(name).unwrap(), until)
        });
        assert_eq!(ours, expected.collect(), "{step:?}");
    }
    // Each start of a server may name others: what is remembered has an end.
    let mut refused = None;
    let names: Vec<String> = (0..=OURS_MAX).map(|number| number.to_string()).collect();
    for names in names.chunks(200) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for step in [publish(&names), ChannelCommand::Publish] {
            assert_eq!(refused, None, "only the last are too many");
            refused = channel.ask(Command::Channel(step)).err();
        }
    }
    assert!(
        matches!(refused, Some(Rejection::Limit { .. })),
        "{refused:?}"
    );
}

/// A place that is named later is let in by publishing to the channel, and by nothing else; a person is told until then. One that
/// was let in before is so still.
#[test]
fn a_place_that_is_named_later_waits_until_the_channel_is_published_to() {
    use ChannelCommand::{Connect, Publish, PublishAs, SetMode};
    use ChannelMode::{Active, Observed, Paused};
    let mut channel = Scene::new("channel:shop");
    let publish = |names: &[&str]| {
        let place = |name: &&str| ChannelPlace {
            place: SourceId::new(*name).unwrap(),
            locations: vec![LocationId::new(*name).unwrap()],
        };
        PublishAs(Box::new(Publishing {
            places: names.iter().map(place).collect(),
            ..publishing()
        }))
    };
    // (step, events, places that wait)
    let steps: [(ChannelCommand, usize, &[&str]); 14] = [
        (Connect(settings(Sale::AlreadySold)), 1, &[]),
        (SetMode(Active), 1, &[]),
        // Nobody had seen any place then.
        (publish(&["a"]), 2, &["a"]),
        (SetMode(Active), 0, &["a"]),
        (Publish, 2, &[]),
        (Publish, 0, &[]),
        (publish(&["a", "b"]), 2, &["b"]),
        (publish(&["a", "b", "c"]), 2, &["b", "c"]),
        (SetMode(Paused), 2, &["b", "c"]),
        (SetMode(Active), 2, &["b", "c"]),
        (publish(&["b"]), 2, &["b"]),
        (publish(&["a", "b"]), 1, &["b"]),
        (Publish, 2, &[]),
        (SetMode(Observed), 2, &[]),
    ];
    for (step, events, waiting) in steps {
        check(&mut channel, vec![(step.clone(), events)]);
        let told = told(&channel).map(|(_, told)| told.observed_places);
        let told: BTreeSet<String> = told.iter().flatten().map(ToString::to_string).collect();
        let waiting: BTreeSet<String> = waiting.iter().map(ToString::to_string).collect();
        assert_eq!(told, waiting, "{step:?}");
        for place in ["a", "b", "c"] {
            let close = ExceptionCommand::close(PLACE_OBSERVED, place, "is it open?");
            let close = Command::Channel(ChannelCommand::Exception(close));
            let mut asked = channel.clone();
            asked.ask(close).unwrap();
            let is_open = !asked.events.is_empty();
            assert_eq!(is_open, waiting.contains(place), "{step:?} {place}");
        }
    }
}

/// A longer lag than the configured five seconds is told to every bucket, and survives another configuration; a shorter one,
/// and one that comes to the same, change nothing.
#[test]
fn a_measured_lag_is_told_while_it_is_longer_than_the_configured_one() {
    use ChannelCommand::{Connect, MeasureLag, PublishAs};
    let mut channel = Scene::new("channel:shop");
    let measure = |lag_ms, changes| {
        MeasureLag(Some(MeasuredLag {
            lag: Duration::from_ms(lag_ms),
            p99: Duration::from_ms(lag_ms - 9),
            changes,
        }))
    };
    let buffered = |lag_s| {
        PublishAs(Box::new(Publishing {
            buffer: Buffer::Measured {
                risk_ppm: 1_000,
                lag: Duration::from_s(lag_s),
                floor_units: 0,
                cap_units: 100,
            },
            ..publishing()
        }))
    };
    let unknown = channel.ask(Command::Channel(measure(7_593, 40)));
    assert!(matches!(unknown, Err(Rejection::NotFound(_))));
    check(
        &mut channel,
        vec![(Connect(settings(Sale::AlreadySold)), 1)],
    );
    // (step, events, milliseconds measured that all buckets are told)
    let steps = [
        (measure(7_593, 40), 0, None),
        (PublishAs(Box::new(publishing())), 1, None),
        (measure(7_593, 40), 0, None),
        (buffered(5), 1, None),
        (measure(3_375, 40), 0, None),
        (measure(7_593, 40), 1, Some(7_593)),
        (measure(7_593, 55), 0, Some(7_593)),
        (buffered(6), 1, Some(7_593)),
        (measure(17_083, 70), 1, Some(17_083)),
        (measure(5_062, 90), 1, None),
        (measure(7_593, 95), 1, Some(7_593)),
        (MeasureLag(None), 1, None),
        (MeasureLag(None), 0, None),
    ];
    for (step, events, lag_ms) in steps {
        check(&mut channel, vec![(step.clone(), events)]);
        let told = told(&channel).and_then(|(_, told)| told.lag_measured);
        let told = told.map(|measured| measured.lag.as_ms());
        assert_eq!(told, lag_ms, "{step:?}");
    }
}
