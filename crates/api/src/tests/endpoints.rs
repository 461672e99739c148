//! Outgoing webhooks: what may be set, and what is shown of them.

use axum::http::StatusCode;
use crossdock_insight::Delivered;
use serde_json::json;

use super::Server;

/// A mistake is told when it is made, not when nobody is told of an order.
#[tokio::test]
async fn what_could_never_be_told_is_refused() {
    let server = Server::start().await;
    let good = "https://203.0.112.1/hook";
    for (url, secret, topics, field) in [
        ("https://", "wms", json!([]), "url"),
        ("nonsense", "wms", json!([]), "url"),
        ("http://203.0.112.1/", "wms", json!([]), "url"),
        ("https://127.0.0.1/", "wms", json!([]), "url"),
        ("https://[fd00::1]/", "wms", json!([]), "url"),
        ("https://localhost/", "wms", json!([]), "url"),
        ("https://me:word@203.0.112.1/", "wms", json!([]), "url"),
        (good, "", json!([]), "secret"),
        (good, "unknown", json!([]), "secret"),
        (good, "wms", json!(["order.melted"]), "topics"),
        (good, "wms", json!([""]), "topics"),
    ] {
        let body = json!({"url": url, "secret": secret, "topics": topics});
        let answer = server.put("/v1/endpoints/erp", &body).await;
        let status = answer.status;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(
            answer.text.contains(&format!("{field}: ")),
            "{}",
            answer.text
        );
        if topics == json!([]) {
            let place = json!({"name": "Reno", "time_zone": "America/Los_Angeles", "country": "US",
                "webhook_url": url, "webhook_secret": secret});
            let answer = server.put("/v1/locations/reno", &place).await;
            assert_eq!(answer.status, status, "{place}: {}", answer.text);
            let text = format!(
                "{}\n",
                json!({"location": "reno", "name": "Reno", "country": "US",
                "time_zone": "America/Los_Angeles", "webhook_url": url, "webhook_secret": secret})
            );
            let import = server.call(axum::http::Method::POST, "/v1/imports/locations");
            let import = import.idempotency(&format!("{url}{secret}"));
            let import = import.header("Content-Type", "application/x-ndjson");
            let answer = import.bytes(text.as_bytes()).send().await;
            assert!(answer.text.contains("webhook_"), "{}", answer.text);
        }
    }
    assert_eq!(server.get("/v1/endpoints").await.json()["items"], json!([]));
}

/// Its failures are shown, and whoever mends it does not wait for the pause that they earned.
#[tokio::test]
async fn a_mended_endpoint_is_tried_at_once() {
    let server = Server::start().await;
    let body = json!({"url": "https://203.0.112.1/", "secret": "wms", "topics": ["order.", "stock.changed"]});
    let set = server.put("/v1/endpoints/erp", &body).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let failing = Delivered {
        failures: 7,
        retry_at: i64::MAX / 1_000_000,
        error: Some("answered with status 500".to_owned()),
        passed_over: 2,
        ..server.insight.delivered("erp").unwrap()
    };
    server.insight.set_delivered("erp", &failing).unwrap();
    server.stocked("A-1", 1).await;
    server.catch_up();
    let shown = server.get("/v1/endpoints").await.json()["items"][0].clone();
    assert_eq!(
        (&shown["failures"], &shown["passed_over"]),
        (&json!(7), &json!(2))
    );
    assert_eq!(shown["error"], "answered with status 500");
    assert!(
        shown["retry_at"].is_string() && shown["behind"].as_i64() > Some(0),
        "{shown}"
    );
    let mended = server.put("/v1/endpoints/erp", &body).await.json();
    assert_eq!(
        (&mended["failures"], &mended["retry_at"]),
        (&json!(0), &json!(null))
    );
    assert_eq!(server.insight.delivered("erp").unwrap().last, failing.last);
}
