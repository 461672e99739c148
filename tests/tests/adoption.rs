//! A shop goes live with open orders: they are reserved, listed, and released by hand. Nothing ships twice.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use serde_json::{Value, json};
use support::listener::Listener;
use support::{Setup, shop, stock};

#[tokio::test]
async fn open_orders_are_reserved_and_sent_only_when_released() {
    let warehouse = Listener::start().await;
    let setup = Setup::new();
    let server = setup.start().await;
    let url = format!("http://127.0.0.1:{}/requests", warehouse.port);
    stock(&server, Some(&url), &[("A", 20)]).await;
    let export = setup.dir.path().join("orders.json");
    let orders: Vec<Value> = (1..=3)
        .map(|number| shop::order(number, &[("A", 2)]))
        .collect();
    std::fs::write(
        &export,
        serde_json::to_vec(&json!({ "orders": orders })).unwrap(),
    )
    .unwrap();
    let adopt = [
        "channel",
        "adopt",
        "--channel",
        "shop",
        "--from",
        "2026-11-10T00:00:00Z",
        "--json",
    ];
    let file = ["--file", export.to_str().unwrap()];

    let preview: Value = run(&setup, &[&adopt[..], &file, &["--preview"]].concat());
    assert_eq!(preview["adopted"].as_array().unwrap().len(), 3, "{preview}");
    assert_eq!(server.call("GET", "/v1/orders/shop:1", None).await.0, 404);

    for _ in 0..2 {
        run(&setup, &[&adopt[..], &file].concat());
    }
    for number in 1..=3 {
        support::settled(&server, &format!("shop:{number}"), &["reserved"]).await;
    }
    // The shop speaks of one of them again: it stays adopted.
    let mut again = shop::order(2, &[("A", 2)]);
    again["updated_at"] = json!("2026-11-02T10:00:01-08:00");
    assert_eq!(
        shop::deliver(&server, "orders/updated", "event-2", &again).await,
        Some(200)
    );
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(
        warehouse.calls().len(),
        0,
        "nothing is sent before it is released"
    );
    let committed = server.get("/v1/stock/A").await["locations"][0]["committed"].clone();
    assert_eq!(committed, 6);

    let release = ["--release", "name=#2"];
    let preview: Value = run(&setup, &[&adopt[..], &release, &["--preview"]].concat());
    assert_eq!(preview["adopted"].as_array().unwrap().len(), 1, "{preview}");
    for _ in 0..2 {
        run(&setup, &[&adopt[..], &release].concat());
    }
    support::settled(&server, "shop:2", &["requested"]).await;
    support::until("the location is told", async || {
        warehouse.calls().len() == 1
    })
    .await;
    assert_eq!(server.get("/v1/orders/shop:1").await["status"], "reserved");
    run(&setup, &[&adopt[..], &["--release", "all"]].concat());
    support::until("all are sent", async || {
        warehouse.requests_per_order().len() == 3
    })
    .await;
    assert!(
        warehouse
            .requests_per_order()
            .values()
            .all(|count| *count == 1)
    );
}

fn run(setup: &Setup, arguments: &[&str]) -> Value {
    let (code, said, error) = setup.crossdock(arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}{error}");
    serde_json::from_str(&said).unwrap()
}
