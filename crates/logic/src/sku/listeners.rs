//! Who lists this SKU, and what it says for each channel: what can be sold, its last sales there, and how fast it
//! sells, also on channels that list nothing here (a till, the API).

use std::collections::BTreeSet;

use crossdock_model::answer::StockView;
use crossdock_model::v1::{AttemptId, PublishedStock, SellingRate, SkuEvent};
use crossdock_model::{Answer, ChannelId, Duration, EntityId, OrderId, Rejection, Timestamp};
use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use super::draft::Draft;
use super::sales::{Sale, Sales};
use super::state::{SkuState, attempts_of};
use crate::decider::Decision;
use crate::oversell::Velocity;

type Decided = Result<Decision<SkuEvent>, Rejection>;

/// Buckets that list one SKU at most.
pub const LISTENERS_MAX: usize = 4_096;
/// Channels that sell it and do not list it, told apart. Further ones are counted with one of these: what matters of them is how
/// much they sell together.
const SELLERS_MAX: usize = 64;
/// By so much a channel's clock may be ahead of ours, as after a start with a wall clock that was set back: with its sales dated
/// by ours, those would pass for older than a number that they have lowered since.
const AHEAD_MAX: Duration = Duration::from_minutes(15);
/// What is known of a SKU that was never sold: it sells once an hour, and an hour in stock is worth as much.
const PRIOR_PER_H: u32 = 1;
const PRIOR_MS: u64 = 3_600_000;

/// Channels that list a SKU, and those that only sell it, which have no buckets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Listeners(LiteMap<ChannelId, Box<Listener>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Listener {
    buckets: BTreeSet<u16>,
    sales: Sales,
    velocity: Velocity,
    /// Units sold since then are not in the velocity yet. `None`: nothing was in stock.
    in_stock_since: Option<Timestamp>,
}

impl Listener {
    fn new(in_stock_since: Option<Timestamp>) -> Self {
        Self {
            buckets: BTreeSet::new(),
            sales: Sales::default(),
            velocity: Velocity::prior(PRIOR_PER_H, PRIOR_MS),
            in_stock_since,
        }
    }

    /// Counts the time in stock up to now, and units sold in it.
    fn count(&mut self, units: u32, is_in_stock: bool, now: Timestamp) {
        let in_stock = self.in_stock_since.map(|since| now.since(since));
        self.velocity = self
            .velocity
            .after(units, in_stock.map_or(0, |span| span.as_ms()));
        self.in_stock_since = is_in_stock.then_some(now);
    }

    /// How fast it sells as of now: what lies in stock and is not sold sells more slowly than was known.
    fn rate(&self, channel: &ChannelId, now: Timestamp) -> SellingRate {
        let unsold = self.in_stock_since.map(|since| now.since(since).as_ms());
        let velocity = self.velocity.after(0, unsold.unwrap_or(0));
        SellingRate {
            channel: channel.clone(),
            milli_per_h: velocity.milli_per_h(),
            shape_milli: velocity.shape_milli(),
        }
    }
}

impl Listeners {
    fn has(&self, channel: &ChannelId, bucket: u16) -> bool {
        let known = self.0.get(channel);
        known.is_some_and(|known| known.buckets.contains(&bucket))
    }

    pub fn subscribe(
        &mut self,
        channel: &ChannelId,
        bucket: u16,
        in_stock_since: Option<Timestamp>,
    ) {
        let known = self.0.entry(channel.clone());
        let known = known.or_insert_with(|| Box::new(Listener::new(in_stock_since)));
        known.buckets.insert(bucket);
    }

    pub fn unsubscribe(&mut self, channel: &ChannelId, bucket: u16) {
        if let Some(known) = self.0.get_mut(channel) {
            known.buckets.remove(&bucket);
        }
        if self.is_empty() {
            self.0.clear();
        }
    }

    /// Who sells on that channel.
    fn seller(&mut self, channel: &ChannelId, now: Timestamp) -> Option<&mut Listener> {
        let listing_none = self.0.values().filter(|known| known.buckets.is_empty());
        let is_known = self.0.contains_key(channel);
        if is_known || listing_none.count() < SELLERS_MAX {
            let known = self.0.entry(channel.clone());
            return Some(known.or_insert_with(|| Box::new(Listener::new(Some(now)))));
        }
        let mut known = self.0.iter_mut().map(|(_, known)| &mut **known);
        known.find(|known| known.buckets.is_empty())
    }

    /// An order has so many units, or waits for them, beside those that were sent, and had so many `before` that. Returns a
    /// sale that is named no more.
    fn sold(
        &mut self,
        order: &OrderId,
        units: (u32, u32),
        at: Timestamp,
        now: Timestamp,
    ) -> Option<Sale> {
        let known = self.seller(&order.channel, now)?;
        // Some orders say that they were placed in the future.
        let (more, unnamed) = known.sales.sold(order, units, at.min(now + AHEAD_MAX));
        if more > 0 {
            known.count(more, known.in_stock_since.is_some(), now);
        }
        unnamed
    }

    /// The sales of a channel, if it is known.
    pub fn sales(&mut self, channel: &ChannelId) -> Option<&mut Sales> {
        self.0.get_mut(channel).map(|known| &mut known.sales)
    }

