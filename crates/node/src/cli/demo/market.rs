//! A seller's account on Amazon in the scene: it is polled, its writes replace what is shown, its tokens run out, and
//! much that is to be raised goes in a feed.

use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::Context;
use crossdock_model::Duration;
use crossdock_runtime::Clock;
use crossdock_sim::amazon::{Fault, Faults, Listing, Market, Options, Order, Status, serve};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::client::Client;
use super::super::exit::Outcome;
use super::scene::Goods;
use super::set_up::{LOCATIONS, catalogue, put};
use super::verdict::{Held, Number, Parcel, Units};
use super::{Args, supply};

/// The account's channel.
pub(super) const MARKET: &str = "amazon";
/// Things that are sold there: those that sell best.
pub(super) const LISTED: usize = 30;
/// Orders a second that its lists tell of, however long a demo runs: of a hundred that changed they tell in three minutes,
/// and an order changes two or three times, when it is paid for and with each parcel.
const ORDERS_PER_S: f64 = 0.2;
/// So many more are told of by the calls that are granted at once after a rest.
const ORDERS_AT_ONCE: f64 = 100.0;
/// Seconds that lists of orders are taken to be later than they are.
const LIST_MARGIN_S: u64 = 2;
/// How long a payment takes.
const PAYMENT_TAKES: Duration = Duration::from_s(2);
/// Share of payments that fail.
const PAYMENTS_FAIL: f64 = 0.03;
/// How long a token is good.
const TOKEN_LIFE: Duration = Duration::from_s(20);
/// Chance that a call fails.
const SERVER_ERRORS: f64 = 0.1;
/// Chance that a call's token is not good any more.
const LOST_TOKENS: f64 = 0.03;
/// How long a feed takes until it is worked on.
const FEED_TAKES: Duration = Duration::from_s(10);

/// What is made to happen to calls of which operations, and what that is called.
pub(super) const TROUBLES: [(Fault, &str, &str); 5] = [
    (
        Fault::LostAnswer,
        "createFeed",
        "amazon_feed_unanswered_after_commit",
    ),
    (
        Fault::LostAnswer,
        "confirmShipment",
        "amazon_parcel_unanswered_after_commit",
    ),
    (
        Fault::LostAnswer,
        "patchListingsItem",
        "amazon_number_unanswered_after_commit",
    ),
    (Fault::TooMany, "patchListingsItem", "amazon_call_429"),
    (Fault::ServerError, "patchListingsItem", "amazon_call_5xx"),
];

/// Visits a second in a demo that lasts so long. Who sells more there than can be read sells less and less: room is left for
/// all that may be sold unread.
pub(super) fn visits_per_s_max(time: Option<Wait>) -> f64 {
    let at_once = time.map_or(0.0, |time| ORDERS_AT_ONCE / time.as_secs_f64());
    ORDERS_PER_S + at_once
}

