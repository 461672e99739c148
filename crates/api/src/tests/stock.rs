//! Stock over HTTP: every word that moves it, and what is listed.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Server;

#[tokio::test]
async fn stock_moves_once_a_key() {
    let server = Server::start().await;
    server.stocked("A-1", 10).await;
    let adjust = json!({"location": "reno", "delta": -3, "reason": "broken"});
    let path = "/v1/stock/A-1/adjustments";
    for _ in 0..3 {
        let answer = server.post(path, "a1", &adjust).await;
        assert_eq!(
            answer.json()["locations"][0]["on_hand"],
            7,
            "{}",
            answer.text
        );
    }
    let other = json!({"location": "reno", "delta": -4, "reason": "broken"});
    assert_eq!(
        server.post(path, "a1", &other).await.code(),
        "idempotency_conflict"
    );
    let keyless = server.call(Method::POST, path).json(&adjust).send().await;
    assert_eq!(keyless.code(), "idempotency_key_missing");
    let count = json!({"location": "reno", "counted": 12});
    let counted = server.post("/v1/stock/A-1/counts", "c1", &count).await;
    assert_eq!(
        counted.json()["locations"][0]["on_hand"],
        12,
        "{}",
        counted.text
    );
}

/// (word, body, field at reno, its value then), one after the other.
fn words() -> [(&'static str, Value, &'static str, u32); 8] {
    [
        (
            "unavailable",
            json!({"location": "reno", "condition": "damaged", "units": 3}),
            "unavailable",
            3,
        ),
        (
            "available",
            json!({"location": "reno", "condition": "damaged", "units": 1}),
            "unavailable",
            2,
        ),
        (
            "safety",
            json!({"location": "reno", "units": 2}),
            "safety",
            2,
        ),
        (
            "incoming",
            json!({"location": "reno", "reference": "PO-1", "units": 7, "expected_at": "2030-01-01T00:00:00Z"}),
            "incoming",
            7,
        ),
        (
            "till-sales",
            json!({"location": "reno", "units": 1, "reference": "R-1"}),
            "on_hand",
            9,
        ),
        (
            "adjustments",
            json!({"location": "reno", "delta": -1, "reason": "broken"}),
            "on_hand",
            8,
        ),
        (
            "receipts",
            json!({"location": "reno", "units": 4}),
            "on_hand",
            12,
        ),
        (
            "transfers",
            json!({"transfer": "T1", "from": "reno", "to": "austin", "units": 5}),
            "on_hand",
            7,
        ),
    ]
}

