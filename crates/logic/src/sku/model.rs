//! What is on hand, from its definition: a list of all that was told, no sums and no buckets.

use std::collections::BTreeMap;

use crossdock_model::v1::{CountBasis, CountOutcome, MoveReason, SkuEvent};
use crossdock_model::{ChannelId, Event, LocationId, Record, Timestamp};

use super::SkuState;

/// All that was told about units, by location.
#[derive(Debug, Default)]
pub struct Model {
    places: BTreeMap<LocationId, Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// Units that came or left: when it took effect, and the channel of the order they were allocated to.
    moved: Vec<(Timestamp, i64, Option<ChannelId>)>,
    /// Changes of what a channel's orders committed to.
    committed: Vec<(Timestamp, ChannelId, i64)>,
    count: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    at: Timestamp,
    basis: CountBasis,
    /// What was on hand then.
    on_hand: i64,
    /// How many movements had been told by then.
    told: usize,
}

/// Whether who counted so left out what is allocated to that channel's orders.
fn is_net_of(basis: &CountBasis, channel: &ChannelId) -> bool {
    match basis {
        CountBasis::OnHand => false,
        CountBasis::NetOfAllocated => true,
        CountBasis::NetOfChannel(own) => own == channel,
    }
}

impl Told {
    fn on_hand(&self) -> i64 {
        let Some(count) = &self.count else {
            return self.moved.iter().map(|(_, units, _)| units).sum();
        };
        let (before, since) = self.moved.split_at(count.told);
        let after = before.iter().filter(|(at, _, _)| *at > count.at);
        // What was told later was in the count unless it took effect after it, or had not been seen either way.
        let late = since.iter().filter(|(at, _, allocated)| {
            let unseen = allocated
                .as_ref()
                .is_some_and(|of| is_net_of(&count.basis, of));
            *at >= count.at || unseen
        });
        let moved: i64 = after.chain(late).map(|(_, units, _)| units).sum();
        count.on_hand + moved
    }

    fn counted(&mut self, at: Timestamp, basis: &CountBasis, counted: u32) {
        let then = self
            .committed
            .iter()
            .filter(|(since, of, _)| *since <= at && is_net_of(basis, of));
        let unseen: i64 = then.map(|(_, _, units)| units).sum();
        self.count = Some(Counted {
            at,
            basis: basis.clone(),
            on_hand: i64::from(counted) + unseen,
            told: self.moved.len(),
        });
    }
}

impl Model {
    pub fn enter(&mut self, record: &Record, state: &SkuState) {
        for event in &record.events {
            match event {
                Event::Sku(SkuEvent::Moved {
                    location,
                    on_hand_delta,
                    reason,
                    effective_at,
                    ..
                }) if !matches!(reason, MoveReason::Counted { .. }) => {
                    let told = self.places.entry(location.clone()).or_default();
                    let (at, units) = (*effective_at, *on_hand_delta);
                    let allocated = reason.allocated_to().map(|order| order.channel.clone());
                    told.moved.push((at, units, allocated.clone()));
                    told.committed.extend(allocated.map(|of| (at, of, units)));
                }
                Event::Sku(SkuEvent::Counted {
                    location,
                    basis,
                    counted,
                    effective_at,
                    outcome: CountOutcome::Applied,
                    ..
                }) => {
                    let told = self.places.entry(location.clone()).or_default();
                    told.counted(*effective_at, basis, *counted);
                }
                _ => {}
            }
        }
        self.enter_committed(record.at, state);
    }

    /// What open reservations say beyond what is known of each channel.
    fn enter_committed(&mut self, at: Timestamp, state: &SkuState) {
        let mut open: BTreeMap<(&LocationId, &ChannelId), i64> = BTreeMap::new();
        let confirmed = state
            .reservations
            .iter()
            .filter(|(_, known)| known.is_confirmed());
        for (id, known) in confirmed {
            for part in &known.parts {
                let units = open.entry((&part.location, &id.order.channel)).or_default();
                *units += i64::from(part.open());
            }
        }
        for location in state.places.keys() {
            let told = self.places.entry(location.clone()).or_default();
            let now = open.iter().filter(|((there, _), _)| *there == location);
            let mut change: BTreeMap<ChannelId, i64> = now
                .map(|((_, of), units)| ((*of).clone(), *units))
                .collect();
            for (_, of, units) in &told.committed {
                *change.entry(of.clone()).or_default() -= units;
            }
            let changed = change.into_iter().filter(|(_, units)| *units != 0);
            told.committed
                .extend(changed.map(|(of, units)| (at, of, units)));
        }
    }

    pub fn check(&self, state: &SkuState) {
        for (location, told) in &self.places {
            let found = state.places.get(location);
            let found = found.map_or(0, |place| place.sums.on_hand);
            assert_eq!(found, told.on_hand(), "on hand at {location}: {told:?}");
        }
    }
}
