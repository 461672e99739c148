//! A shop's webhooks against the real server: whom it believes, what it keeps, what comes back.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Server, Setup, shop, stock};

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

/// Shopify tells us our own number back after every publication: it is never a source of stock.
#[tokio::test]
async fn a_thousand_echoes_of_our_own_number_change_no_stock() {
    let setup = Setup::new();
    let server = setup.start().await;
    stock(&server, None, &[("A", 70)]).await;
    server
        .done(
            "PUT",
            "/v1/channels/shop/listings/808950810",
            json!({ "sku": "A" }),
        )
        .await;
    let before = server.get("/v1/stock/A").await;
    support::until("the receipt is in the ledger", async || {
        ledger(&server).await == 1
    })
    .await;
    for echo in 0..1000 {
        let body = json!({
            "inventory_item_id": 808_950_810_u64, "location_id": 655_441_491_u64,
            "available": echo % 90, "updated_at": "2026-11-20T10:00:00-05:00",
            "admin_graphql_api_id": "gid://shopify/InventoryLevel/1?inventory_item_id=808950810"
        });
        let event = format!("echo-{echo}");
        let answer = shop::deliver(&server, "inventory_levels/update", &event, &body).await;
        assert_eq!(answer, Some(200));
    }
    worked_off(&server).await;
    assert_eq!(server.get("/v1/stock/A").await, before);
    assert_eq!(open_exceptions(&server).await, Vec::<Value>::new());
    assert_eq!(ledger(&server).await, 1);
}

async fn ledger(server: &Server) -> usize {
    server.get("/v1/stock/A/ledger").await["items"]
        .as_array()
        .unwrap()
        .len()
}

#[tokio::test]
async fn an_unmapped_order_waits_and_goes_on_by_itself() {
    let setup = Setup::new();
    let mut server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
    let order = shop::order(7, &[("SIX-PACK", 2)]);
    assert_eq!(
        shop::deliver(&server, "orders/create", "event-7", &order).await,
        Some(200)
    );
    worked_off(&server).await;
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
    assert_eq!(
        shop::deliver(&server, "orders/create", "event-8", &order).await,
        Some(200)
    );
    worked_off(&server).await;
    assert_eq!(open_exceptions(&server).await[0]["subject"], "shop/A");
    stock(&server, None, &[("A", 20)]).await;
    support::settled(&server, "shop:8", &["requested"]).await;
    assert_eq!(open_exceptions(&server).await, Vec::<Value>::new());
}

#[tokio::test]
async fn duplicates_and_stale_retries_change_nothing() {
    let setup = Setup::new();
    let server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
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
    let mut sent: u64 = 0;
    for file in files(&dir) {
        let body: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for topic in topics {
            let event = format!("{topic}/{}", file.display());
            let answer = shop::deliver(&server, topic, &event, &body).await;
            assert_eq!(answer, Some(200), "{event}");
            sent += 1;
        }
    }
    worked_off(&server).await;
    assert_eq!(stored(&server).await, sent);
    assert!(sent >= 240, "only {sent} deliveries");
    let named = ["unmapped", "unreadable", "refused"];
    for exception in open_exceptions(&server).await {
        let kind = exception["kind"].as_str().unwrap();
        assert!(named.contains(&kind), "{exception}");
        assert!(
            exception["cause"]
                .as_str()
                .is_some_and(|cause| cause.len() > 20),
            "{exception}"
        );
    }
    assert_eq!(
        support::metric(&server, "crossdock_actor_crashes_total").await,
        0.0
    );
    let verified = setup.crossdock(&["journal", "verify", "--json"]);
    let report: Value = serde_json::from_str(&verified.1).unwrap();
    assert_eq!(
        (&report["deliveries"], &report["sound"]),
        (&json!(sent), &json!(true))
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

/// Waits until every delivery is done or parked.
async fn worked_off(server: &Server) {
    support::until("every delivery is worked off", async || {
        support::metric(server, "crossdock_deliveries_open").await == 0.0
    })
    .await;
}

async fn open_exceptions(server: &Server) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = "/v1/exceptions?state=open&limit=200".to_owned();
    // The read models follow the journal within moments.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    loop {
        let page = server.get(&path).await;
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else {
            return all;
        };
        path = format!("/v1/exceptions?state=open&limit=200&cursor={cursor}");
    }
}
