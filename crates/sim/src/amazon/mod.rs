//! A seller's account on Amazon: shoppers buy what it shows, its lists show an order minutes after it was placed, a
//! write replaces what was there, and a feed is worked on minutes after it was taken.
//!
//! [`Account`] is a state machine that is told the time; [`Market`] speaks HTTP for it.

mod account;
mod body;
mod confirm;
mod feed;
mod gate;
mod http;
mod search;

use crossdock_channels::Secret;
use crossdock_channels::amazon::SellerAccount;
use crossdock_model::Duration;

pub use account::{Account, Listing};
pub use body::{Order, Status};
pub use gate::Seen;
pub use http::{Market, serve};

#[cfg(test)]
mod tests;

/// How an account behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The seller's id.
    pub seller: String,
    /// The marketplace's id.
    pub marketplace: String,
    /// What the application is authorised by.
    pub refresh_token: String,
    /// The application's secret.
    pub client_secret: String,
    /// How long a token is good.
    pub token_life: Duration,
    /// How late lists of orders are.
    pub list_lag: Duration,
    /// How long a payment takes: until then an order is pending.
    pub payment_takes: Duration,
    /// The share of payments that fail: their orders are cancelled and their units shown again.
    pub payments_fail: f64,
    /// Orders of a page.
    pub page_orders_max: usize,
    /// How long the next page can be asked for.
    pub page_life: Duration,
    /// How long a write of one number takes until it is shown.
    pub write_takes: Duration,
    /// How long a feed takes until it is worked on.
    pub feed_takes: Duration,
    /// What goes wrong.
    pub faults: Faults,
    /// Where chance comes from.
    pub seed: u64,
}

impl Options {
    /// How an application that is authorised reaches the account at that address; a call takes so long at most.
    #[must_use]
    pub fn account(&self, endpoint: &str, call_max: std::time::Duration) -> SellerAccount {
        SellerAccount {
            endpoint: endpoint.to_owned(),
            token_endpoint: format!("{endpoint}/auth/o2/token"),
            seller: self.seller.clone(),
            marketplace: self.marketplace.clone(),
            client_id: "app".to_owned(),
            client_secret: Secret::new(self.client_secret.clone()),
            refresh_token: Secret::new(self.refresh_token.clone()),
            product_type: "PRODUCT".to_owned(),
            call_max,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seller: "A1SELLER".to_owned(),
            marketplace: "A1PA6795UKMFR9".to_owned(),
            refresh_token: "simulated-refresh-token".to_owned(),
            client_secret: "simulated-client-secret".to_owned(),
            token_life: Duration::from_minutes(60),
            list_lag: Duration::from_minutes(2),
            payment_takes: Duration::from_minutes(3),
            payments_fail: 0.0,
            page_orders_max: 100,
            page_life: Duration::from_days(1),
            write_takes: Duration::from_ms(0),
            feed_takes: Duration::from_minutes(3),
            faults: Faults::default(),
            seed: 1,
        }
    }
}

/// What can be made to happen to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is refused as one too many, and not done.
    TooMany,
    /// It is not done, and answered with 500 or 503.
    ServerError,
    /// It is done, and no answer comes.
    LostAnswer,
}

/// Chances, from 0 to 1, of what goes wrong with a call.
#[derive(Debug, Clone)]
pub struct Faults {
    /// It is not done, and answered with 500 or 503.
    pub server_errors: f64,
    /// It is done, and no answer comes.
    pub lost_answers: f64,
    /// Its token is no longer good.
    pub lost_tokens: f64,
    /// A feed is given up before any of it is done.
    pub fatal_feeds: f64,
    /// How long no answer comes until the gateway gives up.
    pub silence: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            server_errors: 0.0,
            lost_answers: 0.0,
            lost_tokens: 0.0,
            fatal_feeds: 0.0,
            silence: Duration::from_s(30),
        }
    }
}
