//! Durable reservations in process: 64 clients on one SKU, and on 10,000.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossdock_journal::MasterKey;
use crossdock_journal::sqlite::{SqliteJournal, SqliteOptions};
use crossdock_model::command::SkuCommand;
use crossdock_model::v1::{AttemptId, Sale, Take, Tracking};
use crossdock_model::{Command, CredentialId, EntityId, LocationId, OrderId, SkuId, Timestamp};
use crossdock_runtime::{By, Clock, Handle, Node, Options, RealClock, Unconnected};

use crate::postgres::Peer;
use crate::report::{Report, median};

const RUN: Duration = Duration::from_secs(3);
const STOCK: u32 = 1_000_000_000;

pub fn run(report: &mut Report, peer: &Peer) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let measure =
        |skus: usize, clients: usize| median(|| runtime.block_on(reservations(skus, clients)));
    let against = |value: Option<f64>| value.map(|value| ("best Postgres coding", value));
    let unit = "reservations/s";
    let (hot, hot512, spread) = (measure(1, 64), measure(1, 512), measure(10_000, 64));
    report.add("one SKU, 64 clients, durable", hot, unit, against(peer.hot));
    report.add(
        "one SKU, 512 clients, durable",
        hot512,
        unit,
        against(peer.hot),
    );
    report.add(
        "10,000 SKUs, 64 clients, durable",
        spread,
        unit,
        against(peer.spread),
    );
}

async fn reservations(skus: usize, clients: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(RealClock::default());
    let options = SqliteOptions::new(MasterKey::from_bytes([7; 32]));
    let journal = Arc::new(SqliteJournal::open(dir.path(), options, clock.now()).unwrap());
    let node = Node::start(
        journal,
        clock,
        Arc::new(Unconnected),
        Options::new(1),
        |e| panic!("{e}"),
    )
    .await
    .unwrap();
    let handle = node.handle();
    let names: Arc<Vec<SkuId>> = Arc::new(
        (0..skus)
            .map(|n| SkuId::new(format!("S-{n}")).unwrap())
            .collect(),
    );
    stock(&handle, &names).await;
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            tokio::spawn(buy(
                handle.clone(),
                Arc::clone(&names),
                client,
                Arc::clone(&done),
            ))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let rate = done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    node.stop().await;
    rate
}

fn by() -> By {
    By::new(CredentialId::new("bench").unwrap())
}

async fn stock(handle: &Handle, names: &[SkuId]) {
    for chunk in names.chunks(256) {
        let tasks: Vec<_> = chunk
            .iter()
            .cloned()
            .map(|sku| {
                let handle = handle.clone();
                tokio::spawn(async move {
                    let define = SkuCommand::Define {
                        title: sku.to_string(),
                        tracking: Tracking::Tracked,
                    };
                    let receive = SkuCommand::Receive {
                        location: reno(),
                        units: STOCK,
                        reference: None,
                    };
                    for command in [define, receive] {
                        handle
                            .ask(EntityId::Sku(sku.clone()), Command::Sku(command), by())
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }
}

fn reno() -> LocationId {
    LocationId::new("reno").unwrap()
}

/// One client: reserves, confirms and ships unit by unit, each reservation of an order of its own, so that a SKU has as
/// many open as there are clients.
async fn buy(handle: Handle, names: Arc<Vec<SkuId>>, client: usize, done: Arc<AtomicU64>) {
    let until = Instant::now() + RUN;
    let mut at = client * 7919;
    for number in 0.. {
        if Instant::now() >= until {
            return;
        }
        at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        let sku = names[at % names.len()].clone();
        let order: OrderId = format!("bench:{client}-{number}").parse().unwrap();
        let id = AttemptId { order, attempt: 1 };
        let reserve = SkuCommand::Reserve {
            id: id.clone(),
            takes: vec![Take {
                location: reno(),
                units: 1,
            }],
            sale: Sale::Asks,
            promised_at: Timestamp::from_ms(1),
            queue: false,
        };
        let confirm = SkuCommand::Confirm { id: id.clone() };
        let ship = SkuCommand::Settle {
            id,
            location: reno(),
            shipped_units: 1,
            released_units: 0,
            missing_units: 0,
        };
        for command in [reserve, confirm, ship] {
            let entity = EntityId::Sku(sku.clone());
            handle
                .ask(entity, Command::Sku(command), by())
                .await
                .unwrap();
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}
