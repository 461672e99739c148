//! Log that checkpoints cover leaves the database for sealed files, and is read there as before.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use crossdock_journal::{Journal, MasterKey, OwnerId, SqliteJournal, SqliteOptions};
use crossdock_model::{ShardId, Timestamp};
use serde_json::Value;
use support::{Server, Setup, settled, shop, stock};

const ORDERS: u64 = 5;

/// SIGTERM, and the end of the process.
fn terminate(mut server: Server) {
    let pid = server.child.id().to_string();
    let told = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(told.unwrap().success());
    server.child.wait().unwrap();
}

#[tokio::test]
async fn a_clean_end_covers_the_log_and_the_next_start_seals_it() {
    let mut setup = Setup::new();
    setup.hot_days = 0;
    let server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
    for number in 1..=ORDERS {
        let order = shop::order(number, &[("A", 1)]);
        let event = format!("event-{number}");
        assert_eq!(
            shop::deliver(&server, "orders/create", &event, &order).await,
            Some(200)
        );
        settled(&server, &format!("shop:{number}"), &["requested"]).await;
    }
    let timeline = server.get("/v1/orders/shop:1").await["timeline"].clone();
    terminate(server);
    {
        let master = MasterKey::load(&setup.data().join("master.key"))
            .unwrap()
            .unwrap();
        let options = SqliteOptions::new(master);
        let journal = SqliteJournal::open(&setup.data(), options, Timestamp::from_ms(0)).unwrap();
        let shards: Vec<ShardId> = ShardId::all().collect();
        let held = Journal::claim(&journal, OwnerId(9), &shards).unwrap();
        let behind: Vec<_> = held
            .iter()
            .filter(|shard| shard.checkpoint_seq + 1 < shard.next_seq)
            .collect();
        assert!(behind.is_empty(), "folded again at start: {behind:?}");
    }
    let server = setup.start().await;
    let segments = setup.data().join("segments");
    support::until("a block is sealed", async || {
        std::fs::read_dir(&segments).is_ok_and(|files| {
            files
                .flatten()
                .any(|file| file.path().extension().is_some_and(|e| e == "segment"))
        })
    })
    .await;
    assert_eq!(server.get("/v1/orders/shop:1").await["timeline"], timeline);
    terminate(server);
    let (code, said, error) = setup.crossdock(&["journal", "verify", "--json"]);
    assert_eq!(code, 0, "{said}{error}");
    let verified: Value = serde_json::from_str(&said).unwrap();
    assert!(verified["segments"].as_u64().unwrap() > 0, "{verified}");
    // Read models made anew fold what only the sealed files have.
    std::fs::remove_file(setup.data().join("insight.sqlite")).unwrap();
    let server = setup.start().await;
    support::until("the timeline is whole again", async || {
        let (_, order) = server.call("GET", "/v1/orders/shop:1", None).await;
        order["timeline"] == timeline
    })
    .await;
}
