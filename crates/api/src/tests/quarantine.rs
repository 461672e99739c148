//! What is put aside, over HTTP: it may come again, or stays refused.

use crossdock_model::Command;
use crossdock_model::command::SkuCommand;
use crossdock_runtime::Options;
use crossdock_runtime::testing::until;
use serde_json::{Value, json};

use super::Server;

/// A server at which an adjustment by 13 crashes its SKU, and has been put aside for it.
pub(super) async fn with_a_command_aside() -> Server {
    let mut options = Options::new(1);
    options.crash_on = Some(|_, command| {
        let thirteen =
            |command: &SkuCommand| matches!(command, SkuCommand::Adjust { delta: 13, .. });
        matches!(command, Command::Sku(command) if thirteen(command))
    });
    let server = Server::start_with(options).await;
    server.stocked("A-1", 2).await;
    until("it is put aside", async || adjust(&server, 13).await == 422).await;
    server
}

/// Under a key of its own each time: the status.
async fn adjust(server: &Server, delta: i64) -> u16 {
    let crashes = server.handle.metrics().crashes.get();
    let key = format!("adjust-{delta}-{crashes}");
    let body = json!({"location": "reno", "delta": delta, "reason": "test"});
    let path = "/v1/stock/A-1/adjustments";
    server.post(path, &key, &body).await.status.as_u16()
}

async fn decide(server: &Server, verb: &str) -> Value {
    let path = format!("/v1/quarantine/sku:A-1/{verb}");
    let decided = server.post(&path, verb, &json!({})).await;
    assert_eq!(decided.status, 200, "{}", decided.text);
    decided.json()["lifted"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_command_comes_again() {
    let server = with_a_command_aside().await;
    let crashes = server.handle.metrics().crashes.get();
    assert_eq!(decide(&server, "retry").await, 1);
    assert_eq!(server.get("/v1/quarantine/sku:A-1").await.status, 404);
    assert_ne!(adjust(&server, 13).await, 422);
    // The caller is let go a moment before the crash is counted.
    until("the crash is counted", async || {
        server.handle.metrics().crashes.get() > crashes
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_command_stays_refused_and_its_entity_works() {
    let server = with_a_command_aside().await;
    let crashes = server.handle.metrics().crashes.get();
    for (verb, decided, skipped) in [("skip", 1, true), ("skip", 0, true)] {
        assert_eq!(decide(&server, verb).await, decided);
        let mark = server.get("/v1/quarantine/sku:A-1").await.json();
        assert_eq!(mark["skipped"], skipped);
        assert_eq!(adjust(&server, 13).await, 422);
        assert_eq!(adjust(&server, 1).await, 200);
    }
    assert_eq!(server.handle.metrics().crashes.get(), crashes);
    assert_eq!(decide(&server, "retry").await, 1);
    assert_ne!(adjust(&server, 13).await, 422);
}
