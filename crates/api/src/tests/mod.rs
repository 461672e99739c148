//! Tests over HTTP, in process: a node on a journal in memory behind the whole router.

mod access;
mod catalogue;
mod doors;
mod endpoints;
mod exceptions;
mod flows;
mod flushes;
mod holds;
mod imports;
mod keys;
mod observe;
mod orders;
mod quarantine;
mod requests;
mod stock;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use crossdock_channels::Secret;
use crossdock_channels::warehouse::{HttpSender, Policy};
use crossdock_insight::Insight;
use crossdock_journal::{InboxId, InboxInsert, InboxMark, InboxState, Journal, MemoryJournal};
use crossdock_model::v1::Scope;
use crossdock_model::{ChannelId, Command, CredentialId, EntityId, Timestamp};
use crossdock_runtime::testing::until;
use crossdock_runtime::{By, Handle, Node, Options, RealClock, Unconnected};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::server::router;
use crate::trace::Spans;
use crate::{
    ApiState, ChannelAuth, ConnectorKind, Limits, Outbound, Page, Parts, ReadPlacesFn,
    ReadVariantsFn, new_key,
};

/// Secrets of the channel `shop`: one is being replaced.
const SECRETS: [&str; 2] = ["first secret", "second secret"];

/// A node with its API.
struct Server {
    handle: Handle,
    insight: Arc<Insight>,
    journal: Arc<MemoryJournal>,
    router: Router,
    spans: Option<Arc<dyn Spans>>,
    read_variants: Option<ReadVariantsFn>,
    read_places: Option<ReadPlacesFn>,
    keys: BTreeMap<&'static str, String>,
    _node: Node,
    _dir: tempfile::TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request in the making.
struct Call<'a> {
    server: &'a Server,
    builder: axum::http::request::Builder,
    body: Vec<u8>,
}

