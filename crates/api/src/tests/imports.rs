//! Imports: each line stands by itself.

use axum::http::{Method, StatusCode};

use super::{Answer, Server};

impl Server {
    async fn import(&self, path: &str, key: &str, kind: &str, body: &str) -> Answer {
        let call = self.call(Method::POST, &format!("/v1/imports/{path}"));
        let call = call.header("Content-Type", kind).idempotency(key);
        call.bytes(body.as_bytes()).send().await
    }
}

#[tokio::test]
async fn bad_lines_are_told_by_number_and_good_ones_taken() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let csv = "sku,title,tracking,components\nB-1,Bee,tracked,\nC-1,Sea,sometimes,\nK-1,Kit,kit,A-1:1;B-1:2\n,None,,\n";
    let done = server.import("skus", "i1", "text/csv", csv).await.json();
    assert_eq!(
        (&done["imported"], &done["state"]),
        (&2.into(), &"done".into()),
        "{done}"
    );
    let lines: Vec<u64> = done["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [3, 5], "{done}");
    let kit = server.get("/v1/stock/K-1").await.json();
    assert_eq!(kit["components"][1]["units_per_kit"], 2);

    let stock = "sku,location,on_hand,safety\nB-1,reno,40,5\nB-1,mars,1,\n";
    let done = server.import("stock", "i2", "text/csv", stock).await.json();
    assert_eq!(
        (&done["imported"], &done["errors"][0]["line"]),
        (&1.into(), &3.into()),
        "{done}"
    );
    let stock = server.get("/v1/stock/B-1").await.json();
    assert_eq!(
        (&stock["locations"][0]["on_hand"], &stock["ats"]),
        (&40.into(), &35.into())
    );
    let id = done["import"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/imports/{id}")).await.json(), done);
}

#[tokio::test]
async fn a_preview_changes_nothing() {
    let server = Server::start().await;
    let line = r#"{"location":"reno","name":"Reno","time_zone":"UTC","country":"US","closed_weekdays":[6,7]}"#;
    let body = format!("{line}\n\n{{\"location\":\n");
    let path = "locations?preview=true";
    let done = server
        .import(path, "p", "application/x-ndjson", &body)
        .await
        .json();
    assert_eq!(
        (&done["imported"], &done["errors"][0]["line"]),
        (&1.into(), &3.into()),
        "{done}"
    );
    assert_eq!(
        server.get("/v1/locations/reno").await.status,
        StatusCode::NOT_FOUND
    );
    let done = server
        .import("locations", "q", "application/x-ndjson", &body)
        .await
        .json();
    assert_eq!(done["imported"], 1, "{done}");
    assert_eq!(
        server.get("/v1/locations/reno").await.json()["closed_weekdays"][1],
        7
    );
    let unknown = server.import("colours", "r", "text/csv", "a\n").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let listings = server
        .import("listings", "s", "text/csv", "listing,sku\n")
        .await;
    assert_eq!(listings.code(), "invalid");
}
