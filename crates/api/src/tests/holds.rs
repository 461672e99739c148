//! Holds over HTTP: of one SKU and of carts, until they are confirmed, given back or over.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::Server;

#[tokio::test]
async fn a_hold_is_found_confirmed_and_given_back() {
    let server = Server::start().await;
    server.stocked("A-1", 3).await;
    let body = json!({"lines": [{"sku": "A-1", "units": 2}], "expires_in_s": 600});
    let hold = server.post("/v1/holds", "h1", &body).await;
    assert_eq!(hold.status, StatusCode::CREATED, "{}", hold.text);
    let again = server.post("/v1/holds", "h1", &body).await;
    assert_eq!(again.json(), hold.json(), "same key, same answer");
    let id = hold.json()["hold"].as_str().unwrap().to_owned();
    assert_eq!(
        server.get(&format!("/v1/holds/{id}")).await.json()["status"],
        "held"
    );
    let more = server.post("/v1/holds", "h2", &body).await;
    assert_eq!(more.code(), "short", "{}", more.text);
    let confirm = json!({"external_id": "7", "destination": {"country": "US"}});
    let order = server
        .post(&format!("/v1/holds/{id}/confirm"), "c1", &confirm)
        .await;
    assert_eq!(order.status, StatusCode::CREATED, "{}", order.text);
    let again = server
        .post(&format!("/v1/holds/{id}/confirm"), "c1", &confirm)
        .await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.text);
    let stock = server.committed("A-1", 2).await;
    assert_eq!(stock["locations"][0]["held"], 0);
    // Whoever asks for it hears what became of it.
    let shown = server.get(&format!("/v1/holds/{id}")).await.json();
    assert_eq!(
        (&shown["status"], &shown["order"], &shown["lines"]),
        (&json!("confirmed"), &json!("api:7"), &json!([])),
        "{shown}"
    );
    assert!(shown["confirmed_at"].is_string(), "{shown}");
    let again = server.post("/v1/holds", "h1", &body).await;
    assert_eq!(again.json(), shown, "a repeat places no other hold");
    let other = json!({"external_id": "8", "destination": {"country": "US"}});
    let other = server
        .post(&format!("/v1/holds/{id}/confirm"), "c2", &other)
        .await;
    assert_eq!(other.code(), "wrong_state", "{}", other.text);
    assert!(other.text.contains("api:7"), "{}", other.text);
    // A late clean-up gives nothing back: it hears whose the units are.
    let path = format!("/v1/holds/{id}");
    let late = server.call(Method::DELETE, &path).send().await.json();
    assert_eq!(
        (&late["hold"], &late["order"]),
        (&json!(id), &json!("api:7"))
    );
    assert_ne!(late["status"], "released", "{late}");
    server.committed("A-1", 2).await;
    assert_eq!(
        server.get("/v1/holds/sku:A-1:2:unknown").await.code(),
        "not_found"
    );

    let one = json!({"lines": [{"sku": "A-1", "units": 1}], "expires_in_s": 600});
    let hold = server.post("/v1/holds", "h3", &one).await.json();
    let path = format!("/v1/holds/{}", hold["hold"].as_str().unwrap());
    let released = server.call(Method::DELETE, &path).send().await;
    assert_eq!(released.status, StatusCode::OK, "{}", released.text);
    assert_eq!(
        released.json(),
        json!({"hold": hold["hold"], "status": "released"})
    );
    assert_eq!(server.get("/v1/stock/A-1").await.json()["ats"], 1);
}

/// Whoever holds units gets them, however many others are after the same ones at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_unit_is_never_free_while_it_becomes_an_order() {
    let server = Server::start().await;
    for round in 0..10 {
        let sku = format!("R-{round}");
        server.stocked(&sku, 1).await;
        let body = json!({"lines": [{"sku": sku, "units": 1}], "expires_in_s": 600});
        let hold = server
            .post("/v1/holds", &format!("h{round}"), &body)
            .await
            .json();
        let path = format!("/v1/holds/{}/confirm", hold["hold"].as_str().unwrap());
        let confirm = json!({"external_id": format!("c{round}"), "destination": {"country": "US"}});
        let key = format!("c{round}");
        let confirmed = server.post(&path, &key, &confirm);
        let others = (0..8).map(|other| {
            let order = json!({
                "external_id": format!("o{round}-{other}"), "destination": {"country": "US"},
                "lines": [{"sku": sku, "units": 1}],
            });
            let (server, key) = (&server, format!("o{round}-{other}"));
            async move {
                server
                    .post("/v1/orders", &key, &order)
                    .await
                    .status
                    .as_u16()
            }
        });
        let (confirmed, others) = tokio::join!(confirmed, futures::future::join_all(others));
        assert_eq!(confirmed.status, StatusCode::CREATED, "{}", confirmed.text);
        assert!(!others.contains(&201), "{others:?}");
        let stock = server.committed(&sku, 1).await;
        assert_eq!(
            (&stock["locations"][0]["held"], &stock["ats"]),
            (&json!(0), &json!(0))
        );
    }
}

