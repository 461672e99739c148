//! Orders over HTTP: lists, searches, and what changes an order.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Server;

#[tokio::test]
async fn a_refused_order_is_placed_anew_under_a_new_key() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let order = json!({
        "external_id": "7", "lines": [{"sku": "A-1", "units": 2}], "destination": {"country": "US"},
        "buyer": {"email": "canary@example.com"},
    });
    for _ in 0..2 {
        let short = server.post("/v1/orders", "k1", &order).await;
        assert_eq!(short.code(), "short", "{}", short.text);
    }
    let receipt = json!({"location": "reno", "units": 2});
    server.post("/v1/stock/A-1/receipts", "r", &receipt).await;
    let old = server.post("/v1/orders", "k1", &order).await;
    assert_eq!(old.code(), "short", "{}", old.text);
    for _ in 0..2 {
        let placed = server.post("/v1/orders", "k2", &order).await;
        assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.text);
    }
    server.committed("A-1", 2).await;
    let old = server.post("/v1/orders", "k1", &order).await;
    assert_eq!(old.code(), "short", "{}", old.text);
    let other = server.post("/v1/orders", "k3", &order).await;
    assert_eq!(other.code(), "order_exists", "{}", other.text);
    server.catch_up();
    let shown = server.get("/v1/orders/api:7").await.json();
    assert_eq!(shown["lines"][0]["cancelled_units"], 0, "{shown}");
    assert_eq!(shown["buyer"]["email"], "canary@example.com");
    let steps = shown["timeline"].as_array().unwrap().iter();
    let kinds: Vec<&str> = steps.filter_map(|one| one["kind"].as_str()).collect();
    let at = |kind: &str| kinds.iter().position(|one| *one == kind);
    assert!(at("refused") < at("placed_anew"), "{kinds:?}");
    assert!(at("refused").is_some(), "{kinds:?}");
}

#[tokio::test]
async fn lists_show_what_the_caller_has_written() {
    let server = Server::start().await;
    server.stocked("A-1", 5).await;
    let order = json!({
        "external_id": "1/7",
        "lines": [{"sku": "A-1", "units": 1}],
        "destination": {"country": "US"},
        "buyer": {"email": "canary@example.com"},
    });
    let placed = server.post("/v1/orders", "o1", &order).await;
    let position = placed.headers["Crossdock-Position"]
        .to_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/orders?consistent_with={position}");
    let behind = server.get(&path).await;
    assert_eq!(
        (behind.status.as_u16(), behind.code().as_str()),
        (503, "read_model_behind")
    );
    server.catch_up();
    let listed = server.get(&path).await.json();
    assert_eq!(listed["items"][0]["order"], "api:1/7");
    let found = server
        .get("/v1/orders?email=Canary@example.com")
        .await
        .json();
    assert_eq!(found["items"][0]["order"], "api:1/7");
    let shown = server.get("/v1/orders/api:1%2F7").await.json();
    assert_eq!(shown["name"], "1/7");
    assert_eq!(shown["buyer"]["email"], "canary@example.com");
    assert!(
        shown["timeline"]
            .as_array()
            .is_some_and(|steps| !steps.is_empty())
    );
    let bearer = format!("Bearer {}", server.keys["read"]);
    let call = server.anonymous(Method::GET, "/v1/orders/api:1%2F7");
    let seen = call.header("Authorization", &bearer).send().await;
    assert!(
        seen.json()["buyer"].is_null(),
        "personal data is not for keys that only read"
    );
    let ledger = server.get("/v1/stock/A-1/ledger").await.json();
    assert_eq!(ledger["items"][0]["on_hand"], 5);

    let erased = server
        .post("/v1/orders/api:1%2F7/erase", "e", &json!({}))
        .await;
    assert_eq!(erased.status, StatusCode::OK, "{}", erased.text);
    let told = &erased.json()["requests"][0];
    assert_eq!(
        (&told["request"], &told["location"]),
        (&json!(1), &json!("reno")),
        "{}",
        erased.text
    );
    assert!(server.get("/v1/orders/api:1%2F7").await.json()["buyer"].is_null());
}

fn order(external: &str, buyer: &Value) -> Value {
    json!({
        "external_id": external, "destination": {"country": "US", "state": "NV"}, "buyer": buyer,
        "lines": [{"sku": "A-1", "units": 2}], "tags": [format!("tag {external}")],
    })
}

