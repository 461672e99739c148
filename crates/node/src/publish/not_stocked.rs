//! Tells a person what a channel does not have at its places: items that a shop does not stock there. One exception for each
//! place, however many they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossdock_model::command::{BucketCommand, ExceptionCommand};
use crossdock_model::{Answer, Command, Duration, SourceId};
use crossdock_runtime::{AskError, BUCKETS, NotThere};

use super::{AGAIN, Publisher};

/// Kind of the exception about what is not stocked at a place.
pub const NOT_STOCKED: &str = "not_stocked";
/// They are found one after the other: how many there are is told when none was found for so long,
const SETTLED_AFTER: Duration = Duration::from_s(30);
/// or so long after the first one: stock comes and goes all the time.
const SETTLED_AT_LATEST: Duration = Duration::from_minutes(5);
/// Listings that are named; the others are only counted.
const NAMED_MAX: usize = 5;

impl Publisher {
    /// A bucket has these.
    pub(super) fn note_missing(&self, bucket: u16, missing: &[NotThere]) {
        self.missing.send_if_modified(|known| {
            let before = known.get(&bucket).map_or(&[][..], Vec::as_slice);
            if before == missing {
                return false;
            }
            match missing.is_empty() {
                true => known.remove(&bucket),
                false => known.insert(bucket, missing.to_vec()),
            };
            true
        });
    }

    /// Tells of each place that it lacks some, and when it lacks none any more; never ends.
    pub(super) async fn tell_of_missing(self: Arc<Self>) {
        let mut missing = self.missing.subscribe();
        for bucket in 0..BUCKETS {
            // Whoever answers has said what it has.
            self.ask_surely(bucket, BucketCommand::LookInBulk).await;
        }
        // Of these another process may have told.
        let mut places = self.known_places().await;
        let mut told: BTreeMap<SourceId, bool> = BTreeMap::new();
        loop {
            let at_latest = self.clock.now() + SETTLED_AT_LATEST;
            loop {
                missing.borrow_and_update();
                let settled_at = at_latest.min(self.clock.now() + SETTLED_AFTER);
                tokio::select! {
                    biased;
                    () = self.clock.sleep_until(settled_at) => break,
                    changed = missing.changed() => if changed.is_err() {
                        return;
                    },
                }
            }
            let there = by_place(missing.borrow_and_update().values().flatten());
            places.extend(there.keys().cloned());
            let mut are_told = true;
            for place in &places {
                let (lacks, is_told) = (there.get(place), told.get(place));
                if is_told == Some(&lacks.is_some()) {
                    continue;
                }
                let is_noted = self.tell(self.about_missing(place, lacks)).await;
                if is_noted {
                    told.insert(place.clone(), lacks.is_some());
                }
                are_told &= is_noted;
            }
            if are_told && missing.changed().await.is_err() {
                return;
            }
        }
    }

    async fn known_places(&self) -> BTreeSet<SourceId> {
        loop {
            match self.ask_channel(Command::Read).await {
                Ok(channel) => return places_of(channel),
                Err(AskError::Rejected(_) | AskError::Quarantined { .. }) => {
                    return BTreeSet::new();
                }
                Err(_) => self.clock.sleep(AGAIN).await,
            }
        }
    }

    fn about_missing(&self, place: &SourceId, lacks: Option<&NotThere>) -> ExceptionCommand {
        let Some(NotThere { count, some, .. }) = lacks else {
            let how = "all of which there is something to show there is stocked there";
            return ExceptionCommand::close(NOT_STOCKED, place.as_str(), how);
        };
        let channel = &self.link.channel;
        let mut named: Vec<&str> = some.iter().map(|one| one.as_str()).collect();
        if *count > some.len() {
            named.push("…");
        }
        let named = named.join(", ");
        let cause = format!(
            "{place} does not stock some of the listings that are mapped, though there are units of them to show there ({count} when \
             this was found: {named}). Nobody can buy these there. Stock them at that place in the shop; or, if they are not to be \
             sold from there, take the count of their SKUs at its locations away, or their mappings. `crossdock channel publish \
             --channel {channel} --preview` names all of them. It is looked now and then (`recheck_minutes`) whether they are stocked."
        );
        let evidence = vec![("listings".to_owned(), count.to_string())];
        ExceptionCommand::open_with(NOT_STOCKED, place.as_str(), cause, evidence)
    }
}

/// Places of a channel that numbers are sent to, or were.
pub fn places_of(channel: Answer) -> BTreeSet<SourceId> {
    let Answer::Channel {
        publishing, ours, ..
    } = channel
    else {
        return BTreeSet::new();
    };
    let places = publishing.into_iter().flat_map(|known| known.places);
    let places = places.map(|place| place.place);
    places.chain(ours.into_keys()).collect()
}

/// What all buckets together lack, of each place.
fn by_place<'a>(missing: impl Iterator<Item = &'a NotThere>) -> BTreeMap<SourceId, NotThere> {
    let mut there: BTreeMap<SourceId, NotThere> = BTreeMap::new();
    for one in missing {
        let all = there.entry(one.place.clone()).or_insert_with(|| NotThere {
            place: one.place.clone(),
            count: 0,
            some: Vec::new(),
        });
        all.count += one.count;
        let room = NAMED_MAX.saturating_sub(all.some.len());
        all.some.extend(one.some.iter().take(room).cloned());
    }
    there
}