#[tokio::test]
async fn a_cart_is_held_as_a_whole() {
    let server = Server::start().await;
    server.stocked("A-1", 2).await;
    server.stocked("B-1", 2).await;
    let lines = json!([{"sku": "A-1", "units": 1}, {"sku": "B-1", "units": 2}]);
    let body = json!({"lines": lines, "expires_in_s": 600});
    let hold = server.post("/v1/holds", "h", &body).await;
    assert_eq!(hold.status, StatusCode::CREATED, "{}", hold.text);
    assert_eq!(hold.json()["status"], "held");
    let path = format!("/v1/holds/{}", hold.json()["hold"].as_str().unwrap());
    let named = json!({"external_id": "WEB-77", "destination": {"country": "US"}});
    let refused = server.post(&format!("{path}/confirm"), "c", &named).await;
    assert_eq!(refused.code(), "invalid", "{}", refused.text);
    assert!(
        refused.text.contains("a cart is the order"),
        "{}",
        refused.text
    );
    let confirm = json!({
        "name": "WEB-77", "payment": "pending", "service_level": "express", "tags": ["web"],
        "total": {"amount": "19.90", "currency": "EUR"}, "destination": {"country": "US"},
        "buyer": {"email": "canary@example.com"},
    });
    for _ in 0..2 {
        let order = server.post(&format!("{path}/confirm"), "c", &confirm).await;
        assert_eq!(order.status, StatusCode::CREATED, "{}", order.text);
        assert_eq!(order.json()["status"], "reserved", "it is not paid");
    }
    server.committed("B-1", 2).await;
    server.catch_up();
    let order = hold.json()["hold"]
        .as_str()
        .unwrap()
        .replacen("order:", "", 1);
    let shown = server.get(&format!("/v1/orders/{order}")).await.json();
    assert_eq!(
        (&shown["name"], &shown["total"]),
        (&json!("WEB-77"), &json!("19.90 EUR")),
        "{shown}"
    );
    assert_eq!(shown["buyer"]["email"], "canary@example.com");
    let again = server
        .post(&format!("{path}/confirm"), "other", &confirm)
        .await;
    assert_eq!(again.code(), "order_exists", "{}", again.text);

    // A late clean-up of the cart, and one that aims at an order that never was a hold.
    let late = server.call(Method::DELETE, &path).send().await;
    assert_eq!(late.json()["status"], "reserved", "{}", late.text);
    let bought = json!({
        "external_id": "7", "lines": [{"sku": "A-1", "units": 1}], "destination": {"country": "US"},
    });
    server.post("/v1/orders", "o", &bought).await;
    for path in ["/v1/holds/order:api:7", "/v1/holds/order:holds:nobody"] {
        let aimed = server.call(Method::DELETE, path).send().await;
        assert!(aimed.status.is_client_error(), "{}", aimed.text);
    }
    assert_ne!(
        server.get("/v1/orders/api:7").await.json()["status"],
        "cancelled"
    );
    let taken = server
        .post("/v1/holds/order:api:7/confirm", "x", &confirm)
        .await;
    assert_eq!(taken.code(), "invalid", "{}", taken.text);
    let unknown = server
        .post("/v1/holds/order:holds:nobody/confirm", "y", &confirm)
        .await;
    assert_eq!(unknown.code(), "not_found", "{}", unknown.text);
}

