//! A warehouse: it takes signed requests, answers by the server's REST interface, and sends what lies on its shelves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use crossdock_channels::{Delivery, Secret, standard_webhooks};
use crossdock_model::Duration;
use crossdock_runtime::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::book::{Book, Line, Mishap, RequestId};
use super::door::Door;
use crate::Dice;

/// Requests worked on at once; what comes beyond them is not taken.
const WORK_MAX: usize = 10_000;

/// How long things take, in milliseconds, from, up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkPace {
    /// Until a request is acknowledged.
    pub acknowledge_ms: (u64, u64),
    /// Until it is picked, and until each parcel leaves.
    pub pick_ms: (u64, u64),
    /// How much longer it takes what is sent late.
    pub late_ms: (u64, u64),
    /// How long a slow answer takes.
    pub slow_ms: (u64, u64),
    /// How long a request is left lying whose answer was not heard.
    pub unheard_ms: (u64, u64),
}

impl WorkPace {
    /// For a show of a minute.
    pub const BRISK: Self = Self {
        acknowledge_ms: (50, 300),
        pick_ms: (100, 600),
        late_ms: (2_000, 6_000),
        slow_ms: (1_000, 3_000),
        unheard_ms: (7_000, 9_000),
    };
}

/// How a warehouse works.
#[derive(Debug, Clone)]
pub struct Manner {
    /// How long things take.
    pub pace: WorkPace,
    /// Chances, from 0 to 1, of what happens to a request.
    pub chances: BTreeMap<Mishap, f64>,
}

/// A warehouse.
#[derive(Debug)]
pub struct Warehouse {
    location: String,
    secret: Secret,
    door: Door,
    clock: Arc<dyn Clock>,
    manner: Mutex<Manner>,
    dice: Mutex<Dice>,
    book: Mutex<Book>,
    work: Arc<Semaphore>,
}

/// A warehouse that takes requests until this is dropped.
#[derive(Debug)]
pub struct Open {
    url: String,
    task: JoinHandle<()>,
}

