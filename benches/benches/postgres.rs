//! The usual codings on Postgres, on the same cores in the same run: one conditional statement, and a row lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use crate::database::Server;
use crate::report::{Report, median};

const CLIENTS: usize = 64;
const RUN: Duration = Duration::from_secs(3);

/// Reservations a second of the best coding on one row and on 10,000 rows; none without Postgres.
#[derive(Default)]
pub struct Peer {
    pub hot: Option<f64>,
    pub spread: Option<f64>,
}

const SCHEMA: &str = "
    DROP TABLE IF EXISTS reservation; DROP TABLE IF EXISTS stock;
    CREATE TABLE stock (sku int PRIMARY KEY, available bigint NOT NULL);
    CREATE TABLE reservation (id bigserial PRIMARY KEY, sku int NOT NULL, units int NOT NULL);
    INSERT INTO stock SELECT n, 1000000000 FROM generate_series(0, 9999) n;
    ANALYZE stock;";

const CONDITIONAL: &str = "WITH taken AS (UPDATE stock SET available = available - 1
    WHERE sku = $1 AND available >= 1 RETURNING sku)
    INSERT INTO reservation (sku, units) SELECT sku, 1 FROM taken";

#[derive(Clone, Copy)]
enum Coding {
    Conditional,
    RowLock,
}

pub fn run(report: &mut Report) -> Peer {
    let Some(server) = Server::start() else {
        eprintln!("skipped: no Postgres here (apt-get install postgresql)");
        return Peer::default();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let measure = |skus: i32, coding: Coding| {
        median(|| runtime.block_on(reservations(&server.url(), skus, coding)))
    };
    let (hot, hot_lock) = (measure(1, Coding::Conditional), measure(1, Coding::RowLock));
    let (spread, spread_lock) = (
        measure(10_000, Coding::Conditional),
        measure(10_000, Coding::RowLock),
    );
    let unit = "reservations/s";
    report.add("Postgres, conditional UPDATE, one SKU", hot, unit, None);
    report.add("Postgres, SELECT FOR UPDATE, one SKU", hot_lock, unit, None);
    report.add(
        "Postgres, conditional UPDATE, 10,000 SKUs",
        spread,
        unit,
        None,
    );
    report.add(
        "Postgres, SELECT FOR UPDATE, 10,000 SKUs",
        spread_lock,
        unit,
        None,
    );
    Peer {
        hot: Some(hot.max(hot_lock)),
        spread: Some(spread.max(spread_lock)),
    }
}

async fn reservations(url: &str, skus: i32, coding: Coding) -> f64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let watched = tokio::spawn(connection);
    client.batch_execute(SCHEMA).await.unwrap();
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + RUN;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..CLIENTS {
        let (url, done) = (url.to_owned(), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            tokio::spawn(connection);
            let mut at = number as i32 * 7919;
            while Instant::now() < until {
                at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
                reserve(&mut client, at % skus, coding).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    drop(client);
    watched.await.unwrap().unwrap();
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

async fn reserve(client: &mut tokio_postgres::Client, sku: i32, coding: Coding) {
    match coding {
        Coding::Conditional => drop(client.execute(CONDITIONAL, &[&sku]).await.unwrap()),
        Coding::RowLock => {
            let work = client.transaction().await.unwrap();
            let lock = "SELECT available FROM stock WHERE sku = $1 FOR UPDATE";
            let available: i64 = work.query_one(lock, &[&sku]).await.unwrap().get(0);
            assert!(available >= 1);
            work.execute(
                "UPDATE stock SET available = available - 1 WHERE sku = $1",
                &[&sku],
            )
            .await
            .unwrap();
            work.execute(
                "INSERT INTO reservation (sku, units) VALUES ($1, 1)",
                &[&sku],
            )
            .await
            .unwrap();
            work.commit().await.unwrap();
        }
    }
}