#[tokio::test]
async fn a_cart_shows_what_it_holds_and_what_it_became() {
    let server = Server::start().await;
    server.stocked("A-1", 2).await;
    server.stocked("B-1", 2).await;
    let lines = json!([{"sku": "A-1", "units": 1}, {"sku": "B-1", "units": 2}]);
    let body = json!({"lines": lines, "expires_in_s": 600});
    let hold = server.post("/v1/holds", "h", &body).await;
    let id = hold.json()["hold"].as_str().unwrap().to_owned();
    let path = format!("/v1/holds/{id}");
    let shown = server.get(&path).await.json();
    assert_eq!(shown, hold.json());
    assert_eq!(
        shown["lines"],
        json!([
            {"line": "1", "sku": "A-1", "location": "reno", "units": 1},
            {"line": "2", "sku": "B-1", "location": "reno", "units": 2},
        ])
    );
    server.catch_up();
    let listed = server.get("/v1/orders?channel=holds").await.json();
    let skus = |of: &serde_json::Value| of["items"][0]["lines"].as_array().map(Vec::len);
    assert_eq!(skus(&listed), Some(2), "{listed}");
    let confirm = json!({"destination": {"country": "US"}});
    let order = server.post(&format!("{path}/confirm"), "c", &confirm).await;
    assert_eq!(order.status, StatusCode::CREATED, "{}", order.text);
    let order = id.replacen("order:", "", 1);
    let became = server.get(&path).await.json();
    assert_eq!(
        (&became["status"], &became["order"], &became["lines"]),
        (&json!("confirmed"), &json!(order), &json!([])),
        "{became}"
    );
}

#[tokio::test]
async fn a_cart_that_is_given_back_is_free_and_over() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    server.stocked("B-1", 1).await;
    let lines = json!([{"sku": "A-1", "units": 1}, {"sku": "B-1", "units": 1}]);
    let body = json!({"lines": lines, "expires_in_s": 600});
    let hold = server.post("/v1/holds", "h", &body).await.json();
    let path = format!("/v1/holds/{}", hold["hold"].as_str().unwrap());
    let released = server.call(Method::DELETE, &path).send().await;
    assert_eq!(released.json()["status"], "released", "{}", released.text);
    let confirm = json!({"destination": {"country": "US"}});
    let late = server.post(&format!("{path}/confirm"), "c", &confirm).await;
    assert_eq!(late.code(), "hold_expired", "{}", late.text);
    let again = server.post("/v1/holds", "h2", &body).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.text);
}

/// A key stands for one hold, whatever SKU the second one names.
#[tokio::test]
async fn a_key_holds_one_thing() {
    let server = Server::start().await;
    server.stocked("A-1", 5).await;
    server.stocked("B-1", 5).await;
    let hold = |sku: &str, units: u32| json!({"lines": [{"sku": sku, "units": units}], "expires_in_s": 600});
    let first = server.post("/v1/holds", "k", &hold("A-1", 1)).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    for other in [hold("B-1", 1), hold("A-1", 2)] {
        let refused = server.post("/v1/holds", "k", &other).await;
        assert_eq!(refused.code(), "idempotency_conflict", "{}", refused.text);
    }
    let order = json!({"lines": [{"sku": "A-1", "units": 1}], "destination": {"country": "US"}});
    let refused = server.post("/v1/orders", "k", &order).await;
    assert_eq!(refused.code(), "idempotency_conflict", "{}", refused.text);
    let again = server.post("/v1/holds", "k", &hold("A-1", 1)).await;
    assert_eq!(again.json(), first.json());
    assert_eq!(server.get("/v1/stock/B-1").await.json()["ats"], 5);
}

/// Also while two calls with it are under way at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_holds_one_thing_for_two_who_call_at_once() {
    let server = Server::start().await;
    server.stocked("A-1", 50).await;
    server.stocked("B-1", 50).await;
    let hold = |sku: &str| json!({"lines": [{"sku": sku, "units": 1}], "expires_in_s": 600});
    let cart = json!({
        "lines": [{"sku": "A-1", "units": 1}, {"sku": "B-1", "units": 1}], "expires_in_s": 600,
    });
    for round in 0..20 {
        let key = format!("k{round}");
        let bodies = match round % 2 {
            0 => [hold("A-1"), hold("B-1")],
            _ => [hold("A-1"), cart.clone()],
        };
        let calls = bodies
            .iter()
            .map(|body| server.post("/v1/holds", &key, body));
        let answers = futures::future::join_all(calls).await;
        let granted = answers
            .iter()
            .filter(|one| one.status == StatusCode::CREATED);
        assert_eq!(granted.count(), 1);
        let refused = answers.iter().map(super::Answer::code);
        assert_eq!(
            refused
                .filter(|code| code == "idempotency_conflict")
                .count(),
            1
        );
    }
}
