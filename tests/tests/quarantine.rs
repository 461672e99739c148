//! A server starts whatever single entity cannot be recovered: it is put aside, and the way out is open.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use crossdock_journal::{
    Batch, Checkpoint, Journal, MasterKey, OwnerId, ShardWrite, SqliteJournal, SqliteOptions,
};
use crossdock_model::{EntityId, Timestamp};
use serde_json::Value;
use support::{Setup, stock, until};

/// The checkpoint of an entity becomes rubbish, and a record that it does not cover is behind it.
fn damage(setup: &Setup, entity: &str) {
    let master = MasterKey::load(&setup.data().join("master.key"))
        .unwrap()
        .unwrap();
    let now = Timestamp::from_ms(i64::MAX / 4);
    let journal = SqliteJournal::open(&setup.data(), SqliteOptions::new(master), now).unwrap();
    let (entity, owner): (EntityId, _) = (entity.parse().unwrap(), OwnerId(99));
    let known = journal.load(&entity).unwrap();
    let version = known.map_or(1, |known| known.version);
    let state = journal.claim(owner, &[entity.shard()]).unwrap().remove(0);
    let mut write = ShardWrite::new(state.shard, state.epoch, owner, state.next_seq);
    let mut log = journal.read(entity.shard(), 0, 1 << 20).unwrap();
    log.retain(|stored| stored.frame.entity == entity);
    write.frames.push(log.remove(0).frame);
    write.checkpoints.push(Checkpoint {
        entity,
        version,
        body: b"rubbish".to_vec(),
        wake_at: None,
        dirty: false,
    });
    let batch = Batch {
        at: now,
        shards: vec![write],
        inbox: Vec::new(),
    };
    assert!(journal.commit(&batch).unwrap().refused.is_empty());
}

fn field<'a>(document: &'a Value, field: &str) -> Vec<&'a str> {
    let items = document["items"].as_array().unwrap();
    items.iter().filter_map(|one| one[field].as_str()).collect()
}

#[tokio::test]
async fn a_server_starts_though_entities_cannot_be_recovered() {
    let setup = Setup::new();
    let mut server = setup.start().await;
    stock(&server, None, &[("A", 5), ("B", 5)]).await;
    let rules = "[[rule]]\nname = \"all\"\nprefer = [{ ranked = [\"reno\"] }]\n";
    let saved = server
        .http
        .put(format!("{}/v1/routing/rules", server.url))
        .bearer_auth(&server.key)
        .header("content-type", "application/toml")
        .body(rules)
        .send();
    assert_eq!(saved.await.unwrap().status(), 200);
    assert_eq!(server.terminate().await, Some(0));
    let damaged = ["channel:shop", "location:reno", "sku:A"];
    for entity in damaged {
        damage(&setup, entity);
    }

    let server = setup.start().await;
    assert_eq!(server.call("GET", "/v1/stock/B", None).await.0, 200);
    let (status, refused) = server.call("GET", "/v1/stock/A", None).await;
    assert_eq!(
        (status, &refused["code"]),
        (503, &Value::from("quarantined"))
    );
    assert_eq!(server.get("/v1/routing/rules").await["version"], 1);
    let marks = server.get("/v1/quarantine").await;
    assert_eq!(field(&marks, "entity"), damaged);
    until("each has its exception", async || {
        let open = server.get("/v1/exceptions").await;
        field(&open, "kind") == ["quarantine"; 3]
    })
    .await;
    let (exit, out, err) = setup.crossdock(&["quarantine", "retry", "sku:A"]);
    assert_eq!(exit, 0, "{out}{err}");
    until("it is tried, and put aside again", async || {
        let (status, _) = server.call("GET", "/v1/stock/A", None).await;
        let marks = server.get("/v1/quarantine").await;
        status == 503 && field(&marks, "entity") == damaged
    })
    .await;
}