/// Every filter narrows the list, also those that search by who bought.
#[tokio::test]
async fn filters_hold_together() {
    let server = Server::start().await;
    server.stocked("A-1", 9).await;
    let canary = json!({"email": "canary@example.com", "phone": "+1 775 1", "name": "Canary Bird"});
    for (external, buyer) in [
        ("1", &canary),
        ("2", &canary),
        ("3", &json!({"email": "x@example.com"})),
    ] {
        server
            .post("/v1/orders", external, &order(external, buyer))
            .await;
    }
    server.requested("api:2").await;
    let stop = json!({"reason": "buyer"});
    let cancelled = server.post("/v1/orders/api:2/cancel", "c", &stop).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text);
    server
        .post(
            "/v1/orders/api:2/requests/1/cancel-answer",
            "a",
            &json!({"accepted": true}),
        )
        .await;
    server.catch_up();
    let found = async |query: &str| -> Vec<String> {
        let listed = server.get(&format!("/v1/orders?{query}")).await;
        assert_eq!(listed.status, StatusCode::OK, "{query}: {}", listed.text);
        let items = listed.json()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|one| one["order"].as_str().unwrap().replacen("api:", "", 1))
            .collect()
    };
    for (query, expected) in [
        ("email=canary@example.com", vec!["2", "1"]),
        ("email=canary@example.com&status=cancelled", vec!["2"]),
        ("phone=%2B1+775+1&tag=tag+1", vec!["1"]),
        ("name=canary+bird&limit=1", vec!["2"]),
        ("name=canary+bird&email=x@example.com", vec![]),
        ("origin=api&tag=tag+3", vec!["3"]),
        (
            "location=reno&backordered=false&test=false",
            vec!["3", "2", "1"],
        ),
        ("changed_from=2100-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(found(query).await, expected, "{query}");
    }
    let page = server
        .get("/v1/orders?email=canary@example.com&limit=1")
        .await
        .json();
    let cursor = page["next_cursor"].as_str().expect("a second page");
    assert_eq!(
        found(&format!("email=canary@example.com&limit=1&cursor={cursor}")).await,
        ["1"]
    );
    for wrong in ["status=shiped", "origin=shop"] {
        let refused = server.get(&format!("/v1/orders?{wrong}")).await;
        assert_eq!(refused.code(), "invalid", "{}", refused.text);
    }
    for field in ["email", "phone", "name"] {
        let bearer = format!("Bearer {}", server.keys["read"]);
        let call = server.anonymous(Method::GET, &format!("/v1/orders?{field}=x"));
        let probed = call.header("Authorization", &bearer).send().await;
        assert_eq!(probed.code(), "forbidden", "{}", probed.text);
    }
}

#[tokio::test]
async fn an_order_is_shown_whole() {
    let server = Server::start().await;
    server.stocked("A-1", 9).await;
    let mut placed = order("1", &json!({"email": "canary@example.com"}));
    placed["payment"] = json!({"on_hold_until": "2100-01-01T00:00:00Z"});
    placed["service_level"] = json!("express");
    placed["ship_by"] = json!("2100-01-02T00:00:00Z");
    placed["deliver_by"] = json!("2100-01-03T00:00:00Z");
    server.post("/v1/orders", "o", &placed).await;
    let hold = json!({"reason": "fraud?", "until": "2100-01-04T00:00:00Z"});
    server.post("/v1/orders/api:1/hold", "h", &hold).await;
    let behind = server.get("/v1/orders/api:1").await.json();
    assert_eq!(behind["timeline_behind"], true, "{behind}");
    server.catch_up();
    let shown = server.get("/v1/orders/api:1").await.json();
    let expected = json!({
        "payment": "on_hold", "payment_until": "2100-01-01T00:00:00.000Z", "service_level": "express",
        "ship_by": "2100-01-02T00:00:00.000Z", "deliver_by": "2100-01-03T00:00:00.000Z", "tags": ["tag 1"],
        "destination": {"country": "US", "state": "NV", "postal_prefix": null}, "open_exceptions": 0,
        "holds": [{"reason": "fraud?", "until": "2100-01-04T00:00:00.000Z"}], "shipments": [],
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[field], value, "{field} in {shown}");
    }
    assert!(shown["timeline_behind"].is_null(), "{shown}");
    let steps = shown["timeline"].as_array().unwrap();
    let held = steps
        .iter()
        .find(|step| step["kind"] == "held")
        .expect("a step");
    assert_eq!(held["by"], "admin", "{held}");
    server
        .post("/v1/orders/api:1/release", "r", &json!({}))
        .await;
    server.catch_up();
    let released = server.get("/v1/orders/api:1").await.json();
    assert_eq!(released["holds"], json!([]), "{released}");
    let page = server.get("/v1/orders/api:1/timeline?limit=2").await.json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2), "{page}");
    assert!(page["next_cursor"].is_string());
}

