//! The account's HTTP face: exactly the operations that are called, with the API's own paths, bodies and statuses.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::header::DATE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post, put};
use crossdock_model::Timestamp;
use crossdock_runtime::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::account::Account;
use super::gate::{Gate, Seen};
use super::{Fault, Faults, Options, search};

/// Bytes of a body at most: a full feed has about five million.
const BODY_BYTES_MAX: usize = 32 << 20;

/// A status and a body.
pub(super) type Reply = (u16, Value);

/// A refusal as the API writes it.
pub(super) fn refused(status: u16, code: &str, message: &str) -> Reply {
    let error = json!({ "code": code, "message": message, "details": "" });
    (status, json!({ "errors": [error] }))
}

/// An account that can be called. Shoppers and verdicts reach it directly.
#[derive(Debug)]
pub struct Market {
    account: Mutex<Account>,
    gate: Mutex<Gate>,
    clock: Arc<dyn Clock>,
    silence: crossdock_model::Duration,
}

type Shared = State<Arc<Market>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Market {
    /// An account that lists nothing.
    #[must_use]
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            silence: options.faults.silence,
            gate: Mutex::new(Gate::new(options.clone(), clock.now())),
            account: Mutex::new(Account::new(options)),
            clock,
        })
    }

    /// Does something with the account at the present time.
    pub fn with<T>(&self, act: impl FnOnce(&mut Account, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut account = lock(&self.account);
        account.settle(now);
        act(&mut account, now)
    }

    /// How often what happened to calls.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.gate).seen
    }

    /// From now on calls go wrong like this; how long silence lasts stays as it was.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.gate).set_faults(faults);
    }

    /// It happens to the next call of an operation, as the API names it: `createFeed`. A document that is put in its place
    /// is an `upload`, of which answers can be lost.
    pub fn surely(&self, fault: Fault, operation: &'static str) {
        lock(&self.gate).surely(fault, operation);
    }

    /// How often it happened to calls of that operation, also by chance.
    #[must_use]
    pub fn happened(&self, fault: Fault, operation: &'static str) -> u64 {
        lock(&self.gate).happened(fault, operation)
    }

    /// No token is good any more.
    pub fn revoke_tokens(&self) {
        lock(&self.gate).revoke_all();
    }

    /// Lets a call through, does it, and answers, or does not.
    async fn call(
        &self,
        operation: &'static str,
        headers: &HeaderMap,
        act: impl FnOnce(&mut Account, Timestamp) -> Reply,
    ) -> Response {
        let token = headers.get("x-amz-access-token");
        let token = token.and_then(|token| token.to_str().ok());
        let passed = lock(&self.gate).pass(operation, token, self.clock.now());
        let reply = match passed {
            Ok(()) => self.carry_out(operation, act).await,
            Err(reply) => reply,
        };
        let mut response = answer(reply);
        let rate = lock(&self.gate).rate(operation);
        let rate = rate.and_then(|rate| HeaderValue::from_str(&rate.to_string()).ok());
        if let Some(rate) = rate {
            response
                .headers_mut()
                .insert("x-amzn-ratelimit-limit", rate);
        }
        let date = date(self.clock.now());
        response.headers_mut().extend(date.map(|at| (DATE, at)));
        response
    }

    async fn carry_out(
        &self,
        operation: &'static str,
        act: impl FnOnce(&mut Account, Timestamp) -> Reply,
    ) -> Reply {
        let reply = self.with(act);
        let is_done = reply.0 < 300;
        if !lock(&self.gate).loses(operation, is_done) {
            return reply;
        }
        self.clock.sleep(self.silence).await;
        refused(504, "GatewayTimeout", "no answer in time")
    }
}

/// What time it is, as answers say it.
fn date(now: Timestamp) -> Option<HeaderValue> {
    let now = jiff::Timestamp::from_millisecond(now.as_ms()).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    HeaderValue::from_str(&text.ok()?).ok()
}

fn answer((status, body): Reply) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match body {
        Value::Null => status.into_response(),
        body => (status, axum::Json(body)).into_response(),
    }
}

/// Serves calls until it is dropped.
///
/// # Errors
/// When connections cannot be taken.
pub async fn serve(listener: TcpListener, market: Arc<Market>) -> io::Result<()> {
    axum::serve(listener, router(market)).await
}

