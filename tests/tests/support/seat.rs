//! A simulated seller's account that sells tees, and the configuration by which a server reaches it.

use std::sync::Arc;

use crossdock_runtime::{Clock, RealClock};
use crossdock_sim::amazon::{self, Listing, Market};
use tokio::net::TcpListener;

use super::Setup;

pub struct Seat {
    pub market: Arc<Market>,
    options: amazon::Options,
    url: String,
}

impl Seat {
    /// An account that shows so many tees.
    pub async fn open(options: amazon::Options, units: u32) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
        let market = Market::new(options.clone(), clock);
        let listing = Listing::of_seller("Tee", 900, units);
        market.with(|account, _| account.list("TEE", listing));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(amazon::serve(listener, Arc::clone(&market)));
        Self {
            market,
            options,
            url,
        }
    }

    /// The configuration of a server whose channel `market` it is; its secrets lie beside it. `channel`, `account`: more
    /// lines of the channel's section, and of the account's.
    pub fn config(&self, setup: &Setup, channel: &str, account: &str) -> String {
        let options = &self.options;
        for (file, text) in [
            ("client", &options.client_secret),
            ("refresh", &options.refresh_token),
        ] {
            std::fs::write(setup.dir.path().join(file), text).unwrap();
        }
        format!(
            "{head}[channels.market]\nkind = \"amazon\"\n{channel}[channels.market.amazon]\nendpoint = {url:?}\n\
             token_endpoint = \"{url}/auth/o2/token\"\nseller = {seller:?}\nmarketplace = {marketplace:?}\n\
             client_id = \"app\"\nclient_secret = {{ file = \"client\" }}\n\
             refresh_token = {{ file = \"refresh\" }}\nlocations = [\"reno\"]\n{account}",
            head = setup.head(),
            url = self.url,
            seller = options.seller,
            marketplace = options.marketplace,
        )
    }
}