/// The account on the network, until this is dropped.
pub(super) struct Stand {
    pub market: Arc<Market>,
    url: String,
    options: Options,
    lag: Wait,
    task: JoinHandle<()>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stand {
    /// An account that lists a catalogue, of which it shows none, and what sells best, of which it shows what will be
    /// there: it has sold for years.
    pub(super) fn open(
        listener: TcpListener,
        args: &Args,
        clock: &Arc<dyn Clock>,
        goods: &[Goods],
    ) -> Outcome<Self> {
        let options = Options {
            token_life: TOKEN_LIFE,
            list_lag: Duration::from_s(args.amazon_lag.as_secs()),
            payment_takes: PAYMENT_TAKES,
            payments_fail: PAYMENTS_FAIL,
            feed_takes: FEED_TAKES,
            seed: args.seed,
            ..Options::default()
        };
        let url = format!("http://{}", listener.local_addr().context("the account")?);
        let market = Market::new(options.clone(), Arc::clone(clock));
        let places = LOCATIONS.len();
        let there = |one: &Goods| supply::first_units(one, places) * places as u32;
        let best = goods.iter().take(LISTED);
        let best = best.map(|one| (one.sku.clone(), there(one)));
        market.with(|account, _| {
            for (sku, units) in best.chain(catalogue().map(|sku| (sku, 0))) {
                let listing = Listing {
                    has_number: units > 0,
                    ..Listing::of_seller(&sku, 1_900, units)
                };
                account.list(&sku, listing);
            }
        });
        let served = Arc::clone(&market);
        let task = tokio::spawn(async move {
            // It ends with this task only.
            let _ = serve(listener, served).await;
        });
        Ok(Self {
            market,
            url,
            options,
            lag: args.amazon_lag,
            task,
        })
    }

    /// From now on calls go wrong by chance.
    pub(super) fn trouble(&self) {
        self.market.set_faults(Faults {
            server_errors: SERVER_ERRORS,
            lost_tokens: LOST_TOKENS,
            // Some are made to be lost.
            lost_answers: 0.0,
            // Behind one that is given up feeds rest for longer than a demo lasts.
            fatal_feeds: 0.0,
            silence: Faults::default().silence,
        });
    }

    /// Nothing goes wrong by chance any more. Answers that are to be lost are lost yet: with late lists the first parcel
    /// is told of after the last shopper has left.
    pub(super) fn calm_down(&self) {
        self.market.set_faults(Faults::default());
    }

    /// Its secrets, by the names of their files.
    pub(super) fn secrets(&self) -> [(&str, &'static str); 2] {
        [
            (&self.options.client_secret, "amazon-client"),
            (&self.options.refresh_token, "amazon-refresh"),
        ]
    }

    /// Its part of the configuration.
    pub(super) fn config(&self) -> String {
        let Options {
            seller,
            marketplace,
            ..
        } = &self.options;
        let url = &self.url;
        let lag_s = self.lag.as_secs() + LIST_MARGIN_S;
        let unseen_minutes = 1 + lag_s / 60;
        format!(
            r#"
            [channels.{MARKET}]
            kind = "amazon"
            [channels.{MARKET}.amazon]
            endpoint = "{url}"
            token_endpoint = "{url}/auth/o2/token"
            seller = "{seller}"
            marketplace = "{marketplace}"
            client_id = "demo"
            client_secret = {{ file = "amazon-client" }}
            refresh_token = {{ file = "amazon-refresh" }}
            locations = ["reno", "tulsa", "york"]
            unseen_minutes = {unseen_minutes}
            list_lag_s = {lag_s}
            "#
        )
    }

    /// What sells best is mapped, and published from now on.
    pub(super) async fn publish(&self, client: &Client, goods: &[Goods]) -> Outcome {
        for one in goods.iter().take(LISTED) {
            let path = ["v1", "channels", MARKET, "listings", &one.sku];
            put(client, &path, &json!({ "sku": one.sku })).await?;
        }
        let path = ["v1", "channels", MARKET, "mode"];
        let mode = json!({ "mode": "active" });
        client.post(&path, &mode).await.map(drop)
    }

    /// Orders as their buyers hold them.
    pub(super) fn held(&self) -> Vec<(String, Held)> {
        self.market
            .with(|account, _| account.orders().iter().map(held).collect())
    }

    /// What it shows of everything that the server lists there, by its own book, and what the server says that it should:
    /// less than could be sold, as room is left for sales that have not been read yet, and never more. Of the catalogue
    /// it may show less than that: its feed takes its time.
    ///
    /// # Errors
    /// When the server does not say.
    pub(super) async fn numbers(
        &self,
        client: &Client,
        goods: &[Goods],
        sellable: impl Fn(&str) -> i64,
    ) -> Outcome<Vec<Number>> {
        let best = &goods[..LISTED.min(goods.len())];
        let numbers = said(client).await?.into_iter().map(|(sku, should)| {
            let shown = i64::from(self.shown(&sku).unwrap_or_default());
            let should = should.min(sellable(&sku));
            let is_best = best.iter().any(|one| one.sku == sku);
            Number {
                channel: MARKET.to_owned(),
                shown,
                should: if is_best { should } else { should.min(shown) },
                sku,
            }
        });
        Ok(numbers.collect())
    }

    /// Parcels that it was told of.
    pub(super) fn told(&self) -> Vec<Parcel> {
        let told = |order: &Order| {
            let (id, sku) = (of_market(order), order.sku.clone());
            let parcels = order.parcels().map(|(number, units)| Parcel {
                order: id.clone(),
                number: number.to_owned(),
                units: Units::from([(sku.clone(), units.into())]),
            });
            parcels.collect::<Vec<_>>()
        };
        self.market
            .with(|account, _| account.orders().iter().flat_map(told).collect())
    }

    /// What it shows of something, if it lists it.
    pub(super) fn shown(&self, sku: &str) -> Option<u32> {
        self.market.with(|account, now| account.shown(sku, now))
    }

    /// How often each kind of fault happened.
    pub(super) fn faults(&self) -> Vec<(&'static str, u64)> {
        let seen = self.market.seen();
        // What went wrong by chance went wrong with other operations too.
        let made = TROUBLES.map(|(fault, operation, name)| {
            let times = match fault {
                Fault::ServerError => seen.server_errors,
                Fault::TooMany => seen.throttled,
                Fault::LostAnswer => self.market.happened(fault, operation),
            };
            (name, times)
        });
        let tokens = ("amazon_token_refused", seen.denied);
        made.into_iter().chain([tokens]).collect()
    }
}

/// What the server says that each listing should show.
async fn said(client: &Client) -> Outcome<Vec<(String, i64)>> {
    let numbers = client.call(Method::GET, &["v1", "channels", MARKET, "numbers"]);
    let said = client.all(numbers).await?;
    let said = said.iter().map(|one| {
        let sku = one["listing"].as_str().unwrap_or_default();
        (sku.to_owned(), one["should"].as_i64().unwrap_or_default())
    });
    Ok(said.collect())
}

fn of_market(order: &Order) -> String {
    format!("{MARKET}:{}", order.id)
}

fn held(order: &Order) -> (String, Held) {
    let units = Units::from([(order.sku.clone(), u64::from(order.units))]);
    let wanted = match order.status() {
        Status::Cancelled => Units::new(),
        Status::Pending | Status::Unshipped | Status::PartiallyShipped | Status::Shipped => {
            units.clone()
        }
    };
    let held = Held {
        channel: MARKET.to_owned(),
        placed_at_ms: order.placed_at.as_ms(),
        ordered: units,
        wanted,
    };
    (of_market(order), held)
}

#[cfg(test)]
mod tests {
    use crossdock_channels::amazon::Operation;

    use super::*;

    /// Orders of one list.
    const PAGE: f64 = 100.0;
    /// How often an order is listed: sold or paid for, and with its parcels.
    const LISTED_TIMES: f64 = 2.5;

    #[test]
    fn no_more_is_sold_than_can_be_read() {
        let per_h = f64::from(Operation::SearchOrders.per_hour());
        let at_once = f64::from(Operation::SearchOrders.burst());
        for minutes in [1, 5, 10, 60, 600] {
            let time = Wait::from_secs(minutes * 60);
            let hours = time.as_secs_f64() / 3_600.0;
            let listed = visits_per_s_max(Some(time)) * time.as_secs_f64() * LISTED_TIMES;
            assert!(listed <= (at_once + hours * per_h) * PAGE, "{minutes}");
        }
        assert!(visits_per_s_max(None) * 3_600.0 * LISTED_TIMES <= per_h * PAGE);
        // A minute has its share of them.
        assert!(visits_per_s_max(Some(Wait::from_secs(60))) > 1.0);
    }
}
