//! Where an order goes: the newest statement, unless an operator said otherwise; and nowhere once it is erased.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use serde_json::{Value, json};
use support::listener::Listener;
use support::{Door, Setup, settled, shop, stock};

const FIRST: &str = "1 First Street";
const SECOND: &str = "2 Second Street";
const OURS: &str = "3 Operator Street";

/// An order of the shop with one more line of address; the country, state and postal code stay the same.
fn order(minute: u32, street: &str) -> Value {
    let mut order = shop::order(1, &[("A", 1)]);
    order["updated_at"] = json!(format!("2026-11-01T10:{minute:02}:00-08:00"));
    order["shipping_address"]["address1"] = json!(street);
    order
}

async fn deliver(server: &Door, topic: &str, event: &str, order: &Value) {
    assert_eq!(shop::deliver(server, topic, event, order).await, Some(200));
    support::worked_off(server).await;
}

/// The street that the order shows, and those that locations are asked to send to.
async fn streets(server: &Door) -> (Value, Vec<Value>) {
    let order = server.get("/v1/orders/shop:1").await;
    let token = order["position"].as_str().unwrap_or_default();
    let path = format!("/v1/fulfilment-requests?status=open&consistent_with={token}");
    let open = server.get(&path).await;
    let requests = open["items"].as_array().unwrap().iter();
    (
        order["buyer"]["ship_to"]["address1"].clone(),
        requests
            .map(|one| one["ship_to"]["address1"].clone())
            .collect(),
    )
}

async fn wait_for_street(server: &Door, street: &str) {
    support::until(&format!("it goes to {street}"), async || {
        streets(server).await.0 == street
    })
    .await;
}

async fn open_kinds(server: &Door) -> Vec<Value> {
    let open = server.get("/v1/exceptions?state=open").await;
    let open = open["items"].as_array().unwrap().iter();
    open.map(|one| one["kind"].clone()).collect()
}

/// A street that changes within its postal code is recalled and told again; a retry of the statement before
/// brings nothing back.
#[tokio::test]
async fn the_newest_street_is_where_it_goes() {
    let setup = Setup::new();
    let server = setup.start().await;
    let warehouse = Listener::start().await;
    let url = format!("http://127.0.0.1:{}/", warehouse.port);
    stock(&server, Some(&url), &[("A", 5)]).await;
    deliver(&server, "orders/create", "one", &order(1, FIRST)).await;
    settled(&server, "shop:1", &["requested"]).await;
    support::until("the location is told", async || {
        !warehouse.calls().is_empty()
    })
    .await;
    deliver(&server, "orders/updated", "two", &order(2, SECOND)).await;
    wait_for_street(&server, SECOND).await;
    support::until("the location is asked to stop", async || {
        warehouse.calls().len() >= 2
    })
    .await;
    let kinds: Vec<Value> = warehouse
        .calls()
        .iter()
        .map(|call| call.json()["type"].clone())
        .collect();
    assert_eq!(
        kinds,
        ["fulfilment.requested", "fulfilment.cancel_requested"]
    );
    deliver(&server, "orders/updated", "retry", &order(1, FIRST)).await;
    assert_eq!(streets(&server).await.0, SECOND, "a stale retry");

    let path = "/v1/orders/shop:1/requests/1/cancel-answer";
    server.done("POST", path, json!({ "accepted": true })).await;
    support::until("the location is told again", async || {
        warehouse.calls().len() >= 3
    })
    .await;
    let told: Vec<Value> = warehouse
        .calls()
        .iter()
        .map(|call| call.json()["ship_to"]["address1"].clone())
        .collect();
    assert_eq!(told, [json!(FIRST), Value::Null, json!(SECOND)]);
    support::until("the list shows it", async || {
        streets(&server).await.1 == [json!(SECOND)]
    })
    .await;
}

