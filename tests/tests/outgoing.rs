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
    let mut setup = Setup::new();
    setup.allow_private = false;
    let server = setup.start().await;
    let url = "https://127.0.0.1:4443/requests";
    let endpoint = json!({ "url": url, "secret": "wms" });
    let location = json!({
        "name": "Reno", "time_zone": "America/Los_Angeles", "country": "US",
        "webhook_url": url, "webhook_secret": "wms",
    });
    for (path, body) in [
        ("/v1/endpoints/erp", endpoint),
        ("/v1/locations/reno", location),
    ] {
        let (status, refused) = server.call("PUT", path, Some(body)).await;
        assert_eq!(status, 422, "{refused}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("not a public address"), "{detail}");
    }
}

/// Whoever was removed hears nothing more, and whoever comes back hears what is new.
#[tokio::test]
async fn a_removed_endpoint_is_told_nothing() {
    let endpoint = Listener::start().await;
    let setup = Setup::new();
    let server = setup.start().await;
    let url = format!("http://127.0.0.1:{}/hook", endpoint.port);
    let wanted = json!({ "url": url, "secret": "wms", "topics": ["stock."] });
    server
        .done("PUT", "/v1/endpoints/erp", wanted.clone())
        .await;
    stock(&server, None, &[("A", 1)]).await;
    let told = |sku: &str| {
        let calls = endpoint.calls();
        calls.iter().any(|call| call.json()["subject"] == sku)
    };
    support::until("it is told", async || told("A")).await;
    let (status, _) = server.call("DELETE", "/v1/endpoints/erp", None).await;
    assert_eq!(status, 200);
    stock(&server, None, &[("B", 1)]).await;
    // An endpoint begins at the end of what is folded.
    support::folded(&server).await;
    server.done("PUT", "/v1/endpoints/erp", wanted).await;
    stock(&server, None, &[("C", 1)]).await;
    support::until("it is told again", async || told("C")).await;
    assert!(!told("B"));
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
