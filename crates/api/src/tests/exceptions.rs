//! Exceptions over HTTP: whoever holds them, they are noted and resolved in the same way.

use crossdock_model::command::{ChannelCommand, ExceptionCommand};
use crossdock_model::{Command, EntityId};
use serde_json::{Value, json};

use super::Server;

/// The one open exception.
async fn open(server: &Server) -> Value {
    server.catch_up();
    let found = server.get("/v1/exceptions?state=open").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    found["items"][0].clone()
}

/// Notes the one open exception, and resolves it: the status and code of that.
async fn note_and_resolve(server: &Server, kind: &str) -> (u16, Value) {
    let exception = open(server).await;
    assert_eq!(exception["kind"], kind);
    let path = format!("/v1/exceptions/{}", exception["id"]);
    let (notes, note) = (format!("{path}/notes"), json!({"text": "asked Ann"}));
    for _ in 0..2 {
        let noted = server.post(&notes, &notes, &note).await;
        assert_eq!(noted.status, 200, "{}", noted.text);
        assert_eq!(noted.json()["notes"][0]["text"], "asked Ann");
    }
    let shown = open(server).await;
    assert_eq!(shown["notes"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["notes"][0]["text"], "asked Ann");
    let resolve = format!("{path}/resolve");
    let how = json!({"how": "settled"});
    let done = server.post(&resolve, &resolve, &how).await;
    if done.status == 200 {
        server.catch_up();
        let shown = server.get(&path).await.json();
        assert_eq!(shown["how"], "settled");
        assert_eq!(shown["history"][0]["notes"], shown["notes"]);
        let late = server.post(&notes, "late", &note).await;
        assert_eq!(late.status, 404, "{}", late.text);
    }
    (done.status.as_u16(), done.json()["detail"].clone())
}

fn unmapped() -> ExceptionCommand {
    let cause = "It stands for no SKU.".to_owned();
    ExceptionCommand::open("unmapped", "api/40001", cause)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_of_a_channel_is_noted_and_resolved() {
    let server = Server::start().await;
    let unmapped = Command::Channel(ChannelCommand::Exception(unmapped()));
    let channel: EntityId = "channel:api".parse().unwrap();
    let by = super::By::new(super::CredentialId::new("test").unwrap());
    server.handle.ask(channel, unmapped, by).await.unwrap();
    assert_eq!(note_and_resolve(&server, "unmapped").await.0, 200);
}

/// What waits under an exception is given up with it, and not by a call that is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_resolve_gives_nothing_up() {
    let server = Server::start().await;
    let unmapped = Command::Channel(ChannelCommand::Exception(unmapped()));
    let channel: EntityId = "channel:api".parse().unwrap();
    let by = super::By::new(super::CredentialId::new("test").unwrap());
    server.handle.ask(channel, unmapped, by).await.unwrap();
    server.parked("api", "api/40001").await;
    let path = format!("/v1/exceptions/{}", open(&server).await["id"]);
    let note = json!({"text": "asked Ann"});
    server.post(&format!("{path}/notes"), "k", &note).await;
    let (resolve, how) = (format!("{path}/resolve"), json!({"how": "not ours"}));
    let refused = server.post(&resolve, "k", &how).await;
    assert_eq!(refused.code(), "idempotency_conflict", "{}", refused.text);
    let done = server.post(&resolve, "r", &how).await;
    assert_eq!(done.json()["dropped"], 1, "{}", done.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_of_a_sku_is_resolved_once_it_is_over() {
    let server = Server::start().await;
    server.stocked("A-1", 2).await;
    let count = json!({"location": "reno", "counted": 2});
    let counted = server.post("/v1/stock/A-1/counts", "count", &count).await;
    assert_eq!(counted.status, 200, "{}", counted.text);
    assert_eq!(note_and_resolve(&server, "drift").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_ends_by_retry_or_skip_alone() {
    let server = super::quarantine::with_a_command_aside().await;
    let (status, why) = note_and_resolve(&server, "quarantine").await;
    let why = why.as_str().unwrap();
    assert_eq!(status, 409, "{why}");
    assert!(why.contains("retry or skip"), "{why}");
}
