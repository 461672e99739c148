//! A seller's account on Amazon in the scene: it is polled, its writes replace what is shown, its tokens run out.

use std::sync::Arc;

use anyhow::Context;
use crossdock_model::Duration;
use crossdock_runtime::Clock;
use crossdock_sim::amazon::{Faults, Listing, Market, Options, Order, Status, serve};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::client::Client;
use super::super::exit::Outcome;
use super::scene::{Goods, put};
use super::verdict::{Held, Number, Units};

/// The account's channel.
pub(super) const MARKET: &str = "amazon";
/// Things that are sold there: those that sell best.
pub(super) const LISTED: usize = 30;
/// How late its lists of orders are. The real ones are two minutes late, longer than a demo lasts.
const LIST_LAG: Duration = Duration::from_s(3);
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

/// The account on the network, until this is dropped.
pub(super) struct Stand {
    pub market: Arc<Market>,
    url: String,
    options: Options,
    task: JoinHandle<()>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stand {
    /// An account that lists what sells best, and shows none of it.
    pub(super) fn open(
        listener: TcpListener,
        seed: u64,
        clock: &Arc<dyn Clock>,
        goods: &[Goods],
    ) -> Outcome<Self> {
        let options = Options {
            token_life: TOKEN_LIFE,
            list_lag: LIST_LAG,
            payment_takes: PAYMENT_TAKES,
            payments_fail: PAYMENTS_FAIL,
            faults: Faults {
                server_errors: SERVER_ERRORS,
                lost_tokens: LOST_TOKENS,
                ..Faults::default()
            },
            seed,
            ..Options::default()
        };
        let url = format!("http://{}", listener.local_addr().context("the account")?);
        let market = Market::new(options.clone(), Arc::clone(clock));
        market.with(|account, _| {
            for one in goods.iter().take(LISTED) {
                let listing = Listing {
                    title: one.sku.clone(),
                    price_cents: 1_900,
                    units: 0,
                    amazon_ships: false,
                };
                account.list(&one.sku, listing);
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
            task,
        })
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
            unseen_minutes = 1
            list_lag_s = 5
            "#
        )
    }

    /// What it lists is mapped, and published from now on.
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

    /// What it shows of everything that it lists. It may show less than could be sold: room is left for sales that have
    /// not been read yet, and what came in waits until they are.
    pub(super) fn numbers(&self, goods: &[Goods], sellable: impl Fn(&str) -> i64) -> Vec<Number> {
        let goods = goods.iter().take(LISTED);
        goods
            .map(|one| {
                let shown = self
                    .market
                    .with(|account, now| account.shown(&one.sku, now));
                let shown = i64::from(shown.unwrap_or_default());
                Number {
                    channel: MARKET.to_owned(),
                    sku: one.sku.clone(),
                    shown,
                    should: shown.min(sellable(&one.sku)),
                }
            })
            .collect()
    }

    /// How often each kind of fault happened.
    pub(super) fn faults(&self) -> [(&'static str, u64); 2] {
        let seen = self.market.seen();
        [
            ("amazon_token_refused", seen.denied),
            ("amazon_call_5xx", seen.server_errors),
        ]
    }
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
    (format!("{MARKET}:{}", order.id), held)
}
