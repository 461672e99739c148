//! What is on hand, from its definition: a list of all that was told, no sums and no buckets.

use std::collections::BTreeMap;

use crossdock_model::v1::{CountBasis, CountOutcome, MoveReason, SkuEvent};
use crossdock_model::{Event, LocationId, Record, Timestamp};

use super::SkuState;

/// All that was told about units, by location.
#[derive(Debug, Default)]
pub struct Model {
    places: BTreeMap<LocationId, Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// Units that came or left: when it took effect, and whether they were allocated.
    moved: Vec<(Timestamp, i64, bool)>,
    /// Changes of what orders committed to.
    committed: Vec<(Timestamp, i64)>,
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

impl Told {
    fn on_hand(&self) -> i64 {
        let Some(count) = &self.count else {
            return self.moved.iter().map(|(_, units, _)| units).sum();
        };
        let (before, since) = self.moved.split_at(count.told);
        let after = before.iter().filter(|(at, _, _)| *at > count.at);
        // What was told later was in the count unless it took effect after it, or had not been seen either way.
        let late = since.iter().filter(|(at, _, allocated)| {
            let unseen = *allocated && count.basis == CountBasis::NetOfAllocated;
            *at >= count.at || unseen
        });
        let moved: i64 = after.chain(late).map(|(_, units, _)| units).sum();
        count.on_hand + moved
    }

    fn counted(&mut self, at: Timestamp, basis: CountBasis, counted: u32) {
        let then = self.committed.iter().filter(|(since, _)| *since <= at);
        let committed: i64 = then.map(|(_, units)| units).sum();
        let unseen = match basis {
            CountBasis::OnHand => 0,
            CountBasis::NetOfAllocated => committed,
        };
        self.count = Some(Counted {
            at,
            basis,
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
                    let allocated = reason.is_of_allocated();
                    told.moved.push((at, units, allocated));
                    if allocated {
                        told.committed.push((at, units));
                    }
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
                    told.counted(*effective_at, *basis, *counted);
                }
                _ => {}
            }
        }
        for (location, place) in &state.places {
            let told = self.places.entry(location.clone()).or_default();
            let known: i64 = told.committed.iter().map(|(_, units)| units).sum();
            if place.sums.committed != known {
                let change = place.sums.committed - known;
                told.committed.push((record.at, change));
            }
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
