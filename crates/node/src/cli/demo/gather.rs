//! What the verdict rests on, gathered from the books of the simulators and from the journal.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use crossdock_model::ChannelId;
use crossdock_sim::shopify::{Fault, Order};
use crossdock_sim::world::{self, Asked, Book, Mishap, Sale};

use super::super::exit::Outcome;
use super::history::History;
use super::market::MARKET;
use super::predicted::Lags;
use super::scene::{SHOP, Scene, TILL};
use super::verdict::{Found, Held, Number, Parcel, Shelves, Units};

impl Scene {
    /// Everything that is known as of now.
    ///
    /// # Errors
    /// When the server does not say what Amazon should show.
    pub(super) async fn gather(&self, history: &History) -> Outcome<Found> {
        let now = self.clock.now();
        let sales = self.till.sales();
        let lags = |name| ChannelId::new(name).map(|id| self.server.lags.of(&id));
        let at_shop = lags(SHOP).context("the shop")?;
        let at_market = lags(MARKET).context("the account")?;
        let of_each = [(SHOP, &at_shop), (MARKET, &at_market)];
        let of_each = of_each.map(|(name, lags)| (name.to_owned(), Lags::of(lags.classes_ms())));
        let lags = at_shop.and(&at_market);
        Ok(Found {
            held: self.held(&sales),
            shelves: self.shelves(),
            told: self.told(),
            journaled: history.orders().clone(),
            refused: of_asked(&sales, Asked::Refused),
            unanswered: of_asked(&sales, Asked::Unanswered),
            sold_out: history.sold_out(now),
            asking: BTreeSet::from([TILL.to_owned()]),
            sold_already: [SHOP, MARKET].map(str::to_owned).into(),
            numbers: self.all_numbers(history).await?,
            lags: of_each.into(),
            lag_ms_p50: lags.quantile_ms(0.5),
            lag_ms_p99: lags.quantile_ms(0.99),
            faults: self.faults(),
            is_broken_off: false,
        })
    }

    fn held(&self, sales: &[Sale]) -> BTreeMap<String, Held> {
        let at_shop = self.shop.with(|store, _| {
            let orders = store.orders().map(of_shop);
            orders.collect::<Vec<_>>()
        });
        let at_till = sales
            .iter()
            .filter(|sale| sale.asked == Asked::Sold)
            .map(of_till);
        let at_market = self.stand.held();
        at_shop
            .into_iter()
            .chain(at_market)
            .chain(at_till)
            .collect()
    }

    fn shelves(&self) -> Shelves {
        let mut all = Shelves::default();
        for warehouse in &self.warehouses {
            warehouse.with(|book| {
                all.missing.extend(book.missing.iter().cloned());
                all.parcels.extend(book.parcels.iter().map(that_left));
                for (order, lines) in &book.left {
                    let left = all.left.entry(order.clone()).or_default();
                    for ((_, sku), units) in lines {
                        *left.entry(sku.clone()).or_default() += u64::from(*units);
                    }
                }
            });
        }
        all
    }

    /// Parcels that the channels know of.
    fn told(&self) -> Vec<Parcel> {
        let at_shop = self.shop.with(|store, _| {
            let told = store.orders().flat_map(told_of);
            told.collect::<Vec<_>>()
        });
        at_shop.into_iter().chain(self.stand.told()).collect()
    }

    async fn all_numbers(&self, history: &History) -> Outcome<Vec<Number>> {
        let now = self.clock.now();
        let sellable = |sku: &str| history.sellable(sku, now);
        let (client, goods) = (&self.client, &self.goods);
        let mut numbers = self.stand.numbers(client, goods, sellable).await?;
        numbers.extend(self.numbers(history));
        Ok(numbers)
    }

    /// What the shop shows of everything, and what could be sold of it.
    pub(super) fn numbers(&self, history: &History) -> Vec<Number> {
        let now = self.clock.now();
        let goods = self.goods.iter();
        goods
            .map(|one| {
                let shown = |store: &mut crossdock_sim::shopify::Store, _| {
                    store.available(one.product.item, self.place)
                };
                Number {
                    channel: SHOP.to_owned(),
                    sku: one.sku.clone(),
                    shown: self.shop.with(shown).unwrap_or(-1),
                    should: history.sellable(&one.sku, now),
                }
            })
            .collect()
    }

