//! Who lists this SKU, and what it says for each channel: what can be sold, its last sales there, and how fast it
//! sells, also on channels that list nothing here (a till, the API).

use std::collections::{BTreeSet, VecDeque};

use crossdock_model::answer::StockView;
use crossdock_model::v1::{PublishedStock, SellingRate, SkuEvent, Sold};
use crossdock_model::{Answer, ChannelId, EntityId, OrderId, Rejection, Timestamp};
use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use super::draft::Draft;
use super::state::{SkuState, attempts_of};
use crate::decider::Decision;
use crate::oversell::Velocity;

type Decided = Result<Decision<SkuEvent>, Rejection>;

/// Sales of a channel that are named; older ones are only counted.
pub const SALES_MAX: usize = 32;
/// Buckets that list one SKU at most.
pub const LISTENERS_MAX: usize = 4_096;
/// Channels that sell it and do not list it, told apart. Further ones are counted with one of these: what matters of them is how
/// much they sell together.
const SELLERS_MAX: usize = 64;
/// What is known of a SKU that was never sold: it sells once an hour, and an hour in stock is worth as much.
const PRIOR_PER_H: u32 = 1;
const PRIOR_MS: u64 = 3_600_000;

/// Channels that list a SKU, and those that only sell it, which have no buckets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Listeners(LiteMap<ChannelId, Box<Listener>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Listener {
    buckets: BTreeSet<u16>,
    sales: VecDeque<Sale>,
    sold_units: u64,
    velocity: Velocity,
    /// Units sold since then are not in the velocity yet. `None`: nothing was in stock.
    in_stock_since: Option<Timestamp>,
}

/// What an order has bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sale {
    order: OrderId,
    sold: Sold,
    /// Of that, units that were sent, and of which no reservation tells any more.
    sent: u32,
}

impl Listener {
    fn sale(&mut self, order: &OrderId) -> Option<&mut Sale> {
        self.sales.iter_mut().find(|sale| sale.order == *order)
    }

    fn new(in_stock_since: Option<Timestamp>) -> Self {
        Self {
            buckets: BTreeSet::new(),
            sales: VecDeque::new(),
            sold_units: 0,
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

    /// An order has so many units, or waits for them, beside those that were sent, and had so many `before` that. It is one
    /// sale however often it is placed anew; what it takes beyond what it ever had is sold besides.
    pub fn sold(
        &mut self,
        order: &OrderId,
        (units, before): (u32, u32),
        at: Timestamp,
        now: Timestamp,
    ) {
        let Some(known) = self.seller(&order.channel, now) else {
            return;
        };
        let more = match known.sale(order) {
            Some(sale) => {
                let all = units.saturating_add(sale.sent);
                let more = all.saturating_sub(sale.sold.units);
                if more == 0 {
                    return;
                }
                sale.sold.units = all;
                more
            }
            None => {
                // Some orders say that they were placed in the future.
                let at = at.min(now);
                known.sales.push_back(Sale {
                    order: order.clone(),
                    sold: Sold { at, units },
                    sent: 0,
                });
                // What it had before was counted then: so long ago that it was not named any more.
                units.saturating_sub(before)
            }
        };
        known.count(more, known.in_stock_since.is_some(), now);
        known.sold_units += u64::from(more);
        if known.sales.len() > SALES_MAX {
            known.sales.pop_front();
        }
    }

    /// An order has given an attempt back and holds so many units by others: what it took anew before that is sold once.
    fn placed_anew(&mut self, order: &OrderId, units: u32) {
        let Some(known) = self.0.get_mut(&order.channel).filter(|_| units > 0) else {
            return;
        };
        if let Some(sale) = known.sale(order) {
            let all = units.saturating_add(sale.sent);
            let twice = sale.sold.units.saturating_sub(all);
            sale.sold.units -= twice;
            known.sold_units = known.sold_units.saturating_sub(twice.into());
        }
    }

    /// So many units of an order were sent, and its reservation of them is over.
    pub fn sent(&mut self, order: &OrderId, units: u32) {
        let known = self.0.get_mut(&order.channel);
        if let Some(sale) = known.and_then(|known| known.sale(order)) {
            sale.sent = sale.sent.saturating_add(units);
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
            sold: known.sales.iter().map(|sale| sale.sold).collect(),
            sold_units: known.sold_units,
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

    /// Notes what an event means for those who list it.
    pub(super) fn note_listeners(&mut self, event: &SkuEvent, now: Timestamp) {
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
            SkuEvent::Released { id } => {
                let (has, waits) = self.claimed(&id.order);
                let units = has.saturating_add(waits);
                self.listeners.placed_anew(&id.order, units);
                None
            }
            _ => None,
        };
        if let Some((order, units, promised_at)) = claim {
            self.listeners.sold(order, units, promised_at, now);
        }
        let is_in_stock = self.is_in_stock();
        self.listeners.stocked(is_in_stock, now);
    }
}

impl Draft<'_> {
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
