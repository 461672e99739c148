//! Imports: each line stands by itself.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use crossdock_journal::memory::Fault;
use crossdock_journal::{InboxMark, InboxState};
use crossdock_runtime::testing::{in_time, until};
use serde_json::{Value, json};

use super::{Answer, Server};
use crate::Limits;
use crate::server::router;

impl Server {
    pub(super) async fn import(&self, path: &str, key: &str, kind: &str, body: &str) -> Answer {
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

/// What cannot be imported is told by a preview, line by line, in the words of the import.
#[tokio::test]
async fn a_preview_refuses_what_the_import_refuses() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let shop = serde_json::json!({"connector": "shopify", "sale": "already_sold"});
    server.put("/v1/channels/shop", &shop).await;
    let cases = [
        (
            "locations",
            "location,name,time_zone,country\nok,Ok,UTC,US\nbad,Bad,Mars/Olympus,US\nok,Again,UTC,US\n",
            vec![3, 4],
        ),
        (
            "listings?channel=shop",
            "listing,sku,multiplier\n1,A-1,1\n2,A-1,0\n3,NOBODY,1\n",
            vec![3, 4],
        ),
        (
            "stock",
            "sku,location,on_hand\nA-1,reno,4\nNOBODY,reno,4\nA-1,mars,4\nA-1,reno,5\n",
            vec![3, 4, 5],
        ),
        (
            "skus",
            "sku,tracking,components\nK-1,kit,K-2:1;A-1:1\nK-2,tracked,\nK-3,kit,NOBODY:1\nK-4,kit,K-4:1\nK-2,,\n",
            vec![4, 5, 6],
        ),
    ];
    for (number, (path, body, bad)) in cases.into_iter().enumerate() {
        let mark = if path.contains('?') { '&' } else { '?' };
        let preview = format!("{path}{mark}preview=true");
        let lines = async |path: &str, key: String| {
            let done = server.import(path, &key, "text/csv", body).await.json();
            assert_eq!(done["state"], "done", "{path}: {done}");
            let errors = done["errors"].as_array().unwrap().clone();
            assert_eq!(done["bad"], errors.len(), "{done}");
            errors
        };
        let told = lines(&preview, format!("p{number}")).await;
        let numbers: Vec<u64> = told
            .iter()
            .map(|error| error["line"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, bad, "{path}: {told:?}");
        assert_eq!(lines(path, format!("i{number}")).await, told, "{path}");
    }
    assert_eq!(server.get("/v1/stock/NOBODY").await.code(), "not_found");
    assert_eq!(
        server.get("/v1/stock/A-1").await.json()["locations"][0]["on_hand"],
        4
    );
}

#[tokio::test]
async fn a_key_imports_one_file() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let file = |units: u32| format!("sku,location,on_hand\nA-1,reno,{units}\n");
    let done = server
        .import("stock", "k", "text/csv", &file(5))
        .await
        .json();
    let again = server
        .import("stock", "k", "text/csv", &file(5))
        .await
        .json();
    assert_eq!((&again, &done["imported"]), (&done, &1.into()));
    for (path, body) in [
        ("stock", file(7)),
        ("stock?preview=true", file(5)),
        ("skus", file(5)),
    ] {
        let other = server.import(path, "k", "text/csv", &body).await;
        assert_eq!(
            other.code(),
            "idempotency_conflict",
            "{path}: {}",
            other.text
        );
    }
    assert_eq!(server.get("/v1/stock/A-1").await.json()["ats"], 5);
}

/// Whoever begins an import may go, at once or in the midst of it: it goes on, and tells how far it is.
#[tokio::test]
async fn an_import_goes_on_without_its_caller() {
    let server = Server::start().await;
    let lines: String = (0..500)
        .map(|number| format!("S-{number},tracked\n"))
        .collect();
    let file = format!("sku,tracking\n{lines}");
    let begun = server
        .import("skus?wait=false", "k", "text/csv", &file)
        .await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{}", begun.text);
    let other = format!("sku,tracking\n{}", lines.replace("S-", "T-"));
    let gone = server.import("skus", "gone", "text/csv", &other);
    let gone = tokio::time::timeout(std::time::Duration::from_millis(1), gone).await;
    assert!(gone.is_err(), "it was too quick to be left");
    let id = begun.json()["import"].as_str().unwrap().to_owned();
    let is_done = |now: &Value| {
        assert_eq!(
            (&now["lines"], &now["bad"]),
            (&500.into(), &0.into()),
            "{now}"
        );
        now["state"] == "done"
    };
    let done = server.shows(&format!("/v1/imports/{id}"), is_done).await;
    assert_eq!(done["imported"], 500, "{done}");
    // A repeat finds the one that was left, and waits for its end.
    let found = server
        .import("skus", "gone", "text/csv", &other)
        .await
        .json();
    assert_eq!(
        (&found["state"], &found["imported"]),
        (&"done".into(), &500.into()),
        "{found}"
    );
    assert_eq!(server.get("/v1/stock/T-499").await.status, StatusCode::OK);
}

/// What waited for something in a file is worked on. Where nothing waits, the journal is not asked line by line.
#[tokio::test]
async fn what_waited_for_an_import_is_put_to_work() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let shop = json!({"connector": "shopify", "sale": "already_sold"});
    server.put("/v1/channels/shop", &shop).await;
    let lines = 1_100;
    let skus: String = (0..lines).map(|id| format!("S-{id}\n")).collect();
    let listings: String = (0..lines).map(|id| format!("{id},A-1\n")).collect();
    let cases = [
        ("skus", format!("sku\n{skus}"), "shop/S-1050"),
        (
            "listings?channel=shop",
            format!("listing,sku\n{listings}"),
            "shop/3",
        ),
    ];
    for (number, (path, file, parked_on)) in cases.into_iter().enumerate() {
        let import = async |key: String| {
            let before = server.journal.parked_reads();
            let done = server.import(path, &key, "text/csv", &file).await.json();
            assert_eq!(done["imported"], lines, "{done}");
            server.journal.parked_reads() - before
        };
        assert_eq!(import(format!("first-{number}")).await, 0, "nothing waits");
        let id = server.parked("shop", parked_on).await;
        import(format!("again-{number}")).await;
        let resumed = in_time("it is worked on", server.handle.next_delivery()).await;
        assert_eq!(resumed.delivery.id, id, "{path}");
        server.handle.release_delivery(&id);
        let done = InboxMark {
            id,
            state: InboxState::Done,
            parked_on: None,
            subject: None,
        };
        server.handle.mark_delivery(done).await.unwrap();
    }
}

