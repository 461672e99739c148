//! A minimal shop over HTTP, as one would write it around a database: it takes the same order as Crossdock does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Target, Told};

/// Wait where a server names none, in milliseconds.
const AGAIN_MS: u64 = 100;

/// What keeps the stock of a shop.
pub trait Store: Send + Sync + 'static {
    /// What it is, with its version.
    fn name(&self) -> String;
    /// Has so many units of each SKU.
    fn stock(&self, skus: &[String], units: u32) -> impl Future<Output = ()> + Send;
    /// Sells all lines of an order, or none: whether there were enough.
    fn sell(&self, order: &Order) -> impl Future<Output = Result<bool, String>> + Send;
}

/// An order, as far as such a shop reads it.
#[derive(Debug, Deserialize)]
pub struct Order {
    pub external_id: String,
    pub lines: Vec<Line>,
}

#[derive(Debug, Deserialize)]
pub struct Line {
    pub sku: String,
    pub units: i32,
}

/// The shop, in this process, and its door.
pub struct Shop<S> {
    store: Arc<S>,
    door: Buying,
    serving: JoinHandle<()>,
}

/// The store goes with the shop.
impl<S> Drop for Shop<S> {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl<S: Store> Shop<S> {
    pub async fn open(store: S) -> Self {
        let store = Arc::new(store);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/orders", listener.local_addr().unwrap());
        let routes = axum::Router::new().route("/orders", post(place::<S>));
        let routes = routes.with_state(Arc::clone(&store));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let door = Buying::at(url, "");
        Self {
            store,
            door,
            serving,
        }
    }
}

async fn place<S: Store>(
    State(store): State<Arc<S>>,
    Json(order): Json<Order>,
) -> (StatusCode, Json<Value>) {
    match store.sell(&order).await {
        Ok(true) => (
            StatusCode::CREATED,
            Json(json!({ "order": order.external_id })),
        ),
        Ok(false) => (StatusCode::CONFLICT, Json(json!({ "code": "short" }))),
        Err(why) => {
            let problem = json!({ "code": "internal", "detail": why });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(problem))
        }
    }
}

impl<S: Store> Target for Shop<S> {
    type Cart = Cart;

    fn name(&self) -> String {
        self.store.name()
    }

    async fn stock(&self, skus: &[String], units: u32) {
        self.store.stock(skus, units).await;
    }

    async fn prepare(&self, buyer: String, basket: Vec<String>) -> Result<Cart, String> {
        Ok(Cart::of(&buyer, &basket))
    }

    async fn press(&self, cart: &Cart) -> Told {
        self.door.press(cart).await
    }
}

/// An order that is not placed yet.
pub struct Cart {
    key: String,
    body: Value,
}

impl Cart {
    pub fn of(buyer: &str, basket: &[String]) -> Self {
        let line = |(line, sku): (u32, &String)| json!({ "line": line.to_string(), "sku": sku, "units": 1 });
        let lines: Vec<Value> = (1..).zip(basket).map(line).collect();
        let body = json!({
            "channel": "api", "external_id": buyer, "lines": lines, "destination": { "country": "US" },
        });
        Self {
            key: buyer.to_owned(),
            body,
        }
    }
}

/// The door that orders are placed at.
pub struct Buying {
    http: Client,
    url: String,
    key: String,
}

impl Buying {
    pub fn at(url: String, key: &str) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap(),
            url,
            key: key.to_owned(),
        }
    }

    pub async fn press(&self, cart: &Cart) -> Told {
        let call = self.http.post(&self.url).bearer_auth(&self.key);
        let call = call.header("idempotency-key", &cart.key).json(&cart.body);
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return Told::Failed(error.to_string()),
        };
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Told::Sold;
        }
        match body["code"].as_str() {
            Some("short") => Told::SoldOut,
            Some("busy" | "contended" | "overloaded" | "outcome_unknown") => {
                Told::Again(body["retry_after_ms"].as_u64().unwrap_or(AGAIN_MS))
            }
            _ => Told::Failed(format!(
                "{status}: {}",
                body["detail"].as_str().unwrap_or("-")
            )),
        }
    }
}
