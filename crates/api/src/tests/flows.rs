//! Orders, holds, stock and maps over HTTP.

use axum::http::{Method, StatusCode};
use crossdock_journal::{Batch, Frame, Journal, OwnerId, ShardWrite};
use crossdock_model::EntityId;
use serde_json::json;

use super::Server;

#[tokio::test]
async fn an_order_is_placed_once_however_often_it_is_sent() {
    let server = Server::start().await;
    server.stocked("A-1", 2).await;
    let order = json!({
        "external_id": "1001",
        "lines": [{"sku": "A-1", "units": 2}],
        "destination": {"country": "US"},
        "buyer": {"name": "Canary Grimmelshausen", "email": "canary@example.com"},
    });
    let first = server.post("/v1/orders", "o1", &order).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let body = first.json();
    assert_eq!(body["order"], "api:1001");
    let again = server.post("/v1/orders", "o1", &order).await;
    assert_eq!(again.status, StatusCode::CREATED, "{}", again.text);
    assert_eq!(again.json()["order"], "api:1001");
    let stock = server.committed("A-1", 2).await;
    assert_eq!(stock["ats"], 0);

    let mut other = order.clone();
    other["external_id"] = json!("1002");
    let conflict = server.post("/v1/orders", "o1", &other).await;
    assert_eq!(
        (conflict.status.as_u16(), conflict.code().as_str()),
        (409, "idempotency_conflict")
    );
    let short = server.post("/v1/orders", "o2", &other).await;
    assert_eq!(
        (short.status.as_u16(), short.code().as_str()),
        (409, "short"),
        "{}",
        short.text
    );
    assert!(!short.text.contains("Canary"));
    let keyless = server
        .call(Method::POST, "/v1/orders")
        .json(&order)
        .send()
        .await;
    assert_eq!(
        (keyless.status.as_u16(), keyless.code().as_str()),
        (400, "idempotency_key_missing")
    );
}

#[tokio::test]
async fn an_order_is_held_noted_and_cancelled() {
    let server = Server::start().await;
    server.stocked("A-1", 2).await;
    let order = json!({
        "external_id": "1", "lines": [{"sku": "A-1", "units": 2}], "destination": {"country": "US"},
    });
    server.post("/v1/orders", "o", &order).await;
    let held = server
        .post("/v1/orders/api:1/hold", "h", &json!({"reason": "fraud?"}))
        .await;
    assert_eq!(held.status, StatusCode::OK, "{}", held.text);
    let note = server
        .post("/v1/orders/api:1/notes", "n", &json!({"text": "asked"}))
        .await;
    assert_eq!(note.status, StatusCode::OK, "{}", note.text);
    let released = server
        .post("/v1/orders/api:1/release", "r", &json!({}))
        .await;
    assert_eq!(released.status, StatusCode::OK, "{}", released.text);
    let part = json!({"reason": "buyer", "lines": [{"line": "1", "units": 1}]});
    let cancelled = server.post("/v1/orders/api:1/cancel", "c", &part).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text);
    let wrong = json!({"reason": "x", "lines": [{"line": "9", "units": 1}]});
    let wrong = server.post("/v1/orders/api:1/cancel", "c2", &wrong).await;
    assert!(wrong.status.is_client_error(), "{}", wrong.text);
}