/// A line that meets a full disk is not bad: it is tried again, and what is left at last is done under the same key.
#[tokio::test]
async fn lines_that_could_not_be_done_are_left_for_a_repeat() {
    let mut server = Server::start().await;
    server.stocked("A-1", 1).await;
    // Patient for longer than the disk is full, or not at all: how it ends at first.
    for (patience_ms, key, state, imported) in
        [(10_000, "patient", "done", 1), (0, "hasty", "stopped", 0)]
    {
        let file = format!("sku,location,on_hand\nA-1,{key},7\nNOBODY,{key},7\n");
        let import = async |server: &Server| {
            let done = server.import("stock", key, "text/csv", &file).await.json();
            let named = done["errors"].as_array().unwrap().iter();
            let named: Vec<Value> = named.map(|error| error["line"].clone()).collect();
            (done["state"].clone(), done["imported"].clone(), named)
        };
        // So that the key is claimed, and the line is the next to write.
        assert_eq!(
            import(&server).await,
            (json!("done"), json!(0), vec![json!(2), json!(3)])
        );
        let place = json!({"name": key, "time_zone": "UTC", "country": "US"});
        server.put(&format!("/v1/locations/{key}"), &place).await;
        server.router = router(server.state(Limits {
            import_patience: Duration::from_millis(patience_ms),
            ..Limits::default()
        }));
        server.settled_commits().await;
        server.journal.inject(Fault::Full);
        let first = import(&server).await;
        assert_eq!((&first.0, &first.1), (&json!(state), &json!(imported)));
        assert_eq!(
            first.2.contains(&json!(2)),
            imported == 0,
            "{key}: {first:?}"
        );
        let is_done = async || {
            let done = server.import("stock", key, "text/csv", &file).await;
            done.json()["state"] == "done"
        };
        until("the rest is done", is_done).await;
        let again = import(&server).await;
        assert_eq!(again, (json!("done"), json!(1), vec![json!(3)]), "{key}");
    }
}
