//! What is published to a channel: set by its configuration, its mode and what is paused; told to every bucket.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::command::{BucketCommand, Effect, PauseTarget};
use crossdock_model::v1::{Buffer, ChannelEvent, ChannelMode, MeasuredLag, Publishing};
use crossdock_model::{Command, EntityId, LocationId, Rejection, SourceId, Timestamp};

use super::ChannelState;
use crate::bucket::{self, BUCKETS};
use crate::decider::Decision;

/// SKUs, and locations, paused on a channel at most.
const PAUSED_MAX: usize = 1_000;
/// Exception kind: a location takes its stock from a place that shows, or last showed, numbers of ours.
pub const NOT_COUNTED: &str = "not_counted";
/// Exception kind: a place waits until it is let in.
pub(super) const PLACE_OBSERVED: &str = "place_observed";
/// Places of a channel that were ever published to at most.
pub(super) const OURS_MAX: usize = 1_024;

impl ChannelState {
    pub(super) fn publish_as(
        &self,
        wanted: &Publishing,
    ) -> Result<Decision<ChannelEvent>, Rejection> {
        bucket::check_publishing(wanted)?;
        let known = self.publishing.as_deref();
        let version = known.map_or(0, |known| known.version);
        let wanted = Publishing {
            version,
            mode: self.mode,
            lag_measured: known.and_then(|known| known.lag_measured.clone()),
            paused_skus: known.map_or_else(Vec::new, |known| known.paused_skus.clone()),
            paused_locations: known.map_or_else(Vec::new, |known| known.paused_locations.clone()),
            closed_locations: known.map_or_else(Vec::new, |known| known.closed_locations.clone()),
            observed_places: self.observed_of(wanted),
            ..wanted.clone()
        };
        let told = self.tell_of_places(&wanted)?;
        let events = self.changed(wanted).into_iter().chain(told);
        Ok(Decision::done(events.collect()))
    }

    /// Places that nobody has seen a preview of: they were never ours, and are named since the channel was published to.
    fn observed_of(&self, wanted: &Publishing) -> Vec<SourceId> {
        if self.mode == ChannelMode::Observed {
            return Vec::new();
        }
        let places = wanted.places.iter().map(|place| &place.place);
        let observed = places.filter(|place| !self.ours.contains_key(*place));
        observed.cloned().collect()
    }

    /// A channel that is only observed shows what others made it show: pausing would take all of that off sale. Places that
    /// are named since it was published to stay observed, unless they are let in.
    pub(super) fn set_mode(
        &self,
        mode: ChannelMode,
        lets_in: bool,
    ) -> Result<Decision<ChannelEvent>, Rejection> {
        let is_ours = self.publishing.is_none() || self.mode != ChannelMode::Observed;
        if mode == ChannelMode::Paused && !is_ours {
            let problem =
                "the channel is observed, nothing is published to it: there is nothing to pause";
            return Err(Rejection::invalid("mode", problem));
        }
        let keeps_places = mode != ChannelMode::Observed && !lets_in;
        let known = self.publishing.as_deref().cloned();
        let wanted = known.map(|mut known| {
            known.observed_places.retain(|_| keeps_places);
            Publishing { mode, ..known }
        });
        let told = wanted.as_ref().map(|wanted| self.tell_of_places(wanted));
        let told = told.transpose()?.unwrap_or_default();
        let published = wanted.and_then(|wanted| self.changed(wanted));
        let set = (self.mode != mode).then_some(ChannelEvent::ModeSet(mode));
        let events = set.into_iter().chain(published).chain(told);
        Ok(Decision::done(events.collect()))
    }

    pub(super) fn pause(
        &self,
        what: &PauseTarget,
        paused: bool,
    ) -> Result<Decision<ChannelEvent>, Rejection> {
        let Some(mut wanted) = self.publishing.as_deref().cloned() else {
            let problem = "nothing is published to this channel: there is nothing to pause";
            return Err(Rejection::invalid("channel", problem));
        };
        match what {
            PauseTarget::Sku(sku) => put(&mut wanted.paused_skus, sku, paused),
            PauseTarget::Location(location) => put(&mut wanted.paused_locations, location, paused),
        }
        if wanted.paused_skus.len().max(wanted.paused_locations.len()) > PAUSED_MAX {
            return Err(Rejection::Limit {
                what: "SKUs or locations paused on a channel".to_owned(),
                max: PAUSED_MAX as u64,
            });
        }
        Ok(Decision::done(self.changed(wanted).into_iter().collect()))
    }

    /// What lies at a location that is closed is not for sale. Others than those of its places are no matter of the channel.
    pub(super) fn close(&self, locations: &[LocationId]) -> Option<ChannelEvent> {
        let known = self.publishing.as_deref()?;
        let places = known.places.iter();
        let named: BTreeSet<&LocationId> = places.flat_map(|place| &place.locations).collect();
        let closed = locations.iter().filter(|one| named.contains(one));
        let closed: BTreeSet<&LocationId> = closed.collect();
        self.changed(Publishing {
            closed_locations: closed.into_iter().cloned().collect(),
            ..known.clone()
        })
    }

