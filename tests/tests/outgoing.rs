//! What others are told: endpoints by signed webhooks, locations by signed requests, readers by the feed.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use support::listener::{Call, Listener};
use support::{Setup, shop, stock};

#[tokio::test]
async fn an_endpoint_is_told_in_order_signed_and_without_personal_data() {
    let endpoint = Listener::start().await;
    let setup = Setup::new();
    let server = setup.start().await;
    let url = format!("http://127.0.0.1:{}/hook", endpoint.port);
    let wanted = json!({ "url": url, "secret": "wms", "topics": ["order."] });
    server.done("PUT", "/v1/endpoints/erp", wanted).await;
    stock(&server, None, &[("A", 20)]).await;
    for number in 1..=3 {
        let order = shop::order(number, &[("A", 1)]);
        let event = format!("event-{number}");
        assert_eq!(
            shop::deliver(&server, "orders/create", &event, &order).await,
            Some(200)
        );
    }
    for number in 1..=3 {
        support::settled(&server, &format!("shop:{number}"), &["requested"]).await;
    }
    let requested = |calls: &[Call]| {
        calls
            .iter()
            .filter(|call| call.json()["data"]["status"] == "requested")
            .count()
    };
    support::until("all are told", async || requested(&endpoint.calls()) == 3).await;
    let calls = endpoint.calls();
    let ids: Vec<i64> = calls
        .iter()
        .map(|call| call.json()["id"].as_i64().unwrap())
        .collect();
    assert!(ids.is_sorted() && ids.len() == calls.len(), "{ids:?}");
    for call in &calls {
        assert!(is_signed(call), "{}", call.head);
        let body = call.json();
        assert!(
            body["type"].as_str().unwrap().starts_with("order."),
            "{body}"
        );
        assert!(!body.to_string().contains("Invented"), "{body}");
    }

    let feed = server.get("/v1/events?after=0&limit=200").await;
    let feed = feed["items"].as_array().unwrap();
    assert!(
        feed.iter().any(|event| event["topic"] == "stock.changed"),
        "{feed:?}"
    );
}

/// A location that is told by webhook gets the address; nobody in a private network is told unless allowed.
#[tokio::test]
async fn a_location_is_told_what_to_send_and_where() {
    let warehouse = Listener::start().await;
    let setup = Setup::new();
    let server = setup.start().await;
    let url = format!("http://127.0.0.1:{}/requests", warehouse.port);
    stock(&server, Some(&url), &[("A", 20)]).await;
    let order = shop::order(1, &[("A", 2)]);
    assert_eq!(
        shop::deliver(&server, "orders/create", "event-1", &order).await,
        Some(200)
    );
    support::until("the location is told", async || {
        warehouse.calls().len() == 1
    })
    .await;
    let call = &warehouse.calls()[0];
    assert!(is_signed(call), "{}", call.head);
    let body = call.json().to_string();
    assert!(
        body.contains("1 Nowhere Street") && body.contains("shop:1"),
        "{body}"
    );
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let warehouse = Listener::start().await;
    let mut setup = Setup::new();
    setup.allow_private = false;
    let server = setup.start().await;
    let url = format!("http://127.0.0.1:{}/requests", warehouse.port);
    stock(&server, Some(&url), &[("A", 20)]).await;
    let order = shop::order(1, &[("A", 2)]);
    assert_eq!(
        shop::deliver(&server, "orders/create", "event-1", &order).await,
        Some(200)
    );
    support::settled(&server, "shop:1", &["requested"]).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(warehouse.calls().len(), 0);
}

/// Standard Webhooks: HMAC-SHA256 over `{id}.{timestamp}.{body}`, <https://www.standardwebhooks.com>.
fn is_signed(call: &Call) -> bool {
    let secret = STANDARD
        .decode(support::WMS_SECRET.strip_prefix("whsec_").unwrap())
        .unwrap();
    let [id, at, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| call.header(name).unwrap());
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(&call.body);
    signature == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}
