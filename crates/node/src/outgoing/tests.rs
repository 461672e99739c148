//! An endpoint that answers as it is told to.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};

use crossdock_channels::warehouse::Policy;
use crossdock_insight::ExceptionFilter;
use crossdock_journal::MemoryJournal;
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::Tracking;
use crossdock_model::{Duration, LocationId, Timestamp};
use crossdock_runtime::{Node, PausedClock};

use super::*;
use crate::testing::InMemory;

#[test]
fn a_refused_event_is_passed_over_soon_and_a_refusing_endpoint_late() {
    let refused: Vec<u32> = (0..4).map(|passed| tries_max(true, passed)).collect();
    assert_eq!(refused, [5, 10, 20, 20]);
    assert_eq!(tries_max(false, 0), FAILURES_MAX);
    assert_eq!(tries_max(true, u32::MAX), FAILURES_MAX);
}

struct Scene {
    outgoing: Outgoing,
    clock: Arc<PausedClock>,
    journal: Arc<MemoryJournal>,
    endpoint: EndpointView,
    answers: Sender<u16>,
    calls: Receiver<()>,
    node: Node,
}

/// Answers each call with the next status, until there is none.
fn listen(statuses: Receiver<u16>, calls: Sender<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let (Ok((mut stream, _)), Ok(status)) = (listener.accept(), statuses.recv()) {
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            while !request.ends_with(b"}") {
                let read = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            calls.send(()).unwrap();
            let head = format!("HTTP/1.1 {status} So\r\nlocation: /elsewhere\r\n");
            let rest = "content-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all((head + rest).as_bytes()).unwrap();
        }
    });
    port
}

impl Scene {
    async fn start() -> Self {
        let InMemory {
            node,
            journal,
            clock,
        } = InMemory::start(Timestamp::from_ms(1_000_000)).await;
        let (answers, statuses) = channel();
        let (called, calls) = channel();
        let port = listen(statuses, called);
        let policy = Policy {
            allow_private: true,
        };
        let outgoing = Outgoing {
            handle: node.handle(),
            insight: Arc::new(Insight::open_in_memory().unwrap()),
            sender: HttpSender::new(policy).unwrap(),
            secrets: Arc::new(BTreeMap::from([(
                "wms".to_owned(),
                Secret::new("whsec_c2VjcmV0"),
            )])),
        };
        let endpoint = EndpointView {
            id: "erp".to_owned(),
            url: format!("http://127.0.0.1:{port}/"),
            topics: vec!["stock.".to_owned()],
            secret_name: "wms".to_owned(),
        };
        let scene = Self {
            outgoing,
            clock,
            journal,
            endpoint,
            answers,
            calls,
            node,
        };
        scene.told();
        scene
    }

    /// One more event of the feed.
    async fn event(&self, sku: &str) {
        let by = || By::new(CredentialId::new("test").unwrap());
        let reno = LocationId::new("reno").unwrap();
        let entity: EntityId = format!("sku:{sku}").parse().unwrap();
        let define = SkuCommand::Define {
            title: sku.to_owned(),
            tracking: Tracking::Tracked,
        };
        let receive = SkuCommand::Receive {
            location: reno,
            units: 1,
            reference: None,
        };
        for command in [define, receive] {
            let asked = self
                .outgoing
                .handle
                .ask(entity.clone(), Command::Sku(command), by());
            asked.await.unwrap();
        }
        self.catch_up();
    }

    fn catch_up(&self) {
        while self
            .outgoing
            .insight
            .catch_up(&*self.journal)
            .unwrap()
            .behind
        {}
    }

    fn told(&self) -> Delivered {
        self.outgoing.insight.delivered("erp").unwrap()
    }

    /// Lets the pause pass and tells it; each call is answered with one of these. Says how many calls came.
    async fn tell(&self, statuses: &[u16]) -> usize {
        for status in statuses {
            self.answers.send(*status).unwrap();
        }
        self.outgoing.tell(&self.endpoint).await.unwrap();
        self.calls.try_iter().count()
    }

    fn wait(&self, pause: Duration) {
        self.clock.advance(pause);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_endpoint_is_tried_again_later_and_loses_nothing() {
    let scene = Scene::start().await;
    scene.event("A").await;
    scene.event("B").await;
    let before = scene.told().last;
    for (failures, status) in [(1, 500), (2, 307), (3, 429)] {
        assert_eq!(scene.tell(&[status]).await, 1, "redirects are not followed");
        let told = scene.told();
        assert_eq!((told.last, told.failures), (before, failures));
        let why = format!("answered with status {status}");
        assert_eq!(told.error.as_deref(), Some(why.as_str()));
        assert_eq!(scene.tell(&[]).await, 0, "not before its time");
        scene.wait(Duration::from_minutes(5));
    }
    assert_eq!(scene.tell(&[200, 200]).await, 2);
    let newest = scene.outgoing.insight.feed(0, 100).unwrap();
    let newest = newest.last().unwrap().id;
    assert_eq!(scene.told(), Delivered::up_to(newest));
    scene.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_keeps_no_other_back() {
    let scene = Scene::start().await;
    scene.event("A").await;
    scene.event("B").await;
    for _ in 0..REFUSALS_MAX {
        assert_eq!(scene.tell(&[400]).await, 1);
        scene.wait(Duration::from_minutes(5));
    }
    let told = scene.told();
    assert_eq!((told.failures, told.passed_over), (0, 1));
    assert_eq!(scene.tell(&[200]).await, 1);
    assert_eq!(scene.told().passed_over, 0);
    scene.catch_up();
    let open = scene
        .outgoing
        .insight
        .exceptions(&ExceptionFilter {
            limit: 10,
            ..ExceptionFilter::default()
        })
        .unwrap();
    assert_eq!(open.rows.len(), 1);
    let opened = &open.rows[0];
    assert_eq!(
        (opened.kind.as_str(), opened.subject.as_str()),
        ("undelivered_event", "endpoint:erp")
    );
    scene.node.stop().await;
}
