//! Crossdock's own server, as users run it, by its API.

use std::path::Path;

use serde_json::json;

use super::shop::{Buying, Cart};
use super::{Target, Told};
use crate::server::Server;

/// The server and its door.
pub struct Crossdock {
    server: Server,
    door: Buying,
}

impl Crossdock {
    pub async fn start(binary: &Path) -> Self {
        let server = Server::start(binary, |_| String::new()).await;
        let place = json!({ "name": "Reno", "time_zone": "America/Los_Angeles", "country": "US" });
        server.write("PUT", "/v1/locations/reno", &place).await;
        let door = Buying::at(format!("{}/v1/orders", server.url), &server.key);
        Self { server, door }
    }
}

impl Target for Crossdock {
    type Cart = Cart;

    fn name(&self) -> String {
        format!("Crossdock {}, SQLite", env!("CARGO_PKG_VERSION"))
    }

    async fn stock(&self, skus: &[String], units: u32) {
        for sku in skus {
            let (path, title) = (format!("/v1/skus/{sku}"), json!({ "title": sku }));
            self.server.write("PUT", &path, &title).await;
            let receipt = json!({ "location": "reno", "units": units });
            let path = format!("/v1/stock/{sku}/receipts");
            self.server.write("POST", &path, &receipt).await;
        }
    }

    async fn prepare(&self, buyer: String, basket: Vec<String>) -> Result<Cart, String> {
        Ok(Cart::of(&buyer, &basket))
    }

    async fn press(&self, cart: &Cart) -> Told {
        self.door.press(cart).await
    }
}