#[tokio::test]
async fn mapping_a_listing_puts_what_waited_to_work() {
    let server = Server::start().await;
    server.stocked("A-1", 10).await;
    let shop = json!({"connector": "shopify", "sale": "already_sold"});
    assert_eq!(
        server.put("/v1/channels/shop", &shop).await.status,
        StatusCode::OK
    );
    let id = server.parked("shop", "shop/40001").await;
    let path = "/v1/channels/shop/listings/40001";
    let mapped = server
        .put(path, &json!({"sku": "A-1", "multiplier": 2}))
        .await;
    assert_eq!(mapped.json()["resumed"], 1, "{}", mapped.text);
    assert_eq!(server.handle.next_delivery().await.delivery.id, id);
    assert_eq!(server.get(path).await.json()["multiplier"], 2);
    // (how far it is let in, what is answered)
    for (key, body, code) in [
        ("m1", json!({"mode": "live", "share_permille": 500}), ""),
        (
            "m2",
            json!({"mode": "live", "share_permille": 1001}),
            "invalid",
        ),
        (
            "m3",
            json!({"mode": "paused", "share_permille": 5}),
            "invalid",
        ),
        ("m4", json!({"mode": "not_in_wave"}), ""),
    ] {
        let answer = server.post(&format!("{path}/mode"), key, &body).await;
        match code {
            "" => assert_eq!(answer.json()["mode"], body["mode"], "{}", answer.text),
            code => assert_eq!(answer.code(), code, "{body}"),
        }
    }
    let live = json!({"mode": "live"});
    let unknown = server.post("/v1/channels/shop/listings/9/mode", "m5", &live);
    assert_eq!(unknown.await.status, StatusCode::NOT_FOUND);
    server.catch_up();
    let csv = server.get("/v1/channels/shop/listings.csv").await;
    assert!(csv.text.contains("\"40001\",\"A-1\",\"2\""), "{}", csv.text);
    assert_eq!(
        server.call(Method::DELETE, path).send().await.status,
        StatusCode::OK
    );
    assert_eq!(server.get(path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn rules_are_refused_with_all_their_problems() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let rules = |text: &'static str| {
        let call = server.call(Method::PUT, "/v1/routing/rules");
        call.header("Content-Type", "application/toml")
            .bytes(text.as_bytes())
            .send()
    };
    let wrong = "[[rule]]\nname = \"a\"\nprefer = [{ ranked = [\"nowhere\", \"mars\"] }]\n";
    let refused = rules(wrong).await;
    assert_eq!(refused.code(), "rules_invalid", "{}", refused.text);
    assert_eq!(
        refused.json()["problems"].as_array().map(Vec::len),
        Some(2),
        "{}",
        refused.text
    );
    let saved = rules("[[rule]]\nname = \"a\"\nprefer = [{ ranked = [\"reno\"] }]\n").await;
    assert_eq!(saved.json()["version"], 1, "{}", saved.text);
    assert_eq!(server.get("/v1/routing/rules").await.json()["version"], 1);
    server.catch_up();
    let versions = server.get("/v1/routing/rules/versions").await.json();
    assert_eq!(
        (
            &versions["items"][0]["version"],
            &versions["items"][0]["by"]
        ),
        (&json!(1), &json!("admin")),
        "{versions}"
    );
}

#[tokio::test]
async fn a_node_whose_read_models_stand_still_is_not_ready() {
    let server = Server::start().await;
    server.insight.stand_still("folding the journal panicked");
    let answer = server.anonymous(Method::GET, "/readyz").send().await;
    assert_eq!(answer.code(), "not_ready", "{}", answer.text);
    server.catch_up();
    let answer = server.anonymous(Method::GET, "/readyz").send().await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

/// A shard whose read models stand still is named; the node takes work.
#[tokio::test]
async fn a_shard_whose_read_models_stand_still_is_named() {
    let server = Server::start().await;
    let entity: EntityId = "sku:A".parse().unwrap();
    let shard = entity.shard();
    let owner = OwnerId(9);
    let held = server.journal.claim(owner, &[shard]).unwrap();
    let mut write = ShardWrite::new(shard, held[0].epoch, owner, held[0].next_seq);
    write.frames.push(Frame {
        entity,
        body: b"no record".to_vec(),
    });
    let batch = Batch {
        shards: vec![write],
        ..Batch::default()
    };
    assert!(server.journal.commit(&batch).unwrap().refused.is_empty());
    server.catch_up();
    let answer = server.anonymous(Method::GET, "/readyz").send().await;
    let expected = format!("still before record {shard}:{}", held[0].next_seq);
    assert!(answer.text.contains(&expected), "{}", answer.text);
    assert_eq!(answer.status, StatusCode::OK);
    let figures = server.anonymous(Method::GET, "/metrics").send().await.text;
    let expected = "crossdock_insight_stopped_shards 1";
    assert!(figures.contains(expected), "{figures}");
}

#[tokio::test]
async fn events_are_read_by_topic_and_go_on_behind_others() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let order = json!({"external_id": "1", "lines": [{"sku": "A-1", "units": 1}], "destination": {"country": "US"}});
    server.post("/v1/orders", "o", &order).await;
    server.catch_up();
    let found = server
        .get("/v1/events?topics=order.received,order.parcel")
        .await
        .json();
    let items = found["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["topic"]),
        (1, &json!("order.received")),
        "{found}"
    );
    let after = &found["after"];
    assert!(after.as_i64() >= items[0]["id"].as_i64(), "{found}");
    let rest = server
        .get(&format!("/v1/events?after={after}"))
        .await
        .json();
    assert_eq!(rest["items"], json!([]), "{rest}");
}