    /// Of all that an order has, waits for and was sent, so many units were added here.
    fn added_units(&self, order: &OrderId) -> u32 {
        let known = self.0.get(&order.channel);
        known.map_or(0, |known| known.sales.added_units(order))
    }

    pub fn added_here(&mut self, order: &OrderId, units: u32) {
        if let Some(sales) = self.sales(&order.channel) {
            sales.added_here(order, units);
        }
    }

    /// It came into stock, or went out of it.
    pub fn stocked(&mut self, is_in_stock: bool, now: Timestamp) {
        for (_, known) in self.0.iter_mut() {
            if known.in_stock_since.is_some() != is_in_stock {
                known.count(0, is_in_stock, now);
            }
        }
    }

    /// Whether no channel lists it.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|known| known.buckets.is_empty())
    }
}

/// What is said to the buckets of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// The channel.
    pub channel: ChannelId,
    /// Its buckets that list the SKU.
    pub buckets: Vec<u16>,
    /// What they are told.
    pub stock: PublishedStock,
}

impl SkuState {
    /// What is said to every channel that lists it. `view` is its stock as of `now`, which changed `at` that time.
    #[must_use]
    pub fn publications(
        &self,
        view: &StockView,
        at: Timestamp,
        now: Timestamp,
    ) -> Vec<Publication> {
        let listeners = self.listeners.0.iter();
        let listeners = listeners.filter(|(_, known)| !known.buckets.is_empty());
        let said = listeners.map(|(channel, known)| Publication {
            channel: channel.clone(),
            buckets: known.buckets.iter().copied().collect(),
            stock: self.said_to(known, view, at, now),
        });
        said.collect()
    }

    fn said_to(
        &self,
        known: &Listener,
        view: &StockView,
        at: Timestamp,
        now: Timestamp,
    ) -> PublishedStock {
        let is_counted = |location| {
            let place = self.places.get(location);
            place.is_some_and(|place| place.is_counted) || self.is_untracked()
        };
        let counted = view
            .locations
            .iter()
            .filter(|here| is_counted(&here.location));
        let rates = self.listeners.0.iter();
        PublishedStock {
            sku: view.sku.clone(),
            version: view.version,
            tracking: view.tracking.clone(),
            ats: counted
                .map(|here| (here.location.clone(), here.ats))
                .collect(),
            sold: known.sales.named().collect(),
            sold_units: known.sales.units(),
            sole: known.buckets.len() == 1,
            rates: rates
                .map(|(channel, known)| known.rate(channel, now))
                .collect(),
            aside: false,
            at,
        }
    }

    /// Units that an order has here, and those it waits for.
    fn claimed(&self, order: &OrderId) -> (u32, u32) {
        let (first, last) = attempts_of(order);
        let attempts = self.reservations.range(first..=last);
        let parts = attempts.flat_map(|(_, reservation)| &reservation.parts);
        let has = parts.map(|part| part.units - part.released).sum();
        let waiter = self.line.orders.get(order);
        (has, waiter.map_or(0, |waiter| waiter.units))
    }

    /// Whether any bucket lists it.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Whether anything of it is free.
    pub(super) fn is_in_stock(&self) -> bool {
        self.places.values().any(|place| place.sums.free() > 0)
    }

    /// What an order has before an event by which it gives units back.
    pub(super) fn had(&self, event: &SkuEvent) -> Option<Had> {
        if self.listeners.is_empty() {
            return None;
        }
        let (order, attempt) = match event {
            SkuEvent::Released { id } | SkuEvent::Settled { id, .. } => (&id.order, Some(id)),
            SkuEvent::WaitEnded { order } => (order, None),
            _ => return None,
        };
        let reservation = attempt.and_then(|id| self.reservations.get(id));
        let parts = reservation.iter().flat_map(|known| &known.parts);
        let shipped = parts.map(|part| match event {
            SkuEvent::Settled {
                location,
                shipped_units,
                ..
            } if part.location == *location => *shipped_units,
            _ => part.shipped,
        });
        let (has, waits) = self.claimed(order);
        Some(Had {
            order: order.clone(),
            units: match event {
                // What it has taken it waited for until now.
                SkuEvent::WaitEnded { .. } => has.max(waits),
                _ => has.saturating_add(waits),
            },
            shipped: shipped.sum(),
            attempt: attempt.cloned(),
        })
    }

    /// Units that an order has here or waits for.
    fn units_of(&self, order: &OrderId) -> u32 {
        let (has, waits) = self.claimed(order);
        has.saturating_add(waits)
    }

