//! The race over HTTP: holds, orders and webhooks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossdock_runtime::{Clock, RealClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::client::{Call, Client, Received, random_key};
use super::super::delivery::{Delivery, Order};
use super::super::exit::{Failure, Outcome};
use super::Path;
use super::host::{self, Host};
use super::run::{self, Door, Pressed};
use super::scene::Scene;
use super::verdict::{Books, Ended, Promised, Tally};

/// Connections at once. Buyers beyond them stand in line, and their wait counts.
const CONNECTIONS_MAX: usize = 256;
/// How long a buyer's hold lasts, in seconds.
const HOLD_S: u64 = 1800;
/// Wait before a press that got no answer is repeated, in milliseconds.
const AGAIN_MS: u64 = 100;
/// How long no answer may come to anybody until the race is given up.
const SILENCE: Duration = Duration::from_secs(5);
/// How long orders may take to settle after the last webhook was taken.
const SETTLE: Duration = Duration::from_secs(300);
/// Wait between two looks at orders that are not settled.
const LOOK: Duration = Duration::from_millis(100);
/// Looks at settled orders until they stand still.
const LOOKS_MAX: u32 = 50;

/// Races and reads the books.
pub(super) async fn race(
    host: &Host,
    scene: &Scene,
    path: Path,
    buyers: u32,
) -> Outcome<(Tally, Books)> {
    let client = host.client();
    set(client, scene).await?;
    let door = Http {
        client: client.clone(),
        scene: scene.clone(),
        path,
        silent_since: Mutex::new(None),
        deliveries: match path {
            Path::Webhook => deliveries(host, scene, buyers)?,
            Path::Engine | Path::Hold | Path::Order => Vec::new(),
        },
    };
    let mut tally = run::race(door, buyers, CONNECTIONS_MAX).await?;
    if path != Path::Webhook {
        let books = host::settled(|| books(client, scene)).await?;
        return Ok((tally, books));
    }
    let orders: Vec<String> = tally.ids().into_iter().map(str::to_owned).collect();
    let mut settled = settle(client, host.channel(), &orders).await?;
    let mut books_now = host::settled(|| books(client, scene)).await?;
    // A unit that came free goes to a backordered order: both are read again until the orders stand still.
    for _ in 0..LOOKS_MAX {
        let again = settle(client, host.channel(), &orders).await?;
        if again == settled {
            break;
        }
        settled = again;
        books_now = host::settled(|| books(client, scene)).await?;
    }
    tally.settle(|order| settled.remove(order));
    Ok((tally, books_now))
}

struct Http {
    client: Client,
    scene: Scene,
    path: Path,
    /// Since when nobody has got an answer, and somebody none.
    silent_since: Mutex<Option<Instant>>,
    /// Signed before the start, one a buyer.
    deliveries: Vec<(Delivery, Call)>,
}

impl Door for Http {
    async fn press(&self, buyer: u32) -> Pressed {
        let sent = match self.deliveries.get(buyer as usize) {
            Some((delivery, call)) => {
                let received = self.client.send(call).await;
                received.map(|received| taken(delivery, &received))
            }
            None => {
                let received = self.client.send(&self.call(buyer)).await;
                received.map(|received| answered(&received))
            }
        };
        self.heard(sent)
    }
}

impl Http {
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

    fn call(&self, buyer: u32) -> Call {
        let name = self.scene.name(buyer);
        let lines = self.scene.basket(buyer).into_iter().zip(1..);
        let lines: Vec<Value> = lines
            .map(|((sku, units), line)| {
                let line: u32 = line;
                json!({ "line": line.to_string(), "sku": sku, "units": units })
            })
            .collect();
        let (door, body) = match self.path {
            Path::Hold => ("holds", json!({ "lines": lines, "expires_in_s": HOLD_S })),
            Path::Engine | Path::Order | Path::Webhook => (
                "orders",
                json!({
                    "channel": "api",
                    "external_id": name,
                    "lines": lines,
                    "destination": { "country": "US" },
                }),
            ),
        };
        self.client
            .call(Method::POST, &["v1", door])
            .json(&body)
            .key(&name)
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
        Some("short") => Pressed::Settled(Ended::Refused),
        _ => not_done(received),
    }
}

/// Whether a webhook was taken.
fn taken(delivery: &Delivery, received: &Received) -> Pressed {
    if received.status.is_success() {
        return Pressed::Settled(Ended::Sold(delivery.order.clone()));
    }
    not_done(received)
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
fn ended(id: &str, status: &str, hold: bool) -> Pressed {
    match status {
        "reserved" | "requested" | "acknowledged" | "partly_shipped" | "shipped" => {
            Pressed::Settled(Ended::Sold(id.to_owned()))
        }
        "held" if hold => Pressed::Settled(Ended::Sold(id.to_owned())),
        "backordered" | "cancelled" | "closed" => Pressed::Settled(Ended::Refused),
        _ => Pressed::Again(AGAIN_MS),
    }
}

/// Signs every buyer's order before the start: signing is the shop's work, not the server's.
fn deliveries(host: &Host, scene: &Scene, buyers: u32) -> Outcome<Vec<(Delivery, Call)>> {
    let secret = host.secret()?;
    let mut all = Vec::with_capacity(buyers as usize);
    let at_ms = u64::try_from(RealClock::default().now().as_ms()).unwrap_or_default();
    // Shopify's ids are numbers: the run's mark keeps those of two runs apart.
    let base = u64::from_str_radix(&scene.mark, 16).unwrap_or_default() << 24;
    for buyer in 0..buyers {
        let number = base + u64::from(buyer) + 1;
        let order = Order {
            number,
            lines: scene.basket(buyer),
            at_ms,
        };
        let delivery = Delivery::of_template("orders/create", &order)?;
        let call = delivery.call(host.client(), host.channel(), secret);
        all.push((delivery, call));
    }
    Ok(all)
}

/// Waits until every order is reserved or backordered.
async fn settle(
    client: &Client,
    channel: &str,
    orders: &[String],
) -> Outcome<BTreeMap<String, Ended>> {
    let (start, mut open) = (Instant::now(), orders.to_vec());
    let mut settled = BTreeMap::new();
    loop {
        let mut still = Vec::new();
        for some in open.chunks(CONNECTIONS_MAX) {
            for (order, pressed) in look(client, channel, some).await? {
                match pressed {
                    Pressed::Settled(ended) => drop(settled.insert(order, ended)),
                    Pressed::Again(_) => still.push(order),
                }
            }
        }
        open = still;
        if open.is_empty() || start.elapsed() > SETTLE {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let why = || Ended::Unsettled(format!("not settled after {} s", SETTLE.as_secs()));
    settled.extend(open.into_iter().map(|order| (order, why())));
    Ok(settled)
}

/// Looks at some orders at once.
async fn look(
    client: &Client,
    channel: &str,
    orders: &[String],
) -> Outcome<Vec<(String, Pressed)>> {
    let mut tasks = JoinSet::new();
    for order in orders {
        let id = format!("{channel}:{order}");
        let call = client.call(Method::GET, &["v1", "orders", &id]);
        let (client, order) = (client.clone(), order.clone());
        tasks.spawn(async move {
            let received = client.send(&call).await?;
            let status = received.body["status"].as_str().unwrap_or_default();
            let pressed = ended(&order, status, false);
            Ok::<_, Failure>((order, pressed))
        });
    }
    let mut seen = Vec::with_capacity(orders.len());
    while let Some(joined) = tasks.join_next().await {
        seen.push(joined.map_err(|error| Failure::failed(error.to_string()))??);
    }
    Ok(seen)
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
            deliveries: Vec::new(),
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
