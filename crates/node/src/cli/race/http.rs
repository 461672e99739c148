//! The race over HTTP: holds, orders and webhooks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::client::{Call, Client, Received, random_key};
use super::super::exit::{Failure, Outcome};
use super::Path;
use super::host::Host;
use super::run::{Crowd, Pressed};
use super::scene::Scene;
use super::shop::{self, REQUEST, Said, Shop, Step};
use super::verdict::{Books, Ended, Promised, Tally};
use super::webhook::{self, Webhooks};

/// Connections at once. Buyers beyond them stand in line, and their wait counts.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// How long a buyer's hold lasts.
const HOLD: Duration = Duration::from_secs(1800);
/// Wait before a press that got no answer is repeated, in milliseconds.
const AGAIN_MS: u64 = 100;
/// How long no answer may come to anybody until the race is given up.
const SILENCE: Duration = Duration::from_secs(5);
/// The channel of orders that come by the API.
const CHANNEL: &str = "api";

/// Races and reads the books.
pub(super) async fn race(
    host: &Host,
    scene: &Scene,
    path: Path,
    crowd: Crowd,
) -> Outcome<(Tally, Books)> {
    set(host.client(), scene).await?;
    let http = Arc::new(Http {
        client: host.client().clone(),
        scene: scene.clone(),
        path,
        silent_since: Mutex::new(None),
        webhooks: match path {
            Path::Webhook => Some(Webhooks::signed(host, scene, crowd.buyers)?),
            Path::Engine | Path::Hold | Path::Order => None,
        },
    });
    let (tally, books) = shop::race(&http, scene, crowd, CONNECTIONS_MAX).await?;
    match http.webhooks {
        Some(_) => webhook::settle(&*http, scene, tally, books).await,
        None => Ok((tally, books)),
    }
}

/// The door over HTTP.
pub(super) struct Http {
    client: Client,
    scene: Scene,
    path: Path,
    /// Since when nobody has got an answer, and somebody none.
    silent_since: Mutex<Option<Instant>>,
    webhooks: Option<Webhooks>,
}

impl Shop for Http {
    async fn buy(&self, buyer: u32) -> Pressed {
        if self.path == Path::Hold || self.scene.holds_against(buyer) {
            return self.hold(buyer, HOLD).await;
        }
        if let Some(webhooks) = &self.webhooks {
            let created = webhooks.created(&self.client, buyer).await;
            let order = webhooks.order(buyer).to_owned();
            return self.heard(created.map(|received| taken(order, &received)));
        }
        let order = json!({
            "channel": CHANNEL,
            "external_id": self.scene.name(buyer),
            "lines": self.lines(buyer),
            "destination": { "country": "US" },
        });
        self.press(buyer, &["v1", "orders"], &order).await
    }

    async fn hold(&self, buyer: u32, life: Duration) -> Pressed {
        let hold = json!({ "lines": self.lines(buyer), "expires_in_s": life.as_secs() });
        self.press(buyer, &["v1", "holds"], &hold).await
    }

    async fn confirm(&self, buyer: u32, hold: &str) -> Pressed {
        let order = json!({
            "channel": CHANNEL,
            "external_id": self.scene.name(buyer),
            "destination": { "country": "US" },
        });
        let path = ["v1", "holds", hold, "confirm"];
        let call = self.client.call(Method::POST, &path).json(&order);
        let key = format!("{}-confirm", self.scene.name(buyer));
        let sent = self.client.send(&call.key(&key)).await;
        self.heard(sent.map(|received| answered(&received)))
    }

    async fn tell(&self, buyer: u32, step: Step) -> Said {
        let sent = match (step, &self.webhooks) {
            (Step::Cancel, Some(webhooks)) => webhooks.cancelled(&self.client, buyer).await,
            _ => self.client.send(&self.step(buyer, step)).await,
        };
        match self.heard(sent.map(|received| said(&received))) {
            Pressed::Settled(Ended::Sold(_)) => Said::Done,
            Pressed::Settled(Ended::Refused) => Said::TooLate,
            Pressed::Again(ms) => Said::Again(ms),
            Pressed::Settled(other) => Said::Odd(format!("{other:?}")),
        }
    }

    async fn status(&self, buyer: u32) -> Outcome<String> {
        let call = self
            .client
            .call(Method::GET, &["v1", "orders", &self.order(buyer)]);
        let received = self.client.send(&call).await?;
        // None yet, of an order whose webhook is still to be worked on.
        let status = received.body["status"].as_str();
        Ok(status.unwrap_or_default().to_owned())
    }

