//! Disks that fail, disks that are full, and a second process on the same data.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::collections::BTreeSet;

use crossdock_runtime::testing::comes_true;
use support::{Server, Setup, disk, settled, shop, stock};

#[tokio::test]
async fn a_failed_flush_ends_the_process_and_the_next_start_recovers() {
    let (setup, server) = on_a_shimmed_disk().await;
    let mut server = server;
    let mut stored = BTreeSet::new();
    for number in 1..=20 {
        assert_eq!(place(&server, number).await, Some(200));
        stored.insert(number);
    }
    setup.preload.as_ref().unwrap().behave("sync-eio");
    let answer = place(&server, 21).await;
    assert_ne!(answer, Some(200), "what was not flushed was acknowledged");
    let ended = server.ended().await;
    assert_eq!(
        ended,
        Some(1),
        "the process must end by itself\n{}",
        setup.log_text()
    );
    assert!(
        setup.log_text().contains("this process ends"),
        "{}",
        setup.log_text()
    );

    setup.preload.as_ref().unwrap().behave("ok");
    let server = setup.start().await;
    assert_eq!(place(&server, 21).await, Some(200));
    stored.insert(21);
    all_requested(&server, &stored).await;
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_work_resumes() {
    let (setup, server) = on_a_shimmed_disk().await;
    let disk = setup.preload.as_ref().unwrap();
    disk.behave("full");
    let mut stored = BTreeSet::new();
    let mut number = 0;
    // The journal may still have room in what it has allocated; then it says so.
    let refused = loop {
        number += 1;
        match place(&server, number).await {
            Some(200) => drop(stored.insert(number)),
            answer => break answer,
        }
        assert!(number < 5_000, "the disk never was full");
    };
    assert_eq!(refused, Some(503));
    let (status, _) = server.call("GET", "/readyz", None).await;
    assert_eq!(status, 503);
    let log = setup.log_text();
    assert!(
        log.contains("full"),
        "the log must say what is wrong: {log}"
    );

    disk.behave("ok");
    let resumes = comes_true(async || place(&server, number).await == Some(200)).await;
    assert!(resumes, "work never resumed\n{}", setup.log_text());
    stored.insert(number);
    all_requested(&server, &stored).await;
}

/// It cannot take its data over without writing: it says so and ends, for its supervisor to try again.
#[tokio::test]
async fn a_start_on_a_full_disk_says_so_and_loses_nothing() {
    let (setup, mut server) = on_a_shimmed_disk().await;
    let stored: BTreeSet<u64> = (1..=3).collect();
    for number in &stored {
        assert_eq!(place(&server, *number).await, Some(200));
    }
    let disk = setup.preload.as_ref().unwrap();
    disk.behave("full");
    server.kill();
    let refused = setup.try_start().await.err().unwrap();
    assert!(refused.contains("disk is full"), "{refused}");
    disk.behave("ok");
    all_requested(&setup.start().await, &stored).await;
}

#[tokio::test]
async fn a_second_process_on_the_same_data_is_refused() {
    let mut setup = Setup::new();
    let server = setup.start().await;
    setup.port = support::free_port();
    let mut second = setup.spawn();
    let status = second.wait().unwrap();
    assert!(!status.success());
    let log = setup.log_text();
    assert!(
        log.contains("in use"),
        "the second process must say why it ends: {log}"
    );
    assert_eq!(
        server.get("/v1/orders").await["items"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

async fn on_a_shimmed_disk() -> (Setup, Server) {
    let mut setup = Setup::new();
    setup.preload = Some(disk::Shim::build(setup.dir.path()));
    let server = setup.start().await;
    stock(&server, None, &[("A", 1_000_000)]).await;
    (setup, server)
}

async fn place(server: &Server, number: u64) -> Option<u16> {
    let order = shop::order(number, &[("A", 1)]);
    shop::deliver(server, "orders/create", &format!("event-{number}"), &order).await
}

async fn all_requested(server: &Server, numbers: &BTreeSet<u64>) {
    for number in numbers {
        settled(server, &format!("shop:{number}"), &["requested"]).await;
    }
    let committed = server.get("/v1/stock/A").await["locations"][0]["committed"].clone();
    assert_eq!(committed, numbers.len());
}
