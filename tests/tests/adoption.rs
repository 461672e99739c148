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
    let file = ["--file", export.to_str().unwrap()];

    let preview = adopt(&setup, &[&file[..], &["--preview"]].concat());
    assert_eq!(preview["adopted"].as_array().unwrap().len(), 3, "{preview}");
    assert_eq!(server.call("GET", "/v1/orders/shop:1", None).await.0, 404);

    for _ in 0..2 {
        adopt(&setup, &file);
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
    support::worked_off(&server).await;
    for number in 1..=3 {
        let order = server.get(&format!("/v1/orders/shop:{number}")).await;
        assert_eq!(order["status"], "reserved", "{order}");
    }
    assert_eq!(
        warehouse.calls().len(),
        0,
        "nothing is sent before it is released"
    );
    let committed = server.get("/v1/stock/A").await["locations"][0]["committed"].clone();
    assert_eq!(committed, 6);

    let release = ["--release", "name=#2"];
    let preview = adopt(&setup, &[&release[..], &["--preview"]].concat());
    assert_eq!(preview["adopted"].as_array().unwrap().len(), 1, "{preview}");
    for _ in 0..2 {
        adopt(&setup, &release);
    }
    support::settled(&server, "shop:2", &["requested"]).await;
    support::until("the location is told", async || {
        warehouse.calls().len() == 1
    })
    .await;
    assert_eq!(server.get("/v1/orders/shop:1").await["status"], "reserved");
    adopt(&setup, &["--release", "all"]);
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

/// The shop's CSV has no ids of lines, its webhooks do: they are the same lines, and nothing is sent a second time.
#[tokio::test]
async fn orders_of_a_csv_are_sent_once() {
    let warehouse = Listener::start().await;
    let setup = Setup::new();
    let server = setup.start().await;
    let url = format!("http://127.0.0.1:{}/requests", warehouse.port);
    stock(&server, Some(&url), &[("A", 20), ("B", 20)]).await;
    let export = setup.dir.path().join("orders.csv");
    let head = "Name,Id,Currency,Financial Status,Created at,Paid at,Shipping Country,Lineitem quantity,Lineitem name,\
                Lineitem sku,Lineitem fulfillment status";
    let at = "2026-11-01 10:00:00 -0800";
    let csv = format!(
        "{head}\n#1,1,USD,paid,{at},{at},US,2,A,A,pending\n#1,,,,,,,1,B,B,pending\n\
         #2,2,USD,paid,{at},{at},US,1,A,A,pending\n#3,3,USD,paid,{at},{at},US,1,Z,Z,pending\n\
         #4,4,USD,paid,{at},{at},US,1,A,A,fulfilled\n"
    );
    std::fs::write(&export, csv).unwrap();
    // One of them is here already, and on its way.
    let known = shop::order(2, &[("A", 1)]);
    let answer = shop::deliver(&server, "orders/create", "event-2", &known).await;
    assert_eq!(answer, Some(200));
    support::settled(&server, "shop:2", &["requested"]).await;
    let file = ["--file", export.to_str().unwrap()];
    let told = |document: &Value| {
        let adopted = document["adopted"].as_array().unwrap().iter();
        let told =
            adopted.map(|one| format!("{} {}", one["order"], one["action"]).replace('"', ""));
        let errors = document["errors"].as_array().unwrap().iter();
        let errors = errors.map(|one| one["detail"].as_str().unwrap()[..9].to_owned());
        told.chain(errors).collect::<Vec<_>>()
    };
    let left = "shop:2 left: it is here already and was not adopted, or is released";
    let unmapped = "Z of orde";
    let preview = adopt(&setup, &[&file[..], &["--preview"]].concat());
    let would = "shop:1 would be adopted: reserved, not sent";
    let over = |what| format!("shop:4 {what}: nothing of it is left to send");
    let would_be_over = &*over("would be adopted");
    assert_eq!(told(&preview), [would, left, would_be_over, unmapped]);
    // Adopted and released in one go.
    let done = adopt(&setup, &[&file[..], &["--release", "all"]].concat());
    let released = "shop:1 released to fulfilment";
    let adopted = "shop:1 adopted: reserved, not sent";
    let is_over = &*over("adopted");
    assert_eq!(told(&done), [adopted, left, is_over, released, unmapped]);
    support::settled(&server, "shop:1", &["requested"]).await;
    let again = adopt(&setup, &file);
    assert_eq!(told(&again)[0], left.replace("shop:2", "shop:1"));

    let mut stated = shop::order(1, &[("A", 2), ("B", 1)]);
    stated["updated_at"] = json!("2026-11-12T10:00:00-08:00");
    let answer = shop::deliver(&server, "orders/updated", "event-1", &stated).await;
    assert_eq!(answer, Some(200));
    let refund = json!({ "id": 9, "order_id": 1, "refund_line_items": [
        { "id": 1, "line_item_id": 12, "quantity": 1, "restock_type": "cancel" }
    ]});
    let answer = shop::deliver(&server, "refunds/create", "event-9", &refund).await;
    assert_eq!(answer, Some(200));
    support::until("the location is told to stop", async || {
        warehouse.calls().len() == 3
    })
    .await;
    let order = server.get("/v1/orders/shop:1").await;
    assert_eq!(order["requests"].as_array().unwrap().len(), 1, "{order}");
    let stock = server.get("/v1/stock/A").await;
    assert_eq!(stock["locations"][0]["committed"], 3, "{stock}");
}

/// Adopts as the command line does: a failure if some orders could not be.
fn adopt(setup: &Setup, more: &[&str]) -> Value {
    let adopt = ["channel", "adopt", "--channel", "shop", "--json"];
    let from = ["--from", "2026-11-10T00:00:00Z"];
    let (code, said, error) = setup.crossdock(&[&adopt[..], &from, more].concat());
    let document: Value = serde_json::from_str(&said).unwrap();
    let all = document["errors"].as_array().is_some_and(Vec::is_empty);
    assert_eq!(code == 0, all, "{more:?}: {said}{error}");
    document
}
