//! The listing map of a bucket, and what it publishes.

mod publishing;

use crossdock_model::answer::Seen;
use crossdock_model::command::BucketCommand;
use crossdock_model::v1::{Component, ListingTarget, ShownLevel};
use crossdock_model::{Answer, Command, ListingId, Rejection, SkuId, SourceId, Timestamp};

use super::{BUCKETS, bucket_of};
use crate::testing::Scene;

fn listing(id: &str) -> ListingId {
    ListingId::new(id).unwrap()
}

fn single(sku: &str, multiplier: u32) -> ListingTarget {
    let sku = SkuId::new(sku).unwrap();
    ListingTarget::Sku { sku, multiplier }
}

fn kit(parts: &[(&str, u32)]) -> ListingTarget {
    let component = |(sku, units_per_kit): &(&str, u32)| Component {
        sku: SkuId::new(sku).unwrap(),
        units_per_kit: *units_per_kit,
    };
    ListingTarget::Kit {
        components: parts.iter().map(component).collect(),
        multiplier: 1,
    }
}

fn map(id: &str, target: ListingTarget) -> Command {
    let listing = listing(id);
    Command::Bucket(BucketCommand::Map { listing, target })
}

/// A listing's bucket is where its mapping is journaled: it may never change.
#[test]
fn the_bucket_of_a_listing_is_golden() {
    let found = ["40000000000001", "A-1", "b:2"].map(|id| bucket_of(&listing(id)));
    assert_eq!(found, GOLDEN);
    assert!((0..1_000).all(|n| bucket_of(&listing(&n.to_string())) < BUCKETS));
}

const GOLDEN: [u16; 3] = [54, 60, 22];

#[test]
fn listings_are_mapped_changed_and_unmapped() {
    let mut bucket = Scene::new("bucket:shop:3");
    let look = |id: &str| {
        let listing = listing(id);
        Command::Bucket(BucketCommand::Look { listing })
    };
    let unmap = |id: &str| {
        let listing = listing(id);
        Command::Bucket(BucketCommand::Unmap { listing })
    };
    let steps = [
        (map("1", single("A", 1)), 1),
        (map("1", single("A", 1)), 1),
        (map("1", single("A", 6)), 2),
        (map("2", kit(&[("A", 2), ("B", 1)])), 3),
        (unmap("3"), 3),
    ];
    for (command, version) in steps {
        assert!(bucket.ask(command.clone()).is_ok(), "{command:?}");
        assert_eq!(bucket.version(), version, "{command:?}");
    }
    let one = Answer::Listings(vec![(listing("1"), single("A", 6))]);
    assert_eq!(bucket.ask(look("1")), Ok(one));
    assert_eq!(bucket.ask(unmap("1")), Ok(Answer::Done));
    assert_eq!(bucket.ask(look("1")), Ok(Answer::Listings(Vec::new())));
    let rest = vec![(listing("2"), kit(&[("A", 2), ("B", 1)]))];
    assert_eq!(bucket.ask(Command::Read), Ok(Answer::Listings(rest)));
}

/// Whoever maps many at once changes nothing that somebody said of one.
#[test]
fn what_stands_for_something_is_not_mapped_anew() {
    let mut bucket = Scene::new("bucket:shop:3");
    let map_new = |id: &str, target| {
        let listing = listing(id);
        Command::Bucket(BucketCommand::MapNew { listing, target })
    };
    assert_eq!(bucket.ask(map_new("1", single("A", 1))), Ok(Answer::Done));
    assert_eq!(bucket.ask(map_new("1", single("A", 1))), Ok(Answer::Done));
    assert_eq!(bucket.version(), 1, "a repeat changes nothing");
    for other in [single("A", 6), single("B", 1), kit(&[("A", 1)])] {
        let refused = bucket.ask(map_new("1", other));
        let is_named = matches!(refused, Err(Rejection::WrongState { .. }));
        assert!(is_named, "{refused:?}");
    }
    let wrong = bucket.ask(map_new("2", single("A", 0)));
    assert!(matches!(wrong, Err(Rejection::Invalid { .. })), "{wrong:?}");
    assert_eq!(bucket.version(), 1);
}

#[test]
fn what_a_channel_shows_is_remembered_while_the_listing_is_mapped() {
    let mut bucket = Scene::new("bucket:shop:3");
    let show = |units: i64, at: i64| {
        let level = ShownLevel {
            place: SourceId::new("shop/5").unwrap(),
            units: Some(units),
            at: Timestamp::from_ms(at),
        };
        let listing = listing("1");
        Command::Bucket(BucketCommand::Show {
            listing,
            level,
            asked_at: None,
        })
    };
    let unmap = Command::Bucket(BucketCommand::Unmap {
        listing: listing("1"),
    });
    // (command, its answer, version after it, units shown then)
    let seen = Answer::Seen;
    let steps = [
        (show(4, 1), Answer::Done, 0, None),
        (map("1", single("A", 1)), Answer::Done, 1, None),
        (show(4, 2), seen(Seen::AsKnown), 2, Some(4)),
        (show(4, 2), seen(Seen::AsKnown), 2, Some(4)),
        (show(-1, 1), seen(Seen::InFlight), 2, Some(4)),
        (show(-1, 3), seen(Seen::Fell), 3, Some(-1)),
        (unmap, Answer::Done, 4, None),
    ];
    for (command, answer, version, units) in steps {
        assert_eq!(bucket.ask(command.clone()), Ok(answer), "{command:?}");
        assert_eq!(bucket.version(), version, "{command:?}");
        let listing = listing("1");
        let look = Command::Bucket(BucketCommand::LookShown { listing });
        let Ok(Answer::Shown(shown)) = bucket.ask(look) else {
            panic!("{command:?}");
        };
        let first = shown.first().and_then(|level| level.units);
        assert_eq!(first, units, "{command:?}");
    }
}

#[test]
fn targets_that_cannot_be_are_refused() {
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|sku| (sku.as_str(), 1)).collect();
    let refused = [
        ("multiplier", single("A", 0)),
        ("multiplier", single("A", u32::MAX)),
        ("components", kit(&[])),
        ("components", kit(&[("A", 0)])),
        ("components", kit(&[("A", 1), ("A", 1)])),
        ("components", kit(&many)),
    ];
    let mut bucket = Scene::new("bucket:shop:3");
    for (field, target) in refused {
        match bucket.ask(map("1", target.clone())) {
            Err(Rejection::Invalid { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{target:?}: {other:?}"),
        }
    }
}

/// A channel has hundreds of thousands of both: what is added here is worth a look at what it costs.
#[test]
fn a_number_and_what_is_heard_of_a_sku_take_little_room() {
    let place = size_of::<(SourceId, super::state::Place)>();
    let heard = size_of::<super::state::Heard>();
    assert!(place <= 128 && heard <= 160, "{place} and {heard} bytes");
}
