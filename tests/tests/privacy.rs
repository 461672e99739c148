//! Erasing a buyer, and copies: what is gone is gone, and what was kept comes back.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossdock_journal::{MasterKey, SqliteJournal, SqliteOptions};
use crossdock_model::Timestamp;
use serde_json::{Value, json};
use support::{Door, Setup, shop, stock};

/// Names that nothing else in a data directory contains.
const NAMES: [&str; 2] = ["Grimmelshausen", "Simplicissimus"];
/// Enough to tell sealed bytes from others by; short, that what fills up or spans pages is found.
const STRETCH_BYTES: usize = 16;

/// Two buyers; one is erased. What is left of the data directory, decoded with every key that is left, must not
/// hold her name; it must hold the other one's, or the search finds nothing. Nor may what was stored of her under a
/// key be in any file still, log and free pages included.
#[tokio::test]
async fn an_erased_buyer_is_in_no_file_and_comes_back_from_no_backup() {
    let mut setup = Setup::new();
    // Sealed log is searched too.
    setup.hot_days = 0;
    let mut server = setup.start().await;
    stock(&server, None, &[("A", 20)]).await;
    for (name, number) in NAMES.into_iter().zip(1..) {
        buys(&server, name, number).await;
    }
    let backup = setup.dir.path().join("backup");
    run(
        &setup,
        &["journal", "backup", "--to", backup.to_str().unwrap()],
    );
    let before = restored(&setup, "before", None);
    assert_eq!(in_the_clear(&setup.data()), Vec::<String>::new());
    assert_eq!(readable(&before), NAMES, "the search must find both before");
    let [hers, his] = [1, 2].map(|number| sealed_of(&before, number));
    let left = |data: &Path| left(data, [&hers, &his]);
    // A row of the vault, its key, a delivery.
    assert_eq!([hers.len(), his.len()], [3, 3]);
    assert_eq!(left(&setup.data()), [3, 3], "the search must find all");

    run(&setup, &["erase", "shop:1"]);
    assert_eq!(left(&setup.data()), [0, 3], "while the server runs");
    assert!(server.get("/v1/orders/shop:1").await["buyer"].is_null());
    assert!(!server.get("/v1/orders/shop:2").await["buyer"].is_null());
    server.kill();
    assert_eq!(left(&setup.data()), [0, 3], "after a kill");
    assert_eq!(in_the_clear(&setup.data()), Vec::<String>::new());
    assert_eq!(in_the_clear(&backup), Vec::<String>::new());
    assert_eq!(readable(&setup.data()), NAMES[1..]);

    let erasures = setup.data().join("erasures.log");
    let after = restored(&setup, "after", Some(&erasures));
    assert_eq!(readable(&after), NAMES[1..]);
    assert_eq!(left(&after), [0, 3]);
}

/// A buyer's order that is stored and worked on.
async fn buys(server: &Door, name: &str, number: u64) {
    let mut order = shop::order(number, &[("A", 1)]);
    order["shipping_address"]["last_name"] = json!(name);
    order["shipping_address"]["name"] = json!(format!("Ada {name}"));
    order["customer"]["last_name"] = json!(name);
    let event = format!("event-{number}");
    assert_eq!(
        shop::deliver(server, "orders/create", &event, &order).await,
        Some(200)
    );
    support::settled(server, &format!("shop:{number}"), &["requested"]).await;
    let delivery = format!("/v1/channels/shop/deliveries/orders%2Fcreate%2F{event}");
    support::until("its delivery is done", async || {
        server.get(&delivery).await["state"] == "done"
    })
    .await;
}

/// The backup restored into a folder of this name, with its key.
fn restored(setup: &Setup, name: &str, erasures: Option<&Path>) -> PathBuf {
    let [from, to] = ["backup", name].map(|name| setup.dir.path().join(name));
    let mut arguments = vec!["journal", "restore", "--from", from.to_str().unwrap()];
    arguments.extend(["--to", to.to_str().unwrap()]);
    if let Some(erasures) = erasures {
        arguments.extend(["--erasures", erasures.to_str().unwrap()]);
    }
    run(setup, &arguments);
    std::fs::copy(setup.data().join("master.key"), to.join("master.key")).unwrap();
    to
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

fn opened(data: &Path) -> SqliteJournal {
    let master = MasterKey::load(&data.join("master.key")).unwrap().unwrap();
    SqliteJournal::open(data, SqliteOptions::new(master), Timestamp::from_ms(0)).unwrap()
}

/// Which names the rows of a journal, and of insight beside it, hold, decoded with every key that is left.
fn readable(data: &Path) -> Vec<&'static str> {
    let mut rows = opened(data).dump_rows().unwrap();
    let insight = data.join("insight.sqlite");
    if insight.exists() {
        let told = SqliteJournal::dump_database(&insight).unwrap();
        assert!(told.iter().any(|row| row.contains("shop:2")));
        rows.extend(told);
    }
    let holds = |name: &&str| rows.iter().any(|row| row.contains(*name));
    NAMES.into_iter().filter(holds).collect()
}

/// What is stored of an order's buyer, as the disk has it.
fn sealed_of(data: &Path, number: u64) -> Vec<Vec<u8>> {
    opened(data)
        .sealed_of(&format!("order:shop:{number}"))
        .unwrap()
}

/// How many of these sealed things have any stretch left in a file of a folder.
fn left<const N: usize>(data: &Path, sealed: [&[Vec<u8>]; N]) -> [usize; N] {
    let mut stretches = HashMap::new();
    let mut starts = HashSet::new();
    for (whose, parts) in sealed.iter().enumerate() {
        for (part, bytes) in parts.iter().enumerate() {
            for stretch in bytes.chunks_exact(STRETCH_BYTES) {
                stretches.insert(stretch, (whose, part));
                starts.insert(stretch[0]);
            }
        }
    }
    let starts: [bool; 256] = std::array::from_fn(|byte| starts.contains(&(byte as u8)));
    let mut found = HashSet::new();
    for file in files(data) {
        // A file may go while the server works.
        let bytes = std::fs::read(file).unwrap_or_default();
        let parts = bytes.windows(STRETCH_BYTES);
        let parts = parts.filter(|part| starts[usize::from(part[0])]);
        found.extend(parts.filter_map(|part| stretches.get(part)));
    }
    std::array::from_fn(|whose| found.iter().filter(|(of, _)| *of == whose).count())
}

/// All files in whatever folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let found = entries.map(|entry| match entry.path().is_dir() {
        true => files(&entry.path()),
        false => vec![entry.path()],
    });
    found.flatten().collect()
}

/// Files that hold a name as it is written, in whatever folder: there must never be one.
fn in_the_clear(data: &Path) -> Vec<String> {
    let holds = |file: &&PathBuf| {
        let bytes = std::fs::read(file).unwrap_or_default();
        NAMES.into_iter().any(|name| {
            bytes
                .windows(name.len())
                .any(|part| part == name.as_bytes())
        })
    };
    let files = files(data);
    let found = files.iter().filter(holds);
    found.map(|file| file.display().to_string()).collect()
}
