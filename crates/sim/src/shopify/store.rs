//! The shop itself: what it shows, what was bought, whom it tells. Time comes in as `now`, chance from the faults' seed.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::{Duration, Timestamp};
use serde_json::{Value, json};

use super::budget::Points;
use super::fault::{Fault, Faults};
use super::keys::Keys;
use super::options::StoreOptions;
use super::order::{FulfilmentLine, FulfilmentOrder, Line, Order, Refund};
use super::outbox::{Message, Outbox};
use super::wire::rest_time;
use super::writes::{Writes, Written};

/// Where the shop's ids begin: larger than 2^53, as its real ones are.
const IDS_BEGIN: u64 = 820_982_911_946_154_000;
/// Where numbers of orders begin.
const NUMBERS_BEGIN: u64 = 1001;

/// Something that is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// What orders name.
    pub variant: u64,
    /// What stock is counted of.
    pub item: u64,
}

/// An inventory item with its variant.
#[derive(Debug)]
pub(super) struct Item {
    pub variant: u64,
    pub sku: String,
    pub price_cents: u64,
    pub is_tracked: bool,
    /// Units at each location, also fewer than none.
    pub levels: BTreeMap<u64, i64>,
    /// When each of them was changed last.
    pub changed_at: BTreeMap<u64, Timestamp>,
}

/// Whom to tell of a topic.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub topic: String,
    pub url: String,
}

/// A simulated shop.
#[derive(Debug)]
pub struct Store {
    pub(super) domain: String,
    pub(super) faults: Faults,
    pub(super) points: Points,
    pub(super) list_lag: Duration,
    pub(super) items: BTreeMap<u64, Item>,
    pub(super) locations: BTreeMap<u64, String>,
    /// Those that are deactivated.
    pub(super) closed: BTreeSet<u64>,
    pub(super) orders: BTreeMap<u64, Order>,
    pub(super) subscriptions: BTreeMap<u64, Subscription>,
    /// Topics that the app may not be told of.
    pub(super) refused_topics: BTreeSet<String>,
    pub(super) keys: Keys,
    /// How often each operation was carried out.
    pub(super) carried_out: BTreeMap<&'static str, u64>,
    /// The order of each fulfilment order, fulfilment and refund.
    pub(super) parts: BTreeMap<u64, u64>,
    /// The inventory item of each variant.
    pub(super) variants: BTreeMap<u64, u64>,
    pub(super) writes: Writes,
    outbox: Outbox,
    ids: u64,
}