/// Each of these words, and the state of the order then.
#[tokio::test]
async fn orders_are_changed_after_they_were_placed() {
    let server = Server::start().await;
    server.stocked("A-1", 9).await;
    let mut placed = order(
        "1",
        &json!({"name": "Canary", "address": {"country": "US"}}),
    );
    placed["payment"] = json!("pending");
    server.post("/v1/orders", "o", &placed).await;
    let tell = async |word: &str, body: Value| {
        let answer = server
            .post(&format!("/v1/orders/api:1/{word}"), word, &body)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{word}: {}", answer.text);
        answer.json()
    };
    tell(
        "lines",
        json!({"lines": [{"line": "1", "sku": "A-1", "units": 3}]}),
    )
    .await;
    tell("split", json!({"lines": [{"line": "1", "units": 1}]})).await;
    tell("reroute", json!({})).await;
    tell(
        "address",
        json!({"address": {"name": "Bird", "country": "US", "state": "CA"}}),
    )
    .await;
    tell(
        "refunds",
        json!({"refund": "R1", "lines": [{"line": "1", "units": 1, "restock": "cancel"}]}),
    )
    .await;
    server.committed("A-1", 2).await;
    server.catch_up();
    let shown = server.get("/v1/orders/api:1").await.json();
    assert_eq!(shown["destination"]["state"], "CA", "{shown}");
    assert_eq!(shown["buyer"]["ship_to"]["name"], "Bird", "{shown}");
    assert_eq!(shown["buyer"]["name"], "Canary", "{shown}");

    let sent = order("2", &Value::Null);
    server.post("/v1/orders", "o2", &sent).await;
    server.requested("api:2").await;
    let shipped = server
        .post("/v1/orders/api:2/requests/1/ship", "s", &json!({}))
        .await;
    assert_eq!(shipped.json()["status"], "shipped", "{}", shipped.text);
    let line = |location: &str| json!([{"line": "1", "units": 1, "location": location, "condition": "damaged"}]);
    let typo = server
        .post(
            "/v1/orders/api:2/returns",
            "t",
            &json!({"lines": line("ren0")}),
        )
        .await;
    assert_eq!(typo.code(), "invalid", "{}", typo.text);
    let back = json!({"return": "RMA-1", "lines": line("reno")});
    for key in ["b", "b2"] {
        let returned = server.post("/v1/orders/api:2/returns", key, &back).await;
        assert_eq!(returned.status, StatusCode::OK, "{}", returned.text);
    }
    let is_back = |stock: &Value| stock["locations"][0]["unavailable"] == 1;
    let stock = server.shows("/v1/stock/A-1", is_back).await;
    assert_eq!(stock["locations"][0]["on_hand"], 8, "{stock}");
}

#[tokio::test]
async fn a_new_address_is_that_of_the_same_person() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let address = json!({"name": "Canary", "phone": "555", "city": "Reno", "country": "US"});
    let order = json!({
        "external_id": "7", "lines": [{"sku": "A-1", "units": 1}],
        "buyer": {"email": "canary@example.com", "address": address},
    });
    let placed = server.post("/v1/orders", "o", &order).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.text);
    let path = "/v1/orders/api:7/address";
    let moved = json!({"address": {"city": "Newark", "country": "US"}});
    let moved = server.post(path, "a", &moved).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text);
    let shown = server.get("/v1/orders/api:7").await.json();
    let to = &shown["buyer"]["ship_to"];
    assert_eq!(
        (&to["name"], &to["phone"], &to["city"]),
        (&json!("Canary"), &json!("555"), &json!("Newark")),
        "{shown}"
    );
}
