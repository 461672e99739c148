//! A shop's webhooks against the real server: whom it believes, what it keeps, what comes back.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Server, Setup, shop, stock, worked_off};

/// A server with so many units of A.
async fn started(units: u32) -> (Setup, Server) {
    let setup = Setup::new();
    let server = setup.start().await;
    stock(&server, None, &[("A", units)]).await;
    (setup, server)
}

#[tokio::test]
async fn what_is_not_signed_is_not_stored() {
    let setup = Setup::new();
    let server = setup.start().await;
    let body = serde_json::to_vec(&shop::order(1, &[("A", 1)])).unwrap();
    let good = shop::sign(support::SECRET, &body);
    let mut flipped = body.clone();
    flipped[10] ^= 1;
    let send = |body: &[u8], signature: Option<String>| {
        let mut request = server
            .http
            .post(format!("{}/webhooks/shop", server.url))
            .header("X-Shopify-Topic", "orders/create")
            .header("X-Shopify-Event-Id", "event-1")
            .body(body.to_vec());
        if let Some(signature) = signature {
            request = request.header("X-Shopify-Hmac-SHA256", signature);
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(
        send(&flipped, Some(good.clone())).await,
        401,
        "a flipped byte"
    );
    let other = shop::sign("another secret", &body);
    assert_eq!(send(&body, Some(other)).await, 401, "another secret");
    assert_eq!(send(&body, None).await, 401, "no signature");
    assert_eq!(
        send(&body, Some(String::new())).await,
        401,
        "an empty signature"
    );
    assert_eq!(stored(&server).await, 0);
    assert_eq!(kept(&setup), 0);

    assert_eq!(send(&body, Some(good.clone())).await, 200);
    assert_eq!(
        send(&body, Some(good)).await,
        200,
        "a repeat is answered as the first was"
    );
    assert_eq!((stored(&server).await, kept(&setup)), (1, 1));
}

/// Shopify tells us our own number back after every publication: it is a count only where a location says so.
#[tokio::test]
async fn a_thousand_echoes_of_our_own_number_change_no_stock() {
    let (_setup, server) = started(70).await;
    floor_counted_by(&server, "shop/655441492").await;
    map(&server, "inventory_item:808950810", json!({ "sku": "A" })).await;
    support::until("the receipt is in the ledger", async || {
        ledger(&server, "reno").await == 1
    })
    .await;
    for echo in 0..1000 {
        level(&server, echo, 655_441_491, json!(echo % 90), echo).await;
    }
    level(&server, 1000, 655_441_492, json!(7), 1).await;
    worked_off(&server).await;
    let stock = server.get("/v1/stock/A").await;
    let listing = server
        .get("/v1/channels/shop/listings/inventory_item:808950810")
        .await;
    assert_eq!(listing["shown"][0]["place"], "shop/655441491", "{listing}");
    assert_eq!(listing["shown"][0]["units"], 999 % 90, "{listing}");
    assert_eq!(on_hand(&stock, "reno"), 70, "{stock}");
    assert_eq!(on_hand(&stock, "floor"), 7, "{stock}");
    assert_eq!(open_exceptions(&server).await, Vec::<Value>::new());
    assert_eq!(
        (
            ledger(&server, "reno").await,
            ledger(&server, "floor").await
        ),
        (1, 1)
    );
}

/// Where the shop is the truth, a number that is no count of a SKU is never passed over in silence.
#[tokio::test]
async fn numbers_that_are_no_counts_are_named() {
    let (_setup, server) = started(1).await;
    floor_counted_by(&server, "shop/5").await;
    let item = "inventory_item:808950810";
    support::until("the stock is in the ledger", async || {
        ledger(&server, "reno").await == 1
    })
    .await;
    let floor = async || on_hand(&server.get("/v1/stock/A").await, "floor");
    level(&server, 1, 5, json!(4), 1).await;
    worked_off(&server).await;
    assert_eq!(open(&server).await, [format!("unmapped shop/{item}")]);
    map(&server, item, json!({ "sku": "A", "multiplier": 6 })).await;
    worked_off(&server).await;
    assert_eq!(open(&server).await, [format!("uncountable shop/{item}")]);
    map(&server, item, json!({ "sku": "A" })).await;
    support::until("it is counted", async || floor().await == 4).await;
    worked_off(&server).await;
    assert_eq!(open(&server).await, Vec::<String>::new());
    for (event, available) in [(2, json!(-3)), (3, Value::Null)] {
        level(&server, event, 5, available, event).await;
        worked_off(&server).await;
        assert_eq!(floor().await, 0);
        assert_eq!(open(&server).await, [format!("stock_level shop/{item}/5")]);
    }
    level(&server, 4, 5, json!(2), 4).await;
    worked_off(&server).await;
    assert_eq!((floor().await, open(&server).await), (2, Vec::new()));
}

/// The shop's number leaves out its own orders only: each time it comes, other channels' units stay reserved.
#[tokio::test]
async fn a_shops_number_does_not_bring_back_what_others_reserved() {
    let (_setup, server) = started(1).await;
    floor_counted_by(&server, "shop/5").await;
    map(&server, "inventory_item:808950810", json!({ "sku": "A" })).await;
    support::until("the stock is in the ledger", async || {
        ledger(&server, "reno").await == 1
    })
    .await;
    level(&server, 1, 5, json!(10), 1).await;
    worked_off(&server).await;
    let order = json!({ "channel": "api", "external_id": "w1", "destination": { "country": "US" },
        "lines": [{ "line": "1", "sku": "A", "units": 3 }] });
    server.done("POST", "/v1/orders", order).await;
    support::settled(&server, "api:w1", &["requested"]).await;
    for event in 2..5 {
        level_at(&server, event, 5, json!(10), "2100-01-01T00:00:00Z").await;
    }
    worked_off(&server).await;
    let stock = server.get("/v1/stock/A").await;
    assert_eq!(on_hand(&stock, "floor"), 10, "{stock}");
    assert_eq!(stock["ats"], 8, "{stock}");
}

/// A location that names its one source of stock truth.
async fn floor_counted_by(server: &Server, source: &str) {
    let floor = json!({ "name": "Shop floor", "time_zone": "America/Los_Angeles", "country": "US",
        "stock_source": source });
    server.done("PUT", "/v1/locations/floor", floor).await;
}

/// A stock level of item 808950810, so many milliseconds into the second in which the stock of A began.
async fn level(server: &Server, event: u64, place: u64, available: Value, after_ms: u64) {
    let began = server.get("/v1/stock/A/ledger").await["items"][0]["at"].clone();
    let at = format!("{}.{after_ms:03}Z", &began.as_str().unwrap()[..19]);
    level_at(server, event, place, available, &at).await;
}

/// A stock level of that time; of now, if it is to come.
async fn level_at(server: &Server, event: u64, place: u64, available: Value, at: &str) {
    let body = json!({
        "inventory_item_id": 808_950_810_u64, "location_id": place, "available": available, "updated_at": at,
        "admin_graphql_api_id": "gid://shopify/InventoryLevel/1?inventory_item_id=808950810"
    });
    let event = format!("level-{event}");
    let answer = shop::deliver(server, "inventory_levels/update", &event, &body).await;
    assert_eq!(answer, Some(200));
}

/// Movements of A at a location.
async fn ledger(server: &Server, location: &str) -> usize {
    let all = server.get("/v1/stock/A/ledger").await;
    let moved = |one: &&Value| one["location"] == location && one["on_hand_delta"] != 0;
    all["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(moved)
        .count()
}

fn on_hand(stock: &Value, location: &str) -> i64 {
    let places = stock["locations"].as_array().unwrap();
    let place = places.iter().find(|place| place["location"] == location);
    place.map_or(0, |place| place["on_hand"].as_i64().unwrap())
}

async fn map(server: &Server, listing: &str, target: Value) {
    let path = format!("/v1/channels/shop/listings/{listing}");
    server.done("PUT", &path, target).await;
}

/// Kinds and subjects of the open exceptions.
async fn open(server: &Server) -> Vec<String> {
    let name = |one: &Value| {
        let of = |field: &str| one[field].as_str().unwrap().to_owned();
        format!("{} {}", of("kind"), of("subject"))
    };
    let mut open: Vec<String> = open_exceptions(server).await.iter().map(name).collect();
    open.sort();
    open
}

/// Delivers, and waits until it is worked on.
async fn deliver(server: &Server, topic: &str, event: &str, body: &Value) {
    assert_eq!(shop::deliver(server, topic, event, body).await, Some(200));
    worked_off(server).await;
}

/// A delivery as the server keeps it.
async fn delivery(server: &Server, topic: &str, event: &str) -> Value {
    support::delivery(server, topic, event).await.unwrap()
}

/// Two listings of one order are missing: each exception ends when its listing is there.
#[tokio::test]
async fn an_order_that_lacks_two_mappings_leaves_no_exception_behind() {
    let (_setup, server) = started(20).await;
    let order = shop::order(7, &[("ONE", 1), ("TWO", 1)]);
    deliver(&server, "orders/create", "event-7", &order).await;
    assert_eq!(open(&server).await, ["unmapped shop/ONE"]);
    map(&server, "ONE", json!({ "sku": "A" })).await;
    worked_off(&server).await;
    assert_eq!(open(&server).await, ["unmapped shop/TWO"]);
    map(&server, "TWO", json!({ "sku": "A", "multiplier": 2 })).await;
    support::settled(&server, "shop:7", &["requested"]).await;
    assert_eq!(on_committed(&server).await, 3);
    assert_eq!(open(&server).await, Vec::<String>::new());
}

async fn on_committed(server: &Server) -> i64 {
    let stock = server.get("/v1/stock/A").await;
    stock["locations"][0]["committed"].as_i64().unwrap()
}

/// An item made up for one order names nothing: its line can be mapped, or edited away in the shop.
#[tokio::test]
async fn a_line_that_names_nothing_has_two_ways_out() {
    let (setup, server) = started(20).await;
    let custom = |number| {
        let mut order = shop::order(number, &[("A", 1), ("", 1)]);
        order["line_items"][1]["title"] = json!("Gift wrap");
        order
    };
    deliver(&server, "orders/create", "event-30", &custom(30)).await;
    deliver(&server, "orders/create", "event-31", &custom(31)).await;
    assert_eq!(
        open(&server).await,
        ["unmapped shop/line:302", "unmapped shop/line:312"]
    );
    let (code, said, error) = setup.crossdock(&["listing", "map", "shop", "line:302", "A"]);
    assert_eq!(code, 0, "{said}{error}");
    support::settled(&server, "shop:30", &["requested"]).await;

    let mut edited = shop::order(31, &[("A", 1)]);
    edited["updated_at"] = json!("2026-11-01T12:00:00-08:00");
    deliver(&server, "orders/updated", "event-31b", &edited).await;
    support::settled(&server, "shop:31", &["requested"]).await;
    // What the newer statement made void is found void when it is looked at again.
    map(&server, "line:999", json!({ "sku": "A" })).await;
    drop(server);
    let server = setup.start().await;
    support::until("nothing waits any more", async || {
        open(&server).await.is_empty()
    })
    .await;
    assert_eq!(on_committed(&server).await, 3);
}

#[tokio::test]
async fn a_line_of_no_units_keeps_nobody_from_the_rest() {
    let (_setup, server) = started(20).await;
    let order = shop::order(8, &[("A", 0), ("A", 2)]);
    deliver(&server, "orders/create", "event-8", &order).await;
    support::settled(&server, "shop:8", &["requested"]).await;
    assert_eq!(on_committed(&server).await, 2);
}

/// The shop says how it is to be sent; what that promises is in the configuration.
#[tokio::test]
async fn an_order_is_promised_what_its_way_of_sending_promises() {
    let (setup, server) = started(20).await;
    let mut order = shop::order(70, &[("A", 1)]);
    order["shipping_lines"] = json!([{ "title": "EXPRESS (1 day)", "code": "dhl-7" }]);
    deliver(&server, "orders/create", "event-70", &order).await;
    let express = support::settled(&server, "shop:70", &["requested"]).await;
    let standard = shop::order(71, &[("A", 1)]);
    deliver(&server, "orders/create", "event-71", &standard).await;
    let standard = support::settled(&server, "shop:71", &["requested"]).await;
    for (shown, expected) in [
        (
            &express,
            [
                "express",
                "2026-11-02T18:00:00.000Z",
                "2026-11-03T06:00:00.000Z",
            ]
            .map(Value::from),
        ),
        (&standard, [json!("standard"), Value::Null, Value::Null]),
    ] {
        let found = ["service_level", "ship_by", "deliver_by"].map(|field| shown[field].clone());
        assert_eq!(found, expected, "{shown}");
    }
    let (code, said, error) = setup.crossdock(&["order", "show", "shop:70"]);
    assert_eq!(code, 0, "{said}{error}");
    assert!(said.contains("deliver_by     2026-11-03T06:00"), "{said}");
}

/// A refund, an edit or a cancellation may overtake the order it is of.
#[tokio::test]
async fn what_comes_before_its_order_waits_for_it() {
    let (_setup, server) = started(20).await;
    let refund = json!({ "id": 900, "order_id": 40, "refund_line_items": [
        { "id": 1, "line_item_id": 401, "quantity": 2, "restock_type": "cancel" }
    ]});
    let edit = json!({ "order_edit": { "id": 901, "order_id": 40, "created_at": "2026-11-01T10:00:02-08:00",
        "line_items": { "additions": [], "removals": [{ "id": 401, "delta": 1 }] } } });
    deliver(&server, "refunds/create", "event-r", &refund).await;
    deliver(&server, "orders/edited", "event-e", &edit).await;
    assert_eq!(open(&server).await, ["early order:shop:40"]);
    let mut order = shop::order(40, &[("A", 5)]);
    // Not paid: nothing is handed over before the others are taken, which would have to be asked back.
    order["financial_status"] = json!("pending");
    deliver(&server, "orders/create", "event-c", &order).await;
    support::until("refund and edit are taken", async || {
        on_committed(&server).await < 4
    })
    .await;
    worked_off(&server).await;
    assert_eq!(open(&server).await, Vec::<String>::new());
    for (topic, event) in [("refunds/create", "event-r"), ("orders/edited", "event-e")] {
        assert_eq!(delivery(&server, topic, event).await["state"], "done");
    }

    let mut cancelled = shop::order(41, &[("A", 5)]);
    cancelled["cancelled_at"] = json!("2026-11-01T11:00:00-08:00");
    cancelled["updated_at"] = json!("2026-11-01T11:00:00-08:00");
    deliver(&server, "orders/cancelled", "event-x", &cancelled).await;
    deliver(
        &server,
        "orders/create",
        "event-y",
        &shop::order(41, &[("A", 5)]),
    )
    .await;
    support::settled(&server, "shop:41", &["cancelled"]).await;
    assert_eq!(
        server.get("/v1/orders/shop:41").await["status"],
        "cancelled"
    );
}

/// What a person gave up stays given up; what comes later is new.
#[tokio::test]
async fn an_exception_that_was_resolved_does_not_come_back() {
    let setup = Setup::new();
    let mut server = setup.start().await;
    let order = shop::order(50, &[("NEVER", 1)]);
    deliver(&server, "orders/create", "event-50", &order).await;
    let first = open_exceptions(&server).await.remove(0);
    let shown = setup.crossdock(&["exceptions", "show", &first["id"].to_string(), "--body"]);
    assert!(
        shown.1.contains("buyer50@example.com"),
        "the raw body: {shown:?}"
    );
    let kept = delivery(&server, "orders/create", "event-50").await;
    assert_eq!(
        (&kept["state"], &kept["waits_for"]),
        (&json!("parked"), &json!("shop/NEVER"))
    );
    assert_eq!(kept["headers"]["event-id"], "event-50", "{kept}");
    let body: Value = serde_json::from_str(kept["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, order);

    let resolve = format!("/v1/exceptions/{}/resolve", first["id"]);
    let resolved = server
        .done("POST", &resolve, json!({ "how": "a test of the shop" }))
        .await;
    assert_eq!(resolved["dropped"], 1);
    server.kill();
    server = setup.start().await;
    assert_eq!(open(&server).await, Vec::<String>::new());
    let kept = delivery(&server, "orders/create", "event-50").await;
    assert_eq!(kept["state"], "dropped");

    let again = shop::order(51, &[("NEVER", 1)]);
    deliver(&server, "orders/create", "event-51", &again).await;
    let open_now = open_exceptions(&server).await;
    assert_eq!(open_now.len(), 1, "{open_now:?}");
    let second = &open_now[0];
    assert_eq!(
        (&second["kind"], &second["episode"]),
        (&json!("unmapped"), &json!(2))
    );
    // The first one is over: to resolve it once more does not close the second.
    server
        .done("POST", &resolve, json!({ "how": "again" }))
        .await;
    assert_eq!(open(&server).await, ["unmapped shop/NEVER"]);
}

#[tokio::test]
async fn an_unmapped_order_waits_and_goes_on_by_itself() {
    let (setup, mut server) = started(20).await;
    let order = shop::order(7, &[("SIX-PACK", 2)]);
    deliver(&server, "orders/create", "event-7", &order).await;
    let open = open_exceptions(&server).await;
    assert_eq!(
        (open.len(), &open[0]["kind"]),
        (1, &json!("unmapped")),
        "{open:?}"
    );
    assert_eq!(open[0]["subject"], "shop/SIX-PACK");
    assert_eq!(server.call("GET", "/v1/orders/shop:7", None).await.0, 404);

    server.kill();
    server = setup.start().await;
    let (code, said, error) = setup.crossdock(&["listing", "map", "shop", "SIX-PACK", "A:6"]);
    assert_eq!(code, 0, "{said}{error}");
    let order = support::settled(&server, "shop:7", &["requested"]).await;
    assert_eq!(order["lines"][0]["units"], 2);
    let stock = server.get("/v1/stock/A").await;
    assert_eq!(stock["locations"][0]["committed"], 12, "{stock}");
    assert_eq!(open_exceptions(&server).await, Vec::<Value>::new());
}

/// The other way to say what a line stands for: the SKU of that name comes into being.
#[tokio::test]
async fn an_order_goes_on_once_its_sku_is_there() {
    let setup = Setup::new();
    let server = setup.start().await;
    let order = shop::order(8, &[("A", 2)]);
    deliver(&server, "orders/create", "event-8", &order).await;
    assert_eq!(open_exceptions(&server).await[0]["subject"], "shop/A");
    stock(&server, None, &[("A", 20)]).await;
    support::settled(&server, "shop:8", &["requested"]).await;
    assert_eq!(open_exceptions(&server).await, Vec::<Value>::new());
}

#[tokio::test]
async fn duplicates_and_stale_retries_change_nothing() {
    let (_setup, server) = started(20).await;
    let mut newer = shop::order(9, &[("A", 3)]);
    newer["updated_at"] = json!("2026-11-01T12:00:00-08:00");
    let older = shop::order(9, &[("A", 1)]);
    for (event, body) in [("n", &newer), ("o", &older), ("n", &newer), ("o2", &older)] {
        assert_eq!(
            shop::deliver(&server, "orders/updated", event, body).await,
            Some(200)
        );
    }
    worked_off(&server).await;
    let order = support::settled(&server, "shop:9", &["requested"]).await;
    assert_eq!(order["lines"][0]["units"], 3, "{order}");
    assert_eq!(
        server.get("/v1/stock/A").await["locations"][0]["committed"],
        3
    );
    assert_eq!(stored(&server).await, 3, "one event id is one delivery");
}

/// What becomes of a body as an order, an edit, a refund and a stock level: done, or the kind of the exception. One
/// that is not named here is unreadable, whatever it is said to be.
const TABLE: &str = "
    Fulfillment             unmapped   unreadable early      unreadable
    FulfillmentEventsCreate refused    unreadable early      unreadable
    InventoryItem           refused    unreadable unreadable unreadable
    InventoryLevel          unreadable unreadable unreadable done
    Location                refused    unreadable unreadable unreadable
    Order                   unmapped   unreadable unreadable unreadable
    OrderEdited             unreadable early      unreadable unreadable
    OrderTransactionsCreate unreadable unreadable early      unreadable
    Product                 refused    unreadable unreadable unreadable
";

/// What becomes of a delivery of a file.
fn outcome(name: &str, topic: &str) -> &'static str {
    let column = match topic {
        "fulfillments/create" => return "done",
        "orders/edited" => 2,
        "refunds/create" => 3,
        "inventory_levels/update" => 4,
        _ => 1,
    };
    let mut rows = TABLE.lines().map(|line| line.split_whitespace());
    let row = rows.find(|row| {
        let file = row.clone().next();
        file.is_some_and(|file| format!("webhooks/{file}.json") == name)
    });
    row.and_then(|mut row| row.nth(column))
        .unwrap_or("unreadable")
}

/// Every real payload is mapped or becomes a named exception, whatever topic it claims to be of.
#[tokio::test]
async fn real_payloads_are_mapped_or_become_named_exceptions() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/channels/shopify");
    if !dir.exists() {
        println!("skipped: ../shared absent");
        return;
    }
    let setup = Setup::new();
    let server = setup.start().await;
    let topics = [
        "orders/create",
        "orders/updated",
        "orders/edited",
        "orders/cancelled",
        "orders/paid",
        "refunds/create",
        "inventory_levels/update",
        "fulfillments/create",
    ];
    let mut sent = Vec::new();
    for (number, file) in files(&dir).into_iter().enumerate() {
        let body: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let name = file
            .strip_prefix(&dir)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        for topic in topics {
            let event = format!("file-{number}");
            let answer = shop::deliver(&server, topic, &event, &body).await;
            assert_eq!(answer, Some(200), "{event}");
            sent.push((name.clone(), topic, event));
        }
    }
    worked_off(&server).await;
    assert_eq!(stored(&server).await, sent.len() as u64);
    assert!(sent.len() >= 240, "only {} deliveries", sent.len());
    let open: BTreeSet<String> = open(&server).await.into_iter().collect();
    for (name, topic, event) in &sent {
        let kept = delivery(&server, topic, event).await;
        let expected = outcome(name, topic);
        let shown = format!("{name} as {topic}: {kept}");
        match expected {
            "done" => assert_eq!(kept["state"], "done", "{shown}"),
            kind => {
                assert_eq!(kept["state"], "parked", "{shown}");
                let exception = format!("{kind} {}", kept["waits_for"].as_str().unwrap());
                assert!(open.contains(&exception), "{exception}: {shown}");
            }
        }
    }
    for exception in open_exceptions(&server).await {
        let cause = exception["cause"].as_str();
        assert!(cause.is_some_and(|cause| cause.len() > 20), "{exception}");
    }
    assert_eq!(
        support::metric(&server, "crossdock_actor_crashes_total").await,
        0.0
    );
    let verified = setup.crossdock(&["journal", "verify", "--json"]);
    let report: Value = serde_json::from_str(&verified.1).unwrap();
    assert_eq!(
        (&report["deliveries"], &report["sound"]),
        (&json!(sent.len()), &json!(true))
    );
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

/// Deliveries this process stored.
async fn stored(server: &Server) -> u64 {
    support::metric(server, "crossdock_deliveries_total").await as u64
}

/// Deliveries in the journal, as read from disk.
fn kept(setup: &Setup) -> u64 {
    let (code, said, error) = setup.crossdock(&["journal", "verify", "--json"]);
    assert_eq!(code, 0, "{said}{error}");
    let report: Value = serde_json::from_str(&said).unwrap();
    report["deliveries"].as_u64().unwrap()
}

/// A shop that uses an id twice must not lose what it says the second time.
#[tokio::test]
async fn another_body_under_the_same_id_is_worked_on_beside_an_exception() {
    let (_setup, server) = started(20).await;
    for number in [522, 523, 523] {
        let order = shop::order(number, &[("A", 1)]);
        let taken = shop::deliver(&server, "orders/create", "same-event", &order).await;
        assert_eq!(taken, Some(200));
    }
    for order in ["shop:522", "shop:523"] {
        support::settled(&server, order, &["requested"]).await;
    }
    worked_off(&server).await;
    let open = open_exceptions(&server).await;
    let kinds: Vec<&Value> = open.iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["delivery_conflict"], "{open:?}");
    assert_eq!(stored(&server).await, 2);
}

/// Exceptions that are open once all is worked on that was delivered.
async fn open_exceptions(server: &Server) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = "/v1/exceptions?state=open&limit=200".to_owned();
    worked_off(server).await;
    support::folded(server).await;
    loop {
        let page = server.get(&path).await;
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else {
            return all;
        };
        path = format!("/v1/exceptions?state=open&limit=200&cursor={cursor}");
    }
}
