//! A bucket of a channel's listing map: what its listings stand for.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::BucketCommand;
use crossdock_model::v1::{BucketEvent, ListingTarget, ShownLevel};
use crossdock_model::{Answer, EntityId, ListingId, Rejection, ShardId, SourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decider::{Asked, Decider, Decision, IllegalHistory};

/// Buckets of a channel. Fixed: a listing's bucket is where its mapping is journaled.
pub const BUCKETS: u16 = 64;
/// Listings of one bucket at most.
const LISTINGS_MAX: usize = 50_000;
/// Places at which a channel shows one listing at most.
const PLACES_MAX: usize = 256;
/// Components of one kit at most.
const COMPONENTS_MAX: usize = 100;
/// Units that one unit of a listing, or of a kit, stands for at most.
const UNITS_MAX: u32 = 1_000_000;

/// The bucket a listing is in.
#[must_use]
pub fn bucket_of(listing: &ListingId) -> u16 {
    ShardId::of_key(&format!("listing:{listing}")).number() % BUCKETS
}

/// State of a bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BucketState {
    listings: BTreeMap<ListingId, ListingTarget>,
    /// What the channel shows of mapped listings, by its places.
    shown: BTreeMap<ListingId, BTreeMap<SourceId, ShownLevel>>,
}

impl Decider for BucketState {
    type Command = BucketCommand;
    type Event = BucketEvent;

    fn decide(
        &self,
        _asked: &Asked<'_>,
        command: &BucketCommand,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        match command {
            BucketCommand::Map { listing, target } => self.map(listing, target),
            BucketCommand::Unmap { listing } => Ok(match self.listings.contains_key(listing) {
                true => Decision::done(vec![BucketEvent::Unmapped {
                    listing: listing.clone(),
                }]),
                false => Decision::unchanged(Answer::Done),
            }),
            BucketCommand::Show { listing, level } => self.show(listing, level),
            BucketCommand::LookShown { listing } => {
                let shown = self.shown.get(listing).into_iter();
                let shown = shown.flat_map(BTreeMap::values).cloned();
                Ok(Decision::unchanged(Answer::Shown(shown.collect())))
            }
            BucketCommand::Look { listing } => {
                let found = self.listings.get_key_value(listing);
                let found = found.map(|(listing, target)| (listing.clone(), target.clone()));
                Ok(Decision::unchanged(Answer::Listings(
                    found.into_iter().collect(),
                )))
            }
        }
    }

    fn read(&self, _asked: &Asked<'_>) -> Result<Answer, Rejection> {
        Ok(Answer::Listings(
            self.listings.clone().into_iter().collect(),
        ))
    }

    fn apply(
        &mut self,
        _id: &EntityId,
        event: &BucketEvent,
        _at: Timestamp,
    ) -> Result<(), IllegalHistory> {
        match event {
            BucketEvent::Mapped { listing, target } => {
                self.listings.insert(listing.clone(), target.clone());
            }
            BucketEvent::Unmapped { listing } => {
                self.listings.remove(listing);
                self.shown.remove(listing);
            }
            BucketEvent::Shown { listing, level } => {
                let places = self.shown.entry(listing.clone()).or_default();
                places.insert(level.place.clone(), level.clone());
            }
        }
        Ok(())
    }
}

impl BucketState {
    fn map(
        &self,
        listing: &ListingId,
        target: &ListingTarget,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        let known = self.listings.get(listing);
        if known == Some(target) {
            return Ok(Decision::unchanged(Answer::Done));
        }
        check(target)?;
        if known.is_none() && self.listings.len() >= LISTINGS_MAX {
            return Err(Rejection::Limit {
                what: "listings of one bucket".to_owned(),
                max: LISTINGS_MAX as u64,
            });
        }
        let (listing, target) = (listing.clone(), target.clone());
        Ok(Decision::done(vec![BucketEvent::Mapped {
            listing,
            target,
        }]))
    }
}

impl BucketState {
    /// Remembers the number; one that was shown before the last is passed over.
    fn show(
        &self,
        listing: &ListingId,
        level: &ShownLevel,
    ) -> Result<Decision<BucketEvent>, Rejection> {
        let places = self.shown.get(listing);
        let known = places.and_then(|places| places.get(&level.place));
        let is_new = known.is_none_or(|known| known.at < level.at);
        if !self.listings.contains_key(listing) || !is_new {
            return Ok(Decision::unchanged(Answer::Done));
        }
        if known.is_none() && places.is_some_and(|places| places.len() >= PLACES_MAX) {
            return Err(Rejection::Limit {
                what: "places of a listing".to_owned(),
                max: PLACES_MAX as u64,
            });
        }
        let (listing, level) = (listing.clone(), level.clone());
        Ok(Decision::done(vec![BucketEvent::Shown { listing, level }]))
    }
}

fn check(target: &ListingTarget) -> Result<(), Rejection> {
    let (multiplier, components) = match target {
        ListingTarget::Sku { multiplier, .. } => (*multiplier, None),
        ListingTarget::Kit {
            components,
            multiplier,
        } => (*multiplier, Some(components)),
    };
    if !(1..=UNITS_MAX).contains(&multiplier) {
        let problem = format!("one unit of a listing is 1 to {UNITS_MAX} units");
        return Err(Rejection::invalid("multiplier", problem));
    }
    let Some(components) = components else {
        return Ok(());
    };
    let sized = (1..=COMPONENTS_MAX).contains(&components.len());
    let counted = components
        .iter()
        .all(|component| (1..=UNITS_MAX).contains(&component.units_per_kit));
    let distinct: BTreeSet<_> = components.iter().map(|component| &component.sku).collect();
    if !sized || !counted || distinct.len() < components.len() {
        let problem = format!(
            "a kit has 1 to {COMPONENTS_MAX} components, each SKU once, of 1 to {UNITS_MAX} units each"
        );
        return Err(Rejection::invalid("components", problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
            assert_eq!(bucket.ask(command.clone()), Ok(Answer::Done));
            assert_eq!(bucket.version(), version, "{command:?}");
        }
        let one = Answer::Listings(vec![(listing("1"), single("A", 6))]);
        assert_eq!(bucket.ask(look("1")), Ok(one));
        assert_eq!(bucket.ask(unmap("1")), Ok(Answer::Done));
        assert_eq!(bucket.ask(look("1")), Ok(Answer::Listings(Vec::new())));
        let rest = vec![(listing("2"), kit(&[("A", 2), ("B", 1)]))];
        assert_eq!(bucket.ask(Command::Read), Ok(Answer::Listings(rest)));
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
            Command::Bucket(BucketCommand::Show { listing, level })
        };
        let unmap = Command::Bucket(BucketCommand::Unmap {
            listing: listing("1"),
        });
        // (command, version after it, units shown then)
        let steps = [
            (show(4, 1), 0, None),
            (map("1", single("A", 1)), 1, None),
            (show(4, 2), 2, Some(4)),
            (show(4, 2), 2, Some(4)),
            (show(-1, 1), 2, Some(4)),
            (show(-1, 3), 3, Some(-1)),
            (unmap, 4, None),
        ];
        for (command, version, units) in steps {
            assert_eq!(bucket.ask(command.clone()), Ok(Answer::Done));
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

    #[test]
    fn layout_is_golden() {
        let mut bucket = Scene::new("bucket:shop:0");
        for (id, target) in [("1", single("A", 2)), ("2", kit(&[("A", 1), ("B", 2)]))] {
            bucket.ask(map(id, target)).expect("mapped");
        }
        crate::golden::check(&bucket.entity);
    }
}
