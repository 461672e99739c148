//! What holds once everything has settled.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_logic::entity::DEDUP_WINDOW;
use crossdock_logic::{Entity, Outcome};
use crossdock_model::answer::{OrderSummary, StockView};
use crossdock_model::v1::LocationFacts;
use crossdock_model::{
    Answer, ChannelId, Command, Duration, EntityId, ListingId, LocationId, Meta, OrderId, SkuId,
    Timestamp,
};

use super::node::Node;
use super::shell::Shell;
use super::{Broken, World, meta};

/// An order looks once an hour whether locations have opened, and again soon if nobody can answer it.
const REVIEWS_WITHIN: Duration = Duration::from_minutes(62);

impl World {
    /// After it has healed.
    pub(super) fn check(&mut self) -> Result<(), Broken> {
        self.shell.as_ref().map_or(Ok(()), Shell::check_crashes)?;
        if let Some(request) = self.requests.first_open() {
            let what = format!("{}: {:?} is not answered", request.to, request.command);
            return Err(Broken::new("I9", what));
        }
        if !self.is_up() {
            return Err(Broken::new("I9", "no process runs"));
        }
        let is_flushed = match (&self.node, &self.shell) {
            (Some(node), _) => node.is_flushed(),
            (None, shell) => shell.as_ref().is_some_and(Shell::is_flushed),
        };
        if !is_flushed {
            return Err(Broken::new("I9", "something is still to be flushed"));
        }
        let window = self.knobs.limits.dedup_window;
        let mut entities = BTreeMap::new();
        for entity in self.disk.entities() {
            let replayed = self.disk.replay(&entity, window)?.entity;
            if self.stored(&entity)? != replayed {
                let what = format!("{entity} is another one with its checkpoint than without");
                return Err(Broken::new("I8", what));
            }
            entities.insert(entity, replayed);
        }
        for core in self.node.iter().flat_map(Node::cores) {
            let live = core.entity();
            let known = entities.get(live.id());
            if live.version() > 0 && known != Some(live) {
                let what = format!("{} is another one in memory than on the disk", live.id());
                return Err(Broken::new("I8", what));
            }
        }
        for (entity, replayed) in &entities {
            if !replayed.pending().is_empty() {
                let what = format!("{entity} waits for {:?}", replayed.pending());
                return Err(Broken::new("I9", what));
            }
        }
        let views = Views::of(&entities, &meta(&self.by, self.now().node));
        self.check_stock(&views)?;
        if self.knobs.is_plain {
            return self.requests.check_histories(&mut self.marks);
        }
        self.check_deliveries()?;
        views.check_commitments()?;
        self.check_shown()?;
        match self.sleeping(&views, |_, _| true).first() {
            Some(order) => {
                let what = format!("{order:?} waits for what is there");
                Err(Broken::new("I10", what))
            }
            None => Ok(()),
        }
    }

    /// An entity as it would be brought to life now.
    fn stored(&self, entity: &EntityId) -> Result<Entity, Broken> {
        let window = self.knobs.limits.dedup_window;
        match &self.node {
            Some(node) => node.stored(&self.disk, entity, window),
            None => self.disk.stored(entity, window),
        }
    }

    fn known_locations(&self) -> BTreeMap<LocationId, LocationFacts> {
        match (&self.node, &self.shell) {
            (Some(node), _) => node.locations.clone(),
            (None, shell) => shell.as_ref().map_or_else(BTreeMap::new, Shell::locations),
        }
    }

