//! Erasing a buyer, and copies: what is gone is gone, and what was kept comes back.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossdock_journal::{MasterKey, SqliteJournal, SqliteOptions};
use crossdock_model::Timestamp;
use serde_json::{Value, json};
use support::{Door, Setup, shop, stock};

/// Names that nothing else in a data directory contains.
const NAMES: [&str; 2] = ["Grimmelshausen", "Simplicissimus"];

/// Two buyers; one is erased. What is left of the data directory, decoded with every key that is left, must not
/// hold her name; it must hold the other one's, or the search finds nothing.
#[tokio::test]
async fn an_erased_buyer_is_in_no_file_and_comes_back_from_no_backup() {
    let mut setup = Setup::new();
    // Sealed log is searched too.
    setup.hot_days = 0;
    let mut server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
    for (name, number) in NAMES.into_iter().zip(1..) {
        let mut order = shop::order(number, &[("A", 1)]);
        order["shipping_address"]["last_name"] = json!(name);
        order["shipping_address"]["name"] = json!(format!("Ada {name}"));
        order["customer"]["last_name"] = json!(name);
        let event = format!("event-{number}");
        assert_eq!(
            shop::deliver(&server, "orders/create", &event, &order).await,
            Some(200)
        );
        support::settled(&server, &format!("shop:{number}"), &["requested"]).await;
    }
    let (backup, restored) = (
        setup.dir.path().join("backup"),
        setup.dir.path().join("restored"),
    );
    let (from, to) = (backup.to_str().unwrap(), restored.to_str().unwrap());
    run(&setup, &["journal", "backup", "--to", from]);
    server.kill();
    assert_eq!(in_the_clear(&setup.data()), Vec::<String>::new());
    assert_eq!(
        readable(&setup.data()),
        NAMES,
        "the search must find both before"
    );

    server = setup.start().await;
    run(&setup, &["erase", "shop:1"]);
    assert!(server.get("/v1/orders/shop:1").await["buyer"].is_null());
    assert!(!server.get("/v1/orders/shop:2").await["buyer"].is_null());
    server.kill();
    assert_eq!(in_the_clear(&setup.data()), Vec::<String>::new());
    assert_eq!(in_the_clear(&backup), Vec::<String>::new());
    assert_eq!(readable(&setup.data()), NAMES[1..]);

    let erasures = setup.data().join("erasures.log");
    let erasures = erasures.to_str().unwrap();
    run(
        &setup,
        &[
            "journal",
            "restore",
            "--from",
            from,
            "--to",
            to,
            "--erasures",
            erasures,
        ],
    );
    std::fs::copy(setup.data().join("master.key"), restored.join("master.key")).unwrap();
    assert_eq!(readable(&restored), NAMES[1..]);
}

/// A copy taken while orders come in restores, verifies, and serves what was acknowledged before it was taken.
#[tokio::test]
async fn a_copy_taken_under_load_restores_and_verifies() {
    let mut setup = Setup::new();
    let mut server = setup.start().await;
    stock(&server, None, &[("A", 1_000_000)]).await;
    let (next, stop) = (
        Arc::new(AtomicU64::new(1)),
        Arc::new(AtomicBool::new(false)),
    );
    let load = tokio::spawn(load(server.door(), Arc::clone(&next), Arc::clone(&stop)));
    support::until("orders come in", async || next.load(Ordering::Relaxed) > 50).await;
    let acknowledged = next.load(Ordering::Relaxed) - 1;
    let (backup, restored) = (
        setup.dir.path().join("backup"),
        setup.dir.path().join("restored"),
    );
    let (from, to) = (backup.to_str().unwrap(), restored.to_str().unwrap());
    run(&setup, &["journal", "backup", "--to", from]);
    let behind = next.load(Ordering::Relaxed);
    support::until("more orders come in", async || {
        next.load(Ordering::Relaxed) > behind + 20
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    server.kill();

    run(&setup, &["journal", "restore", "--from", from, "--to", to]);
    let verified: Value =
        serde_json::from_str(&run(&setup, &["journal", "verify", "--json", "--data", to])).unwrap();
    assert_eq!(verified["sound"], true, "{verified}");
    std::fs::copy(setup.data().join("master.key"), restored.join("master.key")).unwrap();
    std::fs::copy(setup.data().join("admin.key"), restored.join("admin.key")).unwrap();
    setup.data_name = "restored";
    let server = setup.start().await;
    for number in 1..=acknowledged {
        support::settled(&server, &format!("shop:{number}"), &["requested"]).await;
    }
    let (status, _) = server
        .call(
            "GET",
            &format!("/v1/orders/shop:{}", next.load(Ordering::Relaxed)),
            None,
        )
        .await;
    assert_eq!(status, 404, "what came after the copy is not in it");
}

/// Places one order after the other.
async fn load(door: Door, next: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let number = next.load(Ordering::Relaxed);
        let order = shop::order(number, &[("A", 1)]);
        let event = format!("event-{number}");
        assert_eq!(
            shop::deliver(&door, "orders/create", &event, &order).await,
            Some(200)
        );
        next.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a command that must succeed; its standard output.
fn run(setup: &Setup, arguments: &[&str]) -> String {
    let (code, said, error) = setup.crossdock(arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}{error}");
    said
}

/// Which names the rows of a journal hold, decoded with every key that is left.
fn readable(data: &Path) -> Vec<&'static str> {
    let master = MasterKey::load_or_create(&data.join("master.key")).unwrap();
    let journal =
        SqliteJournal::open(data, SqliteOptions::new(master), Timestamp::from_ms(0)).unwrap();
    let rows = journal.dump_rows().unwrap();
    let holds = |name: &&str| rows.iter().any(|row| row.contains(*name));
    NAMES.into_iter().filter(holds).collect()
}

/// Files that hold a name as it is written, in whatever folder: there must never be one.
fn in_the_clear(data: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(in_the_clear(&entry.path()));
            continue;
        }
        let bytes = std::fs::read(entry.path()).unwrap();
        let holds = |name: &str| {
            bytes
                .windows(name.len())
                .any(|part| part == name.as_bytes())
        };
        if NAMES.into_iter().any(holds) {
            found.push(entry.path().display().to_string());
        }
    }
    found
}