#[tokio::test]
async fn every_word_moves_stock_where_it_says() {
    let server = Server::start().await;
    server.stocked("A-1", 10).await;
    let place = json!({"name": "Austin", "time_zone": "America/Chicago", "country": "US"});
    server.put("/v1/locations/austin", &place).await;
    let here = |answer: &Value, field: &str| {
        let places = answer["locations"].as_array().unwrap();
        let reno = places.iter().find(|place| place["location"] == "reno");
        reno.unwrap()[field].clone()
    };
    for (word, body, field, units) in words() {
        let path = format!("/v1/stock/A-1/{word}");
        let answer = server.post(&path, word, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{word}: {}", answer.text);
        assert_eq!(
            here(&answer.json(), field),
            json!(units),
            "{word}: {}",
            answer.text
        );
    }
    server.catch_up();
    let shown = server.get("/v1/stock/A-1").await.json();
    let expected = json!([{"location": "reno", "reference": "PO-1", "units": 7, "expected_at": "2030-01-01T00:00:00.000Z"}]);
    assert_eq!(shown["expected"], expected, "{shown}");
    let transfer = &shown["transfers"][0];
    assert_eq!(
        (
            &transfer["transfer"],
            &transfer["from"],
            &transfer["to"],
            &transfer["units"]
        ),
        (&json!("T1"), &json!("reno"), &json!("austin"), &json!(5)),
        "{shown}"
    );
    arrives(&server).await;
}

/// What is on its way to Austin arrives, and is listed there.
async fn arrives(server: &Server) {
    let arrival = "/v1/stock/A-1/transfers/T1/arrival";
    let arrived = server.post(arrival, "arrival", &json!({"units": 5})).await;
    assert_eq!(arrived.status, StatusCode::OK, "{}", arrived.text);
    server.catch_up();
    let list = server
        .get("/v1/stock?location=austin&prefix=A-")
        .await
        .json();
    assert_eq!(list["items"][0]["on_hand"], 5, "{list}");
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    let ledger = server
        .get("/v1/stock/A-1/ledger?location=austin&limit=1")
        .await
        .json();
    assert_eq!(
        (&ledger["items"][0]["on_hand"], &ledger["items"][0]["by"]),
        (&json!(5), &json!("admin")),
        "{ledger}"
    );
}

#[tokio::test]
async fn stock_is_only_where_a_location_is_and_of_what_is_defined() {
    let server = Server::start().await;
    server.stocked("A-1", 10).await;
    let typos = [
        ("counts", json!({"location": "ren0", "counted": 3})),
        (
            "adjustments",
            json!({"location": "ren0", "delta": 3, "reason": "found"}),
        ),
        ("receipts", json!({"location": "ren0", "units": 3})),
        (
            "transfers",
            json!({"from": "reno", "to": "ren0", "units": 3}),
        ),
        (
            "unavailable",
            json!({"location": "ren0", "condition": "quality", "units": 1}),
        ),
        (
            "available",
            json!({"location": "ren0", "condition": "quality", "units": 1}),
        ),
        (
            "incoming",
            json!({"location": "ren0", "reference": "P", "units": 1, "expected_at": "2030-01-01T00:00:00Z"}),
        ),
        ("safety", json!({"location": "ren0", "units": 1})),
        (
            "till-sales",
            json!({"location": "ren0", "units": 1, "reference": "R"}),
        ),
    ];
    for (word, body) in &typos {
        let answer = server
            .post(&format!("/v1/stock/A-1/{word}"), word, body)
            .await;
        assert_eq!(answer.code(), "invalid", "{word}: {}", answer.text);
        assert!(answer.text.contains("ren0"), "{word}: {}", answer.text);
    }
    let hold =
        json!({"lines": [{"sku": "A-1", "units": 1, "location": "ren0"}], "expires_in_s": 60});
    assert_eq!(server.post("/v1/holds", "h", &hold).await.code(), "invalid");
    let receipt = json!({"location": "reno", "units": 3});
    let phantom = server
        .post("/v1/stock/NOBODY/receipts", "n", &receipt)
        .await;
    assert_eq!(phantom.code(), "not_found", "{}", phantom.text);
    assert_eq!(server.get("/v1/stock/NOBODY").await.code(), "not_found");
    let kit = json!({"tracking": "kit", "components": [{"sku": "NOBODY", "units_per_kit": 1}]});
    assert_eq!(server.put("/v1/skus/K-1", &kit).await.code(), "invalid");
    assert_eq!(server.get("/v1/stock/A-1").await.json()["ats"], 10);
    server.catch_up();
    let skus = server.get("/v1/skus?text=a-").await.json();
    assert_eq!(skus["items"][0]["sku"], "A-1", "{skus}");
}

/// A count that is not followed says so.
#[tokio::test]
async fn counts_say_what_became_of_them() {
    let server = Server::start().await;
    server.stocked("A-1", 10).await;
    let now = server.handle.now();
    let ago = |ms: i64| {
        let at = crossdock_model::Timestamp::from_ms(now.as_ms() - ms);
        crate::wire::Time(at).to_string()
    };
    let day = 86_400_000;
    for (key, at, outcome) in [
        ("stale", ago(2 * day), "too_old"),
        ("new", ago(1), "applied"),
        ("older", ago(60_000), "older_than_last"),
    ] {
        let count = json!({"location": "reno", "counted": 4, "effective_at": at});
        let counted = server.post("/v1/stock/A-1/counts", key, &count).await;
        assert_eq!(counted.json()["count"], outcome, "{key}: {}", counted.text);
    }
}

/// No text is endless, wherever it is given.
#[tokio::test]
async fn texts_are_bounded() {
    let server = Server::start().await;
    server.stocked("A-1", 10).await;
    let long = "x".repeat(501);
    let order = |field: &str, value: Value| {
        let mut order =
            json!({"lines": [{"sku": "A-1", "units": 1}], "destination": {"country": "US"}});
        order[field] = value;
        order
    };
    let line = json!([{"sku": "A-1", "units": 1, "title": long}]);
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let cases = [
        ("/v1/orders", order("name", json!(long))),
        ("/v1/orders", order("service_level", json!(long))),
        ("/v1/orders", order("tags", json!([long]))),
        ("/v1/orders", order("tags", json!(many))),
        ("/v1/orders", order("lines", line)),
        (
            "/v1/orders",
            order("destination", json!({"country": "US", "state": long})),
        ),
        ("/v1/orders", order("buyer", json!({"email": long}))),
        (
            "/v1/orders",
            order("buyer", json!({"address": {"address1": long}})),
        ),
        (
            "/v1/stock/A-1/adjustments",
            json!({"location": "reno", "delta": 1, "reason": long}),
        ),
        (
            "/v1/stock/A-1/receipts",
            json!({"location": "reno", "units": 1, "reference": long}),
        ),
    ];
    for (path, body) in &cases {
        let refused = server.post(path, "k", body).await;
        assert_eq!(refused.code(), "invalid", "{path} {body}: {}", refused.text);
        assert!(!refused.text.contains(&long), "it is not repeated");
    }
    for (path, body) in [
        ("/v1/skus/A-1", json!({"title": long})),
        (
            "/v1/locations/reno",
            json!({"name": long, "time_zone": "UTC", "country": "US"}),
        ),
        (
            "/v1/channels/api",
            json!({"connector": long, "sale": "asks"}),
        ),
    ] {
        assert_eq!(server.put(path, &body).await.code(), "invalid", "{path}");
    }
}

/// A kit sells as often as what it is made of is there, whole, at a location that works.
#[tokio::test]
async fn kits_show_what_can_be_sold_of_them() {
    let server = Server::start().await;
    server.stocked("A-1", 10).await;
    server.stocked("B-1", 4).await;
    let parts = json!([{"sku": "A-1", "units_per_kit": 2}, {"sku": "B-1", "units_per_kit": 1}]);
    let kit = json!({"tracking": "kit", "components": parts});
    let defined = server.put("/v1/skus/K-1", &kit).await;
    assert_eq!(defined.json()["ats"], 4, "{}", defined.text);
    assert_eq!(defined.json()["may_split"], false, "{}", defined.text);
    let splits = json!({"tracking": "kit", "components": parts, "may_split": true});
    server.put("/v1/skus/K-2", &splits).await;
    let shown = server.get("/v1/stock/K-2").await;
    assert_eq!(shown.json()["may_split"], true, "{}", shown.text);
    let plain = server.get("/v1/stock/A-1").await.json();
    assert!(plain.get("may_split").is_none(), "{plain}");
    server.catch_up();
    let listed = server.get("/v1/skus?text=K-2").await.json();
    assert_eq!(listed["items"][0]["may_split"], true, "{listed}");
    let away = json!({"location": "reno", "delta": -5, "reason": "broken"});
    server.post("/v1/stock/A-1/adjustments", "a", &away).await;
    assert_eq!(server.get("/v1/stock/K-1").await.json()["ats"], 2);
    let closed = json!({"name": "Reno", "time_zone": "UTC", "country": "US", "enabled": false});
    server.put("/v1/locations/reno", &closed).await;
    assert_eq!(server.get("/v1/stock/K-1").await.json()["ats"], 0);
}

/// Of a kit there is as much as of its components, and nothing is sold where no order could be sent from.
#[tokio::test]
async fn kits_and_closed_locations_are_sold_as_they_are() {
    let server = Server::start().await;
    server.stocked("A-1", 3).await;
    server.stocked("B-1", 2).await;
    let parts = json!([{"sku": "A-1", "units_per_kit": 1}, {"sku": "B-1", "units_per_kit": 1}]);
    let kit = json!({"tracking": "kit", "components": parts});
    server.put("/v1/skus/K-1", &kit).await;
    let shown = server.get("/v1/stock/K-1").await;
    assert_eq!(shown.json()["ats"], 2, "{}", shown.text);
    let closed = json!({"name": "Reno", "time_zone": "UTC", "country": "US", "enabled": false});
    let defined = server.put("/v1/locations/reno", &closed).await;
    assert_eq!(defined.status, StatusCode::OK, "{}", defined.text);
    for sku in ["K-1", "A-1"] {
        let shown = server.get(&format!("/v1/stock/{sku}")).await;
        assert_eq!(shown.json()["ats"], 0, "{}", shown.text);
    }
    let hold = json!({"lines": [{"sku": "A-1", "units": 1}], "expires_in_s": 600});
    let held = server.post("/v1/holds", "h1", &hold).await;
    assert_eq!(held.code(), "short", "{}", held.text);
}
