//! What a SKU shows: its stock as of an instant, and what is left for channels that ask first.

use std::collections::BTreeMap;

use crossdock_model::answer::{LocationStock, StockView};
use crossdock_model::v1::{Sale, SkuEvent};
use crossdock_model::{Answer, LocationId, OrderId, SkuId, Timestamp};

use super::draft::Draft;
use super::state::{Place, SkuState, Sums};
use super::{UNTRACKED_UNITS, count};
use crate::decider::Decision;

impl SkuState {
    /// Its stock as of now.
    #[must_use]
    pub fn view(&self, sku: &SkuId, version: u64, now: Timestamp) -> StockView {
        Draft::look(self, sku, version, now).view(version)
    }

    /// The count that balances at a location follow.
    pub(super) fn look_count(&self, location: &LocationId) -> Decision<SkuEvent> {
        let place = self.places.get(location);
        let last = place.and_then(|place| place.last_count.as_ref());
        let last = last.map(|last| (last.effective_at, last.units));
        Decision::unchanged(Answer::LastCount(last))
    }
}

impl Draft<'_> {
    pub fn view(&self, version: u64) -> StockView {
        let owed = self.share_out(None, Sums::free);
        let unknown = Place::default();
        let locations = self.locations().map(|location| {
            let place = self.state.places.get(location);
            let place = place.map_or(&unknown, |place| &**place);
            let owed = owed.get(location).copied().unwrap_or(0);
            self.location_stock(location, place, owed)
        });
        // One is kept of each SKU: it takes no more room than it needs.
        let mut known = Vec::with_capacity(self.state.places.len());
        known.extend(locations);
        let master = self.state.master.as_ref();
        StockView {
            sku: self.sku.clone(),
            version,
            title: master.map_or_else(String::new, |master| master.title.clone()),
            tracking: self.state.tracking().clone(),
            locations: known,
            waiting_units: count(self.owed_units()),
        }
    }

    fn location_stock(&self, location: &LocationId, place: &Place, owed: i64) -> LocationStock {
        let sums = self.sums(location);
        let left = sums.free() - sums.safety - owed;
        let own = self.own_held(location);
        let certain = own.min(sums.free() + own);
        let (available, ats) = match self.state.is_untracked() {
            true => (UNTRACKED_UNITS.into(), UNTRACKED_UNITS),
            false => (sums.free() + own, count(left.max(0) + certain.max(0))),
        };
        let expected = place.incoming.values().map(|one| i64::from(one.units));
        LocationStock {
            location: location.clone(),
            on_hand: sums.on_hand,
            committed: count(sums.committed),
            held: count(sums.held - own),
            tentative: count(sums.tentative + sums.offered),
            unavailable: count(sums.unavailable),
            incoming: count(expected.sum()),
            in_transit: count(place.in_transit),
            safety: count(sums.safety),
            available,
            ats,
        }
    }

    /// Units that waiting orders without an offer lack.
    pub fn owed_units(&self) -> i64 {
        let groups = self.state.line.groups.values();
        let before: i64 = groups.map(|group| group.owed).sum();
        before + self.owed.values().sum::<i64>()
    }

    /// How what is owed to waiting orders falls on locations: taken from what channels could be sold, first
    /// for orders that few locations can serve. `order`: whose own need is left out.
    /// `room`: what a location can give, now or if everything undecided came back.
    pub fn share_out(
        &self,
        order: Option<&OrderId>,
        room: fn(&Sums) -> i64,
    ) -> BTreeMap<LocationId, i64> {
        let mut shares = BTreeMap::new();
        if self.owed_units() <= 0 {
            return shares;
        }
        let own = order.and_then(|order| self.need_of(order));
        let own = own
            .iter()
            .map(|need| (&need.locations, -i64::from(need.units)));
        let groups = self.state.line.groups.iter();
        let groups = groups.map(|(locations, group)| (locations, group.owed));
        let changes = self
            .owed
            .iter()
            .map(|(locations, units)| (locations, *units));
        let mut owed: BTreeMap<(usize, &Vec<LocationId>), i64> = BTreeMap::new();
        for (locations, units) in groups.chain(changes).chain(own) {
            *owed.entry((locations.len(), locations)).or_default() += units;
        }
        for ((_, locations), mut units) in owed {
            for location in locations {
                let taken = shares.entry(location.clone()).or_insert(0);
                let sums = self.sums(location);
                let room = room(&sums) - sums.safety - *taken;
                let part = units.min(room).max(0);
                *taken += part;
                units -= part;
            }
        }
        shares
    }

    /// What is owed at each location, for a sale that may not touch it.
    pub fn owed_by_location(
        &self,
        order: Option<&OrderId>,
        sale: Sale,
        room: fn(&Sums) -> i64,
    ) -> impl Fn(&LocationId) -> i64 + use<> {
        let shares = match sale {
            Sale::Asks => self.share_out(order, room),
            Sale::AlreadySold => BTreeMap::new(),
        };
        move |location| shares.get(location).copied().unwrap_or(0)
    }
}
