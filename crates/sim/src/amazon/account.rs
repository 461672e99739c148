//! What is listed, what was sold, and what happens by itself as time passes.

use std::collections::BTreeMap;

use crossdock_model::Timestamp;

use super::Options;
use super::body::{Order, State, Status};
use super::confirm::Shown;
use super::feed::Feeds;
use super::search::Searches;
use crate::Dice;

/// Something for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What it is called.
    pub title: String,
    /// Price of a unit, in hundredths.
    pub price_cents: u64,
    /// Units that are shown: what shoppers can buy.
    pub units: u32,
    /// Whether Amazon ships it, from stock that lies with Amazon.
    pub amazon_ships: bool,
    /// Whether the seller ever said how many there are.
    pub has_number: bool,
}

impl Listing {
    /// One that the seller ships, and shows so many of.
    #[must_use]
    pub fn of_seller(title: &str, price_cents: u64, units: u32) -> Self {
        Self {
            title: title.to_owned(),
            price_cents,
            units,
            amazon_ships: false,
            has_number: true,
        }
    }
}

/// What is yet to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// The payment of an order succeeds or fails.
    Payment { order: usize, fails: bool },
    /// A number is shown.
    Write { sku: String, shown: Shown },
    /// A feed is worked on.
    Feed(String),
}

/// A seller's account.
#[derive(Debug)]
pub struct Account {
    pub(super) options: Options,
    pub(super) listings: BTreeMap<String, Listing>,
    pub(super) orders: Vec<Order>,
    pub(super) searches: Searches,
    pub(super) feeds: Feeds,
    /// How long the seller takes to send what is sold of a SKU, where that was said.
    handling_days: BTreeMap<String, u16>,
    /// SKUs in the order in which their listings were made.
    pub(super) made: Vec<String>,
    agenda: BTreeMap<(Timestamp, u64), Due>,
    due_count: u64,
    dice: Dice,
}

impl Account {
    /// An account that lists nothing.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            dice: Dice::new(options.seed),
            options,
            listings: BTreeMap::new(),
            orders: Vec::new(),
            searches: Searches::default(),
            feeds: Feeds::default(),
            handling_days: BTreeMap::new(),
            made: Vec::new(),
            agenda: BTreeMap::new(),
            due_count: 0,
        }
    }

    /// Puts something up for sale.
    pub fn list(&mut self, sku: &str, listing: Listing) {
        if self.listings.insert(sku.to_owned(), listing).is_none() {
            self.made.push(sku.to_owned());
        }
    }

    /// Says how long the seller takes to send what is sold of a SKU.
    pub fn handle_within(&mut self, sku: &str, days: u16) {
        self.handling_days.insert(sku.to_owned(), days);
    }

    /// How long the seller takes, if that was said and is still there.
    #[must_use]
    pub fn handling_days(&self, sku: &str) -> Option<u16> {
        self.handling_days.get(sku).copied()
    }

    /// A shopper buys what is shown, and hears the order's id. None is sold that is not shown.
    pub fn buy(&mut self, sku: &str, units: u32, now: Timestamp) -> Option<String> {
        self.settle(now);
        let listing = self.listings.get_mut(sku)?;
        listing.units = listing.units.checked_sub(units).filter(|_| units > 0)?;
        let order = Order::new(self.orders.len(), sku, listing, units, now);
        let id = order.id.clone();
        let payment = Due::Payment {
            order: self.orders.len(),
            fails: self.dice.happens(self.options.payments_fail),
        };
        self.orders.push(order);
        self.plan(now + self.options.payment_takes, payment);
        Some(id)
    }

    /// The buyer of an order asks to cancel it. The seller decides.
    pub fn ask_cancel(&mut self, order: &str, reason: &str, now: Timestamp) -> bool {
        self.settle(now);
        let asked = Some(reason.to_owned());
        let Some(order) = self.order_mut(order) else {
            return false;
        };
        let waits = matches!(order.state().status, Status::Pending | Status::Unshipped);
        if waits {
            let mut state = order.state().clone();
            state.cancel_asked = asked;
            order.become_at(now, state);
        }
        waits
    }

    /// Units that are shown.
    pub fn shown(&mut self, sku: &str, now: Timestamp) -> Option<u32> {
        self.settle(now);
        self.listings.get(sku).map(|listing| listing.units)
    }

    /// Feeds that were ever begun.
    #[must_use]
    pub fn feeds_begun(&self) -> usize {
        self.feeds.begun()
    }

    /// All orders ever placed, the oldest first: the account's own books.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Lets happen what was to happen until now.
    pub fn settle(&mut self, now: Timestamp) {
        while let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= now
        {
            let ((at, _), due) = entry.remove_entry();
            self.happen(at, due);
        }
    }

    /// Whether a feed is given up.
    pub(super) fn gives_up(&mut self) -> bool {
        self.dice.happens(self.options.faults.fatal_feeds)
    }

    pub(super) fn plan(&mut self, at: Timestamp, due: Due) {
        self.due_count += 1;
        self.agenda.insert((at, self.due_count), due);
    }

    fn happen(&mut self, at: Timestamp, due: Due) {
        match due {
            Due::Payment { order, fails } => self.pay(order, fails, at),
            Due::Write { sku, shown } => self.show(&sku, shown),
            Due::Feed(feed) => self.work_on(&feed),
        }
    }

    fn pay(&mut self, order: usize, fails: bool, at: Timestamp) {
        let order = &mut self.orders[order];
        let status = match fails {
            true => Status::Cancelled,
            false => Status::Unshipped,
        };
        let paid = State {
            status,
            ..order.state().clone()
        };
        order.become_at(at, paid);
        if fails && let Some(listing) = self.listings.get_mut(&order.sku) {
            listing.units = listing.units.saturating_add(order.units);
        }
    }

    pub(super) fn order(&self, id: &str) -> Option<&Order> {
        self.orders.iter().find(|order| order.id == id)
    }

    pub(super) fn order_mut(&mut self, id: &str) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id == id)
    }

    /// A number is to be shown; it replaces whatever is shown then.
    pub(super) fn write(&mut self, sku: &str, shown: Shown, now: Timestamp) {
        let sku = sku.to_owned();
        self.plan(now + self.options.write_takes, Due::Write { sku, shown });
        self.settle(now);
    }

    /// Whether Amazon ships a SKU.
    #[must_use]
    pub fn is_amazons(&self, sku: &str) -> bool {
        let listing = self.listings.get(sku);
        listing.is_some_and(|listing| listing.amazon_ships)
    }

    /// Shows a number. One that is not merged takes away what else was said of its place. What Amazon shipped the seller is to
    /// ship from then on, and what lies with Amazon is sold to nobody.
    pub(super) fn show(&mut self, sku: &str, shown: Shown) {
        if let Some(listing) = self.listings.get_mut(sku) {
            listing.units = shown.units;
            (listing.amazon_ships, listing.has_number) = (false, true);
        }
        if !shown.is_merged {
            self.handling_days.remove(sku);
        }
    }
}