    /// How often each kind of fault happened.
    pub(super) fn faults(&self) -> BTreeMap<&'static str, u64> {
        let at_shop = self.shop.with(|store, _| store.faults().clone());
        let happened = |mishap: Mishap| {
            let books = self.warehouses.iter();
            let counts = books.map(|one| one.with(|book: &Book| book.happened(mishap)));
            counts.sum::<u64>()
        };
        let shop = Fault::ALL
            .into_iter()
            .map(|kind| (shop_fault(kind), at_shop.happened(kind)));
        let warehouses = Mishap::ALL
            .into_iter()
            .map(|mishap| (name(mishap), happened(mishap)));
        shop.chain(self.stand.faults()).chain(warehouses).collect()
    }
}

/// What a fault of the shop is called. All of them must happen.
fn shop_fault(kind: Fault) -> &'static str {
    match kind {
        Fault::Duplicated => "webhook_duplicated",
        Fault::Reordered => "webhook_reordered",
        Fault::Late => "webhook_late",
        Fault::Lost => "webhook_lost",
        Fault::Unsubscribed => "subscription_deleted",
        Fault::Lagged => "list_lagged",
        Fault::Unheard => "webhook_unheard",
        Fault::Throttled => "call_throttled",
        Fault::TooMany => "call_429",
        Fault::Unavailable => "call_503",
        Fault::Silent => "call_unanswered_not_done",
        Fault::BrokenOff => "call_502_after_commit",
        Fault::Unanswered => "call_unanswered_after_commit",
    }
}

fn name(mishap: Mishap) -> &'static str {
    match mishap {
        Mishap::Unheard => "warehouse_unheard",
        Mishap::Slow => "warehouse_slow",
        Mishap::Rejected => "warehouse_rejected",
        Mishap::ShortPicked => "warehouse_short_picked",
        Mishap::Late => "warehouse_late",
        Mishap::Parcels => "warehouse_parcels",
        Mishap::Repeated => "warehouse_asked_again",
    }
}

fn of_shop(order: &Order) -> (String, Held) {
    let (mut ordered, mut wanted) = (Units::new(), Units::new());
    for line in &order.lines {
        *ordered.entry(line.sku.clone()).or_default() += u64::from(line.units);
        *wanted.entry(line.sku.clone()).or_default() += u64::from(line.current_units);
    }
    let held = Held {
        channel: SHOP.to_owned(),
        placed_at_ms: order.created_at.as_ms(),
        ordered,
        wanted,
    };
    (format!("{SHOP}:{}", order.id), held)
}

/// Parcels that a shop was told of.
fn told_of(order: &Order) -> Vec<Parcel> {
    let sku = |line: u64| order.lines.iter().find(|one| one.id == line);
    let fulfilments = order.fulfilments.iter();
    let told = fulfilments.map(|one| {
        let mut units = Units::new();
        for (line, count) in &one.lines {
            let sku = sku(*line).map(|line| line.sku.clone());
            *units.entry(sku.unwrap_or_default()).or_default() += u64::from(*count);
        }
        let number = one.tracking.as_ref().map(|(_, number)| number.clone());
        Parcel {
            order: format!("{SHOP}:{}", order.id),
            number: number.unwrap_or_default(),
            units,
        }
    });
    told.collect()
}

fn that_left(parcel: &world::Parcel) -> Parcel {
    let mut units = Units::new();
    for ((_, sku), count) in &parcel.lines {
        *units.entry(sku.clone()).or_default() += u64::from(*count);
    }
    Parcel {
        order: parcel.order.clone(),
        number: parcel.number.clone(),
        units,
    }
}

fn of_till(sale: &Sale) -> (String, Held) {
    let units = Units::from([(sale.sku.clone(), u64::from(sale.units))]);
    let held = Held {
        channel: TILL.to_owned(),
        placed_at_ms: sale.asked_at.as_ms(),
        ordered: units.clone(),
        wanted: units,
    };
    (sale.order.clone(), held)
}

fn of_asked(sales: &[Sale], asked: Asked) -> BTreeSet<String> {
    let told = sales.iter().filter(|sale| sale.asked == asked);
    told.map(|sale| sale.order.clone()).collect()
}