fn router(market: Arc<Market>) -> Router {
    Router::new()
        .route("/auth/o2/token", post(token))
        .route("/orders/2026-01-01/orders", get(search_orders))
        .route("/orders/2026-01-01/orders/{order}", get(get_order))
        .route(
            "/orders/v0/orders/{order}/shipmentConfirmation",
            post(confirm),
        )
        .route(
            "/listings/2021-08-01/items/{seller}/{sku}",
            patch(patch_item).get(get_item),
        )
        .route("/listings/2021-08-01/items/{seller}", get(search_items))
        .route("/feeds/2021-06-30/documents", post(create_document))
        .route("/feeds/2021-06-30/documents/{document}", get(get_document))
        .route("/feeds/2021-06-30/feeds", post(create_feed).get(get_feeds))
        .route("/feeds/2021-06-30/feeds/{feed}", get(get_feed))
        .route("/documents/{document}", put(upload).get(download))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(market)
}

async fn token(State(market): Shared, body: Bytes) -> Response {
    let form: Result<Query<BTreeMap<String, String>>, _> = form(&body);
    let form = form.map(|Query(form)| form).unwrap_or_default();
    answer(lock(&market.gate).grant(&form, market.clock.now()))
}

/// A form's body is written as a query is.
fn form(body: &Bytes) -> Result<Query<BTreeMap<String, String>>, String> {
    let text = std::str::from_utf8(body).map_err(|e| e.to_string())?;
    let uri = format!("/?{text}")
        .parse()
        .map_err(|_| "no form".to_owned())?;
    Query::try_from_uri(&uri).map_err(|e| e.to_string())
}

async fn search_orders(
    State(market): Shared,
    Query(query): Query<search::Query>,
    headers: HeaderMap,
) -> Response {
    let act = |account: &mut Account, now| account.search(&query, now);
    market.call("searchOrders", &headers, act).await
}

async fn get_order(State(market): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let act = |account: &mut Account, now| account.get(&id, now);
    market.call("getOrder", &headers, act).await
}

async fn confirm(
    State(market): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let act = |account: &mut Account, now| account.confirm(&id, &parsed(&body), now);
    market.call("confirmShipment", &headers, act).await
}

async fn patch_item(
    State(market): Shared,
    Path((_, sku)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let act = |account: &mut Account, now| account.patch(&sku, &parsed(&body), now);
    market.call("patchListingsItem", &headers, act).await
}

async fn get_item(
    State(market): Shared,
    Path((_, sku)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let act = |account: &mut Account, now| account.item(&sku, now);
    market.call("getListingsItem", &headers, act).await
}

async fn search_items(
    State(market): Shared,
    Query(query): Query<search::Query>,
    headers: HeaderMap,
) -> Response {
    let act = |account: &mut Account, now| account.items(&query, now);
    market.call("searchListingsItems", &headers, act).await
}

async fn create_document(State(market): Shared, headers: HeaderMap) -> Response {
    let act = |account: &mut Account, _| account.create_document(&base(&headers));
    market.call("createFeedDocument", &headers, act).await
}

async fn get_document(
    State(market): Shared,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let act = |account: &mut Account, _| account.get_document(&id, &base(&headers));
    market.call("getFeedDocument", &headers, act).await
}

async fn create_feed(State(market): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let act = |account: &mut Account, now| account.create_feed(&parsed(&body), now);
    market.call("createFeed", &headers, act).await
}

async fn get_feed(State(market): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let act = |account: &mut Account, now| account.get_feed(&id, now);
    market.call("getFeed", &headers, act).await
}

async fn get_feeds(
    State(market): Shared,
    Query(query): Query<search::Query>,
    headers: HeaderMap,
) -> Response {
    let act = |account: &mut Account, now| account.get_feeds(&query, now);
    market.call("getFeeds", &headers, act).await
}

/// Whoever has the address of a document may put and get it.
async fn upload(State(market): Shared, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let is_put = market.with(|account, _| account.feeds.put(&id, body.to_vec()));
    if lock(&market.gate).loses("upload", is_put) {
        market.clock.sleep(market.silence).await;
        return StatusCode::GATEWAY_TIMEOUT;
    }
    match is_put {
        true => StatusCode::OK,
        false => StatusCode::NOT_FOUND,
    }
}

async fn download(State(market): Shared, Path(id): Path<String>) -> Response {
    let found = market.with(|account, _| account.feeds.document(&id).map(<[u8]>::to_vec));
    found.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        IntoResponse::into_response,
    )
}

fn parsed(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// Where the caller reached us.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get("host").and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or_default())
}