/// What an operator set stays, and a shop that then states another street opens a conflict.
#[tokio::test]
async fn an_operators_address_is_not_overwritten() {
    let setup = Setup::new();
    let server = setup.start().await;
    stock(&server, None, &[("A", 5)]).await;
    deliver(&server, "orders/create", "one", &order(1, FIRST)).await;
    settled(&server, "shop:1", &["requested"]).await;
    let ours = json!({ "address": {
        "name": "Ada Invented", "address1": OURS, "city": "Reno", "state": "NV", "postal_code": "89502", "country": "US",
    } });
    server.done("POST", "/v1/orders/shop:1/address", ours).await;
    let path = "/v1/orders/shop:1/requests/1/cancel-answer";
    server.done("POST", path, json!({ "accepted": true })).await;

    let mut tagged = order(2, FIRST);
    tagged["tags"] = json!("vip");
    deliver(&server, "orders/updated", "tags", &tagged).await;
    assert_eq!(streets(&server).await.0, OURS, "only tags have changed");
    assert_eq!(open_kinds(&server).await, Vec::<Value>::new());

    deliver(&server, "orders/updated", "moved", &order(3, SECOND)).await;
    support::until("the conflict is open", async || {
        open_kinds(&server).await == ["conflict"]
    })
    .await;
    support::until("the list shows it", async || {
        streets(&server).await == (json!(OURS), vec![json!(OURS)])
    })
    .await;
    let (_, found) = server
        .call("GET", "/v1/orders?name=Ada%20Invented", None)
        .await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
}

/// A second order under the id of the first has no say in who bought it.
#[tokio::test]
async fn a_second_creation_does_not_replace_the_buyer() {
    let setup = Setup::new();
    let server = setup.start().await;
    stock(&server, None, &[("A", 5)]).await;
    let new = |name: &str| {
        let address = json!({ "name": name, "address1": FIRST, "country": "US", "state": "NV" });
        json!({
            "external_id": "shared", "lines": [{ "sku": "A", "units": 1 }],
            "buyer": { "name": name, "email": format!("{name}@example.com"), "address": address },
        })
    };
    server.done("POST", "/v1/orders", new("Ann")).await;
    let mut again = new("Ann");
    again["buyer"]["email"] = json!("other@example.com");
    // Refused or merged, the person of that address stays.
    server.call("POST", "/v1/orders", Some(again)).await;
    let order = server.get("/v1/orders/api:shared").await;
    assert_eq!(order["buyer"]["email"], "Ann@example.com");
}

/// Whoever is erased stays erased, whatever the shop or a caller states later or again.
#[tokio::test]
async fn an_erased_buyer_does_not_come_back() {
    let setup = Setup::new();
    let server = setup.start().await;
    stock(&server, None, &[("A", 5)]).await;
    deliver(&server, "orders/create", "one", &order(5, FIRST)).await;
    settled(&server, "shop:1", &["requested"]).await;
    let erased = server
        .done("POST", "/v1/orders/shop:1/erase", json!({}))
        .await;
    assert_eq!(erased["erased"], true);
    for (event, order) in [("late", order(1, SECOND)), ("later", order(9, SECOND))] {
        deliver(&server, "orders/updated", event, &order).await;
    }
    let address = json!({ "address": { "address1": OURS, "country": "US" } });
    server
        .call("POST", "/v1/orders/shop:1/address", Some(address))
        .await;
    assert!(server.get("/v1/orders/shop:1").await["buyer"].is_null());
    let (_, found) = server
        .call("GET", "/v1/orders?name=Ada%20Invented", None)
        .await;
    assert_eq!(found["items"], json!([]));
    server
        .done("POST", "/v1/orders/shop:1/erase", json!({}))
        .await;
}

#[tokio::test]
async fn an_unknown_order_cannot_be_erased() {
    let setup = Setup::new();
    let server = setup.start().await;
    let (status, problem) = server
        .call("POST", "/v1/orders/shop:404/erase", Some(json!({})))
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (404, &json!("not_found")),
        "{problem}"
    );
    let (code, said, error) = setup.crossdock(&["erase", "shop:404"]);
    assert_ne!(code, 0, "{said}{error}");
    // What waits for its listing to be mapped is no order yet, and can be erased all the same.
    let unmapped = shop::order(2, &[("NOBODY-KNOWS", 1)]);
    deliver(&server, "orders/create", "two", &unmapped).await;
    server
        .done("POST", "/v1/orders/shop:2/erase", json!({}))
        .await;
}
