//! The usual codings on Postgres, on the same cores in the same run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio_postgres::{Client, NoTls, Statement};

use crate::draw::{Draw, Spread};
use crate::reserve::RUN;

/// Clients, each with a connection of its own.
const CLIENTS: usize = 64;

const SCHEMA: &str = "
    DROP TABLE IF EXISTS reservation; DROP TABLE IF EXISTS stock;
    CREATE TABLE stock (sku int PRIMARY KEY, available bigint NOT NULL);
    CREATE TABLE reservation (id bigserial PRIMARY KEY, sku int NOT NULL, units int NOT NULL);
    INSERT INTO stock SELECT n, 1000000000 FROM generate_series(0, 9999) n;
    ANALYZE stock;";

const CONDITIONAL: &str = "WITH taken AS (UPDATE stock SET available = available - 1
    WHERE sku = $1 AND available >= 1 RETURNING sku)
    INSERT INTO reservation (sku, units) SELECT sku, 1 FROM taken";

/// How a unit is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Coding {
    /// What was read may be old when it is written: it oversells.
    ReadThenWrite,
    /// One statement.
    Conditional,
    RowLock,
}

impl Coding {
    pub(crate) const ALL: [Self; 3] = [Self::ReadThenWrite, Self::Conditional, Self::RowLock];

    /// Reservations a second of 64 clients, each of which asks again once it is answered.
    pub(crate) async fn reservations(self, url: &str, spread: &Spread) -> f64 {
        make_tables(url).await;
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let client = Reserving::connect(url, self).await;
            clients.push((client, Draw::new(spread, number)));
        }
        let done = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let mut tasks = Vec::new();
        for (mut client, mut draw) in clients {
            let done = Arc::clone(&done);
            tasks.push(tokio::spawn(async move {
                while started.elapsed() < RUN {
                    client.reserve(draw.sku() as i32).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
    }
}

/// Makes the tables anew.
pub(crate) async fn make_tables(url: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(SCHEMA).await.unwrap();
}

/// A connection that has prepared what it says.
pub(crate) struct Reserving {
    client: Client,
    coding: Coding,
    /// All of it in one statement, or what is read first.
    first: Statement,
    write: Statement,
    insert: Statement,
}

impl Reserving {
    pub(crate) async fn connect(url: &str, coding: Coding) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let first = match coding {
            Coding::Conditional => CONDITIONAL,
            Coding::ReadThenWrite => "SELECT available FROM stock WHERE sku = $1",
            Coding::RowLock => "SELECT available FROM stock WHERE sku = $1 FOR UPDATE",
        };
        let write = "UPDATE stock SET available = $2 WHERE sku = $1";
        let insert = "INSERT INTO reservation (sku, units) VALUES ($1, 1)";
        Self {
            first: client.prepare(first).await.unwrap(),
            write: client.prepare(write).await.unwrap(),
            insert: client.prepare(insert).await.unwrap(),
            client,
            coding,
        }
    }

    pub(crate) async fn reserve(&mut self, sku: i32) {
        if let Coding::Conditional = self.coding {
            let taken = self.client.execute(&self.first, &[&sku]).await;
            assert_eq!(taken.unwrap(), 1);
            return;
        }
        let work = self.client.transaction().await.unwrap();
        let available = work.query_one(&self.first, &[&sku]).await.unwrap();
        let left = available.get::<_, i64>(0) - 1;
        assert!(left >= 0);
        work.execute(&self.write, &[&sku, &left]).await.unwrap();
        work.execute(&self.insert, &[&sku]).await.unwrap();
        work.commit().await.unwrap();
    }
}