    /// `I10`: orders that wait for stock that is there, at a location that is open. What is left out is little. A location
    /// that has refused an order is not asked again, nor is one that somebody asked to keep it from. And an order is told of
    /// stock by its SKU, and of nothing else: whether a location has opened it looks once an hour, so one that has opened since
    /// the order was placed counts an hour later (`knows`), and once all has settled every one does.
    fn sleeping<'a>(
        &self,
        views: &'a Views,
        knows: impl Fn(&OrderId, &LocationId) -> bool,
    ) -> Vec<&'a OrderSummary> {
        let may_come_from = |order: &OrderId, location: &LocationId| {
            let is_kept = self.clients.is_kept_from(order, location)
                || self.warehouses.has_refused(order, location);
            knows(order, location) && !is_kept
        };
        let has_kit = |order: &OrderId| self.clients.has_kit(order);
        views
            .sleeping(&self.known_locations(), may_come_from, has_kit)
            .collect()
    }

    /// What is not as it should be, but may only be late.
    pub(super) fn late(&self) -> Result<BTreeSet<Late>, Broken> {
        if !self.is_up() {
            return Ok(BTreeSet::new());
        }
        let mut entities = BTreeMap::new();
        for entity in self.disk.entities() {
            if let EntityId::Order(_) | EntityId::Sku(_) = entity {
                let stored = self.stored(&entity)?;
                entities.insert(entity, stored);
            }
        }
        let views = Views::of(&entities, &meta(&self.by, self.now().node));
        let now = self.agenda.now();
        let knows = |order: &OrderId, location: &LocationId| {
            let opened_at = self.requests.opened_at(location);
            opened_at.is_none_or(|opened_at| {
                self.clients.placed_at(order) > Some(opened_at)
                    || now.since(opened_at) > REVIEWS_WITHIN
            })
        };
        let sleeping = self.sleeping(&views, knows).into_iter();
        let sleeping = sleeping.map(|order| Late::Sleeping(order.order.clone(), order.version));
        let wrong = self.wrong()?.into_iter().map(Late::Wrong);
        Ok(sleeping.chain(wrong).collect())
    }

    /// Channels show what there is.
    fn check_shown(&self) -> Result<(), Broken> {
        match self.wrong()?.pop_first() {
            Some(wrong) => Err(Broken::new("I12", format!("{wrong:?}"))),
            None => Ok(()),
        }
    }

    /// What channels show that is not there, and the other way round.
    fn wrong(&self) -> Result<BTreeSet<Wrong>, Broken> {
        if !self.is_up() {
            return Ok(BTreeSet::new());
        }
        let meta = meta(&self.by, self.now().node);
        let mut wrong = BTreeSet::new();
        for (channel, listing, shown) in self.shops.shown() {
            let entity = EntityId::Sku(SkuId::new(listing.as_str())?);
            let stored = self.stored(&entity)?;
            let there = match read(&stored, &meta) {
                Some(Answer::Stock(view)) => view.ats(),
                _ => 0,
            };
            // What was sold beyond the last unit may stay below none.
            if i64::try_from(there).ok() != Some(shown.max(0)) {
                wrong.insert(Wrong {
                    channel: channel.clone(),
                    listing: listing.clone(),
                    shown,
                    there,
                    version: stored.version(),
                });
            }
        }
        Ok(wrong)
    }

    /// Units are where requests and parcels say.
    fn check_stock(&self, views: &Views) -> Result<(), Broken> {
        for (sku, view) in &views.stock {
            let there = view.locations.iter();
            let there: i64 = there
                .map(|one| one.on_hand + i64::from(one.in_transit))
                .sum();
            let expected = self.requests.stock().get(sku).copied().unwrap_or(0);
            if there != expected {
                let what = format!("{sku}: {there} units, {expected} by what was answered");
                return Err(Broken::new("I7", what));
            }
        }
        Ok(())
    }
}

/// Whether an order that a channel stated then has its units taken off the stock, or waits for some.
pub(super) fn is_placed(order: &Entity, updated_at: Timestamp, meta: &Meta) -> bool {
    match read(order, meta) {
        Some(Answer::Order(order)) => order.placed && order.updated_at >= updated_at,
        _ => false,
    }
}

/// When its channel stated an order last, as far as is known.
pub(super) fn stated_at(order: &Entity, meta: &Meta) -> Option<Timestamp> {
    match read(order, meta) {
        Some(Answer::Order(order)) => Some(order.updated_at),
        _ => None,
    }
}

