//! The three usual codings on a plain Postgres schema, each order in one transaction.

use std::sync::Mutex;

use tokio::sync::Semaphore;
use tokio_postgres::{Client, Error, NoTls, Transaction};

use super::shop::{Line, Order, Store};
use crate::database::Server;

/// Connections of the shop.
const CONNECTIONS: usize = 32;

const SCHEMA: &str = "
    CREATE TABLE stock (sku text PRIMARY KEY, available int NOT NULL);
    CREATE TABLE orders (id text PRIMARY KEY);
    CREATE TABLE order_lines (order_id text REFERENCES orders, sku text NOT NULL, units int NOT NULL);";

/// How a unit is taken.
#[derive(Debug, Clone, Copy)]
pub enum Coding {
    ReadThenWrite,
    Conditional,
    RowLock,
}

impl Coding {
    pub const ALL: [Self; 3] = [Self::ReadThenWrite, Self::Conditional, Self::RowLock];

    fn name(self) -> &'static str {
        match self {
            Self::ReadThenWrite => "read, then write",
            Self::Conditional => "UPDATE … WHERE available >= n",
            Self::RowLock => "SELECT … FOR UPDATE",
        }
    }

    /// Whether there were enough.
    async fn take(self, work: &Transaction<'_>, line: &Line) -> Result<bool, Error> {
        if let Self::Conditional = self {
            let update =
                "UPDATE stock SET available = available - $2 WHERE sku = $1 AND available >= $2";
            return Ok(work.execute(update, &[&line.sku, &line.units]).await? == 1);
        }
        let read = match self {
            Self::RowLock => "SELECT available FROM stock WHERE sku = $1 FOR UPDATE",
            Self::ReadThenWrite | Self::Conditional => "SELECT available FROM stock WHERE sku = $1",
        };
        let available: i32 = work.query_one(read, &[&line.sku]).await?.get(0);
        if available < line.units {
            return Ok(false);
        }
        let write = "UPDATE stock SET available = $2 WHERE sku = $1";
        let left = available - line.units;
        work.execute(write, &[&line.sku, &left]).await?;
        Ok(true)
    }
}

/// A database of the run's own, and a coding on it.
pub struct Postgres {
    idle: Mutex<Vec<Client>>,
    /// As many as there are idle connections.
    free: Semaphore,
    version: String,
    coding: Coding,
    _server: Server,
}

impl Postgres {
    pub async fn start(coding: Coding) -> Option<Self> {
        let server = Server::start()?;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            let connected = tokio_postgres::connect(&server.url(), NoTls).await;
            let (client, connection) = connected.unwrap();
            tokio::spawn(connection);
            idle.push(client);
        }
        idle[0].batch_execute(SCHEMA).await.unwrap();
        let row = idle[0].query_one("SHOW server_version", &[]).await;
        let version: String = row.unwrap().get(0);
        Some(Self {
            idle: Mutex::new(idle),
            free: Semaphore::new(CONNECTIONS),
            version: version.split(' ').next().unwrap_or_default().to_owned(),
            coding,
            _server: server,
        })
    }

    /// Works on a connection as soon as one is free.
    async fn on_connection<T>(&self, work: impl AsyncFnOnce(&mut Client) -> T) -> T {
        let _free = self.free.acquire().await.unwrap();
        let mut client = self.idle.lock().unwrap().pop().unwrap();
        let done = work(&mut client).await;
        self.idle.lock().unwrap().push(client);
        done
    }

    async fn place(&self, client: &mut Client, order: &Order) -> Result<bool, Error> {
        let work = client.transaction().await?;
        let id = &order.external_id;
        let insert = "INSERT INTO orders VALUES ($1)";
        work.execute(insert, &[id]).await?;
        for line in &order.lines {
            if !self.coding.take(&work, line).await? {
                work.rollback().await?;
                return Ok(false);
            }
            let insert = "INSERT INTO order_lines VALUES ($1, $2, $3)";
            work.execute(insert, &[id, &line.sku, &line.units]).await?;
        }
        work.commit().await?;
        Ok(true)
    }
}

impl Store for Postgres {
    fn name(&self) -> String {
        format!("Postgres {}, {}", self.version, self.coding.name())
    }

    async fn stock(&self, skus: &[String], units: u32) {
        let units = i32::try_from(units).unwrap();
        for sku in skus {
            let insert = "INSERT INTO stock VALUES ($1, $2)";
            let work = async |client: &mut Client| client.execute(insert, &[sku, &units]).await;
            self.on_connection(work).await.unwrap();
        }
    }

    async fn sell(&self, order: &Order) -> Result<bool, String> {
        let work = async |client: &mut Client| self.place(client, order).await;
        let sold = self.on_connection(work).await;
        sold.map_err(|error| match error.as_db_error() {
            Some(said) => said.message().to_owned(),
            None => error.to_string(),
        })
    }
}