impl Call<'_> {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    fn idempotency(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    fn json(self, body: &Value) -> Self {
        let mut call = self.header("Content-Type", "application/json");
        call.body = body.to_string().into_bytes();
        call
    }

    fn bytes(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    async fn send(self) -> Answer {
        let request = self.builder.body(Body::from(self.body)).unwrap();
        let response = self.server.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(Options::new(1)).await
    }

    async fn start_with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let insight = Arc::new(Insight::open(&dir.path().join("insight.db")).unwrap());
        let clock = Arc::new(RealClock::default());
        let now = crossdock_runtime::Clock::now(&*clock);
        let journal = Arc::new(MemoryJournal::new(7, now));
        let fatal = |error| panic!("a flush failed in memory: {error}");
        let started = Node::start(
            Arc::clone(&journal) as Arc<dyn Journal>,
            clock,
            Arc::new(Unconnected),
            options,
            fatal,
        );
        let node = started.await.unwrap();
        let handle = node.handle();
        let mut server = Self {
            handle,
            insight,
            journal,
            router: axum::Router::new(),
            spans: None,
            read_variants: None,
            read_places: None,
            keys: BTreeMap::new(),
            _node: node,
            _dir: dir,
        };
        // Nobody folds the journal but the test, so a read that waits for it does so in vain.
        let limits = Limits {
            consistent: Duration::from_millis(100),
            ..Limits::default()
        };
        server.router = router(server.state(limits));
        for (name, scope) in [
            ("read", Scope::Read),
            ("operate", Scope::Operate),
            ("admin", Scope::Admin),
        ] {
            let key = server.make_key(name, scope).await;
            server.keys.insert(name, key);
        }
        server
    }

    /// What the API is given, with limits of a test's own.
    fn state(&self, limits: Limits) -> ApiState {
        self.state_with(limits, None)
    }

    fn state_with(&self, limits: Limits, page: Option<Page>) -> ApiState {
        let shop = |kind, enabled| ChannelAuth {
            kind,
            secrets: SECRETS.map(Secret::new).into(),
            enabled,
        };
        let channels = BTreeMap::from([
            ("shop".to_owned(), shop(ConnectorKind::Shopify, true)),
            ("closed".to_owned(), shop(ConnectorKind::Shopify, false)),
            ("api".to_owned(), shop(ConnectorKind::Api, true)),
        ]);
        ApiState::new(Parts {
            handle: self.handle.clone(),
            insight: Arc::clone(&self.insight),
            channels,
            limits,
            registry: Registry::default(),
            adopt: None,
            read_orders: None,
            read_variants: self.read_variants.clone(),
            read_places: self.read_places.clone(),
            backup: None,
            spans: self.spans.clone(),
            outbound: Outbound {
                sender: HttpSender::new(Policy::default()).unwrap(),
                secrets: BTreeSet::from(["wms".to_owned()]),
            },
            page,
        })
    }

    async fn make_key(&self, name: &str, scope: Scope) -> String {
        let key = new_key(name, scope, None).unwrap();
        let by = By::new(CredentialId::new("test").unwrap());
        let create = Command::System(key.command);
        let asked = self.handle.ask(EntityId::System(0), create, by);
        asked.await.unwrap();
        key.shown
    }

    fn anonymous(&self, method: Method, path: &str) -> Call<'_> {
        Call {
            server: self,
            builder: Request::builder().method(method).uri(path),
            body: Vec::new(),
        }
    }

    fn call(&self, method: Method, path: &str) -> Call<'_> {
        let bearer = format!("Bearer {}", self.keys["admin"]);
        self.anonymous(method, path)
            .header("Authorization", &bearer)
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    async fn put(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path).json(body).send().await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        let call = self.call(Method::POST, path).json(body);
        call.idempotency(key).send().await
    }

    /// Folds the journal into the read models, as the node does in the background.
    fn catch_up(&self) {
        while self.insight.catch_up(&*self.journal).unwrap().behind {}
    }

    /// Commits so far, once none has come for longer than any waits for company.
    async fn settled_commits(&self) -> u64 {
        until("no commit comes any more", async || {
            let before = self.journal.commits();
            tokio::time::sleep(Duration::from_millis(400)).await;
            self.journal.commits() == before
        })
        .await;
        self.journal.commits()
    }

    /// What is shown there once it is so.
    async fn shows(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{path} shows it"), async || {
            self.catch_up();
            is_so(&self.get(path).await.json())
        })
        .await;
        self.get(path).await.json()
    }

    /// Stock once so many units are committed: an order's word reaches the SKU just after the caller.
    async fn committed(&self, sku: &str, units: u32) -> Value {
        let path = format!("/v1/stock/{sku}");
        let is_so = |stock: &Value| stock["locations"][0]["committed"] == units;
        self.shows(&path, is_so).await
    }

    /// An order once a location is asked to send it, just after it was reserved.
    async fn requested(&self, order: &str) -> Value {
        let requests = |shown: &Value| shown["requests"].as_array().map_or(0, Vec::len);
        let path = format!("/v1/orders/{order}");
        self.shows(&path, |shown| requests(shown) > 0).await
    }

    /// A delivery of that channel that waits for what it is parked on.
    async fn parked(&self, channel: &str, parked_on: &str) -> InboxId {
        let id = InboxId {
            channel: ChannelId::checked(channel).unwrap(),
            delivery: format!("waits for {parked_on}"),
        };
        let delivery = InboxInsert {
            id: id.clone(),
            received_at: Timestamp::from_ms(1),
            topic: "orders/create".to_owned(),
            headers: Vec::new(),
            body: b"{}".to_vec(),
        };
        self.handle.receive(delivery).await.unwrap();
        assert_eq!(self.handle.next_delivery().await.delivery.id, id);
        let mark = InboxMark {
            id: id.clone(),
            state: InboxState::Parked,
            parked_on: Some(parked_on.to_owned()),
            subject: None,
        };
        self.handle.mark_delivery(mark).await.unwrap();
        self.handle.release_delivery(&id);
        id
    }

    /// A location, a channel and so many units of a SKU.
    async fn stocked(&self, sku: &str, units: u32) {
        let reno = json!({"name": "Reno", "time_zone": "America/Los_Angeles", "country": "US"});
        assert_eq!(self.put("/v1/locations/reno", &reno).await.status, 200);
        let api = json!({"connector": "api", "sale": "asks"});
        assert_eq!(self.put("/v1/channels/api", &api).await.status, 200);
        let defined = self.put(&format!("/v1/skus/{sku}"), &json!({})).await;
        assert_eq!(defined.status, 200, "{}", defined.text);
        let receipt = json!({"location": "reno", "units": units});
        let path = format!("/v1/stock/{sku}/receipts");
        let received = self.post(&path, &format!("receive-{sku}"), &receipt).await;
        assert_eq!(received.status, 200, "{}", received.text);
    }
}
