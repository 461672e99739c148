//! Spans, as a collector gets them; and figures.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use support::listener::Listener;
use support::{Door, Setup, shop, stock};

const SAMPLED: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOT_SAMPLED: &str = "0123456789abcdef0123456789abcdef";

/// One trace from the request that brings an order to the work on it; nothing of requests that nobody samples.
#[tokio::test]
async fn a_sampled_order_is_one_trace() {
    let collector = Listener::start().await;
    let mut setup = Setup::new();
    setup.otlp = Some(format!("http://127.0.0.1:{}", collector.port));
    let server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
    deliver(&server, 1, &format!("00-{NOT_SAMPLED}-00f067aa0ba902b7-00")).await;
    deliver(&server, 2, &format!("00-{SAMPLED}-00f067aa0ba902b7-01")).await;
    support::settled(&server, "shop:2", &["requested"]).await;
    support::until("both spans came", async || {
        let sent = sent(&collector);
        holds(&sent, b"POST /webhooks/{channel}") && holds(&sent, b"delivery orders/create")
    })
    .await;
    let sent = sent(&collector);
    assert_eq!(
        count(&sent, &bytes(SAMPLED)),
        2,
        "the request and the work are in one trace"
    );
    assert_eq!(count(&sent, &bytes(NOT_SAMPLED)), 0);
    assert!(
        !holds(&sent, b"Invented") && !holds(&sent, b"example.com/"),
        "no personal data in spans"
    );
    assert!(support::metric(&server, "crossdock_trace_spans_sent_total").await >= 2.0);
}

/// A collector that is not there is told once, and disturbs nothing.
#[tokio::test]
async fn a_missing_collector_is_told_and_costs_no_order() {
    let mut setup = Setup::new();
    setup.otlp = Some(format!("http://127.0.0.1:{}", support::free_port()));
    let server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
    deliver(&server, 1, &format!("00-{SAMPLED}-00f067aa0ba902b7-01")).await;
    support::settled(&server, "shop:1", &["requested"]).await;
    support::until("it is told", async || {
        let log = setup.log_text();
        log.contains("spans cannot be sent") && log.contains("no collector takes spans")
    })
    .await;
    let health = server.http.get(format!("{}/healthz", server.url));
    let health = health.send().await.unwrap().text().await.unwrap();
    let wanted = "ok\ntraces: last success: never; last error: not sent, ";
    assert!(health.starts_with(wanted), "{health}");
}

async fn deliver(door: &Door, number: u64, traceparent: &str) {
    let body = serde_json::to_vec(&shop::order(number, &[("A", 1)])).unwrap();
    let answer = door
        .http
        .post(format!("{}/webhooks/shop", door.url))
        .header("X-Shopify-Topic", "orders/create")
        .header("X-Shopify-Event-Id", format!("event-{number}"))
        .header("X-Shopify-Hmac-SHA256", shop::sign(support::SECRET, &body))
        .header("traceparent", traceparent)
        .body(body);
    assert_eq!(answer.send().await.unwrap().status().as_u16(), 200);
}

/// Everything sent to the collector, one after the other: protobuf holds texts and ids as they are.
fn sent(collector: &Listener) -> Vec<u8> {
    collector
        .calls()
        .into_iter()
        .flat_map(|call| call.body)
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    u128::from_str_radix(hex, 16)
        .unwrap()
        .to_be_bytes()
        .to_vec()
}

fn count(sent: &[u8], wanted: &[u8]) -> usize {
    sent.windows(wanted.len())
        .filter(|part| *part == wanted)
        .count()
}

fn holds(sent: &[u8], wanted: &[u8]) -> bool {
    count(sent, wanted) > 0
}
