//! What the verdict rests on, gathered from the books of the simulators and from the journal.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::ChannelId;
use crossdock_sim::shopify::{Fault, Faults, Order};
use crossdock_sim::world::{Asked, Book, Mishap, Sale};

use super::history::History;
use super::market::MARKET;
use super::scene::{SHOP, Scene, TILL};
use super::verdict::{Found, Held, Lag, Number, Shelves, Units};
use crate::publish::Spread;

impl Scene {
    /// Everything that is known as of now.
    pub(super) fn gather(&self, history: &History) -> anyhow::Result<Found> {
        let now = self.clock.now();
        let sales = self.till.sales();
        let at_shop = self.server.lags.of(&ChannelId::new(SHOP)?);
        let at_market = self.server.lags.of(&ChannelId::new(MARKET)?);
        let mean = |name: &str, lags: &Spread| {
            let mean_ms = lags.mean_ms();
            (name.to_owned(), Lag { mean_ms })
        };
        let means = [mean(SHOP, &at_shop), mean(MARKET, &at_market)];
        let lags = at_shop.and(&at_market);
        Ok(Found {
            held: self.held(&sales),
            shelves: self.shelves(),
            journaled: history.orders().clone(),
            refused: refused(&sales),
            sold_out: history.sold_out(now),
            asking: BTreeSet::from([TILL.to_owned()]),
            sold_already: [SHOP, MARKET].map(str::to_owned).into(),
            numbers: self.all_numbers(history),
            lags: means.into(),
            lag_ms_p50: lags.quantile_ms(0.5),
            lag_ms_p99: lags.quantile_ms(0.99),
            faults: self.faults(),
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

    fn all_numbers(&self, history: &History) -> Vec<Number> {
        let now = self.clock.now();
        let sellable = |sku: &str| history.sellable(sku, now);
        let mut numbers = self.numbers(history);
        numbers.extend(self.stand.numbers(&self.goods, sellable));
        numbers
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
        let shop = SHOP_FAULTS
            .iter()
            .map(|(kind, name)| (*name, times(&at_shop, *kind)));
        let warehouses = Mishap::ALL
            .into_iter()
            .map(|mishap| (name(mishap), happened(mishap)));
        shop.chain(self.stand.faults()).chain(warehouses).collect()
    }
}

fn times(faults: &Faults, kind: Fault) -> u64 {
    faults.happened(kind)
}

/// Faults of the shop that must happen.
const SHOP_FAULTS: [(Fault, &str); 13] = [
    (Fault::Duplicated, "webhook_duplicated"),
    (Fault::Reordered, "webhook_reordered"),
    (Fault::Late, "webhook_late"),
    (Fault::Lost, "webhook_lost"),
    (Fault::Unsubscribed, "subscription_deleted"),
    (Fault::Lagged, "list_lagged"),
    (Fault::Unheard, "webhook_unheard"),
    (Fault::Throttled, "call_throttled"),
    (Fault::TooMany, "call_429"),
    (Fault::Unavailable, "call_503"),
    (Fault::Silent, "call_unanswered_not_done"),
    (Fault::BrokenOff, "call_502_after_commit"),
    (Fault::Unanswered, "call_unanswered_after_commit"),
];

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

fn refused(sales: &[Sale]) -> BTreeSet<String> {
    let refused = sales.iter().filter(|sale| sale.asked == Asked::Refused);
    refused.map(|sale| sale.order.clone()).collect()
}
