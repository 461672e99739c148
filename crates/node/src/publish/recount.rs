//! Reads now and then what a channel counts, where that is a location's one source of stock truth: of a webhook that was
//! lost nothing else tells.
//!
//! What is newer than the last count goes into the inbox as if it had been delivered, so that it is taken like any other
//! count: as of when it was set there.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crossdock_channels::NumberShown;
use crossdock_channels::shopify::{COUNTED, told_level};
use crossdock_logic::sku::COUNT_AGE_MAX;
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::ListingTarget;
use crossdock_model::{
    Answer, Command, EntityId, ListingId, LocationId, SkuId, SourceId, Timestamp, codec,
};
use crossdock_runtime::Number;

use super::{Publisher, lock};
use crate::ingest::read_delivery;

/// Numbers that are remembered at most; with more, all are asked about once again.
const SETTLED_MAX: usize = 1_000_000;

/// Numbers that were counted as they are: nobody is asked about them again until they are set anew. By fingerprints, of what
/// each is of and of what is shown there.
#[derive(Default)]
pub(super) struct Settled(Mutex<BTreeMap<u64, u64>>);

impl Settled {
    fn has(&self, number: u64, shown: u64) -> bool {
        lock(&self.0).get(&number) == Some(&shown)
    }

    fn note(&self, number: u64, shown: u64) {
        let mut known = lock(&self.0);
        if known.len() >= SETTLED_MAX {
            known.clear();
        }
        known.insert(number, shown);
    }
}

impl Publisher {
    pub(super) async fn recount_bucket(&self, bucket: u16) {
        let sources = self.sources().await;
        if sources.is_empty() {
            return;
        }
        let entity = EntityId::Bucket(self.link.channel.clone(), bucket);
        let Ok(Answer::Listings(listings)) = self.ask_entity(entity, Command::Read).await else {
            return;
        };
        let counted: Vec<(ListingId, SkuId)> = listings.into_iter().filter_map(counted).collect();
        for (location, place) in sources {
            for page in counted.chunks(self.link.numbers.limits.reads_max.max(1)) {
                self.recount_page(page, &location, &place).await;
            }
        }
    }

    /// Locations that take their stock from places of the channel which show no numbers of ours.
    async fn sources(&self) -> Vec<(LocationId, SourceId)> {
        let (channel, Some(door)) = (&self.link.channel, self.door.get()) else {
            return Vec::new();
        };
        let is_here = |source: &SourceId| {
            let place = source.as_str().strip_prefix(channel.as_str());
            place.is_some_and(|place| place.starts_with('/'))
        };
        let locations = door.handle.known_locations().into_iter();
        let sources = locations.filter_map(|facts| Some((facts.location, facts.stock_source?)));
        let mut sources: Vec<_> = sources.filter(|(_, source)| is_here(source)).collect();
        if sources.is_empty() {
            return sources;
        }
        match self.ask_channel(Command::Read).await {
            Ok(Answer::Channel { ours, .. }) => {
                sources.retain(|(_, source)| ours.get(source) != Some(&None));
                sources
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    async fn recount_page(
        &self,
        page: &[(ListingId, SkuId)],
        location: &LocationId,
        place: &SourceId,
    ) {
        let numbers = page
            .iter()
            .map(|(listing, _)| (listing.clone(), place.clone()));
        let numbers: Vec<Number> = numbers.collect();
        let Some((shown, _)) = self.read_spare(&numbers).await else {
            return;
        };
        for (listed, shown) in page.iter().zip(shown) {
            let Some(shown) = shown else { continue };
            if self.is_uncounted(listed, (location, place), &shown).await {
                self.tell_level(&listed.0, place, &shown).await;
            }
        }
    }

    /// Whether a number was set since it was counted last. One that no count is known of is taken as long as it can be told
    /// from what moved since.
    async fn is_uncounted(
        &self,
        (listing, sku): &(ListingId, SkuId),
        (location, place): (&LocationId, &SourceId),
        shown: &NumberShown,
    ) -> bool {
        let Some(changed_at) = shown.changed_at else {
            return false;
        };
        let number = codec::digest(&(listing, place, location, sku));
        let set = codec::digest(&(changed_at, shown.units));
        if self.settled.has(number, set) {
            return false;
        }
        let location = location.clone();
        let look = Command::Sku(SkuCommand::LookCount { location });
        match self.ask_entity(EntityId::Sku(sku.clone()), look).await {
            Ok(Answer::LastCount(Some(last))) => {
                let is_news = is_news((changed_at, shown.units), last);
                if !is_news {
                    self.settled.note(number, set);
                }
                is_news
            }
            Ok(Answer::LastCount(None)) => self.clock.now().since(changed_at) <= COUNT_AGE_MAX,
            Ok(_) | Err(_) => false,
        }
    }

    /// What cannot be stored now is read again with the next round.
    async fn tell_level(&self, listing: &ListingId, place: &SourceId, shown: &NumberShown) {
        let told = told_level(listing, place, shown);
        let (Some(told), Some(door)) = (told, self.door.get()) else {
            return;
        };
        let delivery = read_delivery(&self.link.channel, told, self.clock.now());
        if let Err(error) = door.handle.receive(delivery).await {
            tracing::warn!(%listing, %place, %error, "a count that was read could not be stored");
        }
    }
}

/// What the shop counts by itself.
fn counted((listing, target): (ListingId, ListingTarget)) -> Option<(ListingId, SkuId)> {
    match target {
        ListingTarget::Sku { sku, multiplier: 1 } => {
            let is_counted = listing.as_str().starts_with(COUNTED);
            is_counted.then_some((listing, sku))
        }
        ListingTarget::Sku { .. } | ListingTarget::Kit { .. } => None,
    }
}

/// Whether a number is newer than a count. The shop's times are whole seconds: another number of the same one is newer.
fn is_news(
    (changed_at, units): (Timestamp, Option<i64>),
    (counted_at, counted): (Timestamp, u32),
) -> bool {
    let is_other = units.is_some_and(|units| units.max(0) != i64::from(counted));
    changed_at > counted_at || (changed_at == counted_at && is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_asked_about_once_it_is_set_anew() {
        let settled = Settled::default();
        assert!(!settled.has(1, 5));
        settled.note(1, 5);
        let is_known = [(1, 5), (1, 6), (2, 5)].map(|(number, shown)| settled.has(number, shown));
        assert_eq!(is_known, [true, false, false]);
        settled.note(1, 6);
        assert!(settled.has(1, 6) && !settled.has(1, 5));
    }

    /// (set when, units, counted when, units counted, whether it is news)
    #[test]
    fn what_was_set_since_the_last_count_is_news() {
        for (set, units, counted_at, counted, expected) in [
            (5, Some(3), 4, 3, true),
            (5, Some(3), 6, 9, false),
            (5, Some(3), 5, 3, false),
            (5, Some(2), 5, 3, true),
            (5, Some(-2), 5, 0, false),
            (5, None, 5, 3, false),
            (5, None, 4, 3, true),
        ] {
            let [set, counted_at] = [set, counted_at].map(Timestamp::from_ms);
            let found = is_news((set, units), (counted_at, counted));
            assert_eq!(
                found, expected,
                "{set:?} {units:?} {counted_at:?} {counted}"
            );
        }
    }
}