impl Store {
    /// A shop that sells nothing yet.
    #[must_use]
    pub fn new(options: StoreOptions) -> Self {
        Self {
            domain: options.domain,
            faults: options.faults,
            points: Points::new(options.rate),
            list_lag: options.list_lag,
            items: BTreeMap::new(),
            locations: BTreeMap::new(),
            closed: BTreeSet::new(),
            orders: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            refused_topics: BTreeSet::new(),
            keys: Keys::default(),
            carried_out: BTreeMap::new(),
            parts: BTreeMap::new(),
            variants: BTreeMap::new(),
            writes: Writes::default(),
            outbox: Outbox::new(options.pace),
            ids: IDS_BEGIN,
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Numbers that apps set since this was asked last, the oldest first.
    pub fn take_writes(&mut self) -> Vec<Written> {
        self.writes.take()
    }

    /// Somebody of the shop sets a number by hand; where there was none, the item is stocked there from now on.
    pub fn set_by_hand(&mut self, item: u64, location: u64, units: i64, now: Timestamp) {
        if let Some(known) = self.items.get_mut(&item)
            && known.levels.insert(location, units) != Some(units)
        {
            self.tell_level(item, location, now);
        }
    }

    /// What is shown of an item at a location.
    #[must_use]
    pub fn available(&self, item: u64, location: u64) -> Option<i64> {
        self.items.get(&item)?.levels.get(&location).copied()
    }

    /// Units of a variant that shoppers see.
    #[must_use]
    pub fn shown(&self, variant: u64) -> u32 {
        let item = self
            .variants
            .get(&variant)
            .and_then(|item| self.items.get(item));
        let levels = item.into_iter().flat_map(|item| item.levels.values());
        let shown: i64 = levels.map(|units| (*units).max(0)).sum();
        u32::try_from(shown).unwrap_or(u32::MAX)
    }

    /// A shopper buys, if the shop shows enough. Returns the order.
    pub fn buy(&mut self, variant: u64, units: u32, now: Timestamp) -> Option<u64> {
        self.buy_all(&BTreeMap::from([(variant, units)]), now)
    }

    /// A shopper buys units of several variants, if the shop shows enough of each. Returns the order.
    pub fn buy_all(&mut self, cart: &BTreeMap<u64, u32>, now: Timestamp) -> Option<u64> {
        let is_shown = |(variant, units): (&u64, &u32)| (1..=self.shown(*variant)).contains(units);
        if cart.is_empty() || !cart.iter().all(is_shown) {
            return None;
        }
        let order = self.next_id();
        let mut lines = Vec::new();
        let mut parts: BTreeMap<u64, Vec<(u64, u32)>> = BTreeMap::new();
        for (variant, units) in cart {
            let item = *self.variants.get(variant)?;
            let id = self.next_id();
            for (location, here) in self.take(item, *units, now) {
                parts.entry(location).or_default().push((id, here));
            }
            let sold = self.items.get(&item)?;
            lines.push(Line {
                id,
                variant: *variant,
                sku: sold.sku.clone(),
                units: *units,
                current_units: *units,
                price_cents: sold.price_cents,
            });
        }
        let parts = parts.into_iter();
        let parts =
            parts.map(|(location, lines)| self.fulfilment_order(order, location, lines, now));
        let fulfilment_orders = parts.collect();
        let placed = Order {
            id: order,
            number: NUMBERS_BEGIN + self.orders.len() as u64,
            created_at: now,
            updated_at: now,
            cancelled: None,
            lines,
            refunds: Vec::new(),
            fulfilment_orders,
            fulfilments: Vec::new(),
        };
        let body = placed.body();
        self.orders.insert(order, placed);
        self.tell("orders/create", &body, now);
        Some(order)
    }

    /// Lowers what is shown, location after location.
    fn take(&mut self, item: u64, units: u32, now: Timestamp) -> Vec<(u64, u32)> {
        let mut left = units;
        let mut taken = Vec::new();
        let levels = self.items.get_mut(&item).map(|item| &mut item.levels);
        for (location, shown) in levels.into_iter().flatten() {
            let here = u32::try_from((*shown).max(0)).unwrap_or(u32::MAX).min(left);
            if here > 0 {
                *shown -= i64::from(here);
                left -= here;
                taken.push((*location, here));
            }
        }
        for (location, _) in &taken {
            self.tell_level(item, *location, now);
        }
        taken
    }

    pub(super) fn fulfilment_order(
        &mut self,
        order: u64,
        location: u64,
        lines: Vec<(u64, u32)>,
        now: Timestamp,
    ) -> FulfilmentOrder {
        let lines = lines.into_iter().map(|(line, units)| FulfilmentLine {
            id: self.next_id(),
            line,
            units,
            left: units,
        });
        let lines = lines.collect();
        let id = self.next_id();
        self.parts.insert(id, order);
        FulfilmentOrder {
            id,
            location,
            updated_at: now,
            lines,
            is_cancelled: false,
        }
    }

    /// An order is cancelled, by its buyer or the shop. What was sent stays sent. Returns whether it was cancelled now.
    pub fn cancel(&mut self, order: u64, reason: &str, restock: bool, now: Timestamp) -> bool {
        let Some(cancelled) = self.orders.get_mut(&order) else {
            return false;
        };
        if cancelled.cancelled.is_some() || !cancelled.fulfilments.is_empty() {
            return false;
        }
        cancelled.cancelled = Some((now, reason.to_owned()));
        cancelled.updated_at = now;
        let variants: BTreeMap<u64, u64> = cancelled
            .lines
            .iter()
            .map(|line| (line.id, line.variant))
            .collect();
        cancelled
            .lines
            .iter_mut()
            .for_each(|line| line.current_units = 0);
        let mut back = Vec::new();
        for part in &mut cancelled.fulfilment_orders {
            part.is_cancelled = true;
            part.updated_at = now;
            for line in &mut part.lines {
                back.extend(
                    variants
                        .get(&line.line)
                        .map(|variant| (*variant, part.location, line.left)),
                );
                line.left = 0;
            }
        }
        let body = cancelled.body();
        if restock {
            for (variant, location, units) in back {
                self.put_back(variant, location, units, now);
            }
        }
        self.tell("orders/cancelled", &body, now);
        self.tell("orders/updated", &body, now);
        true
    }

    /// Units of an order's line are given back before they were sent. Returns how many.
    pub fn refund(
        &mut self,
        order: u64,
        line: u64,
        units: u32,
        restock: bool,
        now: Timestamp,
    ) -> u32 {
        let refund = self.next_id();
        self.next_id();
        self.parts.insert(refund, order);
        let Some(changed) = self.orders.get_mut(&order) else {
            return 0;
        };
        let Some(refunded) = changed.lines.iter_mut().find(|found| found.id == line) else {
            return 0;
        };
        let variant = refunded.variant;
        let mut back = Vec::new();
        let mut left = units.min(refunded.current_units);
        for part in &mut changed.fulfilment_orders {
            for of in part.lines.iter_mut().filter(|of| of.line == line) {
                let here = of.left.min(left);
                (of.left, left) = (of.left - here, left - here);
                back.push((part.location, here));
            }
        }
        let units: u32 = back.iter().map(|(_, units)| units).sum();
        if units == 0 {
            return 0;
        }
        refunded.current_units -= units;
        changed.updated_at = now;
        let refund = Refund {
            id: refund,
            at: now,
            line,
            units,
            restock,
        };
        let body = refund.body(order);
        changed.refunds.push(refund);
        let state = changed.body();
        if restock {
            for (location, units) in back {
                self.put_back(variant, location, units, now);
            }
        }
        self.tell("refunds/create", &body, now);
        self.tell("orders/updated", &state, now);
        units
    }

    fn put_back(&mut self, variant: u64, location: u64, units: u32, now: Timestamp) {
        let item = self.variants.get(&variant).copied();
        let level = item.and_then(|item| self.items.get_mut(&item)?.levels.get_mut(&location));
        if let (Some(item), Some(level), 1..) = (item, level, units) {
            *level += i64::from(units);
            self.tell_level(item, location, now);
        }
    }

    /// Every order there is: the shop's own books.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// Units that were bought and are still wanted, by variant.
    #[must_use]
    pub fn sold(&self) -> BTreeMap<u64, u64> {
        let mut sold: BTreeMap<u64, u64> = BTreeMap::new();
        for line in self.orders().flat_map(|order| &order.lines) {
            *sold.entry(line.variant).or_default() += u64::from(line.current_units);
        }
        sold
    }

    /// What went wrong so far.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// From now on things go wrong like this, or not at all.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// It goes wrong like this at the next chance.
    pub fn surely(&mut self, kind: Fault) {
        self.faults.surely(kind);
    }

    /// Whatever the next webhook of a topic is answered is taken for a no, until its subscription is deleted.
    pub fn never_hear(&mut self, topic: &'static str) {
        self.outbox.never_hear(topic);
    }

    /// Tells a URL of a topic from now on.
    pub fn subscribe(&mut self, topic: &str, url: &str) -> u64 {
        let subscription = Subscription {
            topic: topic.to_owned(),
            url: url.to_owned(),
        };
        let id = self.next_id();
        self.subscriptions.insert(id, subscription);
        id
    }

    /// The app has no scope that lets it be told of a topic, or has one from now on.
    pub fn refuse_topic(&mut self, topic: &str, is_refused: bool) {
        match is_refused {
            true => drop(self.refused_topics.insert(topic.to_owned())),
            false => drop(self.refused_topics.remove(topic)),
        }
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscribed(&self) -> usize {
        self.subscriptions.len()
    }

    /// The shop deletes all subscriptions, as it does once webhooks are not taken for hours.
    pub fn delete_subscriptions(&mut self) {
        for subscription in std::mem::take(&mut self.subscriptions).into_keys() {
            self.faults.note(Fault::Unsubscribed);
            self.outbox.drop_all_of(subscription);
        }
    }

    pub(super) fn tell_level(&mut self, item: u64, location: u64, now: Timestamp) {
        let level = self.items.get_mut(&item).and_then(|known| {
            let units = known.levels.get(&location)?;
            known.changed_at.insert(location, now);
            Some(known.is_tracked.then_some(*units))
        });
        if let Some(available) = level {
            let body = json!({
                "inventory_item_id": item, "location_id": location, "available": available,
                "updated_at": rest_time(now),
                "admin_graphql_api_id": format!("gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"),
            });
            self.tell("inventory_levels/update", &body, now);
        }
    }

    pub(super) fn tell_order(&mut self, topic: &str, order: u64, now: Timestamp) {
        if let Some(body) = self.orders.get(&order).map(Order::body) {
            self.tell(topic, &body, now);
        }
    }

    fn tell(&mut self, topic: &str, body: &Value, now: Timestamp) {
        let event = self.next_id();
        let all = self.subscriptions.iter();
        let told = all.filter(|(_, one)| one.topic == topic);
        let told: Vec<(u64, String)> = told.map(|(id, one)| (*id, one.url.clone())).collect();
        for (subscription, url) in told {
            let message = Message {
                url,
                topic: topic.to_owned(),
                event: format!("event-{event}"),
                delivery: format!("delivery-{}", self.next_id()),
                triggered_at: now,
                body: body.to_string().into_bytes(),
                subscription,
                tries: 0,
            };
            self.outbox.send(message, &mut self.faults, now);
        }
    }

    /// Webhooks to be sent now; of each is said later with [`Store::answered`] whether it was taken.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Message> {
        self.outbox.take_due(now)
    }

    /// When the next webhook is to be sent.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.outbox.next_due()
    }

    /// A webhook was taken or not. Who does not take one nine times is told nothing more.
    pub fn answered(&mut self, message: Message, is_taken: bool, now: Timestamp) {
        let is_lost = is_taken && message.tries == 0 && self.faults.strikes(Fault::Unheard);
        let is_heard = !self.outbox.is_ignored(&message) && !is_lost;
        let subscription = message.subscription;
        let is_over = is_taken && is_heard;
        let is_known = self.subscriptions.contains_key(&subscription);
        if !is_over && is_known && !self.outbox.failed(message, now) {
            self.subscriptions.remove(&subscription);
            self.faults.note(Fault::Unsubscribed);
            self.outbox.drop_all_of(subscription);
        }
    }
}

#[cfg(test)]
mod tests;