    /// Notes what an event means for those who list it, and for an order that `had` units before.
    pub(super) fn note_listeners(&mut self, event: &SkuEvent, had: Option<Had>, now: Timestamp) {
        if self.listeners.is_empty() {
            return;
        }
        let claim = match event {
            SkuEvent::Reserved {
                id,
                takes,
                promised_at,
                ..
            } => {
                let taken: u32 = takes.iter().map(|take| take.units).sum();
                let (has, waits) = self.claimed(&id.order);
                let before = has.saturating_sub(taken).saturating_add(waits);
                // It waits no more for what it has just taken.
                let units = has.saturating_add(if waits > taken { waits } else { 0 });
                Some((&id.order, (units, before), *promised_at))
            }
            SkuEvent::Waiting {
                order, promised_at, ..
            } => {
                let (has, waits) = self.claimed(order);
                Some((order, (has.saturating_add(waits), has), *promised_at))
            }
            _ => None,
        };
        if let Some((order, units, promised_at)) = claim {
            let unnamed = self.listeners.sold(order, units, promised_at, now);
            self.note_unnamed(unnamed);
        }
        if let Some(had) = had {
            self.note_given_back(&had);
        }
        let is_in_stock = self.is_in_stock();
        self.listeners.stocked(is_in_stock, now);
    }

    /// Of a sale that is named no more it is told by what its order has, unless that has given units back.
    fn note_unnamed(&mut self, unnamed: Option<Sale>) {
        let Some(sale) = unnamed else { return };
        let has = self.units_of(&sale.order).saturating_add(sale.sent);
        if let Some(sales) = self.listeners.sales(&sale.order.channel)
            && sales.sold_of(&sale.order, has) < sale.sold.units
        {
            sales.remember(sale);
        }
    }

    fn note_given_back(&mut self, had: &Had) {
        let attempt = had.attempt.as_ref();
        let is_over = attempt.is_some_and(|id| !self.reservations.contains_key(id));
        let sent = if is_over { had.shipped } else { 0 };
        let units = self.units_of(&had.order);
        if units.saturating_add(sent) >= had.units {
            return;
        }
        let own = attempt.and_then(|id| self.reservations.get(id));
        let own = own.iter().flat_map(|own| &own.parts);
        let own: u32 = own.map(|part| part.units - part.released).sum();
        if let Some(sales) = self.listeners.sales(&had.order.channel) {
            if attempt.is_some() && units > own {
                sales.placed_anew(&had.order, units);
            }
            sales.given_back(&had.order, had.units, sent);
        }
    }
}

/// What an order had before an event.
pub(super) struct Had {
    order: OrderId,
    /// Units that it had, or waited for.
    units: u32,
    /// The attempt that the event is about, and units of it that were sent after that.
    attempt: Option<AttemptId>,
    shipped: u32,
}

impl Draft<'_> {
    /// So many units of an order, of all that it has, waits for and was sent, its channel has not sold: they lower no number of
    /// the channel. It is recorded with what is decided for the order.
    pub fn note_added(mut self, order: &OrderId, units: u32) -> Self {
        let listeners = &self.state.listeners;
        if listeners.0.get(&order.channel).is_some() && listeners.added_units(order) != units {
            let order = order.clone();
            self.events.push(SkuEvent::AddedHere { order, units });
        }
        self
    }

    pub fn subscribe(mut self, bucket: &EntityId) -> Decided {
        let (channel, number) = bucket_of(bucket)?;
        let listeners = &self.state.listeners;
        let all: usize = listeners.0.values().map(|known| known.buckets.len()).sum();
        let is_new = !listeners.has(channel, number);
        if is_new && all >= LISTENERS_MAX {
            return Err(Rejection::Limit {
                what: "buckets that list one SKU".to_owned(),
                max: LISTENERS_MAX as u64,
            });
        }
        let version = self.version + u64::from(is_new);
        let mut known = match listeners.0.get(channel) {
            Some(known) => (**known).clone(),
            None => Listener::new(None),
        };
        known.buckets.insert(number);
        let view = self.view(version);
        let mut said = self.state.said_to(&known, &view, self.now, self.now);
        if listeners.0.get(channel).is_none() {
            // What the channel's own buyers may take counts from the first number on.
            said.rates.push(known.rate(channel, self.now));
        }
        if is_new {
            self.events.push(SkuEvent::Subscribed {
                bucket: bucket.clone(),
            });
        }
        Ok(Decision {
            events: self.events,
            answer: Answer::Published(Box::new(said)),
            notices: self.notices,
        })
    }

    pub fn unsubscribe(self, bucket: &EntityId) -> Decided {
        let (channel, number) = bucket_of(bucket)?;
        let is_known = self.state.listeners.has(channel, number);
        let event = SkuEvent::Unsubscribed {
            bucket: bucket.clone(),
        };
        Ok(Decision::done(
            is_known.then_some(event).into_iter().collect(),
        ))
    }
}

fn bucket_of(bucket: &EntityId) -> Result<(&ChannelId, u16), Rejection> {
    match bucket {
        EntityId::Bucket(channel, number) => Ok((channel, *number)),
        _ => Err(Rejection::invalid(
            "bucket",
            "only a bucket of listings listens to a SKU",
        )),
    }
}

impl SkuState {
    pub(super) fn apply_listener(&mut self, bucket: &EntityId, listens: bool, at: Timestamp) {
        let EntityId::Bucket(channel, number) = bucket else {
            return;
        };
        if listens {
            let since = self.is_in_stock().then_some(at);
            self.listeners.subscribe(channel, *number, since);
        } else {
            self.listeners.unsubscribe(channel, *number);
        }
    }
}