    async fn books(&self) -> Outcome<Books> {
        books(&self.client, &self.scene).await
    }
}

impl Http {
    async fn press(&self, buyer: u32, path: &[&str], body: &Value) -> Pressed {
        let call = self.client.call(Method::POST, path).json(body);
        let sent = self.client.send(&call.key(&self.scene.name(buyer))).await;
        self.heard(sent.map(|received| answered(&received)))
    }

    fn lines(&self, buyer: u32) -> Vec<Value> {
        let lines = self.scene.basket(buyer).into_iter().zip(1_u32..);
        lines
            .map(|((sku, units), line)| json!({ "line": line.to_string(), "sku": sku, "units": units }))
            .collect()
    }

    fn order(&self, buyer: u32) -> String {
        match &self.webhooks {
            Some(webhooks) => webhooks.id(buyer),
            None => format!("{CHANNEL}:{}", self.scene.name(buyer)),
        }
    }

    fn step(&self, buyer: u32, step: Step) -> Call {
        let (order, request) = (self.order(buyer), REQUEST.to_string());
        let of_request = |verb| vec!["v1", "orders", &*order, "requests", &*request, verb];
        let (path, body) = match step {
            Step::Cancel => (
                vec!["v1", "orders", &*order, "cancel"],
                json!({ "reason": "the race" }),
            ),
            Step::Stop => (of_request("cancel-answer"), json!({ "accepted": true })),
            Step::Ship => (of_request("ship"), json!({})),
        };
        let key = format!("{}-{step:?}", self.scene.name(buyer));
        self.client.call(Method::POST, &path).json(&body).key(&key)
    }

    /// No answer: whether it was done is unknown, and the same key finds out, unless the server is gone for good.
    fn heard(&self, sent: Outcome<Pressed>) -> Pressed {
        let silent_since = self.silent_since.lock();
        let mut silent_since = silent_since.unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(pressed) => {
                *silent_since = None;
                pressed
            }
            Err(gone) if silent_since.get_or_insert_with(Instant::now).elapsed() >= SILENCE => {
                unsettled(gone.what)
            }
            Err(_) => Pressed::Again(AGAIN_MS),
        }
    }
}

/// What a hold or order was answered.
fn answered(received: &Received) -> Pressed {
    let body = &received.body;
    if received.status.is_success() {
        let id = ["hold", "order", "id"]
            .iter()
            .find_map(|field| body[*field].as_str());
        let Some(id) = id else {
            return unsettled(format!("an answer without an id: {body}"));
        };
        return ended(id, body["status"].as_str().unwrap_or("held"), true);
    }
    match received.code() {
        Some("short" | "hold_expired") => Pressed::Settled(Ended::Refused),
        _ => not_done(received),
    }
}

/// Whether a webhook was taken.
fn taken(order: String, received: &Received) -> Pressed {
    if received.status.is_success() {
        return Pressed::Settled(Ended::Sold(order));
    }
    not_done(received)
}

/// Whether what was told of an order could be recorded, as one that is sold, or was refused.
fn said(received: &Received) -> Pressed {
    match received.code() {
        _ if received.status.is_success() => Pressed::Settled(Ended::Sold(String::new())),
        Some("wrong_state" | "not_found") => Pressed::Settled(Ended::Refused),
        _ => not_done(received),
    }
}

fn not_done(received: &Received) -> Pressed {
    let code = received.code().unwrap_or_default();
    let again = received.is_busy()
        || matches!(
            code,
            "busy" | "contended" | "overloaded" | "unknown" | "outcome_unknown"
        )
        || received.status == StatusCode::BAD_GATEWAY
        || received.status == StatusCode::GATEWAY_TIMEOUT;
    if again {
        return Pressed::Again(received.retry_after_ms.unwrap_or(AGAIN_MS));
    }
    unsettled(format!("{}: {}", received.status, received.body))
}

fn unsettled(why: String) -> Pressed {
    Pressed::Settled(Ended::Unsettled(why))
}

/// What an order's status means to its buyer. A hold's `held` is a sale, an order's is not settled.
pub(super) fn ended(id: &str, status: &str, hold: bool) -> Pressed {
    match status {
        "reserved" | "requested" | "acknowledged" | "partly_shipped" | "shipped" => {
            Pressed::Settled(Ended::Sold(id.to_owned()))
        }
        "held" if hold => Pressed::Settled(Ended::Sold(id.to_owned())),
        "backordered" | "cancelled" | "closed" => Pressed::Settled(Ended::Refused),
        _ => Pressed::Again(AGAIN_MS),
    }
}