impl Open {
    /// Where requests are sent.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is asked of a warehouse.
#[derive(Debug, Deserialize)]
struct Request {
    #[serde(rename = "type")]
    kind: String,
    order: String,
    request: u32,
    ask: Option<u32>,
    lines: Vec<Wanted>,
    answer: Path,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    line: String,
    sku: String,
    units: u32,
}

#[derive(Debug, Deserialize)]
struct Path {
    path: String,
}

/// What will happen to a request.
#[derive(Debug)]
struct Fate {
    acknowledge: Duration,
    pick: Duration,
    late: Duration,
    rejects: bool,
    loses: bool,
    parcels: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Warehouse {
    /// A warehouse at a location of the server, with empty shelves.
    #[must_use]
    pub fn new(
        location: &str,
        secret: Secret,
        door: Door,
        clock: Arc<dyn Clock>,
        manner: Manner,
        dice: Dice,
    ) -> Arc<Self> {
        Arc::new(Self {
            location: location.to_owned(),
            secret,
            door,
            clock,
            manner: Mutex::new(manner),
            dice: Mutex::new(dice),
            book: Mutex::default(),
            work: Arc::new(Semaphore::new(WORK_MAX)),
        })
    }

    /// Its location, as the server calls it.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Looks into its book.
    pub fn with<R>(&self, look: impl FnOnce(&Book) -> R) -> R {
        look(&lock(&self.book))
    }

    /// From now on nothing goes wrong any more.
    pub fn calm_down(&self) {
        lock(&self.manner).chances.clear();
    }

    /// Goods come in that somebody else tells the server of.
    pub fn stow(&self, sku: &str, units: u32) {
        lock(&self.book).receive(sku, units);
    }

    /// Goods come in, and the server is told. Returns whether it heard.
    pub async fn receive(&self, sku: &str, units: u32, delivery: &str) -> bool {
        self.stow(sku, units);
        let receipt = json!({ "location": self.location, "units": units, "reference": delivery });
        let key = format!("{}:{delivery}:{sku}", self.location);
        let path = format!("/v1/stock/{sku}/receipts");
        self.say(&path, &key, &receipt).await
    }

    /// Takes requests there until what is returned is dropped.
    ///
    /// # Errors
    /// When the address is not known.
    pub fn open(self: &Arc<Self>, listener: TcpListener) -> std::io::Result<Open> {
        let url = format!("http://{}/requests", listener.local_addr()?);
        let router = Router::new()
            .route("/requests", post(take))
            .with_state(Arc::clone(self));
        let task = tokio::spawn(async move {
            // It ends with this task only.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Open { url, task })
    }

    async fn say(&self, path: &str, key: &str, body: &Value) -> bool {
        let answer = self.door.post(path, key, body).await;
        let is_done = answer.as_ref().is_some_and(|answer| answer.is_done());
        if !is_done {
            let code = answer.as_ref().and_then(|answer| answer.code());
            let code = code.unwrap_or("no_answer").to_owned();
            *lock(&self.book).refused.entry(code).or_default() += 1;
        }
        is_done
    }

    fn happens(&self, mishap: Mishap) -> bool {
        let chance = lock(&self.manner).chances.get(&mishap).copied();
        lock(&self.dice).happens(chance.unwrap_or_default())
    }

    fn span(&self, of: impl Fn(&WorkPace) -> (u64, u64)) -> Duration {
        let (from, to) = of(&lock(&self.manner).pace);
        Duration::from_ms(from + lock(&self.dice).below(to.saturating_sub(from).max(1)))
    }

    fn fate(&self) -> Fate {
        let late = match self.happens(Mishap::Late) {
            true => self.span(|pace| pace.late_ms),
            false => Duration::default(),
        };
        Fate {
            acknowledge: self.span(|pace| pace.acknowledge_ms),
            pick: self.span(|pace| pace.pick_ms),
            late,
            rejects: self.happens(Mishap::Rejected),
            loses: self.happens(Mishap::ShortPicked),
            parcels: self.happens(Mishap::Parcels),
        }
    }

    /// Takes a request, once, and answers it in time; later, if it is not heard that it was taken. Returns whether it was taken.
    fn accept(self: &Arc<Self>, request: Request, is_unheard: bool) -> bool {
        let Ok(permit) = Arc::clone(&self.work).try_acquire_owned() else {
            return false;
        };
        let Request {
            kind,
            order,
            request,
            ask,
            lines,
            answer: Path { path },
        } = request;
        let id: RequestId = (order, request);
        let lines = lines.into_iter();
        let lines = lines.map(|one| ((one.line, one.sku), one.units)).collect();
        let warehouse = Arc::clone(self);
        if kind == "fulfilment.cancel_requested" {
            let accepted = lock(&self.book).stop(&id, lines);
            tokio::spawn(async move {
                let _permit = permit;
                warehouse.answer_ask(&path, ask, accepted).await;
            });
        } else if lock(&self.book).take(&id, lines) {
            let mut fate = self.fate();
            if is_unheard {
                fate.acknowledge = self.span(|pace| pace.unheard_ms);
            }
            tokio::spawn(async move {
                let _permit = permit;
                warehouse.work_on(&id, &path, fate).await;
            });
        }
        true
    }

    async fn answer_ask(&self, path: &str, ask: Option<u32>, accepted: bool) {
        let answer = json!({ "accepted": accepted, "ask": ask });
        let key = format!("{path}:ask:{}", ask.unwrap_or_default());
        self.say(&format!("{path}/cancel-answer"), &key, &answer)
            .await;
    }

    async fn work_on(&self, id: &RequestId, path: &str, fate: Fate) {
        self.clock.sleep(fate.acknowledge).await;
        if fate.rejects {
            {
                let mut book = lock(&self.book);
                book.reject(id);
                book.note(Mishap::Rejected);
            }
            let reason = json!({ "reason": "capacity_full" });
            self.say(
                &format!("{path}/reject"),
                &format!("{path}:reject"),
                &reason,
            )
            .await;
            return;
        }
        let key = format!("{path}:acknowledge");
        self.say(&format!("{path}/acknowledge"), &key, &json!({}))
            .await;
        self.clock.sleep(fate.pick).await;
        if fate.loses {
            let lost = lock(&self.book).lose(id);
            self.tell_short(path, "lost", lost).await;
        }
        if fate.late.as_ms() > 0 {
            lock(&self.book).note(Mishap::Late);
            self.clock.sleep(fate.late).await;
        }
        let missed = lock(&self.book).miss(id);
        self.tell_short(path, "missing", missed).await;
        self.send(id, path, &fate).await;
    }

    async fn send(&self, id: &RequestId, path: &str, fate: &Fate) {
        let mut all = !fate.parcels;
        for number in 1..=2 {
            let name = format!("{}-{number}", id.1);
            let tracking = format!("1Z{}{name}", id.0);
            let parcel = lock(&self.book).leave(id, &tracking, all);
            if parcel.is_empty() {
                return;
            }
            let ship = json!({
                "shipment": name, "lines": listed(parcel),
                "tracking": { "carrier": "ups", "number": tracking },
            });
            self.say(
                &format!("{path}/ship"),
                &format!("{path}:ship:{name}"),
                &ship,
            )
            .await;
            if all {
                return;
            }
            self.clock.sleep(fate.pick).await;
            all = true;
            if lock(&self.book).is_open(id) {
                lock(&self.book).note(Mishap::Parcels);
            }
        }
    }

    async fn tell_short(&self, path: &str, why: &str, lines: BTreeMap<Line, u32>) {
        if lines.is_empty() {
            return;
        }
        let short = json!({ "lines": listed(lines) });
        let key = format!("{path}:short:{why}");
        self.say(&format!("{path}/short-pick"), &key, &short).await;
    }
}

fn listed(lines: BTreeMap<Line, u32>) -> Vec<Value> {
    let lines = lines.into_iter();
    lines
        .map(|((line, sku), units)| json!({ "line": line, "sku": sku, "units": units }))
        .collect()
}

async fn take(
    State(warehouse): State<Arc<Warehouse>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let headers: Vec<(String, String)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let delivery = Delivery {
        headers: &headers,
        body: &body,
    };
    let now = warehouse.clock.now();
    if standard_webhooks::verify(&warehouse.secret, &delivery, now).is_err() {
        lock(&warehouse.book).unsigned += 1;
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let is_unheard = warehouse.happens(Mishap::Unheard);
    if !warehouse.accept(request, is_unheard) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if warehouse.happens(Mishap::Slow) {
        lock(&warehouse.book).note(Mishap::Slow);
        warehouse
            .clock
            .sleep(warehouse.span(|pace| pace.slow_ms))
            .await;
    }
    if is_unheard {
        lock(&warehouse.book).note(Mishap::Unheard);
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::OK
}
