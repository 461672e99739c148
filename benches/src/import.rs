//! A large import of stock beside orders that come at a steady rate.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::load::{Ends, Tally, paced};
use crate::orders::{SKUS, Shop, order};
use crate::report::{Report, Row, middle};
use crate::server::{Launch, counts};

/// Times that the file is imported, each time with other counts.
const TURNS: usize = 3;
/// Lines of the file: one for each SKU.
const LINES: u64 = 500_000;
/// Orders a second, far below what is possible: whoever waits does not wait for other orders.
const PER_S: f64 = 100.0;
const CLIENTS: usize = 64;
/// How long orders come without an import.
const ALONE: Duration = Duration::from_secs(20);
/// Longer than any import takes.
const ENDLESS: Duration = Duration::from_secs(600);
const UNITS: u32 = 1_000;
/// How much longer an order may take.
const SLOWER_MAX: f64 = 2.0;

/// Measures it.
pub(crate) fn run(report: &mut Report, binary: &Path) {
    let runtime = crate::reserve::runtime();
    let (mut alone, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        let shop = Shop::launch(Launch::of(binary), SKUS).await;
        shop.server.stock(LINES, UNITS).await;
        shop.last_record().await;
        for turn in 0..TURNS {
            let alone_ms = shop.orders(turn, "alone", Ends::after(ALONE)).await.ms(990);
            let (orders, took) = shop.beside(turn).await;
            let (beside_ms, rate) = (orders.ms(990), LINES as f64 / took.as_secs_f64());
            eprintln!(
                "p99 {alone_ms:.1} ms alone, {beside_ms:.1} ms (p50 {:.1}, longest {:.1}) beside {rate:.0} rows/s",
                orders.ms(500),
                orders.ms(1_000)
            );
            alone.push(alone_ms);
            beside.push(beside_ms);
            rates.push(rate);
            shop.last_record().await;
        }
    });
    let name = format!("p99 of API orders, {PER_S} a second, beside an import of 500,000 rows");
    let row = Row::new(name, middle(beside), "ms").against("without it", Some(middle(alone)));
    report.add(row.ratio_at_most(SLOWER_MAX));
    let name = "rows of stock imported meanwhile";
    report.add(Row::new(name, middle(rates), "rows/s"));
}

impl Shop {
    async fn orders(&self, turn: usize, part: &str, ends: Ends) -> Tally {
        let make = self.posts(&format!("{part}{turn}"), "/v1/orders", order);
        let orders = paced(self.server.addr, CLIENTS, PER_S, ends, make);
        orders.await.all_done()
    }

    /// Orders while the file is imported, and how long that takes.
    async fn beside(&self, turn: usize) -> (Tally, Duration) {
        let lines = counts(LINES, UNITS + 1 + turn as u32);
        let ends = Ends::after(ENDLESS);
        let import = async {
            let started = Instant::now();
            let key = format!("import-{turn}");
            self.server.import_as(&key, "stock", &lines, LINES).await;
            ends.end();
            started.elapsed()
        };
        tokio::join!(self.orders(turn, "beside", ends.clone()), import)
    }
}