/// Brings locations, SKUs and stock about, as anybody would.
async fn set(client: &Client, scene: &Scene) -> Outcome {
    for location in &scene.locations {
        let facts = json!({ "name": location, "time_zone": "UTC", "country": "US" });
        put(client, "locations", location, &facts).await?;
    }
    for sku in scene.counted().into_keys() {
        put(client, "skus", sku, &json!({ "title": sku })).await?;
    }
    if let Some((kit, components)) = &scene.kit {
        let part = |(sku, units): &(String, u32)| json!({ "sku": sku, "units_per_kit": units });
        let components: Vec<Value> = components.iter().map(part).collect();
        let facts = json!({ "title": kit, "tracking": "kit", "components": components });
        put(client, "skus", kit, &facts).await?;
    }
    for (sku, location, units) in scene.stock.iter().filter(|(.., units)| *units > 0) {
        let receipt = json!({ "location": location, "units": units });
        client
            .post(&["v1", "stock", sku, "receipts"], &receipt)
            .await?;
    }
    Ok(())
}

async fn put(client: &Client, what: &str, id: &str, body: &Value) -> Outcome {
    let call = client.call(Method::PUT, &["v1", what, id]);
    client.run(call.json(body).key(&random_key()?)).await?;
    Ok(())
}

async fn books(client: &Client, scene: &Scene) -> Outcome<Books> {
    let mut books = Books::new();
    for sku in scene.counted().into_keys() {
        let document = client.get(&["v1", "stock", sku]).await?;
        let mut promised = Promised::default();
        let locations = document["locations"].as_array();
        let missing = || Failure::failed(format!("{sku} has no locations: {document}"));
        for stock in locations.ok_or_else(missing)? {
            let units = |field: &str| stock[field].as_u64().unwrap_or_default();
            promised.on_hand += stock["on_hand"].as_i64().unwrap_or_default();
            promised.taken += units("committed") + units("held");
            promised.tentative += units("tentative");
        }
        books.insert(sku.clone(), promised);
    }
    Ok(books)
}

#[cfg(test)]
mod tests {
    use super::super::Mode;
    use super::*;

    fn received(status: u16, body: Value) -> Received {
        let status = StatusCode::from_u16(status).unwrap();
        Received {
            status,
            retry_after_ms: None,
            body,
        }
    }

    #[test]
    fn answers_read_as_sold_refused_or_busy() {
        let sold = answered(&received(
            201,
            json!({"order": "api:1", "status": "reserved"}),
        ));
        assert!(matches!(sold, Pressed::Settled(Ended::Sold(id)) if id == "api:1"));
        let refused = answered(&received(409, json!({"code": "short"})));
        assert!(matches!(refused, Pressed::Settled(Ended::Refused)));
        let expired = answered(&received(409, json!({"code": "hold_expired"})));
        assert!(matches!(expired, Pressed::Settled(Ended::Refused)));
        let too_late = said(&received(409, json!({"code": "wrong_state"})));
        assert!(matches!(too_late, Pressed::Settled(Ended::Refused)));
        for busy in [
            received(503, json!({})),
            received(409, json!({"code": "contended"})),
        ] {
            assert!(matches!(answered(&busy), Pressed::Again(_)));
        }
        let odd = answered(&received(400, json!({"code": "invalid"})));
        assert!(matches!(odd, Pressed::Settled(Ended::Unsettled(_))));
    }

    /// A server that is gone for good is not pressed for two minutes; one that restarts is.
    #[test]
    fn a_race_against_nobody_ends() {
        let door = Http {
            client: Client::new("http://127.0.0.1:1", None).unwrap(),
            scene: Scene::new(Mode::One, 1, "mark"),
            path: Path::Order,
            silent_since: Mutex::new(None),
            webhooks: None,
        };
        let gone = || Err(Failure::failed("nothing listens there"));
        let long_ago = || *door.silent_since.lock().unwrap() = Some(Instant::now() - SILENCE);
        assert!(matches!(door.heard(gone()), Pressed::Again(_)));
        long_ago();
        assert!(matches!(
            door.heard(Ok(Pressed::Again(1))),
            Pressed::Again(1)
        ));
        assert!(matches!(door.heard(gone()), Pressed::Again(_)));
        long_ago();
        let ended = door.heard(gone());
        assert!(
            matches!(ended, Pressed::Settled(Ended::Unsettled(why)) if why.contains("listens"))
        );
    }
}
