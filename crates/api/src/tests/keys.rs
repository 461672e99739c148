//! Idempotency keys: one key stands for one call, and one order for one key.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Server;

fn order(external: &str, units: u32) -> Value {
    json!({
        "external_id": external, "lines": [{"sku": "A-1", "units": units}],
        "destination": {"country": "US"}, "buyer": {"email": format!("b{units}@example.com")},
    })
}

#[tokio::test]
async fn another_key_does_not_rewrite_an_order() {
    let server = Server::start().await;
    server.stocked("A-1", 9).await;
    let first = server.post("/v1/orders", "k1", &order("7", 2)).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    for _ in 0..2 {
        let other = server.post("/v1/orders", "k2", &order("7", 5)).await;
        assert_eq!(
            (other.status.as_u16(), other.code().as_str()),
            (409, "order_exists"),
            "{}",
            other.text
        );
    }
    let again = server.post("/v1/orders", "k1", &order("7", 2)).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.text);
    server.committed("A-1", 2).await;
    server.catch_up();
    let shown = server.get("/v1/orders/api:7").await.json();
    assert_eq!(shown["buyer"]["email"], "b2@example.com", "{shown}");
}

/// However many callers place it at once, each with a key of its own.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_keys_places_an_order() {
    let server = Server::start().await;
    server.stocked("A-1", 9).await;
    let sent: Vec<(String, Value)> = (1..8)
        .map(|number| (format!("k{number}"), order("7", number)))
        .collect();
    let calls = sent
        .iter()
        .map(|(key, body)| server.post("/v1/orders", key, body));
    let answers = futures::future::join_all(calls).await;
    let placed: Vec<usize> = (0..answers.len())
        .filter(|at| answers[*at].status == StatusCode::CREATED)
        .collect();
    let [winner] = placed.as_slice() else {
        panic!(
            "{placed:?} of {:?}",
            answers.iter().map(|one| &one.text).collect::<Vec<_>>()
        )
    };
    for (at, (key, body)) in sent.iter().enumerate() {
        let again = server.post("/v1/orders", key, body).await;
        let right = if at == *winner { 201 } else { 409 };
        assert_eq!(again.status.as_u16(), right, "{key}: {}", again.text);
    }
    server
        .committed("A-1", u32::try_from(winner + 1).unwrap())
        .await;
}

#[tokio::test]
async fn a_key_stands_for_one_call_also_without_a_body() {
    let server = Server::start().await;
    server.stocked("A-1", 9).await;
    for external in ["1", "2"] {
        let placed = server
            .post("/v1/orders", external, &order(external, 1))
            .await;
        assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.text);
        server.requested(&format!("api:{external}")).await;
    }
    let acknowledge = |order: &str| {
        let path = format!("/v1/orders/api:{order}/requests/1/acknowledge");
        server.call(Method::POST, &path).idempotency("a")
    };
    let taken = acknowledge("1").send().await;
    assert_eq!(taken.json()["status"], "acknowledged", "{}", taken.text);
    assert_eq!(
        acknowledge("1").send().await.json()["status"],
        "acknowledged"
    );
    let other = server.call(Method::POST, "/v1/orders/api:1/requests/2/acknowledge");
    let other = other.idempotency("a").send().await;
    assert_eq!(other.code(), "idempotency_conflict", "{}", other.text);
    let free = server
        .call(Method::POST, "/v1/orders/api:1/free")
        .idempotency("a");
    assert_eq!(free.send().await.code(), "idempotency_conflict");
}

#[tokio::test]
async fn orders_of_a_shop_come_from_the_shop() {
    let server = Server::start().await;
    server.stocked("A-1", 9).await;
    let shop = json!({"connector": "shopify", "sale": "already_sold"});
    server.put("/v1/channels/shop", &shop).await;
    let mut foreign = order("7", 1);
    foreign["channel"] = json!("shop");
    let refused = server.post("/v1/orders", "k", &foreign).await;
    assert_eq!(refused.code(), "invalid", "{}", refused.text);
    let held = server
        .put(
            "/v1/channels/holds",
            &json!({"connector": "api", "sale": "asks"}),
        )
        .await;
    assert_eq!(held.code(), "invalid", "{}", held.text);
    let mut unknown = order("8", 1);
    unknown["lines"][0]["sku"] = json!("NOBODY");
    let refused = server.post("/v1/orders", "u", &unknown).await;
    assert_eq!(refused.code(), "not_found", "{}", refused.text);
}