/// What it answers to who reads it.
fn read(entity: &Entity, meta: &Meta) -> Option<Answer> {
    let read = entity.decide(&Command::Read, meta, meta.issued_at, DEDUP_WINDOW);
    match read {
        Ok(Outcome::Unchanged { answer, .. }) => Some(answer),
        Ok(Outcome::Changed { .. }) | Err(_) => None,
    }
}

/// What may be so for minutes, but not for long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Late {
    /// `I10`: an order of that version waits for stock that is there.
    Sleeping(OrderId, u64),
    /// `I12`.
    Wrong(Wrong),
}

impl Late {
    /// Which promise it is about.
    pub fn promise(&self) -> &'static str {
        match self {
            Self::Sleeping(..) => "I10",
            Self::Wrong(_) => "I12",
        }
    }
}

/// A number that a channel shows, and is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wrong {
    channel: ChannelId,
    listing: ListingId,
    shown: i64,
    there: u64,
    /// Of the SKU.
    version: u64,
}

struct Views {
    stock: BTreeMap<SkuId, StockView>,
    orders: BTreeMap<OrderId, OrderSummary>,
}

impl Views {
    fn of(entities: &BTreeMap<EntityId, Entity>, meta: &Meta) -> Self {
        let mut views = Self {
            stock: BTreeMap::new(),
            orders: BTreeMap::new(),
        };
        for entity in entities.values() {
            let Some(answer) = read(entity, meta) else {
                continue;
            };
            match answer {
                Answer::Stock(view) => drop(views.stock.insert(view.sku.clone(), *view)),
                Answer::Order(order) => drop(views.orders.insert(order.order.clone(), *order)),
                _ => {}
            }
        }
        views
    }

    /// What SKUs have committed is what orders have reserved, and nothing else is taken.
    fn check_commitments(&self) -> Result<(), Broken> {
        let mut reserved: BTreeMap<(&SkuId, &LocationId), u64> = BTreeMap::new();
        for order in self.orders.values() {
            for one in &order.reserved {
                *reserved.entry((&one.sku, &one.location)).or_default() += u64::from(one.units);
            }
        }
        for (sku, view) in &self.stock {
            for at in &view.locations {
                let orders = reserved.remove(&(sku, &at.location)).unwrap_or(0);
                if u64::from(at.committed) != orders || at.tentative > 0 || at.held > 0 {
                    let what = format!("{sku}: orders have {orders}, but it says {at:?}");
                    return Err(Broken::new("I3", what));
                }
            }
        }
        match reserved.into_iter().find(|(_, units)| *units > 0) {
            Some(((sku, at), units)) => {
                let what =
                    format!("orders have {units} of {sku} at {at}, which knows nothing of it");
                Err(Broken::new("I3", what))
            }
            None => Ok(()),
        }
    }

    /// Orders that wait for a SKU of which there is as much as they wait for. What makes a kit leaves one location together.
    fn sleeping(
        &self,
        locations: &BTreeMap<LocationId, LocationFacts>,
        may_come_from: impl Fn(&OrderId, &LocationId) -> bool,
        has_kit: impl Fn(&OrderId) -> bool,
    ) -> impl Iterator<Item = &OrderSummary> {
        let waiting = self.orders.values();
        let waiting = waiting.filter(|order| !order.backordered.is_empty());
        waiting.filter(move |order| {
            let is_open = |location: &LocationId| {
                let facts = locations.get(location);
                facts.is_some_and(|facts| facts.enabled) && may_come_from(&order.order, location)
            };
            let has = |open: &[&LocationId], (sku, units): &(SkuId, u32)| {
                let view = self.stock.get(sku);
                let at = view.into_iter().flat_map(|view| &view.locations);
                let at = at.filter(|at| open.contains(&&at.location));
                at.map(|at| at.available.max(0)).sum::<i64>() >= i64::from(*units)
            };
            let open: Vec<_> = locations.keys().filter(|one| is_open(one)).collect();
            let wanted = &order.backordered;
            match has_kit(&order.order) {
                true => open
                    .chunks(1)
                    .any(|one| wanted.iter().all(|part| has(one, part))),
                false => wanted.iter().any(|one| has(&open, one)),
            }
        })
    }
}