    /// Where buffers are reckoned with a lag: the one measured, while it is longer than the one configured. Other figures that
    /// come to the same lag say nothing new.
    pub(super) fn measure_lag(&self, measured: Option<&MeasuredLag>) -> Option<ChannelEvent> {
        let known = self.publishing.as_deref()?;
        let Buffer::Measured { lag, .. } = known.buffer else {
            return None;
        };
        let measured = measured.filter(|measured| measured.lag > lag);
        let lag = |measured: Option<&MeasuredLag>| measured.map(|measured| measured.lag);
        if lag(known.lag_measured.as_ref()) == lag(measured) {
            return None;
        }
        self.changed(Publishing {
            lag_measured: measured.cloned(),
            ..known.clone()
        })
    }

    /// The event of another way to publish, under the next version.
    fn changed(&self, wanted: Publishing) -> Option<ChannelEvent> {
        let is_known = self.publishing.as_deref() == Some(&wanted);
        let version = wanted.version + 1;
        (!is_known).then_some(ChannelEvent::PublishingSet(Publishing {
            version,
            ..wanted
        }))
    }

    /// Which places show numbers of ours, and which did, once it is published like that.
    pub(super) fn ours_with(
        &self,
        publishing: &Publishing,
        at: Timestamp,
    ) -> BTreeMap<SourceId, Option<Timestamp>> {
        let places = publishing.places.iter().map(|place| &place.place);
        let places = places.filter(|place| publishing.sends_to(place)).cloned();
        let were = self.ours.iter();
        let mut ours: BTreeMap<_, _> = were
            .map(|(place, until)| (place.clone(), Some(until.unwrap_or(at))))
            .collect();
        ours.extend(places.map(|place| (place, None)));
        ours
    }

    /// Nobody counts at a place that is ours again, so nothing is to be seen to there. Of one that is to be let in a person is
    /// told.
    fn tell_of_places(&self, wanted: &Publishing) -> Result<Vec<ChannelEvent>, Rejection> {
        let ours = self.ours_with(wanted, Timestamp::default());
        if ours.len() > OURS_MAX {
            return Err(Rejection::Limit {
                what: "places that were ever published to".to_owned(),
                max: OURS_MAX as u64,
            });
        }
        let are = ours.iter().filter(|(_, until)| until.is_none());
        let closed = are.filter_map(|(place, _)| {
            let how = "it is published to again";
            let closed = self
                .exceptions
                .close(NOT_COUNTED, place.as_str(), None, how);
            closed.map(ChannelEvent::ExceptionClosed)
        });
        let observed = wanted.observed_places.iter();
        let opened = observed.filter_map(|place| {
            let cause = format!(
                "{place} is named in the settings since its channel was published to, and nobody has seen yet what would change \
                 there: it is read, and nothing is sent to it. See `crossdock channel publish --preview`, then publish; or \
                 take the place out of the settings."
            );
            let opened = self
                .exceptions
                .open(PLACE_OBSERVED, place.as_str(), &cause, &[]);
            opened.map(ChannelEvent::ExceptionOpened)
        });
        let were = self.publishing.iter();
        let were = were.flat_map(|known| &known.observed_places);
        let seen_to = were.filter(|place| !wanted.observed_places.contains(place));
        let seen_to = seen_to.filter_map(|place| {
            let how = "it is published to, or not named any more";
            let closed = self
                .exceptions
                .close(PLACE_OBSERVED, place.as_str(), None, how);
            closed.map(ChannelEvent::ExceptionClosed)
        });
        Ok(closed.chain(opened).chain(seen_to).collect())
    }

    /// Every bucket is told, until it has taken it over. What was not taken over before need not be any more.
    pub(super) fn tell_buckets(&mut self, id: &EntityId) {
        let (EntityId::Channel(channel), Some(publishing)) = (id, &self.publishing) else {
            return;
        };
        self.pending.retain(|_, _| false);
        for number in 0..BUCKETS {
            let command = BucketCommand::Publish(publishing.clone());
            self.pending.begin(Effect::Tell {
                to: EntityId::Bucket(channel.clone(), number),
                command: Box::new(Command::Bucket(command)),
                tentative: false,
            });
        }
    }
}

/// Puts something into a sorted list, or takes it out.
fn put<T: Ord + Clone>(list: &mut Vec<T>, one: &T, is_in: bool) {
    match (list.binary_search(one), is_in) {
        (Err(at), true) => list.insert(at, one.clone()),
        (Ok(at), false) => drop(list.remove(at)),
        (Ok(_), true) | (Err(_), false) => {}
    }
}
